"""Reranking: are the good candidates of each query brought to the top?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.errors import InputError
from samespace.evaluate.metrics import Scores, evaluate
from samespace.evaluate.tasks.inputs import require_lengths
from samespace.space import Vectors
from samespace.vectors.exact import similarity

METRICS = ("map", "mrr", "ndcg@10")


@dataclass(frozen=True)
class Reranking:
    """Means over the queries, and in `scores` the value of each query.

    Queries are named "0", "1", ... in the order given.
    """

    scores: Scores

    @property
    def map(self) -> float:
        """Mean average precision over the whole list of candidates."""
        return self.scores.mean("map")

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank of the first good candidate."""
        return self.scores.mean("mrr")

    @property
    def ndcg(self) -> float:
        """nDCG@10."""
        return self.scores.mean("ndcg@10")


def reranking(
    queries: Vectors, candidates: Sequence[Vectors], labels: Sequence[Sequence[int]]
) -> Reranking:
    """Order each query's candidates by nearness and score the order as trec_eval does.

    Args:
        queries: shape (n, d), embedded in the role "query".
        candidates: for each query the vectors of its candidates, role "document".
        labels: for each query the grade of each of its candidates, 0 for not relevant.

    Raises:
        SpaceMismatch: candidates live in another space than the queries.
        InputError: lengths differ, nothing is given, or no candidate at all is relevant.
    """
    require_lengths(queries=queries, candidates=candidates, labels=labels)
    if not any(grade > 0 for grades in labels for grade in grades):
        raise InputError("no candidate of any query is relevant: there is nothing to bring up")
    run: dict[str, dict[str, float]] = {}
    qrels: dict[str, dict[str, int]] = {}
    for i, (query, texts, grades) in enumerate(zip(queries.array, candidates, labels, strict=True)):
        queries.space.require(texts.space, f"reranking the candidates of query {i}")
        require_lengths(candidates=texts, labels=grades)
        if not all(float(grade).is_integer() for grade in grades):
            raise InputError(f"query {i}: labels must be whole numbers, got {list(grades)}")
        scores = similarity(query, texts.array, queries.space.metric)
        run[str(i)] = {str(j): float(score) for j, score in enumerate(np.asarray(scores))}
        qrels[str(i)] = {str(j): int(grade) for j, grade in enumerate(grades)}
    return Reranking(evaluate(run, qrels, METRICS))
