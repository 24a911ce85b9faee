"""What dimensions, precisions and modes cost in quality: `samespace compare` on Cranfield.

Run: python benchmarks/compare_grid.py. Takes a few minutes, most of it the embedding of 1,400
documents; every other configuration reuses those vectors.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from common import dataset, save
from samespace.evaluate.compare import Grid, compare
from samespace.evaluate.qrels import read_qrels
from samespace.evaluate.queries import read_queries
from samespace.evaluate.testset import TestSet

GRID = Grid(
    dimensions=(384, 256, 128, 64),
    precisions=("float32", "int8", "binary"),
    modes=("hybrid", "dense", "lexical"),
)


def main() -> None:
    """Compare, and save the table."""
    source = dataset("cranfield")
    asked = TestSet(read_queries(source / "queries.jsonl"), read_qrels(source / "qrels.tsv"), {})
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = compare(source / "corpus.jsonl", asked, Path(folder) / "work", GRID)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        compare(source / "corpus.jsonl", asked, Path(folder) / "work", GRID)
        again = time.perf_counter() - started
    found = result.to_dict()
    for row in found["rows"]:
        del row["curve"]
    save(
        "compare_grid",
        {"data": "cranfield", "seconds": round(seconds, 1), "again": round(again, 1), **found},
    )


if __name__ == "__main__":
    main()
