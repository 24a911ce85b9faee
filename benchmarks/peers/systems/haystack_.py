"""Haystack with the document store that comes with it, kept on disk by `save_to_disk`.

https://docs.haystack.deepset.ai/docs/inmemorydocumentstore (the store of its tutorials; "great
for experimenting", not recommended for production). The persistent stores it names instead are
other databases behind an adapter (Chroma, which is measured by itself, Qdrant, Milvus...).
https://docs.haystack.deepset.ai/docs/documentwriter (DuplicatePolicy)
https://haystack.deepset.ai/tutorials/33_hybrid_retrieval (BM25 and embeddings, DocumentJoiner;
joined here by reciprocal rank fusion where the tutorial goes on to a cross-encoder)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import (
    InMemoryBM25Retriever,
    InMemoryEmbeddingRetriever,
)
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

from . import Passage


class System:
    """Two pipelines around an InMemoryDocumentStore."""

    def __init__(self, model: Path, folder: Path) -> None:
        # A component belongs to one pipeline only; all of one model share its loaded weights.
        self.model: dict[str, Any] = {
            "model": str(model),
            "device": ComponentDevice.from_str("cpu"),
            "progress_bar": False,
        }
        embedder = SentenceTransformersTextEmbedder(**self.model)
        embedder.warm_up()
        embedder.run("loads the weights")
        self.file = folder / "haystack.json"
        self.store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        self.asking: dict[tuple[str, int], Any] = {}

    def index(self, passages: Sequence[Passage]) -> None:
        self._write(passages, DuplicatePolicy.NONE)

    def update(self, passages: Sequence[Passage]) -> None:
        self._write(passages, DuplicatePolicy.OVERWRITE)

    def _write(self, passages: Sequence[Passage], policy: DuplicatePolicy) -> None:
        if self.file.exists():
            self.open()
        pipeline = Pipeline()
        pipeline.add_component("embedder", SentenceTransformersDocumentEmbedder(**self.model))
        pipeline.add_component("writer", DocumentWriter(self.store, policy=policy))
        pipeline.connect("embedder", "writer")
        documents = [Document(id=p.id, content=p.text) for p in passages]
        pipeline.run({"embedder": {"documents": documents}})
        self.store.save_to_disk(str(self.file))

    def open(self) -> None:
        self.store = InMemoryDocumentStore.load_from_disk(str(self.file))

    def search(self, query: str, k: int, mode: str) -> list[str]:
        if (mode, k) not in self.asking:
            self.asking[mode, k] = self._pipeline(k, mode)
        given: dict[str, Any] = {"embedder": {"text": query}}
        last = "retriever"
        if mode == "hybrid":
            given["words"] = {"query": query}
            last = "joiner"
        found = self.asking[mode, k].run(given)
        return [document.id for document in found[last]["documents"][:k]]

    def _pipeline(self, k: int, mode: str) -> Any:
        pipeline = Pipeline()
        pipeline.add_component("embedder", SentenceTransformersTextEmbedder(**self.model))
        retriever = InMemoryEmbeddingRetriever(self.store, top_k=k)
        pipeline.add_component("retriever", retriever)
        pipeline.connect("embedder.embedding", "retriever.query_embedding")
        if mode == "hybrid":
            pipeline.add_component("words", InMemoryBM25Retriever(self.store, top_k=k))
            joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=k)
            pipeline.add_component("joiner", joiner)
            pipeline.connect("retriever", "joiner")
            pipeline.connect("words", "joiner")
        return pipeline

    def rows(self) -> list[str]:
        return [document.id for document in self.store.filter_documents()]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        wanted = set(ids)
        return {
            document.id: np.asarray(document.embedding)
            for document in self.store.filter_documents()
            if document.id in wanted
        }
