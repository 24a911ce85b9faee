"""An embedder behind a cache embeds nothing twice, and answers as the embedder would."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import samespace
from samespace.errors import InputError, ModelDrift, ModelError, TooLong
from samespace.forms import MultiVectors, SparseVectors
from samespace.models import HashEmbedder
from samespace.models.agreement import for_canaries
from samespace.models.base import Embedder
from samespace.models.cache import CachedEmbedder, VectorCache, choose, default_cache
from samespace.models.cache.values import from_bytes, to_bytes
from samespace.models.derived import DerivedEmbedder
from samespace.space import (
    CANARIES,
    QUICK_CANARIES,
    Space,
    Vectors,
    check_canaries,
    record_canaries,
)
from samespace.types import Role


class Counting(HashEmbedder):
    """Remembers what it was asked to embed, canaries apart."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.asked: list[tuple[str, Role]] = []
        self.canaries: list[str] = []

    def embed(self, texts: Sequence[str], role: Role, **options: Any) -> Vectors:
        vectors = super().embed(texts, role, **options)
        for text in texts:
            if (role, text) in CANARIES:
                self.canaries.append(text)
            else:
                self.asked.append((text, role))
        return vectors


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "cache")


def test_nothing_is_embedded_twice(cache: VectorCache) -> None:
    inner = Counting()
    embedder = CachedEmbedder(inner, cache)
    assert isinstance(embedder, Embedder)
    texts = ["a cat", "a dog", "a cat", "a cow"]
    first = embedder.embed(texts, "document")
    assert sorted(inner.asked) == [(t, "document") for t in ("a cat", "a cow", "a dog")]
    assert np.array_equal(first.array, HashEmbedder().embed(texts, "document").array)
    inner.asked.clear()
    again = CachedEmbedder(inner, VectorCache(cache.path.parent)).embed(
        ["a cow", "a fish", "a cat"], "document"
    )
    assert inner.asked == [("a fish", "document")]
    expected = HashEmbedder().embed(["a cow", "a fish", "a cat"], "document").array
    assert np.array_equal(again.array, expected)
    assert again.space == inner.space
    assert again.role == "document"


def test_role_space_and_window_are_part_of_the_key(cache: VectorCache) -> None:
    plain = CachedEmbedder(Counting(), cache)
    prompted = CachedEmbedder(Counting(prompts={"query": "find: "}), cache)
    as_document = prompted.embed(["a cat"], "document").array
    as_query = prompted.embed(["a cat"], "query").array
    assert not np.array_equal(as_document, as_query)
    assert np.array_equal(plain.embed(["a cat"], "query").array, as_document)
    assert prompted.inner.asked == [("a cat", "document"), ("a cat", "query")]
    assert plain.inner.asked == [("a cat", "query")]
    narrow, wide = (CachedEmbedder(Counting(max_tokens=n), cache) for n in (3, 4))
    text = "one two three four five"
    cut = narrow.embed([text], "document", on_long="truncate").array
    assert not np.array_equal(cut, wide.embed([text], "document", on_long="truncate").array)
    with pytest.raises(TooLong):
        narrow.embed([text], "document")


def test_errors_name_the_place_in_the_callers_list(cache: VectorCache) -> None:
    embedder = CachedEmbedder(HashEmbedder(max_tokens=4), cache)
    embedder.embed(["a cat", "a dog"], "document")
    with pytest.raises(InputError, match="text 2"):
        embedder.embed(["a cat", "a dog", "  "], "document")
    with pytest.raises(TooLong, match="text 3"):
        embedder.embed(["a cat", "a cat", "a dog", "one two three four five"], "document")
    with pytest.raises(InputError):
        embedder.embed(["a cat"], "passage")  # type: ignore[arg-type]
    with pytest.raises(InputError):
        embedder.embed(["a cat"], "document", on_long="cut")  # type: ignore[arg-type]
    with pytest.raises(InputError):
        embedder.embed("a cat", "document")
    assert embedder.embed([], "document").array.shape == (0, 256)


class Breaking(Counting):
    """Yields one batch after another, and breaks before the third."""

    def stream(
        self, texts: Sequence[str], role: Role, *, on_long: str = "error"
    ) -> Iterator[tuple[list[int], Vectors]]:
        for start in range(0, len(texts), 2):
            if start == 4 and not self.asked[4:]:
                raise ModelError("the provider is gone")
            places = list(range(start, min(start + 2, len(texts))))
            yield places, self.embed([texts[i] for i in places], role)


