"""The figures in docs/migration.md are the saved ones."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


def test_figures_are_the_saved_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    benchmark = importlib.import_module("migration")
    page = benchmark.PAGE.read_text(encoding="utf-8")
    assert benchmark.renewed(page) == page, "run: python benchmarks/migration.py --table"
    assert page.count("tokens/s") == 2
