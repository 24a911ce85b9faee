"""`compare`: from a corpus, a test set and a grid to a table."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from samespace.errors import CollectionDamaged, InputError
from samespace.evaluate.compare.grid import (
    NO_RERANKER,
    Configuration,
    Grid,
    Skipped,
    expand,
    label,
)
from samespace.evaluate.compare.result import Comparison, Row, rank
from samespace.evaluate.compare.runner import CANNOT, Progress, Runner, Step
from samespace.evaluate.compare.work import Work, key
from samespace.evaluate.corpus import other_documents
from samespace.evaluate.metrics import DEFAULT_METRICS, depth, evaluate
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.report import report
from samespace.evaluate.testset import TestSet
from samespace.evaluate.testset.testset import Split
from samespace.ingest.inputs import Inputs, PathLike, sort_out
from samespace.models import load as load_model
from samespace.models import load_reranker
from samespace.models.base import Reranker
from samespace.run import Run
from samespace.text.load import LoadOptions, load
from samespace.types import Document, OnLong

KEPT = 100
"""How many documents of each query are kept at least, for the curves over k."""

CUTOFFS = (1, 2, 3, 5, 10, 20, 30, 50, 100)
"""The k of those curves."""


def compare(
    corpus: Inputs | None,
    testset: TestSet,
    into: PathLike,
    grid: Grid | None = None,
    *,
    metric: str = "ndcg@10",
    metrics: Iterable[str] = DEFAULT_METRICS,
    baseline: str | None = None,
    split: Split | None = None,
    options: LoadOptions | None = None,
    on_long: OnLong = "error",
    progress: Progress = lambda step: None,
) -> Comparison:
    """Measure every configuration of a grid on one test set.

    Every text is embedded once for each model and role, however many configurations need it.
    What is finished stays in the folder: a comparison that was killed goes on from there, and a
    larger grid measures only what is new.

    Args:
        corpus: what `Collection.add` takes; None where the test set has a corpus of its own.
        testset: questions and judgements by document id.
        into: the folder to work in.
        grid: the axes; `Grid()` has one configuration.
        metric: what rows are sorted and tested by.
        metrics: what else is computed.
        baseline: the name of the configuration to test against; the first one if None.
        split: the side of a test set that has splits. Choosing is tuning, so it is the tune
            split unless said otherwise; the result of "test" says that it was.
        options: how files are read.
        on_long: "truncate" cuts a question that is longer than a model's window.
        progress: called at the beginning of every step that takes time.

    Raises:
        InputError: an argument that cannot be; the folder is about another test set, corpus or
            model; no configuration is possible.
        ModelNotFound: a model that is nowhere.
        CollectionLocked: another comparison is running in the folder.
        CollectionDamaged: a collection in it; says what to delete.
        WriteFailed: the disk refused; what was finished is kept.
    """
    names = list(dict.fromkeys([metric, *metrics]))
    k = max(KEPT, depth(names))
    chosen, side = _side(testset, split)
    qrels = chosen.qrels
    queries = {query.id: query.text for query in chosen.queries if qrels.judgements.get(query.id)}
    if not queries:
        raise InputError("none of the test set's questions is judged: there is nothing to measure")
    inputs = _inputs(corpus, testset)
    grid = grid or Grid()
    models = label(load_model(model) for model in grid.models)
    rerankers = _rerankers(grid)
    configurations, skipped = expand(grid, models, list(rerankers))
    baseline = _baseline(baseline, configurations, skipped)
    held = _hashes(inputs, options)
    judged = qrels.documents()
    if judged.isdisjoint(held):
        raise InputError(
            f"no judged document is in the corpus: its documents have ids such as "
            f"{next(iter(held), None)!r}, the judgements name such as {min(judged)!r}"
        )
    if testset.corpus is not None and (other := other_documents(held, testset.corpus, qrels)):
        raise InputError(
            "the questions of this test set stand in the text that they were made from, so it has "
            f"a corpus of its own, without them. In the corpus given {len(other)} of the judged "
            f"documents differ from it, such as {other[0]!r}; leave the corpus out"
        )
    facts = {
        "testset": {"its digest": _testset_digest(testset)},
        "corpus": {"its digest": key(sorted(held.items()))},
        "model": {name: model.space.id for name, model in models.items()},
    }
    rows: list[Row] = []
    with (
        Work(Path(into), facts) as work,
        Runner(work, models, rerankers, inputs, options, queries, k, on_long) as runner,
    ):
        for number, configuration in enumerate(configurations, 1):
            step = partial(_step, progress, configuration.name, number, len(configurations))
            try:
                cost = runner.cost(configuration, step)
                run = runner.run(configuration, step)
            except CANNOT as error:
                skipped.append(Skipped(configuration.name, str(error)))
                continue
            except CollectionDamaged as error:
                raise CollectionDamaged(
                    f"a collection of the comparison is damaged; delete its folder in "
                    f"{work.path / 'collections'}, and the same command builds it anew. {error}"
                ) from error
            curve = _curve(run, qrels, metric)
            rows.append(Row(configuration, report(run, qrels, names), cost, curve))
        computed, reused = runner.computed, runner.reused
    for item in skipped:
        if item.name == baseline:
            raise InputError(f"the baseline {baseline!r} could not be measured: {item.reason}")
    return Comparison(
        metric,
        baseline,
        rank(rows, metric, baseline),
        tuple(skipped),
        queries,
        side,
        k,
        computed,
        reused,
        tuple(_warnings(side, queries, qrels, held)),
    )


def _step(progress: Progress, name: str, number: int, total: int, doing: str) -> None:
    progress(Step(doing, name, number, total))


def _side(testset: TestSet, split: Split | None) -> tuple[TestSet, str]:
    """Return the questions to ask, and the name of the split that they are of."""
    if split is not None:
        return testset.split(split), split
    if not any(query.metadata.get("split") for query in testset.queries):
        return testset, ""
    return testset.for_tuning(), "tune"


def _inputs(corpus: Inputs | None, testset: TestSet) -> Sequence[PathLike] | Sequence[Document]:
    """Return what can be read again for every index."""
    if corpus is None:
        if testset.corpus is None:
            raise InputError("the test set has no corpus of its own: say what is to be indexed")
        return [testset.corpus]
    paths, documents = sort_out(corpus)
    if "-" in paths:
        raise InputError("a comparison reads its corpus more than once: give files, not '-'")
    return paths if documents is None else list(documents)


def _rerankers(grid: Grid) -> dict[str, Reranker | None]:
    found: dict[str, Reranker | None] = {}
    for given in grid.rerankers:
        reranker = None if given in (None, NO_RERANKER) else load_reranker(given)
        name = NO_RERANKER if reranker is None else reranker.name
        if found.setdefault(name, reranker) is not reranker:
            raise InputError(f"two rerankers are called {name!r}; their results would be mixed up")
    return found


def _baseline(name: str | None, found: Sequence[Configuration], skipped: list[Skipped]) -> str:
    """Return the baseline's name before anything expensive is done."""
    names = [configuration.name for configuration in found]
    if not names:
        reasons = "; ".join(f"{item.name}: {item.reason}" for item in skipped)
        raise InputError(f"no configuration of the grid is possible: {reasons}")
    if name is not None and name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(f"the baseline {name!r} is not in the grid: {', '.join(names)}.{hint}")
    return name or names[0]