def test_what_was_done_before_a_failure_is_kept(cache: VectorCache) -> None:
    inner = Breaking()
    embedder = CachedEmbedder(inner, cache)
    texts = [f"text {i}" for i in range(8)]
    with pytest.raises(ModelError):
        embedder.embed(texts, "document")
    assert [text for text, _ in inner.asked] == texts[:4]
    inner.asked.append(("healed", "document"))
    vectors = embedder.embed(texts, "document")
    assert [text for text, _ in inner.asked] == [*texts[:4], "healed", *texts[4:]]
    assert np.array_equal(vectors.array, HashEmbedder().embed(texts, "document").array)


def test_a_corrupt_entry_is_computed_anew(cache: VectorCache) -> None:
    import sqlite3

    inner = Counting()
    embedder = CachedEmbedder(inner, cache)
    before = embedder.embed(["a cat", "a dog"], "document").array
    with sqlite3.connect(cache.path) as database:
        database.execute("UPDATE entries SET value = randomblob(1024)")
    inner.asked.clear()
    assert np.array_equal(embedder.embed(["a cat", "a dog"], "document").array, before)
    assert len(inner.asked) == 2
    assert cache.stats().corrupt == 2 + QUICK_CANARIES


def space(kind: Any) -> Space:
    return Space("m", "", "", "", "none", False, 8, 8, metric="dot", kind=kind)


def test_every_form_comes_back_as_it_was() -> None:
    sparse = SparseVectors(
        np.array([0, 2, 2, 3]),
        np.array([1, 5, 7], dtype=np.int32),
        np.array([0.5, 2.0, -1.0], dtype=np.float32),
        space("sparse"),
        "document",
    )
    back = from_bytes(to_bytes(sparse), sparse.space, "document")
    assert isinstance(back, SparseVectors)
    for name in ("offsets", "indices", "values"):
        assert np.array_equal(getattr(back, name), getattr(sparse, name))
    array = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    multi = MultiVectors(array, np.array([0, 3, 5]), space("multi-vector"), "query")
    returned = from_bytes(to_bytes(multi), multi.space, "query")
    assert isinstance(returned, MultiVectors)
    assert np.array_equal(returned.array, array)
    assert np.array_equal(returned.offsets, multi.offsets)
    for form in (sparse, multi):
        assert len(from_bytes([], form.space, "query")) == 0


def test_which_cache(tmp_path: Path, cache: VectorCache, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = HashEmbedder()
    assert choose(embedder, False) is embedder
    assert choose(embedder, cache).cache is cache
    assert choose(embedder, cache).inner is embedder
    monkeypatch.setenv("SAMESPACE_VECTOR_CACHE", "off")
    assert default_cache() is None
    assert choose(embedder, True) is embedder
    monkeypatch.setenv("SAMESPACE_VECTOR_CACHE", str(tmp_path / "mine"))
    found = default_cache()
    assert found is not None
    assert found.path.parent == tmp_path / "mine"
    monkeypatch.delenv("SAMESPACE_VECTOR_CACHE")
    monkeypatch.setenv("SAMESPACE_CACHE", str(tmp_path / "all"))
    found = default_cache()
    assert found is not None
    assert found.path.parent == tmp_path / "all/vectors"
    with pytest.raises(InputError, match="cache must be"):
        choose(embedder, "yes")  # type: ignore[arg-type]


def test_collections_share_it(tmp_path: Path, cache: VectorCache, bert_folder: Path) -> None:
    documents = [samespace.Document(id=str(i), text=f"a small dog number {i}") for i in range(5)]
    for name in ("one", "two"):
        with samespace.Collection.create(tmp_path / name, bert_folder, cache=cache) as kb:
            report = kb.add(documents)
        assert report.tokens == report.embedded_tokens + report.cached_tokens > 0
        assert bool(report.embedded_tokens) is (name == "one")
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.entries) == (5, 5, 5 + QUICK_CANARIES)
    with samespace.open(tmp_path / "one", cache=cache) as kb:
        first = kb.search("a dog", mode="dense").hits
        again = kb.search("a dog", mode="dense").hits
    assert cache.stats().hits == 6
    assert [hit.score for hit in first] == [hit.score for hit in again]
    with samespace.Collection.create(tmp_path / "three", bert_folder, cache=False) as kb:
        kb.add(documents)
    assert cache.stats().hits == 6


