"""Bringing the lexical index in step with the database, under the write lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from samespace.store.bm25 import Unusable
from samespace.store.lexical import LexicalFolder
from samespace.store.schema import Mark, State, publish_mark, read_state

CATCH_UP_CHUNKS = 10_000
"""Chunks after which a writer catches the index up, and above which a reader tries to. A
generation costs some 50 ms; until then the new rows are searched through an index in memory."""

_DEAD_SHARE = 0.2
"""Deleted rows still count in BM25's statistics; above this share the index is made anew."""


def chunk_texts(
    connection: sqlite3.Connection, state: State, after: int
) -> Iterator[tuple[int, str]]:
    """Yield (row, indexed text) of a side's chunks behind a row, in order."""
    for row, context, text in connection.execute(
        f"SELECT row, context, text FROM {state.chunks} WHERE row > ? ORDER BY row", (after,)
    ):
        yield row, f"{context}\n{text}" if context else text


def reach(connection: sqlite3.Connection, state: State) -> tuple[int, int]:
    """Return the last chunk row and the last tombstone that an index can have seen by now."""
    row = connection.execute(f"SELECT max(row) FROM {state.chunks}").fetchone()[0]
    tombstone = connection.execute(f"SELECT max(number) FROM {state.tombstones}").fetchone()[0]
    return max(row or 0, state.lexical.row), max(tombstone or 0, state.lexical.tombstone)


def build_next(
    connection: sqlite3.Connection, lexical: LexicalFolder, state: State, *, rebuild: bool = False
) -> Mark:
    """Build a cut's next generation, without naming it in the database; return its mark.

    Returns the present mark where that has seen everything. What cannot be built upon is
    rebuilt from the database.

    Raises:
        Unusable: the index could not be written.
        OSError: the disk refused.
    """
    base = state.lexical
    mark = Mark(base.cut, base.generation + 1, *reach(connection, state))
    if not rebuild and (mark.row, mark.tombstone) == (base.row, base.tombstone):
        return base
    if not rebuild and base.generation:
        deleted = [
            row
            for (row,) in connection.execute(
                f"SELECT row FROM {state.tombstones} WHERE number > ? AND row <= ?",
                (base.tombstone, base.row),
            )
        ]
        try:
            dead = lexical.dead(base) + len(deleted)
            if dead <= _DEAD_SHARE * lexical.open(base).documents:
                lexical.build(base, mark, chunk_texts(connection, state, base.row), deleted)
                return mark
        except Unusable:
            pass
    lexical.build(None, mark, chunk_texts(connection, state, 0))
    return mark


def catch_up(
    connection: sqlite3.Connection, lexical: LexicalFolder, side: int, *, rebuild: bool = False
) -> State:
    """Build the next generation, name it in the database, and remove those before the last.

    The last but one stays for readers whose snapshot names it.
    """
    state = read_state(connection, side)
    before = state.lexical
    mark = build_next(connection, lexical, state, rebuild=rebuild)
    if mark != before:
        connection.execute("BEGIN IMMEDIATE")
        try:
            publish_mark(connection, mark)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise
        lexical.sweep(before.generation, mark.generation)
    return read_state(connection, side)
