"""Embeddings kept on disk, so that each text is embedded once however many configurations ask.

What is kept is the model's own vector in full precision; fewer dimensions and fewer bits are made
from it. With each vector stands how long it took, so that a time measured with the cache can be
corrected to what it would have been without.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samespace.errors import CollectionDamaged
from samespace.space import FloatArray
from samespace.store.faults import fault, guarded
from samespace.types import Role

ON_DISK = np.dtype("<f4")
_PAGE = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    space TEXT, role TEXT, input BLOB, vector BLOB, seconds REAL, cut INTEGER, checksum BLOB,
    PRIMARY KEY (space, role, input)
) WITHOUT ROWID
"""


@dataclass(frozen=True, eq=False)
class Entry:
    """One embedding: the vector, shape (d,), float32; the seconds that it took, of its share of
    the call; and whether the text was cut at the model's window."""

    vector: FloatArray
    seconds: float
    cut: bool


def input_key(text: str) -> bytes:
    """Return the SHA-256 of the exact input, 32 bytes."""
    return hashlib.sha256(text.encode("utf-8")).digest()


class EmbeddingCache:
    """A SQLite file of embeddings by Space id, role and input; safe to use from several threads.

    Each entry has a checksum: a damaged one is as if it were not there. So is the whole file
    where it is damaged; it is made anew, because nothing is lost but time. A disk that is full,
    or a lock that another program holds, damages nothing.

    Raises:
        WriteFailed: the disk refused.
        CollectionLocked: another program holds the file too long.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = self._open()

    def get(self, space: str, role: Role, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """Return what there is of these inputs."""
        found: dict[bytes, Entry] = {}
        with self._lock:
            for start in range(0, len(keys), _PAGE):
                page = keys[start : start + _PAGE]
                try:
                    rows = self._connection.execute(
                        "SELECT input, vector, seconds, cut, checksum FROM embeddings "
                        f"WHERE space = ? AND role = ? AND input IN ({', '.join('?' * len(page))})",
                        (space, role, *page),
                    ).fetchall()
                except sqlite3.Error as error:
                    self._require_damage(error)
                    self._connection.close()
                    self._connection = self._anew()
                    return {}
                for key, vector, seconds, cut, checksum in rows:
                    if _checksum(space, role, key, vector, seconds, cut) == checksum:
                        array = np.frombuffer(vector, ON_DISK).astype(np.float32)
                        found[key] = Entry(array, seconds, bool(cut))
        return found

    def put(self, space: str, role: Role, entries: Mapping[bytes, Entry]) -> None:
        """Keep these, in one transaction."""
        rows = list(_rows(space, role, entries))
        with self._lock, guarded(self._path, "writing"), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            self._require_damage(error)
            return self._anew()

    def _anew(self) -> sqlite3.Connection:
        with guarded(self._path, "making it anew"):
            for ending in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            return self._connect()

    def _require_damage(self, error: sqlite3.Error) -> None:
        """Raise what SQLite said, in our words, unless it is that the file is damaged."""
        seen = fault(error, self._path, "reading")
        if not isinstance(seen, CollectionDamaged):
            raise seen from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Whole after a kill; a power cut can cost the last entries, never the file.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            connection.execute("SELECT space, cut, checksum FROM embeddings LIMIT 1").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _rows(space: str, role: Role, entries: Mapping[bytes, Entry]) -> Iterable[tuple[object, ...]]:
    for key, entry in entries.items():
        vector = entry.vector.astype(ON_DISK).tobytes()
        values = (space, role, key, vector, entry.seconds, int(entry.cut))
        yield *values, _checksum(*values)


def _checksum(space: str, role: str, key: bytes, vector: bytes, seconds: float, cut: int) -> bytes:
    digest = hashlib.blake2b(f"{space} {role} ".encode() + key, digest_size=16)
    digest.update(vector)
    digest.update(struct.pack("<d?", seconds, cut))
    return digest.digest()
