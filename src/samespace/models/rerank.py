"""From a name to a reranker; and embedders of every kind that serve as one."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from samespace.errors import InputError
from samespace.forms import MultiVectors, SparseVectors
from samespace.models.base import Embedder, Embeds, MultiVectorEmbedder, Reranker, SparseEmbedder
from samespace.models.catalog import find
from samespace.models.loading import load, refuse_unsupported
from samespace.models.weights import locate
from samespace.models.what import What, what_is
from samespace.space import Vectors
from samespace.vectors.late import maxsim, sparse_dot

ENTRY_POINTS = "samespace.rerankers"

E = TypeVar("E", bound=Embeds[Any])


class _Judge(ABC, Generic[E]):
    """Scores texts by comparing their vectors with the query's, in one Space."""

    def __init__(self, embedder: E, on_long: Literal["error", "truncate"] = "error") -> None:
        self.embedder = embedder
        self._on_long = on_long

    @property
    def name(self) -> str:
        """The model's name."""
        return self.embedder.space.model

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the score of each text, in the order of the texts.

        Raises:
            TooLong: a text exceeds the window and `on_long` is "error".
        """
        if not texts:
            return []
        asked = self.embedder.embed([query], "query", on_long=self._on_long)
        found = self.embedder.embed(texts, "document", on_long=self._on_long)
        asked.space.require(found.space, "reranking")
        return [float(score) for score in self._compare(asked, found)]

    @abstractmethod
    def _compare(self, asked: Any, found: Any) -> Any:
        """Return the score of each text found."""


class EmbedderReranker(_Judge[Embedder]):
    """Scores texts by the cosine of their vectors with the query's, by an embedder's own model.

    It lets a strong model judge what a cheap search (lexical, or another model) found, without
    indexing anything with it. Query and texts are both embedded here.

    Args:
        embedder: the model that judges.
        on_long: what happens to a text beyond its window: "error", or "truncate" by name.
    """

    def _compare(self, asked: Vectors, found: Vectors) -> Any:
        lengths = (found.array**2).sum(axis=1) ** 0.5 * (asked.array[0] ** 2).sum() ** 0.5
        return found.array @ asked.array[0] / lengths


class SparseReranker(_Judge[SparseEmbedder]):
    """Scores texts by the product of their sparse weights with the query's (SPLADE).

    Args:
        embedder: the model that judges.
        on_long: what happens to a text beyond its window: "error", or "truncate" by name.
    """

    def _compare(self, asked: SparseVectors, found: SparseVectors) -> Any:
        return sparse_dot(asked, found)[0]


class MultiVectorReranker(_Judge[MultiVectorEmbedder]):
    """Scores texts by late interaction with the query (ColBERT): see `vectors.late.maxsim`.

    Args:
        embedder: the model that judges.
        on_long: what happens to a query or text beyond its window: "error", or "truncate" by
            name. ColBERT's window for queries is short, often 32 tokens.
    """

    def _compare(self, asked: MultiVectors, found: MultiVectors) -> Any:
        return maxsim(asked, found)[0]


def load_reranker(model: str | os.PathLike[str] | Reranker) -> Reranker:
    """Return a reranker for a name.

    Args:
        model: the name of an entry point of the group `samespace.rerankers`, a callable that
            takes the name and returns a reranker; the name or folder of a cross-encoder, hosted
            or not; that of an embedding model, which then scores by its own vectors (cosine,
            product of sparse weights, or late interaction); or a reranker, which is returned as
            it is.

    Raises:
        ModelNotFound: nothing has the name.
        ModelError: the folder's model cannot be used.
        MissingExtra: the model needs a package that is not installed.
        InputError: what was given, or what an entry point returned, is no reranker.
    """
    reranker: object = model
    if isinstance(model, str):
        entries = [entry for entry in entry_points(group=ENTRY_POINTS) if entry.name == model]
        reranker = entries[0].load()(model) if entries else _named(model)
    elif isinstance(model, os.PathLike):
        reranker = _judge(model, what_is(Path(model)))
    if not isinstance(reranker, Reranker):
        raise InputError(
            f"expected a reranker: a name, a folder, or an object with name and score, got "
            f"{type(reranker).__name__}"
        )
    return reranker


def _named(name: str) -> Reranker:
    card = find(name)
    if card is None:
        return _judge(name, what_is(Path(name)) if name and Path(name).is_dir() else "dense")
    if not card.embeds:
        if card.hosted:
            from samespace.models.hosted import HostedReranker

            return HostedReranker(card)
        from samespace.models.torch import TorchReranker

        refuse_unsupported(card)
        return TorchReranker(locate(card), card=card)
    only = card.kinds[0] if len(card.kinds) == 1 else "dense"
    return _judge(name, only)


def _judge(model: str | os.PathLike[str], what: What) -> Reranker:
    if what == "cross-encoder":
        from samespace.models.torch import TorchReranker

        return TorchReranker(model)
    if what == "sparse":
        return SparseReranker(load(model, kind="sparse"))
    if what == "multi-vector":
        return MultiVectorReranker(load(model, kind="multi-vector"))
    return EmbedderReranker(load(model))
