"""`samespace models distill`: from a model's folder and files to a static model's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from samespace.cli.distill import distill_command
from samespace.errors import InputError
from samespace.models.static import StaticEmbedder
from tests.models.static_folder import small
from tests.models.texts import SENTENCE


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "one.md").write_text("# Cells\n\nThe teacher *said* that the cell is small.\n" * 3)
    lines = [{"_id": str(n), "title": "Power", "text": SENTENCE * n} for n in range(1, 9)]
    (folder / "two.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "odd.bin").write_bytes(bytes(range(256)))
    small(tmp_path / "teacher")
    return folder


def run(files: Path, *arguments: str) -> Result:
    teacher, out = str(files.parent / "teacher"), str(files.parent / "static")
    return CliRunner().invoke(distill_command, [teacher, out, *arguments])


def test_a_folder_is_written_and_described(files: Path) -> None:
    result = run(files, "--texts", str(files), "--dimensions", "8", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    static = StaticEmbedder(facts["folder"])
    assert facts["space"] == static.space.id
    assert facts["dimensions"] == static.space.dimensions == 8
    assert facts["bytes"] > 1_000
    assert [Path(skip["source"]).name for skip in facts["left_out"]] == ["odd.bin"]
    assert "said" in (files.parent / "static" / "tokenizer.json").read_text()


def test_for_people(files: Path) -> None:
    result = run(files, "--texts", str(files / "two.jsonl"), "--texts", str(files / "one.md"))
    assert result.exit_code == 0, result.output
    assert "dimensions  24" in result.output
    assert f"--model {files.parent / 'static'}" in result.output


def test_without_texts_and_with_bad_arguments(files: Path) -> None:
    assert run(files).exit_code == 0
    again = run(files)
    assert isinstance(again.exception, InputError)
    assert "exists" in str(again.exception)
    wide = CliRunner().invoke(
        distill_command,
        [str(files.parent / "teacher"), str(files.parent / "wide"), "--dimensions", "25"],
    )
    assert "between 1 and the 24" in str(wide.exception)
