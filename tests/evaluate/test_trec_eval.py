"""Every metric equals trec_eval's, per query and in the mean, on real and on random runs.

pytrec_eval is the reference; what it is compared with, and how, is benchmarks/trec_agreement.py,
which does the same with runs of the real model over every set.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace import Collection
from samespace.evaluate.metrics import METRICS, evaluate
from samespace.evaluate.qrels import read_qrels
from samespace.evaluate.queries import read_queries
from samespace.models import HashEmbedder
from tests.datasets import dataset

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NEAR = 1e-9

Run = dict[str, dict[str, float]]
Judgements = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def trec() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("trec_agreement")


def largest(trec: ModuleType, run: Run, qrels: Any) -> float:
    by_metric = trec.differences(run, qrels)
    assert {name.partition("@")[0] for name in by_metric} == set(METRICS) - {"judged"}
    return max(by_metric.values())


def test_the_reference_knows_a_difference(trec: ModuleType) -> None:
    qrels = {"q": {"a": 1, "b": 0}}
    assert largest(trec, {"q": {"b": 2.0, "a": 1.0}}, qrels) == 0
    reference = trec.reference({"q": {"b": 2.0, "a": 1.0}}, qrels, ["mrr", "mrr@1", "ndcg@2"])
    assert reference["q"]["mrr"] == 0.5
    assert reference["q"]["mrr@1"] == 0.0
    assert reference["q"]["ndcg@2"] == pytest.approx(0.63093, abs=1e-5)


IDS = st.text("ab01é\u00a0ÿ\u0100漢\uffee😀𝔘Z ", min_size=1, max_size=3)
SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 0.5 + 1e-9, 0.5 - 1e-12, 1.0, 1 + 2**-24, 1 + 2**-23, -3.0]),
    st.floats(-1e38, 1e38),
    st.integers(2**24, 2**24 + 4).map(float),
)


@st.composite
def runs_and_qrels(draw: st.DrawFn) -> tuple[Run, Judgements]:
    documents = draw(st.lists(IDS, min_size=1, max_size=25, unique=True))
    queries = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    judged = st.dictionaries(
        st.sampled_from(documents), st.integers(-3, 4), min_size=1, max_size=12
    ).filter(lambda grades: max(grades.values()) >= -1)  # below, trec_eval reads stray memory
    ranked = st.dictionaries(st.sampled_from(documents), SCORES, max_size=25)
    qrels = {query: draw(judged) for query in queries}
    run = {query: draw(ranked) for query in queries if query == queries[0] or draw(st.booleans())}
    return run, qrels


@given(drawn=runs_and_qrels())
def test_random_runs_with_ties_and_any_grades(
    trec: ModuleType, drawn: tuple[Run, Judgements]
) -> None:
    assert largest(trec, *drawn) <= NEAR


def test_corner_cases(trec: ModuleType) -> None:
    qrels: Judgements = {
        "negative": {"a": -1, "b": 2, "c": -3},
        "only zero": {"a": 0, "b": 0},
        "only negative": {"a": -1},
        "never retrieved": {"z": 1, "y": 3},
        "nothing retrieved": {"a": 1},
        "missing": {"a": 1},
        "graded": {"a": 1, "b": 2, "c": 3, "d": 4},
    }
    run: Run = {
        "negative": {"a": 3.0, "b": 2.0, "c": 1.0},
        "only zero": {"a": 1.0, "x": 0.5},
        "only negative": {"a": 1.0},
        "never retrieved": {"a": 1.0},
        "nothing retrieved": {},
        "graded": {"a": 1.0, "b": 1.0, "x": 1.0, "d": 1.0},
    }
    assert largest(trec, run, qrels) <= NEAR
    scores = evaluate(run, qrels, ["ndcg@10", "mrr"])
    assert dict(zip(scores.queries, scores.values["mrr"], strict=True)) == {
        "negative": 0.5,
        "only zero": 0.0,
        "only negative": 0.0,
        "never retrieved": 0.0,
        "nothing retrieved": 0.0,
        "missing": 0.0,
        "graded": 0.5,  # ties go by id, descending: x, d, b, a
    }


def test_ties_are_those_of_32_bit_floats_and_go_by_utf8_bytes(trec: ModuleType) -> None:
    ids = ["a", "Z", "é", "ÿ", "漢", "\uffee", "😀", "𝔘", "a1", "a\u00a0"]
    for relevant in ids:
        run = {"q": {id: 1.0 + place * 1e-9 for place, id in enumerate(ids)}}
        assert largest(trec, run, {"q": {relevant: 1}}) <= NEAR
    places = [
        1 / evaluate({"q": dict.fromkeys(ids, 1.0)}, {"q": {id: 1}}, ["mrr"]).mean("mrr")
        for id in sorted(ids, key=lambda id: id.encode(), reverse=True)
    ]
    assert [round(place) for place in places] == list(range(1, len(ids) + 1))


SETS = [
    ("scifact", "qrels.tsv"),
    ("scifact", "qrels_train.tsv"),
    ("cranfield", "qrels.tsv"),
    ("cranfield", "qrels_graded.tsv"),
    ("cacm", "qrels.tsv"),
    ("covid-qa", "qrels.tsv"),
    ("squad-dev-minus-xquad", "qrels.tsv"),
    ("stackfaq", "qrels.tsv"),
]


@pytest.mark.parametrize(("name", "file"), SETS)
def test_random_runs_over_every_set(trec: ModuleType, name: str, file: str) -> None:
    qrels = read_qrels(dataset(name) / file).judgements
    run = trec.random_run(qrels, random.Random(7))
    assert 0.8 < len(run) / len(qrels) < 0.97  # some queries are missing
    assert any(not found for found in run.values())
    assert largest(trec, run, qrels) <= NEAR


@pytest.fixture(scope="module")
def cranfield(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    path = tmp_path_factory.mktemp("cranfield") / "kb"
    with Collection.create(path, model=HashEmbedder()) as collection:
        collection.add(dataset("cranfield") / "corpus.jsonl")
        yield collection


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_runs_of_a_collection(trec: ModuleType, cranfield: Collection, mode: Any) -> None:
    source = dataset("cranfield")
    queries = {query.id: query.text for query in read_queries(source / "queries.jsonl")[:60]}
    run = cranfield.run(queries, mode=mode).documents()
    for file in ("qrels.tsv", "qrels_graded.tsv"):
        qrels = read_qrels(source / file).judgements
        judged = {query: qrels[query] for query in queries}
        assert largest(trec, run, judged) <= NEAR
        if mode == "lexical":
            assert evaluate(run, judged, ["ndcg@10"]).mean("ndcg@10") > 0.3
