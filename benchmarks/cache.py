"""What the cache of vectors costs and saves: a text and a question, not known, known, and read
again in the same process.

    python benchmarks/cache.py
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from common import dataset, read_jsonl, save
from samespace.models import load
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.space import Vectors

MODEL = "all-MiniLM-L6-v2"
TEXTS = 5_000
QUERIES = 300
EMBEDDED = 300
"""Texts that are really embedded, for comparison."""


class Free:
    """MiniLM that takes no time: what is measured around it is the cache alone."""

    def __init__(self, vectors: Vectors) -> None:
        self.space, self.max_tokens = vectors.space, 256
        self._row = vectors.array[:1]

    def count(self, texts: Sequence[str], role: str = "document") -> list[int]:
        """Return one token for each text."""
        return [1] * len(texts)

    def embed(self, texts: Sequence[str], role: str, *, on_long: str = "error") -> Vectors:
        """Return the same vector for each text."""
        return Vectors(np.repeat(self._row, len(texts), axis=0), self.space, role)  # type: ignore[arg-type]


def main() -> None:
    """Measure and save."""
    model = load(MODEL)
    source = dataset("scifact")
    texts = [r["text"] for r in read_jsonl(source / "corpus.jsonl")][:TEXTS]
    queries = [r["text"] for r in read_jsonl(source / "queries.jsonl")][:QUERIES]
    started = time.perf_counter()
    vectors = model.embed(texts[:EMBEDDED], "document", on_long="truncate")
    embedding = (time.perf_counter() - started) / EMBEDDED
    asked = each(model, queries)
    free = Free(vectors)
    with tempfile.TemporaryDirectory() as folder:
        cached = CachedEmbedder(free, VectorCache(folder))
        written = timed(lambda: cached.embed(texts, "document")) / len(texts)
        fresh = CachedEmbedder(free, VectorCache(folder))
        cold = timed(lambda: fresh.embed(texts, "document")) / len(texts)
        warm = timed(lambda: fresh.embed(texts, "document")) / len(texts)
        missed = each(fresh, queries)
        known = each(fresh, queries)
        nothing = timed(lambda: free.embed(texts, "document")) / len(texts)
    save(
        "cache",
        {
            "model": MODEL,
            "texts": len(texts),
            "queries": len(queries),
            "microseconds_a_text": {
                "embedding": round(embedding * 1e6, 1),
                "written": round((written - nothing) * 1e6, 1),
                "read, first time": round((cold - nothing) * 1e6, 1),
                "read, again": round((warm - nothing) * 1e6, 1),
            },
            "milliseconds_a_query": {
                "embedding": round(statistics.median(asked) * 1e3, 3),
                "not known": round(statistics.median(missed) * 1e3, 3),
                "known": round(statistics.median(known) * 1e3, 3),
            },
        },
    )


def each(embedder: Any, queries: Sequence[str]) -> list[float]:
    """Return the seconds that each query takes."""
    return [timed(functools.partial(embedder.embed, [query], "query")) for query in queries]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
