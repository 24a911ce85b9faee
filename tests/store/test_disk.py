"""The disk is full, or may not be written: WriteFailed, and the store is as it was."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from samespace.errors import WriteFailed
from samespace.store.embedded import EmbeddedStore
from samespace.store.schema import migrate

from .contract import corpus
from .helpers import fill, found, make_document, make_header, make_space, query_of

ROOT = str(Path(__file__).parents[2])


def bulky(start: int, count: int):  # type: ignore[no-untyped-def]
    return [
        make_document(f"big-{i}", f"violet {i} " + "some text to fill the disk " * 60, size=200)
        for i in range(start, start + count)
    ]


def fill_until_refused(kb: Path) -> int:
    """Add documents until the disk refuses; return how many were committed."""
    committed = 0
    with EmbeddedStore.open(kb) as store:
        try:
            with store.write() as writer:
                from .helpers import put

                for start in range(0, 4000, 20):
                    put(writer, *bulky(start, 20), space=store.header.space)
                    writer.commit()
                    committed = start + 20
        except WriteFailed as error:
            message = str(error)
            assert "intact" in message
            assert "Free some space" in message
            return committed
    raise AssertionError("the disk never refused")


def require_intact(kb: Path, committed: int) -> None:
    with EmbeddedStore.open(kb) as store:
        assert store.check() == []
        assert store.totals().documents == committed
        with store.read() as reader:
            assert len(reader.dense(query_of("x", store.header.space), 10**6)) == (
                store.totals().chunks
            )
            if committed:
                assert found(reader, reader.lexical("violet 3", 1)) == ["big-3#0"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_disk_full(tiny_disk: Path) -> None:
    kb = tiny_disk / "kb"
    ballast = tiny_disk / "ballast"
    EmbeddedStore.create(kb, make_header(make_space(96))).close()
    ballast.write_bytes(b"x" * 4_000_000)
    committed = fill_until_refused(kb)
    assert committed > 0
    require_intact(kb, committed)
    ballast.unlink()
    with EmbeddedStore.open(kb) as store:
        with store.write() as writer:
            assert writer.delete([f"big-{i}" for i in range(100, committed)]) > 0
            writer.commit()
        fill(store, make_document("after", "there is space again"))
        assert store.check() == []


def test_disk_full_while_compacting(tiny_disk: Path) -> None:
    kb = tiny_disk / "kb"
    EmbeddedStore.create(kb, make_header(make_space(96))).close()
    with EmbeddedStore.open(kb) as store:
        fill(store, *bulky(0, 200))
        with store.write() as writer:
            writer.delete([f"big-{i}" for i in range(100, 200)])
            writer.commit()
        free = os.statvfs(tiny_disk)
        ballast = tiny_disk / "ballast"
        ballast.write_bytes(b"x" * (free.f_bavail * free.f_frsize - 150_000))
        with pytest.raises(WriteFailed):
            store.compact()
        with store.read() as reader:
            assert len(list(reader.documents())) == 100
    ballast.unlink()
    require_intact(kb, 100)
    with EmbeddedStore.open(kb) as store:
        store.compact()
        assert store.totals().dead_vectors == 0
    require_intact(kb, 100)


LIMITED = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.store.test_disk import fill_until_refused, require_intact
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
kb = Path(sys.argv[1])
print(fill_until_refused(kb))
"""


@pytest.mark.parametrize(("dimensions", "limit"), [(384, 700_000), (8, 1_000_000)])
def test_a_file_may_not_grow(tmp_path: Path, dimensions: int, limit: int) -> None:
    """With many dimensions the vectors hit the limit first, with few the database."""
    kb = tmp_path / "kb"
    EmbeddedStore.create(kb, make_header(make_space(dimensions))).close()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(kb), ROOT, str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    committed = int(done.stdout)
    require_intact(kb, committed)
    with EmbeddedStore.open(kb) as store:
        fill(store, *bulky(committed, 20))
        assert store.check() == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit


def test_the_writer_can_go_on_after_a_refusal(tiny_disk: Path) -> None:
    kb = tiny_disk / "kb"
    ballast = tiny_disk / "ballast"
    with EmbeddedStore.create(kb, make_header(make_space(96))) as store:
        fill(store, *bulky(0, 10))
        with store.write() as writer:
            from .helpers import put

            free = os.statvfs(tiny_disk)
            ballast.write_bytes(b"x" * (free.f_bavail * free.f_frsize))

            def add_for_ever() -> None:
                for start in range(10, 1000, 10):
                    put(writer, *bulky(start, 10), space=store.header.space)
                    writer.commit()

            with pytest.raises(WriteFailed):
                add_for_ever()
            ballast.unlink()
            done = store.totals().documents
            put(writer, *bulky(done, 10), space=store.header.space)
            writer.commit()
        assert store.check() == []
        assert store.totals().documents == done + 10


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a read-only file system can only be mounted by root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with EmbeddedStore.create(disk / "kb", make_header()) as store:
            fill(store, *corpus())
            with store.read() as reader:
                expected = reader.dense(query_of("x"), 9), reader.lexical("violet", 9)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with EmbeddedStore.open(disk / "kb") as store:
            with store.read() as reader:
                assert (reader.dense(query_of("x"), 9), reader.lexical("violet", 9)) == expected
            with pytest.raises(WriteFailed, match="writable"):
                store.write()
            with pytest.raises(WriteFailed):
                store.compact()
        with pytest.raises(WriteFailed):
            EmbeddedStore.create(disk / "other", make_header())
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_transaction_that_sqlite_ended_does_not_hide_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk makes SQLite roll back by itself; here a conflict does."""
    script = (
        "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1); INSERT OR ROLLBACK INTO t VALUES (1)"
    )
    monkeypatch.setattr("samespace.store.schema.MIGRATIONS", (script,))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        migrate(connection, 0)
    connection.close()
