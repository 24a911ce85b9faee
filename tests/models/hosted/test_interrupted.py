"""With the cache, work that was broken off goes on where it stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from samespace.errors import BudgetExceeded, InputError, ModelError, TooLong
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.models.hosted import Budget
from samespace.space import CANARIES, QUICK_CANARIES
from tests.models.hosted.asking import hosted, right
from tests.models.hosted.service import Service

TEXTS = [f"text number {i}" for i in range(40)]
CANARY_TEXTS = {text for _, text in CANARIES[:QUICK_CANARIES]}


def sent(server: Service) -> list[str]:
    """Return the texts of all requests, but for the canaries of the cache's first use."""
    return [text for request in server.texts for text in request if text not in CANARY_TEXTS]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_only_what_is_missing_is_asked_for(
    server: Service, tmp_path: Path, concurrency: int
) -> None:
    """The endpoint fails for good after six requests, and is well the next day."""
    server.faults += [""] * (QUICK_CANARIES + 6) + ["500"] * 100
    cache = VectorCache(tmp_path / "vectors")
    embedder = CachedEmbedder(hosted(server, retries=1, concurrency=concurrency), cache)
    with pytest.raises(ModelError, match="status 500"):
        embedder.embed(TEXTS, "document")
    served = [t for a in server.asked if a.wanted and not a.fault for t in a.wanted.texts]
    paid = set(served) - CANARY_TEXTS
    assert len(paid) == 24
    server.faults.clear()
    server.asked.clear()
    # Another process would open the same place.
    again = CachedEmbedder(hosted(server), VectorCache(tmp_path / "vectors"))
    got = again.embed(TEXTS, "document").array
    assert sorted(sent(server)) == sorted(set(TEXTS) - paid)
    np.testing.assert_allclose(got, right(server.api, TEXTS, "document"), atol=1e-6)
    server.asked.clear()
    again.embed(TEXTS[::-1], "document")
    assert sent(server) == []
    again.embed(TEXTS[:1], "query")
    assert len(server.asked) == 1, "the other role is another vector"


def test_a_refused_text_does_not_make_the_others_paid_twice(
    server: Service, tmp_path: Path
) -> None:
    embedder = CachedEmbedder(hosted(server), VectorCache(tmp_path / "vectors"))
    embedder.embed(TEXTS[:8], "document")
    server.always = lambda wanted: "400" if "poison" in wanted.texts else ""
    server.asked.clear()
    with pytest.raises(InputError, match="this input cannot be processed"):
        embedder.embed([*TEXTS[:8], "poison"], "document")
    assert sent(server) == ["poison"]


def test_a_raised_budget_goes_on(server: Service, tmp_path: Path) -> None:
    texts = [f"text number {i}" for i in range(80)]
    cache = VectorCache(tmp_path / "vectors")
    with pytest.raises(BudgetExceeded):
        CachedEmbedder(hosted(server, budget=Budget(tokens=280)), cache).embed(texts, "document")
    assert 0 < len(sent(server)) < len(texts)
    got = CachedEmbedder(hosted(server, budget=Budget(tokens=10_000)), cache).embed(texts, "query")
    again = CachedEmbedder(hosted(server), cache).embed(texts, "document")
    np.testing.assert_allclose(got.array, right(server.api, texts, "query"), atol=1e-6)
    np.testing.assert_allclose(again.array, right(server.api, texts, "document"), atol=1e-6)
    assert sorted(sent(server)) == sorted(texts * 2), "each text once in each role"


def test_errors_of_samespace_name_the_place_in_the_callers_list(
    server: Service, tmp_path: Path
) -> None:
    embedder = CachedEmbedder(hosted(server), VectorCache(tmp_path / "vectors"))
    embedder.embed(TEXTS[:8], "document")
    server.asked.clear()
    with pytest.raises(TooLong, match="text 8 "):
        embedder.embed([*TEXTS[:8], "word " * 300], "document")
    with pytest.raises(InputError, match="text 8 is empty"):
        embedder.embed([*TEXTS[:8], " "], "document")
    assert server.asked == []


CHILD = """
import sys
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.models.hosted import HostedEmbedder

url, folder = sys.argv[1:]
model = HostedEmbedder(
    "tiny-openai", provider="openai", base_url=url, dimensions=16, max_tokens=200,
    normalized=True, metric="cosine", prompts={}, max_items=4, concurrency=3,
)
texts = [f"text number {i}" for i in range(400)]
CachedEmbedder(model, VectorCache(folder)).embed(texts, "document")
"""


def test_a_killed_process_loses_what_was_under_way_at_most(openai: Service, tmp_path: Path) -> None:
    openai.seconds = 0.02
    folder = tmp_path / "vectors"
    child = subprocess.Popen([sys.executable, "-c", CHILD, openai.url, str(folder)])
    try:
        while len(openai.asked) < 30:
            assert child.poll() is None, "it was to be killed in the middle"
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    openai.seconds = 0.0
    texts = [f"text number {i}" for i in range(400)]
    time.sleep(0.1)
    first = set(sent(openai))
    assert len(first) < len(texts)
    openai.asked.clear()
    got = CachedEmbedder(hosted(openai), VectorCache(folder)).embed(texts, "document").array
    np.testing.assert_allclose(got, right(openai.api, texts, "document"), atol=1e-6)
    again = first & set(sent(openai))
    assert len(again) <= 3 * 4 + 3 * 4, "three requests under way, and three answered but not kept"
    assert set(sent(openai)) >= set(texts) - first
