"""Queries, and their files in BEIR form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from samespace.errors import InputError
from samespace.evaluate.files import read_records, write_lines

_EXPECTED = 'expected a JSON object such as {"_id": "q1", "text": "how are keys rotated?"}'


@dataclass(frozen=True, slots=True)
class Query:
    """One question, as it is asked.

    `metadata` says what is known of it besides; "split" is "tune" or "test" where that matters.
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def read_queries(path: str | PathLike[str]) -> tuple[Query, ...]:
    """Read queries in BEIR form: one JSON object a line with `_id`, `text`, maybe `metadata`.

    Raises:
        InputError: a line that is not such an object, an empty text, an id that was there
            before; the message names file and line.
    """
    queries: dict[str, Query] = {}
    for where, record in read_records(path, _EXPECTED):
        query = _query(where, record)
        if query.id in queries:
            raise InputError(f"{where}: the query {query.id!r} was there before; ids are unique")
        queries[query.id] = query
    if not queries:
        raise InputError(f"{path}: no queries in it")
    return tuple(queries.values())


def write_queries(path: str | PathLike[str], queries: Iterable[Query]) -> None:
    """Write queries in the form that `read_queries` reads."""
    write_lines(path, (json.dumps(_record(query), ensure_ascii=False) for query in queries))


def _record(query: Query) -> dict[str, Any]:
    record: dict[str, Any] = {"_id": query.id, "text": query.text}
    if query.metadata:
        record["metadata"] = dict(query.metadata)
    return record


def _query(where: str, record: dict[str, Any]) -> Query:
    id, text, metadata = record.get("_id"), record.get("text"), record.get("metadata")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id:
        raise InputError(f"{where}: {_EXPECTED}, got {record.get('_id')!r} as _id")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: {_EXPECTED}, got {text!r} as the text of query {id!r}")
    if metadata is not None and not isinstance(metadata, dict):
        raise InputError(f"{where}: metadata must be a JSON object, got {metadata!r}")
    return Query(id, text, metadata or {})
