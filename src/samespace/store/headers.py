"""What is fixed of one side of a store, as rows of the database, and back."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from samespace.space import Canary, Space
from samespace.store.base import Header
from samespace.store.rows import to_json
from samespace.store.schema import State, create_cut
from samespace.store.segments import ON_DISK


def read_header(connection: sqlite3.Connection, state: State, language: str) -> Header:
    """Return the header of a side."""
    stored, model, recipe = connection.execute(
        "SELECT p.json, s.model, c.recipe FROM sides s JOIN spaces p ON p.number = s.space "
        "JOIN cuts c ON c.number = s.cut WHERE s.number = ?",
        (state.side,),
    ).fetchone()
    canaries = tuple(
        Canary(role, text, np.frombuffer(vector, ON_DISK).astype(np.float32))
        for role, text, vector in connection.execute(
            "SELECT role, text, vector FROM canaries WHERE space = ? ORDER BY position",
            (state.space,),
        )
    )
    space = Space.from_dict(json.loads(stored))
    return Header(space, canaries, model, json.loads(recipe), language)


def add_side(
    connection: sqlite3.Connection,
    header: Header,
    state: str,
    cut: int | None = None,
    space: int | None = None,
) -> int:
    """Make a side.

    Args:
        connection: inside a transaction.
        header: what is fixed of it.
        state: "active", or "building" for one that a migration fills.
        cut: the cut of another side that it shares; None makes an empty one.
        space: the vectors of another side that it shares, by the number of their Space; None makes
            an empty Space, also where another has the same id: a model that drifted makes other
            vectors under it.

    Returns:
        The number of the side.
    """
    if space is None:
        space = _make_space(connection, header.space, header.canaries)
    if cut is None:
        cut = create_cut(connection, to_json(dict(header.recipe)))
    number = connection.execute(
        "INSERT INTO sides (space, cut, model, state) VALUES (?, ?, ?, ?)",
        (space, cut, header.model, state),
    ).lastrowid
    assert number is not None
    return number


def _make_space(connection: sqlite3.Connection, space: Space, canaries: Sequence[Canary]) -> int:
    """Return the number of a new space, or of one of this id that was given up, made anew."""
    for name in _names(space):
        found = connection.execute(
            "SELECT number, state FROM spaces WHERE id = ?", (name,)
        ).fetchone()
        if found is None or found[1] != "present":
            break
    if found is not None:
        number = int(found[0])
        # A generation of its own: what is left of the old files is not mistaken for the new.
        connection.execute(
            "UPDATE spaces SET state = 'present', generation = generation + 1, rows = 0 "
            "WHERE number = ?",
            (number,),
        )
        for table in ("canaries", "vectors", "batches", "bridges"):
            connection.execute(f"DELETE FROM {table} WHERE space = ?", (number,))
    else:
        made = connection.execute(
            "INSERT INTO spaces (id, json, state, generation, rows) VALUES (?, ?, 'present', 1, 0)",
            (name, space.canonical()),
        ).lastrowid
        assert made is not None
        number = made
    connection.executemany(
        "INSERT INTO canaries VALUES (?, ?, ?, ?, ?)",
        [
            (number, position, canary.role, canary.text, canary.vector.astype(ON_DISK).tobytes())
            for position, canary in enumerate(canaries)
        ],
    )
    return number


def _names(space: Space) -> Iterator[str]:
    """Yield the names under which vectors of a space may be kept: its id, and then `id.2`."""
    yield space.id
    for n in itertools.count(2):
        yield f"{space.id}.{n}"
