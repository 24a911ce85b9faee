"""An embedder that asks its model only for what the cache does not hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from samespace.errors import TooLong
from samespace.evaluate.compare.cache import EmbeddingCache, Entry, input_key
from samespace.models.base import Embedder
from samespace.models.inputs import OnLongText, check_on_long, check_role, check_texts
from samespace.space import CANARIES, Canary, Space, Vectors, check_canaries
from samespace.types import Role

Entries = dict[bytes, Entry]


@dataclass(frozen=True)
class Ledger:
    """What an embedder did so far.

    Attributes:
        computed: embeddings that the model made.
        reused: embeddings that came from the cache.
        model_seconds: what all of them took, or had taken, in the model.
        reused_seconds: the part of it that was spent before.
        spent_seconds: what was spent in `embed` in fact, with reading and writing the cache.
    """

    computed: int = 0
    reused: int = 0
    model_seconds: float = 0.0
    reused_seconds: float = 0.0
    spent_seconds: float = 0.0


class CachedEmbedder:
    """The same vectors as another embedder's, each computed once.

    Before the first use in a process the model answers the canaries anew, so that vectors of a
    model that changed under its name are not mixed with those kept.
    """

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self._lock = threading.Lock()
        self._clock = SharedClock()
        self._checked = False
        self.ledger = Ledger()

    @property
    def space(self) -> Space:
        """The model's space."""
        return self._embedder.space

    @property
    def max_tokens(self) -> int:
        """The model's window."""
        return self._embedder.max_tokens

    @property
    def exact_counts(self) -> bool:
        """Whether `count` is exact."""
        return bool(getattr(self._embedder, "exact_counts", True))

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes."""
        return self._embedder.count(texts, role)

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: OnLongText = "error",
    ) -> Vectors:
        """Return one vector per text, in the order of the texts.

        Raises:
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
            ModelDrift: the model is not the one that made what is kept.
        """
        started = time.perf_counter()
        check_role(role)
        check_on_long(on_long)
        keys = [input_key(text) for text in check_texts(texts, blank=False)]
        self._check_drift()
        known = self._cache.get(self.space.id, role, list(dict.fromkeys(keys)))
        if on_long == "error":
            # What was cut is not an answer here: the model is asked, and refuses.
            known = {key: entry for key, entry in known.items() if not entry.cut}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        try:
            made = self._compute(missing, role, on_long) if missing else {}
        except TooLong:
            self._embedder.embed(texts, role, on_long=on_long)  # raises, with the caller's numbers
            raise
        entries = {**known, **made}
        array = np.empty((len(keys), self.space.dimensions), np.float32)
        for row, key in enumerate(keys):
            array[row] = entries[key].vector
        self._record(known, made, time.perf_counter() - started)
        return Vectors(array, self.space, role)

    def _record(self, known: Entries, made: Entries, spent: float) -> None:
        before = sum(entry.seconds for entry in known.values())
        now = sum(entry.seconds for entry in made.values())
        with self._lock:
            so_far = self.ledger
            self.ledger = Ledger(
                so_far.computed + len(made),
                so_far.reused + len(known),
                so_far.model_seconds + before + now,
                so_far.reused_seconds + before,
                so_far.spent_seconds + spent,
            )

    def _compute(self, missing: Mapping[bytes, str], role: Role, on_long: OnLongText) -> Entries:
        texts = list(missing.values())
        entered = self._clock.enter()
        try:
            array = self._embedder.embed(texts, role, on_long=on_long).array
        finally:
            seconds = self._clock.leave(entered)
        tokens = self._embedder.count(texts, role)
        window, total = self.max_tokens, max(sum(tokens), 1)
        made: Entries = {
            key: Entry(vector, seconds * count / total, count > window)
            for key, vector, count in zip(missing, array, tokens, strict=True)
        }
        self._cache.put(self.space.id, role, made)
        return made

    def _check_drift(self) -> None:
        with self._lock:
            if self._checked:
                return
            recorded = []
            for role, text in CANARIES:
                kept = self._cache.get(self.space.id, role, [input_key(text)])
                # One that was cut depends on the window too, which no entry knows.
                whole = [entry.vector for entry in kept.values() if not entry.cut]
                recorded += [Canary(role, text, vector) for vector in whole]
            check_canaries(
                lambda texts, role: self._embedder.embed(texts, role, on_long="truncate"),
                recorded,
                quick=False,
            )
            self._checked = True


class SharedClock:
    """Divides time among the calls that are running: two side by side pay half of it each.

    So what all calls paid adds up to the time in which any was running, and not to more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._paid = 0.0
        self._last = 0.0

    def enter(self) -> float:
        """Begin a call; return what `leave` needs."""
        with self._lock:
            self._advance()
            self._running += 1
            return self._paid

    def leave(self, entered: float) -> float:
        """End a call; return its share in seconds."""
        with self._lock:
            self._advance()
            self._running -= 1
            return self._paid - entered

    def _advance(self) -> None:
        now = time.perf_counter()
        if self._running:
            self._paid += (now - self._last) / self._running
        self._last = now
