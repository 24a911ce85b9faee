"""The models of one open collection: one for each Space, loaded when needed, checked once."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import InputError, ModelNotFound, TooLong
from samespace.models import load
from samespace.models.agreement import check_model, same_space
from samespace.models.base import Embedder
from samespace.models.cache import Cache, CachedEmbedder, choose
from samespace.space import Vectors
from samespace.store.base import Header
from samespace.types import OnLong

if TYPE_CHECKING:
    from samespace.models.hosted.budget import Budget

RECHECK_SECONDS = 600.0
"""After so long a model that no digest of weights pins is asked its canaries again."""


def loaded(
    model: str | os.PathLike[str] | Embedder, cache: Cache, budget: Budget | None
) -> Embedder:
    """Return the model, behind the cache if it is samespace that loads it."""
    embedder = load(model, budget=budget)
    if not isinstance(model, str | os.PathLike):
        if budget is not None:
            raise InputError(
                "a budget is for a model given by its name; an object is given its own: "
                "HostedEmbedder(name, budget=...)"
            )
        return embedder
    behind: Embedder = choose(embedder, cache)
    return behind


class Embedders:
    """The models of one open collection.

    A migration may switch the collection to another Space while it is open, or to other vectors
    under the same where a model drifted; so each is known by the Space and the canaries that it
    serves. Safe to use from several threads.
    """

    def __init__(self, path: Path, cache: Cache, budget: Budget | None) -> None:
        self._path = path
        self._cache, self._budget = cache, budget
        self._models: dict[str, tuple[str, Embedder]] = {}
        self._checked: dict[str, float] = {}
        self._lock = threading.RLock()
        self._checking = threading.Lock()

    def give(self, embedder: Embedder, header: Header, doing: str) -> None:
        """Use this model for the Space of a header.

        Raises:
            SpaceMismatch: it is not a model of that Space.
        """
        admitted = same_space(embedder, header.space, header.canaries, doing)
        with self._lock:
            self._models[header.pinned] = header.space.id, admitted
            self._checked.pop(header.pinned, None)

    def trust(self, embedder: Embedder, header: Header) -> None:
        """Use this for the Space of a header without any comparison.

        For a model whose canaries were recorded just now, and for bridges, which are no model of
        the Space and check theirs by canaries of its own.
        """
        with self._lock:
            self._models[header.pinned] = header.space.id, embedder
            self._checked[header.pinned] = time.monotonic()

    def known(self, header: Header) -> Embedder | None:
        """Return the model of a Space if it was given or loaded already."""
        found = self._models.get(header.pinned)
        return None if found is None else found[1]

    def of(self, header: Header) -> Embedder:
        """Return the model of a Space, loaded when first needed and compared with the Space.

        Raises:
            ModelNotFound: it cannot be found; open the collection with `model=`.
            SpaceMismatch: what was found under its name is another model.
        """
        with self._lock:
            known = self.known(header)
            if known is not None:
                return known
            for space, embedder in self._models.values():
                # Another side in the same Space, or another collection: canaries will tell.
                if space == header.space.id and not getattr(embedder, "bridged", False):
                    self._models[header.pinned] = space, embedder
                    return embedder
            if not header.model:
                raise InputError(
                    f"{self._path} was made with an embedder object ({header.space.model}); "
                    "pass it again: samespace.open(path, model=...)"
                )
            try:
                embedder = loaded(header.model, self._cache, self._budget)
            except ModelNotFound as error:
                raise ModelNotFound(
                    f"{self._path} was made with the model {header.model!r}, which is not found "
                    "any more. If it lies elsewhere, say where: samespace.open(path, model=...) "
                    f"or --model MODEL.\n{error}"
                ) from error
            header.space.require(embedder.space, f"loading the model of {self._path}")
            self._models[header.pinned] = header.space.id, embedder
            return embedder

    def checked(self, header: Header) -> Embedder:
        """Return the model of a Space after having seen that it did not drift.

        It is asked once; a hosted model, which may change at any time, every ten minutes.

        Raises:
            ModelDrift: it answers the canaries with other vectors than it did.
        """
        embedder = self.of(header)
        if not self._is_checked(header):
            with self._checking:
                if not self._is_checked(header):  # another thread did it meanwhile
                    if getattr(embedder, "bridged", False):
                        embedder.check()  # type: ignore[attr-defined]  # a BridgedEmbedder
                    else:
                        check_model(embedder, header.canaries)
                    self._checked[header.pinned] = time.monotonic()
        return embedder

    def _is_checked(self, header: Header) -> bool:
        at = self._checked.get(header.pinned)
        if at is None:
            return False
        bridge = getattr(self.known(header), "bridge", None)
        space = header.space if bridge is None else bridge.source
        return bool(space.weights) or time.monotonic() - at < RECHECK_SECONDS

    def bridge(self, header: Header) -> str:
        """Return the model that stands in for the Space's own by a bridge, or ""."""
        bridge = getattr(self.known(header), "bridge", None)
        return "" if bridge is None else str(bridge.source.model)

    def called(self, header: Header) -> str:
        """Return what the model is called that embeds questions for a Space."""
        bridge = self.bridge(header)
        if bridge:
            return f"{bridge} by a bridge to {header.space.model}"
        relative = getattr(self.known(header), "relative", "")
        return f"{relative} for {header.space.model}" if relative else header.space.model

    def query_vector(self, header: Header, query: str, on_long: OnLong = "error") -> Vectors:
        """Return a question's vector in the Space of a side, by its model, checked.

        Raises:
            TooLong: the question does not fit the window, and `on_long` is "error".
            SpaceMismatch, ModelDrift: the model is not the side's.
        """
        embedder = self.checked(header)
        if on_long != "truncate":
            tokens = embedder.count([query], "query")[0]
            if tokens > embedder.max_tokens:
                raise TooLong(
                    f"the query has {tokens} tokens, and the window of {header.space.model} is "
                    f'{embedder.max_tokens}; shorten it, search with mode="lexical", or cut it '
                    'by name with on_long="truncate"'
                )
        cut: Any = on_long
        return embedder.embed([query], "query", on_long=cut)

    def embed_documents(self, header: Header, texts: list[str]) -> tuple[Vectors, list[bool]]:
        """Return the vectors of documents' texts, and of each whether the cache knew it."""
        embedder = self.checked(header)
        on_long: Any = "truncate" if header.recipe["on_long"] == "truncate" else "error"
        if isinstance(embedder, CachedEmbedder):
            return embedder.embed_known(texts, "document", on_long=on_long)
        return embedder.embed(texts, "document", on_long=on_long), [False] * len(texts)
