"""Fitting a bridge: maps are fitted on some texts, and chosen by what they find for others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from samespace.errors import InputError, SpaceError
from samespace.migrate.bridge.bridge import Bridge, text_digest
from samespace.migrate.bridge.maps import METHODS, AffineMap, Method, candidates, mapped
from samespace.space import Canary, FloatArray, Metric, Vectors

REQUIRED_SHARE = 0.8
"""A bridge that finds less than this share of what full re-embedding finds is refused, unless less
is asked for by name."""

LEAST_TEXTS = 200
_TEXTS_PER_NEIGHBOUR = 20
"""With fewer texts the k nearest are a large part of all, and finding one there means nothing."""

_HELD_OUT_SHARE = 0.2
_HELD_OUT_AT_MOST = 1_000

STAND_IN_CHARACTERS = 80
"""How long a piece of a text is that stands in for a question."""

_CELLS = 2**24
"""How many scores are held at once: 64 MiB."""

Ask = Callable[[list[str]], Vectors]
"""Embeds questions by the new model, in the role "query"."""


def fit_bridge(
    source: Vectors,
    target: Vectors,
    *,
    texts: Sequence[str],
    ask: Ask,
    canaries: Sequence[Canary],
    seed: int = 0,
    require: float = REQUIRED_SHARE,
    k: int = 10,
    methods: Sequence[Method] = METHODS,
) -> Bridge:
    """Fit a map from a new space into an old one, and choose it by held-out recall.

    The old model is not called. A fifth of the texts, at most a thousand, is held out; each map
    is fitted on the others. Then a piece of each held-out text stands in for a question: embedded
    by the new model as a question and mapped, it searches all old vectors that are given. Recall@k
    is the share of the pieces whose own text is among the k nearest. Of the maps within one
    standard error of the best the one is taken that can express least (the rule of Breiman et
    al., Classification and Regression Trees, 1984).

    The same pieces search the new vectors of the same texts: that is what full re-embedding
    finds, and how much of it the map finds decides whether there is a bridge.

    Of texts that occur twice the first is taken.

    Args:
        source: the texts embedded by the new model, in the role "document".
        target: the same texts' vectors in the old space, row by row, in the same role.
        texts: the texts, row by row; only digests are kept, so that no test is made of them.
        ask: embeds questions by the new model.
        canaries: of the new model: `record_canaries(for_canaries(embedder))`.
        seed: decides which texts are held out.
        require: the least share of what full re-embedding finds, from 0 to 1.
        k: how deep is looked for a text.
        methods: which kinds of maps are tried.

    Returns:
        The map that was chosen.

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
    pieces = ask([stand_in(texts[row]) for row in order[:held]])
    if (pieces.space, pieces.role, len(pieces)) != (source.space, "query", held):
        raise InputError(
            f"ask must embed questions by the new model: expected {held} vectors of "
            f"{source.space.model} in the role 'query'"
        )
    full = _recall(pieces.array, x, k, source.space.metric)
    tried: list[AffineMap] = []
    recalls: dict[str, float] = {}
    for candidate in candidates(x[held:], y[held:], methods):
        moved = mapped(
            pieces.array, candidate.matrix, candidate.offset, normalize=target.space.normalized
        )
        recalls[candidate.name] = _recall(moved, y, k, target.space.metric)
        tried.append(candidate)
    best = max(recalls.values())
    enough = best - math.sqrt(best * (1 - best) / held)
    chosen = next(one for one in tried if recalls[one.name] >= enough)
    if recalls[chosen.name] < require * full:
        raise SpaceError(
            f"no bridge from {source.space.model} to {target.space.model} is good enough: it must "
            f"find at least {require:g} of what full re-embedding finds. Of {held} held-out texts, "
            f"asked for by a piece of each, full re-embedding finds {full:.3f} among the first "
            f"{k}; the maps, fitted on {len(order) - held} texts, find:"
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
        full=full,
        k=k,
        fitted_on=len(order) - held,
        held_out=held,
        seed=seed,
        canaries=tuple(canaries),
        texts=frozenset(first),
    )


def stand_in(text: str) -> str:
    """Return a piece from somewhere within a text, at most half of it: the same for the same text.

    >>> stand_in("Cells divide. Proteins fold into shapes that decide what they do.")
    'shapes that decide what'
    """
    plain = " ".join(text.split())
    length = min(STAND_IN_CHARACTERS, (len(plain) + 1) // 2)
    start = int.from_bytes(text_digest(text)[:8], "big") % (len(plain) - length + 1)
    piece = plain[start : start + length]
    whole_words = " ".join(piece.split()[1:-1])
    return whole_words if 2 * len(whole_words) >= length else piece


def _recall(queries: FloatArray, rows: FloatArray, k: int, metric: Metric) -> float:
    """Return the share of the queries whose own row, query i's being row i, is among the k nearest.

    Args:
        queries: shape (q, d), q <= n.
        rows: shape (n, d).
        k: how many.
        metric: as `samespace.vectors.exact.similarity` has it.
    """
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = 0
    step = max(1, _CELLS // len(rows))
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ rows.T
        if metric == "euclidean":  # |q - x|^2 = |q|^2 - 2 (q.x - |x|^2 / 2)
            scores -= np.einsum("ij,ij->i", rows, rows) / 2
        asked = np.arange(len(scores))
        own = scores[asked, start + asked]
        found += int(((scores > own[:, None]).sum(axis=1) < k).sum())
    return found / len(queries)


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
