"""What is set aside, spent and given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from samespace.errors import BudgetExceeded, InputError, SamespaceError
from samespace.models.hosted import Budget, HostedEmbedder, Usage
from samespace.models.hosted.budget import Meter


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"tokens": -1},
        {"dollars": -0.5},
        {"dollars": float("nan")},
        {"tokens": 5, "dollars": -1},
    ],
)
def test_a_budget_has_a_limit(limits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="budget"):
        Budget(**limits)


def test_the_limit_itself_may_be_spent() -> None:
    budget = Budget(tokens=10, dollars=1.0)
    budget.reserve(10, 1.0)
    assert budget.spent == (10, 1.0)
    with pytest.raises(BudgetExceeded, match="1 tokens, but of the budget of 10 tokens 10 are"):
        budget.reserve(1, 0.0)
    with pytest.raises(BudgetExceeded, match=r"\$0\.000001, but of the budget of \$1\.000000"):
        budget.reserve(0, 0.000001)
    assert budget.spent == (10, 1.0)
    assert issubclass(BudgetExceeded, SamespaceError)


def test_nothing_may_be_spent() -> None:
    with pytest.raises(BudgetExceeded):
        Budget(tokens=0).reserve(1, 0.0)


def test_an_answer_replaces_what_was_set_aside() -> None:
    budget = Budget(tokens=100)
    meter = Meter(2.0, None, budget)
    with meter.charge(60) as charge:
        charge.sending()
        assert budget.spent[0] == 60
        charge.taken(45)
    assert budget.spent == (45, pytest.approx(90e-6))
    assert meter.usage == Usage(1, 45, pytest.approx(90e-6), estimated=False)


def test_a_refused_request_costs_nothing() -> None:
    budget = Budget(tokens=100)
    meter = Meter(None, None, budget)

    def refused() -> None:
        with meter.charge(60) as charge:
            for _ in range(3):
                charge.sending()
            raise InputError("refused")

    with pytest.raises(InputError):
        refused()
    assert budget.spent[0] == 0
    assert meter.usage == Usage(requests=3, tokens=0, dollars=None)


def test_an_answer_that_cannot_be_used_is_paid_like_a_good_one() -> None:
    meter = Meter(1.0, None, None)
    with meter.charge(60) as charge:
        charge.sending()
        charge.taken(50)
        charge.sending()
        charge.taken(50)
    assert meter.usage == Usage(2, 100, pytest.approx(1e-4))


def test_what_broke_off_may_have_cost_as_much() -> None:
    meter = Meter(1.0, None, Budget(tokens=100))
    with meter.charge(60) as charge:
        charge.sending()
        charge.taken()
        with pytest.raises(BudgetExceeded):
            charge.sending()
    assert meter.usage == Usage(1, 60, pytest.approx(6e-5), estimated=True)


def test_searches_are_paid_by_the_thousand() -> None:
    meter = Meter(None, 2.0, Budget(dollars=0.005))
    with meter.charge(1000, searches=2) as charge:
        charge.sending()
        charge.taken(None, 1)
    assert meter.usage == Usage(1, 1000, pytest.approx(0.002), estimated=True)
    with meter.charge(1000, searches=2) as charge, pytest.raises(BudgetExceeded):
        charge.sending()


def test_dollars_need_a_price() -> None:
    with pytest.raises(InputError, match="price_per_million"):
        HostedEmbedder("jina-embeddings-v3", budget=Budget(dollars=1))
    assert (
        HostedEmbedder("jina-embeddings-v3", budget=Budget(dollars=1), price_per_million=0.02).usage
        == Usage()
    )
    assert HostedEmbedder("jina-embeddings-v3", budget=Budget(tokens=1)).usage.dollars is None


def test_threads_together_stay_within() -> None:
    budget = Budget(tokens=1000)
    meter = Meter(1.0, None, budget)

    def once(i: int) -> int:
        try:
            with meter.charge(30) as charge:
                charge.sending()
                assert budget.spent[0] <= 1000
                charge.taken(20 + i % 10)
                return 20 + i % 10
        except BudgetExceeded:
            return 0

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(once, range(200)))
    assert budget.spent[0] == sum(taken) == meter.usage.tokens
    assert 970 < sum(taken) <= 1000
