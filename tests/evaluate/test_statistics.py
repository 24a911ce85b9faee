"""Intervals hold what they promise, tests reject as often as they say, and both are quick."""

from __future__ import annotations

import itertools
import json
import math
import time
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from samespace.errors import InputError
from samespace.evaluate.intervals import RESAMPLES, SEED, bootstrap, bootstraps
from samespace.evaluate.metrics import Scores
from samespace.evaluate.significance import (
    compare_paired,
    compare_scores,
    holm,
    queries_needed,
)


def drawn(n: int, seed: int = 0) -> np.ndarray:
    """Values as nDCG has them: many zeros, many ones, the rest between."""
    generator = np.random.default_rng(seed)
    kind = generator.choice(3, size=n, p=[0.3, 0.3, 0.4])
    return np.choose(kind, [np.zeros(n), np.ones(n), generator.beta(2, 2, n)])


# Intervals


def test_bootstrap_agrees_with_scipy() -> None:
    values = drawn(200)
    ours = bootstrap(values)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=1
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean(), abs=1e-15)
    assert (ours.confidence, ours.resamples, ours.seed) == (0.95, RESAMPLES, SEED)
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=width / 30)
    assert ours.high == pytest.approx(theirs.high, abs=width / 30)


def test_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    truth = 0.3 + 0.4 / 2
    intervals = [bootstrap(drawn(100, seed), resamples=1000) for seed in range(400)]
    held = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.92 <= held <= 0.975
    narrow = [bootstrap(drawn(100, s), resamples=1000, confidence=0.5) for s in range(400)]
    assert 0.44 <= np.mean([each.low <= truth <= each.high for each in narrow]) <= 0.56


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    values = drawn(50)
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_many_metrics_at_once_have_the_intervals_of_each() -> None:
    values = {"a": drawn(300, 1), "b": drawn(300, 2)}
    together = bootstraps(values)
    for name, column in values.items():
        alone = bootstrap(column)
        assert together[name].low == pytest.approx(alone.low, abs=1e-12)
        assert together[name].high == pytest.approx(alone.high, abs=1e-12)
    assert bootstraps({}) == {}


@pytest.mark.parametrize("values", [[0.7], [0.1] * 10, [1.0, 1.0, 1.0]])
def test_without_spread_there_is_no_width(values: list[float]) -> None:
    interval = bootstrap(np.array(values))
    assert interval.low == pytest.approx(values[0])
    assert interval.low <= interval.value <= interval.high <= interval.low + 1e-12


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf], [[1.0], [2.0]]])
def test_values_that_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match="expected"):
        bootstrap(np.array(values))
    with pytest.raises(InputError, match="expected"):
        compare_paired(np.array(values), np.array(values))


@pytest.mark.parametrize("settings", [{"confidence": 1.0}, {"confidence": 0}, {"resamples": 0}])
def test_settings_that_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="confidence"):
        bootstrap(drawn(5), **settings)  # type: ignore[arg-type]


# Two systems


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_few_queries_are_enumerated(n: int) -> None:
    generator = np.random.default_rng(n)
    a, b = generator.random(n), generator.random(n)
    paired = compare_paired(a, b)
    signs = itertools.product([1, -1], repeat=n)
    sums = [abs(sum(s * d for s, d in zip(flip, b - a, strict=True))) for flip in signs]
    assert paired.p == sum(each >= abs((b - a).sum()) - 1e-12 for each in sums) / 2**n
    assert paired.permutations == 2**n


def test_enumerated_and_drawn_agree_with_each_other_and_with_scipy() -> None:
    a, b = drawn(13, 1), drawn(13, 2) * 0.6
    exact = compare_paired(a, b)
    assert exact.permutations == 2 ** np.count_nonzero(a - b) <= 2**13
    near = compare_paired(a, b, permutations=2 ** np.count_nonzero(a - b) - 1)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert exact.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert near.p == pytest.approx(exact.p, abs=0.03)


