"""samespace: `Collection.add` and `Collection.search`, as README.md has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samespace import Collection, Document
from samespace.models import load

from . import Passage


class System:
    """A collection; the options are those of `Collection.create`."""

    def __init__(self, model: Path, folder: Path, **options: Any) -> None:
        self.embedder = load(model)
        self.embedder.embed(["loads the weights"], "query")
        self.folder = folder
        self.options = options
        self.collection: Collection | None = None

    def _there(self) -> Collection:
        if self.collection is None:
            if (self.folder / "kb").exists():
                self.collection = Collection.open(self.folder / "kb", self.embedder)
            else:
                self.collection = Collection.create(
                    self.folder / "kb", self.embedder, **self.options
                )
        return self.collection

    def index(self, passages: Sequence[Passage]) -> None:
        self._there().add(Document(id=p.id, title=p.title, text=p.body) for p in passages)

    def open(self) -> None:
        self.collection = Collection.open(self.folder / "kb", self.embedder)

    def search(self, query: str, k: int, mode: str) -> list[str]:
        found = self._there().search(query, k, mode=mode, by_document=True)  # type: ignore[arg-type]
        return [hit.chunk.document for hit in found]

    def rows(self) -> list[str]:
        with self._there().store.read() as reader:
            return [id for id, _, _ in reader.inputs()]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        with self._there().store.read() as reader:
            hashes: dict[str, list[bytes]] = {}
            for id, _, hash in reader.inputs():
                hashes.setdefault(id, []).append(hash)
            single = {hashes[id][0]: id for id in ids if len(hashes.get(id, ())) == 1}
            found, stored = reader.stored(list(single))
        return {single[hash]: vector for hash, vector in zip(found, stored.array, strict=True)}
