"""After `compact`, no byte of what was deleted is in any file; before it, nothing is lost."""

from __future__ import annotations

import functools
import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.errors import CollectionDamaged, CollectionLocked
from samespace.store import compact
from samespace.store.embedded import EmbeddedStore

from .contract import corpus
from .helpers import (
    DIMENSIONS,
    fill,
    found,
    killed_after,
    make_document,
    make_header,
    query_of,
    vector_of,
)

SECRETS = ["zanzibarian", "quokkaphile"]


def all_bytes(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def files(folder: Path) -> list[str]:
    """All but SQLite's log and shared memory, which come and go with the connections."""
    names = [path.name for path in folder.rglob("*")]
    return sorted(name for name in names if "sqlite3-" not in name)


def test_no_byte_of_the_deleted_remains(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    with EmbeddedStore.create(kb, make_header()) as store:
        secret = make_document(
            "secret-id-7731",
            "The zanzibarian agent met a quokkaphile. " * 40,
            context="Hidden heading",
            title="Classified title",
            source="/secret/source",
            origin="/secret/origin",
            metadata={"classified-key": "classified-value", "tags": ("hidden-tag",)},
        )
        replaced = make_document("replaced", "once it said " + " ".join(SECRETS))
        fill(store, *corpus(), secret, replaced)
        with store.write() as writer:
            writer.mark_file("/secret/origin", "digest")
            writer.commit()
        fill(store, make_document("replaced", "now it says something else"))
        fill(store, *corpus(60))
        with store.write() as writer:
            assert writer.delete(["secret-id-7731"]) == 1
            writer.commit()
        texts = [secret[0].text[:40], "Hidden heading", "Classified title", "/secret/source"]
        texts += ["/secret/origin", "classified-key", "classified-value", "hidden-tag"]
        texts += ["secret-id-7731", secret[0].content_hash, *SECRETS]
        needles = [text.encode() for text in texts]
        space = store.header.space
        for hash in {*secret[2], *replaced[2]}:
            needles += [hash, vector_of(hash, space).tobytes()]
        before = all_bytes(kb)
        present = [needle for needle in needles if needle in before]
        assert len(present) > len(secret[2]), "the test must look for what was there"
        freed = store.compact()
        assert freed > 0
        after = all_bytes(kb)
        assert [needle for needle in needles if needle in after] == []
        assert store.check() == []
        assert store.totals().documents == 61
        with store.read() as reader:
            assert reader.lexical(" ".join(SECRETS), 5) == []
            assert len(reader.dense(query_of("x"), 1000)) == store.totals().chunks


def test_bytes_that_were_never_committed_go_too(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    with EmbeddedStore.create(kb, make_header()) as store:
        fill(store, *corpus(5))
        (path,) = kb.glob("vectors/*/*/*.f32")
        with open(path, "ab") as file:
            file.write(b"UNCOMMITTED-VECTOR")
        shutil.copy(path, path.with_name("000001.f32"))
        store.compact()
        assert b"UNCOMMITTED" not in all_bytes(kb)
        assert store.check() == []


def test_compacting_twice_changes_nothing_more(tmp_path: Path) -> None:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus())
        with store.write() as writer:
            writer.delete(["doc-3"])
            writer.commit()
        store.compact()
        names = files(tmp_path / "kb")
        change = store.totals().change
        store.compact()
        assert files(tmp_path / "kb") == names
        assert store.totals().change == change


def test_everything_deleted_leaves_an_empty_store(tmp_path: Path) -> None:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus())
        with store.write() as writer:
            writer.delete([f"doc-{i}" for i in range(40)])
            writer.commit()
        store.compact()
        assert store.check() == []
        assert store.totals().vectors == 0
        fill(store, *corpus(3))
        assert store.check() == []
        with store.read() as reader:
            assert len(reader.dense(query_of("x"), 100)) == store.totals().chunks


def test_compact_waits_for_the_writer_and_says_so(tmp_path: Path) -> None:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        with store.write(), pytest.raises(CollectionLocked):
            store.compact()
        store.compact()


def test_a_reader_that_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "_READER_SECONDS", 0.3)
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus())
        with store.write() as writer:
            writer.delete(["doc-3"])
            writer.commit()
        with store.read() as reader:
            before = reader.dense(query_of("x"), 500)
            with pytest.raises(CollectionLocked, match="a reader still looks"):
                store.compact()
            assert reader.dense(query_of("x"), 500) == before
            assert found(reader, reader.lexical("violet", 5))
        store.compact()
        assert store.check() == []


def test_readers_keep_working_while_others_compact(tmp_path: Path) -> None:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus())
        with store.read() as reader:
            expected = len(reader.lexical("words", 500))
        problems: list[object] = []
        stop = threading.Event()

        def search() -> None:
            with EmbeddedStore.open(tmp_path / "kb") as mine:
                while not stop.is_set():
                    try:
                        with mine.read() as reader:
                            dense = reader.dense(query_of("x"), 500)
                            if len(dense) < expected or len(reader.fetch(
                                [c.row for c in dense]
                            )) != len(dense):  # fmt: skip
                                problems.append("rows are missing")
                            if len(reader.lexical("words", 500)) < expected:
                                problems.append("terms are missing")
                    except Exception as error:  # noqa: PERF203
                        problems.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(4):
            fill(store, *(make_document(f"x{i}-{j}", f"text {i} {j}") for j in range(5)))
            with store.write() as writer:
                writer.delete([f"x{i}-{j}" for j in range(5)])
                writer.commit()
            store.compact()
        stop.set()
        for thread in threads:
            thread.join()
        assert problems == []


def compact_in_child(kb: Path, ready: Callable[[], None]) -> None:
    with EmbeddedStore.open(kb) as store:
        ready()
        store.compact()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_while_compacting(tmp_path: Path) -> None:
    original = tmp_path / "original"
    with EmbeddedStore.create(original, make_header()) as store:
        big = [make_document(f"b{i}", f"text number {i} " * 40, size=50) for i in range(300)]
        fill(store, *big)
        with store.write() as writer:
            writer.delete([f"b{i}" for i in range(0, 300, 3)])
            writer.commit()
        with store.read() as reader:
            dense = [c.row for c in reader.dense(query_of("x"), 50)]
            lexical = sorted(c.row for c in reader.lexical("number 17", 10_000))
    dice = random.Random(11)
    for _ in range(10):
        kb = tmp_path / "kb"
        shutil.copytree(original, kb)
        killed_after(dice.uniform(0, 0.15), functools.partial(compact_in_child, kb))
        with EmbeddedStore.open(kb) as store:
            assert store.check() == []
            with store.read() as reader:
                assert [c.row for c in reader.dense(query_of("x"), 50)] == dense
                assert sorted(c.row for c in reader.lexical("number 17", 10_000)) == lexical
            store.compact()
            assert store.check() == []
            assert store.totals().dead_vectors == 0
            with store.read() as reader:
                assert [c.row for c in reader.dense(query_of("x"), 50)] == dense
        size = sum(os.path.getsize(path) for path in kb.glob("vectors/*/*/*"))
        assert size == store_rows(kb) * DIMENSIONS * 4
        shutil.rmtree(kb)


def store_rows(kb: Path) -> int:
    with EmbeddedStore.open(kb) as store:
        return store.totals().vectors


def test_a_lost_generation_is_damage_not_a_loop(tmp_path: Path) -> None:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus(3))
    shutil.rmtree(tmp_path / "kb" / "vectors")
    with EmbeddedStore.open(tmp_path / "kb") as store, pytest.raises(CollectionDamaged):
        store.read()
