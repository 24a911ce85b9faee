"""Affine maps from one space into another, fitted on texts that have a vector in both.

Row i of x, shape (n, d), and of y, shape (n, e), are the same text in the two spaces. Everything
is fitted in float64 and kept in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from samespace.space import FloatArray

Wide = npt.NDArray[np.float64]
Method = Literal["procrustes", "ridge", "low-rank"]
METHODS: tuple[Method, ...] = ("procrustes", "ridge", "low-rank")

STRENGTHS = (0.01, 0.1, 1.0)
"""How strongly ridge regression holds back, in units of the mean variance of a direction of x."""

RANKS = (0.5, 0.25)
"""How many directions a low-rank map keeps, as shares of the smaller width."""


@dataclass(frozen=True, eq=False)
class AffineMap:
    """x -> x matrix + offset: its name, matrix (d, e) and offset (e,), both float32."""

    name: str
    matrix: FloatArray
    offset: FloatArray


def mapped(
    array: FloatArray, matrix: FloatArray, offset: FloatArray, *, normalize: bool
) -> FloatArray:
    """Return array @ matrix + offset, shape (n, e), float32; zero rows stay zero.

    Args:
        array: shape (n, d), float32.
        matrix, offset: shapes (d, e) and (e,), float32.
        normalize: bring each row to length 1.
    """
    made: FloatArray = array @ matrix + offset
    if normalize:
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        made /= np.where(lengths > 0, lengths, 1)
    return made


def candidates(
    x: FloatArray, y: FloatArray, methods: Sequence[Method] = METHODS
) -> Iterator[AffineMap]:
    """Yield the maps to choose from, those that can express least first.

    The rotation comes about the origin and about the means. About the means is right where the
    two spaces have their texts around other points; but the means are those of documents, and
    queries need not lie around them.
    """
    a, b = x.astype(np.float64), y.astype(np.float64)
    if "procrustes" in methods:
        yield _narrow("procrustes", procrustes(a, b), np.zeros(b.shape[1]))
    a_mean, b_mean = a.mean(axis=0), b.mean(axis=0)
    a -= a_mean
    b -= b_mean

    def about_means(name: str, matrix: Wide) -> AffineMap:
        return _narrow(name, matrix, b_mean - a_mean @ matrix)

    if "procrustes" in methods:
        yield about_means("procrustes about the means", procrustes(a, b))
    if "ridge" not in methods and "low-rank" not in methods:
        return
    for strength in STRENGTHS:
        full = ridge(a, b, strength)
        if "ridge" in methods:
            yield about_means(f"ridge {strength:g}", full)
        if "low-rank" in methods:
            for share in RANKS:
                rank = max(1, round(share * min(full.shape)))
                name = f"low-rank {rank}, ridge {strength:g}"
                yield about_means(name, low_rank(a, b, full, rank))


def procrustes(a: Wide, b: Wide) -> Wide:
    """Return the matrix with orthonormal columns (or rows, if b is wider) that turns a to b best.

    It is U V^T of the singular value decomposition a^T b = U S V^T, which makes the sum of the
    inner products of the rows of a R with those of b greatest. Where b is at least as wide as a,
    that is also the least squared distance; where b is narrower, the rows of a R are shorter
    than those of a, and only their directions are meant.

    Source: Schoenemann, "A generalized solution of the orthogonal Procrustes problem",
    Psychometrika 31, 1966; of other shapes, Gower and Dijksterhuis, "Procrustes problems", 2004.

    >>> a = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> quarter_turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> np.allclose(procrustes(a, a @ quarter_turn), quarter_turn)
    True
    """
    left, _, right = np.linalg.svd(a.T @ b, full_matrices=False)
    rotation: Wide = left @ right
    return rotation


def ridge(a: Wide, b: Wide, strength: float) -> Wide:
    """Return (a^T a + t I)^-1 a^T b, with t = strength * trace(a^T a) / d.

    Source: Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems",
    Technometrics 12, 1970.

    Args:
        a, b: rows about their means.
        strength: above 0, so that it can be solved with fewer rows than dimensions.
    """
    gram = a.T @ a
    held_back = strength * np.trace(gram) / len(gram)
    solved: Wide = np.linalg.solve(gram + held_back * np.eye(len(gram)), a.T @ b)
    return solved


def low_rank(a: Wide, b: Wide, full: Wide, rank: int) -> Wide:
    """Return the ridge regression `full` with only the `rank` best directions of b.

    These are the leading eigenvectors of b^T a full, what the regression explains of b.

    Source: Mukherjee and Zhu, "Reduced rank ridge regression and its kernel extensions",
    Statistical Analysis and Data Mining 4, 2011; without the ridge, Izenman 1975.
    """
    _, directions = np.linalg.eigh(b.T @ a @ full)
    kept = directions[:, -rank:]
    reduced: Wide = full @ kept @ kept.T
    return reduced


def _narrow(name: str, matrix: Wide, offset: Wide) -> AffineMap:
    return AffineMap(name, matrix.astype(np.float32), offset.astype(np.float32))
