"""Evaluation on one's own data: judgements, metrics, intervals, tests, test sets, comparisons."""

from samespace.evaluate.intervals import Interval, bootstrap, bootstraps
from samespace.evaluate.metrics import DEFAULT_METRICS, METRICS, Scores, evaluate
from samespace.evaluate.qrels import Qrels, read_qrels, write_qrels
from samespace.evaluate.queries import Query, read_queries, write_queries
from samespace.evaluate.report import Report, evaluate_collection
from samespace.evaluate.runs import read_run, write_run
from samespace.evaluate.significance import (
    Paired,
    compare_paired,
    compare_scores,
    holm,
    queries_needed,
)

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "Interval",
    "Paired",
    "Qrels",
    "Query",
    "Report",
    "Scores",
    "bootstrap",
    "bootstraps",
    "compare_paired",
    "compare_scores",
    "evaluate",
    "evaluate_collection",
    "holm",
    "queries_needed",
    "read_qrels",
    "read_queries",
    "read_run",
    "write_qrels",
    "write_queries",
    "write_run",
]
