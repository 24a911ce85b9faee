"""A bridge between two models beside its three baselines, for pairs of models made here.

    python benchmarks/bridge.py [--set scifact ...]
    python benchmarks/bridge.py --table      # write the tables of docs/bridge.md anew

For each pair: the old model on its own vectors; the new model on vectors of its own (full
re-embedding); the new model's queries straight against the old vectors, where the widths agree
(the failure that nothing reports elsewhere); and its queries through each kind of adapter, fitted
on 250, 1,000 or 5,000 documents. Queries and judgements have no part in fitting or choosing.

One vector for each document, from its title and text cut at the model's window; exact search.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import HERE, dataset, read_jsonl, read_qrels, save
from distill import other_texts
from peers.other_model import make as permute
from samespace.evaluate.report import report
from samespace.migrate.bridge import REQUIRED_SHARE, Bridge, fit_bridge, three_baselines
from samespace.migrate.bridge.baselines import METRICS
from samespace.migrate.bridge.fit import stand_in
from samespace.migrate.bridge.maps import METHODS
from samespace.models import Embedder, HashEmbedder, OnnxEmbedder, load
from samespace.models.agreement import for_canaries
from samespace.models.catalog import find
from samespace.models.distill import distill
from samespace.models.weights import locate
from samespace.run import Retrieved, Run
from samespace.space import Canary, FloatArray, Vectors, record_canaries

MODEL = "all-MiniLM-L6-v2"
PERMUTED = "MiniLM, axes permuted"
OTHER_TEXT = "static: other text"
VOCABULARY = "static: vocabulary alone"
HASHED = "hashed words"
PAIRS = (
    (PERMUTED, MODEL),
    (OTHER_TEXT, MODEL),
    (MODEL, OTHER_TEXT),
    (VOCABULARY, MODEL),
    (HASHED, MODEL),
)
"""(old, new)."""

SETS = ("scifact", "cranfield")
SIZES = (250, 1_000, 5_000)
CHARACTERS = 2_000_000
"""Of other text that the static model is fitted on."""

SEED = 0
PAGE = HERE.parent / "docs/bridge.md"
BEGIN, END = "<!-- measurements -->\n", "<!-- /measurements -->"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One model's vectors of a set, and its canaries."""

    documents: Vectors
    queries: Vectors
    pieces: Mapping[str, FloatArray]
    canaries: tuple[Canary, ...]

    def ask(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of pieces that stand in for questions."""
        rows = np.stack([self.pieces[text] for text in texts])
        return Vectors(rows, self.queries.space, "query")


@dataclass(frozen=True)
class Set:
    """A set with its vectors in every model."""

    names: list[str]
    texts: list[str]
    queries: dict[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    sides: dict[str, Side]

    def run(self, queries: Vectors, documents: Vectors) -> Run:
        """Search exactly, whatever the spaces; the run is stamped with that of the queries."""
        scores = queries.array @ documents.array.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        found = {
            id: tuple(Retrieved(self.names[row], float(of[row])) for row in rows)
            for id, rows, of in zip(self.queries, best, scores, strict=True)
        }
        return Run(found, queries.space.id)


def main() -> None:
    """Embed each set once with each model, fit, search, and save one result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", action="append", dest="sets", choices=SETS)
    parser.add_argument("--table", action="store_true", help="only renew docs/bridge.md")
    arguments = parser.parse_args()
    if arguments.table:
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as scratch:
        models = made(Path(scratch))
        canaries = {n: record_canaries(for_canaries(model)) for n, model in models.items()}
        sets = {name: measured(name, models, canaries) for name in arguments.sets or SETS}
    save("bridge", {"model": MODEL, "required_share": REQUIRED_SHARE, "sets": sets})


def made(folder: Path) -> dict[str, Embedder]:
    """Make the five models."""
    card = find(MODEL)
    assert card is not None
    permute(locate(card), folder / "permuted")
    models: dict[str, Embedder] = {
        MODEL: load(MODEL),
        PERMUTED: OnnxEmbedder(folder / "permuted"),
        VOCABULARY: distill(MODEL, folder / "vocabulary", cache=False),
        OTHER_TEXT: distill(
            MODEL, folder / "other", texts=other_texts(), characters=CHARACTERS, cache=False
        ),
        HASHED: HashEmbedder(),
    }
    note("models", {name: model.space.dimensions for name, model in models.items()})
    return models


def measured(
    name: str, models: Mapping[str, Embedder], canaries: Mapping[str, tuple[Canary, ...]]
) -> Facts:
    """Return what every pair reaches on a set."""
    folder = dataset(name)
    qrels = read_qrels(folder / "qrels.tsv")
    corpus = [r for r in read_jsonl(folder / "corpus.jsonl") if (r["title"] + r["text"]).strip()]
    texts = [f"{r['title']}\n{r['text']}" for r in corpus]
    queries = {
        str(r["_id"]): r["text"]
        for r in read_jsonl(folder / "queries.jsonl")
        if str(r["_id"]) in qrels
    }
    pieces = sorted({stand_in(text) for text in texts})
    sides = {}
    for model, embedder in models.items():
        start = time.perf_counter()
        sides[model] = Side(
            embedder.embed(texts, "document", on_long="truncate"),
            embedder.embed(list(queries.values()), "query", on_long="truncate"),
            dict(
                zip(pieces, embedder.embed(pieces, "query", on_long="truncate").array, strict=True)
            ),
            canaries[model],
        )
        note(f"{name}, {model}", {"seconds": round(time.perf_counter() - start, 1)})
    whole = Set([str(r["_id"]) for r in corpus], texts, queries, qrels, sides)
    pairs = [pair(whole, old, new) for old, new in PAIRS]
    return {"documents": len(texts), "queries": len(queries), "pairs": pairs}


def pair(whole: Set, old: str, new: str) -> Facts:
    """Return the baselines of a pair, and each adapter by the number of texts given."""
    before, after = whole.sides[old], whole.sides[new]
    runs = {
        "old": whole.run(before.queries, before.documents),
        "full": whole.run(after.queries, after.documents),
    }
    facts: Facts = {
        "old_model": old,
        "new_model": new,
        "dimensions": [after.documents.space.dimensions, before.documents.space.dimensions],
        **{which: scored(whole, run) for which, run in runs.items()},
    }
    if after.queries.array.shape[1] == before.documents.array.shape[1]:
        unnoticed = whole.run(after.queries, before.documents)
        facts["no_adapter"] = {
            **scored(whole, unnoticed),
            "same_as_old@10": same(unnoticed, runs["old"]),
        }
    rows = np.random.default_rng(SEED).permutation(len(whole.texts))
    facts["adapters"] = [
        adapter(whole, before, after, rows[:size], methods, runs)
        for size in SIZES
        if size <= len(rows)
        for methods in (*((method,) for method in METHODS), METHODS)
    ]
    note(f"{old} <- {new}", {k: v for k, v in facts.items() if k != "adapters"})
    return facts


def adapter(
    whole: Set,
    before: Side,
    after: Side,
    rows: np.ndarray[Any, Any],
    methods: Sequence[Any],
    runs: Mapping[str, Run],
) -> Facts:
    """Fit one kind of adapter (or the best of all) on some documents, and return what it keeps."""
    start = time.perf_counter()
    bridge = fit_bridge(
        Vectors(after.documents.array[rows], after.documents.space, "document"),
        Vectors(before.documents.array[rows], before.documents.space, "document"),
        texts=[whole.texts[row] for row in rows],
        ask=after.ask,
        canaries=after.canaries,
        require=0,
        methods=methods,
        seed=SEED,
    )
    seconds = time.perf_counter() - start
    run = whole.run(bridge.apply(after.queries), before.documents)
    seen = three_baselines(whole.queries, whole.qrels, bridge, adapter=run, **runs)
    assert seen.old is not None
    paired = seen.old.paired["ndcg@10"]
    facts = {
        "methods": "all" if len(methods) > 1 else methods[0],
        "texts": len(rows),
        "fitted_on": bridge.fitted_on,
        "chosen": bridge.method,
        "seconds": round(seconds, 2),
        "held_out_recall@10": round(bridge.recall, 4),
        "held_out_full@10": round(bridge.full, 4),
        "held_out_kept@10": round(bridge.kept, 4),
        "refused": bridge.kept < REQUIRED_SHARE,
        "same_as_old@10": same(run, runs["old"]),
        **scored(whole, run),
        "kept_of_old": {m: share and round(share, 4) for m, share in seen.old.kept.items()},
        "kept_of_full": {m: share and round(share, 4) for m, share in seen.full.kept.items()},
        "ndcg@10_minus_old": [
            round(value, 4)
            for value in (
                paired.difference.value,
                paired.difference.low,
                paired.difference.high,
            )
        ],
        "p": round(paired.p, 4),
    }
    if len(methods) > 1:
        facts["recalls"] = {name: round(value, 4) for name, value in bridge.recalls.items()}
        facts["bytes"] = len(check(bridge))
    return facts


def check(bridge: Bridge) -> bytes:
    """Return the bridge as bytes, having read them again."""
    data = bridge.to_bytes()
    assert Bridge.from_bytes(data).to_bytes() == data
    return data


def scored(whole: Set, run: Run) -> Facts:
    """Return each metric with its interval."""
    facts: Facts = {}
    for metric, interval in report(run, whole.qrels, METRICS).intervals.items():
        facts[metric] = round(interval.value, 4)
        facts[f"{metric}_interval"] = [round(interval.low, 4), round(interval.high, 4)]
    return facts


def same(run: Run, other: Run) -> float:
    """Return the mean share of the first ten that two runs have in common."""
    shares = [
        len({r.document for r in found} & {r.document for r in other.results[query]}) / 10
        for query, found in run.results.items()
    ]
    return round(float(np.mean(shares)), 4)


def renewed(page: str) -> str:
    """Return docs/bridge.md with its tables as the saved result has them."""
    result = json.loads((HERE / "results/bridge.json").read_text(encoding="utf-8"))
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(tables(result)) + "\n" + END + after


def tables(result: Facts) -> list[str]:
    """Return the lines of both tables of each set."""
    lines: list[str] = []
    for name, facts in result["sets"].items():
        lines += [
            *([""] if lines else []),
            f"### {name}: {facts['documents']:,} documents, {facts['queries']} questions",
            "",
            "| old model | new model | questions come by | nDCG@10 | recall@10 | of old | of full "
            "| same as old | held out, of full | |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for pair in facts["pairs"]:
            lines += baselines(pair)
        lines += [
            "",
            "| old model | new model | texts | chosen | held out, of full | of full | of old "
            "| same as old | seconds |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for pair in facts["pairs"]:
            lines += curve(pair)
    return lines


def baselines(pair: Facts) -> list[str]:
    """Return the rows of a pair: both baselines, no adapter, and each kind at its most texts."""
    start = f"| {pair['old_model']} | {pair['new_model']} |"
    rows = [
        f"{start} the old model | {figures(pair['old'])} | | | | | |",
        f"{start} full re-embedding | {figures(pair['full'])} | | | | | |",
    ]
    if "no_adapter" in pair:
        bare = pair["no_adapter"]
        of_old, of_full = (
            bare["recall@10"] / pair[whose]["recall@10"] for whose in ("old", "full")
        )
        rows.append(
            f"{start} no adapter | {figures(bare)} | {of_old:.2f} | {of_full:.2f} "
            f"| {bare['same_as_old@10']:.2f} | | |"
        )
    most = max(fit["texts"] for fit in pair["adapters"])
    fits = {fit["methods"]: fit for fit in pair["adapters"] if fit["texts"] == most}
    for method in METHODS:
        fit = fits[method]
        chosen = ", chosen" if fit["chosen"] == fits["all"]["chosen"] else ""
        rows.append(
            f"{start} {fit['chosen']} | {figures(fit)} | {fit['kept_of_old']['recall@10']:.2f} "
            f"| {fit['kept_of_full']['recall@10']:.2f} | {fit['same_as_old@10']:.2f} "
            f"| {fit['held_out_kept@10']:.2f} "
            f"| {'refused' if fit['refused'] else 'allowed'}{chosen} |"
        )
    return rows


def curve(pair: Facts) -> list[str]:
    """Return the rows of a pair: what was chosen of all, by the number of texts."""
    return [
        f"| {pair['old_model']} | {pair['new_model']} | {fit['texts']:,} | {fit['chosen']} "
        f"| {fit['held_out_kept@10']:.2f} | {fit['kept_of_full']['recall@10']:.2f} "
        f"| {fit['kept_of_old']['recall@10']:.2f} | {fit['same_as_old@10']:.2f} "
        f"| {fit['seconds']:.1f} |"
        for fit in pair["adapters"]
        if fit["methods"] == "all"
    ]


def figures(facts: Facts) -> str:
    """Return both metrics with their intervals."""
    cells = []
    for metric in METRICS:
        low, high = facts[f"{metric}_interval"]
        cells.append(f"{facts[metric]:.3f} ({low:.3f}-{high:.3f})")
    return " | ".join(cells)


def note(name: str, facts: Facts) -> None:
    """Say on standard error how far it is."""
    print(f"{name}: {facts}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
