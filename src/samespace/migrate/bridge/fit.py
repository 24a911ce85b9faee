"""Fitting a bridge: maps are fitted on some texts, and chosen by what they find for others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from samespace.errors import InputError, SpaceError
from samespace.migrate.bridge.bridge import Bridge, text_digest
from samespace.migrate.bridge.maps import METHODS, AffineMap, Method, candidates, mapped
from samespace.space import Canary, FloatArray, Metric, Vectors

REQUIRED_RECALL = 0.8
"""Below this held-out recall a bridge is refused, unless less is asked for by name."""

LEAST_TEXTS = 200
_TEXTS_PER_NEIGHBOUR = 20
"""With fewer texts the k nearest are a large part of all, and finding them means nothing."""

_HELD_OUT_SHARE = 0.2
_HELD_OUT_AT_MOST = 1_000

_CELLS = 2**24
"""How many scores are held at once: 64 MiB."""


def fit_bridge(
    source: Vectors,
    target: Vectors,
    *,
    texts: Sequence[str],
    canaries: Sequence[Canary],
    seed: int = 0,
    require: float = REQUIRED_RECALL,
    k: int = 10,
    methods: Sequence[Method] = METHODS,
) -> Bridge:
    """Fit a map from a new space into an old one, and choose it by held-out recall.

    The old model is not called. A fifth of the texts, at most a thousand, is held out; each map
    is fitted on the others. Then the new vector of each held-out text is mapped and searches all
    old vectors that are given, its own left out. What its own old vector finds there is the right
    answer, and recall@k is the share of it that the mapped one finds too. Since documents stand
    in for queries, which lie elsewhere, real questions may keep more or less of the quality than
    this says.

    Of texts that occur twice the first is taken.

    Args:
        source: the texts embedded by the new model, in the role "document".
        target: the same texts' vectors in the old space, row by row, in the same role.
        texts: the texts, row by row; only digests are kept, so that no test is made of them.
        canaries: of the new model: `record_canaries(for_canaries(embedder))`.
        seed: decides which texts are held out.
        require: the least recall, from 0 to 1.
        k: how many neighbours are compared.
        methods: which kinds of maps are tried.

    Returns:
        The map that found most, of equals the one that can express least.

    Raises:
        InputError: the two do not belong together, or there are too few texts.
        SpaceError: the best map finds less than `require`.
    """
    _check(source, target, texts, require, k, methods)
    first: dict[bytes, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(text_digest(text), row)
    needed = max(LEAST_TEXTS, _TEXTS_PER_NEIGHBOUR * k)
    if len(first) < needed:
        raise InputError(
            f"expected at least {needed} different texts to fit a bridge and measure recall@{k}, "
            f"got {len(first)}; embed more of the collection's texts with the new model"
        )
    order = np.random.default_rng(seed).permutation(list(first.values()))
    x, y = source.array[order], target.array[order]
    held = min(_HELD_OUT_AT_MOST, int(_HELD_OUT_SHARE * len(order)))
    wanted = neighbours(y[:held], y, k, target.space.metric)
    recalls: dict[str, float] = {}
    chosen: AffineMap | None = None
    for candidate in candidates(x[held:], y[held:], methods):
        moved = mapped(
            x[:held], candidate.matrix, candidate.offset, normalize=target.space.normalized
        )
        found = neighbours(moved, y, k, target.space.metric)
        shared = (found[:, :, None] == wanted[:, None, :]).sum()
        recalls[candidate.name] = float(shared) / wanted.size
        if chosen is None or recalls[candidate.name] > recalls[chosen.name]:
            chosen = candidate
    if chosen is None or recalls[chosen.name] < require:
        raise SpaceError(
            f"no bridge from {source.space.model} to {target.space.model} is good enough: of what "
            f"the old vectors find, at least {require:g} is required (recall@{k}); over {held} "
            f"held-out texts, fitted on {len(order) - held}, the maps found:"
            + "".join(f"\n  {name}: {value:.3f}" for name, value in recalls.items())
            + "\nMigrate the collection instead; or fit on more texts, or from a model that is "
            "more like the old one."
        )
    return Bridge(
        source=source.space,
        target=target.space,
        method=chosen.name,
        matrix=chosen.matrix,
        offset=chosen.offset,
        recall=recalls[chosen.name],
        recalls=recalls,
        k=k,
        fitted_on=len(order) - held,
        held_out=held,
        seed=seed,
        canaries=tuple(canaries),
        texts=frozenset(first),
    )


def neighbours(
    queries: FloatArray, rows: FloatArray, k: int, metric: Metric
) -> npt.NDArray[np.intp]:
    """Return the k rows nearest to each query, in no order, shape (q, k).

    Query i stands for row i, which is left out of its own answer. So k < n.

    Args:
        queries: shape (q, d), q <= n.
        rows: shape (n, d).
        k: how many.
        metric: as `samespace.vectors.exact.similarity` has it.
    """
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = np.empty((len(queries), k), np.intp)
    step = max(1, _CELLS // len(rows))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        scores = block @ rows.T
        if metric == "euclidean":  # |q - x|^2 = |q|^2 - 2 (q.x - |x|^2 / 2)
            scores -= np.einsum("ij,ij->i", rows, rows) / 2
        own = np.arange(len(block))
        scores[own, start + own] = -np.inf
        found[start : start + step] = np.argpartition(scores, -k, axis=1)[:, -k:]
    return found


def _check(
    source: Vectors,
    target: Vectors,
    texts: Sequence[str],
    require: float,
    k: int,
    methods: Sequence[Method],
) -> None:
    if not len(source) == len(target) == len(texts):
        raise InputError(
            f"expected the same texts in both spaces, row by row; got {len(source)} new vectors, "
            f"{len(target)} old ones and {len(texts)} texts"
        )
    if (source.role, target.role) != ("document", "document"):
        raise InputError(
            "a bridge is fitted on documents, since the old model makes no queries any more; got "
            f"vectors in the roles {source.role!r} and {target.role!r}"
        )
    if source.space == target.space:
        raise InputError(f"both are vectors of {source.space.model}: there is nothing to bridge")
    if not 0 <= require <= 1:
        raise InputError(f"require is a share, from 0 to 1, got {require}")
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    if not methods or not set(methods) <= set(METHODS):
        raise InputError(f"methods are some of {', '.join(METHODS)}; got {tuple(methods)}")
