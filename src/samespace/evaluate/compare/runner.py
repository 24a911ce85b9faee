"""Measuring every configuration, each step kept on disk, so that nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samespace.collection import Collection
from samespace.errors import InputError, InvalidVectors, TooLong
from samespace.evaluate.compare.cache import EmbeddingCache
from samespace.evaluate.compare.cached import CachedEmbedder
from samespace.evaluate.compare.grid import Configuration, Index
from samespace.evaluate.compare.result import Cost
from samespace.evaluate.compare.work import Work, key
from samespace.ingest import Report as Added
from samespace.ingest.inputs import PathLike
from samespace.models.base import Embedder, Reranker
from samespace.models.derived import DerivedEmbedder
from samespace.models.rerank import EmbedderReranker
from samespace.run import Retrieved, Run
from samespace.store.embedded import EmbeddedStore
from samespace.store.segments import bytes_below
from samespace.text.load import LoadOptions
from samespace.types import Document, OnLong
from samespace.vectors.quantize import bytes_per_vector

CANNOT = (InputError, TooLong, InvalidVectors)
"""What is wrong with one configuration and not with the comparison."""


@dataclass(frozen=True)
class Step:
    """What is being done: "build" or "run", for which configuration, and how far it is."""

    doing: str
    name: str
    number: int
    total: int


Progress = Callable[[Step], None]


class Runner:
    """Builds indexes and asks queries in a work folder.

    Args:
        work: the folder.
        models: embedders by their labels.
        rerankers: rerankers by their names; None for none.
        corpus: paths, or documents.
        options: how files are read.
        queries: {query id: text}, all that are asked.
        k: how many documents are kept of each.
        on_long: what happens to a question longer than a model's window.
    """

    def __init__(
        self,
        work: Work,
        models: Mapping[str, Embedder],
        rerankers: Mapping[str, Reranker | None],
        corpus: Sequence[PathLike] | Sequence[Document],
        options: LoadOptions | None,
        queries: Mapping[str, str],
        k: int,
        on_long: OnLong,
    ) -> None:
        self._work = work
        self._cache = EmbeddingCache(work.embeddings)
        self._cached = {
            embedder.space.id: CachedEmbedder(embedder, self._cache)
            for embedder in [*models.values(), *map(_judge, rerankers.values())]
            if embedder is not None
        }
        self._models = {name: self._cached[model.space.id] for name, model in models.items()}
        self._rerankers = {name: self._cheaper(judge) for name, judge in rerankers.items()}
        self._corpus = corpus
        self._options = options
        self._queries = queries
        self._k = k
        self._on_long = on_long
        self._collection: tuple[Index, Collection] | None = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self._leave()
        self._cache.close()

    @property
    def computed(self) -> int:
        """How many embeddings the models made."""
        return sum(cached.ledger.computed for cached in self._cached.values())

    @property
    def reused(self) -> int:
        """How many embeddings were there already."""
        return sum(cached.ledger.reused for cached in self._cached.values())

    def cost(self, configuration: Configuration, report: Callable[[str], None]) -> Cost:
        """Return what the index costs; build it unless that is finished."""
        index = configuration.index
        kept = self._work.read("indexes", self._key(index)) or {}
        folder = self._work.collection(self._key(index))
        if not (kept.get("finished") and EmbeddedStore.exists(folder)):
            report("build")
            kept = self._build(index, kept.get("seconds"))
        space = self._embedder(index).space
        width = bytes_per_vector(index.dimensions, index.precision, normalized=space.normalized)
        return Cost(
            build_seconds=kept["seconds"],
            disk_bytes=kept["bytes"],
            vector_bytes=0 if configuration.mode == "lexical" else kept["vectors"] * width,
            documents=kept["documents"],
            chunks=kept["chunks"],
            failed=kept["failed"],
        )

    def run(self, configuration: Configuration, report: Callable[[str], None]) -> Run:
        """Return what a configuration found; ask it unless that is finished."""
        name = self._run_key(configuration)
        kept = self._work.read("runs", name)
        if kept is not None:
            return _from_dict(kept, configuration.name)
        report("run")
        run = self._ask(configuration)
        self._work.write("runs", name, _to_dict(run))
        return run

    def _build(self, index: Index, before: float | None) -> dict[str, Any]:
        """Build a collection, or go on building one that took `before` seconds until now.

        One of which nobody knows how long it took is built anew, so that its time is right.
        """
        folder = self._work.collection(self._key(index))
        if before is None or not EmbeddedStore.exists(folder):
            self._work.remove(folder)
            before = 0.0
        ledger = self._models[index.model].ledger
        started = time.perf_counter()

        def seconds() -> float:
            reused = self._models[index.model].ledger.reused_seconds - ledger.reused_seconds
            return before + time.perf_counter() - started + reused

        def keep(added: Added) -> None:
            self._work.write("indexes", self._key(index), {"seconds": seconds()})

        collection = self._open(index)
        added = collection.add(self._corpus, options=self._options, progress=keep)
        took, facts = seconds(), collection.info()
        self._leave()  # closing empties SQLite's log: the bytes are then those that stay
        if not facts["documents"]:
            raise InputError("the corpus gave no document that could be taken in")
        kept = {
            "finished": True,
            "seconds": took,
            "documents": facts["documents"],
            "chunks": facts["chunks"],
            "vectors": facts["vectors"],
            "bytes": bytes_below(collection.path),
            "failed": len(added.failed),
        }
        self._work.write("indexes", self._key(index), kept)
        return kept

    def _ask(self, configuration: Configuration) -> Run:
        """Ask every query, one after the other, and correct the times for the cache.

        Of each search the time that was spent with the cache is taken off, and the time that
        the model had taken for the same embeddings is put on. The first query is asked twice:
        opening files and indexes is no part of a search.
        """
        collection = self._open(configuration.index)
        corrections: list[float] = []
        last = self._balance()

        def correct(done: int) -> None:
            nonlocal last
            now = self._balance()
            corrections.append(now - last)
            last = now

        reranker = self._rerankers.get(configuration.reranker)
        first = dict(list(self._queries.items())[:1])
        options: dict[str, Any] = {
            "mode": configuration.mode,
            "reranker": reranker,
            "on_long": self._on_long,
            "name": configuration.name,
        }
        collection.run(first, self._k, **options)
        last = self._balance()
        run = collection.run(self._queries, self._k, progress=correct, **options)
        took = {
            query: run.took_ms[query] + 1000 * correction
            for query, correction in zip(run.took_ms, corrections, strict=True)
        }
        return Run(run.results, run.space, run.recipe, run.mode, run.name, took)

    def _balance(self) -> float:
        """Return the seconds that the models took beyond what was spent here, by all ledgers."""
        ledgers = [cached.ledger for cached in self._cached.values()]
        return sum(ledger.model_seconds - ledger.spent_seconds for ledger in ledgers)

    def _open(self, index: Index) -> Collection:
        """Return the collection of an index; the one before is closed."""
        if self._collection is not None and self._collection[0] == index:
            return self._collection[1]
        self._leave()
        folder, embedder = self._work.collection(self._key(index)), self._embedder(index)
        if EmbeddedStore.exists(folder):
            collection = Collection.open(folder, embedder)
        else:
            settings = index.recipe.to_dict()
            del settings["version"]
            collection = Collection.create(folder, embedder, **settings)
        self._collection = (index, collection)
        return collection

    def _leave(self) -> None:
        if self._collection is not None:
            self._collection[1].close()
            self._collection = None

    def _embedder(self, index: Index) -> DerivedEmbedder:
        return DerivedEmbedder(self._models[index.model], index.dimensions, index.precision)

    def _key(self, index: Index) -> str:
        return key([self._embedder(index).space.to_dict(), index.recipe.to_dict()])

    def _run_key(self, configuration: Configuration) -> str:
        reranker = self._rerankers.get(configuration.reranker)
        judge = _judge(reranker)
        by = judge.space.id if judge is not None else configuration.reranker
        asked = [self._on_long, self._k, sorted(self._queries.items())]
        return key([self._key(configuration.index), configuration.mode, by, *asked])

    def _cheaper(self, reranker: Reranker | None) -> Reranker | None:
        """Return the reranker with its embeddings from the cache, where it makes any."""
        judge = _judge(reranker)
        if judge is None:
            return reranker
        return EmbedderReranker(self._cached[judge.space.id], "truncate")


def _judge(reranker: Reranker | None) -> Embedder | None:
    return reranker.embedder if isinstance(reranker, EmbedderReranker) else None


def _to_dict(run: Run) -> dict[str, Any]:
    return {
        "space": run.space,
        "recipe": run.recipe,
        "mode": run.mode,
        "took_ms": dict(run.took_ms),
        "results": {
            query: [[item.document, item.score, item.start, item.end] for item in found]
            for query, found in run.results.items()
        },
    }


def _from_dict(kept: Mapping[str, Any], name: str) -> Run:
    results = {
        query: tuple(Retrieved(*item) for item in found) for query, found in kept["results"].items()
    }
    return Run(results, kept["space"], kept["recipe"], kept["mode"], name, kept["took_ms"])
