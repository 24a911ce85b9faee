"""Chroma with a persistent client and its own sentence-transformers function.

https://docs.trychroma.com/docs/run-chroma/persistent-client
https://docs.trychroma.com/docs/embeddings/embedding-functions
https://docs.trychroma.com/docs/collections/add-data, .../update-data (upsert)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

from . import Passage


class System:
    """A collection of a persistent client, with default settings (HNSW)."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.function = SentenceTransformerEmbeddingFunction(model_name=str(model))
        self.function(["loads the weights"])
        self.client = chromadb.PersistentClient(path=str(folder / "chroma"))
        self.collection: Any = None

    def index(self, passages: Sequence[Passage]) -> None:
        self._write(passages, lambda collection: collection.add)

    def update(self, passages: Sequence[Passage]) -> None:
        self._write(passages, lambda collection: collection.upsert)

    def _write(
        self, passages: Sequence[Passage], method: Callable[[Any], Callable[..., None]]
    ) -> None:
        self.collection = self.client.get_or_create_collection(
            "passages", embedding_function=self.function
        )
        method(self.collection)(ids=[p.id for p in passages], documents=[p.text for p in passages])

    def open(self) -> None:
        self.collection = self.client.get_collection("passages", embedding_function=self.function)

    def search(self, query: str, k: int, mode: str) -> list[str]:
        found = self.collection.query(query_texts=[query], n_results=k)
        return list(found["ids"][0])

    def rows(self) -> list[str]:
        return list(self.collection.get(include=[])["ids"])

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        found = self.collection.get(ids=list(ids), include=["embeddings"])
        return dict(zip(found["ids"], np.asarray(found["embeddings"]), strict=True))
