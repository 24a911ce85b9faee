"""What the rest of the house asks of a model: the protocols of embedders and rerankers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar, runtime_checkable

from samespace.forms import MultiVectors, SparseVectors
from samespace.space import Space, Vectors
from samespace.types import Role

V_co = TypeVar("V_co", covariant=True)


class Embeds(Protocol[V_co]):
    """A runtime for one Space. Any object that has these members works.

    An embedder is safe to call from several threads at once. A vector does not depend on what
    else is in the call, nor on the order of the inputs.

    Three more members are used where an embedder has them:

    - `exact_counts`: False where `count` estimates, on the upper side.
    - `stream(texts, role, *, on_long)`: yields positions and vectors as they are done, so that
      what was done before a failure is kept.
    - `usage`: what a provider was asked, a `samespace.models.hosted.Usage`, or None.
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
    ) -> V_co:
        """Return the vectors of the texts, in their order.

        Raises:
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
        """


@runtime_checkable
class Embedder(Embeds[Vectors], Protocol):
    """Makes one vector for a text; its space is of kind "dense"."""


class SparseEmbedder(Embeds[SparseVectors], Protocol):
    """Makes weights of the words of a vocabulary; its space is of kind "sparse"."""


class MultiVectorEmbedder(Embeds[MultiVectors], Protocol):
    """Makes a vector for each token; its space is of kind "multi-vector"."""


@runtime_checkable
class Reranker(Protocol):
    """Scores how well texts answer a query. Any object that has these members works."""

    @property
    def name(self) -> str:
        """What it is called in reports."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one finite score per text, in the order of the texts; higher answers better."""
