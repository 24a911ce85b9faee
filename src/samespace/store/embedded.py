"""The embedded store: a collection is one folder.

::

    KB/samespace.sqlite3                            the record: documents, chunks, rows, spaces
    KB/write.lock                                   held by the one writer
    KB/vectors/<space>/<generation>/NNNNNN.f32      vectors, row-major float32
    KB/lexical/<generation>/                        tantivy's index, a shadow of the record
    KB/lexical-<cut>/<generation>/                  the same of another cut, after a migration

Every commit is one SQLite transaction. Whatever else is on disk exists only as far as the
database names it.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from filelock import BaseFileLock

from samespace.errors import CollectionExists, CollectionLocked, CollectionNotFound
from samespace.store.base import Header, Totals
from samespace.store.check import Problem, check
from samespace.store.compact import compact
from samespace.store.faults import damaged, guarded
from samespace.store.headers import add_side, read_header
from samespace.store.reader import EmbeddedReader
from samespace.store.repair import mend
from samespace.store.schema import DATABASE, FORMAT, connect, migrate, read_state, stored_format
from samespace.store.segments import bytes_below, sync_folder
from samespace.store.shared import LOCK, Shared
from samespace.store.sides import is_moving, note
from samespace.store.writer import EmbeddedWriter

__all__ = ["EmbeddedReader", "EmbeddedStore", "EmbeddedWriter"]

Answer = TypeVar("Answer")

_UNFINISHED = ".creating.sqlite3"
"""A database that is being made; only the finished one gets its name."""


_MIGRATION_SECONDS = 10.0
"""How long a writer waits, at least, while a migration has not ended."""
_BLINK_SECONDS = 0.2
"""How long it waits at any other time: some commits are over at once."""

_CREATION_SECONDS = 30.0
_CREATION_POLL = 0.1


class EmbeddedStore:
    """Rows and vectors of one collection, in one folder of the local disk.

    Safe to use from several threads; each reader and the writer by one thread at a time.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """Return whether there is a collection at the path."""
        return os.path.isfile(Path(path) / DATABASE)

    @staticmethod
    def require_free(path: str | os.PathLike[str]) -> None:
        """Raise CollectionExists unless nothing but an empty folder is at the path."""
        folder = Path(path)
        if os.path.isdir(folder):
            inside = [
                name
                for name in sorted(os.listdir(folder))
                if name != LOCK and not name.startswith(_UNFINISHED)
            ]
            if DATABASE in inside:
                raise CollectionExists(
                    f"{folder}: there is a collection already. Open it, or choose another path."
                )
            if inside:
                raise CollectionExists(
                    f"{folder}: expected nothing or an empty folder, but it holds {inside[0]!r}"
                    f"{' and more' if inside[1:] else ''}. Choose another path."
                )
        elif os.path.lexists(folder):
            raise CollectionExists(
                f"{folder}: expected nothing or an empty folder, but there is a file. Choose "
                "another path."
            )

    @classmethod
    def create(cls, path: str | os.PathLike[str], header: Header) -> EmbeddedStore:
        """Make an empty store; of several processes that try at once, one succeeds.

        Raises:
            CollectionExists: anything but an empty folder is at the path.
            CollectionLocked: another process is making one there and does not come to an end.
            WriteFailed: the folder cannot be made or written.
        """
        folder = Path(path)
        with guarded(folder, "creating the collection"):
            cls.require_free(folder)
            folder.mkdir(parents=True, exist_ok=True)
            lock = _creation_lock(folder)
            try:
                cls._make(folder, header)
            finally:
                lock.release()
        return cls.open(folder)

    @classmethod
    def _make(cls, folder: Path, header: Header) -> None:
        """Write the database under another name and give it its own once it is complete."""
        unfinished = folder / _UNFINISHED
        with guarded(folder, "creating the collection"):
            for left in folder.glob(f"{_UNFINISHED}*"):
                left.unlink()
            unfinished.touch()
            connection = connect(unfinished, write=True)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, 0)
                _write_header(connection, header)
            finally:
                connection.close()
            unfinished.replace(folder / DATABASE)
            sync_folder(folder)
            sync_folder(folder.parent)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> EmbeddedStore:
        """Open a store. Nothing is loaded but its header.

        Raises:
            CollectionNotFound: there is none at the path.
            CollectionDamaged: its database cannot be read.
            FormatTooNew: it was written by a newer samespace.
        """
        folder = Path(path)
        database = folder / DATABASE
        # Where pathlib raises (a name too long, no way in), os.path says that nothing is there.
        if not os.path.isfile(database):
            is_folder = os.path.isdir(folder)
            seen = "a file" if os.path.isfile(folder) else "a folder" if is_folder else "nothing"
            inside = f" without {DATABASE}" if is_folder else ""
            raise CollectionNotFound(
                f"{folder}: expected the folder of a collection, got {seen}{inside}. Check the "
                "path, or create a collection there."
            )
        with guarded(database, "opening"):
            connection = connect(database)
            try:
                found = stored_format(connection, database)
                if found < FORMAT:
                    _upgrade(folder)
                # Absolute, so that the collection stays the same one when the working folder
                # changes.
                shared = Shared(Path(os.path.abspath(folder)), *_identity(connection, database))
            finally:
                connection.close()
        return cls(shared)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._shared.path

    @property
    def header(self) -> Header:
        """What is fixed of the active side, as of the last commit."""
        return self.ask(lambda connection: self._shared.header(connection, read_state(connection)))

    def side_header(self, side: int) -> Header:
        """What is fixed of a side."""
        return self.ask(
            lambda connection: self._shared.header(connection, read_state(connection, side))
        )

    def read(self, side: int | None = None) -> EmbeddedReader:
        """Return a new reader on the last commit of a side, the active one if None."""
        return EmbeddedReader(self._shared, side)

    def write(self, timeout: float = 0.0, side: int | None = None) -> EmbeddedWriter:
        """Take the write lock and return the writer. Close it, or use `with`.

        Args:
            timeout: seconds to wait for another writer.
            side: the side to write to, the active one if None.

        Raises:
            CollectionLocked: another process holds it and `timeout` seconds have passed.
        """
        return EmbeddedWriter(self._shared, self._lock(timeout), side)

    def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Return the answer to a question of `samespace.store.sides` on the last commit."""
        connection = self._shared.take()
        try:
            with guarded(self._shared.database, "reading"):
                connection.execute("BEGIN")
                return question(connection)
        finally:
            self._shared.give(connection)

    def _lock(self, timeout: float) -> BaseFileLock:
        """Take the write lock; nobody is turned away because of a migration's short commits."""
        try:
            return self._shared.lock(timeout)
        except CollectionLocked:
            grace = _MIGRATION_SECONDS if self.ask(is_moving) else _BLINK_SECONDS
            with suppress(CollectionLocked):
                return self._shared.lock(grace)
            raise

    def totals(self) -> Totals:
        """Count everything."""
        return self.ask(lambda connection: _totals(connection, bytes_below(self.path)))

    def compact(self, timeout: float = 0.0) -> int:
        """Physically erase what was deleted; return the number of bytes freed.

        Raises:
            CollectionLocked: another process is writing, or one does not stop reading.
            WriteFailed: the disk refused; the store is as it was.
        """
        lock = self._lock(timeout)
        try:
            return compact(self._shared, timeout)
        finally:
            lock.release()

    def check(self, side: int | None = None) -> list[Problem]:
        """Read everything, or one side, and return what is wrong; empty if all is sound."""
        return check(self._shared, side)

    def mend(self, problems: Sequence[Problem], timeout: float = 0.0) -> None:
        """Mend what can be mended without a model; see `samespace.store.repair`.

        Raises:
            CollectionLocked: another process is writing.
            WriteFailed: the disk refused.
        """
        lock = self._lock(timeout)
        try:
            mend(self._shared, problems)
        finally:
            lock.release()

    def close(self) -> None:
        """Close the files. The store cannot be used afterwards."""
        self._shared.close()

    def __enter__(self) -> EmbeddedStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _creation_lock(folder: Path) -> BaseFileLock:
    """Take the write lock of a folder that is free, and stays so until it is let go."""
    deadline = time.monotonic() + _CREATION_SECONDS
    while True:
        EmbeddedStore.require_free(folder)
        try:
            lock = Shared.file_lock(folder, _CREATION_POLL)
        except CollectionLocked:
            if time.monotonic() > deadline:
                raise
            continue
        try:
            EmbeddedStore.require_free(folder)
        except BaseException:
            lock.release()
            raise
        return lock


