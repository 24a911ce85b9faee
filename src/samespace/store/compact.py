"""Physical erasure: everything is written anew without what was deleted, and swapped at once.

New vector files and a new lexical index are written beside the old; one transaction names
them; then the old ones are removed and the database is rewritten. Killed before that
transaction, the store is as it was; killed after it, the next writer removes the old files and
the next `compact` finishes the database.
"""

from __future__ import annotations

import shutil
import sqlite3
import time

import numpy as np

from samespace.errors import CollectionLocked, WriteFailed
from samespace.store.bm25 import Unusable
from samespace.store.catch_up import build_next
from samespace.store.faults import guarded
from samespace.store.schema import State, connect, publish_mark, raise_change, read_state
from samespace.store.segments import SegmentWriter, bytes_below, trim
from samespace.store.shared import Shared
from samespace.store.writer import sweep_vectors

_READER_SECONDS = 10.0
"""How long to wait, at least, for readers of the old state to go."""

_LIVE = "EXISTS (SELECT 1 FROM chunks c WHERE c.hash = v.hash)"
_Batch = tuple[int, int, int]


def compact(shared: Shared, timeout: float) -> int:
    """Erase what was deleted and return the bytes freed. The write lock is held.

    Raises:
        WriteFailed: the disk refused; the store is as it was.
        CollectionLocked: all is erased but from the log that a reader still looks at.
    """
    before = bytes_below(shared.path)
    with guarded(shared.database, "compacting"):
        connection = connect(shared.database, write=True)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            state = _swap(shared, connection)
            shared.forget()
            sweep_vectors(shared, state.generation)
            shared.lexical.sweep(state.lexical.generation)
            folder = shared.vector_folder(state.generation)
            trim(folder, state.rows, shared.header.space.dimensions)
            connection.execute("VACUUM")
            _empty_log(connection, shared, max(timeout, _READER_SECONDS))
        finally:
            connection.close()
    return max(0, before - bytes_below(shared.path))


def _swap(shared: Shared, connection: sqlite3.Connection) -> State:
    state = read_state(connection)
    # What a killed run left beside the present generations would be in the way of the new ones.
    sweep_vectors(shared, state.generation)
    live = [
        row
        for (row,) in connection.execute(
            f"SELECT v.row FROM vectors v WHERE v.space = ? AND {_LIVE} ORDER BY v.row",
            (state.space,),
        )
    ]
    rewrite = len(live) < state.rows
    batches = _copy_vectors(shared, state, live) if rewrite else []
    deleted = connection.execute("SELECT count(*) FROM tombstones").fetchone()[0]
    try:
        mark = build_next(connection, shared.lexical, rebuild=deleted > 0)
    except Unusable as error:
        raise WriteFailed(
            f"{shared.path}: the lexical index could not be written: {error}. Nothing was "
            "changed. Free some space and compact again."
        ) from error
    if not rewrite and mark == state.lexical:
        return state
    connection.execute("BEGIN IMMEDIATE")
    try:
        if rewrite:
            _rename_rows(connection, state, live, batches)
        connection.execute("DELETE FROM tombstones")
        publish_mark(connection, mark)
        raise_change(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return read_state(connection)


def _copy_vectors(shared: Shared, state: State, live: list[int]) -> list[_Batch]:
    """Write the live vectors into the next generation; return (first, rows, CRC-32) of batches."""
    dimensions = shared.header.space.dimensions
    writer = SegmentWriter(shared.vector_folder(state.generation + 1), dimensions, 0)
    batches: list[_Batch] = []
    try:
        for block in shared.mapped(state).gather(np.asarray(live, np.int64)):
            first = writer.append(block)
            batches.append((first, len(block), writer.crc32))
            writer.sync()
            writer.confirm()
    except BaseException:
        shutil.rmtree(writer.folder, ignore_errors=True)
        raise
    finally:
        writer.close()
    return batches


def _rename_rows(
    connection: sqlite3.Connection, state: State, live: list[int], batches: list[_Batch]
) -> None:
    space = state.space
    connection.execute(
        "DELETE FROM vectors WHERE space = ? AND NOT EXISTS "
        "(SELECT 1 FROM chunks c WHERE c.hash = vectors.hash)",
        (space,),
    )
    # Ascending, so that the place that a row moves down to is always free.
    connection.executemany(
        "UPDATE vectors SET row = ? WHERE space = ? AND row = ?",
        [(new, space, old) for new, old in enumerate(live) if new != old],
    )
    connection.execute("DELETE FROM batches WHERE space = ?", (space,))
    connection.executemany(
        "INSERT INTO batches (space, first, rows, crc32) VALUES (?, ?, ?, ?)",
        [(space, *batch) for batch in batches],
    )
    connection.execute(
        "UPDATE spaces SET generation = ?, rows = ? WHERE number = ?",
        (state.generation + 1, len(live), space),
    )


def _empty_log(connection: sqlite3.Connection, shared: Shared, seconds: float) -> None:
    """Bring the log into the database and cut it to nothing, once no reader needs it."""
    deadline = time.monotonic() + seconds
    connection.execute("PRAGMA busy_timeout = 200")
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            raise CollectionLocked(
                f"{shared.path}: compacted, but a reader still looks at the state before, so "
                "deleted text remains in the log. Close the readers and compact again."
            )
        time.sleep(0.02)
