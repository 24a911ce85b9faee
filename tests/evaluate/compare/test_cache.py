"""Each text is embedded once; what is damaged is embedded again; times are those without it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import CollectionLocked, ModelDrift, TooLong, WriteFailed
from samespace.evaluate.compare.cache import EmbeddingCache, input_key
from samespace.evaluate.compare.cached import CachedEmbedder, SharedClock
from samespace.models import Embedder, HashEmbedder
from samespace.space import record_canaries
from tests.evaluate.compare.setting import Counting
from tests.models.contract import CHECKS


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[EmbeddingCache]:
    opened = EmbeddingCache(tmp_path / "embeddings.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Embedder], None], cache: EmbeddingCache) -> None:
    check(CachedEmbedder(HashEmbedder(64, prompts={"query": "question: "}), cache))


def test_each_text_once_for_each_role(cache: EmbeddingCache) -> None:
    model = Counting()
    cached = CachedEmbedder(model, cache)
    texts = ["one", "two", "one", "three"]
    first = cached.embed(texts, "document").array
    again = cached.embed(texts[::-1], "document").array[::-1]
    np.testing.assert_array_equal(first, HashEmbedder().embed(texts, "document").array)
    np.testing.assert_array_equal(first, again)
    cached.embed(["one"], "query")
    assert set(model.beyond_canaries.values()) == {1}
    assert (cached.ledger.computed, cached.ledger.reused) == (4, 3)


def test_a_lock_or_a_full_disk_costs_nothing(tmp_path: Path) -> None:
    """Another program's lock is no damage: what is kept stays."""
    path = tmp_path / "file"
    cache = EmbeddingCache(path)
    CachedEmbedder(HashEmbedder(), cache).embed(["a", "b"], "document")
    cache.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(CollectionLocked):
        EmbeddingCache(path)
    other.close()
    cache = EmbeddingCache(path)
    pages = cache._connection.execute("PRAGMA page_count").fetchone()[0]
    cache._connection.execute(f"PRAGMA max_page_count = {pages}")
    cached = CachedEmbedder(HashEmbedder(), cache)
    with pytest.raises(WriteFailed, match="full"):
        cached.embed([f"text {i}" for i in range(100)], "document")
    assert cache.get(cached.space.id, "document", [input_key("a")])
    cache.close()


def test_spaces_are_kept_apart(cache: EmbeddingCache) -> None:
    for seed in (0, 1):
        plain = HashEmbedder(seed=seed)
        got = CachedEmbedder(plain, cache).embed(["the same text"], "document")
        assert got.space == plain.space
        np.testing.assert_array_equal(got.array, plain.embed(["the same text"], "document").array)


def test_it_outlives_the_process(tmp_path: Path) -> None:
    for round in range(2):
        cache, model = EmbeddingCache(tmp_path / "file"), Counting()
        CachedEmbedder(model, cache).embed(["a", "b"], "document")
        assert len(model.beyond_canaries) == (2 if round == 0 else 0)
        cache.close()


@pytest.mark.parametrize("column", ["vector", "seconds", "cut", "checksum"])
def test_a_damaged_entry_is_computed_again(tmp_path: Path, column: str) -> None:
    path = tmp_path / "file"
    cache = EmbeddingCache(path)
    whole = CachedEmbedder(HashEmbedder(), cache).embed(["a", "b"], "document").array
    cache.close()
    connection = sqlite3.connect(path)
    size = len(connection.execute("SELECT vector FROM embeddings").fetchone()[0])
    value = {"vector": b"\x01" * size, "seconds": 9.5, "cut": 1, "checksum": b""}[column]
    connection.execute(
        f"UPDATE embeddings SET {column} = ? WHERE rowid_of = 1".replace(
            "rowid_of = 1", "input = (SELECT min(input) FROM embeddings)"
        ),
        (value,),
    )
    connection.commit()
    connection.close()
    cache, model = EmbeddingCache(path), Counting()
    again = CachedEmbedder(model, cache).embed(["a", "b"], "document").array
    np.testing.assert_array_equal(again, whole)
    assert len(model.beyond_canaries) == 1
    cache.close()


@pytest.mark.parametrize("damage", ["header", "everything", "schema"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "file"
    cache = EmbeddingCache(path)
    whole = CachedEmbedder(HashEmbedder(), cache).embed(["a", "b"], "document").array
    cache.close()
    content = bytearray(path.read_bytes())
    if damage == "schema":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE embeddings (something TEXT)")
    else:
        content[: 32 if damage == "header" else None] = b"\xff" * (
            32 if damage == "header" else len(content)
        )
        path.write_bytes(content)
    cache, model = EmbeddingCache(path), Counting()
    again = CachedEmbedder(model, cache).embed(["a", "b"], "document").array
    np.testing.assert_array_equal(again, whole)
    assert len(model.beyond_canaries) == 2
    cache.close()


def test_what_was_cut_by_name_is_refused_without_it(cache: EmbeddingCache) -> None:
    cached = CachedEmbedder(HashEmbedder(max_tokens=4), cache)
    long = "one two three four five"
    cached.embed([long, "short"], "query", on_long="truncate")
    with pytest.raises(TooLong, match="text 1 takes 5 tokens"):
        cached.embed(["short", long], "query")
    cached.embed([long], "query", on_long="truncate")
    assert cached.ledger.computed == 2


def test_a_model_that_changed_is_refused(cache: EmbeddingCache) -> None:
    class Drifted(HashEmbedder):
        def embed(self, texts: Any, role: Any, *, on_long: Any = "error") -> Any:
            turned = super().embed(texts, role, on_long=on_long)
            return type(turned)(np.roll(turned.array, 1, axis=1), turned.space, role)

    record_canaries(lambda t, r: CachedEmbedder(HashEmbedder(), cache).embed(t, r))
    with pytest.raises(ModelDrift):
        CachedEmbedder(Drifted(), cache).embed(["a"], "document")


def test_reused_embeddings_cost_what_they_took(tmp_path: Path) -> None:
    class Slow(HashEmbedder):
        def embed(self, texts: Any, role: Any, *, on_long: Any = "error") -> Any:
            time.sleep(0.02 * len(texts))
            return super().embed(texts, role, on_long=on_long)

    cache = EmbeddingCache(tmp_path / "file")
    cached = CachedEmbedder(Slow(), cache)
    texts = ["one", "two words", "three words here"]
    cached.embed(texts, "document")
    first = cached.ledger
    assert first.model_seconds >= 0.06
    assert first.reused_seconds == 0
    cached.embed(texts[2:], "document")
    reused = cached.ledger.reused_seconds
    # Shares are by tokens: three of the six.
    assert reused == pytest.approx(first.model_seconds / 2)
    assert cached.ledger.spent_seconds - first.spent_seconds < reused
    cache.close()


def test_calls_side_by_side_share_their_time() -> None:
    clock, shares = SharedClock(), []

    def call(seconds: float) -> None:
        entered = clock.enter()
        time.sleep(seconds)
        shares.append(clock.leave(entered))

    started = time.perf_counter()
    threads = [threading.Thread(target=call, args=(s,)) for s in (0.05, 0.1, 0.15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - started
    assert 0.14 < sum(shares) <= wall + 1e-6
    time.sleep(0.02)
    entered = clock.enter()
    assert clock.leave(entered) < 0.01
