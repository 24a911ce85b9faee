"""Where the cache is, and whether it is used."""

from __future__ import annotations

import os
from typing import Any

from samespace.errors import InputError
from samespace.models.cache.embedder import CachedEmbedder
from samespace.models.cache.store import VectorCache
from samespace.models.cachedir import cache_dir

VARIABLE = "SAMESPACE_VECTOR_CACHE"
Cache = bool | VectorCache
"""True for the default cache, False for none, or one of one's own."""

_OFF = ("off", "0", "no", "false")


def default_cache() -> VectorCache | None:
    """Return the cache that all collections share, or None where it is switched off.

    It is in the folder that $SAMESPACE_VECTOR_CACHE names ("off" switches it off), else in
    `vectors` of samespace's own folder for caches.
    """
    named = os.environ.get(VARIABLE, "")
    if named.lower() in _OFF:
        return None
    if named:
        return VectorCache(os.path.expanduser(named))
    place = cache_dir()
    return VectorCache(place / "vectors") if place else None


def choose(embedder: Any, cache: Cache) -> Any:
    """Return the embedder behind the cache that was asked for, or the embedder itself.

    Raises:
        InputError: `cache` is neither a bool nor a VectorCache.
    """
    if not isinstance(cache, bool | VectorCache):
        raise InputError(f"cache must be True, False or a VectorCache, got {cache!r}")
    if isinstance(embedder, CachedEmbedder):
        return embedder
    chosen = default_cache() if cache is True else cache
    return CachedEmbedder(embedder, chosen) if isinstance(chosen, VectorCache) else embedder
