"""Vectors that were made elsewhere: with their Space, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import InputError, InvalidVectors, SpaceMismatch
from samespace.models import HashEmbedder
from samespace.models.derived import DerivedEmbedder

from .migrate.test_migration import Counting, document


@pytest.fixture
def kb(tmp_path: Path) -> Collection:
    collection = Collection.create(tmp_path / "kb", HashEmbedder())
    collection.add([document(i) for i in range(10)])
    return collection


def test_a_query_vector_with_its_space_answers_as_the_question_does(kb: Collection) -> None:
    model = HashEmbedder()
    vector = model.embed(["violet engine"], "query")
    named = kb.vectors(vector.array[0], "query", space=kb.space.id)
    asked = [h.chunk.id for h in kb.search("violet engine", mode="dense")]
    for given in (vector, named):
        found = kb.search("violet engine", mode="dense", vector=given)
        assert [hit.chunk.id for hit in found] == asked


def test_a_query_vector_of_another_space_is_refused(kb: Collection) -> None:
    for other in (HashEmbedder(seed=1), DerivedEmbedder(HashEmbedder(), precision="int8")):
        with pytest.raises(SpaceMismatch):
            kb.search("violet", vector=other.embed(["violet"], "query"))
        with pytest.raises(SpaceMismatch, match="named of space"):
            kb.vectors(other.embed(["violet"], "query").array, "query", space=other.space.id)


def test_a_bare_array_or_a_document_vector_is_no_query(kb: Collection) -> None:
    document_vector = HashEmbedder().embed(["violet"], "document")
    two = HashEmbedder().embed(["violet", "engine"], "query")
    for wrong in (np.ones(256, np.float32), [0.0] * 256, document_vector, two):
        with pytest.raises(InputError, match=r"collection\.vectors\(array"):
            kb.search("violet", vector=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidVectors):
        kb.vectors(np.ones(256), "query", space=kb.space.id)


def test_documents_need_not_be_embedded_twice(tmp_path: Path) -> None:
    model, documents = Counting(), [document(i) for i in range(10)]
    with Collection.create(tmp_path / "kb", model) as kb:
        inputs = [chunk.input for one in documents for chunk in kb.chunks(one)]
        vectors = HashEmbedder().embed(inputs, "document")
        assert kb.add_vectors(inputs, vectors) == len(set(inputs))
        assert kb.add_vectors(inputs, vectors) == 0
        model.embedded.clear()
        report = kb.add(documents)
        assert (report.added, report.embedded_tokens, model.embedded) == (10, 0, [])
        assert kb.verify().sound


def test_what_is_labelled_wrongly_is_found_out(kb: Collection) -> None:
    inputs = [f"text number {i}" for i in range(5)]
    vectors = HashEmbedder().embed(inputs, "document")
    before = kb.info()
    with pytest.raises(InvalidVectors, match="vector 0 is not what"):
        kb.add_vectors(inputs[1:] + inputs[:1], vectors)
    mislabelled = kb.vectors(
        HashEmbedder(seed=1).embed(inputs, "document").array, "document", space=kb.space.id
    )
    with pytest.raises(InvalidVectors, match="Nothing was added"):
        kb.add_vectors(inputs, mislabelled)
    with pytest.raises(InputError, match="a vector for each of 4"):
        kb.add_vectors(inputs[:4], vectors)
    with pytest.raises(SpaceMismatch):
        kb.add_vectors(inputs, HashEmbedder(seed=1).embed(inputs, "document"))
    with pytest.raises(InputError, match="document role"):
        kb.add_vectors(inputs, HashEmbedder().embed(inputs, "query"))
    assert kb.info() == before


def test_chunks_are_those_that_add_makes(kb: Collection) -> None:
    one = Document(id="new", title="T", text="Alpha beta.\n\n" * 200)
    expected = kb.chunks(one)
    kb.add([one])
    found = kb.search("alpha beta", 100, mode="dense", where=None)
    mine = sorted((h.chunk for h in found if h.chunk.document == "new"), key=lambda c: c.start)
    assert mine == expected