def test_p_is_uniform_where_nothing_differs() -> None:
    generator = np.random.default_rng(3)
    p_values = [
        compare_paired(np.zeros(40), generator.normal(size=40), permutations=500, seed=s).p
        for s in range(400)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.08


def test_p_is_that_of_the_t_test_where_differences_are_normal() -> None:
    a = drawn(300)
    b = a + np.random.default_rng(5).normal(0.02, 0.2, 300)
    paired = compare_paired(a, b)
    assert paired.p == pytest.approx(stats.ttest_rel(b, a).pvalue, abs=0.01)
    assert paired.difference.value == pytest.approx((b - a).mean())
    assert paired.difference.low < paired.difference.value < paired.difference.high
    assert paired.effect == pytest.approx(stats.ttest_rel(b, a).statistic / math.sqrt(300))
    assert (paired.queries, paired.permutations, paired.seed) == (300, 10_000, SEED)


def test_a_clear_difference_has_the_least_p_there_is() -> None:
    a = drawn(100) * 0.5
    paired = compare_paired(a, a + np.linspace(0.2, 0.4, 100))
    assert paired.p == 1 / 10_001
    assert (paired.wins, paired.ties, paired.losses) == (100, 0, 0)
    assert compare_paired(a + 0.1, a).losses == 100


def test_equal_systems_and_rounding() -> None:
    a = drawn(100)
    same = compare_paired(a, a + 1e-15)
    assert (same.p, same.effect, same.ties, same.difference.value) == (1.0, 0.0, 100, 0.0)
    constant = compare_paired(np.zeros(20), np.full(20, 0.1))
    assert constant.effect == math.inf
    assert constant.to_dict()["effect"] is None
    assert json.loads(json.dumps(constant.to_dict()))["difference"]["value"] == pytest.approx(0.1)
    assert compare_paired(np.full(20, 0.1), np.zeros(20)).effect == -math.inf


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="3 and 2"):
        compare_paired(np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match="permutations"):
        compare_paired(np.zeros(3), np.zeros(3), permutations=0)


def test_scores_are_aligned_by_query() -> None:
    a = Scores(("q1", "q2", "q3"), {"mrr": np.array([0.1, 0.2, 0.3])})
    b = Scores(("q3", "q1", "q2"), {"mrr": np.array([0.3, 0.2, 0.2])})
    paired = compare_scores(a, b, "mrr")
    assert (paired.wins, paired.ties, paired.losses) == (1, 2, 0)
    assert paired.difference.value == pytest.approx(0.1 / 3)
    with pytest.raises(InputError, match="'map'"):
        compare_scores(a, b, "map")
    with pytest.raises(InputError, match=r"2 were scored for one of them only, such as 'q1'"):
        compare_scores(a, Scores(("q3",), {"mrr": np.array([1.0])}), "mrr")


# Several systems, and how many queries it takes


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),  # Wikipedia's worked example
        ((0.5, 0.9), (1.0, 1.0)),
        ((0.02,), (0.02,)),
        ((0.0, 1.0), (0.0, 1.0)),
        ((), ()),
    ],
)
def test_holm_by_hand(given: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    assert holm(given) == pytest.approx(adjusted)


def test_holm_refuses_what_is_no_p() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        holm([0.1, 1.2])


@pytest.mark.parametrize("effect", [0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9)])
def test_queries_needed_is_the_least_with_the_power(
    effect: float, alpha: float, power: float
) -> None:
    def power_of(n: int) -> float:
        """The power of the two-sided paired t-test, by the noncentral t distribution."""
        critical = stats.t.ppf(1 - alpha / 2, n - 1)
        shift = effect * math.sqrt(n)
        return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))

    exact = next(n for n in range(3, 3000) if power_of(n) >= power)
    assert abs(queries_needed(1.0, effect, alpha=alpha, power=power) - exact) <= 1


def test_queries_needed_of_known_tables() -> None:
    # G*Power 3.1, two-sided paired t-test, alpha 0.05, power 0.8: 199, 34, 15
    assert [queries_needed(1.0, d) for d in (0.2, 0.5, 0.8)] == [199, 34, 15]
    differences = drawn(400, 1) - drawn(400, 2)
    spread = float(differences.std(ddof=1))
    assert queries_needed(differences, 0.05) == queries_needed(spread, 0.05)
    assert queries_needed(differences, -0.05) == queries_needed(differences, 0.05)


@pytest.mark.parametrize(
    ("differences", "delta", "settings"),
    [
        (1.0, 0.0, {}),
        (1.0, math.nan, {}),
        (1.0, 1e-300, {}),
        (-1.0, 0.1, {}),
        (np.array([0.1]), 0.1, {}),
        (1.0, 0.1, {"alpha": 0}),
        (1.0, 0.1, {"power": 1}),
    ],
)
def test_queries_needed_refuses(differences: object, delta: float, settings: dict) -> None:
    with pytest.raises(InputError):
        queries_needed(differences, delta, **settings)  # type: ignore[arg-type]


# Speed and memory


def test_ten_thousand_resamples_of_a_thousand_queries_take_under_two_seconds() -> None:
    a, b = drawn(1000, 1), drawn(1000, 2)
    took = []
    for _ in range(3):
        started = time.perf_counter()
        bootstrap(a, resamples=10_000)
        compare_paired(a, b, permutations=10_000)
        took.append(time.perf_counter() - started)
    assert min(took) < 2  # 0.3 s on an idle machine


def test_memory_does_not_grow_with_the_resamples() -> None:
    values = drawn(8_000)
    tracemalloc.start()
    paired = compare_paired(values, values[::-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * 2**20  # drawn at once, it would be 640 MB
    assert (paired.permutations, paired.difference.resamples) == (10_000, RESAMPLES)
