"""Section: search among 100,000 and 1,000,000 vectors of 384 dimensions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness import WORK, Answer, Bench, emptied, spread
from render import Better, Column, ranked

REAL, QUESTIONS = 120_000, 700
QUICK_REAL = 20_000
TARGETS = (0.95, 0.99)
LEEWAY = 0.01
"""How far below its target a setting may fall on questions that it was not found with."""

BUILD_S, QUERY_S = 3000, 300
EXACT_QUERIES = {100_000: 500, 1_000_000: 60}
SYSTEMS = (
    "samespace",
    "faiss Flat",
    "faiss HNSW32",
    "faiss IVF-PQ, refined",
    "faiss IVF-RaBitQ, refined",
    "usearch f32",
    "usearch f16",
    "hnswlib",
    "LanceDB, no index",
    "LanceDB IVF_PQ",
    "LanceDB IVF_HNSW_SQ",
    "Chroma",
)
LEFT_OUT = {1_000_000: {"usearch f32"}}
"""What differs from its neighbour in the table by one thing that the smaller size shows."""


def run(bench: Bench) -> dict[str, Any]:
    """Make the vectors, then build and search them with every system, size by size."""
    real = WORK / f"vectors-{REAL}"
    if bench.quick and not (real / "sentences.npy").exists():
        real = WORK / f"vectors-{QUICK_REAL}"
    if not (real / "sentences.npy").exists():
        answer = bench.measure(
            "real",
            "corpus:embed",
            timeout=7200,
            settings={
                "count": QUICK_REAL if bench.quick else REAL,
                "asked": QUESTIONS,
                "folder": str(real),
            },
        )
        if "error" in answer:
            raise RuntimeError(f"no vectors to search: {answer['error']}")
    sizes = (QUICK_REAL,) if bench.quick else (100_000, 1_000_000)
    result = {"sizes": [one_size(bench, real, size) for size in sizes]}
    for size in sizes:
        # Twenty gigabytes at a million; what was measured is in the journal and the result.
        shutil.rmtree(WORK / f"index-{size}", ignore_errors=True)
    return result


def one_size(bench: Bench, real: Path, size: int) -> dict[str, Any]:
    """Measure every system on so many vectors."""
    data = WORK / f"base-{size}"
    facts = bench.measure(
        f"{size}/vectors",
        "million:make",
        timeout=3600,
        settings={"real": str(real), "count": size, "folder": str(data)},
    )
    if "error" in facts:
        raise RuntimeError(f"no vectors to search: {facts['error']}")
    systems = [name for name in SYSTEMS if name not in LEFT_OUT.get(size, ())]
    builds: dict[str, list[Answer]] = {name: [] for name in systems}
    queries: dict[str, list[Answer]] = {name: [] for name in systems}
    tuned: dict[str, Answer] = {}
    for turn in range(bench.rounds):
        for name in systems:
            one = {"system": name, "data": str(data), "folder": str(folder_of(size, name))}
            # A million are built once: a build takes minutes there.
            if turn == 0 or size <= 100_000:
                key = f"{size}/{turn}/{name}/build"
                if key not in bench.answers:
                    emptied(folder_of(size, name))
                builds[name].append(
                    bench.measure(key, "vector_systems:build", timeout=BUILD_S, settings=one)
                )
            if any("error" in answer for answer in builds[name]):
                continue
            if turn == 0:
                tuned[name] = bench.measure(
                    f"{size}/{name}/tune",
                    "vector_systems:tune",
                    timeout=QUERY_S,
                    settings={**one, "targets": list(TARGETS)},
                )
            if "error" in tuned[name]:
                continue
            queries[name].append(
                bench.measure(
                    f"{size}/{turn}/{name}/query",
                    "vector_systems:query",
                    timeout=QUERY_S,
                    settings={
                        **one,
                        "points": tuned[name]["points"],
                        "exact_queries": EXACT_QUERIES.get(size, 100),
                    },
                )
            )
    return {
        "vectors": size,
        "facts": {k: v for k, v in facts.items() if k not in ("peak_mib", "wall_s")},
        "builds": max(len(found) for found in builds.values()),
        "systems": {
            name: summary(builds[name], tuned.get(name), queries[name]) for name in systems
        },
    }


def folder_of(size: int, name: str) -> Path:
    """Return where a system's index lies."""
    return WORK / f"index-{size}" / "".join(c if c.isalnum() else "-" for c in name)


