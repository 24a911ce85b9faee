"""LlamaIndex with its default vector store, persisted as its documentation has it.

https://developers.llamaindex.ai/python/framework/understanding/rag/storing (persist, load)
https://developers.llamaindex.ai/python/framework/module_guides/indexing/document_management
(refresh_ref_docs)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from . import Passage


def _documents(passages: Sequence[Passage]) -> list[Document]:
    return [Document(text=p.text, id_=p.id) for p in passages]


class System:
    """A VectorStoreIndex over the default stores, which are files of JSON."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.embedder = HuggingFaceEmbedding(model_name=str(model), device="cpu")
        self.embedder.get_text_embedding("loads the weights")
        self.store = folder / "storage"
        self.built: Any = None
        self.retriever: Any = None

    def index(self, passages: Sequence[Passage]) -> None:
        self.built = VectorStoreIndex.from_documents(
            _documents(passages), embed_model=self.embedder
        )
        self.built.storage_context.persist(persist_dir=str(self.store))

    def update(self, passages: Sequence[Passage]) -> None:
        if not self.store.exists():
            self.index(passages)
            return
        self.open()
        self.built.refresh_ref_docs(_documents(passages))
        self.built.storage_context.persist(persist_dir=str(self.store))

    def open(self) -> None:
        context = StorageContext.from_defaults(persist_dir=str(self.store))
        self.built = load_index_from_storage(context, embed_model=self.embedder)
        self.retriever = None

    def search(self, query: str, k: int, mode: str) -> list[str]:
        if self.retriever is None:
            self.retriever = self.built.as_retriever(similarity_top_k=k)
        # A passage of several nodes counts where its best one stands.
        found = [hit.node.ref_doc_id for hit in self.retriever.retrieve(query)]
        return list(dict.fromkeys(found))

    def _data(self) -> Any:
        return self.built.vector_store.data

    def rows(self) -> list[str]:
        return list(self._data().text_id_to_ref_doc_id.values())

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        data, nodes = self._data(), Counter(self.rows())
        wanted = {id for id in ids if nodes[id] == 1}
        return {
            passage: np.asarray(data.embedding_dict[node])
            for node, passage in data.text_id_to_ref_doc_id.items()
            if passage in wanted
        }
