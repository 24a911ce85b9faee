"""From a log of clicks to a test set: summed, merged, thresholds, unknown documents reported."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samespace import Collection, Document
from samespace.errors import InputError
from samespace.evaluate.testset import from_clicks, read_testset
from samespace.evaluate.testset.clicks import Fields
from samespace.models import HashEmbedder

ROWS: list[dict[str, Any]] = [
    {"query": "rotate keys", "document": "d1", "count": 3},
    {"query": "  Rotate   KEYS ", "document": "d1"},
    {"query": "rotate keys", "document": "d2", "count": 1},
    {"query": "keep backups", "document": "d3", "count": 2},
    {"query": "revoke tokens", "document": "d4"},
    {"query": "price list", "document": "gone"},
    {"query": "opening hours", "document": "d5", "count": 0},
    {"query": "keeping a backup", "document": "d6", "count": 9},
]


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "kb", HashEmbedder()) as made:
        made.add([Document(f"d{i}", f"Text number {i} of its own.") for i in range(8)])
        yield made


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(testset: Any) -> dict[str, dict[str, int]]:
    return {query.text: dict(testset.qrels.judgements[query.id]) for query in testset.queries}


def test_clicks_are_summed_and_merged(collection: Collection, tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", ROWS)
    made = from_clicks(collection, tmp_path / "set", log)
    assert judged(made) == {
        "rotate keys": {"d1": 1, "d2": 1},
        "keep backups": {"d3": 1},
        "revoke tokens": {"d4": 1},
    }
    assert made.made["dropped"] == {
        "near-duplicate of an earlier question": 1,
        "only documents that are not in the collection": 1,
    }
    assert made.made["not_in_the_collection"] == {"documents": 1, "clicks": 1, "first": ["gone"]}
    assert "favours the system" in made.made["bias"]
    assert read_testset(tmp_path / "set") == made


def test_least_clicks_and_grades(collection: Collection, tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", [*ROWS, {"query": "rotate keys", "document": "d2"}])
    often = from_clicks(collection, tmp_path / "a", log, min_clicks=3, tune_share=0)
    assert judged(often) == {"rotate keys": {"d1": 1}, "keeping a backup": {"d6": 1}}
    graded = from_clicks(collection, tmp_path / "b", log, graded=True)
    assert judged(graded)["rotate keys"] == {"d1": 2, "d2": 1}  # 4 and 2 of 6 clicks


def test_a_session_counts_once(collection: Collection, tmp_path: Path) -> None:
    rows = [{"query": "rotate keys", "document": "d1", "who": "ann"}] * 3
    rows += [{"query": "rotate keys", "document": "d2", "who": who} for who in ("ann", "bob")]
    log = write_jsonl(tmp_path / "log.jsonl", rows)
    fields = Fields(session="who")
    made = from_clicks(collection, tmp_path / "set", log, fields=fields, min_clicks=2, tune_share=0)
    assert judged(made) == {"rotate keys": {"d2": 1}}
    assert made.made["repeated_in_session"] == 2


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_tables_say_the_same(
    collection: Collection, tmp_path: Path, suffix: str, delimiter: str
) -> None:
    path = tmp_path / f"log{suffix}"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["q", "opened", "times"])
        writer.writerows([row["query"], row["document"], row.get("count", "")] for row in ROWS)
    fields = Fields("q", "opened", "times")
    table = from_clicks(collection, tmp_path / "a", path, fields=fields)
    lines = from_clicks(collection, tmp_path / "b", write_jsonl(tmp_path / "log.jsonl", ROWS))
    assert (table.queries, table.qrels) == (lines.queries, lines.qrels)


def test_a_document_of_two_queries_keeps_them_together(
    collection: Collection, tmp_path: Path
) -> None:
    collection.add([Document("copy", "Text number 1 of its own.")])
    rows = [
        {"query": "alpha beta", "document": "d1"},
        {"query": "gamma delta", "document": "copy"},  # the same text as d1
        {"query": "epsilon zeta", "document": "d2"},
        {"query": "eta theta", "document": "d2"},
    ]
    log = write_jsonl(tmp_path / "log.jsonl", rows)
    made = from_clicks(collection, tmp_path / "set", log)
    sides = {query.text: query.metadata["split"] for query in made.queries}
    assert sides["alpha beta"] == sides["gamma delta"] != sides["epsilon zeta"]
    assert sides["epsilon zeta"] == sides["eta theta"]


def test_a_drawn_sample_is_the_same_each_time(collection: Collection, tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", ROWS)
    first = from_clicks(collection, tmp_path / "a", log, n=2, seed=5)
    second = from_clicks(collection, tmp_path / "b", log, n=2, seed=5)
    assert first.queries == second.queries
    assert len(first.queries) == 2
    assert first.made["dropped"]["not drawn"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"log\.jsonl:2: expected a JSON object"),
        ("[1]", r"log\.jsonl:2: expected a JSON object"),
        ('{"q": "x", "document": "d1"}', r"log\.jsonl:2: .*'query'.*fields seen: q, document"),
        ('{"query": " ", "document": "d1"}', r"log\.jsonl:2: expected a text"),
        ('{"query": "x", "document": "d1", "count": -1}', r"log\.jsonl:2: .*from 0 up"),
        ('{"query": "x", "document": "d1", "count": 1.5}', r"log\.jsonl:2: .*whole number"),
        ('{"query": "x", "document": "d1", "count": 1e999}', r"log\.jsonl:2: .*whole number"),
        ('{"query": "x", "document": "d1", "count": true}', r"log\.jsonl:2: .*whole number"),
    ],
)
def test_a_line_that_is_no_click(
    collection: Collection, tmp_path: Path, line: str, message: str
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n")
    with pytest.raises(InputError, match=message):
        from_clicks(collection, tmp_path / "set", log)
    assert not (tmp_path / "set").exists()


def test_other_files(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        from_clicks(collection, tmp_path / "set", tmp_path / "none.csv")
    (tmp_path / "log.txt").write_text("x")
    with pytest.raises(InputError, match=r"must end in \.jsonl"):
        from_clicks(collection, tmp_path / "set", tmp_path / "log.txt")
    (tmp_path / "log.csv").write_text("query,document\n")
    with pytest.raises(InputError, match="no click in 0 rows"):
        from_clicks(collection, tmp_path / "set", tmp_path / "log.csv")
