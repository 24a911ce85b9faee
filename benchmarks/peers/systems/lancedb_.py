"""LanceDB with its own embedding function, and its hybrid search (RRF, the default reranker).

https://docs.lancedb.com/embedding (registry, SourceField, VectorField)
https://docs.lancedb.com/search/hybrid-search (create_fts_index, query_type="hybrid")
https://docs.lancedb.com/tables/update (add, merge_insert)

No vector index: its documentation recommends exact search below some 100,000 rows. The full-text
index is made whenever passages were written, as hybrid search needs it. A table keeps the name
of its model and a search for a text takes that model, whatever model the caller has made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
from lancedb.embeddings import get_registry
from lancedb.pydantic import LanceModel, Vector

from . import Passage


class System:
    """A table whose schema names the model."""

    def __init__(self, model: Path, folder: Path) -> None:
        registry = get_registry().get("sentence-transformers")
        self.function = registry.create(name=str(model))
        self.dimensions = self.function.ndims()
        self.database = lancedb.connect(str(folder / "lancedb"))
        self.table: Any = None

    def _schema(self) -> Any:
        function = self.function

        class Row(LanceModel):
            id: str
            text: str = function.SourceField()
            vector: Vector(self.dimensions) = function.VectorField()  # type: ignore[valid-type]

        return Row

    def _there(self) -> Any:
        if "passages" in self.database.list_tables().tables:
            return self.database.open_table("passages")
        return self.database.create_table("passages", schema=self._schema())

    def index(self, passages: Sequence[Passage]) -> None:
        self.table = self._there()
        self.table.add([{"id": p.id, "text": p.text} for p in passages])
        self.table.create_fts_index("text", replace=True)

    def update(self, passages: Sequence[Passage]) -> None:
        self.table = self._there()
        merge = self.table.merge_insert("id").when_matched_update_all()
        merge.when_not_matched_insert_all().execute(
            [{"id": p.id, "text": p.text} for p in passages]
        )
        self.table.create_fts_index("text", replace=True)

    def open(self) -> None:
        self.table = self.database.open_table("passages")

    def search(self, query: str, k: int, mode: str) -> list[str]:
        if mode == "hybrid":
            found = self.table.search(query, query_type="hybrid").limit(k)
        else:
            found = self.table.search(query).limit(k)
        return [row["id"] for row in found.select(["id"]).to_list()]

    def rows(self) -> list[str]:
        return list(self.table.to_arrow().column("id").to_pylist())

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        wanted = set(ids)
        rows = self.table.to_arrow().select(["id", "vector"]).to_pylist()
        return {r["id"]: np.asarray(r["vector"]) for r in rows if r["id"] in wanted}
