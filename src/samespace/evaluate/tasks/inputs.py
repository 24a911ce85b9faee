"""What the task families share: checks of what they are given, and scores of pairs."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import numpy as np
import numpy.typing as npt

from samespace.errors import InputError
from samespace.space import Vectors

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Label = str | int


def require_lengths(**counted: Sized) -> None:
    """Raise InputError unless all have one length, which is not 0."""
    lengths = {name: len(values) for name, values in counted.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise InputError(f"expected one of each for every row, got {told}")
    if 0 in lengths.values():
        raise InputError(f"nothing to evaluate: {', '.join(lengths)} are empty")


def encode_labels(labels: Sequence[Label]) -> tuple[Integers, int]:
    """Return each label's number, from 0 in sorted order, and how many there are.

    Raises:
        InputError: there is only one class, which any method would get right.
    """
    classes = sorted(set(labels), key=lambda label: (str(type(label)), label))
    if len(classes) < 2:
        raise InputError(f"expected labels of two classes or more, got only {classes!r}")
    number = {label: i for i, label in enumerate(classes)}
    return np.array([number[label] for label in labels], dtype=np.int64), len(classes)


def pair_scores(a: Vectors, b: Vectors) -> Floats:
    """Return how near row i of `a` is to row i of `b` on the space's metric, shape (n,).

    Higher is nearer: cosine, inner product, or the negated Euclidean distance.
    """
    a.space.require(b.space, "comparing pairs")
    x, y = a.array.astype(np.float64), b.array.astype(np.float64)
    scores: Floats
    if a.space.metric == "euclidean":
        scores = -np.linalg.norm(x - y, axis=1)
        return scores
    scores = np.einsum("ij,ij->i", x, y)
    if a.space.metric == "cosine":
        scores = scores / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return scores
