"""JSONL and JSON: one document per record, and one Skip per record that is none."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.text.load import LoadOptions
from samespace.text.load.options import FileEnd
from samespace.text.load.outcome import size
from samespace.text.load.records import record_document
from samespace.text.load.stream import lines

from .load_files import Loaded, loaded


def write(path: Path, *records: Any) -> Path:
    """Write records as JSON lines; strings are written as they are."""
    rows = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def reasons(result: Loaded) -> list[tuple[str, str]]:
    return [(skip.source.rpartition(":")[2], skip.reason) for skip in result.skips]


def test_a_record_becomes_a_document(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"_id": 7, "title": " A\ntitle ", "text": "Words", "year": 1999, "ok": True, "x": None},
    )
    (document,) = loaded(path).documents
    assert document.id == "7"
    assert document.source == f"{path}#7"
    assert document.origin == str(path)
    assert (document.title, document.text, document.media) == ("A title", "Words", "text/plain")
    assert document.metadata == {"year": 1999, "ok": True, "x": None}


def test_metadata_is_flat(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {
            "_id": "1",
            "text": "t",
            "tags": ["a", 1, None],
            "author": {"name": "N", "at": {"city": "C", "deep": {"er": 1}}},
            "parts": [{"b": 1, "a": 2}],
            "big": 2**70,
            "ratio": 0.5,
            "none": [],
        },
    )
    (document,) = loaded(path).documents
    assert document.metadata == {
        "tags": ("a", 1, None),
        "author.name": "N",
        "author.at.city": "C",
        "author.at.deep": '{"er": 1}',
        "parts": '[{"a": 2, "b": 1}]',
        "big": str(2**70),
        "ratio": 0.5,
        "none": (),
    }


def test_numbers_that_are_none_become_null(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"_id": "1", "text": "t", "a": NaN, "b": 1e999}')
    assert loaded(path).documents[0].metadata == {"a": None, "b": None}


def test_other_fields_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"key": "k", "head": "H", "body": {"raw": "B", "n": 1}})
    options = LoadOptions(id_field="key", title_field="head", text_field="body.raw")
    (document,) = loaded(path, options).documents
    assert (document.id, document.title, document.text) == ("k", "H", "B")
    assert document.metadata == {"body.n": 1}


def test_what_is_wrong_is_said_line_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"_id": "1", "text": "good"},
        {"_id": "2", "body": "elsewhere"},
        "",
        '{"_id": "3", "text": ',
        {"_id": "4", "text": None},
        {"_id": "5", "text": 3},
        {"_id": "6", "text": ["a"]},
        {"_id": "7", "text": " ", "title": ""},
        [1, 2],
        {"_id": "1", "text": "again"},
        "[" * 100_000,
        {"_id": "8", "text": "", "title": "only a title"},
        {"_id": "9", "text": "good"},
    )
    result = loaded(path)
    assert [document.id for document in result.documents] == ["1", "8", "9"]
    found = reasons(result)
    assert found[:3] == [
        ("2", "no field 'text'; fields seen: _id, body (name the right one with --text-field)"),
        ("4", "broken JSON: Expecting value at column 22"),
        ("5", "field 'text' is null, expected a string"),
    ]
    assert found[3:8] == [
        ("6", "field 'text' is a number, expected a string"),
        ("7", "field 'text' is a list, expected a string"),
        ("8", "empty"),
        ("9", "not a JSON object but a list"),
        ("10", "duplicate id '1', first seen at line 1"),
    ]
    assert found[8][0] == "11"
    assert found[8][1].startswith("broken JSON: RecursionError")
    assert result.ends == [FileEnd(str(path), "", False, True, 3)]
    assert {s.reason for s in result.skips if not s.origin} == {"empty", found[7][1]}


def test_records_without_an_id_keep_theirs_when_lines_move(tmp_path: Path) -> None:
    first, second = {"text": "one", "year": 1}, {"_id": "", "text": "two"}
    before = loaded(write(tmp_path / "a.jsonl", first, second)).documents
    after = loaded(write(tmp_path / "a.jsonl", {"text": "new"}, second, first)).documents
    assert before[0].id == after[2].id
    assert before[1].id == after[1].id
    assert len({document.id for document in after}) == 3
    again = loaded(write(tmp_path / "a.jsonl", first, first))
    assert len(again.documents) == 1
    assert "first seen at line 1" in again.skips[0].reason


def test_ids_are_unique_over_all_files_of_a_run(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", {"_id": "x", "text": "one"})
    write(tmp_path / "b.jsonl", {"_id": "x", "text": "two"}, {"_id": "y", "text": "three"})
    result = loaded(tmp_path)
    assert [document.id for document in result.documents] == ["x", "y"]
    assert reasons(result) == [("1", f"duplicate id 'x', first seen in {first}:1")]
    # Once the first file is gone the record must be taken in, so the second is not remembered.
    assert [bool(end.digest) for end in result.ends] == [True, False]
    assert not any(end.failed for end in result.ends)


def test_lone_surrogates_and_nuls_do_not_reach_the_document(tmp_path: Path) -> None:
    record = '{"_id": "a\\u0000b\\ud800", "text": "x\\ud800y\\u0000z", "k\\udfff": ["\\ud800"]}'
    (document,) = loaded(write(tmp_path / "a.jsonl", record)).documents
    assert (document.id, document.text) == ("ab\ufffd", "x\ufffdyz")
    assert document.metadata == {"k\ufffd": ("\ufffd",)}


def test_json_arrays_of_records_and_other_json(tmp_path: Path) -> None:
    records = [{"_id": "1", "text": "one"}, {"_id": "2"}, {"_id": "3", "text": "three"}]
    (tmp_path / "a.json").write_text(json.dumps(records, indent=1))
    (tmp_path / "b.json").write_text('{"name": "settings", "text": "not an array"}')
    (tmp_path / "c.json").write_text('[{"other": 1}]')
    (tmp_path / "d.json").write_text("{broken")
    write(tmp_path / "e.json", {"_id": "4", "text": "four"}, {"_id": "5", "text": "five"})
    result = loaded(tmp_path)
    names = [str(tmp_path / name) for name in ("b.json", "c.json", "d.json")]
    assert [document.id for document in result.documents] == ["1", "3", *names, "4", "5"]
    assert [source for source, _ in reasons(result)] == ["2"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.ndjson.gz", "misnamed.jsonl"])
def test_gzip_is_read_as_a_stream(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [b'{"_id": "%d", "text": "words"}\n' % i for i in range(1000)]
    path.write_bytes(gzip.compress(b"".join(rows[:500])) + gzip.compress(b"".join(rows[500:])))
    assert [document.id for document in loaded(path).documents] == list(map(str, range(1000)))


def test_a_broken_gzip_gives_what_came_before_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    rows = b"".join(b'{"_id": "%d", "text": "%d"}\n' % (i, i * i) for i in range(50_000))
    whole = gzip.compress(rows)
    path.write_bytes(whole[: len(whole) * 3 // 4])
    result = loaded(path)
    assert 10_000 < len(result.documents) < 50_000
    assert result.skips[-1].reason == "broken gzip file: it ends too early"
    assert result.ends[0].failed
    path.write_bytes(b"\x1f\x8b\x08" + b"nothing of the kind")
    assert loaded(path).skips[0].reason.startswith("broken gzip file: Error -3")


def test_long_lines_are_skipped_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        file.write('{"_id": "1", "text": "%s"}\n' % ("x" * 5_000_000))
        file.write('{"_id": "2", "text": "%s"}\n' % ("x" * 40_000_000))
        file.write('{"_id": "3", "text": "short"}')
    tracemalloc.start()
    result = loaded(path, LoadOptions(max_bytes=8 * 2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(document.text) for document in result.documents] == [5_000_000, 5]
    assert reasons(result) == [("2", "oversized: 38.1 MB, the limit is 8.0 MB (--max-bytes)")]
    assert peak < 36_000_000


@given(st.lists(st.binary(max_size=30).map(lambda row: row.replace(b"\n", b""))), st.data())
def test_lines_do_not_depend_on_the_pieces(rows: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(row + b"\n" for row in rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    bounds = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(bounds)]
    found = list(lines(pieces, 20))
    assert [line.data for line in found] == [row if len(row) <= 20 else None for row in rows]
    assert [line.number for line in found] == list(range(1, len(rows) + 1))
    assert [line.length for line in found] == [len(row) for row in rows]


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_any_record_gives_metadata_that_can_be_stored(fields: dict[str, Any]) -> None:
    record = {**fields, "_id": "1", "title": "t", "text": "words"}
    document = record_document(record, "/f", LoadOptions())
    for key, value in document.metadata.items():
        assert (key + json.dumps(value, allow_nan=False, ensure_ascii=False)).encode()
        assert isinstance(value, str | int | float | bool | None | tuple)
        if isinstance(value, tuple):
            assert not any(isinstance(item, tuple | list | dict) for item in value)


def from_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes, **options: Any) -> Loaded:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return loaded("-", LoadOptions(**options))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b'{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n'
    result = from_stdin(monkeypatch, rows)
    assert [(d.id, d.source, d.origin) for d in result.documents] == [
        ("1", "-#1", "-"),
        ("2", "-#2", "-"),
    ]
    assert result.ends == [FileEnd("-", "", False, False, 2)]
    (document,) = from_stdin(monkeypatch, b"# Plain words\n").documents
    assert (document.id, document.source, document.media) == ("-", "-", "text/plain")
    forced = from_stdin(monkeypatch, b"# Plain words\n", format="markdown").documents
    assert forced[0].media == "text/markdown"
    table = from_stdin(monkeypatch, b"_id,text\n1,one\n", format="csv").documents
    assert (table[0].id, table[0].text) == ("1", "one")
    packed = from_stdin(monkeypatch, gzip.compress(rows), format="jsonl")
    assert len(packed.documents) == 2
    assert from_stdin(monkeypatch, b"").skips[0].reason == "empty"
    too_long = from_stdin(monkeypatch, b"words " * 100, max_bytes=100)
    assert "the limit is 100 bytes" in too_long.skips[0].reason
    assert too_long.ends[0].failed


def test_sizes_are_written_for_people() -> None:
    assert [size(n) for n in (0, 1023, 1536, 32 * 2**20)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KB",
        "32.0 MB",
    ]
