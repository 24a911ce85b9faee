"""A hosted model on the command line: what it cost, and where it stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from samespace import Collection
from samespace.cli.main import cli
from samespace.errors import BudgetExceeded
from samespace.models import HashEmbedder
from samespace.models.catalog.read import forget
from tests.migrate.test_migration import document
from tests.models.hosted.apis import APIS
from tests.models.hosted.service import Service, service


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("SAMESPACE_VECTOR_CACHE", str(tmp_path / "vectors"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with service(APIS["local"]) as running:
        (tmp_path / "config/models").mkdir(parents=True)
        (tmp_path / "config/models/own.toml").write_text(
            f"""
[[model]]
name = "tiny-openai"
provider = "openai"
base_url = "{running.url}"
kinds = ["dense"]
dimensions = 16
max_tokens = 400
normalized = true
metric = "cosine"
max_items = 4
max_request_tokens = 800
price_per_million = 1000.0
"""
        )
        forget()
        yield running
        forget()


def index(tmp_path: Path, *options: str) -> Result:
    paths = [str(tmp_path / "docs"), "--into", str(tmp_path / "kb"), "--model", "tiny-openai"]
    return CliRunner().invoke(cli, ["index", *paths, *options])


def test_a_cost_is_told_and_bounded(server: Service, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for i in range(6):
        (tmp_path / f"docs/{i}.txt").write_text(f"Chapter {i} is about the number {i}. " * 5)
    stopped = index(tmp_path, "--max-cost", "0.01")
    assert isinstance(stopped.exception, BudgetExceeded)
    assert "$" in str(stopped.exception) or "dollars" in str(stopped.exception)
    done = index(tmp_path, "--max-cost", "10", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["added"] == 6
    assert report["usage"]["requests"] >= 2
    assert 0 < report["usage"]["dollars"] < 10
    assert report["tokens_are_estimates"] is True
    sent = len(server.asked)
    again = index(tmp_path)
    assert again.exit_code == 0, again.output
    assert len(server.asked) == sent
    (tmp_path / "docs/new.txt").write_text("One more, about nothing.")
    told = index(tmp_path)
    assert "asked of the provider: " in told.output
    assert "are estimates" in told.output


def test_a_migration_stays_bounded_when_it_is_taken_up_again(
    server: Service, tmp_path: Path
) -> None:
    kb = str(tmp_path / "kb")
    with Collection.create(kb, HashEmbedder(), cache=False) as collection:
        collection.add([document(i) for i in range(20)])

    def migrate(*options: str) -> Result:
        return CliRunner().invoke(cli, ["migrate", kb, *options])

    for options in (("--to", "tiny-openai", "--max-cost", "1"), ("--max-cost", "1")):
        sent = len(server.asked)
        stopped = migrate(*options)
        assert isinstance(stopped.exception, BudgetExceeded), stopped.output
        assert len(server.asked) > sent
    assert json.loads(migrate("--cancel", "--json").stdout)["state"] == "cancelled"
