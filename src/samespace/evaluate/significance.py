"""Is one system better than another, or were it the queries? Paired tests over queries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samespace.errors import InputError
from samespace.evaluate.intervals import RESAMPLES, SEED, Interval, bootstrap, checked
from samespace.evaluate.metrics import Scores

PERMUTATIONS = 10_000
EQUAL = 1e-12
"""Values closer than this are one: they differ by rounding only."""

_CELLS = 2**21
"""How many signs are held at once."""


@dataclass(frozen=True)
class Paired:
    """System b against system a on the same queries.

    Attributes:
        difference: mean of b minus a, with its bootstrap interval.
        p: two-sided p-value of the randomization test.
        effect: standardized mean difference of the pairs (Cohen's d_z): the mean difference over
            the standard deviation of the differences; infinite where all differ by the same.
        wins, ties, losses: queries on which b is better, equal, worse.
        queries: how many there are.
        permutations: how many assignments of signs p was counted over.
        seed: of interval and test.
    """

    difference: Interval
    p: float
    effect: float
    wins: int
    ties: int
    losses: int
    queries: int
    permutations: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; an infinite effect, which JSON lacks, is None."""
        return {**asdict(self), "effect": self.effect if math.isfinite(self.effect) else None}


def compare_paired(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    *,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = 0.95,
) -> Paired:
    """Compare two systems' values on the same queries.

    Were both systems alike, each query's difference could as well have had the other sign. p is
    the share of random signs whose mean difference is at least as far from 0 as the one seen:
    (1 + as extreme) / (1 + permutations); where there are no more than `permutations` ways to
    set the signs, each is counted once and p is exact.

    Source: Smucker, Allan and Carterette, "A comparison of statistical significance tests for
    information retrieval evaluation", CIKM 2007; the added ones: Phipson and Smyth, "Permutation
    p-values should never be zero", 2010; d_z: Cohen, "Statistical power analysis for the
    behavioral sciences", 1988.

    Args:
        a, b: (n,) values, query by query.
        permutations: how many signs are drawn for p.
        resamples, seed, confidence: as in `bootstrap`; the seed is that of p too.

    Raises:
        InputError: other shapes, a value that is not finite, fewer than one permutation.
    """
    first, second = checked(a), checked(b)
    if len(first) != len(second):
        raise InputError(
            f"expected values on the same queries, got {len(first)} and {len(second)} of them"
        )
    if permutations < 1:
        raise InputError(f"permutations must be at least 1, got {permutations}")
    differences = second - first
    differences[np.abs(differences) < EQUAL] = 0.0
    p, counted = _randomization_test(differences, permutations, seed)
    return Paired(
        difference=bootstrap(differences, confidence=confidence, resamples=resamples, seed=seed),
        p=p,
        effect=_effect(differences),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        queries=len(differences),
        permutations=counted,
        seed=seed,
    )


def compare_scores(
    a: Scores,
    b: Scores,
    metric: str,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
    confidence: float = 0.95,
) -> Paired:
    """Compare two systems by a metric; b against a, query by query.

    Raises:
        InputError: they were scored on different queries, or the metric was not computed.
    """
    for scores in (a, b):
        if metric not in scores.values:
            raise InputError(
                f"{metric!r} was not computed for both; there is {', '.join(scores.values)}"
            )
    places = {query: place for place, query in enumerate(b.queries)}
    only = sorted(set(a.queries) ^ set(b.queries))
    if only:
        raise InputError(
            f"the two systems were scored on different queries: {len(only)} were scored for one "
            f"of them only, such as {only[0]!r}; score both on the same judgements, with "
            'missing="zero"'
        )
    aligned = b.values[metric][[places[query] for query in a.queries]]
    return compare_paired(
        a.values[metric], aligned, permutations=permutations, seed=seed, confidence=confidence
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for their number, in the given order, by Holm's method.

    Compared with 0.05, they keep the chance of even one false claim among all at 5 %.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if not 0 <= p_values[place] <= 1:
            raise InputError(f"a p-value lies between 0 and 1, got {p_values[place]}")
        reached = max(reached, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = reached
    return tuple(adjusted)


def queries_needed(
    differences: NDArray[np.float64] | float,
    delta: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Return how many queries it takes to see a mean difference of `delta` between two systems.

    Sample size of the two-sided paired t-test: ((z(1 - alpha/2) + z(power)) * s / delta)^2, and
    z(1 - alpha/2)^2 / 2 on top because s is estimated too; within one query of the exact value.
    The randomization test needs practically as many.

    Source: Guenther, "Sample size formulas for normal theory t tests", The American Statistician
    35, 1981; for retrieval, Sakai, "Laboratory experiments in information retrieval", 2018.

    >>> queries_needed(0.3, 0.05)  # differences that spread by 0.3, five points to be seen
    285

    Args:
        differences: (n,) differences per query as seen so far, or their standard deviation.
        delta: the smallest mean difference that matters.
        alpha: chance of seeing a difference where there is none.
        power: chance of seeing it where there is one.

    Raises:
        InputError: delta is 0, a setting outside of (0, 1), or fewer than two differences.
    """
    if not delta or not math.isfinite(delta):
        raise InputError(f"delta must be a difference other than 0, got {delta}")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise InputError(f"alpha and power lie between 0 and 1, got {alpha} and {power}")
    spread = _spread(differences)
    normal = NormalDist()
    tail = normal.inv_cdf(1 - alpha / 2)
    try:
        pairs = ((tail + normal.inv_cdf(power)) * spread / delta) ** 2
        return max(2, math.ceil(pairs + tail**2 / 2))
    except OverflowError:
        raise InputError(f"no number of queries shows a difference of {delta}") from None


def _spread(differences: NDArray[np.float64] | float) -> float:
    if isinstance(differences, int | float):
        spread = float(differences)
    else:
        array = checked(differences)
        if len(array) < 2:
            raise InputError("one difference has no spread; give at least two")
        spread = float(array.std(ddof=1))
    if not (spread >= 0 and math.isfinite(spread)):
        raise InputError(f"a standard deviation is a number from 0, got {spread}")
    return spread


def _effect(differences: NDArray[np.float64]) -> float:
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    if spread > EQUAL:
        return mean / spread
    return math.copysign(math.inf, mean) if mean else 0.0


def _randomization_test(
    differences: NDArray[np.float64], permutations: int, seed: int
) -> tuple[float, int]:
    """Return the two-sided p-value and over how many assignments of signs it was counted."""
    moving = differences[differences != 0]  # the sign of a 0 changes nothing
    exact = len(moving) <= math.log2(permutations)
    total = moving.sum()
    seen = abs(total) - EQUAL * np.abs(moving).sum()
    blocks = _all_flips(len(moving)) if exact else _random_flips(len(moving), permutations, seed)
    extreme = 0
    for flips in blocks:
        extreme += int((np.abs(total - 2 * (flips @ moving)) >= seen).sum())
    if exact:
        return extreme / 2 ** len(moving), 2 ** len(moving)
    return (1 + extreme) / (1 + permutations), permutations


def _all_flips(n: int) -> Iterator[NDArray[np.float64]]:
    """Yield every way to flip n signs, as rows of 0 and 1, block by block."""
    block = max(1, _CELLS // max(1, n))
    for first in range(0, 2**n, block):
        codes = np.arange(first, min(first + block, 2**n))[:, None]
        yield ((codes >> np.arange(n)) & 1).astype(np.float64)


def _random_flips(n: int, count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield `count` random ways to flip n signs, block by block."""
    generator = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    for done in range(0, count, block):
        rows = min(block, count - done)
        yield generator.integers(0, 2, size=(rows, n), dtype=np.int8).astype(np.float64)
