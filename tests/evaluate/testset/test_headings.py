"""From headings and titles: the asked heading is gone, the rest is there, and offsets hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace import Collection, Document
from samespace.errors import InputError
from samespace.evaluate.evidence import locate, read_evidence, texts_of
from samespace.evaluate.report import evaluate_collection
from samespace.evaluate.testset import TestSet, from_headings, read_testset
from samespace.evaluate.testset.altered import alter, phrase, says_little_else
from samespace.models import HashEmbedder
from samespace.text.clean import clean
from tests.datasets import dataset

FILLER = (
    "The vault writes a fresh pair every ninety days and tells each service over its own channel, "
    "after which the former pair stays valid for one hour so that nothing in flight is refused."
)
KEYS = f"""# Handling of signing keys

Handling of signing keys

## Handling of signing keys: manual

Contents:

- Rotation of the signing keys
- Loss of a hardware token

{FILLER}

## 1. Rotation of the signing keys

{FILLER} Run it as follows.

    vault rotate --all

### Emergency rotation by two operators

- {FILLER}
- Nobody does this alone.

## Loss of a hardware token

1. {FILLER}

## References

{FILLER}

## 2024

{FILLER}

## Nothing stands below this heading

Little.
"""
BACKUPS = f"""# Backups of the production database

## Rotation of the signing keys

{FILLER} Backups are kept.

## Restoring a single table quickly

