"""CSV and TSV: rows survive quotes, delimiters and line breaks, and stray ones do little harm."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.text.load import LoadOptions

from .load_files import Loaded, loaded


def table(path: Path, content: str | bytes, options: LoadOptions | None = None) -> Loaded:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return loaded(path, options)


def test_rows_become_documents(tmp_path: Path) -> None:
    result = table(
        tmp_path / "a.csv",
        '\ufeff_id,title,text,year,note\r\n1,T,"Two\r\nlines, and ""quotes""",1999,\r\n2,,x,,n\r\n',
    )
    first, second = result.documents
    assert (first.id, first.title, first.text) == ("1", "T", 'Two\r\nlines, and "quotes"')
    assert first.source == f"{tmp_path / 'a.csv'}#1"
    assert first.metadata == {"year": "1999"}
    assert (second.id, second.title, second.metadata) == ("2", "", {"note": "n"})
    assert result.skips == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    content = delimiter.join(["_id", "a,b", "text"]) if delimiter != "," else "_id,a;b,text"
    content += "\n" + delimiter.join(["1", "x", "words here"]) + "\n"
    (document,) = table(tmp_path / "a.csv", content).documents
    assert (document.id, document.text) == ("1", "words here")


def test_columns_of_the_same_name_keep_their_cells(tmp_path: Path) -> None:
    header = "_id,text,text,tag,tag,tag_2,tag"
    result = table(tmp_path / "a.csv", f"{header}\n1,first,second,a,b,c,d\n")
    (document,) = result.documents
    assert document.text == "first"
    assert document.metadata == {
        "text_2": "second",
        "tag": "a",
        "tag_3": "b",
        "tag_2": "c",
        "tag_4": "d",
    }


@pytest.mark.parametrize(("name", "content"), [("a.csv", "_id,text\n"), ("a.jsonl", " \n\n")])
def test_a_file_without_records_is_reported(tmp_path: Path, name: str, content: str) -> None:
    result = table(tmp_path / name, content)
    assert result.documents == []
    assert result.reasons == {name: "empty"}
    assert not result.ends[0].failed


def test_a_missing_text_column_is_said_once(tmp_path: Path) -> None:
    result = table(tmp_path / "a.csv", "id,body\n1,x\n2,y\n")
    assert [skip.reason for skip in result.skips] == [
        "no field 'text'; fields seen: id, body (name the right one with --text-field)"
    ]
    named = LoadOptions(text_field="body", id_field="id")
    assert loaded(tmp_path / "a.csv", named).texts == ["x", "y"]


def test_rows_that_do_not_fit_the_header(tmp_path: Path) -> None:
    result = table(
        tmp_path / "a.csv",
        "_id,text,year\n1,a, stray comma,1999\n2\n3,fine\n4,also fine,2000,,\n5,,\n",
    )
    assert [document.id for document in result.documents] == ["3", "4"]
    assert [(skip.source.rpartition(":")[2], skip.reason[:28]) for skip in result.skips] == [
        ("2", "4 cells, the header has 3: a"),
        ("3", "1 cells, the header has 3: a"),
        ("6", "empty"),
    ]


def test_a_quote_that_is_never_closed_loses_one_row(tmp_path: Path) -> None:
    rows = "".join(f"{i},row {i}\n" for i in range(3, 200))
    result = table(tmp_path / "a.csv", f'_id,text\n1,one\n2,"two\n{rows}')
    assert [document.id for document in result.documents] == ["1", *map(str, range(3, 200))]
    assert [skip.source.rpartition(":")[2] for skip in result.skips] == ["3"]
    assert result.skips[0].reason == "a quote that opens here is not closed properly"
    assert result.ends[0].failed


def test_a_stray_quote_does_not_swallow_the_next_quoted_row(tmp_path: Path) -> None:
    content = '_id,text\n1,"one\n2,plain\n3,"quoted, too"\n4,"cut off at the e'
    result = table(tmp_path / "a.csv", content)
    assert result.texts == ["plain", "quoted, too"]
    assert [skip.source.rpartition(":")[2] for skip in result.skips] == ["2", "5"]


def test_careless_quotes_within_a_line_are_taken_as_they_stand(tmp_path: Path) -> None:
    result = table(tmp_path / "a.csv", '_id,text\n1,"Well" he said\n2,a 5" disk\n3,"x" \n')
    assert result.texts == ["Well he said", 'a 5" disk', "x "]
    assert result.skips == []


def test_reading_anew_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samespace.text.load.table._READ_AGAIN", 200)
    result = table(tmp_path / "a.csv", "_id,text\n" + '1,"a\n2,"b\n' * 50 + "3,three\n")
    assert "the rest of the file is not read" in result.skips[-1].reason
    assert result.ends[0].failed


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    assert table(tmp_path / "a.csv", "_id,text\r1,one\r2,two\r").texts == ["one", "two"]


def test_a_row_above_the_limit_is_skipped_whole(tmp_path: Path) -> None:
    long = "a long line, with commas\n" * 100
    content = f'_id,text\n1,one\n2,"{long}"\n3,three\n4,{"x" * 3000}\n5,five\n'
    result = table(tmp_path / "a.csv", content, LoadOptions(max_bytes=1000))
    assert [document.id for document in result.documents] == ["1", "3", "5"]
    assert [skip.reason.partition(":")[0] for skip in result.skips] == ["oversized", "oversized"]


def test_cells_of_megabytes_are_read(tmp_path: Path) -> None:
    text = "word " * 200_000
    assert table(tmp_path / "a.csv", f'_id,text\n1,"{text}"\n').texts == [text]


def test_tsv_with_stray_quotes_is_split_at_tabs_only(tmp_path: Path) -> None:
    result = table(
        tmp_path / "a.tsv",
        '_id\ttext\n1\t"Unbalanced, he said\n2\ta 5" disk\n3\t"quoted ""cell"""\n4\t"a" and "b"\n',
    )
    assert result.texts == ['"Unbalanced, he said', 'a 5" disk', 'quoted "cell"', '"a" and "b"']
    assert result.skips == []


def test_tsv_with_line_breaks_in_quotes(tmp_path: Path) -> None:
    result = table(tmp_path / "a.tsv", '_id\ttext\n1\t"two\nlines"\n2\tone\n')
    assert result.texts == ["two\nlines", "one"]


def test_packed_tables(tmp_path: Path) -> None:
    assert table(tmp_path / "a.csv.gz", gzip.compress(b"_id,text\n1,one\n")).texts == ["one"]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_the_csv_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], delimiter: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["_id", "text", "more"])
    rows = [(str(i), f"x{text}", more) for i, (text, more) in enumerate(cells)]
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    result = table(path, "\ufeff" + out.getvalue())
    assert result.skips == []
    assert [(d.id, d.text, d.metadata.get("more", "")) for d in result.documents] == rows
