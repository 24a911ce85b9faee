"""`samespace models` and `samespace cache`, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from samespace.cli.main import cli
from samespace.errors import InputError, ModelError, ModelNotFound
from samespace.models.cache import default_cache
from samespace.models.catalog import catalog
from samespace.models.catalog.read import forget

ENTRY = """
[[model]]
name = "ours"
provider = "openai"
kinds = ["dense"]
dimensions = 768
max_tokens = 8192
base_url = "http://localhost:8080/v1"
mind = ["It runs on one machine only."]
"""


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("SAMESPACE_VECTOR_CACHE", str(tmp_path / "vectors"))
    forget()
    yield
    forget()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def run_json(*arguments: str) -> Any:
    ended = run(*arguments, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_models_are_listed() -> None:
    ended = run("models")
    lines = ended.output.splitlines()
    assert ended.exit_code == 0
    assert len(lines) == len(catalog()) + 2
    assert {line.split("  ")[0].strip() for line in lines[1:-1]} == {c.name for c in catalog()}
    assert lines[-1].startswith(f"{len(catalog())} of {len(catalog())} models")


def test_models_are_filtered() -> None:
    found = run_json("models", "--kind", "dense", "--min-window", "8192", "--max-price", "0")
    names = {card["name"] for card in found}
    assert {"bge-m3", "Qwen3-Embedding-0.6B"} <= names
    assert not names & {"text-embedding-3-small", "all-MiniLM-L6-v2", "splade-v3"}
    cut = {card["name"] for card in run_json("models", "--dimensions", "256")}
    assert {"text-embedding-3-large", "nomic-embed-text-v1.5"} <= cut
    assert isinstance(run("models", "--kind", "thick").exception, InputError)
    german = run_json("models", "--language", "de")
    assert german == run_json("models", "--language", "DE")
    assert len(german) > len(run_json("models", "--language", "xx"))
    for option in ("--min-window", "--dimensions", "--max-price"):
        assert run("models", option, "-1").exit_code == 2


def test_what_is_not_run_is_told() -> None:
    shown = run("models", "show", "MedCPT-Query-Encoder").output
    assert shown.count("samespace runs one model for both") == 1
    assert "splits or refuses" not in shown
    ended = run("models", "show", "BGE-SMALL-EN-V1.5").exception
    assert "Did you mean 'bge-small-en-v1.5'" in str(ended)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("NV-Embed-v2", ["does not allow commercial use"]),
        ("scibert_scivocab_uncased", ["was not trained to find documents"]),
        ("text-embedding-3-small", ["OPENAI_API_KEY", "leave this machine", "8,192", "1,536"]),
        ("e5-base-v2", ["query: ", "passage: ", "put no prompt before a text yourself"]),
        ("voyage-4", ["voyage-4", "share the space", "VOYAGE_API_KEY"]),
        ("all-MiniLM-L6-v2", ["256", "384", "53aa51172d14"]),
    ],
)
def test_all_of_one(name: str, parts: list[str]) -> None:
    shown = run("models", "show", name)
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.output.split())
    for part in parts:
        assert " ".join(part.split()) in text
    assert "Sources:" in shown.output
    assert run_json("models", "show", name)["name"] == name


def test_an_unknown_model() -> None:
    error = run("models", "show", "text-embedding-3-smal").exception
    assert isinstance(error, ModelNotFound)
    assert "Did you mean 'text-embedding-3-small'" in str(error)


def test_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(ENTRY)
    added = run("models", "add", str(file))
    assert added.exit_code == 0
    assert str(tmp_path / "config/models/ours.toml") in added.output
    shown = run("models", "show", "ours").output
    assert "http://localhost:8080/v1" in shown
    assert "one machine only" in shown
    assert "ours" in {card["name"] for card in run_json("models", "--provider", "openai")}
    file.write_text(ENTRY.replace("768", "-1"))
    assert isinstance(run("models", "add", str(file)).exception, ModelError)
    assert isinstance(run("models", "add", str(tmp_path / "absent")).exception, InputError)


def test_the_cache_is_shown_and_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = default_cache()
    assert cache is not None
    assert run_json("cache", "info")["entries"] == 0
    cache.put_many("abc", {b"1" * 32: b"x", b"2" * 32: b"y"})
    cache.put_many("def", {b"3" * 32: b"z"})
    facts = run_json("cache", "info")
    assert facts["path"] == str(cache.path)
    assert facts["spaces"] == {"abc": 2, "def": 1}
    assert facts["entries"] == 3
    assert 0 < facts["bytes"] < facts["max_bytes"]
    assert "space abc: 2" in run("cache", "info").output
    assert run("cache", "clear", "--space", "abc").output == "forgot 2 vectors\n"
    assert run_json("cache", "info")["spaces"] == {"def": 1}
    assert run("cache", "clear").output == "forgot 1 vectors\n"
    monkeypatch.setenv("SAMESPACE_VECTOR_CACHE", "off")
    assert isinstance(run("cache", "info").exception, InputError)
