"""Counting is the cost: few calls, little text, and time that grows with the length only."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Sequence

import pytest

from samespace.text.chunk import Count, boundary_report, chunk
from samespace.text.recipe import Recipe
from samespace.types import Document
from tests.datasets import dataset
from tests.text.chunk_counters import byte_level, characters, unigram, word_piece
from tests.text.chunk_documents import prose


class Tally:
    """A counter that adds up what it was asked for."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self.calls = 0
        self.characters = 0
        self.most = 0

    def __call__(self, texts: Sequence[str]) -> list[int]:
        self.calls += 1
        self.characters += sum(map(len, texts))
        self.most = max(self.most, sum(map(len, texts)))
        return self.count(texts)


@pytest.mark.parametrize("count", [word_piece(), byte_level(), unigram(), characters])
def test_counts_are_asked_for_in_few_calls(count: Count) -> None:
    text = "\n\n".join(f"Paragraph {n}. " + prose(60, f"thing{n}") for n in range(400))
    tally = Tally(count)
    chunks = chunk(Document("d", text, "A title"), tally, Recipe(128))
    assert len(chunks) > 200
    assert tally.calls <= 12
    assert tally.characters < 3 * len(text)


@pytest.mark.parametrize("end", ["\n\n", " "])
def test_no_call_takes_a_long_text_at_once(end: str) -> None:
    text = end.join(prose(60, f"thing{n}") for n in range(6_000))
    tally = Tally(lambda texts: [text.count(" ") for text in texts])
    chunks = chunk(Document("d", text), tally, Recipe(128))
    assert "".join(part.text for part in chunks) == text
    assert tally.most <= 600_000 < len(text)


def test_time_is_linear_in_the_length() -> None:
    def seconds(paragraphs: int) -> float:
        text = "\n\n".join(prose(60, f"thing{n}") for n in range(paragraphs))
        started = time.process_time()
        chunk(Document("d", text), word_piece(), Recipe(128))
        return time.process_time() - started

    # What other tests left on the heap is searched for garbage again and again, which is their
    # time and not the chunker's.
    gc.freeze()
    try:
        seconds(50)
        assert seconds(2_000) < 16 * max(seconds(250), 0.03)
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("unit", ["a", "字", "ab+/c9Z=", "e\u0301", "a,", "a. ", " \n"])
@pytest.mark.parametrize("count", [characters, byte_level()])
def test_text_without_structure_ends_soon(unit: str, count: Count) -> None:
    text = "x" + unit * (400_000 // len(unit)) + "x"
    started = time.process_time()
    chunks = chunk(Document("d", text), count, Recipe(256))
    assert time.process_time() - started < 10
    assert max(c.tokens for c in chunks) <= 256
    assert sum(len(c.text) for c in chunks) == len(text) or not unit.strip()


def test_scifact_is_cut_between_sentences() -> None:
    lines = (dataset("scifact") / "corpus.jsonl").read_text("utf-8").splitlines()[:400]
    records = [json.loads(line) for line in lines]
    documents = [Document(r["_id"], r["text"], r["title"]) for r in records]
    tally = Tally(word_piece())
    ends = cut = 0
    for document in documents:
        chunks = chunk(document, tally, Recipe(256))
        assert "".join(c.text for c in chunks) == document.text
        ends += len(chunks)
        cut += boundary_report(document, chunks)["mid_sentence"]
    assert cut < 0.01 * ends
    assert tally.characters < 3 * sum(len(d.text) + len(d.title) for d in documents)
