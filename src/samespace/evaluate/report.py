"""A Report: what a run scored, with intervals, and how long its searches took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from samespace.collection import Collection
from samespace.errors import InputError
from samespace.evaluate.corpus import absent_documents
from samespace.evaluate.intervals import SEED, Interval, bootstraps
from samespace.evaluate.metrics import (
    DEFAULT_METRICS,
    Judgements,
    Missing,
    Scores,
    depth,
    evaluate,
)
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.models.base import Reranker
from samespace.run import Run
from samespace.search import Mode
from samespace.types import OnLong


@dataclass(frozen=True)
class Report:
    """A run, scored.

    Attributes:
        run: the run.
        scores: the values per query.
        intervals: for each metric its mean and interval.
        p50_ms, p99_ms: how long half and 99 % of the searches took at most, in milliseconds;
            None for a run that was made elsewhere.
    """

    run: Run
    scores: Scores
    intervals: Mapping[str, Interval]
    p50_ms: float | None
    p99_ms: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {
            "space": self.run.space,
            "mode": self.run.mode,
            "queries": len(self.scores.queries),
            "metrics": {
                name: {"value": interval.value, "low": interval.low, "high": interval.high}
                for name, interval in self.intervals.items()
            },
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
        }


def report(
    run: Run,
    qrels: Judgements,
    metrics: Iterable[str] = DEFAULT_METRICS,
    *,
    missing: Missing = "zero",
    seed: int = SEED,
) -> Report:
    """Score a run, with an interval for each metric.

    Raises:
        InputError: as `evaluate`.
    """
    scores = evaluate(run, qrels, metrics, missing=missing)
    took = [run.took_ms[query] for query in scores.queries if query in run.took_ms]
    return Report(
        run,
        scores,
        bootstraps(scores.values, seed=seed),
        _percentile(took, 50),
        _percentile(took, 99),
    )


def evaluate_collection(
    collection: Collection,
    queries: Iterable[Query] | Mapping[str, str],
    qrels: Judgements,
    *,
    mode: Mode = "hybrid",
    metrics: Iterable[str] = DEFAULT_METRICS,
    missing: Missing = "zero",
    where: str | None = None,
    reranker: Reranker | None = None,
    on_long: OnLong = "error",
    seed: int = SEED,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Ask a collection every judged query, as deep as the metrics need, and score the answers.

    Queries that nobody judged are not asked. Judged queries that are not among `queries` are
    missing from the run.

    Args:
        collection: what is evaluated; its document ids are those of the judgements.
        queries: the questions, as `Query` objects or {id: text}.
        qrels: the judgements, by document id.
        mode, where, reranker, on_long: as in `Collection.search`.
        metrics, missing: as in `evaluate`.
        progress: called after each query with the number of queries done.

    Raises:
        InputError: as `evaluate`; no query is judged; no judged document is in the collection, or
            none that `where` accepts.
        TooLong, FilterError, SpaceMismatch, ModelDrift: as `Collection.search`.
    """
    metrics = metrics if isinstance(metrics, str) else list(metrics)
    k = depth(metrics)
    judgements = qrels.judgements if isinstance(qrels, Qrels) else qrels
    texts = dict(queries) if isinstance(queries, Mapping) else {q.id: q.text for q in queries}
    asked = {query: text for query, text in texts.items() if judgements.get(query)}
    if not asked:
        raise InputError(
            f"none of the {len(texts)} queries is judged: their ids are such as "
            f"{next(iter(texts), '')!r}, those of the judgements such as "
            f"{next(iter(judgements), '')!r}"
        )
    absent_documents(collection, qrels, where)
    run = collection.run(
        asked, k, mode=mode, where=where, reranker=reranker, on_long=on_long, progress=progress
    )
    return report(run, qrels, metrics, missing=missing, seed=seed)


def _percentile(took: list[float], q: float) -> float | None:
    """Return the q-th percentile by nearest rank, None of nothing."""
    return float(np.percentile(took, q, method="inverted_cdf")) if took else None
