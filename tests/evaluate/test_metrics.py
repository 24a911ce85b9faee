"""Metrics by hand, what is missing or unjudged, and what is refused."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError
from samespace.evaluate.metrics import DEFAULT_METRICS, METRICS, depth, evaluate
from samespace.evaluate.qrels import Qrels
from samespace.run import Retrieved, Run

QRELS = {"q": {"a": 3, "b": 0, "c": 1, "d": 2}}
RUN = {"q": {"x": 0.9, "a": 0.8, "b": 0.7, "d": 0.6, "y": 0.5}}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        # relevant: a (3), d (2), c (1); retrieved at the ranks 2, 4 and not at all
        ("ndcg@4", (3 / math.log2(3) + 2 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / 2)),
        ("ndcg@2", (3 / math.log2(3)) / (3 + 2 / math.log2(3))),
        ("recall@2", 1 / 3),
        ("recall@10", 2 / 3),
        ("precision@4", 2 / 4),
        ("precision@10", 2 / 10),
        ("hit@1", 0.0),
        ("hit@2", 1.0),
        ("mrr", 1 / 2),
        ("mrr@1", 0.0),
        ("map", (1 / 2 + 2 / 4) / 3),
        ("map@3", (1 / 2) / 3),
        ("rprecision", 1 / 3),
        ("judged@1", 0.0),
        ("judged@2", 1 / 2),
        ("judged@4", 3 / 4),
        ("judged@10", 3 / 5),  # five were retrieved
    ],
)
def test_by_hand(metric: str, value: float) -> None:
    assert evaluate(RUN, QRELS, [metric]).mean(metric) == pytest.approx(value, abs=1e-12)


def test_judged_of_nothing_is_0_and_a_negative_grade_is_judged() -> None:
    scores = evaluate({"q": {}, "r": {"a": 1.0}}, {"q": {"a": 1}, "r": {"a": -1}}, ["judged@5"])
    assert scores.values["judged@5"].tolist() == [0.0, 1.0]


def test_missing_queries_count_as_zero_unless_skipped() -> None:
    qrels = Qrels({"c": {"x": 1}, "a": {"x": 1}, "b": {"x": 1}, "nobody judged": {}})
    run = {"a": {"x": 1.0}, "extra": {"x": 1.0}, "nobody judged": {"x": 1.0}, "b": {}}
    zero = evaluate(run, qrels, ["mrr"])
    assert zero.queries == ("a", "b", "c")  # sorted, whatever the order of the judgements
    assert zero.values["mrr"].tolist() == [1.0, 0.0, 0.0]
    assert (zero.missing, zero.unjudged) == (("c",), ("extra", "nobody judged"))
    assert zero.mean("mrr") == pytest.approx(1 / 3)
    skip = evaluate(run, qrels, ["mrr"], missing="skip")
    assert skip.queries == ("a", "b")  # b was asked and found nothing: it counts
    assert skip.missing == ("c",)
    assert skip.mean("mrr") == 0.5


def test_a_document_scores_what_its_best_chunk_scores() -> None:
    found = (Retrieved("a", 0.9, 0, 5), Retrieved("b", 0.8, 0, 5), Retrieved("a", 0.7, 5, 9))
    scores = evaluate(Run({"q": found}), {"q": {"b": 1}}, ["mrr", "precision@2"])
    assert (scores.mean("mrr"), scores.mean("precision@2")) == (0.5, 0.5)


def test_an_empty_run_scores_zero_and_cannot_be_skipped() -> None:
    assert evaluate({}, QRELS, ["ndcg@10"]).mean("ndcg@10") == 0.0
    with pytest.raises(InputError, match="leaves every query out"):
        evaluate({}, QRELS, ["ndcg@10"], missing="skip")


@pytest.mark.parametrize(
    "name",
    [
        "ndcg",
        "recall",
        "judged",
        "NDCG@10",
        "ndcg@",
        "ndcg@0",
        "ndcg@-1",
        "ndcg@1.5",
        "ndcg@ten",
        "@10",
        "",
        "rprecision@5",
        "mrr@",
        "ndcg@10@5",
        "ndcg @10",
        "ndcg@٣",
    ],
)
def test_unknown_metrics_are_refused_with_those_there_are(name: str) -> None:
    for use in (lambda: evaluate(RUN, QRELS, [name]), lambda: depth([name])):
        with pytest.raises(InputError, match="unknown metric") as error:
            use()
        assert all(metric in str(error.value) for metric in METRICS)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(InputError, match=r"'a' is nan"):
        evaluate({"q": {"a": math.nan}}, QRELS)
    with pytest.raises(InputError, match="inf"):
        evaluate({"q": {"a": math.inf}}, QRELS)
    with pytest.raises(InputError, match="whole numbers"):
        evaluate(RUN, {"q": {"a": 0.5}})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="empty"):
        evaluate(RUN, {})
    with pytest.raises(InputError, match=r"'1'.*'q1'"):
        evaluate({"1": {"a": 1.0}}, {"q1": {"a": 1}})
    with pytest.raises(InputError, match="zero"):
        evaluate(RUN, QRELS, missing="drop")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not computed"):
        evaluate(RUN, QRELS, ["mrr"]).mean("map")


def test_scores_beyond_32_bits_are_ties_at_the_end_of_the_scale() -> None:
    run = {"q": {"a": 1e300, "b": 1e200, "c": 1.0}}
    assert evaluate(run, {"q": {"b": 1}}, ["mrr"]).mean("mrr") == 1.0


def test_depth_is_that_of_the_deepest_cutoff() -> None:
    assert depth(["ndcg@10", "recall@50"]) == 50
    assert depth(["ndcg@10", "map"]) == 100
    assert depth(["recall@1000", "rprecision"]) == 1000
    assert depth(DEFAULT_METRICS) == 100


def test_ten_thousand_queries_take_about_a_second() -> None:
    generator = random.Random(0)
    qrels = {f"q{n}": {f"d{generator.randrange(1000)}": 1 for _ in range(3)} for n in range(10_000)}
    ids = [f"d{n}" for n in range(1000)]
    run = {q: {id: -float(r) for r, id in enumerate(generator.sample(ids, 100))} for q in qrels}
    started = time.perf_counter()
    scores = evaluate(run, qrels)
    assert time.perf_counter() - started < 3  # 0.2 s on an idle machine
    assert scores.mean("recall@100") == pytest.approx(0.1, abs=0.01)
    assert {values.shape for values in scores.values.values()} == {(10_000,)}
    assert all(np.all((values >= 0) & (values <= 1)) for values in scores.values.values())


@pytest.mark.parametrize(
    ("run", "qrels", "says"),
    [
        ({"q": {1: 1.0}}, {"q": {"1": 1}}, "ids must be strings"),
        ({"q": {"1": 1.0}}, {"q": {1: 1}}, "ids must be strings"),
        ({7: {"1": 1.0}}, {7: {"1": 1}}, "ids must be strings"),
        ({"q": {"a": "high"}}, {"q": {"a": 1}}, "expected numbers as scores"),
        ({"q": {"a": None}}, {"q": {"a": 1}}, "'a' is None, not finite"),
        ({"q": {"a": 1.0}}, {"q": {"a": 2**53}}, "whole numbers below"),
    ],
)
def test_what_is_no_run_or_no_judgement_is_refused(run: Any, qrels: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        evaluate(run, qrels, ["ndcg@10"])


def test_one_name_is_no_list_of_metrics() -> None:
    for call in (depth, lambda metrics: evaluate({"q": {"a": 1.0}}, {"q": {"a": 1}}, metrics)):
        with pytest.raises(InputError, match=r"such as \['ndcg@10'\]"):
            call("ndcg@10")
