"""txtai with its default dense index (faiss) and, as an option, its hybrid one (and BM25).

https://neuml.github.io/txtai/embeddings/indexing (index, upsert, save, load, checkpoint)
https://neuml.github.io/txtai/embeddings/configuration/general (hybrid)
https://neuml.github.io/txtai/embeddings/configuration/vectors (maxlength: else the tokenizer's
own, which for this model is 512)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from txtai import Embeddings

from . import Passage

CHECKPOINT = 50
"""Texts that are vectorized between two checkpoints."""


class System:
    """An embeddings index; the options go into its configuration."""

    def __init__(self, model: Path, folder: Path, **options: Any) -> None:
        self.model = str(model)
        self.store = str(folder / "index")
        self.folder = folder
        self.embeddings = Embeddings(path=self.model, **options)
        self.embeddings.transform("loads the weights")

    def index(self, passages: Sequence[Passage]) -> None:
        self.embeddings.index((p.id, p.text) for p in passages)
        self.embeddings.save(self.store)

    def update(self, passages: Sequence[Passage]) -> None:
        if self.embeddings.exists(self.store):
            self.open()
        self.embeddings.upsert((p.id, p.text) for p in passages)
        self.embeddings.save(self.store)

    def checkpoint(self, passages: Sequence[Passage]) -> None:
        # A checkpoint holds whole batches; by default one is of 1,024 texts.
        self.embeddings.config["batch"] = CHECKPOINT
        kept = str(self.folder / "checkpoint")
        self.embeddings.index(((p.id, p.text) for p in passages), checkpoint=kept)
        self.embeddings.save(self.store)

    def open(self) -> None:
        self.embeddings.load(self.store, config={"path": self.model})

    def search(self, query: str, k: int, mode: str) -> list[str]:
        # Hybrid search mixes the two scores half and half; a weight of 1 leaves the dense one.
        weights = 1.0 if mode == "dense" else None
        return [id for id, _ in self.embeddings.search(query, k, weights)]

    def rows(self) -> list[str]:
        # A row that was replaced stays in the list, with None in place of its id.
        return [id for id in self.embeddings.ids if id is not None]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        wanted = set(ids)
        positions = {id: i for i, id in enumerate(self.embeddings.ids) if id in wanted}
        index = self.embeddings.ann.backend
        return {id: index.index.reconstruct(i) for id, i in positions.items()}
