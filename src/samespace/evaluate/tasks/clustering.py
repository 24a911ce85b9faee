"""Clustering: do texts of one class lie together?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.errors import MissingExtra
from samespace.evaluate.tasks.inputs import (
    Floats,
    Integers,
    Label,
    encode_labels,
    require_lengths,
)
from samespace.space import Vectors

BATCH_SIZE = 500
"""Rows in one step of the k-means, as in MTEB's first version."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """Agreement of clusters with classes, each from 0 to 1.

    `homogeneity` is 1 where every cluster holds one class only, `completeness` where every
    class lies in one cluster; `v_measure` is their harmonic mean.
    """

    v_measure: float
    homogeneity: float
    completeness: float


def clustering(vectors: Vectors, labels: Sequence[Label], *, seed: int = 42) -> Clustering:
    """Cluster the vectors into as many clusters as there are classes, and compare the two.

    The k-means is scikit-learn's MiniBatchKMeans with the settings of MTEB's first version. It
    measures Euclidean distance whatever the space's metric is; for vectors of length 1 that
    orders as the cosine does.

    Args:
        vectors: shape (n, d), embedded in the role "document".
        labels: n labels.
        seed: of the first centres and of the batches.

    Raises:
        InputError: lengths differ, nothing is given, or there is a single class.
        MissingExtra: without scikit-learn.
    """
    require_lengths(vectors=vectors, labels=labels)
    truth, classes = encode_labels(labels)
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise MissingExtra("scikit-learn", "evaluate", "clustering") from error
    model = MiniBatchKMeans(classes, batch_size=BATCH_SIZE, n_init="auto", random_state=seed)
    return v_measure(truth, model.fit(vectors.array).labels_)


def v_measure(labels: Integers, clusters: Integers) -> Clustering:
    """Compare two partitions of the same rows, given as numbers of shape (n,).

    homogeneity = 1 - H(labels | clusters) / H(labels), completeness likewise with the two
    exchanged, and 1 where the entropy below the line is 0.
    Source: Rosenberg and Hirschberg, "V-Measure: a conditional entropy-based external cluster
    evaluation measure", EMNLP 2007.

    >>> v_measure(np.array([0, 0, 1, 1]), np.array([5, 5, 3, 3])).v_measure
    1.0
    """
    require_lengths(labels=labels, clusters=clusters)
    _, rows = np.unique(labels, return_inverse=True)
    _, columns = np.unique(clusters, return_inverse=True)
    joint = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(joint, (rows, columns), 1)
    of_labels, of_clusters = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    shared = of_labels + of_clusters - _entropy(joint)
    homogeneity = min(max(shared / of_labels, 0.0), 1.0) if of_labels else 1.0
    completeness = min(max(shared / of_clusters, 0.0), 1.0) if of_clusters else 1.0
    both = homogeneity + completeness
    return Clustering(
        2 * homogeneity * completeness / both if both else 0.0, homogeneity, completeness
    )


def _entropy(counts: Floats) -> float:
    """Return the entropy in nats of a distribution given by counts."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
