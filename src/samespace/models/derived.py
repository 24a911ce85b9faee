"""A model's vectors with fewer dimensions or fewer bits: a Space of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from samespace.errors import InputError
from samespace.models.base import Embedder
from samespace.space import Precision, Space, Vectors
from samespace.types import Role
from samespace.vectors.matryoshka import truncate
from samespace.vectors.quantize import bytes_per_vector, dequantize, quantize

if TYPE_CHECKING:
    from samespace.models.hosted.budget import Usage


class DerivedEmbedder:
    """Keeps the first dimensions of another embedder's vectors and rounds those of documents.

    A query is cut to the same dimensions and stays in full precision: it is never stored, so
    rounding it would lose quality and save nothing. What was rounded comes back as float32, at
    length 1 where the space is normalized.

    Rounding is not continuous: where a runtime's own last bits depend on what else is in a
    batch, a number on the edge between two codes may fall to either side.

    Args:
        embedder: the model; its own vectors must be in full precision.
        dimensions: how many to keep, the model's own if None.
        precision: what a document's numbers are rounded to.

    Raises:
        InputError: more dimensions than the model has, or an unknown precision.

    >>> from samespace.models import HashEmbedder
    >>> small = DerivedEmbedder(HashEmbedder(), dimensions=128, precision="int8")
    >>> small.space.dimensions, small.space.precision, small.space == HashEmbedder().space
    (128, 'int8', False)
    """

    def __init__(
        self,
        embedder: Embedder,
        dimensions: int | None = None,
        precision: Precision = "float32",
    ) -> None:
        space = embedder.space
        kept = space.dimensions if dimensions is None else dimensions
        if not 1 <= kept <= space.dimensions:
            raise InputError(
                f"dimensions must lie between 1 and the {space.dimensions} of {space.model}, "
                f"got {kept}"
            )
        if space.precision not in ("float32", precision):
            raise InputError(
                f"the vectors of {space.model} are rounded to {space.precision} already; derive "
                f"{precision} from the model itself"
            )
        bytes_per_vector(kept, precision)
        self._embedder = embedder
        self._space = dataclasses.replace(space, dimensions=kept, precision=precision)

    @property
    def space(self) -> Space:
        """The model's space with these dimensions and this precision."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The model's window."""
        return self._embedder.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included."""
        return self._embedder.count(texts, role)

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Vectors:
        """Return one vector per text, in the order of the texts.

        Raises:
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
            InvalidVectors: a vector is all zeros in the dimensions that are kept.
        """
        return self._derived(self._embedder.embed(texts, role, on_long=on_long))

    def stream(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Yield positions and vectors as the embedder does, or all at once where it does not."""
        if hasattr(self._embedder, "stream"):
            for places, vectors in self._embedder.stream(texts, role, on_long=on_long):
                yield places, self._derived(vectors)
        else:
            yield list(range(len(texts))), self.embed(texts, role, on_long=on_long)

    @property
    def exact_counts(self) -> bool:
        """Whether `count` is exact."""
        return bool(getattr(self._embedder, "exact_counts", True))

    @property
    def usage(self) -> Usage | None:
        """What a hosted model was asked; None for others."""
        return getattr(self._embedder, "usage", None)

    @property
    def price_per_million(self) -> float | None:
        """What a hosted model takes for a million tokens, in US dollars; None for others."""
        return getattr(self._embedder, "price_per_million", None)

    def _derived(self, vectors: Vectors) -> Vectors:
        return derive(vectors, self._space)


def is_derived(space: Space, source: Space) -> bool:
    """Say whether a space's vectors can be computed from another's, without the model.

    >>> from samespace.models import HashEmbedder
    >>> source = HashEmbedder().space
    >>> small = DerivedEmbedder(HashEmbedder(), dimensions=128).space
    >>> is_derived(small, source), is_derived(source, small)
    (True, False)
    """
    differing = set(source.diff(space))
    return (
        bool(differing)
        and differing <= {"dimensions", "precision"}
        and space.dimensions <= source.dimensions
        and source.precision == "float32"
    )


def derive(vectors: Vectors, space: Space) -> Vectors:
    """Return vectors in a space whose vectors are computed from theirs, see `is_derived`.

    Raises:
        InvalidVectors: a vector is all zeros in the dimensions that are kept.
    """
    role, array = vectors.role, vectors.array
    if space.dimensions < array.shape[1]:
        array = truncate(array, space.dimensions, normalize=space.normalized)
    if role == "document" and space.precision != "float32":
        array = dequantize(quantize(array, space.precision), normalize=space.normalized)
    return Vectors(array, space, role)
