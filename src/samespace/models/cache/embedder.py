"""An embedder that embeds nothing twice."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from samespace.errors import InputError, TooLong
from samespace.forms import SparseVectors
from samespace.models.cache.store import VectorCache
from samespace.models.cache.values import Form, from_bytes, to_bytes
from samespace.models.images import content_hash, is_image
from samespace.space import (
    CANARIES,
    CANARY_COSINE,
    QUICK_CANARIES,
    FloatArray,
    Space,
    Vectors,
    likeness,
)
from samespace.types import Role

_CANARIES = frozenset(CANARIES)

_FRESH_SECONDS = 2.0
"""For so long a canary that was embedded to be compared counts as the model's answer of now."""


class CachedEmbedder:
    """Asks a cache first, embeds what it lacks, each input once, and keeps the vectors.

    A vector is known by the Space, the role and the exact input, so no other model, prompt or
    role can be answered with it. A text that was cut by name is known apart, with the window. A
    canary is always embedded: the cache would answer as the model did before it changed.

    A hosted model may change under its name, and with it what its vectors mean; two servers may
    run two models under one name; and of a local model the code that runs it may change, or what no
    digest pins. So the first use compares canaries of the model with those kept, and vectors are
    known by the canaries as well: what stands under others is never seen.

    Args:
        inner: any embedder, of any kind of vectors.
        cache: where vectors are kept.

    Raises:
        InputError: a bridge stands before the model.
    """

    def __init__(self, inner: Any, cache: VectorCache) -> None:
        if getattr(inner, "bridged", False):
            raise InputError(
                "what a bridge makes is only near the vectors of its space and is not kept among "
                "them; put the cache behind it: BridgedEmbedder(CachedEmbedder(model, cache), "
                "bridge)"
            )
        self.inner = inner
        self.cache = cache
        self._lock = threading.Lock()
        self._canaries: dict[bytes, bytes] | None = None
        self._fresh: dict[tuple[Role, str], tuple[float, bytes]] = {}

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
        # What an embedder has beyond the protocol (usage, exact counts) is the inner one's; but
        # not what would pass the cache by, nor before there is an inner one, in a copy.
        if name in ("inner", "stream"):
            raise AttributeError(name)
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
        if (
            isinstance(texts, str)
            or not inputs
            or not all(isinstance(i, str) or is_image(i) for i in inputs)
        ):
            # Nothing, or nothing that any model takes: the embedder says so better.
            return self.inner.embed(texts, role, on_long=on_long), [False] * len(inputs)
        space, canaries = self.space, self._compared()
        window = f"cut {self.max_tokens}" if on_long != "error" else ""
        start = hashlib.sha256("\0".join((space.id, role, window)).encode())
        start.update(b"".join(canaries.values()))
        keys = [_key(start, one, i) for i, one in enumerate(inputs)]
        kept = {k for k, one in zip(keys, inputs, strict=True) if not _is_canary(role, one)}
        rows = self.cache.get_many(kept, uncounted=canaries)
        if any(key not in rows for key in canaries):
            # Dropped as the least recently used: without them nobody finds the vectors again.
            self.cache.put_many(space.id, canaries)
        known = [key in rows for key in keys]
        for key, one in zip(keys, inputs, strict=True):
            if _is_canary(role, one):
                at, fresh = self._fresh.pop((role, one), (0.0, b""))
                if fresh and time.monotonic() - at < _FRESH_SECONDS:
                    rows[key] = fresh
        missing = {key: i for i, key in enumerate(keys) if key not in rows}
        if missing:
            order = list(missing)
            asked = [inputs[missing[key]] for key in order]
            try:
                for done, vectors in _stream(self.inner, asked, role, on_long):
                    made = dict(zip((order[i] for i in done), to_bytes(vectors), strict=True))
                    self.cache.put_many(space.id, {k: made[k] for k in made if k in kept})
                    rows.update(made)
            except (InputError, TooLong):
                # Its message counts among what was missing: let it speak of the caller's list,
                # but not where a provider refused, who would be paid again for the others.
                if len(asked) < len(inputs) and (space.weights or self._unfit(inputs, role)):
                    self.inner.embed(inputs, role, on_long=on_long)
                raise
        embedded = {key: inputs[place] for key, place in missing.items()}
        self._watch(
            role, {one: rows[key] for key, one in embedded.items() if _is_canary(role, one)}
        )
        return from_bytes([rows[key] for key in keys], space, role), known

    def _watch(self, role: Role, made: Mapping[str, bytes]) -> None:
        """Compare anew before anything else is looked up, if the model drifted meanwhile."""
        space = self.space
        for role_, text in CANARIES[:QUICK_CANARIES]:
            if role_ == role and text in made:
                kept = (self._canaries or {}).get(_place(space, role, text))
                now = from_bytes([made[text]], space, role)
                if kept is not None and _moved(from_bytes([kept], space, role), now):
                    with self._lock:
                        self._canaries = None

    def _unfit(self, inputs: list[Any], role: Role) -> bool:
        """Say whether the embedder refuses some of the texts before it asks anybody."""
        texts = [one for one in inputs if isinstance(one, str)]
        longest = max(self.inner.count(texts, role), default=0)
        return longest > self.max_tokens or not all(map(str.strip, texts))

    def _compared(self) -> dict[bytes, bytes]:
        """Return the canaries that are part of the keys, by keys of their own.

        They are those that were kept, if the model still answers so, else its own of now.
        """
        with self._lock:
            if self._canaries is None:
                self._canaries = self._compare()
            return self._canaries

    def _compare(self) -> dict[bytes, bytes]:
        space = self.space
        on_long = "truncate" if getattr(self.inner, "exact_counts", True) else "error"
        now: dict[bytes, Form] = {}
        for role, text in CANARIES[:QUICK_CANARIES]:
            with contextlib.suppress(TooLong):
                vectors = self.inner.embed([text], role, on_long=on_long)
                now[_place(space, role, text)] = vectors
                self._fresh[role, text] = time.monotonic(), to_bytes(vectors)[0]
        own = {key: to_bytes(vectors)[0] for key, vectors in now.items()}
        for _ in range(2):  # once more: another process may have been first to keep its own
            kept = self.cache.get_many((), uncounted=own)
            if len(kept) == len(own) and not any(
                _moved(from_bytes([kept[key]], space, one.role), one) for key, one in now.items()
            ):
                return {key: kept[key] for key in own}
            if kept and not space.weights:
                # Only to free the bytes: nothing of it will be found again. A local model that
                # answers otherwise may run on another kind of machine, which goes on with its own.
                with contextlib.suppress(InputError):
                    self.cache.forget(space.id)
            self.cache.put_many(space.id, own)
        return own


def _moved(kept: Form, now: Form) -> bool:
    """Say whether a model's vector of a canary is another than it was."""
    a, b = _row(kept), _row(now)
    if a.shape != b.shape:
        return True  # another number of tokens
    return not (np.array_equal(a, b) or likeness(a, b)[0, 0] >= CANARY_COSINE)


def _row(form: Form) -> FloatArray:
    """Return the vectors of one input as one row: of a sparse form the whole vocabulary."""
    if isinstance(form, SparseVectors):
        row = np.zeros((1, form.space.dimensions), np.float32)
        row[0, form.indices] = form.values
        return row
    return form.array.reshape(1, -1)


def _place(space: Space, role: Role, text: str) -> bytes:
    """Return the key under which a canary is kept."""
    return _key(hashlib.sha256(f"canaries of {space.id}".encode()), f"{role} {text}")


def _is_canary(role: Role, one: Any) -> bool:
    return isinstance(one, str) and (role, one) in _CANARIES


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
