"""What intervals and tests take, and whether they keep their promise on real scores.

    python benchmarks/significance.py

Time: 10,000 resamples and 10,000 permutations of 1,000 queries. Promise: the nDCG@10 of every
query of scifact (lexical search) is taken for the whole population; samples of it are drawn, and
counted is how often the 95 % interval of a sample holds the population's mean. For the test, the
differences between lexical and dense search are given random signs, so that nothing differs on
average; counted is how often p is at most 0.05 none the less.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import dataset, peak_mib, save
from samespace import Collection
from samespace.evaluate.intervals import bootstrap
from samespace.evaluate.metrics import evaluate
from samespace.evaluate.qrels import read_qrels
from samespace.evaluate.queries import read_queries
from samespace.evaluate.significance import compare_paired
from samespace.models import HashEmbedder

METRIC = "ndcg@10"
SIZES = (20, 50, 100, 300)
TRIALS = 1_000
ROUNDS = 5

Floats = NDArray[np.float64]


def main() -> None:
    """Measure and save."""
    lexical, dense = real_scores()
    generator = np.random.default_rng(0)
    promise = {str(n): kept(lexical, lexical - dense, n, generator) for n in SIZES}
    save(
        "significance",
        {
            "seconds": seconds(),
            "population_queries": len(lexical),
            "population_mean": float(lexical.mean()),
            "trials": TRIALS,
            "by_sample_size": promise,
            "peak_mib": round(peak_mib()),
        },
    )


def real_scores() -> tuple[Floats, Floats]:
    """Return nDCG@10 per query of scifact, test and train: lexical search, and hashed words."""
    source = dataset("scifact")
    columns: dict[Any, list[Floats]] = {"lexical": [], "dense": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        Collection.create(Path(folder) / "kb", model=HashEmbedder()) as collection,
    ):
        collection.add(source / "corpus.jsonl")
        for part in ("", "_train"):
            qrels = read_qrels(source / f"qrels{part}.tsv")
            asked = {q.id: q.text for q in read_queries(source / f"queries{part}.jsonl")}
            for mode, values in columns.items():
                run = collection.run(asked, 10, mode=mode)
                values.append(evaluate(run, qrels, [METRIC]).values[METRIC])
    return np.concatenate(columns["lexical"]), np.concatenate(columns["dense"])


def kept(values: Floats, differences: Floats, n: int, generator: np.random.Generator) -> Any:
    """Return how often the interval held the mean, and how often the test saw what is not."""
    held = rejected = 0
    for trial in range(TRIALS):
        interval = bootstrap(generator.choice(values, n), resamples=1_000, seed=trial)
        held += interval.low <= values.mean() <= interval.high
        null = generator.choice(differences, n) * generator.choice([-1.0, 1.0], n)
        paired = compare_paired(np.zeros(n), null, permutations=1_000, resamples=1, seed=trial)
        rejected += paired.p <= 0.05
    return {"interval_holds": held / TRIALS, "rejects_under_the_null": rejected / TRIALS}


def seconds() -> dict[str, float]:
    """Return the medians of what 1,000 queries take."""
    generator = np.random.default_rng(1)
    a, b = generator.random(1_000), generator.random(1_000)
    took: dict[str, list[float]] = {"bootstrap": [], "compare_paired": []}
    for _ in range(ROUNDS):
        started = time.perf_counter()
        bootstrap(a, resamples=10_000)
        between = time.perf_counter()
        compare_paired(a, b, permutations=10_000)
        took["bootstrap"].append(between - started)
        took["compare_paired"].append(time.perf_counter() - between)
    return {name: round(float(np.median(times)), 3) for name, times in took.items()}


if __name__ == "__main__":
    main()
