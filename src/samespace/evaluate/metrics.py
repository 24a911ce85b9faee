"""Retrieval metrics, per query, with the rules of trec_eval.

Each metric is one function of a `Ranking` and a cutoff, named for what `evaluate` calls it by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samespace.errors import InputError
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.ranking import Ranking, Ranks, rank_documents
from samespace.run import Run

Floats = NDArray[np.float64]
Judgements = Qrels | Mapping[str, Mapping[str, int]]
Missing = Literal["zero", "skip"]

DEFAULT_METRICS = (
    "ndcg@10",
    "recall@10",
    "recall@100",
    "mrr@10",
    "map@100",
    "precision@10",
    "hit@10",
)
DEPTH = 100
"""How many results a metric without a cutoff is computed over, at least."""

_WHOLE = 2**62


def ndcg(ranking: Ranking, k: int) -> Floats:
    """Return nDCG@k: sum of grade / log2(rank + 1), over that of the ideal order.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS
    20(4), 2002, with the grade as gain and the discount from rank 2 on, as trec_eval's `ndcg_cut`
    has it. A negative grade gains nothing.
    """
    return _ratio(_dcg(ranking.judged, ranking.n, k), _dcg(ranking.ideal, ranking.n, k))


def recall(ranking: Ranking, k: int) -> Floats:
    """Return recall@k: the share of the relevant documents that is among the first k."""
    return _ratio(_relevant_within(ranking, k), ranking.relevant)


def precision(ranking: Ranking, k: int) -> Floats:
    """Return precision@k: relevant among the first k, over k, also where fewer were retrieved."""
    return _relevant_within(ranking, k) / k


def hit(ranking: Ranking, k: int) -> Floats:
    """Return hit@k: 1 if a relevant document is among the first k (trec_eval's `success`)."""
    return (_relevant_within(ranking, k) > 0).astype(np.float64)


def mrr(ranking: Ranking, k: int) -> Floats:
    """Return the reciprocal of the first relevant document's rank, 0 if that is beyond k.

    Source: Voorhees, "The TREC-8 question answering track report", 1999.
    """
    best = np.zeros(ranking.n)
    found = _relevant(ranking, k)
    np.maximum.at(best, found.query, 1 / found.rank)
    return best


def map_(ranking: Ranking, k: int) -> Floats:
    """Return average precision: the precision at each relevant document's rank (0 if that is
    beyond k), averaged over all relevant documents.

    Source: Buckley and Voorhees, "Evaluating evaluation measure stability", SIGIR 2000; the
    cutoff as trec_eval's `map_cut` has it.
    """
    found = _relevant(ranking, k)
    before = np.searchsorted(found.query, found.query)  # sorted by query, then by rank
    up_to_here = np.arange(1, len(before) + 1) - before
    return _ratio(np.bincount(found.query, up_to_here / found.rank, ranking.n), ranking.relevant)


def judged(ranking: Ranking, k: int) -> Floats:
    """Return judged@k: the share of the first k retrieved (or of all, if fewer) that was judged.

    A low value says that the other metrics rest on what nobody looked at. Defined as in
    ir_measures ("Judged") and in Pyserini's measure_judged.py; 0 where nothing was retrieved.
    """
    seen = np.bincount(ranking.judged.query[ranking.judged.rank <= k], minlength=ranking.n)
    return _ratio(seen, np.minimum(ranking.retrieved, k))


def rprecision(ranking: Ranking, k: int) -> Floats:
    """Return the precision at rank R, R being how many documents are relevant (`Rprec`)."""
    found = _relevant(ranking, k)
    within = found.query[found.rank <= ranking.relevant[found.query]]
    return _ratio(np.bincount(within, minlength=ranking.n), ranking.relevant)


METRICS: Mapping[str, Callable[[Ranking, int], Floats]] = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "hit": hit,
    "mrr": mrr,
    "map": map_,
    "judged": judged,
    "rprecision": rprecision,
}
"""What `evaluate` computes, by name. A cutoff follows as "@k"."""

_CUT = {"ndcg", "recall", "precision", "hit", "judged"}
_UNCUT = {"rprecision"}


@dataclass(frozen=True)
class Scores:
    """What each query scored.

    Attributes:
        queries: the ids of the n scored queries, sorted: what is drawn by chance from them must not
            depend on the order of a file.
        values: for each metric the (n,) float64 values, aligned with `queries`.
        missing: judged, but not in the run: scored 0, or left out of `queries` where asked.
        unjudged: in the run, but not judged: left out.
    """

    queries: tuple[str, ...]
    values: Mapping[str, Floats]
    missing: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()

    def mean(self, metric: str) -> float:
        """Return a metric's mean over the queries.

        Raises:
            InputError: the metric was not computed.
        """
        if metric not in self.values:
            raise InputError(f"{metric!r} was not computed; there is {', '.join(self.values)}")
        return float(self.values[metric].mean())


