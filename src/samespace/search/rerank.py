"""Rank hits anew by a model that reads the query and each text."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from collections.abc import Sequence

from samespace.errors import InputError
from samespace.models.base import Reranker
from samespace.types import Hit

RERANK_DEPTH = 100
"""How many hits are ranked anew unless said otherwise."""


def rerank(query: str, hits: Sequence[Hit], reranker: Reranker) -> tuple[Hit, ...]:
    """Return the same hits by the reranker's scores, best first, ties by the rank they had.

    The model reads what was embedded: the chunk's context and text. `parts["rerank"]` gives the
    new rank and score; what the first stage said stays beside it.

    Raises:
        InputError: the reranker returned another number of scores, or one that is not finite.
    """
    given = reranker.score(query, [hit.chunk.input for hit in hits]) if hits else []
    try:
        scores = [float(score) for score in given]
    except (TypeError, ValueError):
        scores = []
    if len(scores) != len(hits) or not all(map(math.isfinite, scores)):
        raise InputError(
            f"the reranker {reranker.name!r} must return one finite score for each of "
            f"{len(hits)} texts, got {reprlib.repr(given)}"
        )
    order = sorted(range(len(hits)), key=lambda i: -scores[i])
    return tuple(
        dataclasses.replace(
            hits[i],
            rank=rank,
            score=scores[i],
            parts={**hits[i].parts, "rerank": {"rank": rank, "score": scores[i]}},
        )
        for rank, i in enumerate(order, 1)
    )
