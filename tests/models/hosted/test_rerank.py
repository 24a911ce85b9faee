"""Hosted rerankers: scores in the order of the texts, whatever the endpoint does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from samespace.errors import BudgetExceeded, InputError, ModelError
from samespace.models import Reranker
from samespace.models.hosted import Budget
from tests.models.hosted.apis import APIS, RERANKERS
from tests.models.hosted.asking import TEXTS, reranker, right_scores
from tests.models.hosted.service import Service, service

QUERY = "how do I reset it?"

AGAIN = [
    "429",
    "500",
    "503",
    "connection cut in the middle of the answer",
    "connection closed unanswered",
    "an answer that is not JSON",
    "an answer of another shape",
    "one result too few",
    "one result too many",
    "an index twice",
    "an index beyond the texts",
    "null in a vector",
    "NaN in a vector",
    "infinity in a vector",
]


@pytest.fixture(params=RERANKERS)
def ranking(request: pytest.FixtureRequest) -> Iterator[Service]:
    with service(APIS[request.param]) as server:
        yield server


def test_scores_come_in_the_order_of_the_texts(ranking: Service) -> None:
    """Ten texts take three requests; every answer is sorted by score."""
    model = reranker(ranking)
    assert isinstance(model, Reranker)
    assert model.score(QUERY, TEXTS) == pytest.approx(right_scores(QUERY, TEXTS))
    assert [len(texts) for texts in ranking.texts] == [4, 4, 2]
    assert {asked.fault for asked in ranking.asked} == {""}
    assert model.usage.requests == 3
    assert model.score(QUERY, []) == []
    assert len(ranking.asked) == 3


@pytest.mark.parametrize("fault", ["shuffled", *AGAIN])
def test_once(ranking: Service, fault: str) -> None:
    ranking.faults.append(fault)
    assert reranker(ranking).score(QUERY, TEXTS[:6]) == pytest.approx(
        right_scores(QUERY, TEXTS[:6])
    )
    assert len(ranking.asked) == (2 if fault == "shuffled" else 3)


@pytest.mark.parametrize("fault", AGAIN)
def test_every_time(ranking: Service, fault: str) -> None:
    ranking.always = lambda wanted: fault
    with pytest.raises(ModelError):
        reranker(ranking, retries=3).score(QUERY, TEXTS[:3])
    passing = fault[0].isdigit() or fault.startswith("connection")
    assert len(ranking.asked) == (4 if passing else 3)


@pytest.mark.parametrize("fault", ["400", "401", "403"])
def test_what_is_refused_is_not_asked_again(ranking: Service, fault: str) -> None:
    ranking.always = lambda wanted: fault
    with pytest.raises(InputError):
        reranker(ranking).score(QUERY, TEXTS[:3])
    assert len(ranking.asked) == 1


def test_what_is_too_large_is_halved(ranking: Service) -> None:
    ranking.always = lambda wanted: "413" if len(wanted.texts) > 1 else ""
    assert reranker(ranking).score(QUERY, TEXTS[:4]) == pytest.approx(
        right_scores(QUERY, TEXTS[:4])
    )


def test_no_more_at_once_than_allowed(ranking: Service) -> None:
    ranking.seconds = 0.02
    texts = [f"text {i}" for i in range(40)]
    scores = reranker(ranking, concurrency=3).score(QUERY, texts)
    assert scores == pytest.approx(right_scores(QUERY, texts))
    assert 1 < ranking.most <= 3


def test_a_budget_stops_it(ranking: Service) -> None:
    budget = Budget(tokens=300)
    model = reranker(ranking, budget=budget)
    with pytest.raises(BudgetExceeded):
        model.score(QUERY, [f"text number {i}" for i in range(60)])
    assert budget.spent[0] <= 300
    sent = len(ranking.asked)
    assert 0 < sent < 15


def test_blank_texts_and_queries_are_refused_before_anything_is_sent(ranking: Service) -> None:
    model = reranker(ranking)
    for query, texts in ((" ", ["fine"]), (QUERY, ["fine", ""])):
        with pytest.raises(InputError, match="empty"):
            model.score(query, texts)
    assert ranking.asked == []
