"""Reading everything and saying what is wrong: nothing here is needed to use a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from samespace.errors import CollectionDamaged
from samespace.space import NORM_TOLERANCE, Space
from samespace.store.catch_up import reach
from samespace.store.reader import EmbeddedReader
from samespace.store.schema import State, read_state, read_states
from samespace.store.segments import Mapped, checksum
from samespace.store.shared import Shared

Part = Literal["database", "document", "vectors", "lexical", "model"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        part: what it is about: "vectors" and "lexical" can be made anew from the stored text, a
            "document" from its file; for the "database" there is only a backup, and "model" is
            about none of the collection's own files.
        says: a sentence for the user.
        side: the side that it was found in.
        documents: the ids of the documents that it is about, where `part` is "document".
        rows: the rows of vectors that it is about, where `part` is "vectors"; empty if it is
            about files as a whole.
    """

    part: Part
    says: str
    side: int = 0
    documents: tuple[str, ...] = ()
    rows: tuple[int, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.says


_WITHOUT_DOCUMENT = (
    "SELECT count(*) FROM {table} t LEFT JOIN documents d ON d.number = t.document "
    "WHERE d.number IS NULL"
)

_OF_DOCUMENTS = (
    (
        "chunks whose text has another length than their offsets say",
        "SELECT d.id FROM {chunks} c JOIN documents d ON d.number = c.document "
        "WHERE instr(c.text, char(0)) = 0 AND length(c.text) != c.stop - c.start",
    ),
    (
        "documents whose chunks are not numbered without a gap",
        "SELECT d.id FROM {chunks} c JOIN documents d ON d.number = c.document "
        "GROUP BY d.id HAVING min(c.position) != 0 OR max(c.position) != count(*) - 1",
    ),
)


def check(shared: Shared, side: int | None = None) -> list[Problem]:
    """Return every problem found in a side, or in any; an empty list for a sound store.

    What several sides share, a Space or a cut, is looked at once; a problem of it is one of the
    active side, if that is among them.
    """
    connection = shared.take()
    try:
        problems = [Problem("database", text) for text in _integrity(shared, connection)]
        problems += _lost(shared, connection, "metadata", "metadata rows")
        active = read_state(connection).side
        states = sorted(read_states(connection), key=lambda state: state.side != active)
    except sqlite3.Error as error:
        return [Problem("database", f"{shared.database}: {error}")]
    finally:
        shared.give(connection)
    cuts: set[int] = set()
    spaces: set[int] = set()
    for state in states:
        if side in (None, state.side):
            problems += _of_side(shared, state.side, state.side == active, cuts, spaces)
    return problems


def _integrity(shared: Shared, connection: sqlite3.Connection) -> list[str]:
    return [
        f"{shared.database}: {line}"
        for (line,) in connection.execute("PRAGMA integrity_check(20)")
        if line != "ok"
    ]


def _lost(
    shared: Shared, connection: sqlite3.Connection, table: str, what: str, side: int = 0
) -> Iterator[Problem]:
    (count,) = connection.execute(_WITHOUT_DOCUMENT.format(table=table)).fetchone()
    if count:
        yield Problem("database", f"{shared.database}: {count} {what} without their document", side)


def _of_side(
    shared: Shared, side: int, active: bool, cuts: set[int], spaces: set[int]
) -> Iterator[Problem]:
    """Yield what is wrong with a side, with its cut, and with its Space, unless these were seen.

    Only the active side must have all documents and vectors: any other may lack what was written
    since.
    """
    try:
        reader = EmbeddedReader(shared, side)
    except CollectionDamaged as error:
        yield Problem("vectors", str(error), side)
        return
    with reader:
        connection, state = reader.snapshot.connection, reader.snapshot.state
        try:
            if side not in {state.side for state in read_states(connection)}:
                return  # given up since it was listed
            if state.cut not in cuts:
                cuts.add(state.cut)
                yield from _row_problems(shared, reader, connection, state, active)
                yield from _lexical_problems(shared, connection, state)
            if active:
                yield from _orphans(shared, connection, state)
            if state.space not in spaces:
                spaces.add(state.space)
                yield from _vector_problems(shared, reader)
        except sqlite3.Error as error:
            yield Problem("database", f"{shared.database}: {error}", side)


def _row_problems(
    shared: Shared,
    reader: EmbeddedReader,
    connection: sqlite3.Connection,
    state: State,
    active: bool,
) -> Iterator[Problem]:
    yield from _lost(shared, connection, state.chunks, "chunks", state.side)
    for what, sql in _OF_DOCUMENTS:
        found = [id for (id,) in connection.execute(sql.format(chunks=state.chunks))]
        if found:
            says = f"{shared.database}: {len(found)} {what}"
            yield Problem("document", says, state.side, tuple(dict.fromkeys(found)))
    documents = "SELECT d.id FROM documents d"
    if not active:
        documents += f" JOIN {state.gaps} g ON g.document = d.number"
    for id in [id for (id,) in connection.execute(documents)]:
        try:
            document = reader.document(id)
        except CollectionDamaged as error:
            yield Problem("document", str(error), state.side, (id,))
            continue
        text = "" if document is None else document.text
        for start, stop, held in connection.execute(
            f"SELECT c.start, c.stop, c.text FROM {state.chunks} c "
            "JOIN documents d ON d.number = c.document WHERE d.id = ?",
            (id,),
        ):
            if text[start:stop] != held:
                says = f"{shared.database}: a chunk of document {id!r} is not the slice {start}:"
                yield Problem("document", f"{says}{stop} of its text", state.side, (id,))
                break


def _orphans(shared: Shared, connection: sqlite3.Connection, state: State) -> Iterator[Problem]:
    (count,) = connection.execute(
        f"SELECT count(*) FROM {state.chunks} c WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.space = ? AND v.hash = c.hash)",
        (state.space,),
    ).fetchone()
    if count:
        says = f"{shared.database}: {count} chunks without their vector"
        yield Problem("vectors", says, state.side)


def _vector_problems(shared: Shared, reader: EmbeddedReader) -> Iterator[Problem]:
    connection, state = reader.snapshot.connection, reader.snapshot.state
    mapped, space = reader.snapshot.mapped, reader.header.space
    named, last = connection.execute(
        "SELECT count(*), max(row) FROM vectors WHERE space = ?", (state.space,)
    ).fetchone()
    if named != state.rows or (last is not None and last != state.rows - 1):
        yield Problem(
            "vectors",
            f"{shared.database}: {named} vectors are named, the last as row {last}, but "
            f"{state.rows} rows are committed",
            state.side,
        )
    yield from _byte_problems(shared, connection, state, mapped)
    unsound = _unsound_rows(mapped, space)
    if len(unsound):
        yield Problem(
            "vectors",
            f"{shared.vector_folder(state)}: {len(unsound)} vectors hold NaN or infinite values, "
            f"are zero or have another length than the space's, the first in row {unsound[0]}",
            state.side,
            rows=tuple(unsound),
        )


def _byte_problems(
    shared: Shared, connection: sqlite3.Connection, state: State, mapped: Mapped
) -> Iterator[Problem]:
    covered = 0
    for first, rows, crc32 in connection.execute(
        "SELECT first, rows, crc32 FROM batches WHERE space = ? ORDER BY first", (state.space,)
    ).fetchall():
        if first != covered or first + rows > state.rows:
            says = f"{shared.database}: the checksums do not cover rows {covered} to {first}"
            yield Problem("vectors", says, state.side)
            return
        covered = first + rows
        if checksum(mapped, first, rows) != crc32:
            yield Problem(
                "vectors",
                f"{shared.vector_folder(state)}: rows {first} to {covered - 1} have other bytes "
                "than were written",
                state.side,
                rows=tuple(range(first, covered)),
            )
    if covered != state.rows:
        says = f"{shared.database}: the checksums cover {covered} of {state.rows} rows"
        yield Problem("vectors", says, state.side)


def _unsound_rows(mapped: Mapped, space: Space) -> list[int]:
    """Return the rows that no `Vectors` of the space could hold."""
    found: list[int] = []
    first = 0
    for block in mapped.blocks():
        with np.errstate(all="ignore"):
            norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        bad = ~np.isfinite(norms) | (norms == 0)
        if space.normalized:
            bad |= ~(np.abs(norms - 1) <= NORM_TOLERANCE)
        found += (np.flatnonzero(bad) + first).tolist()
        first += len(block)
    return found


def _lexical_problems(
    shared: Shared, connection: sqlite3.Connection, state: State
) -> Iterator[Problem]:
    mark = state.lexical
    if not mark.generation:
        return
    row, tombstone = reach(connection, state)
    if row < mark.row or tombstone < mark.tombstone:
        yield Problem("lexical", "lexical index: it has seen rows that do not exist", state.side)
    problems = shared.lexical(state.cut).problems(mark)
    yield from (Problem("lexical", says, state.side) for says in problems)
    view = None if problems else shared.view(mark)
    if view is None:
        return
    alive = connection.execute(
        f"SELECT count(*) FROM {state.chunks} WHERE row <= ?", (mark.row,)
    ).fetchone()[0]
    leaving = connection.execute(
        f"SELECT count(*) FROM {state.tombstones} WHERE number > ? AND row <= ?",
        (mark.tombstone, mark.row),
    ).fetchone()[0]
    if view.documents != alive + leaving:
        says = f"lexical index: expected {alive + leaving} chunks, got {view.documents}"
        yield Problem("lexical", says, state.side)
