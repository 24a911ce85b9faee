"""Every format becomes a document, or a Skip that says why not; nothing stops the run."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InputError
from samespace.text.load import FORMATS, LoadOptions
from samespace.text.load.notebook import OUTPUT_LIMIT
from samespace.types import Document

from .load_files import loaded, make_docx, make_pdf

FIXTURES = Path(__file__).parent / "fixtures"


def one(path: Path, options: LoadOptions | None = None) -> Document:
    result = loaded(path, options)
    assert result.skips == []
    (document,) = result.documents
    return document


def refused(path: Path, options: LoadOptions | None = None) -> str:
    result = loaded(path, options)
    assert result.documents == []
    (skip,) = result.skips
    (end,) = result.ends
    assert skip.source == end.origin == str(path)
    assert end.digest == ""
    assert skip.origin == (str(path) if end.failed else "")
    return skip.reason


def test_a_file_is_named_by_its_path_and_by_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# Heading\n\nText")
    document = one(path)
    assert document.id == document.source == document.origin == str(path)
    assert document.title == ""
    moved = tmp_path / "other name.md"
    path.rename(moved)
    assert one(moved).content_hash == document.content_hash


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("a.md", "text/markdown"),
        ("A.MARKDOWN", "text/markdown"),
        ("a.mdx", "text/markdown"),
        ("a.rst", "text/x-rst"),
        ("a.adoc", "text/x-asciidoc"),
        ("a.asciidoc", "text/x-asciidoc"),
        ("a.txt", "text/plain"),
        ("a.log", "text/plain"),
        ("README", "text/plain"),
        ("a.unheard-of", "text/plain"),
        ("a.yaml", "text/plain"),
        ("a.toml", "text/plain"),
        ("a.xml", "text/plain"),
        ("a.ini", "text/plain"),
        ("a.json", "text/plain"),
        ("a.html", "text/html"),
        ("a.htm", "text/html"),
        ("a.xhtml", "text/html"),
        ("a.py", "text/x-python"),
        ("a.js", "text/x-javascript"),
        ("a.ts", "text/x-typescript"),
        ("a.tsx", "text/x-tsx"),
        ("a.go", "text/x-go"),
        ("a.rs", "text/x-rust"),
        ("a.java", "text/x-java"),
        ("a.c", "text/x-c"),
        ("a.h", "text/x-c"),
        ("a.cpp", "text/x-cpp"),
        ("a.rb", "text/x-ruby"),
        ("a.sh", "text/x-shell"),
        ("a.sql", "text/x-sql"),
        ("Makefile", "text/x-makefile"),
    ],
)
def test_the_name_tells_the_media_type(tmp_path: Path, name: str, media: str) -> None:
    path = tmp_path / name
    path.write_text("some words")
    assert (one(path).media, one(path).text) == (media, "some words")


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"<!DOCTYPE html><p>Hi", "text/html"),
        (b"\n<!-- made by hand --><html><p>Hi", "text/html"),
        (b"#!/usr/bin/env python3\nx = 1", "text/x-python"),
        (b"#!/bin/sh\nls", "text/x-shell"),
        (b"#!/usr/bin/awk\nls", "text/plain"),
        (make_pdf("Hello"), "application/pdf"),
        (make_docx(("", "Hello")), "text/html"),
        (b"just words", "text/plain"),
    ],
)
def test_the_content_tells_it_where_the_name_does_not(
    tmp_path: Path, content: bytes, media: str
) -> None:
    path = tmp_path / "nameless"
    path.write_bytes(content)
    assert one(path).media == media


def test_a_pdf_by_any_other_name_is_a_pdf(tmp_path: Path) -> None:
    path = tmp_path / "download.html"
    path.write_bytes(make_pdf("Hello"))
    assert one(path).text == "Hello"


def test_format_can_be_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('{"_id": "1", "text": "words"}\n')
    assert one(path, LoadOptions(format="jsonl")).id == "1"
    assert one(path, LoadOptions(format="python")).media == "text/x-python"
    with pytest.raises(InputError, match=r"format must be one of .*markdown.*got 'word'"):
        LoadOptions(format="word")
    assert {"jsonl", "csv", "markdown", "pdf", "python", "shell"} <= set(FORMATS)


def test_html_gives_title_and_metadata_from_its_head(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    markup = (
        '<html><head><meta charset="utf-8"><title>\n Tea &amp;\n cake </title>'
        '<meta name=Description content="How to &quot;bake&quot;">'
        '<meta property="article:published_time" content="2024-02-03">'
        '<meta name="author" content="A. Cook"><meta name="author" content="Second">'
        '<meta name="viewport" content="width=device-width"></head>'
        "<body><svg><title>icon</title></svg><meta name=keywords content=no>Text</body></html>"
    )
    path.write_text(markup)
    document = one(path)
    assert document.text == markup
    assert document.title == "Tea & cake"
    assert document.metadata == {
        "description": 'How to "bake"',
        "date": "2024-02-03",
        "author": "A. Cook",
    }


def test_html_without_a_head_has_no_title_from_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>Text <svg><title>icon</title></svg>")
    assert one(path).title == ""


def test_pdf_pages_title_and_author(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf("First page", "Second page", title="On Pages", author="P. Writer"))
    document = one(path)
    assert document.text == "First page\fSecond page"
    assert document.title == "On Pages"
    assert document.metadata == {"pages": 2, "author": "P. Writer"}


def test_a_word_divided_between_lines_keeps_its_hyphen(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf("retrieval mech-) Tj 0 -14 Td (anisms of old"))
    assert one(path).text == "retrieval mech-\r\nanisms of old"


@pytest.mark.parametrize("title", ["untitled", "Microsoft Word - thesis.doc", "paper.dvi", " "])
def test_pdf_titles_that_a_program_made_up_are_left_out(tmp_path: Path, title: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf("Text", title=title))
    assert one(path).title == ""


def test_pdf_without_text_asks_for_ocr(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf("", "", ""))
    assert refused(path) == "no text layer: 3 pages of images; run OCR first"


def test_broken_and_encrypted_files_are_told_apart(tmp_path: Path) -> None:
    assert refused(FIXTURES / "encrypted.pdf") == "encrypted: the file needs a password"
    assert refused(FIXTURES / "encrypted.docx") == "encrypted: the file needs a password"
    assert one(FIXTURES / "owner_password.pdf").text == "Anyone may open this page."
    broken = tmp_path / "a.pdf"
    broken.write_bytes(b"%PDF-1.4\nnothing of it")
    assert refused(broken).startswith("broken PDF file: ")
    page = tmp_path / "page.pdf"
    page.write_text("<html>404</html>")
    assert refused(page).startswith("broken PDF file: ")


def test_docx_keeps_headings_and_takes_core_properties(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(
        make_docx(
            ("Title", "The Report"),
            ("Heading1", "Results &amp; causes"),
            ("", "It worked."),
            title="Report of May",
            creator="R. Author",
        )
    )
    document = one(path)
    assert document.text == ("<h1>The Report</h1><h1>Results &amp; causes</h1><p>It worked.</p>")
    assert document.media == "text/html"
    assert (document.title, document.metadata) == ("Report of May", {"author": "R. Author"})


def test_broken_docx(tmp_path: Path) -> None:
    whole = make_docx(("", "Text"))
    for name, data in {
        "cut.docx": whole[: len(whole) // 2],
        "words.docx": b"not a zip at all",
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert refused(path).startswith("broken DOCX file: ")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "x")
    path = tmp_path / "other.docx"
    path.write_bytes(out.getvalue())
    assert "without word/document.xml" in refused(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert refused(path) == "unsupported format: Office 97-2003 document, save it as DOCX"


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(make_docx(("", "x" * 200_000)))
    assert path.stat().st_size < 5_000
    assert refused(path, LoadOptions(max_bytes=5_000)).startswith("oversized: ")


def notebook(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_notebook_4_becomes_markdown(tmp_path: Path) -> None:
    long = "x" * (OUTPUT_LIMIT + 1)
    cells = [
        {"cell_type": "markdown", "source": ["# Study\n", "Some prose."]},
        {
            "cell_type": "code",
            "source": 's = "```"\nprint(s)',
            "outputs": [
                {"output_type": "stream", "text": ["10%\r50%\r100%\n", "\x1b[31mred\x1b[0m\n"]},
                {"output_type": "execute_result", "data": {"text/plain": ["42"]}},
                {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<F>"}},
                {"output_type": "error", "ename": "E", "evalue": "boom", "traceback": ["T"]},
                {"output_type": "stream", "text": long},
            ],
        },
        {"cell_type": "code", "source": [], "outputs": []},
        {"cell_type": "raw", "source": "raw text"},
    ]
    meta = {"title": "A study", "language_info": {"name": "julia"}}
    content = {"nbformat": 4, "metadata": meta, "cells": cells}
    document = one(notebook(tmp_path / "a.ipynb", content))
    assert document.text == (
        "# Study\nSome prose.\n\n"
        '````julia\ns = "```"\nprint(s)\n````\n\n'
        "```text\n100%\nred\n```\n\n"
        "```text\n42\n```\n\n"
        "```text\nraw text\n```"
    )
    assert document.media == "text/markdown"
    assert document.title == "A study"
    assert document.dropped == {"notebook output": len(long)}


def test_notebook_3_becomes_markdown(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Old\nheading"},
        {
            "cell_type": "code",
            "language": "Ruby",
            "input": ["puts 1"],
            "outputs": [{"output_type": "pyout", "text": ["1"]}],
        },
    ]
    content = {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}
    document = one(notebook(tmp_path / "a.ipynb", content))
    assert document.text == "## Old heading\n\n```ruby\nputs 1\n```\n\n```text\n1\n```"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "broken notebook: JSONDecodeError"),
        ("[]", "broken notebook: no list of cells"),
        ('{"cells": 3}', "broken notebook: no list of cells"),
        ('{"cells": []}', "empty"),
        ("[" * 100_000, "broken notebook: RecursionError"),
    ],
)
def test_broken_notebooks(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    assert refused(path).startswith(reason)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.md", b" \n\t\n", "empty"),
        ("a.jsonl", b"", "empty"),
        ("a.txt", b"\x00\x01\x02\x03 text \xff\xfe" * 20, "binary"),
        ("nameless", bytes(range(256)) * 8, "binary"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "unsupported format: PNG image"),
        ("a.md", b"\x89PNG\r\n\x1a\n" + bytes(50), "unsupported format: PNG image"),
        ("nameless", b"GIF89a" + bytes(50), "unsupported format: GIF image"),
        ("a.zip", b"PK\x03\x04" + bytes(50), "unsupported format: ZIP archive"),
        ("nameless", b"PK\x03\x04" + bytes(50), "unsupported format: ZIP archive or Office file"),
        ("a.tar.gz", gzip.compress(b"x"), "unsupported format: GZ archive"),
        ("a.mp3", b"ID3\x03", "unsupported format: MP3 audio"),
        ("a.xlsx", b"PK\x03\x04", "unsupported format: XLSX spreadsheet, save it as CSV"),
        ("a.doc", b"x", "unsupported format: DOC Word 97-2003 document, save it as DOCX"),
    ],
)
def test_what_is_not_text_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refused(path) == reason


def test_oversized_files_say_by_how_much(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(50 * 2**20)  # sparse
        file.write(b"words")
    assert refused(path) == "oversized: 50.0 MB, the limit is 32.0 MB (--max-bytes)"
    path.write_bytes(b"x" * 1000)
    assert refused(path, LoadOptions(max_bytes=999)) == (
        "oversized: 1000 bytes, the limit is 999 bytes (--max-bytes)"
    )
    assert one(path, LoadOptions(max_bytes=1000)).text == "x" * 1000


@given(st.binary(max_size=300), st.sampled_from(sorted(FORMATS)))
def test_no_bytes_stop_the_run(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, format_: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "a").write_bytes(data)
    (folder / "b.md").write_text("the next file")
    result = loaded(folder, LoadOptions(format=format_))
    assert [end.origin for end in result.ends] == [str(folder / "a"), str(folder / "b.md")]
    said = [skip for skip in result.skips if skip.source.startswith(str(folder / "a"))]
    if not FORMATS[format_].records:  # lines may also all be blank
        assert result.ends[0].documents + len(said) == 1
    if FORMATS[format_].media.startswith("text/x-"):
        assert result.texts[-1] == "the next file"


def test_one_failing_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "b.ipynb").write_text("{")
    (tmp_path / "c.md").write_text("fine")
    result = loaded(tmp_path)
    assert result.names == ["c.md"]
    assert set(result.reasons) == {"a.pdf", "b.ipynb"}
    assert [end.failed for end in result.ends] == [True, True, False]
