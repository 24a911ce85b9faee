"""Static models distilled from all-MiniLM-L6-v2: time, size, speed, and retrieval beside it.

    python benchmarks/distill.py [--set scifact --set stackfaq ...]
    python benchmarks/distill.py --table      # write the tables of docs/static.md anew

Three ways to distill are measured. "vocabulary alone" takes MiniLM's vectors of single tokens,
weighted by their rank, as model2vec does. "other text" is fitted on seven million characters of
answers, questions, encyclopedia, news and titles that are none of the test sets. "the corpus" is
fitted on the documents that will be searched, once for each set; no query and no judgement is
looked at. Documents are cut and searched as `samespace index` and `samespace search` do by
default; quality is nDCG@10 over documents, with BM25 alone ("lexical") and both ("hybrid").

Settings of the fit were chosen on other queries: SciFact's training queries, SQuAD queries 1,500
to 3,000 (the test here takes every fourth from 3,000 on), CACM and COVID-QA.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from common import HERE, dataset, read_jsonl, save
from samespace import Collection
from samespace.evaluate import Qrels, evaluate_collection, read_qrels, read_queries
from samespace.models import Embedder, load
from samespace.models.distill import distill
from samespace.text.load import load as load_files
from samespace.types import Document

MODEL = "all-MiniLM-L6-v2"
SETS = {
    "scifact": slice(None),
    "stackfaq": slice(None),
    "squad-dev-minus-xquad": slice(3_000, None, 4),
}
OTHER = (
    ("medquad", "pairs.jsonl", ("answer",)),
    ("squad-train-sents", "pairs.jsonl", ("sentence", "question")),
    ("wikiqa", "train.jsonl", ("sentence", "question")),
    ("bbc-news", "all.jsonl", ("text",)),
    ("stackoverflow-titles", "all.jsonl", ("text",)),
)
OTHER_CHARACTERS = 1_600_000
MODES = ("dense", "lexical", "hybrid")
PAGE = HERE.parent / "docs/static.md"
BEGIN, END = "<!-- measurements -->\n", "<!-- /measurements -->"
TIMED = {"static": 4_000, "teacher": 400}
QUERIES = 200


def documents(name: str) -> list[Document]:
    """Return the documents of a set, as `samespace index` reads them."""
    found = load_files([str(dataset(name) / "corpus.jsonl")])
    return [item for item in found if isinstance(item, Document)]


def other_texts() -> Iterator[Document]:
    """Yield about as many characters of each of the other data sets, at random."""
    for name, file, fields in OTHER:
        records = read_jsonl(dataset(name) / file)
        texts = list(dict.fromkeys(r[field] for field in fields for r in records if r.get(field)))
        random.Random(0).shuffle(texts)
        taken = 0
        for text in texts:
            if taken >= OTHER_CHARACTERS:
                break
            taken += len(text)
            yield Document(id=f"{name}/{taken}", text=text)


def main() -> None:
    """Distill, index, search, and save one result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", action="append", dest="sets", choices=list(SETS))
    parser.add_argument("--table", action="store_true", help="only renew docs/static.md")
    arguments = parser.parse_args()
    if arguments.table:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(renewed(page), encoding="utf-8")
        return
    sets = arguments.sets or list(SETS)
    started = os.getloadavg()[0]
    teacher = load(MODEL)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        distilled: dict[str, Any] = {}
        models = {
            "vocabulary alone": made(folder, distilled, "vocabulary alone", None),
            "other text": made(folder, distilled, "other text", other_texts()),
        }
        quality: dict[str, Any] = {}
        for name in sets:
            fitted = made(folder, distilled, f"corpus of {name}", documents(name))
            compared = {MODEL: teacher, **models, "the corpus": fitted}
            quality[name] = {
                which: measured(folder / f"{name} {which}", name, embedder)
                for which, embedder in compared.items()
            }
        speed = speeds(teacher, models["other text"])
    save(
        "distill",
        {
            "teacher": MODEL,
            "load_average_before": round(started, 2),
            "distilled": distilled,
            "speed": speed,
            "ndcg@10": quality,
        },
    )


