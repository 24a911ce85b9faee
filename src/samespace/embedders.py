"""The models of one open collection: one for each Space, loaded when needed, checked once."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import InputError, ModelNotFound
from samespace.models import load
from samespace.models.agreement import check_model, same_space
from samespace.models.base import Embedder
from samespace.models.cache import Cache, choose
from samespace.store.base import Header

if TYPE_CHECKING:
    from samespace.models.hosted.budget import Budget


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

    A migration may switch the collection to another Space while it is open; so each is known by
    the Space that it serves. Safe to use from several threads.
    """

    def __init__(self, path: Path, cache: Cache, budget: Budget | None) -> None:
        self._path = path
        self._cache, self._budget = cache, budget
        self._by_space: dict[str, Embedder] = {}
        self._checked: set[str] = set()
        self._lock = threading.RLock()

    def give(self, embedder: Embedder, header: Header, doing: str) -> None:
        """Use this model for the Space of a header.

        Raises:
            SpaceMismatch: it is not a model of that Space.
        """
        admitted = same_space(embedder, header.space, header.canaries, doing)
        with self._lock:
            self._by_space[header.space.id] = admitted
            self._checked.discard(header.space.id)

    def trust(self, embedder: Embedder, header: Header) -> None:
        """Use this for the Space of a header without any comparison.

        For a model whose canaries were recorded just now, and for bridges, which are no model of
        the Space and check theirs by canaries of its own.
        """
        with self._lock:
            self._by_space[header.space.id] = embedder
            self._checked.add(header.space.id)

    def known(self, header: Header) -> Embedder | None:
        """Return the model of a Space if it was given or loaded already."""
        return self._by_space.get(header.space.id)

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
            self._by_space[header.space.id] = embedder
            return embedder

    def checked(self, header: Header) -> Embedder:
        """Return the model of a Space after having seen, once, that it did not drift.

        Raises:
            ModelDrift: it answers the canaries with other vectors than it did.
        """
        embedder = self.of(header)
        if header.space.id not in self._checked:
            check_model(embedder, header.canaries)
            self._checked.add(header.space.id)
        return embedder
