"""The sides of a store: what a migration builds, switches and gives up.

A side is a Space and a cut of all documents. What is said of sides here is said on a connection;
changes are made inside `EmbeddedWriter.transaction`, so that each is one commit.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from samespace.errors import InputError
from samespace.store.rows import to_json
from samespace.store.schema import read_state

SideState = Literal["active", "building", "kept", "retired"]


@dataclass(frozen=True)
class Side:
    """A side by number: the id of its Space, the cut that it searches, its model's name."""

    number: int
    space: str
    cut: int
    model: str
    state: SideState


@dataclass(frozen=True)
class Move:
    """A migration as the store keeps it: from a side to a side, its state, and plain facts."""

    number: int
    source: int
    target: int
    state: str
    facts: Mapping[str, Any]


ENDED = ("retired", "cancelled")
"""The states of a migration that is over."""


@dataclass(frozen=True)
class Event:
    """What happened to a side, when (ISO 8601, UTC; "" where it was not noted), and plain facts."""

    time: str
    event: str
    side: int
    space: str
    model: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredInput:
    """What a chunk gives to the model: its row, the input's hash and text, and its tokens."""

    row: int
    hash: bytes
    input: str
    tokens: int


@dataclass(frozen=True)
class Lacking:
    """What a side lacks: documents that it has not cut, and inputs without a vector."""

    documents: int
    inputs: int

    def __bool__(self) -> bool:
        return bool(self.documents or self.inputs)


def sides(connection: sqlite3.Connection) -> list[Side]:
    """Return every side that the store has had, in the order in which they were made."""
    rows = connection.execute(
        "SELECT s.number, p.id, s.cut, s.model, s.state FROM sides s "
        "JOIN spaces p ON p.number = s.space ORDER BY s.number"
    )
    return [Side(*row) for row in rows]