def _testset_digest(testset: TestSet) -> str:
    questions = sorted((query.id, query.text) for query in testset.queries)
    judgements = sorted((q, sorted(found.items())) for q, found in testset.qrels.judgements.items())
    return key([questions, judgements])


def _hashes(
    inputs: Sequence[PathLike] | Sequence[Document], options: LoadOptions | None
) -> dict[str, str]:
    """Return {document id: digest of its content}."""
    paths, documents = sort_out(inputs)
    items = load(paths, options) if documents is None else documents
    return {item.id: item.content_hash for item in items if isinstance(item, Document)}


def _warnings(
    side: str, queries: Mapping[str, str], qrels: Qrels, held: Mapping[str, str]
) -> Iterable[str]:
    if side == "test":
        yield (
            "These are questions of the test split. What is chosen from this table is chosen by "
            "them, so its scores here must not be called tested."
        )
    unasked = [query for query in qrels.judgements if query not in queries]
    if unasked:
        yield (
            f"{len(unasked):,} of {len(qrels.judgements):,} judged queries have no text and score "
            f"0 in every row, such as {unasked[0]!r}"
        )
    judged = qrels.documents()
    absent = judged.difference(held)
    if absent:
        yield (
            f"{len(absent):,} of {len(judged):,} judged documents are not in the corpus "
            f"and cannot be found, such as {min(absent)!r}"
        )


def _curve(run: Run, qrels: Qrels, metric: str) -> dict[int, float]:
    name = metric.partition("@")[0]
    if name == "rprecision":
        return {}
    scores = evaluate(run, qrels, [f"{name}@{k}" for k in CUTOFFS])
    return {k: scores.mean(f"{name}@{k}") for k in CUTOFFS}
