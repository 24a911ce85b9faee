"""Bad input, kind by kind: each ends in a report or a clear error, and nothing is lost.

Every case gets a collection that holds one document, does one bad thing through the public
interface, and says what came of it. Afterwards the document must still be found, except where
the bad thing was done to the collection's own files.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import samespace
from samespace import Collection, Document, LoadOptions, SamespaceError
from samespace.errors import (
    CollectionDamaged,
    CollectionExists,
    CollectionLocked,
    CollectionNotFound,
    DocumentNotFound,
    FilterError,
    FormatTooNew,
    InputError,
    TooLong,
    WriteFailed,
)
from samespace.ingest import Report
from samespace.models import HashEmbedder

KEPT = Document(id="kept", title="Kept", text="The lighthouse keeper counts the ships at dusk.")
MODEL = HashEmbedder()


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "kb", MODEL) as collection:
        collection.add(KEPT)
        yield collection
        assert collection.search("lighthouse keeper ships", 1)[0].chunk.document == "kept"


def add_file(kb: Collection, name: str, content: bytes, **options: object) -> Report:
    path = kb.path.parent / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return kb.add(path.parent, options=LoadOptions(**options))  # type: ignore[arg-type]


def reasons(report: Report) -> str:
    return "; ".join(skip.reason for skip in report.failed)


FILES: dict[str, tuple[str, bytes, str]] = {
    "empty file": ("a.md", b"", "empty"),
    "only white space": ("a.txt", b" \n\t\n ", "empty"),
    "binary": ("a.unknown", bytes(range(256)) * 20, "binary"),
    "binary called text": ("a.txt", b"\x00\x01\x02\x03\xff\xfe\xfd" * 500, "binary"),
    "image": ("a.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "image"),
    "broken PDF": ("a.pdf", b"%PDF-1.7\nnot really", "PDF"),
    "broken DOCX": ("a.docx", b"PK\x03\x04 torn", "DOCX"),
    "broken notebook": ("a.ipynb", b'{"cells": [', "notebook"),
    "HTML without text": ("a.html", b"<html><script>x()</script></html>", "empty"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_hold_nothing_to_index(kb: Collection, kind: str) -> None:
    name, content, says = FILES[kind]
    (kb.path.parent / "in").mkdir()
    (kb.path.parent / "in" / "good.txt").write_text("A good file beside it.")
    report = add_file(kb, name, content)
    assert report.added == 1
    assert len(report.failed) == 1
    assert says.lower() in reasons(report).lower()


def test_encrypted_pdf(kb: Collection) -> None:
    content = (Path(__file__).parent / "text/fixtures/encrypted.pdf").read_bytes()
    assert "encrypted" in reasons(add_file(kb, "a.pdf", content))


def test_html_of_50_mb(kb: Collection) -> None:
    report = add_file(kb, "a.html", b"<p>word</p>" * (50 * 2**20 // 11))
    assert reasons(report) == "oversized: 50.0 MB, the limit is 32.0 MB (--max-bytes)"


def test_a_line_of_5_mb(kb: Collection) -> None:
    report = add_file(kb, "a.txt", b"word " * (2**20))
    assert (report.added, report.failed) == (1, [])
    assert report.tokens >= 2**20
    assert report.tokens_dropped == 0


ODD_TEXTS = {
    "null bytes": ("before\x00after lantern", "lantern"),
    "lone surrogates": ("before \ud800 after lantern", "lantern"),
    "right to left": ("שלום עולם, זה מסמך קצר", "עולם"),
    "emoji sequences": ("the family 👨‍👩‍👧‍👦 and the flag 🏳️‍🌈 at the lantern", "lantern"),
    "combining marks": ("z̸̢̛a̷͎͐l̵̰̈́g̶̨̈́o̵̜͝ lantern", "lantern"),
    "no spaces": ("x" * 20_000 + " lantern", "lantern"),
    "Chinese": ("灯塔看守人在黄昏时数船。", "灯塔"),
}


@pytest.mark.parametrize("kind", ODD_TEXTS)
def test_odd_text(kb: Collection, kind: str) -> None:
    text, word = ODD_TEXTS[kind]
    report = kb.add(Document(id="odd", text=text))
    assert (report.added, report.failed) == (1, [])
    assert "odd" in {hit.chunk.document for hit in kb.search(word, 50, mode="lexical")}
    document = kb.document("odd")
    assert document is not None
    for hit in kb.search(word, 50):
        if hit.chunk.document == "odd":
            assert document.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text


def test_wrong_encoding(kb: Collection) -> None:
    report = add_file(kb, "latin.txt", "Die Größe der Straße in Köln überrascht.".encode("cp1252"))
    assert report.added == 1
    assert len(kb.search("Straße Köln", 1, mode="lexical")) == 1


def test_jsonl_with_bad_lines(kb: Collection) -> None:
    lines = [
        '{"_id": "1", "text": "one"}',
        "{broken",
        '{"_id": "1", "text": "again"}',
        '{"_id": "3"}',
        '{"_id": "4", "text": 7}',
        '{"text": "no id"}',
        "[]",
        '{"_id": "5", "text": "five"}',
    ]
    report = add_file(kb, "a.jsonl", "\n".join(lines).encode())
    assert report.added == 3
    assert len(report.failed) == 5
    said = reasons(report)
    assert "duplicate id '1'" in said
    assert "--text-field" in said or "text_field" in said
    assert [skip.source.rsplit(":", 1)[1] for skip in report.failed] == ["2", "3", "4", "5", "7"]


def test_no_permission(kb: Collection) -> None:
    """In a process of its own, where root gives up its right to read everything."""
    folder = kb.path.parent / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("secret")
    (folder / "a.txt").chmod(0)
    (folder / "b.txt").write_text("open to all")
    code = (
        "import json, sys\nfrom samespace import Collection\n"
        "from samespace.models import HashEmbedder\n"
        "with Collection.open(sys.argv[1], HashEmbedder()) as kb:\n"
        "    report = kb.add(sys.argv[2])\n"
        "print(json.dumps([report.added, [skip.reason for skip in report.failed]]))"
    )
    command = [sys.executable, "-c", code, str(kb.path), str(folder)]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and setpriv is not there to give that up")
        rights = "-dac_override,-dac_read_search"
        command = [setpriv, "--bounding-set", rights, "--inh-caps", rights, *command]
    added, failed = json.loads(subprocess.check_output(command, text=True))
    assert added == 1
    assert failed == ["unreadable: Permission denied"]


def test_links_in_a_loop(kb: Collection) -> None:
    folder = kb.path.parent / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("A file in a loop of links.")
    (folder / "sub" / "up").symlink_to(folder)
    assert kb.add(folder).added == 1


CALLS: dict[str, tuple[Callable[[Collection], object], type[SamespaceError], str]] = {
    "missing path": (lambda kb: kb.add("no/such/path"), InputError, "does not exist"),
    "glob without a match": (lambda kb: kb.add("no/*.such"), InputError, "no file matches"),
    "k = 0": (lambda kb: kb.search("x", 0), InputError, "from 1 up"),
    "k negative": (lambda kb: kb.search("x", -5), InputError, "from 1 up"),
    "offset negative": (lambda kb: kb.search("x", offset=-1), InputError, "from 0 up"),
    "empty query": (lambda kb: kb.search(""), InputError, "empty"),
    "query longer than the window": (lambda kb: kb.search("x " * 999), TooLong, "lexical"),
    "query of another type": (lambda kb: kb.search(7), InputError, "string"),  # type: ignore[arg-type]
    "wrong where": (lambda kb: kb.search("x", where="year >> 3"), FilterError, "expected"),
    "where that is SQL": (lambda kb: kb.search("x", where="1; DROP"), FilterError, "expected"),
    "deleting what is not there": (lambda kb: kb.delete("nobody"), DocumentNotFound, "nobody"),
    "creating where one is": (
        lambda kb: Collection.create(kb.path, MODEL),
        CollectionExists,
        "already",
    ),
    "an unknown format": (lambda kb: LoadOptions(format="rtfm"), InputError, "markdown"),
    "a document without an id": (lambda kb: kb.add({"text": "x"}), InputError, "Document"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", CALLS)
def test_calls_that_cannot_be(kb: Collection, kind: str) -> None:
    call, error, says = CALLS[kind]
    before = kb.info()
    with pytest.raises(error, match=says):
        call(kb)
    assert kb.info() == before


def test_empty_folder(kb: Collection) -> None:
    folder = kb.path.parent / "in"
    folder.mkdir()
    report = kb.add(folder)
    assert (report.documents, report.failed) == (0, [])


def test_locked_by_another_writer(kb: Collection) -> None:
    code = (
        "import sys; from samespace.store.embedded import EmbeddedStore\n"
        "with EmbeddedStore.open(sys.argv[1]).write():\n"
        "    print('locked', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(kb.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(CollectionLocked, match="--wait"):
            kb.add(Document(id="new", text="new"))
        assert len(kb.search("lighthouse", 1)) == 1
        other.communicate(b"\n")
    assert kb.add(Document(id="new", text="new"), wait=5).added == 1


def test_disk_full(kb: Collection) -> None:
    """A limit on the size of files stands for a full disk: every write beyond it fails."""
    code = """