def test_drift_is_seen_through_a_full_cache(
    tmp_path: Path, cache: VectorCache, bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with samespace.Collection.create(tmp_path / "kb", bert_folder, cache=cache) as kb:
        kb.add([samespace.Document(id="1", text="a small brown dog")])
        kb.search("a dog")
    from samespace.models.onnx import OnnxEmbedder

    plain = OnnxEmbedder.embed

    def drifted(self: OnnxEmbedder, *given: Any, **options: Any) -> Vectors:
        vectors = plain(self, *given, **options)
        return Vectors(np.roll(vectors.array, 1, axis=1), vectors.space, vectors.role)

    monkeypatch.setattr(OnnxEmbedder, "embed", drifted)
    with samespace.open(tmp_path / "kb", cache=cache) as kb, pytest.raises(ModelDrift):
        kb.search("a dog")


class Hosted(Counting):
    """A model without a digest of weights, which may come to answer otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.turned = 0

    @property
    def space(self) -> Space:
        return dataclasses.replace(super().space, weights="", model="hosted")

    def embed(self, texts: Sequence[str], role: Role, **options: Any) -> Vectors:
        vectors = super().embed(texts, role, **options)
        return Vectors(np.roll(vectors.array, self.turned, axis=1), self.space, role)


def test_a_hosted_model_that_changed_is_not_mixed_with_what_was_kept(cache: VectorCache) -> None:
    inner = Hosted()
    before = CachedEmbedder(inner, cache).embed(["a cat", "a dog"], "document").array
    kept = CachedEmbedder(inner, cache)
    inner.asked.clear()
    inner.canaries.clear()
    assert np.array_equal(kept.embed(["a cat", "a dog"], "document").array, before)
    assert inner.asked == []
    assert inner.canaries == [text for _, text in CANARIES[:QUICK_CANARIES]]
    inner.turned = 1
    anew = CachedEmbedder(inner, cache)
    inner.asked.clear()
    after = anew.embed(["a cat", "a dog"], "document").array
    assert np.array_equal(after, np.roll(before, 1, axis=1))
    assert ("a cat", "document") in inner.asked
    inner.asked.clear()
    again = CachedEmbedder(inner, cache).embed(["a cat"], "document").array
    assert np.array_equal(again, after[:1])
    assert ("a cat", "document") not in inner.asked


class Local(Hosted):
    """A model of files: its weights have a digest, but not all that makes its vectors has."""

    @property
    def space(self) -> Space:
        return dataclasses.replace(super().space, weights="digest")


def test_what_no_digest_pins_is_found_out_in_a_new_collection_too(
    tmp_path: Path, cache: VectorCache
) -> None:
    """As when config.json, or the code that runs the model, changed between the two."""
    inner = Local()
    documents = [samespace.Document(id=str(i), text=f"Text number {i}.") for i in range(10)]
    with samespace.Collection.create(tmp_path / "a", CachedEmbedder(inner, cache)) as kb:
        kb.add(documents)
    inner.turned = 1
    with samespace.Collection.create(tmp_path / "b", CachedEmbedder(inner, cache)) as kb:
        assert kb.add(documents).cached_tokens == 0
        assert kb.verify().sound
        assert kb.search("text number 3", mode="dense")[0].chunk.document == "3"


@pytest.mark.parametrize("kind", ["sparse", "multi-vector"])
def test_the_last_bits_of_other_forms_are_no_change(cache: VectorCache, kind: str) -> None:
    class Noisy(Counting):
        """Each differs in the last bits, as threads make it."""

        noise = 0

        def embed(self, texts: Sequence[str], role: Role, **options: Any) -> Any:
            made = super().embed(texts, role, **options)
            noise = np.float32(1 + 1e-6 * self.noise)
            if kind == "sparse":
                offsets = np.arange(len(made) + 1, dtype=np.int64) * 2
                indices = np.tile(np.array([3, 7], np.int32), len(made))
                values = np.abs(made.array[:, :2]).ravel() * noise + np.float32(0.5)
                return SparseVectors(offsets, indices, values, self.space, role)
            offsets = np.arange(len(made) + 1, dtype=np.int64)
            return MultiVectors(made.array * noise, offsets, self.space, role)

        @property
        def space(self) -> Space:
            return dataclasses.replace(super().space, kind=kind)

    first = Noisy()
    CachedEmbedder(first, cache).embed(TEXTS, "document")
    second = Noisy()
    second.noise = 1
    CachedEmbedder(second, cache).embed(TEXTS, "document")
    assert (second.asked, len(second.canaries)) == ([], QUICK_CANARIES)


TEXTS = ["a cat", "a dog"]


def turned(by: int) -> Hosted:
    inner = Hosted()
    inner.turned = by
    return inner


def test_two_servers_under_one_name_are_not_mixed(cache: VectorCache) -> None:
    """Both are in use at once, each checked before the other came."""
    one, other = (CachedEmbedder(turned(by), cache) for by in (0, 1))
    for texts in (["a cat"], TEXTS, [*TEXTS, "a cow"]):
        right = HashEmbedder().embed(texts, "document").array
        assert np.array_equal(one.embed(texts, "document").array, right)
        assert np.array_equal(other.embed(texts, "document").array, np.roll(right, 1, axis=1))


@pytest.mark.parametrize("dropped", [1, 2])
def test_a_change_is_found_out_where_the_canaries_are_gone(
    cache: VectorCache, dropped: int
) -> None:
    """They may be dropped as the least recently used, or damaged, and the vectors not."""
    import sqlite3

    CachedEmbedder(Hosted(), cache).embed(TEXTS, "document")
    with sqlite3.connect(cache.path) as database:
        database.execute(
            "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries ORDER BY rowid LIMIT ?)",
            (dropped,),
        )
    after = CachedEmbedder(turned(1), cache).embed(TEXTS, "document").array
    expected = HashEmbedder().embed(TEXTS, "document").array
    assert np.array_equal(after, np.roll(expected, 1, axis=1))


def test_what_is_in_use_does_not_lose_its_canaries(cache: VectorCache) -> None:
    import sqlite3

    embedder = CachedEmbedder(Hosted(), cache)
    embedder.embed(TEXTS, "document")
    with sqlite3.connect(cache.path) as database:
        database.execute("DELETE FROM entries WHERE rowid <= ?", (QUICK_CANARIES,))
    embedder.embed(["a cow"], "document")
    inner = Hosted()
    CachedEmbedder(inner, cache).embed([*TEXTS, "a cow"], "document")
    assert (inner.asked, len(inner.canaries)) == ([], QUICK_CANARIES)


def test_a_change_that_cannot_be_written_down_stops_nothing(
    cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from samespace.models.cache import store

    CachedEmbedder(Hosted(), cache).embed(TEXTS, "document")
    monkeypatch.setattr(store, "_WAIT_S", 0.01)
    writing = sqlite3.connect(cache.path, isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    again = CachedEmbedder(turned(1), VectorCache(cache.path.parent))
    after = again.embed(TEXTS, "document").array
    writing.close()
    expected = HashEmbedder().embed(TEXTS, "document").array
    assert np.array_equal(after, np.roll(expected, 1, axis=1))


def test_nothing_is_asked_for_nothing(cache: VectorCache) -> None:
    inner = Hosted()
    assert CachedEmbedder(inner, cache).embed([], "query").array.shape == (0, 256)
    assert inner.asked == []


def test_a_canary_is_never_answered_by_a_cache(cache: VectorCache) -> None:
    """However deep the cache lies: else a model that changed would not be found out."""
    inner = Counting()
    derived = DerivedEmbedder(CachedEmbedder(inner, cache), dimensions=64)
    recorded = record_canaries(for_canaries(derived))
    assert len(inner.canaries) == len(CANARIES)
    check_canaries(for_canaries(derived), recorded, quick=False)
    assert len(inner.canaries) == 2 * len(CANARIES)


def test_what_is_derived_of_a_cached_embedder_asks_the_cache(cache: VectorCache) -> None:
    inner = Breaking()
    inner.asked += [("healed", "document")] * 5
    derived = DerivedEmbedder(CachedEmbedder(inner, cache), dimensions=64)
    for folder in ("one", "two"):
        outer = CachedEmbedder(derived, VectorCache(cache.path.parent / folder))
        outer.embed(TEXTS, "document")
    assert [text for text, _ in inner.asked[5:]] == TEXTS


def test_it_can_be_copied(cache: VectorCache) -> None:
    embedder = CachedEmbedder(Counting(), cache)
    assert copy.copy(embedder).inner is embedder.inner
