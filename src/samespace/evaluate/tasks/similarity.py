"""Semantic textual similarity: does nearness in the space order pairs as people do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.errors import InputError
from samespace.evaluate.tasks.inputs import Floats, pair_scores, require_lengths
from samespace.space import Vectors


@dataclass(frozen=True, slots=True)
class Similarity:
    """Correlation of the nearness of pairs with the gold scores, each from -1 to 1.

    `spearman` is the figure that the field reports: it asks for the order only, which is what
    a search uses. `pearson` also asks for a linear relation.
    """

    spearman: float
    pearson: float
    pairs: int


def similarity(a: Vectors, b: Vectors, gold: Sequence[float] | Floats) -> Similarity:
    """Return how well the nearness of the pairs (a[i], b[i]) agrees with their gold scores.

    Args:
        a, b: the two sides, shape (n, d) each, both embedded in the role "document".
        gold: n scores, higher for more alike, on any scale.

    Raises:
        SpaceMismatch: the two sides live in different spaces.
        InputError: lengths differ, nothing is given, or gold (or nearness) is constant.
    """
    require_lengths(a=a, b=b, gold=gold)
    scores = pair_scores(a, b)
    target = np.asarray(gold, dtype=np.float64)
    return Similarity(spearman(scores, target), pearson(scores, target), len(target))


def pearson(x: Floats, y: Floats) -> float:
    """Return Pearson's correlation of two samples of shape (n,).

    >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 7.0])), 4)
    0.9934

    Raises:
        InputError: a value is not finite, or all values of a sample are equal: no correlation
            is defined.
    """
    _require_varying(x)
    _require_varying(y)
    u, v = x - x.mean(), y - y.mean()
    return float(np.clip(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)), -1.0, 1.0))


def spearman(x: Floats, y: Floats) -> float:
    """Return Spearman's rank correlation: Pearson's of the ranks, ties at their average rank.

    Source: Spearman, "The proof and measurement of association between two things", 1904.

    >>> round(spearman(np.array([1.0, 2.0, 30.0]), np.array([0.1, 0.3, 0.2])), 4)
    0.5

    Raises:
        InputError: as `pearson`.
    """
    _require_varying(x)
    _require_varying(y)
    return pearson(_average_ranks(x), _average_ranks(y))


def _average_ranks(values: Floats) -> Floats:
    """Return each value's rank from 1; equal values share the mean of the ranks they take."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[place.reshape(-1)]
    return ranks


def _require_varying(values: Floats) -> None:
    if not np.isfinite(values).all():
        raise InputError("expected finite scores, got NaN or infinity")
    if (values == values[0]).all():
        raise InputError(
            f"all {len(values)} scores are {values[0]:g}: a correlation needs scores that vary"
        )
