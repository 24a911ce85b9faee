"""Several collections searched as one: only where all of them live in the same Space."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from samespace.collection import Collection
from samespace.errors import InputError, SpaceMismatch
from samespace.search import Mode, Request, Results, retrieve
from samespace.space import Vectors
from samespace.store.base import Candidate, Header, StoredChunk
from samespace.store.embedded import EmbeddedReader
from samespace.types import Hit, OnLong


@dataclass(frozen=True)
class Together(Results):
    """The hits of several collections; `origins[i]` is the collection that `hits[i]` is from."""

    origins: tuple[Path, ...] = ()


def search_together(
    collections: Sequence[Collection],
    query: str,
    k: int = 10,
    *,
    mode: Mode = "hybrid",
    where: str | None = None,
    offset: int = 0,
    on_long: OnLong = "error",
) -> Together:
    """Find the chunks that answer a question in any of several collections.

    Dense scores of one Space are comparable, so all dense candidates are ranked as one list. The
    BM25 of each collection counts its own words; those lists are merged by score all the same,
    so that a word which is rare in one collection counts for more there.

    Args:
        collections: at least one; each is searched in one snapshot.
        query, k, mode, where, offset, on_long: as in `Collection.search`.

    Raises:
        SpaceMismatch: two of them live in different Spaces; nothing was embedded.
        ModelDrift: the model is not what one of them was made with.
        InputError: no collection, or as `Collection.search`.
    """
    if not collections:
        raise InputError("expected at least one collection to search")
    started = time.perf_counter()
    request = Request(query, k, mode, where, offset)
    first = collections[0]
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(collection.store.read()) for collection in collections]
        headers = [reader.header for reader in readers]
        for collection, header in zip(collections, headers, strict=True):
            _require(headers[0], header, f"searching {first.path} and {collection.path} together")
        joint = _Joint(readers)

        def vector() -> Vectors:
            for header in headers[1:]:
                first.embedders.checked(header)
            return first.embedders.query_vector(headers[0], query, on_long)

        hits = retrieve(joint, request, vector)
        origins = tuple(collections[joint.origin(hit)].path for hit in hits)
    took_ms = (time.perf_counter() - started) * 1000
    bridge = "" if mode == "lexical" else first.embedders.bridge(headers[0])
    return Together(query, mode, headers[0].space.id, took_ms, hits, bridge, origins=origins)


def _require(mine: Header, other: Header, doing: str) -> None:
    fields = mine.space.diff(other.space)
    if fields:
        lines = "".join(f"\n  {name}: {a!r} and {b!r}" for name, (a, b) in fields.items())
        raise SpaceMismatch(
            f"{doing}: their vectors live in two spaces ({mine.space.id} and {other.space.id})."
            f"{lines}\nBring one of them into the space of the other (samespace migrate KB --to "
            "MODEL), or search them one by one and fuse the ranks",
            fields,
        )


class _Joint:
    """Readers of several stores as one: rows are interleaved, `row * readers + reader`."""

    def __init__(self, readers: Sequence[EmbeddedReader]) -> None:
        self._readers = readers
        self._origins: dict[int, int] = {}

    def origin(self, hit: Hit) -> int:
        """Return which reader a hit came from; chunks of two stores may be equal, never one."""
        return self._origins[id(hit.chunk)]

    def dense(self, query: Vectors, k: int, where: str | None = None) -> list[Candidate]:
        return self._merged([reader.dense(query, k, where) for reader in self._readers], k)

    def lexical(self, query: str, k: int, where: str | None = None) -> list[Candidate]:
        return self._merged([reader.lexical(query, k, where) for reader in self._readers], k)

    def fetch(self, rows: Sequence[int]) -> list[StoredChunk]:
        found: dict[int, StoredChunk] = {}
        count = len(self._readers)
        for place, reader in enumerate(self._readers):
            mine = [row // count for row in rows if row % count == place]
            for stored in reader.fetch(mine):
                row = stored.row * count + place
                found[row] = replace(stored, row=row)
                self._origins[id(stored.chunk)] = place
        return [found[row] for row in rows if row in found]

    def _merged(self, lists: list[list[Candidate]], k: int) -> list[Candidate]:
        count = len(self._readers)
        merged = [
            replace(candidate, row=candidate.row * count + place)
            for place, found in enumerate(lists)
            for candidate in found
        ]
        return sorted(merged, key=lambda found: (-found.score, found.row))[:k]
