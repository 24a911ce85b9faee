"""The catalog parses, is whole, and refuses what is not."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from samespace.errors import ModelError
from samespace.models.catalog import add, catalog, find, find_weights, parse, select
from samespace.models.catalog.read import forget

ENTRY = f"""
[[model]]
name = "one"
provider = "huggingface"
hub = "org/one"
kinds = ["dense"]
weights = "{"a" * 64}"
tokenizer = "{"b" * 64}"
pooling = "cls"
normalized = true
dimensions = 8
matryoshka = [4]
max_tokens = 16
metric = "cosine"
licence = "MIT"
"""
REQUIRED = [
    "text-embedding-3-small",
    "text-embedding-3-large",
    "embed-english-v3.0",
    "embed-multilingual-v3.0",
    "embed-v4.0",
    "voyage-3-large",
    "voyage-3.5",
    "voyage-code-3",
    "voyage-finance-2",
    "voyage-law-2",
    "voyage-multimodal-3",
    "voyage-4",
    "voyage-4-large",
    "voyage-4-lite",
    "gemini-embedding-001",
    "mistral-embed",
    "jina-embeddings-v3",
    "jina-embeddings-v4",
    "Qwen3-Embedding-0.6B",
    "Qwen3-Embedding-4B",
    "Qwen3-Embedding-8B",
    "bge-m3",
    "bge-small-en-v1.5",
    "bge-base-en-v1.5",
    "bge-large-en-v1.5",
    "e5-small-v2",
    "e5-base-v2",
    "e5-large-v2",
    "multilingual-e5-small",
    "multilingual-e5-base",
    "multilingual-e5-large",
    "gte-base",
    "gte-large",
    "gte-multilingual-base",
    "nomic-embed-text-v1.5",
    "nomic-embed-text-v2-moe",
    "NV-Embed-v2",
    "all-MiniLM-L6-v2",
    "all-mpnet-base-v2",
    "mxbai-embed-large-v1",
    "snowflake-arctic-embed-l-v2.0",
    "splade-v3",
    "colbertv2.0",
    "GTE-ModernColBERT-v1",
    "clip-ViT-B-32",
    "siglip-base-patch16-224",
    "BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
    "pubmedbert-base-embeddings",
    "BioLORD-2023",
    "specter2",
    "scibert_scivocab_uncased",
    "legal-bert-base-uncased",
    "codebert-base",
    "potion-base-8M",
    "potion-retrieval-32M",
    "ms-marco-MiniLM-L6-v2",
    "bge-reranker-v2-m3",
    "Qwen3-Reranker-0.6B",
    "mxbai-rerank-base-v2",
    "rerank-v3.5",
    "rerank-2.5",
    "jina-reranker-v2-base-multilingual",
]
NEVER_TRAINED = ["scibert_scivocab_uncased", "legal-bert-base-uncased", "codebert-base"]


def test_every_name_finds_its_entry() -> None:
    assert len(catalog()) > 70
    for card in catalog():
        for name in (card.name, *card.aliases):
            assert find(name) == card
        if card.weights:
            assert find_weights(card.weights) == card
    assert find("no-such-model") is None
    assert find("") is None
    assert find_weights("") is None


@pytest.mark.parametrize("name", REQUIRED)
def test_the_models_that_people_use_are_there(name: str) -> None:
    assert find(name) is not None


def test_every_statement_has_one_source_and_a_day() -> None:
    problems = {card.name: card.unsourced() for card in catalog() if card.unsourced()}
    assert not problems
    for card in catalog():
        for fact in (*card.facts, *card.figures):
            assert isinstance(fact.read, datetime.date)
            assert fact.source.strip()


def test_what_must_not_be_forgotten() -> None:
    for name in NEVER_TRAINED:
        card = find(name)
        assert card is not None
        assert card.retrieval is False
        assert card.mind
    hosted = [card for card in catalog() if card.hosted and card.embeds]
    assert all(card.max_tokens for card in hosted)
    for card in catalog():
        roles = set(card.prompts) | set(card.input_types)
        assert not (card.symmetric and len({card.prompts.get(r, "") for r in roles}) > 1), card.name


def test_what_may_be_shortened_lists_widths() -> None:
    for name in ("Qwen3-Embedding-0.6B", "gte-multilingual-base", "mxbai-embed-large-v1"):
        assert name in {card.name for card in select(catalog(), dimensions=512)}


def test_a_family_shares_its_width() -> None:
    for family in {card.family for card in catalog()} - {""}:
        cards = [card for card in catalog() if card.family == family]
        widths = [{card.dimensions, *card.matryoshka} for card in cards]
        assert len(cards) > 1
        assert set.intersection(*widths)


def test_an_entry() -> None:
    (card,) = parse(ENTRY + 'aliases = ["uno"]\nprompts = {query = "q: "}\n')
    assert (card.name, card.aliases, card.prompts) == ("one", ("uno",), {"query": "q: "})
    assert card.weights_file == "model.safetensors"
    assert card.dimensions == 8
    assert "licence has no source" in card.unsourced()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace('"' + "a" * 64 + '"', '"abc"'), "weights must be 64 lower-case hexa"),
        (ENTRY.replace("cls", "sum"), "pooling must be one of"),
        (ENTRY.replace("cosine", "manhattan"), "metric must be one of"),
        (ENTRY.replace("= 8", "= 0"), "must be positive"),
        (ENTRY.replace("[4]", "[8]"), "matryoshka must list widths below"),
        (ENTRY.replace('["dense"]', '["thick"]'), "kinds must be one of"),
        (ENTRY.replace('["dense"]', "[]"), "kinds must name at least one"),
        (ENTRY.replace("dimensions = 8", "").replace("[4]", "[]"), "dimensions are missing"),
        (ENTRY.replace("[[model]]", "[[models]]"), r"expected \[\[model\]\] tables only"),
        ("[[model]", "not TOML"),
        (ENTRY + 'prompts = {passage = "p"}\n', "prompts are for query and document"),
        (ENTRY + "speed = 3\n", r"'one': unknown fields speed"),
        (ENTRY.replace('provider = "huggingface"', ""), "'one':.*provider"),
        (ENTRY + ENTRY, "'one' is used twice"),
        (ENTRY + ENTRY.replace('"one"', '"two"'), "'aaaa.*' is used twice"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('dimensions = "768"', "dimensions must be an integer, got '768'"),
        ("dimensions = true", "dimensions must be an integer, got True"),
        ("max_tokens = 512.5", "max_tokens must be an integer, got 512.5"),
        ("prompts = 3", "prompts must be a table of texts, got 3"),
        ("prompts = {query = 3}", "prompts must be a table of texts"),
        ('kinds = "dense"', "kinds must be a list, each a text, got 'dense'"),
        ('languages = "de"', "languages must be a list, each a text, got 'de'"),
        ("aliases = [3]", "aliases must be a list"),
        ("matryoshka = [2.5]", "matryoshka must be a list, each an integer"),
        ('normalized = "yes"', "normalized must be true or false, got 'yes'"),
        ("hub = 3", "hub must be a text"),
        ("name = 3", "name must be a text"),
        ('name = " "', "name is empty"),
        ('price_per_million = "free"', "price_per_million must be a number"),
        ("price_per_million = -1", "price_per_million must be 0 or more"),
        ("price_per_million = nan", "price_per_million must be 0 or more"),
        ("facts = 3", "facts must be a list, each a table"),
        ('facts = [{fields = ["hub"], source = "x"}]', r"facts\[0\]: read is missing"),
        (
            'facts = [{fields = ["metric"], source = "x", read = "today"}]',
            r"facts\[0\]: read must be a date, got 'today'",
        ),
        (
            'facts = [{fields = "metric", source = "x", read = 2026-01-01}]',
            r"facts\[0\]: fields must be a list",
        ),
        (
            'facts = [{fields = ["speed"], source = "x", read = 2026-01-01}]',
            "facts name 'speed', which is no field",
        ),
        (
            'facts = [{fields = ["metric", "metric"], source = "x", read = 2026-01-01}]',
            "facts name 'metric' twice",
        ),
        ('figures = [{benchmark = "a"}]', r"figures\[0\]: metric is missing"),
    ],
)
def test_a_value_of_another_type_is_refused_by_file_entry_and_field(
    line: str, message: str
) -> None:
    field = line.split(" = ", 1)[0]
    others = [one for one in ENTRY.splitlines() if not one.startswith(f"{field} =")]
    name = line.split(" = ")[1] if field == "name" else "'one'"
    with pytest.raises(ModelError, match=f"ours.toml: entry {name}:.*{message}".replace('"', "'")):
        parse("\n".join([*others, line]), "ours.toml")


def test_a_damaged_file_of_ones_own_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine.toml").write_bytes(b"\xff\xfe")
    forget()
    try:
        with pytest.raises(ModelError, match=r"mine\.toml cannot be read"):
            catalog()
    finally:
        monkeypatch.undo()
        forget()
    for text in ("model = [1]", 'model = [{name = "x"}]', "model = 3"):
        with pytest.raises(ModelError, match=r"expected \[\[model\]\] tables only"):
            parse(text)


def test_ones_own_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path / "config"))
    forget()
    try:
        file = tmp_path / "mine.toml"
        file.write_text(ENTRY)
        assert find("one") is None
        (card,), place = add(file)
        assert place == tmp_path / "config/models/mine.toml"
        assert find("one") == card
        assert card in catalog()
        assert select(catalog(), dimensions=4, licence="mit", min_window=16)[-1:] == (card,)
        file.write_text(ENTRY.replace("MIT", "BSD-3-Clause"))
        add(file)
        found = find("one")
        assert found is not None
        assert found.licence == "BSD-3-Clause"
        file.write_text(ENTRY.replace('"one"', '"all-MiniLM-L6-v2"'))
        with pytest.raises(ModelError, match="'all-MiniLM-L6-v2' is used twice"):
            add(file)
        assert find("one") == found
    finally:
        monkeypatch.undo()
        forget()


def test_what_is_not_known_meets_no_condition() -> None:
    cards = parse(
        ENTRY
        + ENTRY.replace('"one"', '"two"')
        .replace("a" * 64, "c" * 64)
        .replace("max_tokens = 16\n", "")
        .replace("MIT", "CC-BY-NC-4.0")
        + 'languages = ["de"]\nmodalities = ["text", "image"]\n'
    )
    assert [c.name for c in select(cards, min_window=1)] == ["one"]
    assert [c.name for c in select(cards, language="de")] == ["two"]
    assert [c.name for c in select(cards, modality="image")] == ["two"]
    assert [c.name for c in select(cards, kind="sparse")] == []
    assert [c.name for c in select(cards, commercial=True)] == []
    assert [c.name for c in select(cards, max_price=0)] == ["one", "two"]
    assert [c.name for c in select(cards, licence="nc")] == ["two"]
