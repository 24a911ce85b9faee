"""Our metrics beside trec_eval's (through pytrec_eval), query by query, on every retrieval set.

    python benchmarks/trec_agreement.py [--keep FOLDER]

Runs: what a collection of each set finds in each mode, and random runs full of ties, with scores
that differ beyond 32 bits only, with empty rankings and with judged queries left out. Largest
difference per query and metric, and of the means where queries are missing (trec_eval -c, and
without). `--keep` leaves the collections in a folder and uses those that are there.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytrec_eval

from common import dataset, save
from samespace import Collection
from samespace.evaluate.metrics import evaluate
from samespace.evaluate.qrels import read_qrels
from samespace.evaluate.queries import read_queries

Run = Mapping[str, Mapping[str, float]]
Judgements = Mapping[str, Mapping[str, int]]

SETS = {
    "scifact": ("scifact", "queries.jsonl", "qrels.tsv"),
    "scifact, train": ("scifact", "queries_train.jsonl", "qrels_train.tsv"),
    "cranfield": ("cranfield", "queries.jsonl", "qrels.tsv"),
    "cranfield, graded": ("cranfield", "queries.jsonl", "qrels_graded.tsv"),
    "cacm": ("cacm", "queries.jsonl", "qrels.tsv"),
    "covid-qa": ("covid-qa", "queries.jsonl", "qrels.tsv"),
    "squad-dev-minus-xquad": ("squad-dev-minus-xquad", "queries.jsonl", "qrels.tsv"),
    "stackfaq": ("stackfaq", "queries.jsonl", "qrels.tsv"),
}
MODES = ("dense", "lexical", "hybrid")
ASKED = 1_500
"""How many queries of a set are asked of a collection, at most."""

CUTOFFS = (1, 2, 3, 5, 10, 20, 100, 1000)
COUNTERPARTS = {
    **{
        f"{ours}@{k}": f"{theirs}_{k}"
        for ours, theirs in {
            "ndcg": "ndcg_cut",
            "recall": "recall",
            "precision": "P",
            "hit": "success",
            "map": "map_cut",
        }.items()
        for k in CUTOFFS
    },
    **{f"mrr@{k}": "recip_rank" for k in CUTOFFS},
    "mrr": "recip_rank",
    "map": "map",
    "rprecision": "Rprec",
}
"""Our names, and those of trec_eval. mrr@k is recip_rank where the rank is within k."""


def main() -> None:
    """Compare everything and save the largest differences."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path)
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        sets = {name: agreement(name, keep or Path(temporary)) for name in SETS}
    largest = max(run["largest"] for each in sets.values() for run in each["runs"].values())
    save("trec_agreement", {"largest": largest, "metrics": len(COUNTERPARTS), "sets": sets})


def agreement(name: str, folder: Path) -> dict[str, Any]:
    """Return the largest differences on one set, for each run."""
    set_name, queries_file, qrels_file = SETS[name]
    source = dataset(set_name)
    qrels = read_qrels(source / qrels_file).judgements
    runs: dict[str, Run] = {
        f"random {seed}": random_run(qrels, random.Random(seed)) for seed in range(3)
    }
    asked = {q.id: q.text for q in read_queries(source / queries_file) if q.id in qrels}
    asked = dict(list(asked.items())[:ASKED])
    with collection_of(source, folder / set_name) as collection:
        for mode in MODES:
            found = collection.run(asked, 100, mode=mode, on_long="truncate")  # type: ignore[arg-type]
            runs[f"MiniLM {mode}"] = found.documents()
    result: dict[str, Any] = {"queries": len(qrels), "runs": {}}
    for label, run in runs.items():
        by_metric = differences(run, qrels)
        result["runs"][label] = {
            "queries": len(run),
            "largest": max(by_metric.values()),
            "by_metric": by_metric,
        }
        print(name, label, max(by_metric.values()), flush=True)
    return result


def collection_of(source: Path, path: Path) -> Collection:
    """Return the collection of a set's corpus, made where it is not there."""
    if path.exists():
        return Collection.open(path)
    collection = Collection.create(path)
    collection.add(source / "corpus.jsonl")
    return collection


def random_run(qrels: Judgements, generator: random.Random) -> dict[str, dict[str, float]]:
    """Return a run with many ties over the judged documents of a set.

    A tenth of the queries is missing, a tenth finds nothing.
    """
    documents = sorted({document for judged in qrels.values() for document in judged})
    run: dict[str, dict[str, float]] = {}
    for query, judged in qrels.items():
        lot = generator.random()
        if lot < 0.1:
            continue
        drawn = generator.sample(documents, min(len(documents), generator.randrange(1, 150)))
        found = dict.fromkeys([*drawn, *generator.sample(sorted(judged), len(judged) // 2 + 1)])
        tied = [0.5, 0.5 + 1e-9, 0.25, 0.25 - 1e-12, 0.0, -0.0, -1.0, generator.random()]
        run[query] = {} if lot < 0.2 else {id: generator.choice(tied) for id in found}
    return run


def differences(
    run: Run, qrels: Judgements, metrics: Iterable[str] = COUNTERPARTS
) -> dict[str, float]:
    """Return the largest difference to trec_eval for each metric: per query and of the means."""
    names = list(metrics)
    theirs = reference(run, qrels, names)
    result = dict.fromkeys(names, 0.0)
    for missing, count in (("zero", len(qrels)), ("skip", len(theirs))):
        scores = evaluate(run, qrels, names, missing=missing)  # type: ignore[arg-type]
        for name in names:
            ours = dict(zip(scores.queries, scores.values[name].tolist(), strict=True))
            if set(theirs) - set(ours):
                raise SystemExit(f"queries that were not scored: {set(theirs) - set(ours)}")
            values = [values[name] for values in theirs.values()]
            result[name] = max(
                result[name],
                abs(scores.mean(name) - sum(values) / count),
                *(abs(ours[query] - values[name]) for query, values in theirs.items()),
            )
    return result


def reference(run: Run, qrels: Judgements, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return {query: {our name: value}} as trec_eval computes it."""
    measures = {COUNTERPARTS[name] for name in metrics}
    results = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    for values in results.values():
        values.update({name: _counterpart(name, values) for name in metrics})
    return results


def _counterpart(name: str, values: Mapping[str, float]) -> float:
    value = values[COUNTERPARTS[name]]
    metric, _, k = name.partition("@")
    return value if metric != "mrr" or not k or value * int(k) >= 1 - 1e-9 else 0.0


if __name__ == "__main__":
    main()
