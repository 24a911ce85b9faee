"""An embedder that embeds nothing twice."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

import numpy as np

from samespace.errors import InputError, TooLong
from samespace.models.cache.store import VectorCache
from samespace.models.cache.values import Form, from_bytes, to_bytes
from samespace.models.images import content_hash, is_image
from samespace.space import CANARIES, CANARY_COSINE, QUICK_CANARIES, Space, Vectors
from samespace.types import Role

E = TypeVar("E")


class CachedEmbedder:
    """Asks a cache first, embeds what it lacks, each input once, and keeps the vectors.

    A vector is known by the Space, the role and the exact input, so no other model, prompt or
    role can be answered with it. A text that was cut by name is known apart, with the window.

    A hosted model may change under its name, and with it what its vectors mean. So where no digest
    of weights pins the Space, the first use in a process compares canaries of the model with those
    kept, and forgets what was kept of this Space if they moved.

    Args:
        inner: any embedder, of any kind of vectors.
        cache: where vectors are kept.
    """

    def __init__(self, inner: Any, cache: VectorCache) -> None:
        self.inner = inner
        self.cache = cache
        self._lock = threading.Lock()
        self._checked = False

    @property
    def space(self) -> Space:
        """The embedder's space."""
        space: Space = self.inner.space
        return space

    @property
    def max_tokens(self) -> int:
        """The embedder's window."""
        window: int = self.inner.max_tokens
        return window

    def __getattr__(self, name: str) -> Any:
        # What an embedder has beyond the protocol (usage, exact counts) is the inner one's.
        return getattr(self.inner, name)

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included."""
        counts: list[int] = self.inner.count(texts, role)
        return counts

    def embed(
        self,
        texts: Sequence[Any],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Any:
        """Return the vectors of the inputs, in their order; see the inner embedder's `embed`.

        Vectors that the inner embedder finished before it failed are kept.
        """
        return self.embed_known(texts, role, on_long=on_long)[0]

    def embed_known(
        self, texts: Sequence[Any], role: Role, *, on_long: Literal["error", "truncate"] = "error"
    ) -> tuple[Any, list[bool]]:
        """Do as `embed`, and say of each input whether the cache knew it."""
        inputs = [texts] if isinstance(texts, str) else list(texts)
        if isinstance(texts, str) or not all(isinstance(i, str) or is_image(i) for i in inputs):
            # Nothing that any model takes: the embedder says so better.
            return self.inner.embed(texts, role, on_long=on_long), [False] * len(inputs)
        space = self.space
        window = f"cut {self.max_tokens}" if on_long != "error" else ""
        start = hashlib.sha256("\0".join((space.id, role, window)).encode())
        keys = [_key(start, one, i) for i, one in enumerate(inputs)]
        self._check()
        rows = self.cache.get_many(list(dict.fromkeys(keys)))
        known = [key in rows for key in keys]
        missing = {key: i for i, key in enumerate(keys) if key not in rows}
        if missing or not inputs:
            order = list(missing)
            asked = [inputs[missing[key]] for key in order]
            try:
                for places, vectors in _stream(self.inner, asked, role, on_long):
                    fresh = dict(zip((order[i] for i in places), to_bytes(vectors), strict=True))
                    self.cache.put_many(space.id, fresh)
                    rows.update(fresh)
            except (InputError, TooLong):
                # Its message counts among what was missing: let it speak of the caller's list,
                # but not where a provider refused, who would be paid again for the others.
                if len(asked) < len(inputs) and (space.weights or self._unfit(inputs, role)):
                    self.inner.embed(inputs, role, on_long=on_long)
                raise
        return from_bytes([rows[key] for key in keys], space, role), known

    def _unfit(self, inputs: list[Any], role: Role) -> bool:
        """Say whether the embedder refuses some of the texts before it asks anybody."""
        texts = [one for one in inputs if isinstance(one, str)]
        longest = max(self.inner.count(texts, role), default=0)
        return longest > self.max_tokens or not all(map(str.strip, texts))

    def _check(self) -> None:
        with self._lock:
            if self._checked or self.space.weights:
                return
            quick = CANARIES[:QUICK_CANARIES]
            start = hashlib.sha256(f"canaries of {self.space.id}".encode())
            keys = {_key(start, f"{role} {text}"): (role, text) for role, text in quick}
            now = {key: self.inner.embed([text], role) for key, (role, text) in keys.items()}
            kept = self.cache.get_many(list(keys))
            for key, row in kept.items():
                role = keys[key][0]
                if _moved(from_bytes([row], self.space, role), now[key]):
                    self.cache.forget(self.space.id)
                    kept = {}
                    break
            if len(kept) < len(keys):
                rows = {key: to_bytes(vectors)[0] for key, vectors in now.items()}
                self.cache.put_many(self.space.id, rows)
            self._checked = True


def _moved(kept: Form, now: Form) -> bool:
    """Say whether a hosted model's vector of a canary is another than it was."""
    if not isinstance(kept, Vectors) or not isinstance(now, Vectors):
        return to_bytes(kept) != to_bytes(now)
    product = float((kept.array * now.array).sum())
    lengths = float(np.linalg.norm(kept.array) * np.linalg.norm(now.array))
    return product / lengths < CANARY_COSINE


def uncached(embedder: E) -> E:
    """Return the embedder that a cache stands before, or the embedder itself.

    Canaries must reach the model: a cache would answer as the model did before it changed.
    """
    return embedder.inner if isinstance(embedder, CachedEmbedder) else embedder


def _key(start: Any, one: Any, position: int = 0) -> bytes:
    """Return the key of one input in the space and role that `start` was fed."""
    digest = start.copy()
    if isinstance(one, str):
        digest.update(b"\0text\0" + one.encode("utf-8", "surrogatepass"))
    else:
        digest.update(b"\0image\0" + content_hash(one, position).encode("ascii"))
    key: bytes = digest.digest()
    return key


def _stream(
    inner: Any, inputs: list[Any], role: Role, on_long: str
) -> Iterator[tuple[list[int], Form]]:
    """Yield positions and vectors as they are done, where the embedder says when that is."""
    if hasattr(inner, "stream"):
        yield from inner.stream(inputs, role, on_long=on_long)
    else:
        vectors: Vectors = inner.embed(inputs, role, on_long=on_long)
        yield list(range(len(inputs))), vectors
