"""The systems that are compared end to end, each behind the same small protocol.

One module per system, imported only in the process that runs it. Its class is called `System`.
The calls in it are those of the system's own documentation, named beside each; nothing is tuned
that the documentation does not ask to tune.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np


class Passage(NamedTuple):
    """One text to be found."""

    id: str
    title: str
    body: str

    @property
    def text(self) -> str:
        """What is embedded, the same string for every system."""
        return f"{self.title}\n{self.body}"


class System(Protocol):
    """A system with a model loaded, working in one folder.

    The constructor takes the folder of the model, the folder of the store, and the options of
    the entry. It imports and loads; it opens nothing. After any call that takes passages, what
    was indexed survives the end of the process.

    The calls that take passages are methods, of which `index` is the one that the
    documentation begins with; others are listed in the entry's `calls`.
    """

    def index(self, passages: Sequence[Passage]) -> None:
        """Index by the call that the documentation begins with."""

    def open(self) -> None:
        """Open for searching what is in the folder."""

    def search(self, query: str, k: int, mode: str) -> list[str]:
        """Return the ids of the k best passages, best first."""

    def rows(self) -> list[str]:
        """Return the passage id of every row in the store, as often as there are rows."""

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return stored vectors; passages that have not exactly one are left out."""


@dataclass(frozen=True)
class Entry:
    """What the benchmark must know of a system before it starts its process.

    Args:
        module: the module of this package that holds it.
        modes: how it is searched, the default of the system first.
        calls: method -> what is called, in the words of a reader of the documentation.
        other: how another model comes to query what is stored.
        options: given to its constructor.
    """

    module: str
    modes: tuple[str, ...]
    calls: Mapping[str, str]
    other: str
    options: Mapping[str, Any] = field(default_factory=dict)


_TXTAI = {
    "index": "Embeddings.index, save",
    "update": "Embeddings.load, upsert, save",
    "checkpoint": "Embeddings(batch=50).index(checkpoint=...), save",
}
_TXTAI_OTHER = 'Embeddings.load(folder, config={"path": other})'

ENTRIES: Mapping[str, Entry] = {
    "samespace": Entry(
        "samespace_",
        ("hybrid", "dense"),
        {"index": "Collection.add"},
        "samespace.open(folder, model=other)",
    ),
    "samespace, one vector per passage": Entry(
        "samespace_",
        ("dense", "hybrid"),
        {"index": "Collection.add"},
        "samespace.open(folder, model=other)",
        {"chunking": "document", "on_long": "truncate"},
    ),
    "txtai": Entry("txtai_", ("hybrid", "dense"), _TXTAI, _TXTAI_OTHER, {"hybrid": True}),
    "txtai, window set to 256": Entry(
        "txtai_", ("dense",), _TXTAI, _TXTAI_OTHER, {"maxlength": 256}
    ),
    "Chroma": Entry(
        "chroma_",
        ("dense",),
        {"index": "Collection.add", "update": "Collection.upsert"},
        "get_collection(embedding_function=other)",
    ),
    "LanceDB": Entry(
        "lancedb_",
        ("dense", "hybrid"),
        {"index": "create_table or Table.add", "update": 'Table.merge_insert("id")'},
        "registry.create(name=other); Table.search(text)",
    ),
    "LlamaIndex": Entry(
        "llamaindex_",
        ("dense",),
        {
            "index": "VectorStoreIndex.from_documents, persist",
            "update": "load_index_from_storage, refresh_ref_docs, persist",
        },
        "load_index_from_storage(embed_model=other)",
    ),
    "Haystack": Entry(
        "haystack_",
        ("dense", "hybrid"),
        {
            "index": "Pipeline with DocumentWriter, save_to_disk",
            "update": "the same with DuplicatePolicy.OVERWRITE",
        },
        "SentenceTransformersTextEmbedder(model=other)",
    ),
}


def make(name: str, model: Path, folder: Path) -> System:
    """Import a system and load its model."""
    entry = ENTRIES[name]
    module = import_module(f"systems.{entry.module}")
    system: System = module.System(model, folder, **entry.options)
    return system
