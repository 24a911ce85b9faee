"""Mending a store from what is sound in it, under the write lock.

What is lost here is lost already: unsound vectors are dropped so that they can be embedded anew
from the stored text, and documents whose text is damaged are no longer taken for unchanged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from samespace.errors import WriteFailed
from samespace.store.bm25 import Unusable
from samespace.store.catch_up import catch_up
from samespace.store.check import Part, Problem, check
from samespace.store.compact import copy_vectors, rename_rows
from samespace.store.faults import guarded
from samespace.store.schema import State, raise_change, read_states
from samespace.store.segments import Mapped
from samespace.store.shared import Shared
from samespace.store.sweep import sweep


def mend(shared: Shared, problems: Sequence[Problem]) -> None:
    """Mend what can be mended without a model. The write lock is held.

    Afterwards the sides of problems with vectors lack those that were unsound. Which rows these
    are is looked at again: another process may have renumbered them since the problems were seen.
    """
    with guarded(shared.database, "repairing"):
        connection = shared.connect(write=True)
        try:
            with _transaction(connection):
                _drop_orphans(connection)
                _distrust(connection, [id for problem in problems for id in problem.documents])
            states = {state.side: state for state in read_states(connection)}
            for state in _once(problems, "vectors", states, lambda state: state.space):
                _rewrite_vectors(shared, connection, state)
            for state in _once(problems, "lexical", states, lambda state: state.cut):
                _rebuild_lexical(shared, connection, state)
        finally:
            connection.close()


def _once(
    problems: Iterable[Problem],
    part: Part,
    states: Mapping[int, State],
    share: Callable[[State], int],
) -> list[State]:
    """Return the sides of the problems with a part, one of those that share it."""
    found = [states[one.side] for one in problems if one.part == part and one.side in states]
    return list({share(state): state for state in found}.values())


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        raise_change(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _drop_orphans(connection: sqlite3.Connection) -> None:
    """Remove chunks and metadata whose document is gone."""
    gone = "document NOT IN (SELECT number FROM documents)"
    tables = {(state.chunks, state.tombstones, state.gaps) for state in read_states(connection)}
    for chunks, tombstones, gaps in sorted(tables):
        connection.execute(f"INSERT INTO {tombstones} (row) SELECT row FROM {chunks} WHERE {gone}")
        connection.execute(f"DELETE FROM {chunks} WHERE {gone}")
        connection.execute(f"DELETE FROM {gaps} WHERE {gone}")
    connection.execute(f"DELETE FROM metadata WHERE {gone}")


def _distrust(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Let documents and the files that they came from count as changed, so that the next `add`
    or `sync` takes them anew."""
    for id in ids:
        connection.execute(
            "DELETE FROM files WHERE origin = (SELECT origin FROM documents WHERE id = ?)", (id,)
        )
        # No digest is that, and it is not empty, which a Document would take for not yet known.
        connection.execute("UPDATE documents SET content_hash = '?' WHERE id = ?", (id,))


def _rewrite_vectors(shared: Shared, connection: sqlite3.Connection, state: State) -> None:
    """Write a side's vectors anew without the unsound rows and those that no file holds."""
    sweep(shared, read_states(connection))
    unsound = {
        row for one in check(shared, state.side) if one.part == "vectors" for row in one.rows
    }
    dimensions = shared.header(connection, state).space.dimensions
    there = Mapped.salvaged(shared.vector_folder(state), state.rows, dimensions)
    named = connection.execute(
        "SELECT row FROM vectors WHERE space = ? ORDER BY row", (state.space,)
    )
    live = [row for (row,) in named if row not in unsound and there.held(row)]
    batches = copy_vectors(shared, connection, state, live, there)
    with _transaction(connection):
        rename_rows(connection, state, live, batches)
    shared.forget()
    sweep(shared, read_states(connection))


def _rebuild_lexical(shared: Shared, connection: sqlite3.Connection, state: State) -> None:
    """Build the lexical index of a side's cut anew from the stored text."""
    try:
        catch_up(connection, shared.lexical(state.cut), state.side, rebuild=True)
    except Unusable as error:
        raise WriteFailed(
            f"{shared.path}: the lexical index could not be written: {error}. Free some space "
            "and repair again."
        ) from error
    shared.forget()
