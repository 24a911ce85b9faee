"""What rounding a model's weights costs and gains: float32, float16, int8, on both runtimes.

    python benchmarks/arithmetic.py speed [--passages 200] [--rounds 3]
    python benchmarks/arithmetic.py quality
    python benchmarks/arithmetic.py stability

`speed`: cosines to ONNX Runtime's float32 over the canaries and over passages of SciFact, tokens
per second, time of a single query, peak memory, with all-MiniLM-L6-v2. Each system runs in a
process of its own, all alive at once and asked in turn; the median of the rounds is reported.
Rounded weights are made before, in a process apart, and then found in the cache, as they are in
use. Speeds count the tokens that were embedded, special tokens included.

`quality`: nDCG@10 of dense search on SciFact, one vector for each document from its first 256
tokens, all in one arithmetic, and int8 queries against float32 documents.

`stability`: how far vectors move when every weight is changed by one part in a million, about as
much as another kind of CPU changes a sum by adding in another order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from common import dataset, ndcg, peak_mib, percentile, read_jsonl, read_qrels, save
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
    card = find(MODEL)
    assert card is not None
    if runtime == "torch":
        from samespace.models.torch import TorchEmbedder

        return TorchEmbedder(locate(card), arithmetic=arithmetic)
    return OnnxEmbedder(locate(card), arithmetic=arithmetic)


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
    command = [sys.executable, __file__, "worker", runtime, arithmetic, str(folder)]
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


def quality() -> None:
    """Save nDCG@10 on SciFact in each arithmetic."""
    folder = dataset("scifact")
    judged = read_qrels(folder / "qrels.tsv")
    corpus = read_jsonl(folder / "corpus.jsonl")
    asked = [r for r in read_jsonl(folder / "queries.jsonl") if str(r["_id"]) in judged]
    names = [str(record["_id"]) for record in corpus]
    texts = [f"{r['title']}\n{r['text']}" for r in corpus]
    documents, queries, result = {}, {}, {}
    for arithmetic in ON_ONNX:
        model = embedder("onnx", arithmetic)
        documents[arithmetic] = model.embed(texts, "document", on_long="truncate").array
        queries[arithmetic] = model.embed([r["text"] for r in asked], "query").array
    pairs = [(a, a) for a in ON_ONNX] + [("int8", "float32")]
    for of_queries, of_documents in pairs:
        scores = queries[of_queries] @ documents[of_documents].T
        best = np.argsort(-scores, axis=1)[:, :10]
        values = [
            ndcg([names[i] for i in rows], judged[str(r["_id"])])
            for rows, r in zip(best, asked, strict=True)
        ]
        same = queries["float32"] @ documents["float32"].T
        top = np.argsort(-same, axis=1)[:, :10]
        overlap = [len(set(a) & set(b)) / 10 for a, b in zip(best, top, strict=True)]
        result[f"{of_queries} queries, {of_documents} documents"] = {
            "ndcg@10": round(statistics.mean(values), 4),
            "of_the_first_ten_also_in_float32": round(statistics.mean(overlap), 4),
        }
    save("arithmetic-quality", {"model": MODEL, "queries": len(asked), "pairs": result})


def stability() -> None:
    """Save the cosines of each arithmetic to itself with weights a millionth off."""
    from safetensors.numpy import load_file, save_file

    card = find(MODEL)
    assert card is not None
    folder = locate(card)
    rng = np.random.default_rng(0)
    tensors = {
        name: (t * (1 + 1e-6 * rng.standard_normal(t.shape))).astype(t.dtype)
        for name, t in load_file(folder / "model.safetensors").items()
    }
    result = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SAMESPACE_CACHE"] = f"{scratch}/cache"
        shaken = Path(scratch) / "model"
        shutil.copytree(folder, shaken, ignore=shutil.ignore_patterns("model.safetensors"))
        save_file(tensors, shaken / "model.safetensors")
        for arithmetic in ON_ONNX:
            moved = OnnxEmbedder(shaken, arithmetic=arithmetic)
            result[arithmetic] = cosine(agreement(moved, embedder("onnx", arithmetic)))
    save("arithmetic-stability", {"model": MODEL, "to_itself": result})


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    fast = commands.add_parser("speed")
    fast.add_argument("--passages", type=int, default=200)
    fast.add_argument("--rounds", type=int, default=3)
    commands.add_parser("quality")
    commands.add_parser("stability")
    hidden = commands.add_parser("worker")
    for name in ("runtime", "arithmetic", "folder"):
        hidden.add_argument(name)
    arguments = parser.parse_args()
    if arguments.what == "worker":
        worker(arguments.runtime, arguments.arithmetic, Path(arguments.folder))
    elif arguments.what == "speed":
        speed(arguments.passages, arguments.rounds)
    else:
        {"quality": quality, "stability": stability}[arguments.what]()


if __name__ == "__main__":
    main()
