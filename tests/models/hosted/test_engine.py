"""Splitting into requests, several at once, usage and budget."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from samespace.errors import BudgetExceeded, InputError, ModelError, TooLong
from samespace.models.hosted import Budget
from tests.models.hosted.api import tokens
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import TEXTS, hosted, right
from tests.models.hosted.service import Service, service

MANY = [f"text number {i} of {'many ' * (i % 7)}" for i in range(50)]


def test_requests_hold_what_the_provider_allows(server: Service) -> None:
    """The server refuses any request beyond its limits of texts and tokens: none was."""
    long = [f"{i} " + "word " * 60 for i in range(9)]
    texts = [*MANY, *long, *TEXTS]
    embedder = hosted(server, concurrency=4)
    for role in ("query", "document"):
        server.asked.clear()
        got = embedder.embed(texts, role)  # type: ignore[arg-type]
        np.testing.assert_allclose(
            got.array,
            right(server.api, texts, role),  # type: ignore[arg-type]
            atol=1e-6,
        )
        assert {asked.fault for asked in server.asked} == {""}
        assert sorted(t for request in server.texts for t in request) == sorted(texts)
        # As few requests as the limit of texts allows, but for the long ones.
        fewest = len(texts) / server.api.tiny.items
        assert fewest <= len(server.asked) <= fewest + len(long)
    assert got.space == embedder.space
    assert got.role == "document"


def test_texts_given_twice_keep_their_places(server: Service) -> None:
    texts = [TEXTS[i % 3] for i in range(11)]
    got = hosted(server, concurrency=4).embed(texts, "query").array
    np.testing.assert_allclose(got, right(server.api, texts, "query"), atol=1e-6)


def test_shorter_vectors_are_asked_for(server: Service) -> None:
    whole, short = hosted(server), hosted(server, dimensions=8)
    got = short.embed(TEXTS, "document")
    np.testing.assert_allclose(
        got.array, right(server.api, TEXTS, "document", dimensions=8), atol=1e-6
    )
    assert short.space.id != whole.space.id
    assert (short.space.native_dimensions, short.space.dimensions) == (16, 8)
    with pytest.raises(InputError, match="7"):
        hosted(server, dimensions=7)


def test_nothing_is_asked_for_nothing(server: Service) -> None:
    embedder = hosted(server)
    assert embedder.embed([], "query").array.shape == (0, 16)
    assert embedder.count([]) == []
    assert list(embedder.stream([], "query")) == []
    assert server.asked == []


def test_no_more_at_once_than_allowed(server: Service) -> None:
    server.seconds = 0.02
    embedder = hosted(server, concurrency=3)
    with ThreadPoolExecutor(2) as pool:
        for got in pool.map(lambda texts: embedder.embed(texts, "query"), [MANY, MANY[::-1]]):
            assert len(got) == len(MANY)
    assert 1 < server.most <= 3


def test_who_stops_listening_stops_the_asking(openai: Service) -> None:
    openai.seconds = 0.01
    stream = hosted(openai, concurrency=2).stream(MANY, "query")
    next(stream)
    stream.close()
    time.sleep(0.1)
    assert len(openai.asked) <= 4


def test_nobody_there_is_said(openai: Service) -> None:
    with service(APIS["openai"]) as gone:
        embedder = hosted(gone, retries=2)
    with pytest.raises(ModelError, match=rf"{gone.origin}.*did not answer in 3 attempts"):
        embedder.embed(TEXTS, "query")


def test_threads_do_not_mix_up(server: Service) -> None:
    embedder = hosted(server, concurrency=4)

    def call(shift: int) -> None:
        texts = MANY[shift:] + MANY[:shift]
        got = embedder.embed(texts, "document").array
        np.testing.assert_allclose(got, right(server.api, texts, "document"), atol=1e-6)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(8)))


def test_faults_all_over_change_nothing(server: Service) -> None:
    """Every third request fails, each time in another way, with several under way."""
    kinds = ["500", "429", "connection closed unanswered", "503", "413", "429"]
    kinds += ["an answer that is not JSON", "500", "NaN in a vector"]
    for fault in kinds:
        server.faults += ["", "", fault]
    texts = [*MANY, *TEXTS]
    got = hosted(server, concurrency=4, retries=20).embed(texts, "document").array
    np.testing.assert_allclose(got, right(server.api, texts, "document"), atol=1e-6)
    served = [t for a in server.asked if a.wanted and not a.fault for t in a.wanted.texts]
    assert sorted(served) == sorted(texts)


def test_usage_is_what_the_provider_counted(server: Service) -> None:
    embedder = hosted(server)
    embedder.embed(MANY[:10], "document")
    usage = embedder.usage
    counted = sum(map(tokens, MANY[:10]))
    says = server.api is not APIS["local"] and server.api is not APIS["gemini"]
    assert usage.requests == len(server.asked) == 3
    assert usage.estimated == (not says)
    assert usage.tokens == counted if says else usage.tokens >= counted
    assert usage.dollars == pytest.approx(usage.tokens * 2.0 / 1e6)


def test_money_is_unknown_where_the_price_is(openai: Service) -> None:
    embedder = hosted(openai, fields={"price_per_million": None})
    embedder.embed(TEXTS, "document")
    assert embedder.usage.dollars is None
    assert embedder.usage.tokens > 0


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_budget_of_tokens_stops_before_it_is_passed(server: Service, concurrency: int) -> None:
    budget = Budget(tokens=200)
    embedder = hosted(server, budget=budget, concurrency=concurrency)
    found: list[int] = []

    def collect() -> None:
        for rows, vectors in embedder.stream(MANY, "document"):
            assert len(rows) == len(vectors)
            found.extend(rows)

    with pytest.raises(BudgetExceeded, match="200 tokens"):
        collect()
    served = [t for a in server.asked if a.wanted for t in a.wanted.texts]
    assert 0 < sum(map(tokens, served)) <= 200
    assert budget.spent[0] <= 200
    assert sorted(MANY[i] for i in found) == sorted(served), "what was paid for is kept"
    sent = len(server.asked)
    with pytest.raises(BudgetExceeded):
        embedder.embed(["word " * 80] * 2, "document")
    assert len(server.asked) == sent


def test_a_budget_of_dollars_is_shared(openai: Service) -> None:
    """Two embedders, four threads, one budget: together they stay within it."""
    budget = Budget(dollars=0.0012)  # 600 tokens
    one, other = (hosted(openai, budget=budget, concurrency=4) for _ in range(2))

    def call(i: int) -> int:
        try:
            return len((one, other)[i % 2].embed(MANY[i : i + 8], "document"))
        except BudgetExceeded:
            return 0

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(call, range(20)))
    assert 0 in done
    assert max(done) == 8
    served = sum(a.wanted.used() for a in openai.asked if a.wanted)
    assert served * 2.0 / 1e6 <= 0.0012
    assert budget.spent[1] <= 0.0012
    assert one.usage.tokens + other.usage.tokens == served


def test_failures_do_not_eat_the_budget(openai: Service) -> None:
    """A request that was refused with 503 costs nothing, however often."""
    openai.faults += ["503"] * 5
    texts = MANY[:4]
    budget = Budget(tokens=150)
    got = hosted(openai, budget=budget, retries=5).embed(texts, "document")
    assert len(got) == 4
    assert budget.spent[0] == sum(map(tokens, texts))


def test_a_text_beyond_the_window_is_refused_before_anything_is_sent(server: Service) -> None:
    long = " ".join(f"word{i}" for i in range(150))
    with pytest.raises(TooLong, match="text 1 "):
        hosted(server).embed(["short", long], "document")
    assert server.asked == []


def test_what_was_not_catalogued_is_asked_for() -> None:
    from samespace.models.hosted import HostedEmbedder

    with service(APIS["local"]) as server:
        with pytest.raises(InputError, match="dimensions"):
            HostedEmbedder("my-model", provider="openai", base_url=server.url)
        embedder = HostedEmbedder(
            "tiny-openai",
            provider="openai",
            base_url=server.url,
            dimensions=16,
            max_tokens=100,
            normalized=True,
            metric="cosine",
            prompts={"query": "find: "},
            max_items=4,
        )
        got = embedder.embed(TEXTS, "query").array
        prompted = [f"find: {text}" for text in TEXTS]
        np.testing.assert_allclose(got, right(server.api, prompted, "query"), atol=1e-6)
        assert "dimensions" not in server.asked[0].body
        assert embedder.space.prompt("query") == "find: "


def test_a_prompt_that_fills_the_window_is_said(tokenizer: Path) -> None:
    """Half of the prompt alone would be the vector of every query."""
    with service(APIS["local"]) as server:
        for window in (3, 5):
            embedder = hosted(
                server,
                tokenizer=tokenizer,
                max_tokens=window,
                prompts={"query": "find what answers this: "},
            )
            with pytest.raises(InputError, match="filled by special tokens and prompt"):
                embedder.embed(["a question"], "query", on_long="truncate")
        assert server.asked == []
