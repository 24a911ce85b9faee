"""Is the new side whole, and does it answer as well as the old one? Measured before the switch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samespace.collection import Collection
from samespace.errors import (
    BudgetExceeded,
    InputError,
    ModelError,
    SamespaceError,
    SpaceError,
    StoreError,
    TooLong,
)
from samespace.evaluate.corpus import absent_documents
from samespace.evaluate.metrics import DEFAULT_METRICS, depth
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.evaluate.report import Report, evaluate_collection
from samespace.evaluate.significance import Paired, compare_scores
from samespace.migrate.gate import OVERLAP, Gate, is_metric
from samespace.models.agreement import check_model
from samespace.models.base import Embedder
from samespace.run import Run
from samespace.search import Mode
from samespace.store.sides import spread

SAMPLED = 100
"""Queries that are made of stored chunks where the user gives none."""

_FIRST = 10
_WORDS = 16
_SHOWN = 5


@dataclass(frozen=True)
class Disagreement:
    """A query on which the two sides agree least: what each found first (document ids)."""

    query: str
    overlap: float
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Verification:
    """What was found out about the new side.

    Attributes:
        problems: what is wrong with it; empty if it is whole and sound.
        new, old: what each side scored on the test set; None without one. `old` is None too
            where the old model cannot be called any more; `why_not` says so.
        paired: the new side against the old, by metric.
        overlap: the mean share of the first ten documents that both sides find, over the test
            set's queries or sampled ones; None where the old model cannot be called.
        disagreements: the queries with the least overlap.
        gate: the conditions, and of each whether it holds.
        why_not: why the old side was not asked, or "".
    """

    problems: tuple[str, ...]
    new: Report | None
    old: Report | None
    paired: Mapping[str, Paired]
    overlap: float | None
    disagreements: tuple[Disagreement, ...]
    gate: tuple[tuple[Gate, bool], ...]
    why_not: str

    @property
    def holds(self) -> bool:
        """Whether the switch is allowed: nothing is wrong, and every condition holds."""
        return not self.problems and all(held for _, held in self.gate)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values, without the values of single queries."""
        return {
            "holds": self.holds,
            "problems": list(self.problems),
            "old": self.old.to_dict() if self.old else None,
            "new": self.new.to_dict() if self.new else None,
            "paired": {name: paired.to_dict() for name, paired in self.paired.items()},
            OVERLAP: self.overlap,
            "disagreements": [dataclasses.asdict(one) for one in self.disagreements],
            "gate": [{"condition": str(gate), "holds": held} for gate, held in self.gate],
            "why_not": self.why_not,
        }


def verify_sides(
    collection: Collection,
    source: int,
    target: int,
    *,
    queries: Sequence[Query] | Mapping[str, str] | None = None,
    qrels: Qrels | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    mode: Mode = "hybrid",
    require: str | None = None,
) -> Verification:
    """Check and evaluate the target side of a migration.

    Args:
        collection: the collection.
        source, target: the numbers of the sides.
        queries, qrels: the user's test set; without qrels the queries serve for the overlap
            alone, without both they are sampled from the stored text.
        metrics: what is measured on the test set.
        mode: how both sides are searched.
        require: the gate, see `Gate.parse`.

    Raises:
        InputError: the gate cannot be read, or asks for what cannot be measured; there are
            judgements without queries.
    """
    gates = _gates(queries, qrels, require)
    old, new = collection.at_side(source), collection.at_side(target)
    wanted = [*metrics, *(gate.metric for gate in gates if is_metric(gate.metric))]
    metrics = list(dict.fromkeys(wanted))
    problems = tuple(_problems(collection, target))

    def evaluate(side: Collection) -> Report | None:
        if queries is None or qrels is None:
            return None
        return evaluate_collection(side, queries, qrels, mode=mode, metrics=metrics)

    def first(side: Collection) -> Run:
        return side.run(asked, _FIRST, mode=mode, on_long="truncate")

    asked = _asked(collection, source, queries)
    after, found = evaluate(new), first(new)
    before, overlap, why_not = None, None, ""
    disagreements: tuple[Disagreement, ...] = ()
    try:
        before = evaluate(old)
        overlap, disagreements = _overlap(asked, first(old), found)
    except BudgetExceeded:
        raise
    except SamespaceError as error:  # its model is gone, or nobody has the key any more
        why_not = str(error)
    paired = {}
    if before is not None and after is not None:
        paired = {name: compare_scores(before.scores, after.scores, name) for name in metrics}
    measured = _measured(after, overlap)
    known = None if before is None else _measured(before, None)
    return Verification(
        problems=problems,
        new=after,
        old=before,
        paired=paired,
        overlap=overlap,
        disagreements=disagreements,
        gate=tuple((gate, gate.holds(measured, known)) for gate in gates),
        why_not=why_not,
    )


