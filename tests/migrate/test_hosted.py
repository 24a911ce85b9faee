"""Migration to a hosted model: planned for nothing, bounded by money and by a rate."""

from __future__ import annotations

from pathlib import Path

import pytest

from samespace import Collection
from samespace.errors import BudgetExceeded
from samespace.migrate import Migration, plan
from samespace.models import HashEmbedder
from samespace.models.hosted import Budget
from samespace.store.sides import lacking
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import hosted
from tests.models.hosted.service import service

from .test_migration import contents, document, make


def test_the_plan_asks_nobody_and_tells_the_price(tmp_path: Path) -> None:
    with service(APIS["openai"]) as server, make(tmp_path / "kb", HashEmbedder()) as kb:
        model = hosted(server, price_per_million=20.0)
        planned = plan(kb, model)
        assert server.asked == []
        with kb.store.read() as reader:
            inputs = [text for _, text, _ in reader.inputs()]
        assert planned.tokens == sum(model.count(inputs)) > 0
        assert planned.dollars == pytest.approx(planned.tokens * 20e-6)
        assert (planned.seconds, planned.tokens_per_second) == (None, None)


def test_a_budget_stops_it_and_a_larger_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(APIS["openai"].key_env, APIS["openai"].key)
    with service(APIS["openai"]) as server, make(tmp_path / "kb", HashEmbedder(), 60) as kb:
        needed = plan(kb, hosted(server)).tokens
        few = hosted(server, budget=Budget(tokens=needed // 6))
        migration = Migration.begin(kb, few)
        with pytest.raises(BudgetExceeded):
            migration.backfill()
        assert len(kb.search("violet", mode="dense")) == 10
        assert migration.state == "backfilling"
        assert kb.store.ask(lambda c: lacking(c, migration.move.target))
        enough = hosted(server, budget=Budget(tokens=3 * needed))
        migration = Migration.begin(kb, enough)
        migration.backfill()
        assert migration.verify().holds
        migration.switch()
        with Collection.create(tmp_path / "fresh", hosted(server)) as fresh:
            fresh.add([document(i) for i in range(60)])
            assert contents(kb).keys() == contents(fresh).keys()
