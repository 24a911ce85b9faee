"""A test set as a folder: written, read, refused where it would be misused or written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samespace.errors import InputError
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query, read_queries
from samespace.evaluate.testset import TestSet, read_testset, require_tunable, write_testset
from samespace.evaluate.testset.testset import claim

QUERIES = (
    Query("q1", "how are keys rotated?", {"split": "tune"}),
    Query("q2", "what is kept for thirty days?", {"split": "test"}),
    Query("q3", "who revokes keys?", {"split": "tune"}),
)
GRADES = {"q1": {"a doc": 2}, "q2": {"b": 1, "c": 0}, "q3": {"d": 1}}
MADE = {"way": "hand", "parameters": {"seed": 0, "tune_share": 0.5}, "date": "2026-01-01"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_testset(tmp_path / "set", TestSet(QUERIES, Qrels(GRADES), MADE))
    return tmp_path / "set"


def test_comes_back_as_it_was(folder: Path) -> None:
    back = read_testset(folder)
    assert (back.queries, back.qrels.judgements, back.made) == (QUERIES, GRADES, MADE)
    assert (back.corpus, back.evidence) == (None, None)
    assert sorted(path.name for path in folder.iterdir()) == [
        "qrels.tsv",
        "queries.jsonl",
        "testset.json",
    ]


def test_splits(folder: Path) -> None:
    both = read_testset(folder)
    assert [query.id for query in both.split("tune").queries] == ["q1", "q3"]
    assert both.split("test").qrels.judgements == {"q2": {"b": 1, "c": 0}}
    assert both.for_tuning() == both.split("tune")
    with pytest.raises(InputError, match='"tune" and "test"'):
        both.split("train")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no question of the test split; it has: tune 2"):
        both.split("tune").split("test")


def test_the_test_split_is_refused_for_tuning(folder: Path) -> None:
    test = read_testset(folder).split("test")
    with pytest.raises(InputError, match="of the test split"):
        test.for_tuning()
    require_tunable(read_testset(folder).for_tuning().queries)
    # The file of the questions alone says it, too.
    with pytest.raises(InputError, match=r"1 of the questions .*'q2'"):
        require_tunable(read_queries(folder / "queries.jsonl"))


def test_questions_without_a_split_may_be_tuned_on() -> None:
    free = TestSet((Query("q", "anything?"),), Qrels({"q": {"a": 1}}), MADE)
    require_tunable(free.queries)
    assert free.for_tuning().queries == free.queries


def test_another_set_is_not_written_over(folder: Path) -> None:
    claim(folder, "hand", MADE["parameters"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="holds another test set"):
        claim(folder, "headings", {"seed": 0, "tune_share": 0.5})
    # Other sides would put questions that were tuned on into the test.
    with pytest.raises(InputError, match="holds another test set"):
        claim(folder, "hand", {"seed": 0, "tune_share": 0.4})
    assert read_testset(folder).queries == QUERIES


def test_an_unfinished_set_may_still_choose_its_sides(tmp_path: Path) -> None:
    claim(tmp_path / "set", "hand", {"seed": 0, "tune_share": 0.5})
    (tmp_path / "set" / "judgements.jsonl").write_text("{}\n")
    claim(tmp_path / "set", "hand", {"seed": 0, "tune_share": 0.0})
    with pytest.raises(InputError, match="holds another test set"):
        claim(tmp_path / "set", "hand", {"seed": 1, "tune_share": 0.0})


def test_a_place_where_nothing_came_to_be_is_free(tmp_path: Path) -> None:
    claim(tmp_path / "set", "llm", {"model": "mistyped"})
    (tmp_path / "set" / "answers.jsonl").write_text("")
    claim(tmp_path / "set", "llm", {"model": "right"})
    (tmp_path / "set" / "answers.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="holds another test set"):
        claim(tmp_path / "set", "llm", {"model": "mistyped"})


def test_files_of_others_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text("mine")
    with pytest.raises(InputError, match="not to be written over"):
        claim(tmp_path, "hand", {})
    assert (tmp_path / "queries.jsonl").read_text() == "mine"
    with pytest.raises(InputError, match="is a file"):
        claim(tmp_path / "queries.jsonl", "hand", {})
    with pytest.raises(InputError, match="cannot make the folder"):
        claim(tmp_path / "queries.jsonl" / "set", "hand", {})


def test_what_is_no_test_set(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="is no test set"):
        read_testset(tmp_path)
    (folder / "testset.json").write_text(json.dumps({**MADE, "corpus": "corpus.jsonl"}))
    with pytest.raises(InputError, match=r"corpus\.jsonl, which is missing"):
        read_testset(folder)
    (folder / "testset.json").write_text("{")
    with pytest.raises(InputError, match="broken JSON"):
        read_testset(folder)
    (folder / "testset.json").write_text('{"parameters": []}')
    with pytest.raises(InputError, match="JSON object with parameters"):
        read_testset(folder)


@pytest.mark.parametrize("name", ["queries.jsonl", "qrels.tsv"])
def test_half_a_question_is_not_left_out_in_silence(folder: Path, name: str) -> None:
    lines = (folder / name).read_text().splitlines(keepends=True)
    (folder / name).write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"1 questions stand in one .* only, such as 'q3'"):
        read_testset(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"cannot read .*{name}"):
        read_testset(folder)
