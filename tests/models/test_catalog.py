"""The catalog parses, is whole, and refuses what is not."""

from __future__ import annotations

import pytest

from samespace.errors import ModelError
from samespace.models.catalog import catalog, find, find_weights, parse

ENTRY = f"""
[[model]]
name = "one"
hub = "org/one"
weights = "{"a" * 64}"
tokenizer = "{"b" * 64}"
pooling = "cls"
normalized = true
dimensions = 8
max_tokens = 16
metric = "cosine"
licence = "MIT"
"""


def test_every_name_finds_its_entry() -> None:
    assert catalog()
    for card in catalog():
        for name in (card.name, *card.aliases):
            assert find(name) is card
        assert find_weights(card.weights) is card
        assert card.licence
    assert find("no-such-model") is None


def test_an_entry() -> None:
    (card,) = parse(ENTRY + 'aliases = ["uno"]\nprompts = {query = "q: "}\n')
    assert (card.name, card.aliases, card.prompts) == ("one", ("uno",), {"query": "q: "})
    assert card.weights_file == "model.safetensors"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace('"' + "a" * 64 + '"', '"abc"'), "weights must be 64 lower-case hexa"),
        (ENTRY.replace("cls", "max"), "pooling must be one of"),
        (ENTRY.replace("cosine", "manhattan"), "metric must be one of"),
        (ENTRY.replace("= 8", "= 0"), "must be positive"),
        (ENTRY + 'prompts = {passage = "p"}\n', "prompts are for query and document"),
        (ENTRY + "speed = 3\n", r"'one': unknown fields \['speed'\]"),
        (ENTRY.replace('licence = "MIT"', ""), "'one':.*licence"),
        (ENTRY + ENTRY, "'one' is used twice"),
        (ENTRY + ENTRY.replace('"one"', '"two"'), "'aaaa.*' is used twice"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse(text)
