"""Queries, judgements and runs in BEIR and TREC form: read, written, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import pytrec_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samespace.errors import InputError
from samespace.evaluate.qrels import Qrels, read_qrels, write_qrels
from samespace.evaluate.queries import Query, read_queries, write_queries
from samespace.evaluate.runs import read_run, write_run
from samespace.run import Retrieved, Run
from tests.datasets import dataset


def written(tmp_path: Path, text: str, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_text_that_is_none_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*q\.jsonl.*surrogates"):
        write_queries(tmp_path / "q.jsonl", [Query("q", "x \ud800")])


def refuses(read: Callable[[Path], object], path: Path, *says: str) -> None:
    with pytest.raises(InputError) as error:
        read(path)
    for words in (str(path), *says):
        assert words in str(error.value)


# Queries


def test_queries_of_a_real_set() -> None:
    queries = read_queries(dataset("scifact") / "queries.jsonl")
    assert len(queries) == 300
    assert queries[0] == Query("1", "0-dimensional biomaterials show inductive properties.")


def test_queries_come_back_as_written(tmp_path: Path) -> None:
    queries = (
        Query("q 1", "Wie heißt das?\nUnd warum?"),
        Query("2", "漢字\u2028😀", {"split": "test", "made": {"from": "heading"}}),
    )
    write_queries(tmp_path / "q.jsonl", queries)
    assert read_queries(tmp_path / "q.jsonl") == queries


def test_queries_may_be_numbered_and_have_a_mark_and_blank_lines(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeff{"_id": 7, "text": "seven", "title": ""}\r\n\r\n')
    assert read_queries(path) == (Query("7", "seven"),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{broken", "no JSON"),
        ('["q", "text"]', "expected a JSON object"),
        ('{"text": "x"}', "_id"),
        ('{"_id": "", "text": "x"}', "_id"),
        ('{"_id": true, "text": "x"}', "_id"),
        ('{"_id": "q"}', "None as the text of query 'q'"),
        ('{"_id": "q", "text": "  "}', "text of query 'q'"),
        ('{"_id": "q", "text": "x", "metadata": []}', "metadata"),
        ('{"_id": "q", "text": "x", "metadata": ' + '{"a": ' * 100_000, "no JSON"),
        (r'{"_id": "q", "text": "x \ud800"}', "no JSON"),
        ('{"_id": "first", "text": "again"}', "'first' was there before"),
    ],
)
def test_queries_that_are_refused(tmp_path: Path, line: str, says: str) -> None:
    path = written(tmp_path, '{"_id": "first", "text": "fine"}\n' + line + "\n")
    refuses(read_queries, path, ":2", says)


@pytest.mark.parametrize("read", [read_queries, read_qrels, read_run])
def test_files_that_cannot_be_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    refuses(read, tmp_path / "absent", "No such file")
    refuses(read, tmp_path, "directory")
    refuses(read, written(tmp_path, "\n \n"), "no ")
    latin = tmp_path / "latin"
    latin.write_bytes("1\t2\t1\nGrüße\t2\t1\n".encode("latin-1"))
    refuses(read, latin)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_queries(tmp_path / "no" / "folder", [Query("q", "x")])


# Judgements


@pytest.mark.parametrize(
    ("name", "file", "pairs"),
    [
        ("scifact", "qrels.tsv", 339),
        ("scifact", "qrels_train.tsv", 919),
        ("cranfield", "qrels_graded.tsv", 1612),
        ("stackfaq", "qrels.tsv", 7184),
    ],
)
def test_qrels_of_real_sets_and_back_in_both_forms(
    tmp_path: Path, name: str, file: str, pairs: int
) -> None:
    qrels = read_qrels(dataset(name) / file)
    assert sum(map(len, qrels.judgements.values())) == pairs
    write_qrels(tmp_path / "beir", qrels)
    write_qrels(tmp_path / "trec", qrels, form="trec")
    assert (tmp_path / "beir").read_text() == (dataset(name) / file).read_text()
    assert read_qrels(tmp_path / "beir") == read_qrels(tmp_path / "trec") == qrels
    with (tmp_path / "trec").open() as lines:
        assert pytrec_eval.parse_qrel(lines) == qrels.judgements


@pytest.mark.parametrize(
    "text",
    [
        "q 1\td 1\t2\nq 2\td\t-1\n",
        "query-id\tcorpus-id\tscore\nq 1\td 1\t2\nq 2\td\t-1",
        "query-id\tcorpus-id\tscore\r\nq 1\td 1\t2\r\n\r\nq 2\td\t-1\r\nq 1\td 1\t2\r\n",
    ],
)
def test_beir_form_with_and_without_header(tmp_path: Path, text: str) -> None:
    qrels = read_qrels(written(tmp_path, text))
    assert qrels == Qrels({"q 1": {"d 1": 2}, "q 2": {"d": -1}})
    assert qrels.documents() == {"d 1", "d"}
    assert len(qrels) == 2


@pytest.mark.parametrize(
    "text", ["q 0 d\u00a0é 2\nr Q0 d  -1 \n", "q\t0\td\u00a0é\t2\nr\t0\td\t-1"]
)
def test_trec_form(tmp_path: Path, text: str) -> None:
    assert read_qrels(written(tmp_path, text)) == Qrels({"q": {"d\u00a0é": 2}, "r": {"d": -1}})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("q\td\tgood", "whole number"),
        ("q\td\t1.5", "whole number"),
        ("q\td\t٣", "whole number"),
        ("q\td\t" + "9" * 16, "whole number"),
        ("q\td\t" + "9" * 5_000, "whole number"),
        ("q\td", "single tabs"),
        ("q\t\t1", "single tabs"),
        ("q\td\t1\t2", "single tabs"),
        ("q1\td1\t2", "were judged 1 before"),
    ],
)
def test_qrels_that_are_refused(tmp_path: Path, line: str, says: str) -> None:
    refuses(read_qrels, written(tmp_path, f"q1\td1\t1\n{line}\n"), ":2", says)


def test_qrels_of_three_columns_without_tabs_are_refused(tmp_path: Path) -> None:
    refuses(read_qrels, written(tmp_path, "q1 d1 1\n"), ":1", "query 0 document grade")


def test_ids_that_a_form_cannot_hold_are_refused(tmp_path: Path) -> None:
    blank = Qrels({"q 1": {"d": 1}})
    write_qrels(tmp_path / "beir", blank)
    assert read_qrels(tmp_path / "beir") == blank
    with pytest.raises(InputError, match=r"q 1.*beir"):
        write_qrels(tmp_path / "trec", blank, form="trec")
    assert not (tmp_path / "trec").exists()
    with pytest.raises(InputError, match="beir form"):
        write_qrels(tmp_path / "tab", Qrels({"q": {"d\t1": 1}}))
    with pytest.raises(InputError, match="form must be"):
        write_qrels(tmp_path / "x", blank, form="csv")  # type: ignore[arg-type]


# Runs


STAMPED = Run(
    {"q1": (Retrieved("d2", 0.1 + 0.2), Retrieved("d1", 1e-17)), "q2": (Retrieved("é", -1.0),)},
    "d055c55c578d8714",
    "bd077c6feaf8",
    "hybrid",
    "all-MiniLM-L6-v2: hybrid, täglich",
)


@pytest.mark.parametrize("form", ["trec", "beir"])
def test_runs_come_back_with_their_stamp(tmp_path: Path, form: str) -> None:
    write_run(tmp_path / "run", STAMPED, form)  # type: ignore[arg-type]
    assert read_run(tmp_path / "run") == STAMPED


def test_a_run_made_elsewhere_has_its_tag_as_name(tmp_path: Path) -> None:
    text = "q1 Q0 b 1 1.5 bm25\nq1 Q0 a 2 2.5 bm25\nq2\tQ0\ta\t1\t-3e-2\tbm25\n"
    run = read_run(written(tmp_path, text))
    assert run.results["q1"] == (Retrieved("a", 2.5), Retrieved("b", 1.5))  # ranks are ignored
    assert (run.name, run.space, run.recipe, run.mode) == ("bm25", "", "", "")
    write_run(tmp_path / "again", Run(run.results, name="two words"))
    assert read_run(tmp_path / "again").name == "two_words"


def test_other_programs_read_what_we_write(tmp_path: Path) -> None:
    write_run(tmp_path / "run.trec", STAMPED)
    with (tmp_path / "run.trec").open() as lines:
        assert pytrec_eval.parse_run(lines) == STAMPED.documents()
    write_run(tmp_path / "run.json", STAMPED, "beir")
    run = json.loads((tmp_path / "run.json").read_text())
    evaluator = pytrec_eval.RelevanceEvaluator({"q1": {"d1": 1}}, {"recip_rank"})
    assert evaluator.evaluate(run) == {"q1": {"recip_rank": 0.5}}  # the stamp is in nobody's way


def test_a_query_that_found_nothing_stands_in_beir_form_only(tmp_path: Path) -> None:
    run = Run({"q1": (Retrieved("a", 1.0),), "q2": ()}, name="x")
    write_run(tmp_path / "run.json", run, "beir")
    write_run(tmp_path / "run.trec", run)
    assert read_run(tmp_path / "run.json").results == run.results
    assert set(read_run(tmp_path / "run.trec").results) == {"q1"}


def test_of_several_chunks_the_best_is_written(tmp_path: Path) -> None:
    found = (Retrieved("a", 0.9, 0, 5), Retrieved("b", 0.8, 0, 4), Retrieved("a", 0.7, 5, 9))
    write_run(tmp_path / "run", Run({"q": found}))
    expected = (Retrieved("a", 0.9), Retrieved("b", 0.8))
    assert read_run(tmp_path / "run").results["q"] == expected


def test_ids_with_blanks_need_beir_form(tmp_path: Path) -> None:
    run = Run({"q": (Retrieved("my file.md", 1.0),)})
    with pytest.raises(InputError, match=r"my file.md.*\.json"):
        write_run(tmp_path / "run", run)
    assert not (tmp_path / "run").exists()
    write_run(tmp_path / "run", run, "beir")
    assert read_run(tmp_path / "run").results == run.results
    with pytest.raises(InputError, match="form must be"):
        write_run(tmp_path / "run", run, "csv")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("q Q0 a 1 1.0 x\nq Q0 a 2 0.5 x\n", ":2: document 'a' stands twice under query 'q'"),
        ("q Q0 a 1 1.0 x\nq Q0 b 2 nan x\n", ":2: expected a finite score"),
        ("q Q0 a 1 inf x\n", ":1: expected a finite score"),
        ("q Q0 a 1 high x\n", ":1: expected a number as score"),
        ("q Q0 a 1 1.0\n", ":1: expected six columns"),
        ("q Q0 my file.md 1 1.0 x\n", ":1: expected six columns"),
        ('{"q": {"a": 1, "a": 2}}', "'a' stands twice"),
        ('{"q": {"a": 1}, "q": {}}', "'q' stands twice"),
        ('{"q": {"a": NaN}}', "finite"),
        ('{"q": {"a": 1e999}}', "finite"),
        ('{"q": {"a": ' + "9" * 400 + "}}", "finite"),
        ('{"q": ' * 100_000 + "}", "expected JSON"),
        ('{"q": {"a": "1"}}', "expected a number as score of 'a'"),
        ('{"q": {"a": true}}', "expected a number as score of 'a'"),
        ('{"q": [1]}', "expected {query: {document: score}}"),
        ('{"q": {"a": 1}', "Expecting"),
    ],
)
def test_runs_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    refuses(read_run, written(tmp_path, text), says)


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
scores = st.floats(allow_nan=False, allow_infinity=False)
found = st.dictionaries(ids, scores, min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(results=st.dictionaries(ids, found, min_size=1, max_size=4), name=st.text(max_size=5))
def test_any_run_comes_back_exactly(
    tmp_path: Path, results: dict[str, dict[str, float]], name: str
) -> None:
    run = Run(
        {q: tuple(Retrieved(d, s) for d, s in docs.items()) for q, docs in results.items()},
        "0" * 16,
        "1" * 12,
        "dense",
        name.encode("utf-8", "ignore").decode(),
    )
    path = tmp_path / "run"
    write_run(path, run, "beir")
    again = read_run(path)
    assert again.documents() == run.documents()
    assert (again.space, again.recipe, again.mode, again.name) == (
        (run.space, run.recipe, run.mode, run.name)
    )
    try:
        write_run(path, run)
    except InputError:
        assert any(set(id) & set(" \t\r\n") for q in results for id in (q, *results[q]))
    else:
        assert read_run(path) == again
