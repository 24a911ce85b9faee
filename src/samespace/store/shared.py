"""What the readers and the writer of one opened store share: connections, mappings, indexes.

All of it is a cache keyed by what the database says, so that the second search of a process
opens nothing. Safe to use from several threads.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import BaseFileLock, FileLock, Timeout

from samespace.errors import (
    CollectionDamaged,
    CollectionLocked,
    CollectionNotFound,
    InputError,
    StoreError,
)
from samespace.store.base import Header
from samespace.store.bm25 import Analysis, Memory, Unusable, View
from samespace.store.catch_up import catch_up
from samespace.store.faults import fault, guarded
from samespace.store.headers import read_header
from samespace.store.lexical import LexicalFolder
from samespace.store.schema import DATABASE, Mark, State, connect, read_state
from samespace.store.segments import Mapped

LOCK = "write.lock"
_SELECTIONS = 16
_TRIES = 20

Rows = npt.NDArray[np.int64]
logger = logging.getLogger("samespace.store")


@dataclass(frozen=True)
class Selection:
    """The chunks that a filter accepts, by row, and beside each the row of its vector."""

    chunks: Rows
    vectors: Rows


@dataclass(frozen=True)
class Snapshot:
    """A connection inside a read transaction, and what it sees."""

    connection: sqlite3.Connection
    state: State
    header: Header
    mapped: Mapped


class Shared:
    """The open resources of one store in one process."""

    def __init__(self, path: Path, collection: str, language: str) -> None:
        self.path = path
        self.database = path / DATABASE
        self.collection = collection
        self.language = language
        self.closed = False
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._read_only = not os.access(path, os.W_OK)
        self._file = self.present()
        self._ours: set[sqlite3.Connection] = set()
        self._idle: list[sqlite3.Connection] = []
        self._headers: dict[tuple[int, str, int], Header] = {}
        self._mapped: dict[int, tuple[tuple[int, int], Mapped]] = {}
        self._lexical: dict[int, LexicalFolder] = {}
        self._view: tuple[Mark, View] | None = None
        self._memory: Memory | None = None
        self._row_map: tuple[tuple[int, int], tuple[Rows, ...]] | None = None
        self._selections: OrderedDict[tuple[int, int, str], Selection] = OrderedDict()

    def take(self) -> sqlite3.Connection:
        """Return an idle connection for reading, or a new one."""
        with self._lock:
            self._require_open()
            if self._process != os.getpid():
                # A connection must not cross a fork; the parent goes on using its own.
                self._idle, self._process = [], os.getpid()
                self._ours.clear()
            self._look()
            if self._idle:
                return self._idle.pop()
        connection = self.connect()
        with self._lock:
            self._ours.add(connection)
        return connection

    def connect(self, *, write: bool = False) -> sqlite3.Connection:
        """Open a connection to this very collection.

        Raises:
            CollectionNotFound: another one lies in its place now, or none.
        """
        self._look()
        with guarded(self.database, "opening"):
            connection = connect(self.database, write=write)
            try:
                seen = connection.execute(
                    "SELECT value FROM meta WHERE key = 'collection'"
                ).fetchone()
            except BaseException:
                connection.close()
                raise
        if seen != (self.collection,):
            connection.close()
            raise self._other()
        return connection

    def require(self, file: tuple[int, ...]) -> None:
        """Raise CollectionNotFound unless the database is still the file that `present` gave."""
        if self.present() != file:
            raise self._other()

    def _other(self) -> CollectionNotFound:
        return CollectionNotFound(
            f"{self.path}: another collection lies here than the one that was opened. Open it again"
        )

    def _look(self) -> None:
        """Let go of all that came from a file which another has taken the place of."""
        with self._lock:
            present = self.present()
            if present != self._file:
                self._file = present
                idle, self._idle = self._idle, []
                for connection in idle:
                    connection.close()
                self._ours.clear()
                self._headers.clear()
                self.forget()

    def present(self) -> tuple[int, ...]:
        """Return which file the database is; in a folder that only others write, as it is now."""
        try:
            found = os.stat(self.database)
            if self._read_only:
                log = self.database.with_name(f"{self.database.name}-wal")
                size = log.stat().st_size if log.exists() else 0
                return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, size
        except OSError as error:
            raise CollectionNotFound(
                f"{self.path}: the collection that was opened is not here any more ({error}). Put "
                "it back, or open it where it is now"
            ) from error
        return found.st_dev, found.st_ino

    def _require_open(self) -> None:
        if self.closed:
            raise InputError(f"{self.path}: the collection was closed; open it again")

    def give(self, connection: sqlite3.Connection) -> None:
        """Put a connection back, its transaction ended."""
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._lock:
                if not self.closed and self._process == os.getpid() and connection in self._ours:
                    self._idle.append(connection)
                    return
        connection.close()

    def snapshot(self, side: int | None = None) -> Snapshot:
        """Begin a read transaction on a side, the active one if None, and map its vectors.

        `compact` may remove a generation between the two; then there is a newer one.
        """
        connection = self.take()
        try:
            for attempt in range(_TRIES):
                with guarded(self.database, "reading"):
                    connection.execute("BEGIN")
                    state = read_state(connection, side)
                    header = self.header(connection, state)
                try:
                    mapped = self.mapped(state, header, alone=side is None)
                    return Snapshot(connection, state, header, mapped)
                except CollectionDamaged:
                    with guarded(self.database, "reading"):
                        connection.execute("ROLLBACK")
                        now = read_state(connection, side)
                    same = (now.space, now.generation) == (state.space, state.generation)
                    if same or attempt == _TRIES - 1:
                        raise
            raise AssertionError("unreachable")
        except BaseException:
            self.give(connection)
            raise

    def header(self, connection: sqlite3.Connection, state: State) -> Header:
        """Return what is fixed of a side, read once: a side never changes."""
        key = (state.side, state.space_id, state.cut)
        with self._lock:
            if key not in self._headers:
                self._headers[key] = read_header(connection, state, self.language)
            return self._headers[key]

    def vector_folder(self, state: State) -> Path:
        """Return where the present generation of a side's vectors lies."""
        return self.path / "vectors" / state.space_id / f"{state.generation:06d}"

    def mapped(self, state: State, header: Header, *, alone: bool = False) -> Mapped:
        """Return the mapping of a side's committed rows.

        Args:
            state, header: the side's.
            alone: when it is mapped anew, let go of all others: after a switch a process that
                only searches would keep the files of the old side from being freed.
        """
        key = (state.generation, state.rows)
        with self._lock:
            known = self._mapped.get(state.space)
            if known is None or known[0] != key:
                mapped = Mapped(self.vector_folder(state), state.rows, header.space.dimensions)
                if alone:
                    self._mapped.clear()
                self._mapped[state.space] = known = (key, mapped)
            return known[1]

    def lexical(self, cut: int) -> LexicalFolder:
        """Return the folder of a cut's lexical index."""
        with self._lock:
            if cut not in self._lexical:
                folder, analysis = self.lexical_folder(cut), Analysis.of(self.language)
                self._lexical[cut] = LexicalFolder(folder, self.collection, analysis)
            return self._lexical[cut]

    def lexical_folder(self, cut: int) -> Path:
        """Return where a cut's lexical index lies; the first had the name to itself before."""
        return self.path / ("lexical" if cut == 1 else f"lexical-{cut}")

    def view(self, mark: Mark) -> View | None:
        """Return the opened index of a generation, or None if it cannot be used."""
        if not mark.generation:
            return None
        with self._lock:
            if self._view is None or self._view[0] != mark:
                try:
                    self._view = (mark, self.lexical(mark.cut).open(mark))
                except Unusable as error:
                    logger.info("lexical index not used: %s", error)
                    return None
            return self._view[1]

    def memory(
        self, base: Mark, change: int, last: int, rows: Callable[[int], Iterable[tuple[int, str]]]
    ) -> View:
        """Return an index in memory of the rows behind `base.row`, up to `last`.

        Args:
            base: what the index on disk has seen.
            change: the change that the reader sees.
            last: the last row that it sees.
            rows: yields (row, text) behind a row.
        """
        with self._lock:
            memory = self._memory
            if memory is None or memory.base != base or memory.change > change:
                memory = Memory(self.lexical(base.cut).analysis, base)
            if memory.seen < last:
                memory.extend(rows(memory.seen), change)
            if self._memory is None or self._memory.change <= change:
                self._memory = memory
            return memory.view

    def selection(self, state: State, where: str, make: Callable[[], Selection]) -> Selection:
        """Return what a filter accepts of a side at a change, made only once."""
        key = (state.change, state.side, where)
        with self._lock:
            found = self._selections.get(key)
        if found is None:
            found = make()
            with self._lock:
                self._selections[key] = found
                while len(self._selections) > _SELECTIONS:
                    self._selections.popitem(last=False)
        return found

    def row_map(self, state: State, make: Callable[[], tuple[Rows, ...]]) -> tuple[Rows, ...]:
        """Return document number, chunk row and vector row of a side's chunks at a change."""
        key = (state.change, state.side)
        with self._lock:
            if self._row_map is None or self._row_map[0] != key:
                self._row_map = (key, make())
            return self._row_map[1]

    def lock(self, timeout: float) -> BaseFileLock:
        """Take the write lock.

        Raises:
            CollectionLocked: another writer holds it and `timeout` seconds have passed.
        """
        self._require_open()
        self._look()
        return self.file_lock(self.path, timeout)

    @staticmethod
    def file_lock(path: Path, timeout: float) -> BaseFileLock:
        """Take the write lock of the collection in a folder; see `lock`."""
        if math.isnan(timeout):
            raise InputError("the time to wait must be a number of seconds, got nan")
        lock = FileLock(str(path / LOCK), thread_local=False)
        try:
            lock.acquire(timeout=max(timeout, 0.0), poll_interval=0.02)
        except Timeout as error:
            waited = f" (waited {timeout:g} s)" if timeout > 0 else ""
            raise CollectionLocked(
                f"{path}: another process is writing to the collection{waited}. Try again "
                "when it is done, or wait for it with timeout=SECONDS (--wait SECONDS)."
            ) from error
        except OSError as error:
            raise fault(error, path, "taking the write lock") from error
        return lock

    def repair_lexical(self, side: int, *, rebuild: bool) -> State | None:
        """Catch a side's lexical index up if nobody is writing; None if that cannot be now."""
        try:
            lock = self.lock(0.0)
        except StoreError:
            return None
        try:
            connection = self.connect(write=True)
            try:
                lexical = self.lexical(read_state(connection, side).cut)
                return catch_up(connection, lexical, side, rebuild=rebuild)
            finally:
                connection.close()
        except (Unusable, OSError, sqlite3.Error) as error:
            logger.warning("the lexical index could not be brought in step: %s", error)
            return None
        finally:
            lock.release()

    def forget(self) -> None:
        """Let go of the mappings and indexes."""
        with self._lock:
            self._view = self._memory = self._row_map = None
            self._mapped.clear()
            self._selections.clear()

    def close(self) -> None:
        """Close everything that is idle; readers still open close their own."""
        with self._lock:
            self.closed = True
            idle, self._idle = self._idle, []
            self._ours.clear()
            self.forget()
        if self._process == os.getpid():
            for connection in idle:
                connection.close()
