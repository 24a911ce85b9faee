"""Chunkers compared by spans: what cutting leaves of the evidence, and what a search returns.

    python benchmarks/chunkers.py

Neither data set gives the place of its answers, but both were cut from whole articles into
passages whose article and order stand in their ids. Here the passages are joined again by blank
lines into the articles, and the evidence of a question is the passage that answers it: a real
gold span of 100 to 250 tokens in a document of thousands. That favours chunkers that cut at
blank lines, which is where people end a thought; it is not the answer's words themselves.

Every 4th article of squad-dev-minus-xquad and every 10th of covid-qa are indexed with each
setting, and up to 300 of their questions (drawn with seed 0) are asked in hybrid mode. A text
that several settings share is embedded once. Each setting is compared with the default by a
paired randomization test per metric, p-values adjusted by Holm over the settings.

"whole document, truncated" makes one chunk of each article, of which only the first 256 tokens
are embedded: all evidence survives in it, and most of it cannot be found by meaning.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common import dataset, read_jsonl, read_qrels, save
from samespace import Collection, Document
from samespace.evaluate.evidence import Evidence, locate, texts_of
from samespace.evaluate.intervals import bootstraps
from samespace.evaluate.metrics import Scores
from samespace.evaluate.significance import compare_paired, holm
from samespace.evaluate.spans import evaluate_spans, survival
from samespace.models import load
from samespace.models.base import Embedder
from samespace.space import Vectors
from samespace.text.chunk import chunk
from samespace.text.clean import clean
from samespace.types import Role

EVERY = {"squad-dev-minus-xquad": 4, "covid-qa": 10}
QUESTIONS = 300
K = 5
DEFAULT = "256"
SETTINGS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "256, overlap 32": {"overlap": 32},
    "256, no context": {"context": False},
    "128": {"max_tokens": 128},
    "128, overlap 32": {"max_tokens": 128, "overlap": 32},
    "128, no context": {"max_tokens": 128, "context": False},
    "64": {"max_tokens": 64},
    "64, overlap 32": {"max_tokens": 64, "overlap": 32},
    "64, no context": {"max_tokens": 64, "context": False},
    "whole document, truncated": {"chunking": "document", "on_long": "truncate"},
}


class Remembering:
    """An embedder that embeds each text once."""

    def __init__(self, embedder: Embedder) -> None:
        self.space, self.max_tokens, self.count = (
            embedder.space,
            embedder.max_tokens,
            embedder.count,
        )
        self.asked = 0
        self.known: dict[tuple[str, str, str], np.ndarray] = {}
        self._embedder = embedder

    def embed(self, texts: Sequence[str], role: Role, *, on_long: Any = "error") -> Vectors:
        """Return the vectors, computing only those that were not asked for before."""
        keys = [(text, role, on_long) for text in texts]
        new = [key for key in dict.fromkeys(keys) if key not in self.known]
        if new:
            vectors = self._embedder.embed([text for text, _, _ in new], role, on_long=on_long)
            self.known.update(zip(new, vectors.array, strict=True))
        self.asked += len(keys)
        return Vectors(np.stack([self.known[key] for key in keys]), self.space, role)


def main() -> None:
    """Run everything and save one result."""
    embedder = Remembering(load("all-MiniLM-L6-v2"))
    sets = {name: compare(name, embedder) for name in EVERY}
    save(
        "chunkers",
        {
            "model": embedder.space.model,
            "mode": "hybrid",
            "texts_asked_for": embedder.asked,
            "texts_embedded": len(embedder.known),
            "sets": sets,
        },
    )


def compare(name: str, embedder: Remembering) -> dict[str, Any]:
    """Measure every setting on one data set."""
    articles, evidence, queries = reassemble(name)
    rows: dict[str, dict[str, Any]] = {}
    scores: dict[str, Scores] = {}
    for setting, options in SETTINGS.items():
        print(f"{name}: {setting}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rows[setting], scores[setting] = measure(
                Path(folder) / "kb", embedder, options, articles, evidence, queries
            )
    others = [setting for setting in SETTINGS if setting != DEFAULT]
    for metric in scores[DEFAULT].values:
        base = scores[DEFAULT].values[metric]
        pairs = [compare_paired(base, scores[setting].values[metric]) for setting in others]
        adjusted = holm([pair.p for pair in pairs])
        for setting, pair, p in zip(others, pairs, adjusted, strict=True):
            rows[setting]["against_default"][metric] = {
                "difference": round(pair.difference.value, 4),
                "low": round(pair.difference.low, 4),
                "high": round(pair.difference.high, 4),
                "p_holm": round(p, 4),
            }
    return {
        "articles": len(articles),
        "characters": sum(len(article.text) for article in articles),
        "questions": len(queries),
        "evidence": len(evidence),
        "settings": rows,
    }


def reassemble(name: str) -> tuple[list[Document], list[Evidence], dict[str, str]]:
    """Return whole articles, the passage that answers each question, and the questions."""
    folder = dataset(name)
    passages: dict[str, list[dict[str, str]]] = {}
    for record in read_jsonl(folder / "corpus.jsonl"):
        passages.setdefault(record["_id"].rpartition("-")[0], []).append(record)
    chosen = sorted(passages)[:: EVERY[name]]
    articles, spans = [], {}
    for id in chosen:
        parts = sorted(passages[id], key=lambda record: int(record["_id"].rpartition("-")[2]))
        start = 0
        for part in parts:
            spans[part["_id"]] = (id, start, part["text"])
            start += len(part["text"]) + 2
        text = "\n\n".join(part["text"] for part in parts)
        articles.append(Document(id=id, title=parts[-1]["title"], text=text))
    texts = {record["_id"]: record["text"] for record in read_jsonl(folder / "queries.jsonl")}
    answers = {
        query: passage
        for query, judged in read_qrels(folder / "qrels.tsv").items()
        for passage in judged
        if passage in spans
    }
    asked = sorted(answers)
    asked = sorted(random.Random(0).sample(asked, min(QUESTIONS, len(asked))))
    evidence = []
    for query in asked:
        id, start, text = spans[answers[query]]
        evidence.append(Evidence(query, id, start, start + len(text), text))
    return articles, evidence, {query: texts[query] for query in asked}


def measure(
    kb: Path,
    embedder: Remembering,
    options: dict[str, Any],
    articles: list[Document],
    evidence: list[Evidence],
    queries: dict[str, str],
) -> tuple[dict[str, Any], Scores]:
    """Index, ask and score with one setting."""
    with Collection.create(kb, embedder, **options) as collection:
        collection.add(articles)
        info = collection.info()
        texts = texts_of(collection)
        gold = locate(evidence, texts).require_all()
        recipe = collection.recipe
        chunks = [
            piece for article in articles for piece in chunk(clean(article), embedder.count, recipe)
        ]
        if len(chunks) != info["chunks"]:
            raise SystemExit(f"{len(chunks)} chunks made, {info['chunks']} in the collection")
        run = collection.run(queries, K, by_document=False)
        found = evaluate_spans(run, gold, texts, embedder.count, ks=(K,))
    kept = survival(chunks, gold)
    scores = Scores(kept.queries, {**kept.values, **found.values})
    intervals = bootstraps(scores.values)
    row = {
        "chunks": info["chunks"],
        "mean_tokens": round(info["tokens"] / info["chunks"], 1),
        "tokens_dropped": info["tokens_dropped"],
        **{
            metric: [round(value, 4) for value in (interval.value, interval.low, interval.high)]
            for metric, interval in intervals.items()
        },
        "against_default": {},
    }
    return row, scores


if __name__ == "__main__":
    main()
