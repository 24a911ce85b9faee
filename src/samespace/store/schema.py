"""The database of an embedded store: its tables, its format number, its connections."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

_FORMAT_2 = """
DROP INDEX spaces_active;
UPDATE spaces SET state = 'present';

CREATE TABLE cuts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    recipe TEXT NOT NULL,
    lexical_generation INTEGER NOT NULL DEFAULT 0,
    lexical_row INTEGER NOT NULL DEFAULT 0,
    lexical_tombstone INTEGER NOT NULL DEFAULT 0
);
INSERT INTO cuts SELECT 1, r.value, g.value, c.value, t.value
    FROM meta r, meta g, meta c, meta t
    WHERE r.key = 'recipe' AND g.key = 'lexical_generation' AND c.key = 'lexical_row'
    AND t.key = 'lexical_tombstone';

CREATE TABLE sides (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    space INTEGER NOT NULL REFERENCES spaces (number),
    cut INTEGER NOT NULL REFERENCES cuts (number),
    model TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE UNIQUE INDEX sides_active ON sides (state) WHERE state = 'active';
INSERT INTO sides SELECT 1, s.number, 1, m.value, 'active'
    FROM spaces s, meta m WHERE m.key = 'model';

CREATE TABLE migrations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    source INTEGER NOT NULL REFERENCES sides (number),
    target INTEGER NOT NULL REFERENCES sides (number),
    state TEXT NOT NULL,
    facts TEXT NOT NULL
);
CREATE TABLE history (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    event TEXT NOT NULL,
    side INTEGER NOT NULL REFERENCES sides (number),
    facts TEXT NOT NULL
);
INSERT INTO history SELECT 1, '', 'made', number, '{}' FROM sides;

CREATE TABLE bridges (
    space INTEGER PRIMARY KEY REFERENCES spaces (number),
    model TEXT NOT NULL,
    data BLOB NOT NULL
);

ALTER TABLE chunks RENAME TO chunks_1;
DROP INDEX chunks_document;
DROP INDEX chunks_hash;
CREATE INDEX chunks_1_document ON chunks_1 (document, position, hash);
CREATE INDEX chunks_1_hash ON chunks_1 (hash);
ALTER TABLE tombstones RENAME TO tombstones_1;
CREATE TABLE gaps_1 (
    document INTEGER PRIMARY KEY REFERENCES documents (number),
    gaps TEXT NOT NULL
);
INSERT INTO gaps_1 SELECT number, gaps FROM documents;

DELETE FROM meta WHERE key IN
    ('recipe', 'model', 'lexical_generation', 'lexical_row', 'lexical_tombstone');
"""
"""A *side* is a Space and a *cut* of all documents: what is searched together. One is active; a
migration builds another beside it. Each cut has tables of its own, `chunks_N`, `tombstones_N`
and `gaps_N`, so that nothing of one can be found in the other. `documents.gaps` is unused since.
"""

_CUT = """
CREATE TABLE IF NOT EXISTS chunks_N (
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
CREATE INDEX IF NOT EXISTS chunks_N_document ON chunks_N (document, position, hash);
CREATE INDEX IF NOT EXISTS chunks_N_hash ON chunks_N (hash);
CREATE TABLE IF NOT EXISTS tombstones_N (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    row INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS gaps_N (
    document INTEGER PRIMARY KEY REFERENCES documents (number),
    gaps TEXT NOT NULL
);
"""
"""The tables of a cut, as format 2 made those of the first cut from those of format 1."""

MIGRATIONS: tuple[str, ...] = (_FORMAT_1, _FORMAT_2)
"""`MIGRATIONS[n]` leads from format n to format n + 1. Never edited once released."""

FORMAT = len(MIGRATIONS)


@dataclass(frozen=True)
class Mark:
    """What a generation of a cut's lexical index has seen: chunk rows and tombstones up to here."""

    cut: int
    generation: int = 0
    row: int = 0
    tombstone: int = 0


@dataclass(frozen=True)
class State:
    """Where one side of a store stands at one commit: its vectors, and the index of its cut."""

    change: int
    side: int
    space: int
    space_id: str
    generation: int
    rows: int
    lexical: Mark

    @property
    def cut(self) -> int:
        """The number of the side's cut."""
        return self.lexical.cut

    @property
    def chunks(self) -> str:
        """The table of the side's chunks."""
        return f"chunks_{self.cut}"

    @property
    def tombstones(self) -> str:
        """The table of what was deleted from the side's chunks."""
        return f"tombstones_{self.cut}"

    @property
    def gaps(self) -> str:
        """The table of what the side's chunks leave out of each document's text."""
        return f"gaps_{self.cut}"


def connect(database: Path, *, write: bool = False) -> sqlite3.Connection:
    """Open a connection that leaves transactions to its user (`BEGIN`, `COMMIT`).

    Where the folder cannot be written, and SQLite cannot keep its shared memory there either, the
    file is opened as one that nobody changes; `Shared` looks whether somebody did.
    """
    if not write and not os.access(database.parent, os.W_OK):
        connection = _open(database, "mode=ro")
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            log = database.with_name(f"{database.name}-wal")
            if log.exists() and log.stat().st_size:
                raise  # what it holds would be passed over
            connection = _open(database, "mode=ro&immutable=1")
    else:
        connection = _open(database, "mode=rw")
    if write:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
    else:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _open(database: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{database.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MILLISECONDS / 1000,
    )


_STATE = (
    "SELECT (SELECT value FROM meta WHERE key = 'change'), s.number, s.space, p.id, "
    "p.generation, p.rows, c.number, c.lexical_generation, c.lexical_row, c.lexical_tombstone "
    "FROM sides s JOIN spaces p ON p.number = s.space JOIN cuts c ON c.number = s.cut "
)


def read_state(connection: sqlite3.Connection, side: int | None = None) -> State:
    """Return where a side stands, the active one if None, as this connection sees it."""
    row = connection.execute(
        f"{_STATE} WHERE " + ("s.state = 'active'" if side is None else "s.number = ?"),
        () if side is None else (side,),
    ).fetchone()
    return _state(row)


def _state(row: tuple[Any, ...]) -> State:
    change, side, space, space_id, generation, rows, *mark = row
    return State(change, side, space, space_id, generation, rows, Mark(*mark))


def read_states(connection: sqlite3.Connection) -> list[State]:
    """Return where each side stands that is not retired."""
    rows = connection.execute(f"{_STATE} WHERE s.state != 'retired' ORDER BY s.number")
    return [_state(row) for row in rows]


def live_cuts(connection: sqlite3.Connection) -> list[int]:
    """Return the numbers of the cuts of all sides that are not retired."""
    return sorted({state.cut for state in read_states(connection)})


def create_cut(connection: sqlite3.Connection, recipe: str) -> int:
    """Make an empty cut with its tables; return its number."""
    number = connection.execute("INSERT INTO cuts (recipe) VALUES (?)", (recipe,)).lastrowid
    assert number is not None
    for statement in _CUT.replace("_N", f"_{number}").split(";"):
        if statement.strip():
            connection.execute(statement)
    return number


def publish_mark(connection: sqlite3.Connection, mark: Mark) -> None:
    """Name the generation of a cut's index that readers use from the next commit on."""
    connection.execute(
        "UPDATE cuts SET lexical_generation = ?, lexical_row = ?, lexical_tombstone = ? "
        "WHERE number = ?",
        (mark.generation, mark.row, mark.tombstone, mark.cut),
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
