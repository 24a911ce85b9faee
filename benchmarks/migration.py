"""SciFact from a static model to MiniLM and back, while others search and write without pause.

    python benchmarks/migration.py
    python benchmarks/migration.py --table     # write the table of docs/migration.md anew

One process migrates, one searches all the time, one adds and deletes documents all the time. A
search fails if it raises; it is mixed if a score is not the one that the model of the stamped
Space gives to question and chunk. At the end of each way the contents (ids of documents and
chunks, vectors) are compared with a collection built anew from what the writer left.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common import HERE, dataset, read_jsonl, save
from samespace import Collection, Document
from samespace.evaluate import Qrels, read_qrels, read_queries
from samespace.migrate import Migration, plan
from samespace.models import load
from samespace.models.distill import distill

MODEL = "all-MiniLM-L6-v2"
HELD_BACK = 500
"""Documents that are not there at first: the writer adds and deletes them."""
LOOKED_AT = 5
"""Every so many searches, the scores are computed again."""
GATE = "ndcg@10 >= old - 0.01"
PAGE = HERE.parent / "docs/migration.md"
BEGIN, END = "<!-- measurements -->\n", "<!-- /measurements -->"


def documents() -> list[Document]:
    """Return the documents of SciFact."""
    return [
        Document(id=r["_id"], title=r["title"], text=r["text"])
        for r in read_jsonl(dataset("scifact") / "corpus.jsonl")
    ]


def search(kb: Path, stop: Path, out: Path, models: list[str]) -> None:
    """Search until told to stop; write what happened."""
    texts = [query.text for query in read_queries(dataset("scifact") / "queries.jsonl")]
    embedders = {}
    for name in models:
        embedder = load(name)
        embedders[embedder.space.id] = embedder
    took: dict[str, list[float]] = {}
    failed: Counter[str] = Counter()
    mixed = checked = count = 0
    longest = 0.0
    with Collection.open(kb) as collection:
        while not stop.exists():
            text = texts[count % len(texts)]
            count += 1
            mode = "dense" if count % LOOKED_AT == 0 else "hybrid"
            try:
                found = collection.search(text, 10, mode=mode, on_long="truncate")
            except Exception as error:
                failed[repr(error)[:200]] += 1
                continue
            took.setdefault(found.space, []).append(found.took_ms)
            longest = max(longest, found.took_ms)
            if mode == "dense":
                checked += 1
                mixed += not agrees(embedders[found.space], text, found)
    out.write_text(
        json.dumps(
            {
                "searches": count,
                "failed": dict(failed),
                "scores_checked": checked,
                "mixed": mixed,
                "p50_ms": {s: round(statistics.median(t), 2) for s, t in took.items()},
                "longest_ms": round(longest, 1),
            }
        )
    )


def agrees(embedder: Any, text: str, found: Any) -> bool:
    """Say whether the first and the last hit have the scores that the stamped Space gives."""
    query = embedder.embed([text], "query", on_long="truncate").array[0]
    some = [found[0], found[-1]]
    vectors = embedder.embed([hit.chunk.input for hit in some], "document").array
    return bool(np.allclose(vectors @ query, [hit.score for hit in some], atol=1e-4))


def write(kb: Path, stop: Path, out: Path) -> None:
    """Add and delete until told to stop; write what is there in the end."""
    held = documents()[-HELD_BACK:]
    there: set[str] = set()
    failed: Counter[str] = Counter()
    operations = 0
    with Collection.open(kb) as collection:
        while not stop.exists():
            document = held[operations * 7 % len(held)]
            try:
                if document.id in there:
                    collection.delete(document.id)
                    there.remove(document.id)
                else:
                    collection.add(document)
                    there.add(document.id)
            except Exception as error:
                failed[repr(error)[:200]] += 1
            operations += 1
            time.sleep(0.05)
    result = {"operations": operations, "failed": dict(failed), "there": sorted(there)}
    out.write_text(json.dumps(result))


def contents(collection: Collection) -> tuple[set[str], dict[str, Any]]:
    """Return the ids of all documents, and of all chunks with their vectors."""
    with collection.store.read() as reader:
        state = reader.snapshot.state
        rows = reader.snapshot.connection.execute(f"SELECT id, hash FROM {state.chunks}").fetchall()
        hashes, vectors = reader.stored(sorted({hash for _, hash in rows}))
        by_hash = dict(zip(hashes, vectors.array, strict=True))
        return {d.id for d in reader.documents()}, {id: by_hash[hash] for id, hash in rows}


def equal_to_fresh(kb: Path, scratch: Path, there: set[str]) -> dict[str, Any]:
    """Compare a collection with one that is built anew from the same documents."""
    with Collection.open(kb) as collection:
        recipe = collection.recipe
        fresh = Collection.create(
            scratch, collection.store.header.model, max_tokens=recipe.max_tokens
        )
        started = time.perf_counter()
        fresh.add([document for document in documents() if document.id in there])
        seconds = time.perf_counter() - started
        (mine, chunks), (theirs, others) = contents(collection), contents(fresh)
        fresh.close()
        problems = collection.verify().problems
    same = chunks.keys() == others.keys()
    return {
        "documents": len(mine),
        "same_documents": mine == theirs,
        "chunks": len(chunks),
        "same_chunks": same,
        "largest_difference": float(max(np.abs(chunks[id] - others[id]).max() for id in others))
        if same
        else None,
        "problems": [str(problem) for problem in problems],
        "fresh_build_seconds": round(seconds, 1),
    }


def migrate(kb: Path, scratch: Path, to: str, base: set[str], models: list[str]) -> dict[str, Any]:
    """Migrate beside a searcher and a writer, and return what was measured."""
    source = dataset("scifact")
    queries = read_queries(source / "queries.jsonl")
    judged = read_qrels(source / "qrels.tsv").judgements
    qrels = Qrels({q.id: judged[q.id] for q in queries if q.id in judged})
    stop = scratch / "stop"
    outs = {name: scratch / f"{name}.json" for name in ("search", "write")}
    children = [
        subprocess.Popen([sys.executable, __file__, name, str(kb), str(stop), str(out), *models])
        for name, out in outs.items()
    ]
    seconds: dict[str, float] = {}

    def timed(name: str, started: float) -> None:
        seconds[name] = round(time.perf_counter() - started, 2)

    try:
        time.sleep(5)
        with Collection.open(kb, cache=False) as collection:
            started = time.perf_counter()
            planned = plan(collection, to, cache=False).to_dict()
            timed("plan", started)
            started = time.perf_counter()
            migration = Migration.begin(collection, to, cache=False, wait=60)
            filled = migration.backfill()
            timed("backfill", started)
            started = time.perf_counter()
            found = migration.verify(queries=queries, qrels=qrels, require=GATE)
            if not found.holds:  # the way back leads to a model that is worse, and is wanted
                found = migration.verify(queries=queries, qrels=qrels)
            timed("verify", started)
            started = time.perf_counter()
            migration.switch()
            timed("switch", started)
            time.sleep(5)
            started = time.perf_counter()
            migration.rollback()
            timed("rollback", started)
            time.sleep(2)
            migration.switch()
            time.sleep(2)
            started = time.perf_counter()
            freed = migration.retire()
            timed("retire", started)
            time.sleep(5)
    finally:
        stop.touch()
        for child in children:
            child.wait()
    searched, written = (json.loads(out.read_text()) for out in outs.values())
    there = base | set(written.pop("there"))
    return {
        "seconds": seconds,
        "planned": {
            name: planned[name]
            for name in ("cut_anew", "too_long", "tokens", "seconds", "tokens_per_second")
        },
        "embedded": filled.embedded,
        "tokens": filled.tokens,
        "tokens_per_second": round(filled.tokens / seconds["backfill"]),
        "verification": found.to_dict(),
        "bytes_freed": freed,
        "searcher": searched,
        "writer": written,
        "against_fresh": equal_to_fresh(kb, scratch / "fresh", there),
        "left": sorted(there - base),
    }


def main() -> None:
    """Migrate there and back, and save one result."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        static = folder / "static"
        distill(MODEL, static, cache=False)
        kb = folder / "kb"
        found = documents()
        base = {document.id for document in found[:-HELD_BACK]}
        with Collection.create(kb, static, cache=False) as collection:
            collection.add(found[:-HELD_BACK])
        models = [str(static), MODEL]
        ways = {}
        for name, to in (("static to MiniLM", MODEL), ("MiniLM to static", str(static))):
            place = folder / name.replace(" ", "-")
            place.mkdir()
            ways[name] = migrate(kb, place, to, base, models)
            with Collection.open(kb) as collection:
                collection.delete(ways[name].pop("left"))
        with Collection.open(kb) as collection:
            history = [f"{event['event']} {event['space']}" for event in collection.history()]
    save("migration", {"model": MODEL, "gate": GATE, "ways": ways, "history": history})


