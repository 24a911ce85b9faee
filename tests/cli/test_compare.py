"""`samespace compare` on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from samespace.cli.compare import compare
from samespace.evaluate.qrels import write_qrels
from samespace.evaluate.queries import write_queries
from tests.evaluate.compare.setting import corpus, questions
from tests.models.conftest import minilm_folder  # noqa: F401


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    documents = corpus(12)
    records = [{"_id": d.id, "title": d.title, "text": d.text} for d in documents]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "corpus.jsonl").write_text(lines)
    asked = questions(documents, 6, split=True)
    write_queries(tmp_path / "q.jsonl", asked.queries)
    write_qrels(tmp_path / "qrels.tsv", asked.qrels)
    arguments = ["--queries", "q.jsonl", "--qrels", "qrels.tsv", "--into", "work"]
    return [str(tmp_path / "corpus.jsonl")] + [
        str(tmp_path / part) if "." in part or part == "work" else part for part in arguments
    ]


def call(arguments: list[str]) -> Result:
    return CliRunner().invoke(compare, arguments)


@pytest.mark.usefixtures("minilm_folder")
def test_table_json_and_page(files: list[str], tmp_path: Path) -> None:
    page = str(tmp_path / "page.html")
    grid = ["--dimensions", "384,64,999", "--modes", "dense,lexical", "--html", page]
    first = call([*files, *grid])
    assert first.exit_code == 0, first.output
    assert "[1/3] building the index of all-MiniLM-L6-v2 d384 t256 dense" in first.stderr
    assert "left out: all-MiniLM-L6-v2 d999 float32" in first.stderr
    for name in ("d384 t256 dense", "d64 t256 dense", "t256 lexical", "baseline"):
        assert name in first.stdout
    assert "<svg" in Path(page).read_text(encoding="utf-8")

    again = call([*files, *grid, "--metric", "recall@5", "--json"])
    result = json.loads(again.stdout)
    assert result["metric"] == "recall@5"
    assert result["split"] == "tune"
    assert len(result["rows"]) == 3
    assert result["embeddings"] == {"computed": 0, "reused": 0}
    assert "[" not in again.stderr, "nothing was left to do"

    tested = call([*files, "--split", "test", "--json"])
    assert "must not be called tested" in tested.stderr
    assert json.loads(tested.stdout)["queries"] == 3


@pytest.mark.usefixtures("minilm_folder")
def test_a_narrow_terminal_cuts_no_name_and_no_figure(files: list[str]) -> None:
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}
    arguments = [*files, "--modes", "dense,lexical", "--dimensions", "384,64"]
    rows = json.loads(call([*arguments, "--json"]).stdout)["rows"]
    table = CliRunner().invoke(compare, arguments, env=terminal).stdout.partition("queries,")[0]
    table = re.sub("\x1b[^m]*m", "", table)
    assert max(map(len, table.splitlines())) <= 80
    assert "…" not in table
    names = "".join(line[:23].strip() for line in table.splitlines()).replace(" ", "")
    for row in rows:
        assert row["name"].replace(" ", "") in names
        found = row["metrics"]["ndcg@10"]
        assert f"{found['value']:.4f}" in table
        assert f"[{found['low']:.3f}, {found['high']:.3f}]" in table


def test_wrong_usage(files: list[str], tmp_path: Path) -> None:
    assert "at least one value" in call([*files, "--models", " , "]).stderr
    missing = call([*files, "--html", str(tmp_path / "no/page.html")])
    assert "there is no folder" in str(missing.exception)
    assert "give --testset DIR" in call([files[0], "--into", str(tmp_path / "w")]).stderr
    assert call([*files, "--modes", "dense,semantic"]).exit_code == 2
    assert call([*files, "--dimensions", "0"]).exit_code == 2
