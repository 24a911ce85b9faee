"""What a comparison found: one row for each configuration, tested against a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samespace.errors import InputError
from samespace.evaluate.compare.grid import Configuration, Skipped
from samespace.evaluate.report import Report
from samespace.evaluate.significance import Paired, compare_scores, holm, queries_needed

POINT = 0.01
"""The difference that `Row.queries_needed` is about: one point of a hundred."""


@dataclass(frozen=True)
class Cost:
    """What the index of a configuration took and takes.

    Attributes:
        build_seconds: wall time of building it, and for each vector that was in the cache the
            time that it had taken: at most what building takes without a cache, because some of
            that would have gone on beside the chunking.
        disk_bytes: the collection's folder as it is. The embedded store keeps every vector as
            float32, whatever it was rounded to.
        vector_bytes: what the vectors take in the configuration's own dimensions and precision;
            0 for lexical search, which needs none.
        documents, chunks: how many there are.
        failed: how many documents could not be taken in.
    """

    build_seconds: float
    disk_bytes: int
    vector_bytes: int
    documents: int
    chunks: int
    failed: int = 0


@dataclass(frozen=True)
class Row:
    """One configuration: its scores, its cost, and how it stands to the baseline.

    Attributes:
        configuration: what was measured.
        report: the scores. Search times count a reused query embedding as what it had taken.
        cost: of its index.
        curve: {k: mean of the comparison's metric at k}; empty for a metric without cutoffs.
        paired: against the baseline; None for the baseline itself.
        p_holm: the p-value of that, adjusted for all rows by Holm's method.
        queries_needed: how many queries it would take to see a difference of `POINT` from the
            baseline; None for the baseline, and where one query says nothing of that.
        fastest: no other row is as good and as fast, and better in one of both.
        smallest: the same for the bytes of vectors.
    """

    configuration: Configuration
    report: Report
    cost: Cost
    curve: Mapping[int, float]
    paired: Paired | None = None
    p_holm: float | None = None
    queries_needed: int | None = None
    fastest: bool = False
    smallest: bool = False

    @property
    def name(self) -> str:
        """The configuration's name."""
        return self.configuration.name

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        configuration, recipe = self.configuration, self.configuration.index.recipe
        lexical = configuration.mode == "lexical"
        found = self.report.to_dict()
        return {
            "name": self.name,
            "model": configuration.index.model,
            "space": found["space"],
            "dimensions": None if lexical else configuration.index.dimensions,
            "precision": None if lexical else configuration.index.precision,
            "max_tokens": recipe.max_tokens,
            "overlap": recipe.overlap,
            "chunking": recipe.chunking,
            "context": recipe.context,
            "mode": configuration.mode,
            "reranker": configuration.reranker,
            "metrics": found["metrics"],
            "p50_ms": found["p50_ms"],
            "p99_ms": found["p99_ms"],
            **vars(self.cost),
            "against_baseline": self.paired and self.paired.to_dict(),
            "p_holm": self.p_holm,
            "queries_needed": self.queries_needed,
            "fastest": self.fastest,
            "smallest": self.smallest,
            "curve": {str(k): value for k, value in self.curve.items()},
        }


@dataclass(frozen=True)
class Comparison:
    """Configurations on one test set, the best by `metric` first.

    Attributes:
        metric: what rows are sorted and tested by.
        baseline: the name of the row that the others are tested against.
        rows: the configurations; of equal ones the quicker first.
        skipped: what could not be measured, and why.
        queries: {query id: text} of the questions that were asked.
        split: "tune" or "test" where the set has splits, else "".
        depth: how many documents each search returned; its times are for that many.
        computed, reused: how many embeddings were made, and how often one was there already,
            in this call.
        warnings: what must be said with any choice that is made from this.
    """

    metric: str
    baseline: str
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    queries: Mapping[str, str]
    split: str = ""
    depth: int = 100
    computed: int = 0
    reused: int = 0
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "metric": self.metric,
            "baseline": self.baseline,
            "queries": len(self.rows[0].report.scores.queries) if self.rows else 0,
            "split": self.split,
            "depth": self.depth,
            "warnings": list(self.warnings),
            "rows": [row.to_dict() for row in self.rows],
            "skipped": [vars(skipped) for skipped in self.skipped],
            "embeddings": {"computed": self.computed, "reused": self.reused},
        }


def rank(rows: Sequence[Row], metric: str, baseline: str) -> tuple[Row, ...]:
    """Test every row against the baseline, mark both Pareto fronts, and sort.

    Raises:
        InputError: no row has the baseline's name.
    """
    base = next((row for row in rows if row.name == baseline), None)
    if base is None:
        raise InputError(
            f"the baseline {baseline!r} is none of the configurations measured: "
            f"{', '.join(row.name for row in rows) or 'there are none'}"
        )
    others = [row for row in rows if row is not base]
    tests = [compare_scores(base.report.scores, row.report.scores, metric) for row in others]
    adjusted = holm([test.p for test in tests])
    tested = [base] + [
        replace(row, paired=test, p_holm=p, queries_needed=_needed(base, row, metric))
        for row, test, p in zip(others, tests, adjusted, strict=True)
    ]
    quality = [row.report.scores.mean(metric) for row in tested]
    fast = pareto(quality, [row.report.p50_ms or 0.0 for row in tested])
    small = pareto(quality, [row.cost.vector_bytes for row in tested])
    marked = [
        replace(row, fastest=is_fast, smallest=is_small)
        for row, is_fast, is_small in zip(tested, fast, small, strict=True)
    ]
    best = sorted(
        zip(quality, marked, strict=True),
        key=lambda pair: (-pair[0], pair[1].report.p50_ms or 0.0, pair[1].name),
    )
    return tuple(row for _, row in best)


def _needed(base: Row, row: Row, metric: str) -> int | None:
    first, second = (one.report.scores.values[metric] for one in (base, row))
    return queries_needed(second - first, POINT) if len(first) > 1 else None


def pareto(quality: Sequence[float], cost: Sequence[float]) -> list[bool]:
    """Say of each point whether it is on the front: none is as good and as cheap, and strictly
    better in one of both.

    >>> pareto([0.9, 0.8, 0.8, 0.7], [5.0, 1.0, 2.0, 1.0])
    [True, True, False, False]
    """
    front = [False] * len(quality)
    best = float("-inf")
    order = sorted(range(len(quality)), key=lambda i: (cost[i], -quality[i]))
    for place, i in enumerate(order):
        twin = place and (cost[i], quality[i]) == (
            cost[order[place - 1]],
            quality[order[place - 1]],
        )
        front[i] = front[order[place - 1]] if twin else quality[i] > best
        best = max(best, quality[i])
    return front
