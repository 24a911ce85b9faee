"""One question to ranked hits: dense, lexical, or both fused."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, overload

from samespace.errors import InputError
from samespace.search.fusion import Fused, reciprocal_rank_fusion, single
from samespace.space import Vectors
from samespace.store.base import Candidate, StoredChunk
from samespace.store.where import parse
from samespace.types import Hit

Mode = Literal["dense", "lexical", "hybrid"]
MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")

FUSION_DEPTH = 100
"""How many candidates of each retriever are fused at first; four times as many where a page
lies deeper. It does not depend on the page, so that pages fit together."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a search, checked.

    Attributes:
        query: the question; not empty.
        k: how many hits, from 1.
        mode: "dense", "lexical" or "hybrid".
        where: a filter over documents, or None.
        offset: how many hits to leave out from the top.
        by_document: at most one hit per document, its best chunk.
    """

    query: str
    k: int = 10
    mode: Mode = "hybrid"
    where: str | None = None
    offset: int = 0
    by_document: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.query, str):
            raise InputError(f"the query must be a string, got {type(self.query).__name__}")
        if not self.query.strip():
            raise InputError("the query is empty; ask something, in at least one word")
        try:
            self.query.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"the query holds a lone surrogate at position {error.start}, which is no "
                "character; decode it with the encoding that it was written in"
            ) from error
        for name, value, least in (("k", self.k, 1), ("offset", self.offset, 0)):
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
                raise InputError(f"{name} must be a whole number from {least} up, got {value!r}")
            object.__setattr__(self, name, operator.index(value))
        if self.mode not in MODES:
            raise InputError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if self.where is not None:
            parse(self.where)  # a typo is told before a question is embedded and paid for


@dataclass(frozen=True)
class Results(Sequence[Hit]):
    """The hits of one search, best first, with the space that they were found in.

    A sequence of `Hit`; `took_ms` is the wall time of the search in milliseconds. `bridge` names
    the model that embedded the question where a bridge stands in for the space's own. `recipe` is
    the id of the recipe by which what was searched is cut, "" where several collections were.
    """

    query: str
    mode: Mode
    space: str
    took_ms: float
    hits: tuple[Hit, ...]
    bridge: str = ""
    recipe: str = ""

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


class Searched(Protocol):
    """What is searched: one reader of a store, or several as one; see `store.base.Reader`."""

    def dense(self, query: Vectors, k: int, where: str | None = None) -> list[Candidate]:
        """Return the k nearest chunks, best first."""

    def lexical(self, query: str, k: int, where: str | None = None) -> list[Candidate]:
        """Return the k best chunks by BM25, best first."""

    def fetch(self, rows: Sequence[int]) -> list[StoredChunk]:
        """Return the chunks with these rows, in this order."""


def retrieve(reader: Searched, request: Request, vector: Callable[[], Vectors]) -> tuple[Hit, ...]:
    """Search one snapshot of a store.

    Args:
        reader: the snapshot.
        request: what is asked.
        vector: gives the query's vector; called once, and only where the mode needs it.

    Returns:
        At most `request.k` hits; fewer where the collection holds fewer.
    """
    query_vector = None if request.mode == "lexical" else vector()
    wanted = request.offset + request.k
    depth = FUSION_DEPTH if request.mode == "hybrid" else wanted
    ranked: list[Fused] = []
    while True:
        lists = _candidates(reader, request, query_vector, depth)
        ranked = _append(ranked, _fuse(request.mode, lists))
        exhausted = all(len(found) < depth for found in lists.values())
        if not exhausted and len(ranked) < wanted:
            depth *= 4
            continue
        hits = _hits(reader, ranked, wanted, request.by_document)
        if len(hits) >= wanted or exhausted:
            break
        depth *= 4
    return tuple(
        dataclasses.replace(hit, rank=rank)
        for rank, hit in enumerate(hits[request.offset : wanted], request.offset + 1)
    )


def _append(ranked: list[Fused], deeper: list[Fused]) -> list[Fused]:
    """Return the ranking so far, and behind it what only a deeper look found.

    Fused anew from deeper lists, a ranking would change at its top too, and the pages of one
    question would not fit together. What comes later never has a higher score.
    """
    if not ranked:
        return deeper
    known = {item.row for item in ranked}
    last = ranked[-1].score
    return ranked + [
        dataclasses.replace(item, score=min(item.score, last))
        for item in deeper
        if item.row not in known
    ]


def _candidates(
    reader: Searched, request: Request, vector: Vectors | None, depth: int
) -> dict[str, list[Candidate]]:
    lists: dict[str, list[Candidate]] = {}
    if vector is not None:
        lists["dense"] = reader.dense(vector, depth, request.where)
    if request.mode != "dense":
        lists["lexical"] = reader.lexical(request.query, depth, request.where)
    return lists


def _fuse(mode: Mode, lists: dict[str, list[Candidate]]) -> list[Fused]:
    if mode == "hybrid":
        return reciprocal_rank_fusion(lists)
    return single(mode, lists[mode])


def _hits(reader: Searched, fused: Sequence[Fused], wanted: int, by_document: bool) -> list[Hit]:
    hits: list[Hit] = []
    seen: set[str] = set()
    step = max(wanted, 32)
    for first in range(0, len(fused), step):
        page = fused[first : first + step]
        stored = {found.row: found for found in reader.fetch([item.row for item in page])}
        for item in page:
            found = stored.get(item.row)
            if found is None or (by_document and found.chunk.document in seen):
                continue
            seen.add(found.chunk.document)
            hits.append(
                Hit(
                    rank=0,
                    score=item.score,
                    chunk=found.chunk,
                    source=found.source,
                    title=found.title,
                    metadata=found.metadata,
                    parts=item.parts,
                )
            )
            if len(hits) == wanted:
                return hits
    return hits
