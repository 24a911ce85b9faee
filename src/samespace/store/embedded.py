"""The embedded store: a collection is one folder.

::

    KB/samespace.sqlite3                            the record: documents, chunks, rows, spaces
    KB/write.lock                                   held by the one writer
    KB/vectors/<space>/<generation>/NNNNNN.f32      vectors, row-major float32
    KB/lexical/<generation>/                        tantivy's index, a shadow of the record

Every commit is one SQLite transaction. Whatever else is on disk exists only as far as the
database names it.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from pathlib import Path
from types import TracebackType

import numpy as np
from filelock import BaseFileLock

from samespace.errors import CollectionExists, CollectionLocked, CollectionNotFound
from samespace.space import Canary, Space
from samespace.store.base import Header, Totals
from samespace.store.check import check
from samespace.store.compact import compact
from samespace.store.faults import damaged, guarded
from samespace.store.reader import EmbeddedReader
from samespace.store.schema import DATABASE, FORMAT, connect, migrate, read_state, stored_format
from samespace.store.segments import ON_DISK, bytes_below, sync_folder
from samespace.store.shared import LOCK, Shared
from samespace.store.writer import EmbeddedWriter

__all__ = ["EmbeddedReader", "EmbeddedStore", "EmbeddedWriter"]

_UNFINISHED = ".creating.sqlite3"
"""A database that is being made; only the finished one gets its name."""


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
                header, collection = _read_header(connection, database)
            finally:
                connection.close()
        # Absolute, so that the collection stays the same one when the working folder changes.
        return cls(Shared(Path(os.path.abspath(folder)), header, collection))

    @property
    def path(self) -> Path:
        """The folder."""
        return self._shared.path

    @property
    def header(self) -> Header:
        """What was fixed when the store was made."""
        return self._shared.header

    def read(self) -> EmbeddedReader:
        """Return a new reader on the last commit."""
        return EmbeddedReader(self._shared)

    def write(self, timeout: float = 0.0) -> EmbeddedWriter:
        """Take the write lock and return the writer. Close it, or use `with`.

        Raises:
            CollectionLocked: another process holds it and `timeout` seconds have passed.
        """
        return EmbeddedWriter(self._shared, self._shared.lock(timeout))

    def totals(self) -> Totals:
        """Count everything."""
        with self.read() as reader, guarded(self._shared.database, "reading"):
            connection, state = reader.snapshot.connection, reader.snapshot.state
            documents = _count(connection, "documents")
            chunks, tokens, cut = connection.execute(
                "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(dropped), 0) FROM chunks"
            ).fetchone()
            live = connection.execute(
                "SELECT count(*) FROM vectors v WHERE v.space = ? "
                "AND EXISTS (SELECT 1 FROM chunks c WHERE c.hash = v.hash)",
                (state.space,),
            ).fetchone()[0]
            mark = state.lexical
            pending = _count(connection, "chunks WHERE row > ?", mark.row)
            pending += _count(
                connection,
                "tombstones WHERE number > ? AND row <= ?",
                mark.tombstone,
                mark.row,
            )
            dropped: dict[str, int] = {}
            for (stored,) in connection.execute(
                "SELECT dropped FROM documents WHERE dropped != '{}'"
            ):
                for kind, count in json.loads(stored).items():
                    dropped[kind] = dropped.get(kind, 0) + count
        return Totals(
            documents=documents,
            chunks=chunks,
            tokens=tokens,
            tokens_dropped=cut,
            vectors=state.rows,
            dead_vectors=state.rows - live,
            bytes=bytes_below(self.path),
            change=state.change,
            lexical_pending=pending,
            dropped=dropped,
        )

    def compact(self, timeout: float = 0.0) -> int:
        """Physically erase what was deleted; return the number of bytes freed.

        Raises:
            CollectionLocked: another process is writing, or one does not stop reading.
            WriteFailed: the disk refused; the store is as it was.
        """
        lock = self._shared.lock(timeout)
        try:
            return compact(self._shared, timeout)
        finally:
            lock.release()

    def check(self) -> list[str]:
        """Read everything and return what is wrong, one sentence each; empty if all is sound."""
        return check(self._shared)

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
    meta = {
        "collection": secrets.token_hex(16),
        "model": header.model,
        "recipe": json.dumps(dict(header.recipe)),
        "language": header.language,
        "change": 0,
        "lexical_generation": 0,
        "lexical_row": 0,
        "lexical_tombstone": 0,
    }
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
    connection.execute(
        "INSERT INTO spaces (number, id, json, state, generation, rows) "
        "VALUES (1, ?, ?, 'active', 1, 0)",
        (header.space.id, header.space.canonical()),
    )
    connection.executemany(
        "INSERT INTO canaries VALUES (1, ?, ?, ?, ?)",
        [
            (position, canary.role, canary.text, canary.vector.astype(ON_DISK).tobytes())
            for position, canary in enumerate(header.canaries)
        ],
    )
    connection.execute("COMMIT")


def _read_header(connection: sqlite3.Connection, database: Path) -> tuple[Header, str]:
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        number, stored = connection.execute(
            "SELECT number, json FROM spaces WHERE state = 'active'"
        ).fetchone()
        space = Space.from_dict(json.loads(stored))
        canaries = tuple(
            Canary(role, text, np.frombuffer(vector, ON_DISK).astype(np.float32))
            for role, text, vector in connection.execute(
                "SELECT role, text, vector FROM canaries WHERE space = ? ORDER BY position",
                (number,),
            )
        )
        read_state(connection)
        recipe = json.loads(meta["recipe"])
        header = Header(space, canaries, meta["model"], recipe, meta["language"])
        return header, str(meta["collection"])
    except (KeyError, TypeError, ValueError) as error:
        seen = f"a required row is missing or cannot be read ({error!r})"
        raise damaged(database, seen) from error
