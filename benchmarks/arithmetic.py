"""What rounding a model's weights costs and gains: float32, float16, int8, on both runtimes.

    python benchmarks/arithmetic.py [--passages 200] [--rounds 3]

Cosines to ONNX Runtime's float32 over the canaries and over passages of SciFact, tokens per
second, time of a single query, peak memory, with all-MiniLM-L6-v2. Each system runs in a
process of its own, all alive at once and asked in turn; the median of the rounds is reported.
Rounded weights are made before, in a process apart, and then found in the cache, as they are in
use. Speeds count the tokens that were embedded, special tokens included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from common import dataset, peak_mib, percentile, read_jsonl, save
from samespace.models import Embedder, OnnxEmbedder
from samespace.models.agreement import Agreement, agreement
from samespace.models.catalog import find
from samespace.models.weights import locate

MODEL = "all-MiniLM-L6-v2"
QUERIES = 100
ON_ONNX = ("float32", "float16", "int8")
SYSTEMS = [("onnx", a) for a in ON_ONNX] + [
    ("torch", a) for a in ("float32", "bfloat16", "float16")
]
REFERENCE = "onnx float32"


def embedder(runtime: str, arithmetic: Any) -> Embedder:
    """Return the model on a runtime in an arithmetic."""
    if runtime == "torch":
        from samespace.models.torch import TorchEmbedder

        return TorchEmbedder(located(), arithmetic=arithmetic)
    return OnnxEmbedder(located(), arithmetic=arithmetic)


def located() -> Path:
    """Return the model's folder."""
    card = find(MODEL)
    assert card is not None
    return locate(card)


def texts(count: int) -> tuple[list[str], list[str]]:
    """Return passages, documents of SciFact at equal distances, and queries."""
    folder = dataset("scifact")
    records = read_jsonl(folder / "corpus.jsonl")[:: max(1, 5000 // count)][:count]
    queries = [record["text"] for record in read_jsonl(folder / "queries.jsonl")[:QUERIES]]
    return [f"{r['title']}\n{r['text']}" for r in records], queries


def worker(runtime: str, arithmetic: str, folder: Path) -> None:
    """Serve one system: a line on standard input is a request, a line of JSON its answer."""
    passages, queries = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    start = time.perf_counter()
    model = embedder(runtime, arithmetic)
    model.embed(queries[:1], "query")
    answer: dict[str, Any] = {"first_query_s": time.perf_counter() - start}
    for request in itertools.chain(["hello"], map(str.strip, sys.stdin)):
        if request == "documents":
            start = time.perf_counter()
            vectors = model.embed(passages, "document", on_long="truncate").array
            answer = {"seconds": time.perf_counter() - start}
            np.save(folder / f"{runtime} {arithmetic}.npy", vectors)
        elif request == "queries":
            times = []
            for query in queries:
                start = time.perf_counter()
                model.embed([query], "query")
                times.append(1000 * (time.perf_counter() - start))
            answer = {"times_ms": times}
        print(json.dumps({**answer, "peak_mib": peak_mib()}), flush=True)


def speed(count: int, rounds: int) -> None:
    """Ask every system in turn, in every round, and save the medians."""
    load = round(os.getloadavg()[0], 2)
    passages, queries = texts(count)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["SAMESPACE_CACHE"] = str(folder / "cache")
        (folder / "texts.json").write_text(json.dumps([passages, queries]), encoding="utf-8")
        made = {f"onnx {a}": alone("onnx", a, folder) for a in ON_ONNX}
        kept = sum(f.stat().st_size for f in (folder / "cache/rounded").iterdir())
        got = measure(folder, rounds)
        arrays = {name: np.load(folder / f"{name}.npy") for name in got}
        exact = embedder("onnx", "float32")
        tokens = [min(n, exact.max_tokens) for n in exact.count(passages)]
        systems = {}
        for runtime, arithmetic in SYSTEMS:
            name = f"{runtime} {arithmetic}"
            cosines = np.einsum("ij,ij->i", arrays[name], arrays[REFERENCE])
            systems[name] = {
                "canaries": cosine(agreement(embedder(runtime, arithmetic), exact)),
                "passages": cosine(Agreement(tuple(map(float, cosines)))),
                **summary(got[name], sum(tokens)),
                **({"first_time": made[name]} if name in made else {}),
            }
    save(
        "arithmetic",
        {
            "model": MODEL,
            "passages": len(passages),
            "tokens": sum(tokens),
            "mean_tokens": round(statistics.mean(tokens), 1),
            "rounds": rounds,
            "rounded_files_mib": round(kept / 2**20, 1),
            "systems": systems,
            "load_average_before": load,
            "versions": {n: version(n) for n in ("sentence-transformers", "torch")},
        },
    )


def alone(runtime: str, arithmetic: str, folder: Path) -> dict[str, Any]:
    """Load a system once for itself, so that what it keeps is there afterwards."""
    child = start(runtime, arithmetic, folder)
    answer = read(child)
    child.communicate()
    return {
        "load_and_first_query_s": round(answer["first_query_s"], 2),
        "peak_mib": round(answer["peak_mib"]),
    }


def start(runtime: str, arithmetic: str, folder: Path) -> subprocess.Popen[str]:
    """Start a worker."""
    command = [sys.executable, __file__, "--worker", runtime, arithmetic, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def read(child: subprocess.Popen[str]) -> dict[str, Any]:
    """Read one answer of a worker."""
    assert child.stdout
    line = child.stdout.readline()
    if not line:
        sys.exit(f"a worker ended with code {child.wait()}")
    result: dict[str, Any] = json.loads(line)
    return result


def measure(folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Ask every system in turn, in every round."""
    children = {f"{r} {a}": start(r, a, folder) for r, a in SYSTEMS}
    results: dict[str, dict[str, Any]] = {
        name: {**read(child), "documents": [], "queries": []} for name, child in children.items()
    }
    for _ in range(rounds):
        for request in ("documents", "queries"):
            for name, child in children.items():
                assert child.stdin
                child.stdin.write(request + "\n")
                child.stdin.flush()
                got = read(child)
                results[name]["peak_mib"] = got.pop("peak_mib")
                results[name][request].append(got)
    for child in children.values():
        child.communicate()
    return results


def cosine(seen: Agreement) -> dict[str, Any]:
    """Return the least and the mean cosine, and whether they make one space."""
    return {
        "least": round(min(seen.least, 1.0), 7),
        "mean": round(min(seen.mean, 1.0), 7),
        "one_space": seen.one_space,
    }


def summary(got: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Return the medians over the rounds."""
    speeds = [tokens / r["seconds"] for r in got["documents"]]
    times = [r["times_ms"] for r in got["queries"]]
    return {
        "tokens_per_second": round(statistics.median(speeds)),
        "tokens_per_second_rounds": [round(s) for s in speeds],
        "query_p50_ms": round(statistics.median(percentile(t, 50) for t in times), 2),
        "query_p95_ms": round(statistics.median(percentile(t, 95) for t in times), 2),
        "load_and_first_query_s": round(got["first_query_s"], 2),
        "peak_mib": round(got["peak_mib"]),
    }


def main() -> None:
    """Run the systems in turn and save the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        runtime, arithmetic, folder = arguments.worker
        worker(runtime, arithmetic, Path(folder))
    else:
        speed(arguments.passages, arguments.rounds)


if __name__ == "__main__":
    main()
