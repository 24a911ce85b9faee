"""The whole way: each text embedded once, the numbers of `evaluate_collection`, resumed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace import Collection
from samespace.errors import CollectionDamaged, CollectionLocked, InputError
from samespace.evaluate.compare import Grid, compare
from samespace.evaluate.compare.cache import input_key
from samespace.evaluate.compare.work import Work
from samespace.evaluate.report import evaluate_collection
from samespace.evaluate.significance import compare_scores, holm, queries_needed
from samespace.models import EmbedderReranker, HashEmbedder
from samespace.models.derived import DerivedEmbedder
from samespace.space import CANARIES
from tests.evaluate.compare.setting import Counting, corpus, questions

DOCUMENTS = corpus(30)
TESTSET = questions(DOCUMENTS, 12)
AXES: dict[str, Any] = {
    "dimensions": (None, 128),
    "precisions": ("float32", "binary"),
    "modes": ("hybrid", "dense", "lexical"),
}


def test_one_row_each_and_every_text_embedded_once(tmp_path: Path) -> None:
    models = [Counting(256), Counting(256, seed=1)]
    judge = Counting(128, seed=2)
    axes = {**AXES, "dimensions": (None,), "max_tokens": (64, 32)}
    grid = Grid(models, rerankers=(None, EmbedderReranker(judge)), **axes)
    result = compare(DOCUMENTS, TESTSET, tmp_path / "work", grid)
    assert len(result.rows) == 2 * 2 * (2 * 2 + 1) * 2
    assert len({row.name for row in result.rows}) == len(result.rows)
    texts = 0
    for model in (*models, judge):
        assert set(model.beyond_canaries.values()) == {1}
        texts += len(model.beyond_canaries)
    assert texts <= result.computed <= texts + 3 * len(CANARIES)
    assert result.reused > result.computed

    best = [row.report.scores.mean("ndcg@10") for row in result.rows]
    assert best == sorted(best, reverse=True)
    assert json.loads(json.dumps(result.to_dict()))["rows"][0]["name"] == result.rows[0].name


def test_numbers_are_those_of_a_fresh_collection(tmp_path: Path) -> None:
    rerankers = (None, EmbedderReranker(HashEmbedder(64)))
    grid = Grid([HashEmbedder(256)], max_tokens=(32,), rerankers=rerankers, **AXES)
    result = compare(DOCUMENTS, TESTSET, tmp_path / "work", grid)
    rows = {row.name: row for row in result.rows}
    model = DerivedEmbedder(HashEmbedder(256), 128, "binary")
    with Collection.create(tmp_path / "fresh", model=model, max_tokens=32) as collection:
        collection.add(DOCUMENTS)
        for mode, name, reranker in (
            ("hybrid", "samespace-hash d128 binary t32 hybrid", None),
            ("dense", "samespace-hash d128 binary t32 dense", None),
            ("lexical", "samespace-hash t32 lexical", None),
            (
                "dense",
                "samespace-hash d128 binary t32 dense +samespace-hash",
                EmbedderReranker(HashEmbedder(64)),
            ),
        ):
            expected = evaluate_collection(
                collection, TESTSET.queries, TESTSET.qrels, mode=mode, reranker=reranker
            )
            got = rows[name]
            for metric, values in expected.scores.values.items():
                np.testing.assert_array_equal(got.report.scores.values[metric], values)
            assert got.report.intervals == expected.intervals
            if mode != "lexical":
                assert got.report.run.space == collection.space.id
            assert got.report.run.recipe == collection.recipe.id
            assert got.curve[10] == got.report.scores.mean("ndcg@10")
        row = rows["samespace-hash d128 binary t32 dense"]
        assert row.cost.vector_bytes == collection.info()["vectors"] * 16
        assert row.cost.chunks == collection.info()["chunks"]
        assert row.cost.documents == len(DOCUMENTS)
        assert rows["samespace-hash t32 lexical"].cost.vector_bytes == 0


def test_bytes_are_those_on_disk(tmp_path: Path) -> None:
    result = compare(DOCUMENTS, TESTSET, tmp_path / "work", Grid([HashEmbedder(64)]))
    files = [path for path in (tmp_path / "work/collections").rglob("*") if path.is_file()]
    assert result.rows[0].cost.disk_bytes == sum(path.stat().st_size for path in files)


def test_tested_against_the_baseline_with_holms_correction(tmp_path: Path) -> None:
    name = "samespace-hash t256 lexical"
    grid = Grid([HashEmbedder(256)], **AXES)
    result = compare(
        DOCUMENTS, TESTSET, tmp_path / "work", grid, metric="mrr", metrics=(), baseline=name
    )
    base = next(row for row in result.rows if row.name == name)
    assert base.paired is None
    others = [row for row in result.rows if row is not base]
    tests = [compare_scores(base.report.scores, row.report.scores, "mrr") for row in others]
    assert [row.paired for row in others] == tests
    assert [row.p_holm for row in others] == list(holm([test.p for test in tests]))
    assert any(row.p_holm != row.paired.p for row in others if row.paired)
    assert base.queries_needed is None
    for row in others:
        differences = row.report.scores.values["mrr"] - base.report.scores.values["mrr"]
        assert row.queries_needed == queries_needed(differences, 0.01)
    assert [row.fastest for row in result.rows].count(True) >= 1
    assert base.smallest, "no other row has no vectors"


def test_a_second_call_measures_only_what_is_new(tmp_path: Path) -> None:
    grid = Grid([HashEmbedder(256)], **AXES)
    first = compare(DOCUMENTS, TESTSET, tmp_path / "work", grid)
    steps: list[Any] = []
    model = Counting(256)
    wider = dataclasses.replace(grid, models=[model], dimensions=(None, 128, 200))
    again = compare(
        DOCUMENTS, TESTSET, tmp_path / "work", wider, metric="recall@5", progress=steps.append
    )
    assert model.beyond_canaries.total() == 0
    assert {step.name.split()[1] for step in steps} == {"d200"}
    kept = {row.name: row for row in again.rows}
    for row in first.rows:
        assert kept[row.name].report.run == row.report.run
        assert kept[row.name].cost == row.cost
    steps.clear()
    compare(DOCUMENTS, TESTSET, tmp_path / "work", wider, progress=steps.append)
    assert steps == []
    # Deeper than what was kept: asked again.
    compare(DOCUMENTS, TESTSET, tmp_path / "work", grid, metric="recall@200", progress=steps.append)
    assert {step.doing for step in steps} == {"run"}


def test_another_test_set_corpus_or_model_is_refused(tmp_path: Path) -> None:
    grid = Grid([HashEmbedder(64)])
    compare(DOCUMENTS, TESTSET, tmp_path / "work", grid)
    other = dataclasses.replace(TESTSET, queries=TESTSET.queries[:-1])
    with pytest.raises(InputError, match="comparison with another testset"):
        compare(DOCUMENTS, other, tmp_path / "work", grid)
    with pytest.raises(InputError, match="comparison with another corpus"):
        compare(DOCUMENTS[:-1], TESTSET, tmp_path / "work", grid)
    with pytest.raises(InputError, match="another model: samespace-hash was"):
        compare(DOCUMENTS, TESTSET, tmp_path / "work", Grid([HashEmbedder(64, seed=9)]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no comparison"):
        compare(DOCUMENTS, TESTSET, tmp_path / "full", grid)
    with Work(tmp_path / "work", {}), pytest.raises(CollectionLocked):
        compare(DOCUMENTS, TESTSET, tmp_path / "work", grid)


def test_a_call_that_failed_leaves_the_folder_usable(tmp_path: Path) -> None:
    grid, work = Grid([HashEmbedder(64)]), tmp_path / "work"
    with pytest.raises(InputError, match="does not exist"):
        compare(tmp_path / "nothing.jsonl", TESTSET, work, grid)
    assert compare(DOCUMENTS, TESTSET, work, grid).rows


def test_a_folder_of_which_nobody_knows_what_it_is_about_is_refused(tmp_path: Path) -> None:
    grid, work = Grid([HashEmbedder(64)]), tmp_path / "work"
    compare(DOCUMENTS, TESTSET, work, grid)
    record = work / "comparison.json"
    for damaged in (record.read_text()[:30], "{}", "[]"):
        record.write_text(damaged)
        with pytest.raises(InputError, match=r"is damaged|another version"):
            compare(DOCUMENTS[:20], TESTSET, work, grid)


@pytest.mark.parametrize("lost", ["collections", "indexes", "both"])
def test_what_is_lost_is_built_anew_and_takes_as_long(tmp_path: Path, lost: str) -> None:
    grid, work = Grid([Slow(64)], modes=("dense",)), tmp_path / "work"
    took = compare(DOCUMENTS, TESTSET, work, grid).rows[0].cost.build_seconds
    if lost != "indexes":
        shutil.rmtree(next((work / "collections").iterdir()))
    if lost != "collections":
        next((work / "indexes").iterdir()).unlink()
    again = compare(DOCUMENTS, TESTSET, work, grid)
    assert again.computed == 0
    assert 0.5 * took < again.rows[0].cost.build_seconds < 1.5 * took


def test_a_damaged_collection_is_named(tmp_path: Path) -> None:
    grid, work = Grid([HashEmbedder(64)]), tmp_path / "work"
    compare(DOCUMENTS, TESTSET, work, grid)
    next(work.glob("collections/*/vectors/*/*/*.f32")).unlink()
    next((work / "runs").iterdir()).write_text("{")
    with pytest.raises(CollectionDamaged, match=r"delete its folder in .*the same command"):
        compare(DOCUMENTS, TESTSET, work, grid)


def test_uncut_metrics_and_times_are_of_one_depth(tmp_path: Path) -> None:
    documents = corpus(160)
    asked, grid = questions(documents, 6), Grid([HashEmbedder(64)], modes=("dense",))
    fresh = compare(documents, asked, tmp_path / "fresh", grid, metric="map")
    compare(documents, asked, tmp_path / "work", grid, metric="recall@150")
    again = compare(documents, asked, tmp_path / "work", grid, metric="map")
    assert again.depth == max(map(len, again.rows[0].report.run.results.values())) == 100
    assert again.rows[0].report.intervals == fresh.rows[0].report.intervals


def test_what_cannot_be_asked_or_found_is_said(tmp_path: Path) -> None:
    asked = dataclasses.replace(TESTSET, queries=TESTSET.queries[1:])
    judged = TESTSET.qrels.documents()
    gone = next(document.id for document in DOCUMENTS if document.id in judged)
    held = [document for document in DOCUMENTS if document.id != gone]
    result = compare(held, asked, tmp_path / "work", Grid([HashEmbedder(64)]))
    unasked, absent = result.warnings
    assert "1 of 12 judged queries have no text and score 0 in every row, such as 'q0'" in unasked
    assert f"1 of {len(judged)} judged documents are not in the corpus" in absent
    assert repr(gone) in absent


def test_the_text_that_questions_were_made_from_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "corpus.jsonl"
    records = [{"_id": d.id, "title": "", "text": d.text} for d in DOCUMENTS]
    own.write_text("".join(json.dumps(record) + "\n" for record in records))
    made, grid = dataclasses.replace(TESTSET, corpus=own), Grid([HashEmbedder(64)])
    with pytest.raises(InputError, match=r"has a corpus of its own.*leave the corpus out"):
        compare(DOCUMENTS, made, tmp_path / "work", grid)
    assert compare(None, made, tmp_path / "work", grid).warnings == ()
    assert compare(own, made, tmp_path / "work", grid).rows


def test_what_is_wrong_is_said_before_anything_is_built(tmp_path: Path) -> None:
    grid, work = Grid([HashEmbedder(64)]), tmp_path / "work"
    with pytest.raises(InputError, match=r"is not in the grid.*Did you mean"):
        compare(DOCUMENTS, TESTSET, work, grid, baseline="samespace-hash d64 t256 hybird")
    with pytest.raises(InputError, match=r"no configuration of the grid is possible: .*d65"):
        compare(DOCUMENTS, TESTSET, work, Grid([HashEmbedder(64)], dimensions=(65,)))
    with pytest.raises(InputError, match="dimensions must be a sequence"):
        Grid(dimensions=128)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown metric"):
        compare(DOCUMENTS, TESTSET, work, grid, metric="ndcg")
    with pytest.raises(InputError, match="has no corpus of its own"):
        compare(None, TESTSET, work, grid)
    with pytest.raises(InputError, match="more than once"):
        compare("-", TESTSET, work, grid)
    strangers = [dataclasses.replace(document, id="x" + document.id) for document in DOCUMENTS]
    with pytest.raises(InputError, match="no judged document is in the corpus"):
        compare(strangers, TESTSET, work, grid)
    twins = (EmbedderReranker(HashEmbedder(64)), EmbedderReranker(HashEmbedder(32)))
    with pytest.raises(InputError, match="two rerankers are called"):
        compare(DOCUMENTS, TESTSET, work, Grid([HashEmbedder(64)], rerankers=twins))


def test_what_one_configuration_cannot_do_does_not_stop_the_others(tmp_path: Path) -> None:
    long = dataclasses.replace(TESTSET.queries[0], text="harbour " * 70)
    asked = dataclasses.replace(TESTSET, queries=(long, *TESTSET.queries[1:]))
    models = [HashEmbedder(64, max_tokens=64), HashEmbedder(64, seed=1)]
    work = tmp_path / "work"
    result = compare(
        DOCUMENTS, asked, work, Grid(models), baseline=f"{_label(models[1])} d64 t256 hybrid"
    )
    assert [row.configuration.index.model for row in result.rows] == [_label(models[1])]
    assert "the query has 70 tokens" in result.skipped[0].reason
    with pytest.raises(InputError, match=r"could not be measured: .*the query has 70 tokens"):
        compare(DOCUMENTS, asked, work, Grid(models))
    cut = compare(DOCUMENTS, asked, work, Grid(models), on_long="truncate")
    assert len(cut.rows) == 2


def _label(model: HashEmbedder) -> str:
    return f"samespace-hash@{model.space.id[:6]}"


def test_choosing_uses_the_tune_split(tmp_path: Path) -> None:
    both, grid = questions(DOCUMENTS, 12, split=True), Grid([HashEmbedder(64)])
    tuned = compare(DOCUMENTS, both, tmp_path / "work", grid)
    assert tuned.split == "tune"
    assert set(tuned.queries) == {f"q{i}" for i in range(1, 12, 2)}
    assert tuned.warnings == ()
    tested = compare(DOCUMENTS, both, tmp_path / "work", grid, split="test")
    assert set(tested.queries) == {f"q{i}" for i in range(0, 12, 2)}
    assert "must not be called tested" in tested.warnings[0]
    assert tested.to_dict()["warnings"] == list(tested.warnings)
    only = both.split("test")
    with pytest.raises(InputError, match="of the test split"):
        compare(DOCUMENTS, only, tmp_path / "other", grid)
    assert compare(DOCUMENTS, TESTSET, tmp_path / "plain", grid).split == ""


class Slow(HashEmbedder):
    """Takes five milliseconds for each text, so that times are its."""

    def embed(self, texts: Any, role: Any, *, on_long: Any = "error") -> Any:
        time.sleep(0.005 * len(texts))
        return super().embed(texts, role, on_long=on_long)


def test_times_are_those_without_the_cache(tmp_path: Path) -> None:
    grid = Grid([Slow(128)], dimensions=(128, 64), modes=("dense",))
    result = compare(DOCUMENTS, TESTSET, tmp_path / "work", grid)
    computed, reused = sorted(result.rows, key=lambda row: -row.configuration.index.dimensions)
    least = 0.005 * computed.cost.chunks
    assert computed.cost.build_seconds >= 0.9 * least / 2  # two calls may sleep side by side
    assert reused.cost.build_seconds >= 0.9 * least / 2
    for row in (computed, reused):
        assert row.report.p50_ms is not None
        assert row.report.p50_ms >= 5


CHILD = """
import json, sys, time
from samespace.evaluate.compare import Grid, compare
from samespace.models import HashEmbedder
from tests.evaluate.compare.setting import corpus, questions

