"""The vocabulary of a static model: words whole, pieces for the rest, nothing around them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from samespace.errors import InputError, ModelError
from samespace.models.distill.vocabulary import LEAST_OCCURRENCES, vocabulary
from tests.models.static_folder import tokenizer

TEXTS = ["Microglia, the microglia: MICROGLIA!", "medley medley", "don't — déjà vu ×3 " * 3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    definition = json.loads(tokenizer().to_str())
    pieces = ["[unused0]", *definition["model"]["vocab"]]
    definition["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    (tmp_path / "tokenizer.json").write_text(json.dumps(definition))
    return tmp_path / "tokenizer.json"


def tokens(made: Tokenizer, text: str) -> list[str]:
    return list(made.encode(text).tokens)


def test_frequent_words_are_whole_and_rare_ones_in_pieces(file: Path) -> None:
    before = vocabulary(file, [], 0)
    made = vocabulary(file, TEXTS, 100)
    assert tokens(before, "microglia")[:2] == ["m", "##i"]
    assert tokens(made, "Microglia of the cell") == ["microglia", "of", "the", "cell"]
    assert tokens(made, "deja vu") == ["deja", "vu"]  # as the model's own normalizer has it
    assert LEAST_OCCURRENCES == 3
    assert tokens(made, "medley")[:2] == ["m", "##e"]
    assert set(before.get_vocab()) < set(made.get_vocab())


def test_the_most_frequent_words_come_first(file: Path) -> None:
    one = vocabulary(file, ["alpha " * 9 + "beta " * 4 + "gamma " * 5], 1)
    assert "alpha" in one.get_vocab()
    assert not {"beta", "gamma"} & set(one.get_vocab())


def test_nothing_is_added_cut_padded_or_kept_free(file: Path) -> None:
    made = vocabulary(file, TEXTS, 100)
    assert tokens(made, "the cell " * 30) == ["the", "cell"] * 30
    assert "[unused0]" not in made.get_vocab()
    assert sorted(made.get_vocab().values()) == list(range(made.get_vocab_size()))


def test_another_kind_of_tokenizer_is_learned_from_text(tmp_path: Path) -> None:
    bpe = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel()
    bpe.save(str(tmp_path / "tokenizer.json"))
    texts = ["the cell divides and the cells divided", "東京の人口"] * 4
    for start in (tmp_path / "tokenizer.json", None):
        made = vocabulary(start, texts, 100)
        assert tokens(made, "The cell divides") == ["the", "cell", "divides"]
        assert tokens(made, "東口") == ["東", "口"]
        assert "[UNK]" not in tokens(made, "divisive lids")
        assert made.to_str() == vocabulary(start, texts, 100).to_str()
    with pytest.raises(InputError, match="must be learned from text"):
        vocabulary(None, [], 100)


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a tokenizer definition"):
        vocabulary(tmp_path / "tokenizer.json", TEXTS, 10)
