"""Section: words searched by BM25."""

from __future__ import annotations

import json
from typing import Any

from corpus import sentences
from harness import WORK, Answer, Bench, emptied, spread
from render import Better, Column, ranked

SETS = {"scifact": 300, "squad-dev-minus-xquad": 1500, "sentences": 100_000}
"""Judged sets with how many questions; the last is how many sentences, which are not judged."""
QUICK = {"scifact": 100, "squad-dev-minus-xquad": 200, "sentences": 20_000}
SYSTEMS = ("samespace", "bm25s", "bm25s, numba", "tantivy", "LanceDB full text")


def run(bench: Bench) -> dict[str, Any]:
    """Index and ask every set with every system, in every round."""
    sets = QUICK if bench.quick else SETS
    texts = WORK / f"sentences-{sets['sentences']}.json"
    if not texts.exists():
        texts.write_text(json.dumps(sentences(sets["sentences"])), encoding="utf-8")
    answers: dict[str, dict[str, list[Answer]]] = {
        name: {system: [] for system in SYSTEMS} for name in sets
    }
    for turn in range(bench.rounds):
        for name, count in sets.items():
            for system in SYSTEMS:
                key = f"{turn}/{name}/{system}"
                folder = WORK / "lexical" / "".join(c if c.isalnum() else "-" for c in key)
                if key not in bench.answers:
                    emptied(folder)
                answer = bench.measure(
                    key,
                    "lexical_systems:measure",
                    timeout=600,
                    settings={
                        "system": system,
                        "name": name,
                        "count": count,
                        "folder": str(folder),
                        "sentences": str(texts),
                    },
                )
                answers[name][system].append(answer)
    return {
        "sets": {
            name: {system: summary(got) for system, got in systems.items()}
            for name, systems in answers.items()
        }
    }


def summary(answers: list[Answer]) -> dict[str, Any]:
    """Return the figures of one system over its rounds, or the error that it met."""
    good = [answer for answer in answers if "error" not in answer]
    if not good:
        return {"error": answers[0]["error"]}
    return {
        "texts": good[0]["texts"],
        "queries": good[0]["queries"],
        "index_s": spread(a["index_s"] for a in good),
        "open_s": spread(a["open_s"] for a in good),
        "p50_ms": spread(a["p50_ms"] for a in good),
        "p99_ms": spread(a["p99_ms"] for a in good),
        "ndcg@10": round(good[0]["ndcg@10"], 4) if "ndcg@10" in good[0] else None,
        "megabytes": good[0]["megabytes"],
        "peak_mib": spread((a["peak_mib"] for a in good), 4),
    }


def table(result: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    parts = [
        "## Lexical search",
        "",
        "BM25 with English stop words and Snowball (Porter) stemming, each with the k1 and b that "
        "it has by itself (bm25s 1.5 and 0.75; tantivy, LanceDB and samespace 1.2 and 0.75). The "
        "ten best of each question, one question per call. Indexing ends with the index on disk. "
        "samespace is timed as its store makes and asks its index, without the database and the "
        "vectors beside it. On disk LanceDB has the texts too; the others have their index only.",
    ]
    for name, systems in result["sets"].items():
        some = next((row for row in systems.values() if "error" not in row), None)
        size = f": {some['texts']:,} texts, {some['queries']:,} questions" if some else ""
        columns = [
            Column("nDCG@10", "ndcg@10", Better.MORE, share=True),
            Column("p50, ms", "p50_ms", Better.LESS),
            Column("p99, ms", "p99_ms", Better.LESS),
            Column("index, s", "index_s", Better.LESS),
            Column("open and first query, s", "open_s", Better.LESS),
            Column("on disk, MB", "megabytes", Better.LESS),
            Column("peak memory, MiB", "peak_mib", Better.LESS),
        ]
        if name == "sentences":
            columns = columns[1:]
        parts += ["", f"### {name}{size}", "", ranked("system", systems, columns)]
    return "\n".join(parts)
