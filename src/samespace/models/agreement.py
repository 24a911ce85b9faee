"""Whether what two embedders make may stand in one space: measured, not assumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from samespace.errors import SpaceError, SpaceMismatch
from samespace.models.base import Embedder
from samespace.models.cache import CachedEmbedder
from samespace.models.catalog import find
from samespace.models.derived import DerivedEmbedder
from samespace.models.inputs import OnLongText
from samespace.space import (
    CANARY_COSINE,
    Canary,
    EmbedFunction,
    Space,
    Vectors,
    canary_cosines,
    canary_likeness,
    check_canaries,
    record_canaries,
)
from samespace.types import Role

FAMILY_COSINE = 0.9
"""The least cosine of a canary between two models that are declared to share one space."""

_SHARED = ("kind", "modality", "dimensions", "normalized", "metric", "precision")
"""What two models of a family must have in common; all else may differ."""


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

    def __str__(self) -> str:
        return ", ".join(f"{cosine:.4f}" for cosine in self.cosines)


def for_canaries(embedder: Embedder) -> EmbedFunction:
    """Return a model's `embed` as canaries need it: a small window cuts the long one.

    Where tokens are estimated nothing can be cut, and `TooLong` says that it does not fit.
    """
    if isinstance(embedder, _Relative):
        embedder = embedder.itself  # it embeds no other documents than these
    exact = getattr(embedder, "exact_counts", True)
    on_long: OnLongText = "truncate" if exact else "error"
    return lambda texts, role: embedder.embed(texts, role, on_long=on_long)


def check_model(embedder: Embedder, recorded: Sequence[Canary], *, quick: bool = True) -> None:
    """Raise ModelDrift if a model answers the recorded inputs with other vectors than it did.

    As `check_canaries`; but of a relative that `same_space` admitted only that it is near.
    """
    least, asked = least_cosine(embedder), that_fit(embedder, recorded)
    check_canaries(for_canaries(embedder), asked, quick=quick, least=least)


def that_fit(embedder: Embedder, recorded: Sequence[Canary]) -> Sequence[Canary]:
    """Return the canaries that a model can be asked.

    Where tokens are estimated now, and were counted when they were recorded, the long one may not
    fit any more; that is no drift.
    """
    if getattr(embedder, "exact_counts", True):
        return recorded
    return [
        canary
        for canary in recorded
        if embedder.count([canary.text], canary.role)[0] <= embedder.max_tokens
    ]


def least_cosine(embedder: Embedder) -> float:
    """Return the cosine to recorded canaries below which a model has drifted."""
    return embedder.least if isinstance(embedder, _Admitted) else CANARY_COSINE


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

    It may if its Space is this one. If only the arithmetic differs, it may if it gives the
    recorded canaries, all of them, the vectors that they had. If the catalog declares both models
    to be of one family, it may if every canary is nearest to its own recorded vector, and as near
    as `FAMILY_COSINE`. `check_model` tells later whether what is returned has drifted.

    Args:
        embedder: what shall make vectors of the space.
        space: the space, of a collection for example.
        recorded: its canaries.
        doing: what is about to happen, for the message.

    Raises:
        SpaceMismatch: the spaces differ in another field, or the vectors do.
    """
    fields = space.diff(embedder.space)
    if fields and recorded and set(fields) == {"arithmetic"}:
        return _of_one_model(embedder, space, recorded, doing)
    if fields and recorded and one_family(space, embedder.space):
        return _of_one_family(embedder, space, recorded, doing)
    space.require(embedder.space, doing)
    return embedder


def one_family(a: Space, b: Space) -> bool:
    """Say whether the catalog declares two models to share one space.

    Their entries name one family, or the entry of one names the other model as its family; and
    their vectors are of one form: width, normalization, metric, kind.
    """
    if a.model == b.model or any(getattr(a, name) != getattr(b, name) for name in _SHARED):
        return False
    first, second = find(a.model), find(b.model)
    if first is None or second is None:
        return False
    return (first.family or first.name) == (second.family or second.name)


def _of_one_model(
    embedder: Embedder, space: Space, recorded: Sequence[Canary], doing: str
) -> Embedder:
    seen = _compare(embedder, recorded)
    if not seen.one_space:
        raise SpaceMismatch(
            f"{doing}: the model computes in {embedder.space.arithmetic}, the collection was made "
            f"in {space.arithmetic}, and their vectors are not the same. Cosines over "
            f"{len(recorded)} canaries: {seen}; expected at least {CANARY_COSINE}.\n"
            f"{space.explain(embedder.space)}\n"
            "To change the collection's model: samespace migrate KB --to MODEL.",
            space.diff(embedder.space),
        )
    if isinstance(embedder, CachedEmbedder):
        cached: Embedder = CachedEmbedder(
            _Admitted(embedder.inner, space, CANARY_COSINE), embedder.cache
        )
        return cached
    return _Admitted(embedder, space, CANARY_COSINE)


def _of_one_family(
    embedder: Embedder, space: Space, recorded: Sequence[Canary], doing: str
) -> Embedder:
    alike = canary_likeness(for_canaries(embedder), recorded)
    seen = Agreement(tuple(map(float, alike.diagonal())))
    mistaken = int((alike.argmax(axis=1) != np.arange(len(recorded))).sum())
    if mistaken or seen.least < FAMILY_COSINE:
        raise SpaceMismatch(
            f"{doing}: {embedder.space.model} is declared to share the space of {space.model}, "
            f"but its vectors lie elsewhere. Cosines over {len(recorded)} canaries: {seen}; "
            f"expected at least {FAMILY_COSINE}. {mistaken} of them are nearest to another canary. "
            "Take the family out of your entry in the catalog, or ask the provider.\n"
            "To change the collection's model: samespace migrate KB --to MODEL.",
            space.diff(embedder.space),
        )
    # Before the cache, whose keys must name the model that made a vector: the family's are near
    # each other, not the same.
    return _Relative(embedder, space)


class _Admitted(DerivedEmbedder):
    """An embedder whose canaries were measured to lie in another space, `least` near at least."""

    def __init__(self, embedder: Embedder, space: Space, least: float) -> None:
        self._embedder = embedder
        self._space = space
        self.least = least

    def _derived(self, vectors: Vectors) -> Vectors:
        return Vectors(vectors.array, self._space, vectors.role)


class _Relative(_Admitted):
    """A model of the family: it embeds questions for the space, and no documents."""

    def __init__(self, embedder: Embedder, space: Space) -> None:
        super().__init__(embedder, space, FAMILY_COSINE)
        self.itself = embedder

    @property
    def relative(self) -> str:
        """The name of the model."""
        return self.itself.space.model

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per question.

        Raises:
            SpaceError: the role is "document".
        """
        self._require_query(role)
        return super().embed(texts, role, on_long=on_long)

    def stream(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Yield positions and vectors as the model does; raises as `embed`."""
        self._require_query(role)
        return super().stream(texts, role, on_long=on_long)

    def _require_query(self, role: Role) -> None:
        if role == "document":
            mine, theirs = self.relative, self._space.model
            raise SpaceError(
                f"{mine} shares the space of {theirs} as its family, so it may ask; but a document "
                f"that it embedded would stand among those of {theirs} for ever, and only near its "
                f"place. To add documents open the collection with {theirs}, or migrate it: "
                f"samespace migrate KB --to {mine}"
            )


def _compare(embedder: Embedder, recorded: Sequence[Canary]) -> Agreement:
    return Agreement(canary_cosines(for_canaries(embedder), recorded))