def _totals(connection: sqlite3.Connection, bytes: int) -> Totals:
    state = read_state(connection)
    documents = _count(connection, "documents")
    chunks, tokens, cut = connection.execute(
        f"SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(dropped), 0) FROM {state.chunks}"
    ).fetchone()
    live = connection.execute(
        "SELECT count(*) FROM vectors v WHERE v.space = ? "
        f"AND EXISTS (SELECT 1 FROM {state.chunks} c WHERE c.hash = v.hash)",
        (state.space,),
    ).fetchone()[0]
    mark = state.lexical
    pending = _count(connection, f"{state.chunks} WHERE row > ?", mark.row)
    pending += _count(
        connection,
        f"{state.tombstones} WHERE number > ? AND row <= ?",
        mark.tombstone,
        mark.row,
    )
    dropped: dict[str, int] = {}
    for (stored,) in connection.execute("SELECT dropped FROM documents WHERE dropped != '{}'"):
        for kind, count in json.loads(stored).items():
            dropped[kind] = dropped.get(kind, 0) + count
    return Totals(
        documents=documents,
        chunks=chunks,
        tokens=tokens,
        tokens_dropped=cut,
        vectors=state.rows,
        dead_vectors=state.rows - live,
        bytes=bytes,
        change=state.change,
        lexical_pending=pending,
        dropped=dropped,
    )


def _count(connection: sqlite3.Connection, what: str, *values: int) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}", values).fetchone()[0])


def _upgrade(folder: Path) -> None:
    lock = Shared.file_lock(folder, 60.0)
    try:
        connection = connect(folder / DATABASE, write=True)
        try:
            migrate(connection, stored_format(connection, folder / DATABASE))
        finally:
            connection.close()
    finally:
        lock.release()


def _write_header(connection: sqlite3.Connection, header: Header) -> None:
    meta = {"collection": secrets.token_hex(16), "language": header.language, "change": 0}
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
    side = add_side(connection, header, "active")
    note(connection, "made", side)
    connection.execute("COMMIT")


def _identity(connection: sqlite3.Connection, database: Path) -> tuple[str, str]:
    """Return the name that the collection gave itself, and its language, if it can be read."""
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        collection, language = str(meta["collection"]), str(meta["language"])
        read_header(connection, read_state(connection), language)
    except (KeyError, TypeError, ValueError) as error:
        seen = f"a required row is missing or cannot be read ({error!r})"
        raise damaged(database, seen) from error
    return collection, language