def last_move(connection: sqlite3.Connection) -> Move | None:
    """Return the last migration, or None if there was none."""
    row = connection.execute(
        "SELECT number, source, target, state, facts FROM migrations ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, source, target, state, facts = row
    return Move(number, source, target, state, json.loads(facts))


def is_moving(connection: sqlite3.Connection) -> bool:
    """Say whether there is a migration that has not ended."""
    move = last_move(connection)
    return move is not None and move.state not in ENDED


def described_move(connection: sqlite3.Connection) -> dict[str, Any] | None:
    """Return the last migration as plain JSON values, None if there was none.

    While it is under way, `lacking` says what its target still lacks.
    """
    move = last_move(connection)
    if move is None:
        return None
    known = {side.number: side for side in sides(connection)}
    source, target = known[move.source], known[move.target]
    described: dict[str, Any] = {
        "state": move.state,
        "from": {"model": source.model, "space": source.space, "state": source.state},
        "to": {"model": target.model, "space": target.space, "state": target.state},
    }
    if target.state == "building":
        lack = lacking(connection, move.target)
        described["lacking"] = {"documents": lack.documents, "inputs": lack.inputs}
    return described


def begin_move(
    connection: sqlite3.Connection, source: int, target: int, facts: Mapping[str, Any]
) -> int:
    """Note a planned migration; return its number."""
    number = connection.execute(
        "INSERT INTO migrations (source, target, state, facts) VALUES (?, ?, 'planned', ?)",
        (source, target, to_json(dict(facts))),
    ).lastrowid
    assert number is not None
    return number


def set_move(
    connection: sqlite3.Connection,
    number: int,
    state: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Bring a migration into another state; facts are added to those that it has."""
    if facts:
        (stored,) = connection.execute(
            "SELECT facts FROM migrations WHERE number = ?", (number,)
        ).fetchone()
        connection.execute(
            "UPDATE migrations SET facts = ? WHERE number = ?",
            (to_json({**json.loads(stored), **facts}), number),
        )
    connection.execute("UPDATE migrations SET state = ? WHERE number = ?", (state, number))


def set_side(connection: sqlite3.Connection, number: int, state: SideState) -> None:
    """Bring a side into another state."""
    connection.execute("UPDATE sides SET state = ? WHERE number = ?", (state, number))


def note(
    connection: sqlite3.Connection, event: str, side: int, facts: Mapping[str, Any] | None = None
) -> None:
    """Add to the history of the store, with the present time."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    connection.execute(
        "INSERT INTO history (time, event, side, facts) VALUES (?, ?, ?, ?)",
        (now, event, side, to_json(dict(facts or {}))),
    )


def history(connection: sqlite3.Connection) -> list[Event]:
    """Return everything that was noted, in the order in which it happened."""
    rows = connection.execute(
        "SELECT h.time, h.event, h.side, p.id, s.model, h.facts FROM history h "
        "JOIN sides s ON s.number = h.side JOIN spaces p ON p.number = s.space ORDER BY h.number"
    )
    return [
        Event(time, event, side, space, model, json.loads(facts))
        for time, event, side, space, model, facts in rows
    ]


def lacking(connection: sqlite3.Connection, side: int) -> Lacking:
    """Return what a side lacks to hold what the store holds."""
    state = read_state(connection, side)
    (documents,) = connection.execute(
        "SELECT count(*) FROM documents d WHERE NOT EXISTS "
        f"(SELECT 1 FROM {state.gaps} g WHERE g.document = d.number)"
    ).fetchone()
    (inputs,) = connection.execute(
        f"SELECT count(DISTINCT c.hash) FROM {state.chunks} c WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.space = ? AND v.hash = c.hash)",
        (state.space,),
    ).fetchone()
    return Lacking(documents, inputs)


def uncut(
    connection: sqlite3.Connection, side: int, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return (number, id) of documents behind a number that a side has not cut, in order."""
    state = read_state(connection, side)
    rows = connection.execute(
        "SELECT d.number, d.id FROM documents d WHERE d.number > ? AND NOT EXISTS "
        f"(SELECT 1 FROM {state.gaps} g WHERE g.document = d.number) ORDER BY d.number LIMIT ?",
        (after, limit),
    )
    return rows.fetchall()


def spread(connection: sqlite3.Connection, side: int, limit: int) -> list[StoredInput]:
    """Return at most so many chunks of a side, evenly spread over it."""
    state = read_state(connection, side)
    rows = [row for (row,) in connection.execute(f"SELECT row FROM {state.chunks} ORDER BY row")]
    chosen = json.dumps(rows[:: max(1, -(-len(rows) // limit))])
    found = connection.execute(
        f"SELECT row, hash, context, text, tokens FROM {state.chunks} "
        "WHERE row IN (SELECT value FROM json_each(?)) ORDER BY row",
        (chosen,),
    )
    return [_input(*row) for row in found]


def having(connection: sqlite3.Connection, side: int, hashes: Iterable[bytes]) -> set[bytes]:
    """Return those of the hashes that have a vector in a side's space."""
    space = read_state(connection, side).space
    return {
        hash
        for hash in hashes
        if connection.execute(
            "SELECT 1 FROM vectors WHERE space = ? AND hash = ?", (space, hash)
        ).fetchone()
    }


def without_vector(
    connection: sqlite3.Connection, side: int, after: int, limit: int
) -> list[StoredInput]:
    """Return the chunks behind a row that lack their vector, in order, at most so many."""
    state = read_state(connection, side)
    rows = connection.execute(
        f"SELECT c.row, c.hash, c.context, c.text, c.tokens FROM {state.chunks} c "
        "WHERE c.row > ? AND NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.space = ? AND v.hash = c.hash) ORDER BY c.row LIMIT ?",
        (after, state.space, limit),
    )
    return [_input(*row) for row in rows]


def _input(row: int, hash: bytes, context: str, text: str, tokens: int) -> StoredInput:
    return StoredInput(row, hash, f"{context}\n{text}" if context else text, tokens)


def give_up(connection: sqlite3.Connection, side: int) -> None:
    """Retire a side that is not active: drop what no other side needs.

    The files of its vectors and of its index are removed by the next writer, once this is
    committed.

    Raises:
        InputError: it is the active side.
    """
    state = read_state(connection, side)
    if state.side == read_state(connection).side:
        raise InputError(f"side {side} is the one that is searched, and cannot be given up")
    set_side(connection, side, "retired")
    others = "FROM sides WHERE state != 'retired' AND"
    if not connection.execute(f"SELECT 1 {others} space = ?", (state.space,)).fetchone():
        connection.execute("DELETE FROM vectors WHERE space = ?", (state.space,))
        connection.execute("DELETE FROM batches WHERE space = ?", (state.space,))
        connection.execute("DELETE FROM bridges WHERE space = ?", (state.space,))
        connection.execute(
            "UPDATE spaces SET state = 'retired', rows = 0 WHERE number = ?", (state.space,)
        )
    if not connection.execute(f"SELECT 1 {others} cut = ?", (state.cut,)).fetchone():
        for table in (state.gaps, state.tombstones, state.chunks):
            connection.execute(f"DROP TABLE {table}")
