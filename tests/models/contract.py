"""What every embedder promises. Each check takes an embedder and raises if it breaks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samespace.errors import InputError, TooLong
from samespace.models import Embedder
from tests.models.texts import SCRIPTS, of_words

TOLERANCE = 1e-5


def fitting(embedder: Embedder, texts: list[str]) -> list[str]:
    """Return the texts that fit the window in either role."""
    longest = zip(embedder.count(texts, "query"), embedder.count(texts), strict=True)
    return [
        text
        for text, counts in zip(texts, longest, strict=True)
        if max(counts) <= embedder.max_tokens
    ]


def check_protocol(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.max_tokens > 0
    assert embedder.space.dimensions > 0
    assert embedder.space.id == embedder.space.id


def check_shape_and_role(embedder: Embedder) -> None:
    texts = fitting(embedder, SCRIPTS)
    assert len(texts) > 8
    for role in ("query", "document"):
        vectors = embedder.embed(texts, role)
        assert vectors.array.shape == (len(texts), embedder.space.dimensions)
        assert vectors.array.dtype == np.float32
        assert vectors.space == embedder.space
        assert vectors.role == role
        assert np.isfinite(vectors.array).all()
        norms = np.linalg.norm(vectors.array, axis=1)
        assert (norms > 0).all()
        if embedder.space.normalized:
            np.testing.assert_allclose(norms, 1, atol=1e-5)


def check_empty_call(embedder: Embedder) -> None:
    assert embedder.embed([], "document").array.shape == (0, embedder.space.dimensions)
    assert embedder.count([]) == []


def check_prompts(embedder: Embedder) -> None:
    """A prompt moves vectors and counts of its role; without prompts, roles are alike."""
    text = ["a small brown dog"]
    query, document = (embedder.embed(text, role).array for role in ("query", "document"))
    same = embedder.space.prompt("query") == embedder.space.prompt("document")
    assert bool(np.abs(query - document).max() < TOLERANCE) == same
    for role in ("query", "document"):
        bare = len(embedder.space.prompt(role)) == 0
        overhead = embedder.count([""], role)[0]
        assert embedder.count(text, role)[0] > overhead
        assert overhead >= (0 if bare else 1)


def check_order(embedder: Embedder) -> None:
    texts = fitting(embedder, [*SCRIPTS, *(of_words(n) for n in (1, 5, 20, 40, 60))])
    forward = embedder.embed(texts, "document").array
    backward = embedder.embed(texts[::-1], "document").array[::-1]
    np.testing.assert_allclose(forward, backward, atol=TOLERANCE)
    alone = np.concatenate([embedder.embed([text], "document").array for text in texts])
    np.testing.assert_allclose(forward, alone, atol=TOLERANCE)
    gram = forward @ forward.T / np.outer(*[np.linalg.norm(forward, axis=1)] * 2)
    assert np.median(gram[np.triu_indices(len(texts), 1)]) < 0.98, "all texts look alike"


def check_batches(embedder: Embedder, examples: int = 15) -> None:
    """Whatever else is in the call, in whatever order, a text keeps its vector."""
    pool = fitting(embedder, [*SCRIPTS, *(of_words(n) for n in range(1, 70, 6))])
    alone = np.concatenate([embedder.embed([text], "query").array for text in pool])

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=30))
    def check(rows: list[int]) -> None:
        got = embedder.embed([pool[i] for i in rows], "query").array
        np.testing.assert_allclose(got, alone[rows], atol=TOLERANCE)

    check()


def check_window(embedder: Embedder) -> None:
    """At the window a text is embedded; one token beyond it is refused, or cut by name."""
    window = embedder.max_tokens
    words = next(n for n in range(1, 5000) if embedder.count([of_words(n)])[0] > window)
    fits, over = of_words(words - 1), of_words(words)
    embedder.embed([fits], "document")
    with pytest.raises(TooLong, match=r"text 1 takes \d+ tokens.*window.*" + str(window)):
        embedder.embed(["short", over], "document")
    cut = embedder.embed([over, fits], "document", on_long="truncate")
    assert cut.array.shape == (2, embedder.space.dimensions)
    far = embedder.embed([over + " entirely different ending" * 50], "document", on_long="truncate")
    longer = embedder.embed([of_words(words + 300)], "document", on_long="truncate")
    assert embedder.count([of_words(words + 300)])[0] > window + 200
    np.testing.assert_allclose(far.array, cut.array[:1], atol=TOLERANCE)
    np.testing.assert_allclose(longer.array, cut.array[:1], atol=TOLERANCE)
    whole = embedder.embed([fits], "document", on_long="truncate").array
    np.testing.assert_allclose(whole, embedder.embed([fits], "document").array, atol=TOLERANCE)


def check_bad_input(embedder: Embedder) -> None:
    for bad in ("", " ", "\n\t\u2003"):
        with pytest.raises(InputError, match="text 1 is empty"):
            embedder.embed(["fine", bad], "document")
    with pytest.raises(InputError, match="text 0: expected a str, got NoneType"):
        embedder.embed([None], "document")  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"pass \[text\]"):
        embedder.embed("one bare text", "document")
    with pytest.raises(InputError, match=r"text 1 holds a lone surrogate \(U\+D800 at position 3"):
        embedder.embed(["fine", "bad\ud800"], "document")
    with pytest.raises(InputError, match="lone surrogate"):
        embedder.count(["\udfff"])
    with pytest.raises(InputError, match='role must be "query" or "document"'):
        embedder.embed(["fine"], "passage")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="on_long must be"):
        embedder.embed(["fine"], "query", on_long="split")  # type: ignore[arg-type]
    assert len(embedder.embed(["fine"], "document")) == 1


def check_threads(embedder: Embedder) -> None:
    texts = fitting(embedder, [*SCRIPTS, *(of_words(n) for n in (3, 30, 60))] * 2)
    expected = embedder.embed(texts, "document").array

    def call(shift: int) -> np.ndarray:
        turned = texts[shift:] + texts[:shift]
        return np.roll(embedder.embed(turned, "document").array, shift, axis=0)

    with ThreadPoolExecutor(6) as pool:
        for got in pool.map(call, range(12)):
            np.testing.assert_allclose(got, expected, atol=TOLERANCE)


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