log = open(sys.argv[2], "a", encoding="utf-8")

class Slow(HashEmbedder):
    def embed(self, texts, role, *, on_long="error"):
        vectors = super().embed(texts, role, on_long=on_long)
        for text in texts:
            log.write(json.dumps([role, text]) + "\\n")
        log.flush()
        time.sleep(0.01 + 0.001 * len(texts))
        return vectors

documents = corpus(700)
grid = Grid([Slow(64)], dimensions=(None, 32), modes=("hybrid", "dense"))
compare(documents, questions(documents, 40), sys.argv[1], grid)
print("done", flush=True)
"""


def test_killed_and_resumed(tmp_path: Path) -> None:
    """What was kept before a kill is not embedded again, and the result is the same."""
    work, log = tmp_path / "work", tmp_path / "log"
    command = [sys.executable, "-c", CHILD, str(work), str(log)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    kept: dict[tuple[str, bytes], int] = {}
    for role, enough in (("document", 300), ("query", 16)):  # in the midst of either
        child = subprocess.Popen(command, env=environment)
        limit = time.monotonic() + 60
        while child.poll() is None and _asked(log, role) < enough:
            assert time.monotonic() < limit
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, "it was done before it could be killed"
        for key in _kept(work):
            kept.setdefault(key, len(_logged(log)))
    assert len(kept) > 200
    subprocess.run(command, env=environment, check=True)
    last = {item: place for place, item in enumerate(_logged(log))}
    again = [key for key, place in kept.items() if last[key] >= place and key not in _canaries()]
    assert again == []

    documents = corpus(700)
    grid = Grid([HashEmbedder(64)], dimensions=(None, 32), modes=("hybrid", "dense"))
    resumed, fresh = (
        compare(documents, questions(documents, 40), folder, grid)
        for folder in (work, tmp_path / "fresh")
    )
    assert resumed.computed == 0
    assert fresh.computed > 700
    results = {row.name: row.report.run.results for row in fresh.rows}
    assert {row.name: row.report.run.results for row in resumed.rows} == results


def _logged(log: Path) -> list[tuple[str, bytes]]:
    """Return the role and key of every text that was embedded, in order."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
    records = (json.loads(line) for line in lines if line.endswith("\n"))
    return [(role, input_key(text)) for role, text in records]


def _asked(log: Path, role: str) -> int:
    return sum(asked == role for asked, _ in _logged(log))


def _kept(work: Path) -> list[tuple[str, bytes]]:
    with sqlite3.connect(work / "embeddings.sqlite") as connection:
        return list(connection.execute("SELECT role, input FROM embeddings"))


def _canaries() -> set[tuple[str, bytes]]:
    return {(role, input_key(text)) for role, text in CANARIES}
