"""The cache's file: an SQLite database of vectors, bounded, disposable, never required."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from samespace.errors import InputError

T = TypeVar("T")

MAX_BYTES = 2 * 2**30
"""Of the file, unless another bound is given: 1.3 million vectors of 384 numbers."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB PRIMARY KEY, space TEXT NOT NULL, value BLOB NOT NULL,
    checksum INTEGER NOT NULL, used INTEGER NOT NULL
)
"""
_FILE = "vectors.sqlite"
_PAGE = 16384
"""Bytes: ten vectors of 384 numbers to a page, where the usual 4,096 hold two."""
_LOG = 16 * 2**20
"""Bytes that the journal is brought back to after it was longer, as it is when much is dropped."""
_AT_ONCE = 500
_WAIT_S = 5.0
_FRESH_S = 3600
"""An entry's last use is noted at most once in this time, so that reading seldom writes."""
_AS_LONG = 10
"""A file that kept its user waiting and then refused is left alone for so many times as long."""
_KEEP = 0.9
"""Of the bound, when the least recently used entries are dropped."""


@dataclass(frozen=True)
class CacheStats:
    """What a cache holds, and what it did since it was opened in this process.

    Attributes:
        path: the file.
        entries: how many inputs it knows.
        bytes: the size of the file and its journal.
        max_bytes: the bound.
        spaces: how many entries each Space id has.
        hits: inputs that were found.
        misses: inputs that were not.
        corrupt: entries that were damaged, and dropped.
        refused: reads and writes that the disk or the database refused.
    """

    path: Path
    entries: int
    bytes: int
    max_bytes: int
    spaces: Mapping[str, int]
    hits: int
    misses: int
    corrupt: int
    refused: int


