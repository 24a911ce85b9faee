"""The embedder for tests: deterministic, instant, and sensible about words."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InputError
from samespace.models import HashEmbedder
from tests.models.texts import of_words


def test_golden() -> None:
    """The same on every machine and in every version, or its space must change."""
    embedder = HashEmbedder()
    assert embedder.space.id == "4718a3e3569fd1a3"
    vector = embedder.embed(["a small brown dog"], "document").array[0]
    assert np.flatnonzero(vector)[:6].tolist() == [0, 4, 35, 71, 78, 91]
    np.testing.assert_allclose(
        vector[np.flatnonzero(vector)[:3]], [-0.3768892, 0.1507557, 0.1507557], atol=1e-6
    )


def test_words_in_common_bring_texts_near() -> None:
    texts = ["a small brown dog", "the small dogs", "stock market crash", "DOG brown Small a"]
    dog, dogs, stock, shuffled = HashEmbedder().embed(texts, "document").array
    assert dog @ dogs > 0.25
    assert abs(dog @ stock) < 0.2
    np.testing.assert_allclose(dog, shuffled, atol=1e-6)


def test_tokens_are_words_ideographs_and_marks() -> None:
    embedder = HashEmbedder(prompts={"query": "find this: "})
    assert embedder.count(["Hello, world!", "東京の人口", "naïve_word 3.14", "", " "]) == [
        4,
        5,
        4,
        0,
        0,
    ]
    assert embedder.count(["x", ""], "query") == [4, 3]


def test_parameters_make_the_space() -> None:
    base = HashEmbedder().space
    assert HashEmbedder().space == base
    assert HashEmbedder(max_tokens=7).space == base
    others = [
        HashEmbedder(seed=1),
        HashEmbedder(dimensions=128),
        HashEmbedder(prompts={"query": "q: "}),
    ]
    assert len({base.id, *(e.space.id for e in others)}) == 4
    text = ["a small brown dog"]
    one, two = (HashEmbedder(seed=s).embed(text, "query").array[0] for s in (0, 1))
    assert abs(float(one @ two)) < 0.6


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_any_unicode(texts: list[str]) -> None:
    texts = [text for text in texts if text.strip()]
    for dimensions in (1, 3, 256):
        embedder = HashEmbedder(dimensions=dimensions)
        vectors = embedder.embed(texts, "query", on_long="truncate").array
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(len(texts)), atol=1e-5)
    assert all(count > 0 for count in HashEmbedder().count(texts))


def test_refused_parameters() -> None:
    with pytest.raises(InputError, match="dimensions must be at least 1, got 0"):
        HashEmbedder(dimensions=0)
    with pytest.raises(InputError, match="max_tokens must be at least 1, got 0"):
        HashEmbedder(max_tokens=0)
    with pytest.raises(InputError, match="the query prompt fills the window of 2 tokens"):
        HashEmbedder(max_tokens=2, prompts={"query": "find this"})
    with pytest.raises(InputError, match="role must be"):
        HashEmbedder(prompts={"passage": "p: "})  # type: ignore[dict-item]


def test_fast() -> None:
    embedder, texts = HashEmbedder(), [of_words(120) for _ in range(200)]
    start = time.perf_counter()
    embedder.embed(texts, "document")
    assert time.perf_counter() - start < 1.0
