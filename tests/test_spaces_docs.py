"""The figures in docs/spaces.md are the saved ones, and what is claimed of them holds."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from samespace.models.agreement import FAMILY_COSINE
from samespace.space import CANARIES, CANARY_COSINE

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_figures_are_the_saved_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    tables = importlib.import_module("canary_tables")
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.renewed(page) == page, "run: python benchmarks/canaries.py --table"
    assert "| PyTorch, bfloat16 |" in page


@pytest.mark.parametrize("part", ["runtimes", "corruptions", "kin"])
def test_the_claims_hold_of_what_is_in_use(part: str) -> None:
    file = BENCHMARKS / f"results/canaries-{part}.json"
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["claims"]
    assert all(result["claims"].values()), result["claims"]
    used = (result["canaries"], result["canary_cosine"], result["family_cosine"])
    assert used == (len(CANARIES), CANARY_COSINE, FAMILY_COSINE), "measure anew"