class VectorCache:
    """Values by key, on disk, for several threads and processes at once.

    It is a help and never a need: what the disk or another process refuses is a miss. Each
    entry has a checksum; a damaged one is dropped, and a damaged file is begun anew. What is
    kept under a key stays: the first answer is given for as long as it is there.

    Args:
        path: the folder of the file; it is made when first written.
        max_bytes: the bound of the file; beyond it, what was used least recently goes first.

    Raises:
        InputError: a bound below one megabyte.
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> None:
        if max_bytes < 2**20:
            raise InputError(f"max_bytes must be at least {2**20}, got {max_bytes}")
        self.path = Path(path) / _FILE
        self.max_bytes = max_bytes
        self._local = threading.local()
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("hits", "misses", "corrupt", "refused"), 0)
        self._away_until = 0.0

    def get_many(
        self, keys: Collection[bytes], uncounted: Collection[bytes] = ()
    ) -> dict[bytes, bytes]:
        """Return the values of the keys that are there.

        Args:
            keys: what is asked for.
            uncounted: more of it, which is neither hit nor miss in `stats`.
        """
        found: dict[bytes, bytes] = {}
        corrupt: list[bytes] = []
        stale: list[bytes] = []
        now = int(time.time())

        def read(database: sqlite3.Connection) -> None:
            for part in _parts([*keys, *uncounted]):
                rows = database.execute(
                    "SELECT key, value, checksum, used FROM entries WHERE key IN "
                    f"({', '.join('?' * len(part))})",
                    part,
                )
                for key, value, checksum, used in rows:
                    if not isinstance(value, bytes) or zlib.crc32(key + value) != checksum:
                        corrupt.append(key)
                        continue
                    found[key] = value
                    if abs(now - used) > _FRESH_S:
                        stale.append(key)

        if self._exists():
            self._quietly(read)
        asked = set(keys)
        hits = len(asked & found.keys())
        self._count(hits=hits, misses=len(asked) - hits, corrupt=len(corrupt))
        if corrupt or stale:
            self._quietly(lambda database: _note(database, corrupt, stale, now))
        return found

    def put_many(self, space: str, values: Mapping[bytes, bytes]) -> None:
        """Keep values, each by its key; `space` is the id of the Space that they live in."""
        now = int(time.time())
        rows = [(k, space, v, zlib.crc32(k + v), now) for k, v in values.items()]

        def write(database: sqlite3.Connection) -> None:
            for part in _parts(rows):
                with _transaction(database):
                    database.executemany(
                        "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?)", part
                    )
                    while _bytes(database) > self.max_bytes and _drop_oldest(database, now):
                        pass

        if rows:
            self._quietly(write)

    def clear(self, space: str | None = None) -> int:
        """Forget all entries, or those of one Space; return how many, and free their bytes.

        Raises:
            InputError: the file cannot be written now.
        """

        def shrink(database: sqlite3.Connection) -> bool:
            database.execute("VACUUM")
            (busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

        gone = self.forget(space)
        if self._exists() and not self._quietly(shrink):
            raise InputError(f"{self.path} cannot be emptied now: another process or the disk")
        return gone

    def forget(self, space: str | None = None) -> int:
        """Do as `clear`, but leave the bytes in the file for what comes next.

        Raises:
            InputError: the file cannot be written now.
        """

        def empty(database: sqlite3.Connection) -> int:
            with _transaction(database):
                sql, values = ("", ()) if space is None else (" WHERE space = ?", (space,))
                return database.execute("DELETE FROM entries" + sql, values).rowcount

        gone = self._quietly(empty) if self._exists() else 0
        if gone is None and self._exists():  # and was not damaged, and so deleted
            raise InputError(f"{self.path} cannot be emptied now: another process or the disk")
        return gone or 0

    def stats(self) -> CacheStats:
        """Return what the cache holds and did."""

        def spaces(database: sqlite3.Connection) -> dict[str, int]:
            return dict(database.execute("SELECT space, count(*) FROM entries GROUP BY space"))

        found = (self._quietly(spaces) if self._exists() else None) or {}
        size = 0
        for file in (self.path, f"{self.path}-wal"):
            with contextlib.suppress(OSError):
                size += os.stat(file).st_size
        with self._lock:
            counts = dict(self._counts)
        return CacheStats(self.path, sum(found.values()), size, self.max_bytes, found, **counts)

    def _exists(self) -> bool:
        # Unlike Path.is_file it does not raise where the folder may not be looked into.
        return os.path.isfile(self.path)

    def _quietly(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do a piece of work on the database; None where it is refused."""
        started = time.monotonic()
        if started < self._away_until:
            self._count(refused=1)
            return None
        try:
            return work(self._database())
        except (sqlite3.Error, OSError) as error:
            self._count(refused=1)
            self._close()
            now = time.monotonic()
            if type(error) is sqlite3.DatabaseError:
                # Damage; locked, full, read-only or misused is of a class below it.
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        os.unlink(f"{self.path}{suffix}")
            elif now - started > 0.1:
                self._away_until = now + _AS_LONG * (now - started)
        return None

    def _database(self) -> sqlite3.Connection:
        """Return this thread's own connection; a fork opens another."""
        kept: tuple[int, sqlite3.Connection] | None = getattr(self._local, "database", None)
        if kept and kept[0] == os.getpid():
            return kept[1]
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        database.execute(f"PRAGMA page_size = {_PAGE}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA journal_size_limit = {_LOG}")
        # A power cut may damage it, which the checksums show; a killed process does not.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_SCHEMA)
        self._local.database = (os.getpid(), database)
        return database

    def _close(self) -> None:
        kept = getattr(self._local, "database", None)
        self._local.database = None
        if kept and kept[0] == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                kept[1].close()

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, count in more.items():
                self._counts[name] += count


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have done it
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _note(
    database: sqlite3.Connection, corrupt: Sequence[bytes], used: Sequence[bytes], now: int
) -> None:
    with _transaction(database):
        database.executemany("DELETE FROM entries WHERE key = ?", ((key,) for key in corrupt))
        database.executemany(
            "UPDATE entries SET used = ? WHERE key = ?", ((now, key) for key in used)
        )


def _bytes(database: sqlite3.Connection) -> int:
    """Return the bytes of the pages that hold something."""
    (pages,), (free,) = (
        database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count")
    )
    return int((pages - free) * _PAGE)


def _drop_oldest(database: sqlite3.Connection, now: int) -> int:
    """Drop the tenth of the entries that was used least recently; return how many that was.

    What was used in the future, by a clock that was set back since, counts as used now.
    """
    (count,) = database.execute("SELECT count(*) FROM entries").fetchone()
    return database.execute(
        "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries ORDER BY min(used, ?), "
        "rowid LIMIT ?)",
        (now, max(1, int(count * (1 - _KEEP))) if count else 0),
    ).rowcount
