"""What a reader and a writer can both be asked about single documents."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from samespace.store.base import StoredDocument
from samespace.store.faults import damaged, guarded
from samespace.store.rows import DOCUMENT_COLUMNS, stored_document
from samespace.store.schema import State
from samespace.store.where import parse
from samespace.store.where_sql import to_sql
from samespace.types import Document

BATCH = 500
"""Values given to SQLite in one statement."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was removed from one document: characters by cleaning, tokens by truncation."""

    id: str
    source: str
    characters: Mapping[str, int]
    tokens: int


class Lookups:
    """Questions answered by the database alone, on one connection."""

    def __init__(self, connection: sqlite3.Connection, database: Path, state: State) -> None:
        self._connection = connection
        self._database = database
        self._state = state

    def content_hash(self, id: str) -> str | None:
        """Return the content hash of a document, or None if there is none of this id."""
        return self._one("SELECT content_hash FROM documents WHERE id = ?", id)

    def origin(self, id: str) -> str | None:
        """Return the file that a document came from, or None if there is none of this id."""
        return self._one("SELECT origin FROM documents WHERE id = ?", id)

    def file_digest(self, origin: str) -> str | None:
        """Return the digest of a file that was taken in whole, or None."""
        return self._one("SELECT digest FROM files WHERE origin = ?", origin)

    def count_of(self, origin: str) -> int:
        """Return how many documents came from a file."""
        return int(self._one("SELECT count(*) FROM documents WHERE origin = ?", origin) or 0)

    def origins(self) -> Iterator[tuple[str, str]]:
        """Yield (id, origin) of every document."""
        with guarded(self._database, "reading"):
            yield from self._connection.execute("SELECT id, origin FROM documents ORDER BY number")

    def documents(
        self, ids: Iterable[str] | None = None, *, where: str | None = None
    ) -> Iterator[StoredDocument]:
        """Yield the documents with these ids, or all; those that a filter accepts.

        In the order of the ids, or else in the order in which they were first put.

        Raises:
            FilterError: the filter does not parse.
        """
        condition, values = ("1", ()) if where is None else to_sql(parse(where))
        return self._documents(ids, condition, values)

    def _documents(
        self, ids: Iterable[str] | None, condition: str, values: tuple[object, ...]
    ) -> Iterator[StoredDocument]:
        select = "SELECT d.id, d.source, d.origin, d.content_hash, d.title FROM documents d WHERE "
        with guarded(self._database, "reading"):
            if ids is None:
                sql = f"{select} {condition} ORDER BY d.number"
                for row in self._connection.execute(sql, values):
                    yield StoredDocument(*row)
                return
            wanted = iter(dict.fromkeys(ids))
            while batch := list(itertools.islice(wanted, BATCH)):
                marks = ", ".join("?" * len(batch))
                sql = f"{select} d.id IN ({marks}) AND ({condition})"
                found = {row[0]: row for row in self._connection.execute(sql, (*batch, *values))}
                yield from (StoredDocument(*found[id]) for id in batch if id in found)

    def document(self, id: str) -> Document | None:
        """Return one document with its cleaned text put together again, or None.

        Raises:
            CollectionDamaged: its chunks do not make up its text.
        """
        if not _is_storable(id):
            return None
        with guarded(self._database, "reading"):
            row = self._connection.execute(
                f"SELECT number, (SELECT gaps FROM {self._state.gaps} WHERE document = number), "
                f"{DOCUMENT_COLUMNS} FROM documents WHERE id = ?",
                (id,),
            ).fetchone()
            if row is None:
                return None
            number, held = row[:2]
            pieces = self._connection.execute(
                f"SELECT start, text FROM {self._state.chunks} WHERE document = ?", (number,)
            ).fetchall()
        found = stored_document(row[2:], held or "[]", pieces)
        if found is None:
            raise damaged(self._database, f"the chunks of document {id!r} do not make up its text")
        return found

    def inputs(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield of every chunk its document's id, its input, and the hash that was noted of it."""
        with guarded(self._database, "reading"):
            for id, context, text, hash in self._connection.execute(
                f"SELECT d.id, c.context, c.text, c.hash FROM {self._state.chunks} c "
                "JOIN documents d ON d.number = c.document ORDER BY c.row"
            ):
                yield id, f"{context}\n{text}" if context else text, hash

    def dropped(self) -> Iterator[Dropped]:
        """Yield every document of which something was removed, with how much."""
        with guarded(self._database, "reading"):
            for id, source, characters, tokens in self._connection.execute(
                "SELECT d.id, d.source, d.dropped, t.tokens FROM documents d LEFT JOIN "
                f"(SELECT document, sum(dropped) AS tokens FROM {self._state.chunks} "
                "WHERE dropped > 0 "
                "GROUP BY document) t ON t.document = d.number "
                "WHERE d.dropped != '{}' OR t.tokens > 0 ORDER BY d.number"
            ):
                yield Dropped(id, source, json.loads(characters), tokens or 0)

    def _one(self, sql: str, key: str) -> str | None:
        if not _is_storable(key):
            return None
        with guarded(self._database, "reading"):
            row = self._connection.execute(sql, (key,)).fetchone()
        return None if row is None else str(row[0])


def _is_storable(key: str) -> bool:
    """Say whether a name can be in the database: one with lone surrogates cannot."""
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