def made(
    folder: Path, facts: dict[str, Any], name: str, texts: Iterable[Document] | None
) -> Embedder:
    """Distill a model as `samespace models distill` does, and note its time and size."""
    out = folder / name.replace(" ", "-")
    given = None if texts is None else list(texts)
    start = time.perf_counter()
    static = distill(MODEL, out, texts=given, cache=False)
    facts[name] = {
        "seconds": round(time.perf_counter() - start, 1),
        "characters_given": sum(len(document.text) for document in given or ()),
        "dimensions": static.space.dimensions,
        "bytes": sum(file.stat().st_size for file in out.iterdir()),
        "weights_bytes": (out / "model.safetensors").stat().st_size,
    }
    note(name, facts[name])
    return static


def measured(kb: Path, name: str, embedder: Embedder) -> dict[str, Any]:
    """Index a set and return nDCG@10 of each mode with its interval."""
    source = dataset(name)
    queries = read_queries(source / "queries.jsonl")[SETS[name]]
    judged = read_qrels(source / "qrels.tsv").judgements
    qrels = Qrels({q.id: judged[q.id] for q in queries if q.id in judged})
    with Collection.create(kb, embedder) as collection:
        report = collection.add(source / "corpus.jsonl")
        facts: dict[str, Any] = {
            "queries": len(qrels),
            "chunks": collection.info()["chunks"],
            "index_seconds": round(report.seconds, 1),
        }
        for mode in MODES:
            found = evaluate_collection(collection, queries, qrels, mode=mode, metrics=["ndcg@10"])
            interval = found.intervals["ndcg@10"]
            facts[mode] = round(interval.value, 4)
            facts[f"{mode}_interval"] = [round(interval.low, 4), round(interval.high, 4)]
    note(kb.name, facts)
    return facts


def speeds(teacher: Embedder, static: Embedder) -> dict[str, Any]:
    """Return how fast both embed abstracts of SciFact and single queries; teacher's tokens."""
    texts = [f"{d.title}\n{d.text}" for d in documents("scifact")]
    queries = [r["text"] for r in read_jsonl(dataset("scifact") / "queries.jsonl")][:QUERIES]
    found: dict[str, Any] = {}
    for name, embedder in (("teacher", teacher), ("static", static)):
        some = texts[: TIMED[name]]
        tokens = sum(min(count, teacher.max_tokens) for count in teacher.count(some))
        embedder.embed(some[:8], "document", on_long="truncate")
        start = time.perf_counter()
        embedder.embed(some, "document", on_long="truncate")
        seconds = time.perf_counter() - start
        times = []
        for query in queries:
            start = time.perf_counter()
            embedder.embed([query], "query", on_long="truncate")
            times.append(1000 * (time.perf_counter() - start))
        found[name] = {
            "documents": len(some),
            "documents_per_second": round(len(some) / seconds),
            "tokens_per_second": round(tokens / seconds),
            "query_p50_ms": round(statistics.median(times), 3),
        }
    return found


def renewed(page: str) -> str:
    """Return docs/static.md with its tables as the saved result has them."""
    result = json.loads((HERE / "results/distill.json").read_text(encoding="utf-8"))
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = ["| set | model | dense | hybrid | BM25 |", "|---|---|---|---|---|"]
    for name, models in result["ndcg@10"].items():
        for which, facts in models.items():
            label = which if which == MODEL else f"static: {which}"
            figures = " | ".join(f"{facts[mode]:.3f}" for mode in ("dense", "hybrid", "lexical"))
            lines.append(f"| {name} | {label} | {figures} |")
    lines += ["", "| distilled from | characters | seconds | MB |", "|---|---|---|---|"]
    for name, facts in result["distilled"].items():
        megabytes = facts["bytes"] / 1e6
        characters = f"{facts['characters_given']:,}"
        lines.append(f"| {name} | {characters} | {facts['seconds']:.0f} | {megabytes:.1f} |")
    speed = result["speed"]
    lines += ["", "| | documents/s | tokens/s | one query |", "|---|---|---|---|"]
    for which, name in (("teacher", MODEL), ("static", "static")):
        facts = speed[which]
        lines.append(
            f"| {name} | {facts['documents_per_second']:,} | {facts['tokens_per_second']:,} "
            f"| {facts['query_p50_ms']:.2f} ms |"
        )
    return before + BEGIN + "\n".join(lines) + "\n" + END + after


def note(name: str, facts: dict[str, Any]) -> None:
    """Say on standard error how far it is."""
    print(f"{name}: {facts}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
