"""Killed at any moment: the collection opens, holds whole documents only, and goes on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from samespace import Collection, Document
from samespace.models import HashEmbedder
from samespace.store.embedded import EmbeddedStore

KILLS = 30
DOCUMENTS = 400

CHILD = """
import json, sys, time
from samespace import Collection, Document
from samespace.models import HashEmbedder

class Slow(HashEmbedder):
    def embed(self, texts, role, *, on_long="error"):
        time.sleep(0.02 + 0.0005 * len(texts))
        return super().embed(texts, role, on_long=on_long)

kb, corpus, out = sys.argv[1:]
documents = (Document(**json.loads(line)) for line in open(corpus, encoding="utf-8"))
with Collection.open(kb, model=Slow(max_tokens=64)) as collection:
    print("open", flush=True)
    report = collection.sync(documents)
with open(out, "w") as file:
    json.dump({"added": report.added, "unchanged": report.unchanged,
               "embedded_tokens": report.embedded_tokens, "tokens": report.tokens}, file)
"""


def corpus() -> list[Document]:
    dice = random.Random(7)
    words = ["harbour", "violet", "engine", "granite", "silk", "meadow", "copper", "lantern"]
    return [
        Document(
            id=f"doc-{i}",
            title=f"Title {i}",
            text="\n\n".join(
                f"Document {i}, paragraph {j}: " + " ".join(dice.choices(words, k=40)) + "."
                for j in range(dice.randint(1, 12))
            ),
        )
        for i in range(DOCUMENTS)
    ]


def whole_documents(kb: Path, expected: dict[str, str]) -> int:
    """Check everything that is there and return how many documents there are."""
    store = EmbeddedStore.open(kb)
    try:
        assert store.check() == []
        with store.read() as reader:
            stored = list(reader.documents())
            for document in stored:
                found = reader.document(document.id)
                assert found is not None
                assert found.text == expected[document.id]
        return len(stored)
    finally:
        store.close()


def test_killed_at_thirty_random_moments(tmp_path: Path) -> None:
    documents = corpus()
    expected = {document.id: document.text for document in documents}
    path = tmp_path / "corpus.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": d.id, "title": d.title, "text": d.text}) + "\n" for d in documents
        )
    )
    kb = tmp_path / "kb"
    Collection.create(kb, HashEmbedder(max_tokens=64)).close()
    dice = random.Random(int(time.time()))
    out = tmp_path / "report.json"
    command = [sys.executable, "-c", CHILD, str(kb), str(path), str(out)]
    before, killed = 0, 0
    while killed < KILLS:
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(dice.uniform(0, 0.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
        killed += 1
        now = whole_documents(kb, expected)
        assert now >= before, "a committed document was lost"
        before = now
        if now == DOCUMENTS:
            with Collection.open(kb, model=HashEmbedder(max_tokens=64)) as collection:
                collection.delete([d.id for d in dice.sample(documents, DOCUMENTS // 2)])
            before = DOCUMENTS - DOCUMENTS // 2
    subprocess.run(command, check=True, capture_output=True)
    report = json.loads(out.read_text())
    assert report["unchanged"] == before
    assert report["added"] == DOCUMENTS - before
    assert report["embedded_tokens"] <= report["tokens"]
    assert whole_documents(kb, expected) == DOCUMENTS

    fresh = Collection.create(tmp_path / "fresh", HashEmbedder(max_tokens=64))
    fresh.add(documents)
    with fresh, Collection.open(kb, model=HashEmbedder(max_tokens=64)) as survivor:
        for question in ("violet granite engine", "paragraph 3 of document 17"):
            one = survivor.search(question, 10_000, mode="dense")
            two = fresh.search(question, 10_000, mode="dense")
            assert {hit.chunk.id: hit.score for hit in one} == pytest.approx(
                {hit.chunk.id: hit.score for hit in two}, abs=1e-6
            )
            one = survivor.search(question, 10_000, mode="lexical")
            two = fresh.search(question, 10_000, mode="lexical")
            assert len(one) > 100
            assert {hit.chunk.id for hit in one} == {hit.chunk.id for hit in two}


def hear() -> None:
    """Heed the interrupt, also where the tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_interrupted_by_hand_it_says_so_and_goes_on(tmp_path: Path) -> None:
    documents = corpus()
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"_id": d.id, "text": d.text}) + "\n" for d in documents))
    kb = tmp_path / "kb"
    command = [sys.executable, "-m", "samespace.cli.main", "index", str(path), "--into", str(kb)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (kb / "samespace.sqlite3").exists():
        time.sleep(0.05)
    time.sleep(1.5)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "the same command goes on from there" in errors
    with Collection.open(kb) as collection:
        assert collection.info()["documents"] < DOCUMENTS
