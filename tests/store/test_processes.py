"""Several processes read while one writes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samespace.errors import CollectionLocked
from samespace.store.embedded import EmbeddedStore

from .contract import corpus
from .helpers import fill, make_document, make_header, put, query_of

ROOT = str(Path(__file__).parents[2])

READER = """
import sys
sys.path.insert(0, sys.argv[2])
from samespace.store.embedded import EmbeddedStore
from tests.store.helpers import query_of
seen = 0
with EmbeddedStore.open(sys.argv[1]) as store:
    print("go", flush=True)
    while seen < 60:
        with store.read() as reader:
            documents = len(list(reader.documents()))
            dense = reader.dense(query_of("x"), 10**6)
            lexical = reader.lexical("common", 10**6)
            fetched = reader.fetch([c.row for c in lexical])
            assert documents >= seen, (documents, seen)
            assert len(dense) == len(lexical) == len(fetched) == 3 * documents
            seen = documents
print("ok")
"""


def three_chunks(i: int):  # type: ignore[no-untyped-def]
    return make_document(
        f"d{i}", f"common {i:04} one, common {i:04} two, common {i:04} 3rd", size=17
    )


def test_readers_see_whole_commits_only(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    with EmbeddedStore.create(kb, make_header()) as store:
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READER, str(kb), ROOT],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "go\n"
        for start in range(0, 60, 4):
            with store.write() as writer:
                for i in range(start, start + 4):
                    put(writer, three_chunks(i), space=store.header.space)
                    writer.commit()
        for reader in readers:
            out, errors = reader.communicate(timeout=60)
            assert (reader.returncode, out) == (0, "ok\n"), errors


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from samespace.store.embedded import EmbeddedStore
with EmbeddedStore.open(sys.argv[1]) as store, store.write():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_one_writer_among_processes(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    with EmbeddedStore.create(kb, make_header()) as store:
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(kb), ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(CollectionLocked, match="another process is writing"):
                store.write()
            with pytest.raises(CollectionLocked, match=r"waited 0\.1 s"):
                store.write(timeout=0.1)
            other.kill()
        with store.write(timeout=5):
            pass


def _search(kb: Path, queue: multiprocessing.Queue[object], store: EmbeddedStore) -> None:
    with store.read() as reader:
        queue.put((reader.dense(query_of("x"), 5), reader.lexical("violet", 5)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_store_survives_a_fork(tmp_path: Path) -> None:
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *corpus())
        with store.read() as reader:
            expected = reader.dense(query_of("x"), 5), reader.lexical("violet", 5)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_search, args=(tmp_path, queue, store))
        child.start()
        assert queue.get(timeout=30) == expected
        child.join()
        with store.read() as reader:
            assert reader.dense(query_of("x"), 5) == expected[0]
