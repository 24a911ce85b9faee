"""Exact top-k against a full sort in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.errors import InputError
from samespace.space import FloatArray, Metric
from samespace.vectors.exact import top_k

METRICS: tuple[Metric, ...] = ("dot", "cosine", "euclidean")


def naive(query: FloatArray, rows: FloatArray, metric: Metric) -> np.ndarray:
    q, x = query.astype(np.float64), rows.astype(np.float64)
    if metric == "euclidean":
        return -np.sqrt(((x - q) ** 2).sum(axis=1))
    dots = (x * q).sum(axis=1)
    if metric == "dot":
        return dots
    return dots / (np.sqrt((x**2).sum(axis=1)) * np.sqrt((q**2).sum()))


def cut(rows: FloatArray, size: int) -> list[FloatArray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 300),
    distinct=st.integers(1, 40),
    k=st.integers(1, 50),
    size=st.integers(1, 120),
    metric=st.sampled_from(METRICS),
    masked=st.booleans(),
)
def test_equals_a_full_sort_with_ties_by_row(
    seed: int, n: int, distinct: int, k: int, size: int, metric: Metric, masked: bool
) -> None:
    dice = np.random.default_rng(seed)
    pool = dice.standard_normal((distinct, 7)).astype(np.float32)
    rows = pool[dice.integers(0, distinct, n)]
    query = dice.standard_normal(7).astype(np.float32)
    mask = dice.random(n) < 0.5 if masked else None
    scores = naive(query, rows, metric)
    allowed = np.arange(n) if mask is None else np.flatnonzero(mask)
    expected = sorted(allowed.tolist(), key=lambda row: (-scores[row], row))[:k]
    found, exact = top_k(query, cut(rows, size), k, metric, mask)
    assert found.tolist() == expected
    np.testing.assert_allclose(exact, scores[expected], rtol=1e-12, atol=1e-12)


def test_equal_vectors_tie_wherever_they_lie() -> None:
    dice = np.random.default_rng(3)
    rows = dice.standard_normal((20_000, 385)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[17].copy()
    copies = [17, 18, 4_001, 16_383, 16_384, 19_999]
    rows[copies] = query
    found, scores = top_k(query, cut(rows, 16_384), 6, "dot")
    assert found.tolist() == copies
    assert len(set(scores.tolist())) == 1


@pytest.mark.parametrize("metric", METRICS)
def test_never_nan(metric: Metric) -> None:
    rows = np.eye(4, dtype=np.float32)
    rows[1] = np.nan
    rows[2] = 0
    found, scores = top_k(rows[0], [rows], 4, metric)
    assert not np.isnan(scores).any()
    assert 1 not in found
    assert (2 in found) == (metric != "cosine")


def test_fewer_than_k_and_nothing_at_all() -> None:
    rows = np.eye(3, dtype=np.float32)
    assert len(top_k(rows[0], [rows], 10)[0]) == 3
    assert len(top_k(rows[0], [], 10)[0]) == 0
    assert len(top_k(rows[0], [rows], 10, mask=np.zeros(3, np.bool_))[0]) == 0


def test_refuses_what_does_not_fit() -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(InputError, match="at least 1"):
        top_k(rows[0], [rows], 0)
    with pytest.raises(InputError, match=r"\(n, 3\)"):
        top_k(rows[0], [np.ones((2, 4), np.float32)], 1)
    with pytest.raises(InputError, match="one query"):
        top_k(rows, [rows], 1)
