"""Intervals: how far a mean over queries might lie from that over all queries of the kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samespace.errors import InputError

SEED = 0
RESAMPLES = 10_000

_CELLS = 2**21
"""How many drawn numbers are held at once: 16 MiB as float64."""


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval, and what it takes to compute the same again."""

    value: float
    low: float
    high: float
    confidence: float = 0.95
    resamples: int = RESAMPLES
    seed: int = SEED


def bootstrap(
    values: NDArray[np.float64],
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Return the mean of values with its interval, by the percentile bootstrap over queries.

    Queries are drawn with replacement, as many as there are, `resamples` times; the interval holds
    the middle `confidence` of the means. With few queries it is somewhat too narrow, and with a
    single one, or where all values are equal, it has no width: then it says nothing.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; for
    retrieval, Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006.

    >>> import numpy as np
    >>> interval = bootstrap(np.array([0.0, 1.0] * 50))
    >>> interval.value, round(interval.low, 1), round(interval.high, 1)
    (0.5, 0.4, 0.6)

    Args:
        values: (n,) one value per query.

    Raises:
        InputError: no values, one that is not finite, a setting that cannot be.
    """
    return bootstraps({"": values}, confidence=confidence, resamples=resamples, seed=seed)[""]


def bootstraps(
    values: Mapping[str, NDArray[np.float64]],
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Interval]:
    """Return the interval of each metric as `bootstrap` does, drawing the queries only once.

    Args:
        values: {metric: (n,) one value per query}, the same queries for each.
    """
    if not values:
        return {}
    if not 0 < confidence < 1 or resamples < 1:
        raise InputError(
            f"expected a confidence between 0 and 1 and at least one resample, got {confidence} "
            f"and {resamples}"
        )
    table = np.column_stack([checked(column) for column in values.values()])
    means = np.concatenate(list(_resampled_means(table, resamples, seed)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    value = table.mean(axis=0)
    # A mean of equal values may differ from them in the last bit; the interval holds its value.
    low, high = np.minimum(low, value), np.maximum(high, value)
    return {
        name: Interval(float(value[j]), float(low[j]), float(high[j]), confidence, resamples, seed)
        for j, name in enumerate(values)
    }


def checked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values as an (n,) float64 array.

    Raises:
        InputError: there are none, they have another shape, or one is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise InputError(f"expected one value per query, got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError("expected finite values, got NaN or infinity")
    return array


def _resampled_means(
    table: NDArray[np.float64], resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Yield the (block, metrics) means of the resamples, block by block.

    A resample is a row of counts, how often each query was drawn; the means of all metrics are
    then one matrix product.
    """
    n = len(table)
    generator = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    for done in range(0, resamples, block):
        rows = min(block, resamples - done)
        drawn = generator.integers(0, n, size=(rows, n))
        drawn += n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        yield counts @ table / n
