"""The embedded store: the contract, and what only it has: its folder, format and files."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from samespace.errors import (
    CollectionDamaged,
    CollectionExists,
    CollectionNotFound,
    FormatTooNew,
    InputError,
    StoreError,
)
from samespace.store import segments
from samespace.store.base import Header, Reader, Store, Writer
from samespace.store.embedded import EmbeddedStore

from .contract import StoreContract, corpus
from .helpers import fill, found, make_document, make_header, query_of, vectors_of


class TestEmbedded(StoreContract):
    def create(self, path: Path, header: Header) -> EmbeddedStore:
        return EmbeddedStore.create(path, header)

    def open(self, path: Path) -> EmbeddedStore:
        return EmbeddedStore.open(path)


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    """A filled and closed collection."""
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus())
        assert store.check() == []
    return tmp_path / "kb"


def test_it_is_a_store(kb: Path) -> None:
    with EmbeddedStore.open(kb) as embedded:
        store: Store = embedded
        with store.write() as writer, store.read() as reader:
            checked: tuple[Writer, Reader] = (writer, reader)
            assert all(checked)


def test_create_wants_nothing_or_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    EmbeddedStore.create(tmp_path / "empty", make_header()).close()
    with pytest.raises(CollectionExists, match="a collection already"):
        EmbeddedStore.create(tmp_path / "empty", make_header())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("x")
    with pytest.raises(CollectionExists, match=r"letter\.txt"):
        EmbeddedStore.create(tmp_path / "full", make_header())
    with pytest.raises(CollectionExists, match="there is a file"):
        EmbeddedStore.create(tmp_path / "full" / "letter.txt", make_header())
    assert (tmp_path / "full" / "letter.txt").read_text() == "x"
    with pytest.raises(StoreError, match=r"under|failed"):
        EmbeddedStore.create(tmp_path / "full" / "letter.txt" / "under", make_header())


def test_create_begins_again_where_it_was_killed(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / ".creating.sqlite3").write_bytes(b"half a database")
    with pytest.raises(CollectionNotFound):
        EmbeddedStore.open(tmp_path / "kb")
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus(2))
        assert store.check() == []


def test_open_says_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name, seen in (("nowhere", "nothing"), (".", "a folder without"), ("file", "a file")):
        assert not EmbeddedStore.exists(tmp_path / name)
        with pytest.raises(CollectionNotFound, match=seen):
            EmbeddedStore.open(tmp_path / name)


def test_a_newer_format_is_refused(kb: Path) -> None:
    with sqlite3.connect(kb / "samespace.sqlite3") as database:
        database.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    database.close()
    with pytest.raises(FormatTooNew, match=r"format 99.* up to 2.*pip install --upgrade"):
        EmbeddedStore.open(kb)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM meta WHERE key = 'format'",
        "DELETE FROM meta WHERE key = 'language'",
        "DELETE FROM sides",
        "UPDATE cuts SET recipe = '{'",
        "UPDATE sides SET state = 'gone'",
        "DROP TABLE meta",
        "DROP TABLE spaces",
    ],
)
def test_missing_rows_are_damage(kb: Path, damage: str) -> None:
    database = sqlite3.connect(kb / "samespace.sqlite3")
    with database:
        database.execute(damage)
    database.close()
    with pytest.raises(CollectionDamaged, match=r"samespace\.sqlite3.*backup"):
        EmbeddedStore.open(kb)


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough" * 200])
def test_what_is_no_database_is_damage(kb: Path, content: bytes) -> None:
    (kb / "samespace.sqlite3").write_bytes(content)
    for log in kb.glob("samespace.sqlite3-*"):
        log.unlink()
    with pytest.raises(CollectionDamaged, match="backup"):
        EmbeddedStore.open(kb)


def test_a_torn_page_is_damage_when_it_is_read(kb: Path) -> None:
    path = kb / "samespace.sqlite3"
    content = bytearray(path.read_bytes())
    content[4096 * 4 :] = b"\xff" * len(content[4096 * 4 :])
    path.write_bytes(content)

    def read_everything() -> None:
        with EmbeddedStore.open(kb) as store, store.read() as reader:
            for document in reader.documents():
                reader.document(document.id)

    with pytest.raises(CollectionDamaged):
        read_everything()


def segment(kb: Path) -> Path:
    (path,) = kb.glob("vectors/*/*/*.f32")
    return path


def test_a_short_or_missing_segment_is_damage(kb: Path) -> None:
    path = segment(kb)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 4)
    with EmbeddedStore.open(kb) as store:
        with pytest.raises(CollectionDamaged, match=r"000000\.f32.*expected at least"):
            store.read()
        with store.write() as writer, pytest.raises(CollectionDamaged, match=r"000000\.f32"):
            writer.add_vectors([b"h" * 16], vectors_of([b"h" * 16]))
        assert "000000.f32" in str(store.check()[0])
    path.unlink()
    with EmbeddedStore.open(kb) as store, pytest.raises(CollectionDamaged, match="missing"):
        store.read()


def test_check_finds_a_flipped_bit(kb: Path) -> None:
    path = segment(kb)
    content = bytearray(path.read_bytes())
    content[101] ^= 1
    path.write_bytes(content)
    with EmbeddedStore.open(kb) as store:
        (problem,) = store.check()
    assert "rows 0 to" in str(problem)


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("DELETE FROM vectors WHERE row = 3", "without their vector"),
        ("DELETE FROM documents WHERE number = 2", "without their document"),
        ("UPDATE chunks_1 SET text = text || 'x' WHERE row = 1", "another length"),
        ("DELETE FROM chunks_1 WHERE row = 2", "do not make up its text"),
        ("DELETE FROM chunks_1 WHERE row = 1", "not numbered"),
        ("UPDATE batches SET rows = rows - 1", "checksums"),
        ("DELETE FROM chunks_1 WHERE row = 1", "lexical index: expected"),
    ],
)
def test_check_finds_what_does_not_fit(kb: Path, damage: str, seen: str) -> None:
    database = sqlite3.connect(kb / "samespace.sqlite3")
    with database:
        database.execute(damage)
    database.close()
    with EmbeddedStore.open(kb) as store:
        assert seen in "\n".join(map(str, store.check()))


def test_rows_run_over_many_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "ROWS_PER_SEGMENT", 7)
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        for start in range(0, 40, 9):
            fill(store, *corpus()[start : start + 9])
        rows = store.totals().vectors
        assert len(list((tmp_path / "kb").glob("vectors/*/*/*.f32"))) == -(-rows // 7)
        assert store.check() == []
        with store.read() as reader:
            everything = reader.dense(query_of("x"), 1000)
            assert len(everything) == store.totals().chunks
            kept = reader.dense(query_of("x"), 1000, "n < 5")
            assert kept
            assert kept == [c for c in everything if c in kept]
        with store.write() as writer:
            writer.delete([f"doc-{i}" for i in range(0, 40, 2)])
            writer.commit()
        store.compact()
        assert store.check() == []
        with store.read() as reader:
            rest = {c.row: c.score for c in reader.dense(query_of("x"), 1000)}
            assert rest == {c.row: c.score for c in everything if c.row in rest}
            assert len(rest) == store.totals().chunks


def test_bytes_beyond_the_committed_rows_do_not_exist(kb: Path) -> None:
    path = segment(kb)
    with open(path, "ab") as file:
        file.write(b"\xff" * 1000)
    with EmbeddedStore.open(kb) as store:
        assert store.check() == []
        fill(store, make_document("new", "some entirely new text"))
        assert store.check() == []
        with store.read() as reader:
            best = reader.dense(query_of("some entirely new text"), 1)
            assert found(reader, best) == ["new#0"]
            assert best[0].score == pytest.approx(1)
    assert path.stat().st_size % (4 * 8) == 0


def test_a_copied_folder_is_a_collection(kb: Path, tmp_path: Path) -> None:
    shutil.copytree(kb, tmp_path / "copy", copy_function=shutil.copyfile)
    with EmbeddedStore.open(tmp_path / "copy") as store:
        assert store.check() == []
        generation = sorted((tmp_path / "copy" / "lexical").iterdir())
        with store.read() as reader:
            assert reader.lexical("violet", 3)
        assert sorted((tmp_path / "copy" / "lexical").iterdir()) == generation, "was rebuilt"


def test_a_closed_store_says_so(kb: Path) -> None:
    store = EmbeddedStore.open(kb)
    store.close()
    with pytest.raises(InputError, match="closed"):
        store.read()


@pytest.mark.parametrize(
    "metadata",
    [{"a": object()}, {"a": (("nested",),)}, {"a": {"b": 1}}, {"a": "\ud800"}],
)
def test_metadata_that_cannot_be_stored_is_refused(kb: Path, metadata: dict[str, object]) -> None:
    document, chunks, hashes = make_document("new", "text", content_hash="x", metadata=metadata)
    with EmbeddedStore.open(kb) as store:
        with store.write() as writer:
            with pytest.raises(InputError):
                writer.put(document, chunks, hashes)
            writer.commit()
        assert store.totals().documents == 40
        assert store.check() == []
