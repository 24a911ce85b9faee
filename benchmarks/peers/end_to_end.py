"""End to end: the same passages indexed and searched by samespace and by its peers.

Every system gets the same weights, the same texts (title and abstract of SciFact) and two cores,
and is used as its own documentation has it (see the modules in systems/). Indexing and searching
are processes of their own: what is searched was read from disk. The vectors that a system stored
are compared with what sentence-transformers makes of the same texts, and the window at which it
cut them is found out by that.

Then three things that happen to every index, each observed, on a smaller set: it is indexed
again; the process is killed half-way; another model of the same dimension queries.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import other_model
from end_to_end_table import table
from end_to_end_worker import WINDOWS
from harness import WORK, Bench, emptied, size_mb, spread
from model import folder as model_folder
from systems import ENTRIES, Entry

from common import dataset, read_jsonl, read_qrels

__all__ = ["run", "table"]

FOLDER = WORK / "end_to_end"
PASSAGES, FEW = 5000, 500
"""How many are indexed for the timings, and for the experiments."""
QUICK_PASSAGES, QUICK_FEW = 100, 60
EXPERIMENTS = ("samespace", "txtai", "Chroma", "LanceDB", "LlamaIndex", "Haystack")
QUICK_EXPERIMENTS = EXPERIMENTS[:1]
SAMPLE = 200
"""Passages whose stored vectors are compared."""
CALLS = 10
"""Calls that the passages are split over where a caller means to survive a crash."""
HALF = 0.52
"""Of the texts: just past half, so that the kill falls inside a call and not between two."""
TIMEOUT = 1800.0
WORKER = "end_to_end_worker"


@dataclass(frozen=True)
class Files:
    """The texts and the models, where the processes find them."""

    passages: Path
    few: Path
    queries: Path
    qrels: Path
    sample: Path
    model: Path
    """A link, so that another model can come to lie where the first one was."""
    first: Path
    other: Path

    def store(self, system: str, what: str) -> Path:
        """Return the folder in which a system keeps one of its stores."""
        return self.passages.parent / "stores" / system.replace(" ", "-") / what

    def vectors(self, system: str) -> Path:
        """Return where vectors of the sample are written, for comparison."""
        return self.passages.parent / "vectors" / f"{system.replace(' ', '-')}.npz"


def run(bench: Bench) -> dict[str, Any]:
    """Measure every system in rounds, then make the experiments."""
    files = prepare(FOLDER / ("quick" if bench.quick else "full"), bench.quick)
    settings = {
        "model": str(files.first),
        "passages": str(files.passages),
        "sample": str(files.sample),
        "vectors": str(files.vectors("reference")),
    }
    bench.measure("reference", f"{WORKER}:reference", settings=settings)
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in ENTRIES}
    for number in range(bench.rounds):
        for name in ENTRIES:
            rounds[name].append(one_round(bench, files, name, number))
    few = len(json.loads(files.few.read_text("utf-8")))
    systems: dict[str, Any] = {}
    for name, entry in ENTRIES.items():
        systems[name] = {
            "calls": dict(entry.calls),
            **summary(rounds[name]),
            **stored_vectors(files, name),
        }
        if name in (QUICK_EXPERIMENTS if bench.quick else EXPERIMENTS):
            twice = again(bench, files, name, entry)
            texts = twice["first"].get("embedded", few)
            systems[name] |= {
                "again": twice,
                "killed": killed(bench, files, name, entry, texts),
                "other_model": {"how": entry.other, **other(bench, files, name)},
            }
    counted = json.loads(files.passages.read_text("utf-8"))
    return {
        "source": "scifact",
        "passages": len(counted),
        "few": few,
        "queries": len(json.loads(files.queries.read_text("utf-8"))),
        "characters": sum(len(title) + 1 + len(body) for _, title, body in counted),
        "systems": systems,
    }


def prepare(folder: Path, quick: bool) -> Files:
    """Choose the passages and queries, make the other model, and write all of it."""
    (folder / "vectors").mkdir(parents=True, exist_ok=True)
    source = dataset("scifact")
    corpus = read_jsonl(source / "corpus.jsonl")
    asked = {record["_id"]: record["text"] for record in read_jsonl(source / "queries.jsonl")}
    judged = read_qrels(source / "qrels.tsv")
    queries, chosen = choose(
        [record["_id"] for record in corpus],
        {query: judged[query] for query in asked if query in judged},
        QUICK_PASSAGES if quick else PASSAGES,
    )
    passages = [[r["_id"], r["title"], r["text"]] for r in corpus if r["_id"] in chosen]
    few = passages[: QUICK_FEW if quick else FEW]
    step = max(1, len(passages) // SAMPLE)
    written = {
        "passages.json": passages,
        "few.json": few,
        "queries.json": [[query, asked[query]] for query in queries],
        "qrels.json": {query: judged[query] for query in queries},
        "sample.json": [id for id, _, _ in passages[::step][:SAMPLE]],
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    first, second, link = model_folder(), folder / "other-model", folder / "model"
    other_model.make(first, second)
    point(link, first)
    return Files(
        folder / "passages.json",
        folder / "few.json",
        folder / "queries.json",
        folder / "qrels.json",
        folder / "sample.json",
        link,
        first,
        second,
    )


def choose(
    corpus: list[str], judged: Mapping[str, Mapping[str, int]], count: int
) -> tuple[list[str], set[str]]:
    """Return queries, and `count` passages that hold all that is relevant to them.

    All queries where that fits into half of the passages, else the first of them; the rest of
    the passages are the first of the corpus.
    """
    chosen: set[str] = set()
    queries = []
    for query, grades in judged.items():
        wanted = chosen | set(grades)
        if len(wanted) > count // 2:
            break
        chosen = wanted
        queries.append(query)
    for id in corpus:
        if len(chosen) == count:
            break
        chosen.add(id)
    return queries, chosen


def point(link: Path, target: Path) -> None:
    """Let the link lead to the target."""
    link.unlink(missing_ok=True)
    link.symlink_to(target, target_is_directory=True)


def one_round(bench: Bench, files: Files, name: str, number: int) -> dict[str, Any]:
    """Index everything into an empty folder, then search it, each in a process of its own."""
    key, folder = f"{number}/{name}", files.store(name, "whole")
    settings = {"system": name, "model": str(files.model), "folder": str(folder)}
    if f"{key}/index" not in bench.answers:
        emptied(folder)
    if f"{key}/search" not in bench.answers and number == 0:
        files.vectors(name).unlink(missing_ok=True)
    indexed = bench.measure(
        f"{key}/index",
        f"{WORKER}:index",
        timeout=TIMEOUT,
        settings={**settings, "passages": str(files.passages)},
    )
    size = size_mb(folder)
    found = bench.measure(
        f"{key}/search",
        f"{WORKER}:search",
        timeout=TIMEOUT,
        settings={
            **settings,
            "queries": str(files.queries),
            "qrels": str(files.qrels),
            "sample": str(files.sample),
            "vectors": str(files.vectors(name)) if number == 0 else "",
        },
    )
    return {"index": indexed, "search": found, "mb": size}


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians and spread over the rounds, or the error that a round ended with."""
    for one in rounds:
        for part in ("index", "search"):
            for key in ("error", "failed", "refused"):
                if key in one[part]:
                    return {"error": f"{part}: {one[part][key]}"}
    indexed, found = ([one[part] for one in rounds] for part in ("index", "search"))
    return {
        "index_seconds": spread(one["seconds"] for one in indexed),
        "load_seconds": spread(one["load_s"] for one in indexed),
        "index_peak_mib": spread(one["peak_mib"] for one in indexed),
        "search_peak_mib": spread(one["peak_mib"] for one in found),
        "open_seconds": spread(one["open_s"] for one in found),
        "mb": spread(one["mb"] for one in rounds),
        "embedded": indexed[0]["embedded"],
        "rows": found[0]["rows"],
        "stored_passages": found[0]["passages"],
        "modes": {
            mode: {
                "p50_ms": spread(one["modes"][mode]["p50_ms"] for one in found),
                "p99_ms": spread(one["modes"][mode]["p99_ms"] for one in found),
                "ndcg@10": round(found[0]["modes"][mode]["ndcg@10"], 4),
            }
            for mode in found[0]["modes"]
        },
    }


