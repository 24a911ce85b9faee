"""What the rest of the house asks of a model: the protocols of embedders and rerankers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from samespace.forms import MultiVectors, SparseVectors
from samespace.space import Space, Vectors
from samespace.types import Role


@runtime_checkable
class Embedder(Protocol):
    """A runtime for one Space. Any object that has these members works.

    An embedder is safe to call from several threads at once. A vector does not depend on what
    else is in the call, nor on the order of the inputs.
    """

    @property
    def space(self) -> Space:
        """The space of every vector that this embedder makes. Cheap: no weights are loaded."""

    @property
    def max_tokens(self) -> int:
        """The model's window, in tokens, special tokens and prompt included."""

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included.

        Nothing is truncated: a count may exceed `max_tokens`. `count([""])` is the overhead
        that every input carries.
        """

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
        """


class SparseEmbedder(Protocol):
    """An `Embedder` whose space is of kind "sparse"; see there for the members."""

    @property
    def space(self) -> Space: ...

    @property
    def max_tokens(self) -> int: ...

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]: ...

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> SparseVectors: ...


class MultiVectorEmbedder(Protocol):
    """An `Embedder` whose space is of kind "multi-vector"; see there for the members."""

    @property
    def space(self) -> Space: ...

    @property
    def max_tokens(self) -> int: ...

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]: ...

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> MultiVectors: ...


@runtime_checkable
class Reranker(Protocol):
    """Scores how well texts answer a query. Any object that has these members works."""

    @property
    def name(self) -> str:
        """What it is called in reports."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one finite score per text, in the order of the texts; higher answers better."""
