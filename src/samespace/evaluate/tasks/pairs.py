"""Pair classification: does one threshold on nearness tell alike pairs from others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.errors import InputError
from samespace.evaluate.tasks.inputs import Floats, Integers, pair_scores, require_lengths
from samespace.space import Vectors


@dataclass(frozen=True, slots=True)
class Pairs:
    """How well nearness separates positive pairs from negative ones.

    `average_precision` needs no threshold and is the figure that the field reports. `f1` and
    `accuracy` are the best over all thresholds, chosen on the very pairs they are measured on:
    upper bounds, as in MTEB. Counting as positive every pair with a score of at least
    `threshold` gives `f1`; `accuracy_threshold` likewise gives `accuracy`, and is infinite
    where calling no pair positive is best.
    """

    average_precision: float
    f1: float
    threshold: float
    accuracy: float
    accuracy_threshold: float
    pairs: int


def pair_classification(a: Vectors, b: Vectors, labels: Sequence[int] | Integers) -> Pairs:
    """Return how well the nearness of the pairs (a[i], b[i]) predicts their labels.

    Args:
        a, b: the two sides, shape (n, d) each, both embedded in the role "document".
        labels: n labels, 1 for alike and 0 for not.

    Raises:
        SpaceMismatch: the two sides live in different spaces.
        InputError: lengths differ, nothing is given, a label is not 0 or 1, or all are equal.
    """
    require_lengths(a=a, b=b, labels=labels)
    truth = _binary(labels)
    scores = pair_scores(a, b)
    cuts, hits, chosen = _sweep(scores, truth)
    positives = int(truth.sum())
    f1 = 2 * hits / (chosen + positives)
    correct = np.concatenate([[0], hits - (chosen - hits)]) + (len(truth) - positives)
    best, most = int(f1.argmax()), int(correct.argmax())
    return Pairs(
        average_precision=average_precision(scores, truth),
        f1=float(f1[best]),
        threshold=float(cuts[best]),
        accuracy=float(correct[most] / len(truth)),
        accuracy_threshold=float(cuts[most - 1]) if most else float("inf"),
        pairs=len(truth),
    )


def average_precision(scores: Floats, labels: Sequence[int] | Integers) -> float:
    """Return the sum over thresholds of precision times the recall gained there.

    Tied scores fall under one threshold, so their order does not matter; no interpolation.
    Source: the definition that scikit-learn's `average_precision_score` documents.

    >>> round(average_precision(np.array([0.9, 0.8, 0.7]), [1, 0, 1]), 4)
    0.8333
    """
    require_lengths(scores=scores, labels=labels)
    _, hits, chosen = _sweep(scores, _binary(labels))
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((gained * hits / chosen).sum())


def _sweep(scores: Floats, truth: Integers) -> tuple[Floats, Integers, Integers]:
    """For each distinct score, highest first: it, the positives at or above, the pairs so."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return ordered[ends], np.cumsum(truth[order])[ends], (ends + 1).astype(np.int64)


def _binary(labels: Sequence[int] | Integers) -> Integers:
    values = np.asarray(labels)
    if not np.isin(values, (0, 1)).all():
        strange = values[~np.isin(values, (0, 1))][0]
        raise InputError(f"expected labels 0 (not alike) and 1 (alike), got {strange!r}")
    truth = values.astype(np.int64)
    if truth.min() == truth.max():
        raise InputError(f"all {len(truth)} labels are {truth[0]}: both kinds of pair are needed")
    return truth
