"""From a name to a reranker; and an embedder that serves as one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Literal

from samespace.errors import InputError
from samespace.models.base import Embedder, Reranker
from samespace.models.loading import load

ENTRY_POINTS = "samespace.rerankers"


class EmbedderReranker:
    """Scores texts by the cosine of their vectors with the query's, by an embedder's own model.

    It lets a strong model judge what a cheap search (lexical, or another model) found, without
    indexing anything with it. Query and texts are both embedded here, in one Space.

    Args:
        embedder: the model that judges.
        on_long: what happens to a text beyond its window: "error", or "truncate" by name.
    """

    def __init__(self, embedder: Embedder, on_long: Literal["error", "truncate"] = "error") -> None:
        self.embedder = embedder
        self._on_long = on_long

    @property
    def name(self) -> str:
        """The model's name."""
        return self.embedder.space.model

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the cosine of each text with the query.

        Raises:
            TooLong: a text exceeds the window and `on_long` is "error".
        """
        if not texts:
            return []
        asked = self.embedder.embed([query], "query", on_long=self._on_long)
        found = self.embedder.embed(texts, "document", on_long=self._on_long)
        asked.space.require(found.space, "reranking")
        lengths = (found.array**2).sum(axis=1) ** 0.5 * (asked.array[0] ** 2).sum() ** 0.5
        return [float(score) for score in found.array @ asked.array[0] / lengths]


def load_reranker(model: str | Reranker) -> Reranker:
    """Return a reranker for a name.

    Args:
        model: the name of an entry point of the group `samespace.rerankers`, a callable that
            takes the name and returns a reranker; the name or folder of an embedding model,
            which then scores by cosine; or a reranker, which is returned as it is.

    Raises:
        ModelNotFound: nothing has the name.
        InputError: what was given, or what an entry point returned, is no reranker.
    """
    reranker: object = model
    if isinstance(model, str):
        entries = [entry for entry in entry_points(group=ENTRY_POINTS) if entry.name == model]
        reranker = entries[0].load()(model) if entries else EmbedderReranker(load(model))
    if not isinstance(reranker, Reranker):
        raise InputError(
            f"expected a reranker: a name, or an object with name and score, got "
            f"{type(reranker).__name__}"
        )
    return reranker
