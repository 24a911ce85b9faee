"""Exact top-k over blocks of vectors: every row is scored, nothing is approximated.

Scores are computed twice. A float32 matrix-vector product finds the rows that can be among the
best; those few are scored again in float64, each row by itself. The product's last bits depend
on where in a block a row lies; the second score does not, so equal vectors have equal scores
and ties are truly broken by row.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from samespace.errors import InputError
from samespace.space import FloatArray, Metric

BLOCK_ROWS = 16_384
"""Rows scored at once: 25 MB at 384 dimensions. Larger gains nothing, smaller costs calls."""

_MARGIN = 1e-5
"""How far below the k-th float32 score a row may lie and still be scored again, relative to the
largest score. The float32 product errs by less than 1e-6 of it at a few thousand dimensions."""

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def similarity(query: FloatArray, block: FloatArray, metric: Metric) -> FloatArray:
    """Return the float32 score of each row of a block: higher is nearer.

    Args:
        query: shape (d,).
        block: shape (n, d).
        metric: "dot" is q.x; "cosine" is q.x / (|q| |x|); "euclidean" is -|q - x|.
    """
    scores: FloatArray
    if metric == "euclidean":
        difference = block - query
        scores = -np.sqrt(np.einsum("ij,ij->i", difference, difference))
        return scores
    scores = block @ query
    if metric == "cosine":
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = scores / (norms * np.linalg.norm(query))
    return scores


def top_k(
    query: FloatArray,
    blocks: Iterable[FloatArray],
    k: int,
    metric: Metric = "cosine",
    mask: Mask | None = None,
) -> tuple[Rows, Scores]:
    """Return the rows of the k best vectors and their scores, best first, ties by row.

    Rows are counted through all blocks from 0. Fewer than k come back where there are fewer.
    A score is never NaN: a row whose score would be (a zero or damaged vector) is left out.

    Args:
        query: shape (d,), float32, finite.
        blocks: arrays of shape (n_i, d), float32; read once, one at a time.
        k: at least 1.
        metric: see `similarity`.
        mask: shape (sum of n_i,); rows where it is False are left out.

    Raises:
        InputError: k is below 1, or a shape does not fit.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    if query.ndim != 1:
        raise InputError(f"expected one query of shape (d,), got {query.shape}")
    rows, scores = np.empty(0, np.int64), np.empty(0, np.float64)
    offset = 0
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != query.shape[0]:
            raise InputError(f"expected blocks of shape (n, {query.shape[0]}), got {block.shape}")
        accepted = None if mask is None else mask[offset : offset + len(block)]
        floor = float(scores[-1]) if len(scores) == k else -np.inf
        found = _contenders(similarity(query, block, metric), k, floor, accepted)
        if len(found):
            exact = _score_exactly(query, block[found], metric)
            rows = np.concatenate([rows, found + offset])
            scores = np.concatenate([scores, exact])
            sound = ~np.isnan(scores)
            rows, scores = rows[sound], scores[sound]
            order = np.lexsort((rows, -scores))[:k]
            rows, scores = rows[order], scores[order]
        offset += len(block)
    return rows, scores


def _contenders(scores: FloatArray, k: int, floor: float, accepted: Mask | None) -> Rows:
    """Return every row of a block that can be among the k best, given the k-th so far."""
    sound = ~np.isnan(scores)
    if accepted is not None:
        sound &= accepted
    if not sound.any():
        return np.empty(0, np.int64)
    finite = np.abs(scores[sound])
    margin = _MARGIN * max(float(finite.max()), abs(floor) if np.isfinite(floor) else 0.0)
    sound &= scores >= floor - margin
    candidates = np.flatnonzero(sound)
    if len(candidates) > k:
        chosen = scores[candidates]
        kth = np.partition(chosen, len(chosen) - k)[len(chosen) - k]
        candidates = candidates[chosen >= kth - margin]
    return candidates.astype(np.int64, copy=False)


def _score_exactly(query: FloatArray, rows: FloatArray, metric: Metric) -> Scores:
    """Score each row by itself in float64, so that equal rows have equal scores."""
    q, x = query.astype(np.float64), rows.astype(np.float64)
    exact: Scores
    if metric == "euclidean":
        exact = -np.sqrt(np.square(x - q).sum(axis=1))
        return exact
    exact = (x * q).sum(axis=1)
    if metric == "cosine":
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = exact / (np.sqrt(np.square(x).sum(axis=1)) * np.sqrt(np.square(q).sum()))
    return exact
