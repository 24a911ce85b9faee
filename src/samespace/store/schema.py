"""The database of an embedded store: its tables, its format number, its connections."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from samespace.errors import FormatTooNew
from samespace.store.faults import damaged

DATABASE = "samespace.sqlite3"
BUSY_MILLISECONDS = 10_000

_FORMAT_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

CREATE TABLE spaces (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    rows INTEGER NOT NULL
);
CREATE UNIQUE INDEX spaces_active ON spaces (state) WHERE state = 'active';

CREATE TABLE canaries (
    space INTEGER NOT NULL REFERENCES spaces (number),
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (space, position)
) WITHOUT ROWID;

CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,
    title TEXT NOT NULL,
    media TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    metadata TEXT NOT NULL,
    chars INTEGER NOT NULL,
    dropped TEXT NOT NULL,
    blocks TEXT NOT NULL,
    gaps TEXT NOT NULL
);
CREATE INDEX documents_origin ON documents (origin);

CREATE TABLE chunks (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    document INTEGER NOT NULL REFERENCES documents (number),
    position INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    text TEXT NOT NULL,
    context TEXT NOT NULL,
    heading TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    level INTEGER NOT NULL,
    parent TEXT,
    hash BLOB NOT NULL
);
CREATE INDEX chunks_document ON chunks (document, position, hash);
CREATE INDEX chunks_hash ON chunks (hash);

CREATE TABLE metadata (
    document INTEGER NOT NULL REFERENCES documents (number),
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    value,
    PRIMARY KEY (document, key, position)
) WITHOUT ROWID;
CREATE INDEX metadata_value ON metadata (key, type, value);

CREATE TABLE vectors (
    space INTEGER NOT NULL REFERENCES spaces (number),
    hash BLOB NOT NULL,
    row INTEGER NOT NULL,
    PRIMARY KEY (space, hash)
) WITHOUT ROWID;
CREATE UNIQUE INDEX vectors_row ON vectors (space, row);

CREATE TABLE batches (
    space INTEGER NOT NULL REFERENCES spaces (number),
    first INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    PRIMARY KEY (space, first)
) WITHOUT ROWID;

CREATE TABLE tombstones (number INTEGER PRIMARY KEY AUTOINCREMENT, row INTEGER NOT NULL);

CREATE TABLE files (origin TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (_FORMAT_1,)
"""`MIGRATIONS[n]` leads from format n to format n + 1. Never edited once released."""

FORMAT = len(MIGRATIONS)


@dataclass(frozen=True)
class Mark:
    """What a generation of the lexical index has seen: chunk rows and tombstones up to here."""

    generation: int
    row: int
    tombstone: int


NO_INDEX = Mark(0, 0, 0)


@dataclass(frozen=True)
class State:
    """Where a store stands at one commit."""

    change: int
    space: int
    generation: int
    rows: int
    lexical: Mark


def connect(database: Path, *, write: bool = False) -> sqlite3.Connection:
    """Open a connection that leaves transactions to its user (`BEGIN`, `COMMIT`).

    On a medium that cannot be written, where SQLite cannot keep its shared memory either, the
    file is opened as one that nobody changes.
    """
    uri = database.absolute().as_uri()
    log = database.with_name(f"{database.name}-wal")
    frozen = (
        not write
        and not os.access(database.parent, os.W_OK)
        and not (log.exists() and log.stat().st_size)
    )
    connection = sqlite3.connect(
        f"{uri}?mode=ro&immutable=1" if frozen else f"{uri}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MILLISECONDS / 1000,
    )
    if write:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
    else:
        connection.execute("PRAGMA query_only = ON")
    return connection


def read_state(connection: sqlite3.Connection) -> State:
    """Return where the store stands, as this connection sees it."""
    meta = dict(
        connection.execute(
            "SELECT key, value FROM meta WHERE key IN "
            "('change', 'lexical_generation', 'lexical_row', 'lexical_tombstone')"
        )
    )
    space, generation, rows = connection.execute(
        "SELECT number, generation, rows FROM spaces WHERE state = 'active'"
    ).fetchone()
    mark = Mark(meta["lexical_generation"], meta["lexical_row"], meta["lexical_tombstone"])
    return State(meta["change"], space, generation, rows, mark)


def publish_mark(connection: sqlite3.Connection, mark: Mark) -> None:
    """Name the generation of the lexical index that readers use from the next commit on."""
    connection.executemany(
        "UPDATE meta SET value = ? WHERE key = ?",
        [
            (mark.generation, "lexical_generation"),
            (mark.row, "lexical_row"),
            (mark.tombstone, "lexical_tombstone"),
        ],
    )


def raise_change(connection: sqlite3.Connection) -> None:
    """Count one more commit that changed what readers see."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'change'")


def stored_format(connection: sqlite3.Connection, database: Path) -> int:
    """Return the format number of a database.

    Raises:
        CollectionDamaged: there is none.
        FormatTooNew: this version does not know it.
    """
    tables = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
    ).fetchone()[0]
    row = None
    if tables:
        row = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if row is None or not isinstance(row[0], int):
        raise damaged(database, "expected the database of a collection, but it has no format row")
    found: int = row[0]
    if found > FORMAT:
        raise FormatTooNew(
            f"{database}: the collection has format {found}, this samespace reads up to "
            f"{FORMAT}. Upgrade with: pip install --upgrade samespace"
        )
    return found


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Bring a database from format `found` to the newest, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[found:]:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?)", (FORMAT,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
