"""samespace: the embedding layer for retrieval.

Every vector that is ever compared lives in the same space. Importing this package loads no
runtime, no store and no HTTP client: each name is fetched when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from samespace.errors import SamespaceError
from samespace.types import Chunk, Document, Hit

if TYPE_CHECKING:
    from samespace.collection import Collection
    from samespace.ingest.inputs import PathLike
    from samespace.models.base import Embedder
    from samespace.models.cache import Cache
    from samespace.models.hosted import Budget
    from samespace.run import Run
    from samespace.space import Space, Vectors
    from samespace.text.load import LoadOptions
    from samespace.together import search_together

__all__ = [
    "Chunk",
    "Collection",
    "Document",
    "Hit",
    "LoadOptions",
    "Run",
    "SamespaceError",
    "Space",
    "Vectors",
    "__version__",
    "open",
    "search_together",
]

__version__ = "0.1.0"

_LAZY = {
    "Collection": "samespace.collection",
    "LoadOptions": "samespace.text.load",
    "Run": "samespace.run",
    "Space": "samespace.space",
    "Vectors": "samespace.space",
    "search_together": "samespace.together",
}


def open(
    path: PathLike,
    model: PathLike | Embedder | None = None,
    *,
    cache: Cache = True,
    budget: Budget | None = None,
) -> Collection:
    """Open a collection: see `Collection.open`."""
    from samespace.collection import Collection

    return Collection.open(path, model, cache=cache, budget=budget)


def __getattr__(name: str) -> object:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'samespace' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
