"""Reranking: a second model orders what the first found, and says so."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import InputError, TooLong
from samespace.models import EmbedderReranker, HashEmbedder, load_reranker

TEXTS = ["red apples", "green apples and red pears", "apples", "a train to Rome"]


class Shortest:
    """The shorter the text, the better."""

    name = "shortest"

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return [-float(len(text)) for text in texts]


class Returns(Shortest):
    def __init__(self, scores: object) -> None:
        self.scores = scores

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return self.scores  # type: ignore[return-value]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection.create(tmp_path / "kb", model=HashEmbedder())
    made.add([Document(id=str(i), text=text) for i, text in enumerate(TEXTS)])
    return made


def test_it_orders_and_keeps_what_the_first_stage_said(collection: Collection) -> None:
    plain = collection.search("red apples", k=4, mode="dense")
    hits = collection.search("red apples", k=4, mode="dense", reranker=Shortest())
    assert [hit.chunk.document for hit in hits] == ["2", "0", "3", "1"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    before = {hit.chunk.id: hit.parts["dense"] for hit in plain}
    assert {hit.chunk.id: hit.parts["dense"] for hit in hits} == before
    assert hits[0].parts["rerank"] == {"rank": 1, "score": -6.0}


def test_pages_fit_together(collection: Collection) -> None:
    whole = collection.search("apples", k=4, mode="dense", reranker=Shortest())
    pages = [
        collection.search("apples", k=2, mode="dense", reranker=Shortest(), offset=offset)
        for offset in (0, 2)
    ]
    assert [hit for page in pages for hit in page] == list(whole)


def test_only_the_first_are_read(collection: Collection) -> None:
    plain = collection.search("Rome", k=1, mode="dense")
    hits = collection.search("Rome", k=1, mode="dense", reranker=Shortest(), rerank_depth=1)
    assert [hit.chunk for hit in hits] == [hit.chunk for hit in plain]
    assert hits[0].chunk.document == "3"


def test_an_embedder_reranks_by_cosine(collection: Collection) -> None:
    same = EmbedderReranker(HashEmbedder())
    plain = collection.search("green pears", k=4, mode="dense")
    hits = collection.search("green pears", k=4, mode="dense", reranker=same)
    assert [hit.chunk.id for hit in hits] == [hit.chunk.id for hit in plain]
    assert [h.score for h in hits] == pytest.approx([h.score for h in plain], abs=1e-6)


@pytest.mark.parametrize(
    "scores", [[float("nan")] * 4, [1.0, 2.0], None, ["1st"] * 4, [None] * 4, [[1], [2], [3], [4]]]
)
def test_bad_scores_are_refused(collection: Collection, scores: object) -> None:
    with pytest.raises(InputError, match="one finite score"):
        collection.search("apples", mode="dense", reranker=Returns(scores))


def test_scores_may_be_an_array_and_become_plain_numbers(collection: Collection) -> None:
    scores = np.array([1, 2, 3, 4], dtype=np.float32)
    hits = collection.search("apples", mode="dense", reranker=Returns(scores))
    assert json.dumps([hit.score for hit in hits]) == "[4.0, 3.0, 2.0, 1.0]"


def test_no_reranker_is_refused() -> None:
    with pytest.raises(InputError, match="expected a reranker"):
        load_reranker(object())  # type: ignore[arg-type]
    assert load_reranker(Shortest()).name == "shortest"


def test_a_run_is_what_searching_gives(collection: Collection) -> None:
    queries = {"q1": "red apples", "q2": "Rome", "q3": "green"}
    done: list[int] = []
    run = collection.run(queries, k=3, mode="dense", progress=done.append)
    assert (run.space, run.recipe, run.mode) == (collection.space.id, collection.recipe.id, "dense")
    assert done == [1, 2, 3]
    assert set(run.took_ms) == set(queries)
    for name, text in queries.items():
        hits = collection.search(text, 3, mode="dense", by_document=True)
        assert run.documents()[name] == {hit.chunk.document: hit.score for hit in hits}
        first = run.results[name][0]
        assert (first.start, first.end) == (hits[0].chunk.start, hits[0].chunk.end)


def test_a_query_that_is_too_long_is_named(collection: Collection) -> None:
    with pytest.raises(TooLong, match="query 'q2': the query has 300 tokens"):
        collection.run({"q1": "apples", "q2": "word " * 300})


def test_loading_the_model_is_no_part_of_a_query_s_time(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Collection.open(collection.path, model=HashEmbedder())
    monkeypatch.setattr("samespace.embedders.check_model", lambda *_: time.sleep(0.5))
    run = again.run({"q1": "apples", "q2": "pears"}, mode="dense")
    assert max(run.took_ms.values()) < 400
