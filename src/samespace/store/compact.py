"""Physical erasure: everything is written anew without what was deleted, and swapped at once.

New vector files and a new lexical index are written beside the old; one transaction names
them; then the old ones are removed and the database is rewritten. Killed before that
transaction, the store is as it was; killed after it, the next writer removes the old files and
the next `compact` finishes the database.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import time

import numpy as np

from samespace.errors import CollectionLocked, WriteFailed
from samespace.store.bm25 import Unusable
from samespace.store.catch_up import build_next
from samespace.store.faults import guarded
from samespace.store.schema import (
    Mark,
    State,
    live_cuts,
    publish_mark,
    raise_change,
    read_states,
)
from samespace.store.segments import Mapped, SegmentWriter, bytes_below, trim
from samespace.store.shared import Shared
from samespace.store.sweep import sweep

_READER_SECONDS = 10.0
"""How long to wait, at least, for readers of the old state to go."""

_Batch = tuple[int, int, int]
"""First row, number of rows and CRC-32 of what was written at once."""


def compact(shared: Shared, timeout: float) -> int:
    """Erase what was deleted and return the bytes freed. The write lock is held.

    Raises:
        WriteFailed: the disk refused; the store is as it was.
        CollectionLocked: all is erased but from the log that a reader still looks at.
    """
    before = bytes_below(shared.path)
    with guarded(shared.database, "compacting"):
        connection = shared.connect(write=True)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            file = shared.present()
            states = _swap(shared, connection)
            shared.require(file)
            shared.forget()
            sweep(shared, states)
            for state in states:
                shared.lexical(state.cut).sweep(state.lexical.generation)
                dimensions = shared.header(connection, state).space.dimensions
                trim(shared.vector_folder(state), state.rows, dimensions)
            connection.execute("VACUUM")
            _empty_log(connection, shared, max(timeout, _READER_SECONDS))
        finally:
            connection.close()
    return max(0, before - bytes_below(shared.path))


def _swap(shared: Shared, connection: sqlite3.Connection) -> list[State]:
    states = read_states(connection)
    # What a killed run left beside the present generations would be in the way of the new ones.
    sweep(shared, states)
    cuts = live_cuts(connection)
    spaces = {state.space: state for state in states}.values()
    rewritten = [
        (state, live, copy_vectors(shared, connection, state, live))
        for state, live in [(state, _live(connection, state, cuts)) for state in spaces]
        if len(live) < state.rows
    ]
    marks = [_index(shared, connection, state) for state in _one_per_cut(states)]
    if not rewritten and set(marks) == {state.lexical for state in states}:
        return states
    connection.execute("BEGIN IMMEDIATE")
    try:
        for state, live, batches in rewritten:
            rename_rows(connection, state, live, batches)
        for cut in cuts:
            connection.execute(f"DELETE FROM tombstones_{cut}")
        for mark in marks:
            publish_mark(connection, mark)
        raise_change(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return read_states(connection)


def _one_per_cut(states: list[State]) -> list[State]:
    return list({state.cut: state for state in states}.values())


def _live(connection: sqlite3.Connection, state: State, cuts: list[int]) -> list[int]:
    """Return the rows of a space's vectors that a chunk of any side names."""
    named = " OR ".join(
        f"EXISTS (SELECT 1 FROM chunks_{cut} c WHERE c.hash = v.hash)" for cut in cuts
    )
    found = connection.execute(
        f"SELECT v.row FROM vectors v WHERE v.space = ? AND ({named}) ORDER BY v.row",
        (state.space,),
    )
    return [row for (row,) in found]


def _index(shared: Shared, connection: sqlite3.Connection, state: State) -> Mark:
    deleted = connection.execute(f"SELECT count(*) FROM {state.tombstones}").fetchone()[0]
    try:
        return build_next(connection, shared.lexical(state.cut), state, rebuild=deleted > 0)
    except Unusable as error:
        raise WriteFailed(
            f"{shared.path}: the lexical index could not be written: {error}. Nothing was "
            "changed. Free some space and compact again."
        ) from error


def copy_vectors(
    shared: Shared,
    connection: sqlite3.Connection,
    state: State,
    live: list[int],
    mapped: Mapped | None = None,
) -> list[_Batch]:
    """Write the vectors of these rows into the next generation.

    Raises:
        CollectionDamaged: a file is missing or too short, and `mapped` is not given.
    """
    header = shared.header(connection, state)
    mapped = mapped or shared.mapped(state, header)
    folder = shared.vector_folder(dataclasses.replace(state, generation=state.generation + 1))
    writer = SegmentWriter(folder, header.space.dimensions, 0)
    batches: list[_Batch] = []
    try:
        for block in mapped.gather(np.asarray(live, np.int64)):
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


def rename_rows(
    connection: sqlite3.Connection, state: State, live: list[int], batches: list[_Batch]
) -> None:
    """Name the rows of the next generation: those of `live`, in this order, and no others."""
    space = state.space
    connection.execute(
        "DELETE FROM vectors WHERE space = ? AND row NOT IN (SELECT value FROM json_each(?))",
        (space, json.dumps(live)),
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
