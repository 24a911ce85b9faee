"""samespace: `Collection.add` and `Collection.search`, as README.md has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samespace import Collection, Document
from samespace.models import load

from . import Passage

_SINGLE = """
SELECT d.id, v.row FROM documents d JOIN chunks c ON c.document = d.number
JOIN vectors v ON v.hash = c.hash GROUP BY d.number HAVING count(*) = 1
"""


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
        with self._there()._store.read() as reader:
            query = "SELECT d.id FROM chunks c JOIN documents d ON d.number = c.document"
            return [row[0] for row in reader._connection.execute(query)]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        wanted = set(ids)
        with self._there()._store.read() as reader:
            found = [r for r in reader._connection.execute(_SINGLE) if r[0] in wanted]
            found.sort(key=lambda row: row[1])
            rows = np.array([row for _, row in found], np.int64)
            stored = np.vstack(list(reader._mapped.gather(rows)))
        return {id: vector for (id, _), vector in zip(found, stored, strict=True)}
