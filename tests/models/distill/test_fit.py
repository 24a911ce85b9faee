"""The regression finds token vectors that explain the targets; its parts are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from samespace.models.distill import fit as module
from samespace.models.distill.fit import counted, fit, normalized, projection, sif, start, zipf

TOKENS, WIDTH, TEXTS = 60, 8, 700


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """True token vectors, texts of 2 to 30 tokens of a Zipf-like law, and their targets."""
    chance = np.random.default_rng(3)
    true = chance.normal(size=(TOKENS, WIDTH)) * chance.uniform(0.1, 2, size=(TOKENS, 1))
    law = zipf(TOKENS)
    ids = [
        chance.choice(TOKENS, size=chance.integers(2, 31), p=law).astype(np.int32)
        for _ in range(TEXTS)
    ]
    sums = np.stack([true[one].sum(axis=0) for one in ids])
    return true.astype(np.float32), ids, normalized(sums.astype(np.float32))


def cosines(table: np.ndarray, ids: list[np.ndarray], targets: np.ndarray) -> np.ndarray:
    sums = np.stack([table[one].sum(axis=0) for one in ids])
    return np.einsum("ij,ij->i", normalized(sums), targets)


def test_counts_of_a_batch() -> None:
    tokens, counts = counted([np.array([5, 2, 5]), np.array([2]), np.array([9, 9, 9])])
    assert tokens.tolist() == [2, 5, 9]
    assert counts.tolist() == [[1, 2, 0], [1, 0, 0], [0, 0, 3]]


def test_the_fit_explains_texts_that_it_did_not_see(
    problem: tuple[np.ndarray, list[np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    true, ids, targets = problem
    monkeypatch.setattr(module, "EPOCHS", 60)
    held = slice(600, None)
    table = start(normalized(true), ids[:600], targets[:600])
    before = cosines(table, ids[held], targets[held]).mean()
    parts: list[float] = []
    fit(table, ids[:600], targets[:600], 0, parts.append)
    after = cosines(table, ids[held], targets[held])
    assert before < 0.9
    assert after.mean() > 0.99
    assert parts == sorted(parts)
    assert parts[-1] == 1


def test_the_gradient_is_that_of_the_loss(
    problem: tuple[np.ndarray, list[np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first gradient that the fit hands to Adam, against finite differences."""
    _, ids, targets = problem
    ids, targets = ids[:50], targets[:50].astype(np.float64)
    table = np.random.default_rng(0).normal(size=(TOKENS, WIDTH))
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    class Recorder:
        def __init__(self, table: np.ndarray, rate: float) -> None: ...

        def step(self, rows: np.ndarray, gradient: np.ndarray, slower: float) -> None:
            seen.append((rows, gradient))

    monkeypatch.setattr(module, "_Adam", Recorder)
    fit(table, ids, targets, 0, lambda part: None)
    rows, gradient = seen[0]

    def loss(moved: np.ndarray) -> float:
        return float((1 - cosines(moved, ids, targets)).sum())

    for place, column in ((0, 0), (5, 3), (len(rows) - 1, 7)):
        step = np.zeros_like(table)
        step[rows[place], column] = 1e-6
        slope = (loss(table + step) - loss(table - step)) / 2e-6
        assert slope == pytest.approx(gradient[place, column], rel=1e-4, abs=1e-6)


def test_the_start_weighs_down_what_is_everywhere_and_knows_what_is_nowhere() -> None:
    alone = normalized(np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32))
    targets = normalized(np.random.default_rng(2).normal(size=(50, 6)).astype(np.float32))
    ids = [np.array([0, 0, 0, 1 + i % 2]) for i in range(50)]  # token 3 is in no text
    table = start(alone, ids, targets)
    lengths = np.linalg.norm(table, axis=1)
    assert lengths[0] < 0.1 * lengths[1:3].min()
    centred = alone[3] - alone.mean(axis=0)
    np.testing.assert_allclose(table[3], centred, rtol=1e-5)


def test_weights_and_projection() -> None:
    assert sif(np.array([0.0, 1e-3]))[:, 0].tolist() == [1.0, 0.5]
    assert zipf(100).sum() == pytest.approx(1)
    chance = np.random.default_rng(0)
    flat = (chance.normal(size=(300, 3)) @ chance.normal(size=(3, 10))).astype(np.float32)
    kept = projection(flat, 3)
    np.testing.assert_allclose(kept.T @ kept, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(flat @ kept @ kept.T, flat, atol=1e-4)
