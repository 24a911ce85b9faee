"""The regression: token vectors whose weighted sums point where the model's own vectors do.

A static model gives a text t the direction of s = sum over its tokens w of count(t, w) x_w. The
x_w are chosen so that the mean of 1 - cos(s, u) over the texts is least, u being what the model
itself makes of the text. How much a token weighs is the length of its x_w, so the frequency
weighting is learned along with the directions; the start has it from Arora, Liang and Ma (2017),
"A simple but tough-to-beat baseline for sentence embeddings" (SIF): a / (a + p(w)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from samespace.space import FloatArray

Ids = Sequence[npt.NDArray[np.int32]]
"""For each text, the numbers of its tokens."""

SIF = 1e-3
EPOCHS = 6
_TEXTS_AT_ONCE = 64
"""Few, so that a small corpus has steps enough in as many epochs."""

_RATE = 0.15
"""Of the first step, in units of the mean magnitude of the numbers in the start."""

_ALONE = 3.0
"""As how many texts a token's own vector counts in the start."""


def normalized(rows: FloatArray) -> FloatArray:
    """Return the rows at length 1; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: FloatArray = rows / np.maximum(lengths, 1e-12)
    return result


def projection(targets: FloatArray, dimensions: int) -> FloatArray:
    """Return the orthonormal columns that keep most of the targets, shape (d, dimensions).

    The principal directions about the origin, not about the mean: cosines are taken from the
    origin, and these keep their inner products best (Eckart and Young 1936).
    """
    _, directions = np.linalg.eigh(targets.T @ targets)
    kept: FloatArray = np.ascontiguousarray(directions[:, ::-1][:, :dimensions])
    return kept


def sif(probabilities: npt.NDArray[np.float64]) -> FloatArray:
    """Return the weight of each token: a / (a + p), shape (tokens, 1)."""
    weights: FloatArray = (SIF / (SIF + probabilities)).astype(np.float32)[:, None]
    return weights


def zipf(tokens: int) -> npt.NDArray[np.float64]:
    """Return guessed probabilities of tokens that are numbered by their frequency: 1 / rank."""
    inverse = 1.0 / np.arange(2, tokens + 2)
    guessed: npt.NDArray[np.float64] = inverse / inverse.sum()
    return guessed


def start(alone: FloatArray, ids: Ids, targets: FloatArray) -> FloatArray:
    """Return first token vectors: the mean of the texts that hold a token, times its SIF weight.

    What all texts share is taken out, or every token would point the same way. A token's own
    vector counts as a few more texts, and is all there is for a token that no text holds.

    Args:
        alone: what the model makes of each token by itself, shape (tokens, d).
        ids: the texts.
        targets: what the model makes of them, shape (texts, d).
    """
    sums = _ALONE * (alone - alone.mean(axis=0))
    held = np.full(len(alone), _ALONE, np.float32)
    occurrences = np.zeros(len(alone))
    middle = targets.mean(axis=0)
    for rows in _blocks(len(ids)):
        tokens, counts = counted(ids[rows])
        present = np.minimum(counts, 1)
        sums[tokens] += present.T @ (targets[rows] - middle)
        held[tokens] += present.sum(axis=0)
        occurrences[tokens] += counts.sum(axis=0)
    probabilities = occurrences / occurrences.sum()
    table: FloatArray = sif(probabilities) * (sums / held[:, None])
    return table


def fit(
    table: FloatArray, ids: Ids, targets: FloatArray, seed: int, done: Callable[[float], None]
) -> None:
    """Improve token vectors in place, by Adam (Kingma and Ba 2015) on batches of texts.

    Args:
        table: token vectors, shape (tokens, d).
        ids: the texts; none is empty.
        targets: what the model makes of them, at length 1, shape (texts, d).
        seed: decides the order of the texts.
        done: is told which fraction is done.
    """
    chance = np.random.default_rng(seed)
    adam = _Adam(table, _RATE * float(np.abs(table).mean()))
    steps = EPOCHS * -(-len(ids) // _TEXTS_AT_ONCE)
    step = 0
    for _ in range(EPOCHS):
        order = chance.permutation(len(ids))
        for block in _blocks(len(ids)):
            rows = order[block]
            tokens, counts = counted([ids[i] for i in rows])
            sums = counts @ table[tokens]
            lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
            made, wanted = sums / lengths, targets[rows]
            cosines = np.einsum("ij,ij->i", made, wanted)[:, None]
            # The gradient of 1 - cos(s, u) with respect to s.
            gradient = (cosines * made - wanted) / lengths
            adam.step(tokens, counts.T @ gradient, 1 - step / steps)
            step += 1
            done(step / steps)


class _Adam:
    """Adam that moves only the rows that a batch touched, with the rate falling to zero."""

    def __init__(self, table: FloatArray, rate: float) -> None:
        self._table, self._rate, self._steps = table, rate, 0
        self._mean, self._square = np.zeros_like(table), np.zeros_like(table)

    def step(self, rows: npt.NDArray[np.int32], gradient: FloatArray, slower: float) -> None:
        self._steps += 1
        mean = 0.9 * self._mean[rows] + 0.1 * gradient
        square = 0.99 * self._square[rows] + 0.01 * gradient * gradient
        self._mean[rows], self._square[rows] = mean, square
        mean /= 1 - 0.9**self._steps
        square /= 1 - 0.99**self._steps
        self._table[rows] -= self._rate * slower * mean / (np.sqrt(square) + 1e-8)


def counted(ids: Ids) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """Return the distinct tokens of some texts, and how often each text holds each.

    A dense table of a batch's own tokens makes sums and gradients two matrix products.
    """
    rows = np.repeat(np.arange(len(ids)), [len(one) for one in ids])
    tokens, columns = np.unique(np.concatenate(ids), return_inverse=True)
    cells = np.bincount(rows * len(tokens) + columns, minlength=len(ids) * len(tokens))
    return tokens, cells.reshape(len(ids), len(tokens)).astype(np.float32)


def _blocks(count: int) -> Iterator[slice]:
    for first in range(0, count, _TEXTS_AT_ONCE):
        yield slice(first, min(first + _TEXTS_AT_ONCE, count))
