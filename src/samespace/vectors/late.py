"""Scores of the forms beside dense: products of sparse weights, and late interaction."""

from __future__ import annotations

import numpy as np

from samespace.forms import MultiVectors, SparseVectors
from samespace.space import FloatArray


def sparse_dot(queries: SparseVectors, documents: SparseVectors) -> FloatArray:
    """Return the product of every query with every document, float32, (queries, documents).

    Raises:
        SpaceMismatch: the two come from different spaces.
    """
    queries.space.require(documents.space, "comparing sparse vectors")
    scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
    weights = np.zeros(queries.space.dimensions, dtype=np.float32)
    row_of = np.repeat(np.arange(len(documents)), np.diff(documents.offsets))
    for i in range(len(queries)):
        indices, values = queries.row(i)
        weights[indices] = values
        products = weights[documents.indices] * documents.values
        scores[i] = np.bincount(row_of, products, minlength=len(documents))
        weights[indices] = 0
    return scores


def maxsim(queries: MultiVectors, documents: MultiVectors) -> FloatArray:
    """Return the late-interaction score of every query with every document.

    For each token of the query the largest product with a token of the document, summed over
    the query's tokens (Khattab and Zaharia 2020, arXiv:2004.12832, equation 3).

    Returns:
        float32, (queries, documents).

    Raises:
        SpaceMismatch: the two come from different spaces.
    """
    queries.space.require(documents.space, "comparing token vectors")
    scores = np.empty((len(queries), len(documents)), dtype=np.float32)
    if not scores.size:
        return scores
    starts = documents.offsets[:-1]
    for i in range(len(queries)):
        products = queries.row(i) @ documents.array.T
        scores[i] = np.maximum.reduceat(products, starts, axis=1).sum(axis=0)
    return scores
