"""Embedding speed, single-query latency, start-up and memory, beside sentence-transformers.

    python benchmarks/embed.py [--passages 400] [--rounds 3]

Passages of SciFact (documentation of the standard library where the data set is absent), each
cut at 256 tokens by both systems, are embedded by all-MiniLM-L6-v2 in float32. Each system
runs in a process of its own, both alive at once and asked in turn, so that a disturbance of
the machine hits both alike; the median of the rounds is reported. Speeds count the tokens that
were embedded, special tokens included; loading is timed in a process that has numpy already.
The vectors are compared before anything is published.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pydoc
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from common import DATASETS, peak_mib, percentile, read_jsonl, save

MODEL = "all-MiniLM-L6-v2"
LEAST_COSINE = 0.99999
QUERIES = 100
DOCUMENTED = ("argparse", "asyncio", "collections", "email", "http", "json", "logging", "os", "re")


class Samespace:
    """This library."""

    def __init__(self) -> None:
        from samespace.models import load

        self.embedder = load(MODEL)

    def documents(self, texts: list[str]) -> np.ndarray:
        return self.embedder.embed(texts, "document", on_long="truncate").array

    def query(self, text: str) -> np.ndarray:
        return self.embedder.embed([text], "query").array


class SentenceTransformers:
    """sentence-transformers with PyTorch, as its documentation uses it."""

    def __init__(self) -> None:
        from samespace.models.catalog import find
        from samespace.models.weights import locate

        card = find(MODEL)
        assert card is not None
        folder = locate(card)
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(folder), device="cpu")

    def documents(self, texts: list[str]) -> np.ndarray:
        return np.asarray(self.model.encode_document(texts, show_progress_bar=False))

    def query(self, text: str) -> np.ndarray:
        return np.asarray(self.model.encode_query([text], show_progress_bar=False))


SYSTEMS = {"samespace": Samespace, "sentence-transformers": SentenceTransformers}


def worker(name: str, folder: Path) -> None:
    """Serve one system: a line on standard input is a request, a line of JSON its answer."""
    texts = json.loads((folder / "passages.json").read_text(encoding="utf-8"))
    queries = json.loads((folder / "queries.json").read_text(encoding="utf-8"))
    start = time.perf_counter()
    system = SYSTEMS[name]()
    loaded = time.perf_counter() - start
    system.query(queries[0])
    answer: dict[str, Any] = {"load_s": loaded, "first_query_s": time.perf_counter() - start}
    for request in itertools.chain(["hello"], map(str.strip, sys.stdin)):
        if request == "documents":
            start = time.perf_counter()
            vectors = system.documents(texts)
            answer = {"seconds": time.perf_counter() - start}
            np.save(folder / f"{name}.npy", vectors)
        elif request == "queries":
            times = []
            for query in queries:
                start = time.perf_counter()
                system.query(query)
                times.append(1000 * (time.perf_counter() - start))
            answer = {"times_ms": times}
        print(json.dumps({**answer, "peak_mib": peak_mib()}), flush=True)


def texts(count: int) -> tuple[str, list[str], list[str]]:
    """Return where the texts are from, the passages and the queries."""
    folder = DATASETS / "scifact"
    if folder.is_dir():
        records = read_jsonl(folder / "corpus.jsonl")[:: max(1, 5000 // count)][:count]
        queries = [record["text"] for record in read_jsonl(folder / "queries.jsonl")[:QUERIES]]
        return "scifact", [f"{r['title']}\n{r['text']}" for r in records], queries
    found = []
    for name in DOCUMENTED:
        module = __import__(name)
        found += [d for v in vars(module).values() if len(d := pydoc.getdoc(v)) > 200]
    passages = (found * (count // len(found) + 1))[:count]
    return "stdlib docstrings", passages, [text.splitlines()[0] for text in found[:QUERIES]]


def main() -> None:
    """Run the systems in turn and save the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker[0], Path(arguments.worker[1]))
        return
    load = round(os.getloadavg()[0], 2)
    source, passages, queries = texts(arguments.passages)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "passages.json").write_text(json.dumps(passages), encoding="utf-8")
        (folder / "queries.json").write_text(json.dumps(queries), encoding="utf-8")
        results = measure(folder, arguments.rounds)
        ours, theirs = (np.load(folder / f"{name}.npy") for name in SYSTEMS)
    cosines = np.einsum("ij,ij->i", ours, theirs)
    if cosines.min() < LEAST_COSINE:
        sys.exit(f"the vectors differ: least cosine {cosines.min():.6f}; speeds mean nothing")
    tokens = [min(n, 256) for n in Samespace().embedder.count(passages)]
    save(
        "embed",
        {
            "model": MODEL,
            "source": source,
            "passages": len(passages),
            "tokens": sum(tokens),
            "mean_tokens": round(statistics.mean(tokens), 1),
            "least_cosine": round(float(cosines.min()), 7),
            "systems": {name: summary(got, sum(tokens)) for name, got in results.items()},
            "load_average_before": load,
            "versions": {n: version(n) for n in ("sentence-transformers", "torch")},
        },
    )


def measure(folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Ask every system in turn, in every round."""
    children, results = {}, {}
    for name in SYSTEMS:
        command = [sys.executable, __file__, "--worker", name, str(folder)]
        children[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        results[name] = {**answer(children[name]), "documents": [], "queries": []}
    for _ in range(rounds):
        for request in ("documents", "queries"):
            for name, child in children.items():
                assert child.stdin
                child.stdin.write(request + "\n")
                child.stdin.flush()
                got = answer(child)
                results[name]["peak_mib"] = got.pop("peak_mib")
                results[name][request].append(got)
    for child in children.values():
        child.communicate()
    return results


def answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    """Read one answer of a worker."""
    assert child.stdout
    line = child.stdout.readline()
    if not line:
        sys.exit(f"a worker ended with code {child.wait()}")
    result: dict[str, Any] = json.loads(line)
    return result


def summary(got: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Return the medians over the rounds."""
    speeds = [tokens / r["seconds"] for r in got["documents"]]
    times = [r["times_ms"] for r in got["queries"]]
    return {
        "tokens_per_second": round(statistics.median(speeds)),
        "tokens_per_second_rounds": [round(s) for s in speeds],
        "query_p50_ms": round(statistics.median(percentile(t, 50) for t in times), 2),
        "query_p95_ms": round(statistics.median(percentile(t, 95) for t in times), 2),
        "import_and_load_s": round(got["load_s"], 2),
        "import_load_and_first_query_s": round(got["first_query_s"], 2),
        "peak_mib": round(got["peak_mib"]),
    }


if __name__ == "__main__":
    main()
