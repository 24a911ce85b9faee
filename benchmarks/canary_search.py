"""SciFact, searched with the queries of changed models, for benchmarks/canaries.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from common import dataset, read_jsonl, read_qrels
from samespace.evaluate import evaluate
from samespace.models import Embedder


class Search:
    """SciFact, with the right vectors of its documents."""

    def __init__(self, right: Embedder, scratch: Path) -> None:
        folder = dataset("scifact")
        self.judged = read_qrels(folder / "qrels.tsv")
        corpus = read_jsonl(folder / "corpus.jsonl")
        asked = [r for r in read_jsonl(folder / "queries.jsonl") if str(r["_id"]) in self.judged]
        self.names = [str(record["_id"]) for record in corpus]
        self.texts = [f"{r['title']}\n{r['text']}" for r in corpus]
        self.ids = [str(r["_id"]) for r in asked]
        self.queries = [r["text"] for r in asked]
        self.documents = self._embedded(right, scratch)
        self.best = self._best(self._asked(right), self.documents)

    def _embedded(self, right: Embedder, scratch: Path) -> Any:
        file = scratch / f"scifact-{right.space.id}.npy"
        if not file.exists():
            note("embedding the documents")
            np.save(file, right.embed(self.texts, "document", on_long="truncate").array)
        return np.load(file)

    def _asked(self, model: Embedder) -> Any:
        return model.embed(self.queries, "query", on_long="truncate").array

    def _best(self, queries: Any, documents: Any) -> Any:
        return np.argsort(-(queries @ documents.T), axis=1)[:, :10]

    def by(self, model: Embedder, *, documents: bool = False) -> dict[str, float]:
        """Return what comes of queries of a model, and of documents of it where asked."""
        held = self.documents
        if documents:
            held = model.embed(self.texts, "document", on_long="truncate").array
        best = self._best(self._asked(model), held)
        run = {
            query: {self.names[i]: -float(rank) for rank, i in enumerate(rows)}
            for query, rows in zip(self.ids, best, strict=True)
        }
        same = [len(set(a) & set(b)) / 10 for a, b in zip(best, self.best, strict=True)]
        return {
            "ndcg@10": round(evaluate(run, self.judged, ["ndcg@10"]).mean("ndcg@10"), 4),
            "overlap@10": round(float(np.mean(same)), 4),
        }


def note(name: str, facts: object = "") -> None:
    """Say on standard error how far it is."""
    print(f"{name}: {facts}", file=sys.stderr, flush=True)