def renewed(page: str) -> str:
    """Return docs/migration.md with the table of the saved result."""
    result = json.loads((HERE / "results/migration.json").read_text(encoding="utf-8"))
    lines = [
        "all-MiniLM-L6-v2 and a static model distilled from it, SciFact (5,183 documents), two "
        "cores; one process migrates, one searches and one adds or deletes a document every "
        "50 ms, all without pause (`benchmarks/migration.py`):\n",
        "| | " + " | ".join(result["ways"]) + " |",
        "|---|" + "---:|" * len(result["ways"]),
    ]
    for name, value in ROWS.items():
        lines.append(f"| {name} | " + " | ".join(map(value, result["ways"].values())) + " |")
    start, rest = page.split(BEGIN)
    return start + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1]


ROWS: dict[str, Callable[[Any], str]] = {
    "chunks in the end": lambda way: f"{way['against_fresh']['chunks']:,}",
    "backfill": lambda way: (
        f"{way['seconds']['backfill']:,.0f} s, {way['tokens_per_second']:,} tokens/s"
    ),
    "the same built anew, nobody beside it": lambda way: (
        f"{way['against_fresh']['fresh_build_seconds']:,.0f} s"
    ),
    "switch, rollback, retirement": lambda way: ", ".join(
        f"{way['seconds'][step]:.2f} s" for step in ("switch", "rollback", "retire")
    ),
    "searches, failed": lambda way: (
        f"{way['searcher']['searches']:,}, {sum(way['searcher']['failed'].values())}"
    ),
    "results whose scores were computed again, mixed": lambda way: (
        f"{way['searcher']['scores_checked']:,}, {way['searcher']['mixed']}"
    ),
    "longest search": lambda way: f"{way['searcher']['longest_ms']:,.0f} ms",
    "writes, failed": lambda way: (
        f"{way['writer']['operations']:,}, {sum(way['writer']['failed'].values())}"
    ),
    "contents equal a fresh build's": lambda way: _equal(way["against_fresh"]),
}


def _equal(fresh: Any) -> str:
    if not (fresh["same_documents"] and fresh["same_chunks"]):
        return "no"
    return f"ids yes, vectors within {fresh['largest_difference']:.0e}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    elif len(sys.argv) > 1:
        work, place, until, result, *names = sys.argv[1:]
        if work == "search":
            search(Path(place), Path(until), Path(result), names)
        else:
            write(Path(place), Path(until), Path(result))
    else:
        main()
