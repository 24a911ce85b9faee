"""What metrics are computed from: the judged documents among the retrieved, with their ranks.

A run of 10,000 queries has a million results and few of them are judged, so only those are kept,
as flat arrays; every metric is then a few array operations over all queries at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from samespace.errors import InputError

Ints = NDArray[np.int64]

_LARGEST = 2**53
"""Whole numbers below it are exact as 64-bit floats, in which gains are summed."""


@dataclass(frozen=True)
class Ranks:
    """Documents of many queries, sorted by query and rank.

    Attributes:
        query: (m,) the query's position, from 0.
        rank: (m,) the document's rank, from 1.
        grade: (m,) its grade; 0 and below is not relevant.
    """

    query: Ints
    rank: Ints
    grade: Ints

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> Ranks:
        """Make the arrays of (query, rank, grade)."""
        query, rank, grade = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(query, rank, grade)


@dataclass(frozen=True)
class Ranking:
    """What n queries retrieved, beside what they should have.

    Attributes:
        n: how many queries.
        judged: the documents that were retrieved and are judged.
        ideal: the relevant documents, retrieved or not, in the ideal order: by grade.
        retrieved: (n,) how many documents each query retrieved.
        relevant: (n,) how many documents are relevant to each query, retrieved or not.
    """

    n: int
    judged: Ranks
    ideal: Ranks
    retrieved: Ints
    relevant: Ints


def rank_documents(
    run: Mapping[str, Mapping[str, float]],
    judgements: Mapping[str, Mapping[str, int]],
    queries: Sequence[str],
) -> Ranking:
    """Order what each query retrieved as trec_eval does, and look up what was judged.

    The order is by score, as 32-bit float and descending, then by id, descending: two scores that
    differ only beyond 32 bits are a tie. Python compares strings by code point, which is the
    order of their UTF-8 bytes, by which trec_eval goes. Source: trec_eval 9, form_res_rels.c.

    Args:
        run: {query: {document: score}}; a query that it lacks retrieved nothing.
        judgements: {query: {document: grade}}.
        queries: which queries, and in which order.

    Raises:
        InputError: an id that is no string, a score that is no finite number, a grade that is no
            whole number.
    """
    seen: list[tuple[int, int, int]] = []
    ideal: list[tuple[int, int, int]] = []
    retrieved, relevant = [], []
    for position, query in enumerate(queries):
        judged = judgements[query]
        if not all(
            isinstance(grade, int | np.integer) and abs(grade) < _LARGEST
            for grade in judged.values()
        ):
            raise InputError(f"query {query!r}: grades must be whole numbers below 2^53")
        found = run.get(query, {})
        _require_strings(query, judged, found)
        ordered = _ordered(query, found)
        seen.extend(
            (position, rank, judged[document])
            for rank, document in enumerate(ordered, 1)
            if document in judged
        )
        gains = sorted((grade for grade in judged.values() if grade > 0), reverse=True)
        ideal.extend((position, rank, gain) for rank, gain in enumerate(gains, 1))
        retrieved.append(len(ordered))
        relevant.append(len(gains))
    return Ranking(
        len(queries),
        Ranks.of(seen),
        Ranks.of(ideal),
        np.array(retrieved, dtype=np.int64),
        np.array(relevant, dtype=np.int64),
    )


def _require_strings(query: str, *ids: Iterable[str]) -> None:
    """Refuse ids that are no strings: 1 is not "1", so nothing of such a run would be found."""
    for id in (query, *chain.from_iterable(ids)):
        if not isinstance(id, str):
            raise InputError(
                f"query {query!r}: ids must be strings, as files have them, got {id!r}; "
                "convert them with str()"
            )


def _ordered(query: str, found: Mapping[str, float]) -> list[str]:
    """Return the documents, best first."""
    try:
        exact = np.fromiter(found.values(), dtype=np.float64, count=len(found))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"query {query!r}: expected numbers as scores: {error}") from error
    if not np.isfinite(exact).all():
        wrong = list(found)[int(np.isfinite(exact).argmin())]
        raise InputError(f"query {query!r}: the score of {wrong!r} is {found[wrong]}, not finite")
    with np.errstate(over="ignore"):
        scores = exact.astype(np.float32).tolist()
    return [document for _, document in sorted(zip(scores, found, strict=True), reverse=True)]