import resource, signal, sys
from samespace import Collection, Document
from samespace.errors import WriteFailed
from samespace.models import HashEmbedder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Collection.open(sys.argv[1], model=HashEmbedder()) as collection:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        collection.add(Document(id=str(i), text=f"word{i} " * 50) for i in range(5000))
    except WriteFailed as error:
        print(error)
"""
    command = [sys.executable, "-c", code, str(kb.path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "what was committed" in ended.stdout or "intact" in ended.stdout, ended.stderr
    assert kb.add(Document(id="after", text="there is room again")).added == 1
    assert WriteFailed.__doc__
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def closed(tmp_path: Path) -> Path:
    with Collection.create(tmp_path / "kb", MODEL) as collection:
        collection.add(KEPT)
    return tmp_path / "kb"


def test_a_collection_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kb"
    path.write_text("I am a file")
    with pytest.raises(CollectionNotFound, match="a file"):
        samespace.open(path)
    with pytest.raises(CollectionExists, match="a file"):
        Collection.create(path, MODEL)


def test_a_folder_that_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound):
        samespace.open(tmp_path)
    with pytest.raises(CollectionNotFound):
        samespace.open(tmp_path / "nothing")


def test_a_collection_of_a_newer_format(tmp_path: Path) -> None:
    import sqlite3

    kb = closed(tmp_path)
    with sqlite3.connect(kb / "samespace.sqlite3") as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        assert row is not None
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    connection.close()
    with pytest.raises(FormatTooNew, match="99"):
        samespace.open(kb)


def test_a_damaged_database(tmp_path: Path) -> None:
    kb = closed(tmp_path)
    for left in kb.glob("samespace.sqlite3-*"):
        left.unlink()
    (kb / "samespace.sqlite3").write_bytes(b"garbage " * 1000)
    with pytest.raises(CollectionDamaged, match=r"samespace\.sqlite3"):
        samespace.open(kb)


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_damaged_segment(tmp_path: Path, harm: str) -> None:
    kb = closed(tmp_path)
    (segment,) = kb.rglob("*.f32")
    if harm == "cut":
        segment.write_bytes(segment.read_bytes()[:100])
    else:
        segment.unlink()
    collection = samespace.open(kb, model=MODEL)
    with collection, pytest.raises(CollectionDamaged, match="f32"):
        collection.search("lighthouse")


@pytest.mark.parametrize("harm", ["garbage", "gone"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, harm: str) -> None:
    kb = closed(tmp_path)
    files = [path for path in (kb / "lexical").rglob("*") if path.is_file()]
    assert files
    for path in files:
        if harm == "garbage":
            path.write_bytes(b"\xff" * 64)
        else:
            path.unlink()
    with samespace.open(kb, model=MODEL) as collection:
        hits = collection.search("lighthouse", 1, mode="lexical")
        assert hits[0].chunk.document == "kept"
        collection.add(Document(id="new", text="a new lighthouse"))
        assert len(collection.search("lighthouse", 5, mode="lexical")) == 2


def test_standard_input_that_is_not_text(kb: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "samespace.cli.main", "index", "-", "--into"]
    new = kb.path.parent / "new"
    ended = subprocess.run(
        [*command, str(new), "--json"], input=bytes(range(256)) * 9, capture_output=True
    )
    assert ended.returncode == 0
    assert "binary" in json.loads(ended.stdout)["failed"][0]["reason"]
