"""The lexical index may be deleted, damaged or stale: every search is still right."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.store import catch_up, writer
from samespace.store.embedded import EmbeddedStore

from .contract import WORDS, corpus
from .helpers import fill, found, make_document, make_header, put


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus(20))
        fill(store, *corpus(40))
    return tmp_path / "kb"


def answers(store: EmbeddedStore) -> dict[str, set[str]]:
    with store.read() as reader:
        return {word: set(found(reader, reader.lexical(word, 500))) for word in WORDS}


def truth(store: EmbeddedStore) -> dict[str, set[str]]:
    """What a scan of all chunk texts says."""
    expected: dict[str, set[str]] = {word: set() for word in WORDS}
    with store.read() as reader:
        for row in reader.snapshot.connection.execute("SELECT id, text FROM chunks_1"):
            for word in WORDS:
                if word in row[1].replace(".", " ").replace(",", " ").split():
                    expected[word].add(row[0])
    return expected


def index_files(kb: Path) -> list[Path]:
    newest = max((kb / "lexical").iterdir())
    return sorted(path for path in newest.iterdir() if path.suffix != ".lock")


def remove_folder(kb: Path) -> None:
    shutil.rmtree(kb / "lexical")


def empty_folder(kb: Path) -> None:
    for path in index_files(kb):
        path.unlink()


def truncate_all(kb: Path) -> None:
    for path in index_files(kb):
        os.truncate(path, path.stat().st_size // 2)


def overwrite_all(kb: Path) -> None:
    for path in index_files(kb):
        path.write_bytes(os.urandom(path.stat().st_size))


def overwrite_but_the_note(kb: Path) -> None:
    for path in index_files(kb):
        if path.name != "files.json":
            path.write_bytes(os.urandom(path.stat().st_size))


def flip_in_the_middle(kb: Path) -> None:
    for path in index_files(kb):
        if path.suffix in (".idx", ".term", ".fast"):
            content = bytearray(path.read_bytes())
            content[len(content) // 3] ^= 0xFF
            path.write_bytes(content)


def flip_and_hide_it(kb: Path) -> None:
    """Damage that the sizes and times of the files do not show."""
    for path in index_files(kb):
        if path.suffix in (".idx", ".term", ".fast", ".fieldnorm"):
            times = path.stat()
            path.write_bytes(b"\x00" * times.st_size)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def another_collections_index(kb: Path) -> None:
    with EmbeddedStore.create(kb.parent / "other", make_header()) as other:
        fill(other, *(make_document(f"o{i}", "violet harbour") for i in range(50)))
        fill(other, make_document("last", "violet"))
    shutil.rmtree(kb / "lexical")
    shutil.copytree(kb.parent / "other" / "lexical", kb / "lexical")


def a_file_in_its_place(kb: Path) -> None:
    shutil.rmtree(kb / "lexical")
    (kb / "lexical").write_text("not a folder")


DAMAGES = [
    remove_folder,
    empty_folder,
    truncate_all,
    overwrite_all,
    overwrite_but_the_note,
    flip_in_the_middle,
    flip_and_hide_it,
    another_collections_index,
    a_file_in_its_place,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_searches_stay_right_and_the_index_is_rebuilt(
    kb: Path, damage: Callable[[Path], None]
) -> None:
    damage(kb)
    with EmbeddedStore.open(kb) as store:
        assert answers(store) == truth(store)
        if damage is not a_file_in_its_place:
            assert store.check() == []
            assert index_files(kb), "was not rebuilt"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_searches_stay_right_while_another_holds_the_lock(
    kb: Path, damage: Callable[[Path], None]
) -> None:
    with EmbeddedStore.open(kb) as store, store.write() as writer:
        damage(kb)
        with EmbeddedStore.open(kb) as reading:
            assert answers(reading) == truth(reading)
        put(writer, make_document("new", "violet"), space=store.header.space)
        writer.delete(["doc-0"])
        writer.commit()
        with EmbeddedStore.open(kb) as reading:
            assert answers(reading) == truth(reading)
            assert "new#0" in answers(reading)["violet"]
    with EmbeddedStore.open(kb) as store:
        assert answers(store) == truth(store)


def test_a_writer_rebuilds_what_it_cannot_build_upon(kb: Path) -> None:
    truncate_all(kb)
    with EmbeddedStore.open(kb) as store:
        fill(store, make_document("new", "violet"))
        assert store.check() == []
        assert store.totals().lexical_pending == 0
        assert answers(store) == truth(store)


def test_check_reads_every_byte(kb: Path) -> None:
    (path,) = [path for path in index_files(kb) if path.suffix == ".idx"][:1]
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with EmbeddedStore.open(kb) as store:
        (problem,) = store.check()
    assert path.name in str(problem)
    assert "delete the folder" in str(problem)


def test_a_long_writer_catches_up_on_its_way(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CATCH_UP_CHUNKS", 30)
    with EmbeddedStore.open(kb) as store, store.write() as held:
        for i in range(100):
            put(held, make_document(f"new-{i}", f"violet {i}"), space=store.header.space)
            held.commit()
            assert store.totals().lexical_pending < 30
            if i % 7 == 0:
                assert answers(store) == truth(store)
        assert len(list((kb / "lexical").iterdir())) == 2


def test_generations_share_their_files(kb: Path) -> None:
    with EmbeddedStore.open(kb) as store:
        fill(store, make_document("new", "violet"))
    older, newer = sorted((kb / "lexical").iterdir())
    shared = {p.name for p in older.glob("*.term")} & {p.name for p in newer.glob("*.term")}
    assert shared
    assert all((older / name).samefile(newer / name) for name in shared)


def test_without_hard_links_files_are_copied(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    with EmbeddedStore.open(kb) as store:
        fill(store, make_document("new", "violet"))
        assert store.check() == []
        assert answers(store) == truth(store)


def test_statistics_forget_what_was_deleted(tmp_path: Path) -> None:
    """Once a fifth is deleted, scores are those of a store that never held it."""
    with EmbeddedStore.create(tmp_path / "a", make_header()) as store:
        fill(store, *corpus(40))
        with store.write() as held:
            held.delete([f"doc-{i}" for i in range(10, 40)])
            held.commit()
        with EmbeddedStore.create(tmp_path / "b", make_header()) as fresh:
            fill(fresh, *corpus(10))
            with store.read() as one, fresh.read() as two:
                scores = [c.score for c in one.lexical("violet number", 50)]
                assert scores == pytest.approx([c.score for c in two.lexical("violet number", 50)])


def test_a_killed_writers_leftovers_are_removed(kb: Path) -> None:
    space = next((kb / "vectors").iterdir())
    (space / "000777").mkdir()
    (space / "000777" / "000000.f32").write_bytes(b"x")
    (kb / "lexical" / "000777").mkdir()
    with EmbeddedStore.open(kb) as store, store.write():
        pass
    assert not (space / "000777").exists()
    assert not (kb / "lexical" / "000777").exists()


def test_catching_up_makes_no_new_generation_for_nothing(kb: Path) -> None:
    with EmbeddedStore.open(kb) as store:
        before = sorted((kb / "lexical").iterdir())
        with store.write() as held:
            held.commit()
        assert sorted((kb / "lexical").iterdir()) == before
    assert catch_up.CATCH_UP_CHUNKS > 1000