{FILLER} A table comes back from the nightly image.
"""


def collect(folder: Path, texts: dict[str, str]) -> Collection:
    made = Collection.create(folder, HashEmbedder(), max_tokens=128)
    made.add([Document(id, text, media="text/markdown") for id, text in texts.items()])
    return made


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    texts = {"keys": KEYS, "backups": BACKUPS}
    with collect(tmp_path_factory.mktemp("headings") / "kb", texts) as made:
        yield made


def test_what_is_a_question_and_what_is_not(keys: Collection, tmp_path: Path) -> None:
    made = from_headings(keys, tmp_path / "set")
    assert {query.text: query.metadata["made"] for query in made.queries} == {
        "Handling of signing keys": "title",
        "Backups of the production database": "title",
        "Emergency rotation by two operators": "heading",
        "Loss of a hardware token": "heading",
        "Restoring a single table quickly": "heading",
    }
    assert made.made["dropped"] == {
        "ambiguous: stands above several texts": 2,
        "generic": 1,
        "too little text below": 1,
        "too short, or numbers": 1,
    }
    assert made.made["kinds"] == {"heading": 3, "title": 2}
    assert made == read_testset(tmp_path / "set")


def test_the_asked_lines_are_gone_and_nothing_else_is(keys: Collection, tmp_path: Path) -> None:
    made = from_headings(keys, tmp_path / "set")
    assert made.corpus is not None
    records = {record["_id"]: record for record in map(json.loads, made.corpus.open())}
    assert set(records) == {"keys", "backups"}
    assert records["keys"]["title"] == records["backups"]["title"] == ""
    text = records["keys"]["text"]
    for gone in ("Handling of signing keys", "Emergency rotation", "hardware token"):
        assert gone not in text
    # In the table of contents the section of the other heading is named still: it is not asked.
    for kept in ("Rotation of the signing keys", "References", "2024", "Nobody does this alone."):
        assert kept in text
    assert text.count(FILLER) == KEYS.count(FILLER)
    assert "    vault rotate --all" in text


def test_offsets_hold_in_the_collection_of_the_corpus(keys: Collection, tmp_path: Path) -> None:
    made = from_headings(keys, tmp_path / "set")
    assert made.corpus is not None
    assert made.evidence is not None
    texts = {query.id: query.text for query in made.queries}
    with Collection.create(tmp_path / "altered", HashEmbedder()) as altered:
        altered.add(made.corpus)
        evidence = read_evidence(made.evidence)
        assert locate(evidence, texts_of(altered)).require_all() == evidence
        spans = {texts[span.query]: span.text for span in evidence}
        document = altered.document("keys")
    assert spans == {
        "Emergency rotation by two operators": f"- {FILLER}\n- Nobody does this alone.",
        "Loss of a hardware token": f"1. {FILLER}",
        "Restoring a single table quickly": f"{FILLER} A table comes back from the nightly image.",
    }
    assert document is not None
    assert [block.label for block in document.blocks if block.kind == "heading"] == [
        "1 Rotation of the signing keys",
        "References",
        "Nothing stands below this heading",
    ]


def test_drawn_the_same_each_time_and_from_every_document(tmp_path: Path) -> None:
    names = ("amber", "basalt", "cobalt", "dolomite")
    texts = {
        name: "\n\n".join(
            f"## The {name} rule {word} applies\n\n{FILLER} {name} {word}"
            for word in ("always", "seldom", "mostly")
        )
        for name in names
    }
    with collect(tmp_path / "kb", texts) as collection:
        first = from_headings(collection, tmp_path / "a", n=4, seed=1)
        again = from_headings(collection, tmp_path / "b", n=4, seed=1)
        other = from_headings(collection, tmp_path / "c", n=4, seed=2)
    assert first.queries == again.queries != other.queries
    assert (tmp_path / "a/corpus.jsonl").read_bytes() == (tmp_path / "b/corpus.jsonl").read_bytes()
    assert first.qrels.documents() == set(names)
    assert first.made["splits"] == {"tune": 2, "test": 2, "disjoint_by": "judged documents"}


def test_a_heading_that_the_title_holds_is_not_asked(tmp_path: Path) -> None:
    texts = {
        "a": f"# Rule 7: names of modules\n\n{FILLER}\n\n## Names of modules\n\n{FILLER}",
        "b": f"# Backups of large tables\n\n{FILLER}",
    }
    with collect(tmp_path / "kb", texts) as collection:
        made = from_headings(collection, tmp_path / "set")
    assert {query.text for query in made.queries} == {
        "Rule 7: names of modules",
        "Backups of large tables",
    }


def test_no_question_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    with (
        collect(tmp_path / "kb", {"a": "# Notes\n\nShort."}) as collection,
        pytest.raises(InputError, match=r"no question is left.*too short, or numbers: 1"),
    ):
        from_headings(collection, tmp_path / "set")
    with (
        collect(tmp_path / "kb2", {"a": BACKUPS}) as collection,
        pytest.raises(InputError, match="of 3 questions 3 hang together"),
    ):
        from_headings(collection, tmp_path / "set2")


LABELS = st.sampled_from(
    ["Rotation of all keys", "2. Loss of a token", "x", "#!", "Ünïcode is fine"]
)
BODIES = st.sampled_from(
    [
        "Plain words end here.",
        "- one\n- two\n  - three",
        "1. first\n2. second",
        "```\ndef f():\n    return 1\n\nx = 2\n```",
        "> quoted words",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "Term\n: what it is",
        "* * *",
        "word " * 60,
        "====",
        "日本語の文章です。",
    ]
)
SECTIONS = st.lists(st.tuples(st.integers(1, 6), LABELS, st.lists(BODIES, max_size=3)), min_size=1)


@given(SECTIONS, st.data())
def test_spans_hold_whatever_the_text(
    sections: list[tuple[int, str, list[str]]], data: st.DataObject
) -> None:
    markdown = "\n\n".join(
        "\n\n".join(["#" * level + " " + label, *bodies]) for level, label, bodies in sections
    )
    document = clean(Document("d", markdown, media="text/markdown"))
    headings = [
        number
        for number, block in enumerate(document.blocks)
        if block.kind == "heading" and phrase(block.label)
    ]
    asked = data.draw(st.lists(st.sampled_from(headings), unique=True)) if headings else []
    altered = alter(document, asked, title=False)
    read = clean(Document("d", altered.text, title="t"))
    phrases = {phrase(document.blocks[number].label) for number in asked}
    assert not any(says_little_else(line, phrases) for line in read.text.split("\n") if phrases)
    for start, end, text in altered.spans.values():
        assert read.text[start:end] == text
        assert text == text.strip()


def test_real_documents_lose_the_heading_and_no_span(tmp_path: Path) -> None:
    files = sorted(dataset("docs-peps").rglob("*.rst"))[::25][:24]
    with Collection.create(tmp_path / "kb", HashEmbedder()) as collection:
        collection.add(files)
        made = from_headings(collection, tmp_path / "set", n=80)
    assert len(made.queries) == 80
    assert made.made["sections_without_evidence"] == 0
    assert made.corpus is not None
    with Collection.create(tmp_path / "altered", HashEmbedder()) as altered:
        assert altered.add(made.corpus).added == len(files)
        _check_gone(made, altered)
        assert made.evidence is not None
        evidence = read_evidence(made.evidence)
        assert locate(evidence, texts_of(altered)).require_all() == evidence
        report = evaluate_collection(
            altered, made.queries, made.qrels, mode="lexical", metrics=("ndcg@10",)
        )
        assert 0.5 < report.scores.mean("ndcg@10") < 0.99


def _check_gone(made: TestSet, altered: Collection) -> None:
    for query in made.queries:
        (id,) = made.qrels.judgements[query.id]
        document = altered.document(id)
        assert document is not None
        labels = [block.label for block in document.blocks]
        lines = [document.title, *labels, *document.text.split("\n")]
        assert [line for line in lines if says_little_else(line, [phrase(query.text)])] == []