def summary(builds: list[Answer], tuned: Answer | None, queries: list[Answer]) -> dict[str, Any]:
    """Return the figures of one system over its rounds, or the error that it met."""
    for what, answers in (("build", builds), ("search", [tuned or {}]), ("search", queries)):
        errors = [answer["error"] for answer in answers if "error" in answer]
        if errors:
            return {"error": f"{what}: {errors[0]}"}
    assert tuned is not None
    points = {}
    for target, setting in tuned["points"].items():
        rounds = [answer["points"][target] for answer in queries]
        points[target] = {
            "setting": setting,
            "recall": round(min(r["recall"] for r in rounds), 4),
            "p50_ms": spread(r["p50_ms"] for r in rounds),
            "p99_ms": spread(r["p99_ms"] for r in rounds),
            "batch_qps": spread(r["batch_qps"] for r in rounds)
            if "batch_qps" in rounds[0]
            else None,
        }
    return {
        "build_s": spread(answer["build_s"] for answer in builds),
        "build_peak_mib": spread((answer["peak_mib"] for answer in builds), 4),
        "megabytes": builds[0]["megabytes"],
        "open_s": spread(answer["open_s"] for answer in queries),
        "query_peak_mib": spread((answer["peak_mib"] for answer in queries), 4),
        "points": points,
    }


def table(result: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    parts = [
        "## Vector search",
        "",
        "The ten nearest of 384-dimensional vectors by cosine. samespace searches exactly (a scan "
        "of memory-mapped float32, as its store does it); it has no approximate index yet and no "
        "call for many queries at once. Settings are found on other questions than those that are "
        "reported: the cheapest of each system's ladder that reaches the recall there. All graphs "
        "have M = 32 and efConstruction = 200. p50 and p99 are of one query per "
        "call, one after the other; a call may use both cores. Batch: all queries in one call. "
        "Memory while building counts the vectors that were given. A system stands in both tables "
        "of a size with the setting for that recall; what is exact has recall 1 in both.",
    ]
    for size in result["sizes"]:
        parts += [
            "",
            f"### {size['vectors']:,} vectors",
            "",
            _origin(size["facts"], size["builds"]),
        ]
        for target in TARGETS:
            parts += ["", f"Recall@10 of at least {target}:", "", _at(size["systems"], target)]
    return "\n".join(parts)


def _origin(facts: dict[str, Any], builds: int) -> str:
    text = f"{facts['real']:,} are real: all-MiniLM-L6-v2 on distinct sentences of the data sets"
    if copies := facts.get("copies"):
        low, high = copies["toward_neighbour"]
        text += (
            f"; {facts['vectors'] - facts['real']:,} are perturbed copies of them: moved {low} to "
            f"{high} of the way to one of the ten nearest real neighbours, plus noise of length "
            f"{copies['noise']} in the direction of the difference of two other real vectors. "
            "Median cosine of a copy to its original "
            f"{copies['median_cosine_copy_to_original']}; of a real vector to its nearest real "
            f"neighbour {copies['median_cosine_real_to_nearest']}, to its tenth "
            f"{copies['median_cosine_real_to_tenth']}"
        )
    built = "once" if builds == 1 else f"{builds} times"
    return f"{text}. {facts['queries']} real questions, none of them indexed. Built {built}."


def _at(systems: dict[str, Any], target: float) -> str:
    rows = {}
    for name, row in systems.items():
        if "error" in row:
            rows[name] = row
            continue
        point = row["points"][str(target)]
        setting = ", ".join(f"{k} {v}" for k, v in point["setting"].items()) or "exact"
        reached = point["recall"] >= target - LEEWAY
        rows[name] = {
            **row,
            **point,
            "setting": setting,
            "comparable": reached,
            "note": "" if reached else f"does not reach {target} with any setting tried",
        }
    columns = [
        Column("setting", "setting", None),
        Column("recall@10", "recall", Better.MORE, share=True),
        Column("p50, ms", "p50_ms", Better.LESS),
        Column("p99, ms", "p99_ms", Better.LESS),
        Column("batch, queries/s", "batch_qps", Better.MORE),
        Column("build, s", "build_s", Better.LESS),
        Column("on disk, MB", "megabytes", Better.LESS),
        Column("open and first query, s", "open_s", Better.LESS),
        Column("memory building, MiB", "build_peak_mib", Better.LESS),
        Column("searching, MiB", "query_peak_mib", Better.LESS),
    ]
    return ranked("system", rows, columns)