def stored_vectors(files: Files, name: str) -> dict[str, Any]:
    """Compare the vectors that a system stored with the reference, cut at each window.

    The window at which the mean cosine is highest is the one at which the system cuts.
    """
    paths = files.vectors(name), files.vectors("reference")
    if not all(path.exists() for path in paths):
        return {"vectors": None}
    found, reference = map(np.load, paths)
    shared = [(i, id) for i, id in enumerate(reference["ids"].tolist()) if id in found]
    if not shared:
        return {"vectors": None}
    theirs = unit(np.stack([found[id] for _, id in shared]))
    cosines = {}
    for window in WINDOWS:
        expected = unit(reference[str(window)][[i for i, _ in shared]])
        cosines[window] = np.einsum("ij,ij->i", theirs, expected)
    window = max(cosines, key=lambda w: (round(float(cosines[w].mean()), 6), w == 256))
    return {
        "vectors": {
            "compared": len(shared),
            "window": window,
            "least_cosine": round(float(cosines[window].min()), 6),
            "mean_cosine": round(float(cosines[window].mean()), 6),
            "least_cosine_at_256": round(float(cosines[256].min()), 6),
            "mean_cosine_at_256": round(float(cosines[256].mean()), 6),
        }
    }


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length 1, in double precision."""
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def again(bench: Bench, files: Files, name: str, entry: Entry) -> dict[str, Any]:
    """Index the few passages, then the same ones again in a new process, by each call."""
    first = attempt(bench, files, name, f"again/{name}/first", "few", fresh=True, look="after")
    result: dict[str, Any] = {"first": first}
    for call in entry.calls:
        if call == "checkpoint":  # A way to go on after a crash, not to index anew.
            continue
        key = f"again/{name}/{call}"
        if key not in bench.answers:
            copy(files.store(name, "few"), files.store(name, "again"))
        result[call] = attempt(bench, files, name, key, "again", call=call, look="after")
    return result


def killed(bench: Bench, files: Files, name: str, entry: Entry, texts: int) -> dict[str, Any]:
    """Kill the process half-way, look at what is there, and give it all passages once more.

    Half-way is half of the texts that the system embeds when it is left alone.

    All passages are given in one call; in ten to the call that may find them there, since whoever
    means to survive a crash would not wait for the last before the first is kept.
    """
    result = {}
    for call in entry.calls:
        calls = CALLS if call == "update" else 1
        key, what = f"killed/{name}/{call}", f"killed-{call}"
        how = {"call": call, "calls": calls}
        kill_at = int(HALF * texts)
        end = attempt(bench, files, name, f"{key}/end", what, fresh=True, kill_at=kill_at, **how)
        then = attempt(bench, files, name, f"{key}/then", what, look="before and after", **how)
        # The exit is asked for; a process that came to its end was not killed in time.
        survived = "" if "ended with -9" in end.get("error", "") else "was not killed"
        result[call] = {"calls": calls, "kill_at": kill_at, "survived": survived, **then}
    return result


def attempt(
    bench: Bench,
    files: Files,
    name: str,
    key: str,
    what: str,
    *,
    fresh: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Index the few passages into one of the stores of a system, emptied if `fresh`."""
    folder = files.store(name, what)
    if fresh and key not in bench.answers:
        emptied(folder)
    answer = bench.measure(
        key,
        f"{WORKER}:index",
        timeout=TIMEOUT,
        settings={
            "system": name,
            "model": str(files.model),
            "folder": str(folder),
            "passages": str(files.few),
            **settings,
        },
    )
    return {k: round(v, 2) if isinstance(v, float) else v for k, v in answer.items()}


def other(bench: Bench, files: Files, name: str) -> dict[str, Any]:
    """Query the whole store with the other model: named by the caller, and in the first's place."""
    settings = {
        "system": name,
        "folder": str(files.store(name, "whole")),
        "queries": str(files.queries),
        "qrels": str(files.qrels),
    }
    given = bench.measure(
        f"other/{name}/given", f"{WORKER}:search", settings={**settings, "model": str(files.other)}
    )
    point(files.model, files.other)
    try:
        swapped = bench.measure(
            f"other/{name}/swapped",
            f"{WORKER}:search",
            settings={**settings, "model": str(files.model)},
        )
    finally:
        point(files.model, files.first)
    return {
        way: {
            "refused": answer.get("refused") or answer.get("error"),
            "ndcg@10": {m: round(v["ndcg@10"], 4) for m, v in answer.get("modes", {}).items()},
        }
        for way, answer in (("given", given), ("swapped", swapped))
    }


def copy(source: Path, target: Path) -> None:
    """Make the target a copy of the source."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
