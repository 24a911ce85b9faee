"""What a bridge costs: the old model, full re-embedding and the adapter on one test set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from samespace.errors import SpaceMismatch
from samespace.evaluate import Paired, Qrels, Query, compare_scores
from samespace.evaluate.metrics import Judgements
from samespace.evaluate.report import Report, report
from samespace.migrate.bridge.bridge import Bridge
from samespace.run import Run
from samespace.space import Space

METRICS = ("ndcg@10", "recall@10")

System = Run | Callable[[Mapping[str, str]], Run]
"""A run, or what answers {query id: text} with one, such as a lambda around `Collection.run`."""


@dataclass(frozen=True)
class Baseline:
    """A system that the adapter is compared with.

    Attributes:
        report: what it scored.
        kept: for each metric the adapter's mean over its mean; None where that is 0.
        paired: for each metric the adapter against it, query by query.
    """

    report: Report
    kept: Mapping[str, float | None]
    paired: Mapping[str, Paired]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        paired = {metric: one.to_dict() for metric, one in self.paired.items()}
        return {**self.report.to_dict(), "kept": dict(self.kept), "paired": paired}


@dataclass(frozen=True)
class Baselines:
    """The three, scored on the same queries.

    Attributes:
        old: the old model on its own vectors; None where it can no longer be called.
        full: the new model on documents that it embedded itself: what a migration gives.
        adapter: the new model's queries, through the bridge, on the old vectors.
    """

    old: Baseline | None
    full: Baseline
    adapter: Report

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "old": None if self.old is None else self.old.to_dict(),
            "full": self.full.to_dict(),
            "adapter": self.adapter.to_dict(),
        }


def three_baselines(
    queries: Iterable[Query] | Mapping[str, str],
    qrels: Judgements,
    bridge: Bridge,
    *,
    adapter: System,
    full: System,
    old: System | None = None,
) -> Baselines:
    """Score the bridge beside what it stands in for and what it puts off.

    A bridge is only ever reported so: its own score says little without what the old model
    reached and what re-embedding would.

    Args:
        queries: the questions of the test, as `Query` objects or {id: text}.
        qrels: the judgements.
        bridge: by which `adapter` was made.
        adapter: answers in the old space by way of the bridge.
        full: answers in the new space.
        old: answers in the old space by the old model, where that can still be called.

    Raises:
        InputError: a query is among the texts that the bridge was fitted on, which is seen before
            anything is asked; or as `samespace.evaluate.evaluate`.
        SpaceMismatch: a run is stamped with another space than its place asks for.
    """
    texts = dict(queries) if isinstance(queries, Mapping) else {q.id: q.text for q in queries}
    judgements = qrels.judgements if isinstance(qrels, Qrels) else qrels
    asked = {query: text for query, text in texts.items() if judgements.get(query)}
    bridge.require_unseen(asked.values())

    def scored(system: System, space: Space, place: str) -> Report:
        run = system if isinstance(system, Run) else system(asked)
        if run.space and run.space != space.id:
            raise SpaceMismatch(
                f"{place}: expected a run in the space of {space.model} ({space.id}), got one in "
                f"the space {run.space}",
                {"id": (space.id, run.space)},
            )
        return report(run, judgements, METRICS)

    mapped = scored(adapter, bridge.target, "adapter")
    return Baselines(
        None if old is None else _beside(scored(old, bridge.target, "old"), mapped),
        _beside(scored(full, bridge.source, "full"), mapped),
        mapped,
    )


def _beside(other: Report, adapter: Report) -> Baseline:
    kept: dict[str, float | None] = {}
    for metric in METRICS:
        whole = other.intervals[metric].value
        kept[metric] = adapter.intervals[metric].value / whole if whole else None
    paired = {m: compare_scores(other.scores, adapter.scores, m) for m in METRICS}
    return Baseline(other, kept, paired)