def require_test(
    collection: Collection,
    source: int,
    embedder: Embedder,
    queries: Sequence[Query] | Mapping[str, str] | None,
    qrels: Qrels | None,
    metrics: Sequence[str],
    mode: Mode,
    require: str | None,
) -> None:
    """Raise if a test set cannot be used on a side; see `Migration.require_test`."""
    gates = _gates(queries, qrels, require)
    for gate in gates:
        if gate.old and mode != "lexical":  # which asks no model
            _require_callable(collection, source, gate)
    depth([*metrics, *(gate.metric for gate in gates if is_metric(gate.metric))])
    if queries is None or qrels is None:
        return
    texts = _texts(queries)
    judged = {id: text for id, text in texts.items() if qrels.judgements.get(id)}
    if not judged:
        raise InputError(
            f"none of the {len(texts)} queries is judged; give those that the judgements are about"
        )
    absent_documents(collection, qrels)
    if mode == "lexical":
        return
    for (id, _), tokens in zip(
        judged.items(), embedder.count(list(judged.values()), "query"), strict=True
    ):
        if tokens > embedder.max_tokens:
            raise TooLong(
                f"query {id!r} has {tokens} tokens, and the window of {embedder.space.model} is "
                f"{embedder.max_tokens}: shorten it, or leave it out of the test set"
            )


def _require_callable(collection: Collection, source: int, gate: Gate) -> None:
    try:
        collection.embedders.checked(collection.store.side_header(source))
    except SamespaceError as error:
        raise InputError(
            f"{str(gate)!r} compares with the old side, whose model cannot be asked: {error}\n"
            'Give a number instead, as in "ndcg@10 >= 0.6"'
        ) from error


def _gates(queries: object, qrels: Qrels | None, require: str | None) -> tuple[Gate, ...]:
    if qrels is not None and queries is None:
        raise InputError("judgements need the queries that they are about: give queries too")
    gates = Gate.parse(require) if require else ()
    for gate in gates:
        gate.require_measurable(qrels is not None)
    return gates


def _measured(report: Report | None, overlap: float | None) -> dict[str, float]:
    found: dict[str, float] = {}
    if report is not None:
        found |= {name: interval.value for name, interval in report.intervals.items()}
        times = {"p50_ms": report.p50_ms, "p99_ms": report.p99_ms}
        found |= {name: ms for name, ms in times.items() if ms is not None}
    if overlap is not None:
        found[OVERLAP] = overlap
    return found


def _problems(collection: Collection, target: int) -> list[str]:
    """Return what is wrong with the rows, files and model of a side."""
    store = collection.store
    problems = [str(problem) for problem in store.check(target)]
    header = store.side_header(target)
    try:
        check_model(collection.embedders.of(header), header.canaries, quick=False)
    except (SpaceError, ModelError, StoreError, TooLong) as error:
        problems.append(str(error))
    return problems


def _asked(
    collection: Collection, source: int, queries: Sequence[Query] | Mapping[str, str] | None
) -> dict[str, str]:
    """Return the user's queries, or the beginnings of chunks from all over the collection."""
    if queries is not None:
        return _texts(queries)
    chunks = collection.store.ask(lambda connection: spread(connection, source, SAMPLED))
    return {str(chunk.row): " ".join(chunk.input.split()[:_WORDS]) for chunk in chunks}


def _texts(queries: Sequence[Query] | Mapping[str, str]) -> dict[str, str]:
    if isinstance(queries, Mapping):
        return dict(queries)
    return {query.id: query.text for query in queries}


def _overlap(
    queries: Mapping[str, str], old: Run, new: Run
) -> tuple[float | None, tuple[Disagreement, ...]]:
    if not queries:
        return None, ()
    found = []
    for query, text in queries.items():
        first, second = (
            tuple(dict.fromkeys(item.document for item in run.results[query])) for run in (old, new)
        )
        most = max(len(first), len(second))
        share = len(set(first) & set(second)) / most if most else 1.0
        found.append(Disagreement(text, share, first, second))
    mean = sum(one.overlap for one in found) / len(found)
    return mean, tuple(sorted(found, key=lambda one: one.overlap)[:_SHOWN])
