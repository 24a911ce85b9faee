"""Rank fusion: one list out of several, without ever mixing raw scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samespace.store.base import Candidate

RRF_K = 60
"""The constant of reciprocal rank fusion, as published."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk's row, its fused score, and the rank and raw score it had in each list."""

    row: int
    score: float
    parts: Mapping[str, Mapping[str, float]]


def reciprocal_rank_fusion(lists: Mapping[str, Sequence[Candidate]], k: int = RRF_K) -> list[Fused]:
    """Fuse ranked lists by the sum of `1 / (k + rank)`, ranks counted from 1.

    Ranks are used because raw scores of different retrievers have no common scale: a BM25 of 9
    and a cosine of 0.6 cannot be added. Ties keep the smaller row first.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
    individual Rank Learning Methods", SIGIR 2009 (k = 60).

    >>> dense = [Candidate(7, 0.9), Candidate(3, 0.8)]
    >>> lexical = [Candidate(3, 12.0)]
    >>> [fused.row for fused in reciprocal_rank_fusion({"dense": dense, "lexical": lexical})]
    [3, 7]
    """
    parts: dict[int, dict[str, dict[str, float]]] = {}
    scores: dict[int, float] = {}
    for name, candidates in lists.items():
        for rank, candidate in enumerate(candidates, 1):
            row = candidate.row
            scores[row] = scores.get(row, 0.0) + 1.0 / (k + rank)
            parts.setdefault(row, {})[name] = {"rank": rank, "score": candidate.score}
    ordered = sorted(scores, key=lambda row: (-scores[row], row))
    return [Fused(row, scores[row], parts[row]) for row in ordered]


def single(name: str, candidates: Sequence[Candidate]) -> list[Fused]:
    """Return one retriever's list as it is, in the same form."""
    return [
        Fused(c.row, c.score, {name: {"rank": rank, "score": c.score}})
        for rank, c in enumerate(candidates, 1)
    ]
