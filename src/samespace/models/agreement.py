"""Whether two ways of running one model make the same vectors: measured, not assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from samespace.errors import SpaceMismatch
from samespace.models.base import Embedder
from samespace.models.cache import CachedEmbedder
from samespace.space import CANARY_COSINE, Canary, EmbedFunction, Space, Vectors, record_canaries
from samespace.types import Role


@dataclass(frozen=True)
class Agreement:
    """How near two embedders come on the canaries: one cosine for each."""

    cosines: tuple[float, ...]

    @property
    def least(self) -> float:
        """The smallest cosine, which decides."""
        return min(self.cosines)

    @property
    def mean(self) -> float:
        """The mean cosine."""
        return sum(self.cosines) / len(self.cosines)

    @property
    def one_space(self) -> bool:
        """Whether every canary agrees within `CANARY_COSINE`."""
        return self.least >= CANARY_COSINE


def for_canaries(embedder: Embedder) -> EmbedFunction:
    """Return a model's `embed` as canaries need it: a small window cuts the long one."""
    return lambda texts, role: embedder.embed(texts, role, on_long="truncate")


def agreement(a: Embedder, b: Embedder) -> Agreement:
    """Return how near the vectors of two embedders are on the canaries.

    >>> from samespace.models import HashEmbedder
    >>> agreement(HashEmbedder(), HashEmbedder()).one_space
    True
    """
    return _compare(a, record_canaries(for_canaries(b)))


def same_space(
    embedder: Embedder, space: Space, recorded: Sequence[Canary], doing: str
) -> Embedder:
    """Return an embedder for a space: the one given, if its vectors may stand in that space.

    It may if its Space is this one. If only the arithmetic differs it may if it gives the
    recorded canaries, all of them, the vectors that they had.

    Args:
        embedder: what shall make vectors of the space.
        space: the space, of a collection for example.
        recorded: its canaries.
        doing: what is about to happen, for the message.

    Raises:
        SpaceMismatch: the spaces differ in another field, or the vectors do.
    """
    fields = space.diff(embedder.space)
    if set(fields) != {"arithmetic"} or not recorded:
        space.require(embedder.space, doing)
        return embedder
    seen = _compare(embedder, recorded)
    if not seen.one_space:
        raise SpaceMismatch(
            f"{doing}: the model computes in {embedder.space.arithmetic}, the collection was made "
            f"in {space.arithmetic}, and their vectors are not the same. Cosines over "
            f"{len(recorded)} canaries: {', '.join(f'{c:.4f}' for c in seen.cosines)}; expected "
            f"at least {CANARY_COSINE}. Use the model in {space.arithmetic}, or make a new "
            "collection with this one.",
            fields,
        )
    if isinstance(embedder, CachedEmbedder):
        cached: Embedder = CachedEmbedder(_Admitted(embedder.inner, space), embedder.cache)
        return cached
    return _Admitted(embedder, space)


class _Admitted:
    """An embedder whose vectors were measured to be those of another space."""

    def __init__(self, embedder: Embedder, space: Space) -> None:
        self._embedder = embedder
        self.space = space

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        return self._embedder.count(texts, role)

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Vectors:
        array = self._embedder.embed(texts, role, on_long=on_long).array
        return Vectors(array, self.space, role)


def _compare(embedder: Embedder, recorded: Sequence[Canary]) -> Agreement:
    embed = for_canaries(embedder)
    cosines = []
    for canary in recorded:
        now = embed([canary.text], canary.role).array[0]
        norms = np.linalg.norm(now) * np.linalg.norm(canary.vector)
        cosines.append(float(now @ canary.vector / norms))
    return Agreement(tuple(cosines))
