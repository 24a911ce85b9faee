"""SciFact end to end: retrieval quality, indexing, indexing again, and changing fifty documents.

    python benchmarks/scifact.py

Quality is nDCG@10 over documents, a document's score being that of its best chunk. "truncated"
makes one vector per document from its first 256 tokens, as the published figure of
all-MiniLM-L6-v2 was made; "default" is what `samespace index` does.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from common import dataset, peak_mib, read_jsonl, save
from samespace import Collection
from samespace.evaluate import evaluate_collection, read_qrels, read_queries

SETTINGS: dict[str, dict[str, Any]] = {
    "truncated": {"chunking": "document", "on_long": "truncate"},
    "default": {},
}
MODES = ("dense", "lexical", "hybrid")


def main() -> None:
    """Run everything and save one result."""
    source = dataset("scifact")
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in SETTINGS.items():
            kb = Path(folder) / name
            with Collection.create(kb, **settings) as collection:
                report = collection.add(source / "corpus.jsonl")
                info = collection.info()
                result[name] = {
                    "documents": info["documents"],
                    "chunks": info["chunks"],
                    "tokens": info["tokens"],
                    "tokens_dropped": info["tokens_dropped"],
                    "failed": len(report.failed),
                    "index_seconds": round(report.seconds, 1),
                    "tokens_per_second": round(report.embedded_tokens / report.seconds),
                    "bytes": info["bytes"],
                    "modes": {mode: quality(collection, source, mode) for mode in MODES},
                }
        result["again"] = again(Path(folder) / "default", source / "corpus.jsonl")
        result["fifty_changed"] = fifty_changed(Path(folder), source / "corpus.jsonl")
    result["peak_mib"] = round(peak_mib())
    save("scifact", result)


def quality(collection: Collection, source: Path, mode: Any) -> dict[str, Any]:
    """Return nDCG@10 over the test queries with its interval, and the time of a search."""
    found = evaluate_collection(
        collection,
        read_queries(source / "queries.jsonl"),
        read_qrels(source / "qrels.tsv"),
        mode=mode,
        metrics=["ndcg@10"],
    )
    interval = found.intervals["ndcg@10"]
    return {
        "queries": len(found.scores.queries),
        "ndcg@10": round(interval.value, 4),
        "ndcg@10_interval": [round(interval.low, 4), round(interval.high, 4)],
        "p50_ms": round(found.p50_ms or 0.0, 2),
        "p99_ms": round(found.p99_ms or 0.0, 2),
    }


def again(kb: Path, corpus: Path) -> dict[str, Any]:
    """Index the same once more: nothing may be embedded."""
    started = time.perf_counter()
    with Collection.open(kb) as collection:
        report = collection.add(corpus)
    return {
        "unchanged": report.unchanged,
        "embedded_tokens": report.embedded_tokens,
        "seconds": round(time.perf_counter() - started, 2),
    }


def fifty_changed(folder: Path, corpus: Path) -> dict[str, Any]:
    """Change the text of every hundredth document, fifty in all, and index the file again."""
    records = read_jsonl(corpus)
    for record in records[::100][:50]:
        record["text"] += " This sentence was added later."
    changed = folder / "corpus.jsonl"
    changed.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    started = time.perf_counter()
    with Collection.open(folder / "default") as collection:
        report = collection.add(changed)
    return {
        "updated": report.updated,
        "unchanged": report.unchanged,
        "chunks": report.chunks,
        "embedded_tokens": report.embedded_tokens,
        "seconds": round(time.perf_counter() - started, 2),
    }


if __name__ == "__main__":
    main()