def evaluate(
    run: Run | Mapping[str, Mapping[str, float]],
    qrels: Judgements,
    metrics: Iterable[str] = DEFAULT_METRICS,
    *,
    missing: Missing = "zero",
) -> Scores:
    """Score a run against judgements, query by query, as trec_eval does.

    >>> scores = evaluate({"q": {"a": 0.9, "b": 0.7}}, {"q": {"b": 1}}, ["mrr", "recall@1"])
    >>> scores.mean("mrr"), scores.mean("recall@1")
    (0.5, 0.0)

    Args:
        run: what was retrieved, {query: {document: score}}; of several chunks of a document in a
            `Run` the best counts.
        qrels: what is relevant, {query: {document: grade}}.
        metrics: names such as "ndcg@10"; `METRICS` has them all.
        missing: what becomes of a judged query that the run lacks. "zero" scores it 0 (trec_eval
            -c): an evaluation that counts only the queries that returned something flatters.
            "skip" leaves it out (trec_eval without -c).

    Returns:
        The values per query. A query without any relevant document scores 0 and counts.

    Raises:
        InputError: an unknown metric, a score that is not finite, nothing to score.
    """
    cutoffs = _cutoffs(metrics)
    if missing not in ("zero", "skip"):
        raise InputError(f'missing must be "zero" or "skip", got {missing!r}')
    found = run.documents() if isinstance(run, Run) else run
    judgements = qrels.judgements if isinstance(qrels, Qrels) else qrels
    asked = sorted(query for query, documents in judgements.items() if documents)
    _require_overlap(found, asked)
    absent = tuple(query for query in asked if query not in found)
    scored = asked if missing == "zero" else [query for query in asked if query in found]
    if not scored:
        raise InputError('the run is empty, and missing="skip" leaves every query out')
    ranking = rank_documents(found, judgements, scored)
    known = set(asked)
    return Scores(
        tuple(scored),
        {name: METRICS[metric](ranking, k) for name, (metric, k) in cutoffs.items()},
        absent,
        tuple(query for query in found if query not in known),
    )


def depth(metrics: Iterable[str]) -> int:
    """Return how many results per query the metrics need: the deepest cutoff.

    For a metric without a cutoff it is at least `DEPTH`.
    """
    cutoffs = _cutoffs(metrics).values()
    return max((DEPTH if k == _WHOLE else k for _, k in cutoffs), default=DEPTH)


def _cutoffs(metrics: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return {name: (metric, cutoff)}, each name once."""
    if isinstance(metrics, str):
        raise InputError(f"metrics are a list of names, such as [{metrics!r}]")
    return {name: _parse(name) for name in metrics}


def _parse(name: str) -> tuple[str, int]:
    """Return a metric's name and its cutoff."""
    metric, at, k = name.partition("@")
    cut = re.fullmatch("[1-9][0-9]{0,8}", k) is not None
    if metric in METRICS and ((cut and metric not in _UNCUT) or (not at and metric not in _CUT)):
        return metric, int(k) if cut else _WHOLE
    raise InputError(
        f"unknown metric {name!r}; there are ndcg@K, recall@K, precision@K, hit@K, mrr@K, mrr, "
        "map@K, map, judged@K and rprecision, where K is a number from 1"
    )


def _require_overlap(found: Mapping[str, object], asked: list[str]) -> None:
    if not asked:
        raise InputError("the judgements are empty: there is nothing to score")
    if found and not any(query in found for query in asked):
        raise InputError(
            f"no query of the run is judged: the run has ids such as {next(iter(found))!r}, the "
            f"judgements such as {asked[0]!r}"
        )


def _dcg(ranks: Ranks, n: int, k: int) -> Floats:
    within = (ranks.rank <= k) & (ranks.grade > 0)
    gains = ranks.grade[within] / np.log2(ranks.rank[within] + 1)
    return np.bincount(ranks.query[within], gains, n).astype(np.float64)


def _relevant(ranking: Ranking, k: int) -> Ranks:
    """Return the relevant documents among the first k of each query."""
    ranks = ranking.judged
    within = (ranks.grade > 0) & (ranks.rank <= k)
    return Ranks(ranks.query[within], ranks.rank[within], ranks.grade[within])


def _relevant_within(ranking: Ranking, k: int) -> Floats:
    """Return (n,) how many relevant documents are among the first k."""
    counts = np.bincount(_relevant(ranking, k).query, minlength=ranking.n)
    return counts.astype(np.float64)


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """Return part / whole, 0 where the whole is 0."""
    result = np.zeros(len(part))
    np.divide(part, whole, out=result, where=whole != 0)
    return result
