"""Section: the same weights, the same texts, one embedding system after the other."""

from __future__ import annotations

import json
import random
from typing import Any

import model
from harness import WORK, Answer, Bench, spread
from render import Better, Column, ranked

from common import dataset, read_jsonl

PASSAGES, QUICK_PASSAGES = 600, 100
QUERIES, QUICK_QUERIES = 200, 30
SHORTEST, LONGEST = 20, 256
EQUAL = 0.99999
"""A vector whose cosine to the reference is below this is another vector."""

OPTIMUM = {
    "sentence-transformers, ONNX",
    "sentence-transformers, ONNX O3",
    "sentence-transformers, OpenVINO",
    "sentence-transformers, OpenVINO float32",
}
SYSTEMS = (
    "samespace",
    "sentence-transformers, PyTorch",
    "sentence-transformers, ONNX",
    "sentence-transformers, ONNX O3",
    "sentence-transformers, OpenVINO",
    "sentence-transformers, OpenVINO float32",
    "transformers",
    "fastembed",
    "fastembed, window set to 256",
    "fastembed, window set to 256, parallel=2",
)


def run(bench: Bench) -> dict[str, Any]:
    """Measure every system in every round."""
    published = str(model.folder())
    exported = WORK / "all-MiniLM-L6-v2-exported"
    if not (exported / "openvino").exists():
        bench.measure(
            "export",
            "embedding_systems:export",
            environment="optimum",
            settings={"published": published, "exported": str(exported)},
        )
    texts = given(bench.quick)
    file = WORK / f"embedding-{'quick' if bench.quick else 'full'}.json"
    file.write_text(json.dumps(texts), encoding="utf-8")
    vectors = str(file.with_suffix(".npz"))
    bench.measure(
        "reference",
        "embedding_systems:reference",
        settings={"published": published, "texts": str(file), "vectors": vectors},
    )
    answers: dict[str, list[Answer]] = {system: [] for system in SYSTEMS}
    for turn in range(bench.rounds):
        for system in SYSTEMS:
            answer = bench.measure(
                f"{turn}/{system}",
                "embedding_systems:measure",
                environment="optimum" if system in OPTIMUM else "main",
                settings={
                    "system": system,
                    "published": published,
                    "exported": str(exported),
                    "texts": str(file),
                    "vectors": vectors,
                },
            )
            answers[system].append(answer)
    tokens = texts["tokens"]
    return {
        "model": "all-MiniLM-L6-v2",
        "passages": len(texts["passages"]),
        "queries": len(texts["queries"]),
        "tokens": sum(tokens),
        "tokens_per_passage": {"least": min(tokens), "most": max(tokens)},
        "systems": {name: summary(got, sum(tokens)) for name, got in answers.items()},
    }


def given(quick: bool) -> dict[str, Any]:
    """Return passages that fit the window of 256 whole, queries, and one text beyond all windows.

    Whole, so that a system with a wider window embeds no more tokens than the others; longer
    than 128 tokens many of them, so that one that cuts there shows.
    """
    from samespace.models import load

    count = load("all-MiniLM-L6-v2").count
    found = [r["text"] for r in read_jsonl(dataset("squad-dev-minus-xquad") / "corpus.jsonl")]
    found += [r["text"] for r in read_jsonl(dataset("scifact") / "corpus.jsonl")]
    random.Random(0).shuffle(found)
    long = " ".join(found[:20])
    found = found[:2000]
    sized = [(t, n) for t, n in zip(found, count(found), strict=True) if SHORTEST <= n <= LONGEST]
    sized = sized[: QUICK_PASSAGES if quick else PASSAGES]
    queries = read_jsonl(dataset("squad-dev-minus-xquad") / "queries.jsonl")
    random.Random(0).shuffle(queries)
    return {
        "passages": [text for text, _ in sized],
        "tokens": [tokens for _, tokens in sized],
        "queries": [q["text"] for q in queries[: QUICK_QUERIES if quick else QUERIES]],
        "long": long,
    }


def summary(answers: list[Answer], tokens: int) -> dict[str, Any]:
    """Return the figures of one system over its rounds, or the error that it met."""
    good = [answer for answer in answers if "error" not in answer]
    if not good:
        return {"error": answers[0]["error"]}
    least = min(answer["min_cosine"] for answer in good)
    return {
        "rounds": len(good),
        "tokens_per_second": spread((tokens / a["seconds"] for a in good), 4),
        "query_p50_ms": spread(a["query_p50_ms"] for a in good),
        "query_p99_ms": spread(a["query_p99_ms"] for a in good),
        "load_s": spread(a["load_s"] for a in good),
        "peak_mib": spread((a["peak_mib"] for a in good), 4),
        "min_cosine": round(least, 7),
        "mean_cosine": round(min(a["mean_cosine"] for a in good), 7),
        "window": good[0]["window"],
        "precision": good[0]["precision"],
        "equal": least >= EQUAL,
    }


def table(result: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    sizes = result["tokens_per_passage"]
    columns = [
        Column("tokens/s", "tokens_per_second", Better.MORE),
        Column("query p50, ms", "query_p50_ms", Better.LESS),
        Column("query p99, ms", "query_p99_ms", Better.LESS),
        Column("import, load, first query, s", "load_s", Better.LESS),
        Column("peak memory, MiB", "peak_mib", Better.LESS),
        Column("cosine to float32, least", "min_cosine", None),
        Column("mean", "mean_cosine", None),
        Column("cuts at, tokens", "window", None),
    ]
    rows = {
        name: {**row, "comparable": row.get("equal", True), "note": _note(row)}
        for name, row in result["systems"].items()
    }
    return "\n".join(
        [
            "## Embedding",
            "",
            f"{result['passages']:,} passages of {sizes['least']} to {sizes['most']} tokens "
            f"({result['tokens']:,} tokens, the same for every system: all fit the window of 256 "
            f"whole), {result['queries']} queries one at a time, {result['model']} in float32. "
            "The reference is sentence-transformers with PyTorch in float32.",
            "",
            ranked("system", rows, columns),
        ]
    )


def _note(row: dict[str, Any]) -> str:
    if row.get("equal", True):
        return ""
    cause = ""
    if row["precision"] != "float32":
        cause = f" (it computes in {row['precision']} here)"
    elif row["window"]:
        cause = f" (it truncates at {row['window']})"
    return f"other vectors than the reference{cause}: its speed is not comparable"
