"""Classification: how much of a label do a few examples and a simple classifier recover?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from samespace.errors import InputError, MissingExtra
from samespace.evaluate.tasks.inputs import (
    Integers,
    Label,
    encode_labels,
    require_lengths,
)
from samespace.space import FloatArray, Vectors
from samespace.vectors.exact import similarity

MAX_ITERATIONS = 100
"""Steps of the logistic regression, as in MTEB."""


@dataclass(frozen=True, slots=True)
class Classification:
    """Accuracy and macro F1: means over the experiments, and the value of each experiment.

    Experiments differ in which training examples were drawn; `accuracy_std` is the standard
    deviation over them (n - 1 in the denominator), 0 for a single one.
    """

    accuracies: tuple[float, ...]
    macro_f1s: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """The mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def macro_f1(self) -> float:
        """The mean macro F1: each class counts the same, however rare it is."""
        return float(np.mean(self.macro_f1s))

    @property
    def accuracy_std(self) -> float:
        """How far the experiments lie from their mean."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else 0.0


def classification(
    train: Vectors,
    train_labels: Sequence[Label],
    test: Vectors,
    test_labels: Sequence[Label],
    *,
    method: Literal["logistic", "knn"] = "logistic",
    k: int = 5,
    samples_per_label: int | None = None,
    experiments: int = 1,
    seed: int = 42,
) -> Classification:
    """Train a classifier on some vectors and score it on others.

    MTEB's protocol is `samples_per_label=8, experiments=10` with the logistic regression and
    this seed; then the draws, too, are MTEB's. With `samples_per_label=None` all training data
    are used, and more than one experiment would only repeat the first.

    Args:
        train, test: shape (n, d) and (m, d), embedded in the role "document".
        train_labels, test_labels: n and m labels.
        method: "logistic" (scikit-learn, L2 with C=1, at most 100 steps), or "knn": the
            majority of the k nearest on the space's metric, a tie going to the class that
            holds the nearest of them.
        k: neighbours of "knn".
        samples_per_label: how many examples of each class an experiment trains on.
        experiments: how often examples are drawn and a classifier is trained.
        seed: of the draws and of the regression.

    Raises:
        SpaceMismatch: train and test live in different spaces.
        InputError: lengths differ, nothing is given, a single class, or a number below 1.
        MissingExtra: "logistic" without scikit-learn.
    """
    train.space.require(test.space, "classifying")
    require_lengths(train=train, train_labels=train_labels)
    require_lengths(test=test, test_labels=test_labels)
    for name, value in (("k", k), ("experiments", experiments), ("samples", samples_per_label)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    if samples_per_label is None and experiments > 1:
        raise InputError(
            "with all training data every experiment is the same; give samples_per_label, or "
            "experiments=1"
        )
    encode_labels(train_labels)
    numbers, classes = encode_labels([*train_labels, *test_labels])
    known, truth = numbers[: len(train)], numbers[len(train) :]
    accuracies, f1s = [], []
    for rows in _draws(known, samples_per_label, experiments, seed):
        examples, labels = train.array[rows], known[rows]
        if method == "logistic":
            predicted = _logistic(examples, labels, test, seed)
        elif method == "knn":
            predicted = _nearest(examples, labels, test, min(k, len(rows)), classes)
        else:
            raise InputError(f'method must be "logistic" or "knn", got {method!r}')
        accuracies.append(float((predicted == truth).mean()))
        f1s.append(macro_f1(truth, predicted))
    return Classification(tuple(accuracies), tuple(f1s))


def macro_f1(truth: Integers, predicted: Integers) -> float:
    """Return the mean F1 of all classes that occur in truth or prediction.

    F1 of a class is 2 TP / (2 TP + FP + FN); one never predicted rightly counts 0.

    >>> round(macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1])), 4)
    0.6667
    """
    classes = np.union1d(truth, predicted)
    right = np.array([((truth == c) & (predicted == c)).sum() for c in classes])
    both = np.array([(truth == c).sum() + (predicted == c).sum() for c in classes])
    return float((2 * right / both).mean())


def _draws(labels: Integers, per_label: int | None, experiments: int, seed: int) -> list[Integers]:
    """Return the training rows of each experiment.

    As MTEB draws (its `_undersample_data`): each experiment shuffles the order that the one
    before left behind, from the same seed, and takes the first of each class.
    """
    order = np.arange(len(labels))
    if per_label is None:
        return [order]
    draws = []
    for _ in range(experiments):
        np.random.RandomState(seed).shuffle(order)
        taken = np.zeros(labels.max() + 1, dtype=np.int64)
        rows = []
        for row in order:
            if taken[labels[row]] < per_label:
                taken[labels[row]] += 1
                rows.append(row)
        draws.append(np.array(rows, dtype=np.int64))
    return draws


def _logistic(examples: FloatArray, labels: Integers, test: Vectors, seed: int) -> Integers:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("scikit-learn", "evaluate", "classification by regression") from error
    model = LogisticRegression(max_iter=MAX_ITERATIONS, random_state=seed)
    predicted: Integers = model.fit(examples, labels).predict(test.array)
    return predicted


def _nearest(
    examples: FloatArray, labels: Integers, test: Vectors, k: int, classes: int
) -> Integers:
    # One vote each; the bonuses sum to less than one vote, so they decide ties and nothing else.
    votes = 1 + 0.5 ** np.arange(1, k + 1)
    predicted = np.empty(len(test), dtype=np.int64)
    for i, query in enumerate(test.array):
        scores = similarity(query, examples, test.space.metric)
        nearest = np.argsort(-scores, kind="stable")[:k]
        predicted[i] = np.bincount(labels[nearest], votes, minlength=classes).argmax()
    return predicted
