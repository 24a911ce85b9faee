"""Reading everything and saying what is wrong: nothing here is needed to use a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from samespace.errors import CollectionDamaged
from samespace.store.catch_up import reach
from samespace.store.reader import EmbeddedReader
from samespace.store.schema import State
from samespace.store.segments import Mapped, checksum
from samespace.store.shared import Shared

_COUNTS = (
    (
        "chunks without their document",
        "SELECT count(*) FROM chunks c LEFT JOIN documents d ON d.number = c.document "
        "WHERE d.number IS NULL",
    ),
    (
        "metadata rows without their document",
        "SELECT count(*) FROM metadata m LEFT JOIN documents d ON d.number = m.document "
        "WHERE d.number IS NULL",
    ),
    (
        "chunks whose text has another length than their offsets say",
        "SELECT count(*) FROM chunks WHERE instr(text, char(0)) = 0 "
        "AND length(text) != stop - start",
    ),
    (
        "documents whose chunks are not numbered without a gap",
        "SELECT count(*) FROM (SELECT 1 FROM chunks GROUP BY document "
        "HAVING min(position) != 0 OR max(position) != count(*) - 1)",
    ),
)


def check(shared: Shared) -> list[str]:
    """Return every problem found, one sentence each; an empty list for a sound store."""
    try:
        reader = EmbeddedReader(shared)
    except CollectionDamaged as error:
        return [str(error)]
    with reader:
        try:
            return [*_problems(shared, reader)]
        except sqlite3.Error as error:
            return [f"{shared.database}: {error}"]


def _problems(shared: Shared, reader: EmbeddedReader) -> Iterator[str]:
    connection, state = reader.snapshot.connection, reader.snapshot.state
    for (line,) in connection.execute("PRAGMA integrity_check(20)"):
        if line != "ok":
            yield f"{shared.database}: {line}"
    for what, sql in _COUNTS:
        count = connection.execute(sql).fetchone()[0]
        if count:
            yield f"{shared.database}: {count} {what}"
    for document in list(reader.documents()):
        try:
            reader.document(document.id)
        except CollectionDamaged as error:  # noqa: PERF203
            yield str(error)
    yield from _vector_problems(shared, connection, state, reader.snapshot.mapped)
    yield from _lexical_problems(shared, connection, state)


def _vector_problems(
    shared: Shared, connection: sqlite3.Connection, state: State, mapped: Mapped
) -> Iterator[str]:
    orphans = connection.execute(
        "SELECT count(*) FROM chunks c WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.space = ? AND v.hash = c.hash)",
        (state.space,),
    ).fetchone()[0]
    if orphans:
        yield f"{shared.database}: {orphans} chunks without their vector"
    named, last = connection.execute(
        "SELECT count(*), max(row) FROM vectors WHERE space = ?", (state.space,)
    ).fetchone()
    if named != state.rows or (last is not None and last != state.rows - 1):
        yield (
            f"{shared.database}: {named} vectors are named, the last as row {last}, but "
            f"{state.rows} rows are committed"
        )
    covered = 0
    for first, rows, crc32 in connection.execute(
        "SELECT first, rows, crc32 FROM batches WHERE space = ? ORDER BY first", (state.space,)
    ).fetchall():
        if first != covered or first + rows > state.rows:
            yield f"{shared.database}: the checksums do not cover rows {covered} to {first}"
            return
        covered = first + rows
        if checksum(mapped, first, rows) != crc32:
            yield (
                f"{shared.vector_folder(state.generation)}: rows {first} to {covered - 1} have "
                "other bytes than were written"
            )
    if covered != state.rows:
        yield f"{shared.database}: the checksums cover {covered} of {state.rows} rows"
    for block in mapped.blocks():
        if not np.isfinite(block).all():
            yield f"{shared.vector_folder(state.generation)}: holds NaN or infinite values"
            return


def _lexical_problems(
    shared: Shared, connection: sqlite3.Connection, state: State
) -> Iterator[str]:
    mark = state.lexical
    if not mark.generation:
        return
    row, tombstone = reach(connection, state)
    if row < mark.row or tombstone < mark.tombstone:
        yield "lexical index: it has seen rows that do not exist"
    problems = shared.lexical.problems(mark)
    yield from problems
    view = None if problems else shared.view(mark)
    if view is None:
        return
    alive = connection.execute(
        "SELECT count(*) FROM chunks WHERE row <= ?", (mark.row,)
    ).fetchone()[0]
    leaving = connection.execute(
        "SELECT count(*) FROM tombstones WHERE number > ? AND row <= ?", (mark.tombstone, mark.row)
    ).fetchone()[0]
    if view.documents != alive + leaving:
        yield f"lexical index: expected {alive + leaving} chunks, got {view.documents}"
