"""Vectors of inputs that were embedded before, kept on disk and shared by all collections."""

from samespace.models.cache.embedder import CachedEmbedder
from samespace.models.cache.place import Cache, choose, default_cache
from samespace.models.cache.store import CacheStats, VectorCache

__all__ = [
    "Cache",
    "CacheStats",
    "CachedEmbedder",
    "VectorCache",
    "choose",
    "default_cache",
]
