"""benchmarks/RESULTS.md says what the saved results say, and its verdicts are computed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OURS = {"speed": {"median": 50.0, "min": 45.0, "max": 55.0}, "wait": 2.0, "quality": 0.9}
PEER = {"speed": {"median": 100.0, "min": 90.0, "max": 110.0}, "wait": 3.0, "quality": 0.9}


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The renderer, imported beside the sections; what was imported is forgotten again."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
    spec = importlib.util.spec_from_file_location("render", BENCHMARKS / "peers/render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["render"] = module
    spec.loader.exec_module(module)
    yield module
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def columns(render: ModuleType) -> list[object]:
    better = render.Better
    return [
        render.Column("speed", "speed", better.MORE),
        render.Column("wait", "wait", better.LESS),
        render.Column("quality", "quality", better.MORE),
    ]


def test_the_page_is_rendered_from_the_saved_results(render: ModuleType) -> None:
    if not any((BENCHMARKS / "results").glob("peers-*.json")):
        pytest.skip("no results of the peers are saved")
    expected = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    assert render.page() == expected, "run: python benchmarks/peers/render.py"


def test_a_saved_result_tells_its_machine_versions_commit_and_rounds() -> None:
    for path in (BENCHMARKS / "results").glob("peers-*.json"):
        result = json.loads(path.read_text("utf-8"))
        assert result["rounds"] >= 3, path
        assert {"date", "commit", "cpu", "cores", "python"} <= set(result["environment"])
        assert result["versions"]["main"]["samespace"], path


def test_where_samespace_is_behind_the_table_says_so(render: ModuleType) -> None:
    lines = render.ranked("system", {"samespace": OURS, "peer": PEER}, columns(render)).splitlines()
    assert lines[2] == "| samespace | 50 (45-55) | **2** | **0.9** |  |"
    assert lines[3] == "| peer | **100** (90-110) | 3 | **0.9** |  |"
    assert lines[4] == "| *where samespace stands* | **behind** peer: 2.00 x | best | best | |"


def test_a_difference_within_the_spread_is_called_that(render: ModuleType) -> None:
    near = {**PEER, "speed": {"median": 54.0, "min": 48.0, "max": 60.0}}
    table = render.ranked("system", {"samespace": OURS, "peer": near}, columns(render))
    assert "**behind** peer: 1.08 x, within the spread" in table


def test_what_failed_or_is_not_comparable_beats_nobody(render: ModuleType) -> None:
    rows = {
        "samespace": OURS,
        "other vectors": {**PEER, "comparable": False, "note": "truncates at 128"},
        "broken": {"error": "ended with -9: a | b"},
    }
    table = render.ranked("system", rows, columns(render))
    assert "behind" not in table
    assert "| other vectors | 100 (90-110) | 3 | 0.9 | truncates at 128 |" in table
    assert "| broken | - | - | - | failed: ended with -9: a \\| b |" in table
