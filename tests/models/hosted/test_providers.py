"""Requests and answers of each provider, as pure functions, beside their documented forms."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, ModelNotFound
from samespace.models.catalog import ModelCard, catalog
from samespace.models.hosted import HostedEmbedder, HostedReranker
from samespace.models.hosted.providers import PROVIDERS, Asked, Ranked
from samespace.models.hosted.providers.base import parsed

TEXTS = ["first", "second", "third"]
ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)


def packed(row: np.ndarray) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def indexed(order: list[int], *, as_base64: bool) -> dict[str, Any]:
    rows = [packed(ROWS[i]) if as_base64 else ROWS[i].tolist() for i in order]
    data = [{"index": i, "embedding": row} for i, row in zip(order, rows, strict=True)]
    return {"data": data, "usage": {"prompt_tokens": 7, "total_tokens": 7}}


REQUESTS = [
    (
        "openai",
        Asked("m", TEXTS, dimensions=2),
        "/embeddings",
        {"model": "m", "input": TEXTS, "encoding_format": "base64", "dimensions": 2},
    ),
    ("azure", Asked("m", TEXTS), "/embeddings", {"model": "m", "input": TEXTS}),
    (
        "cohere",
        Asked("m", TEXTS, "search_query", 2),
        "/v2/embed",
        {
            "model": "m",
            "texts": TEXTS,
            "input_type": "search_query",
            "embedding_types": ["float"],
            "truncate": "NONE",
            "output_dimension": 2,
        },
    ),
    (
        "voyage",
        Asked("m", TEXTS, "query", 2),
        "/embeddings",
        {
            "model": "m",
            "input": TEXTS,
            "input_type": "query",
            "truncation": False,
            "output_dimension": 2,
        },
    ),
    (
        "voyage",
        Asked("m", TEXTS[:1], "document", multimodal=True),
        "/multimodalembeddings",
        {
            "model": "m",
            "inputs": [{"content": [{"type": "text", "text": "first"}]}],
            "input_type": "document",
            "truncation": False,
        },
    ),
    (
        "gemini",
        Asked("m", TEXTS[:1], "RETRIEVAL_QUERY", 2),
        "/v1beta/models/m:batchEmbedContents",
        {
            "requests": [
                {
                    "model": "models/m",
                    "content": {"parts": [{"text": "first"}], "role": "user"},
                    "taskType": "RETRIEVAL_QUERY",
                    "outputDimensionality": 2,
                }
            ]
        },
    ),
    (
        "mistral",
        Asked("m", TEXTS, dimensions=2),
        "/v1/embeddings",
        {"model": "m", "input": TEXTS, "output_dimension": 2},
    ),
    (
        "jina",
        Asked("m", TEXTS, "retrieval.query", 2),
        "/embeddings",
        {
            "model": "m",
            "input": TEXTS,
            "task": "retrieval.query",
            "normalized": True,
            "truncate": False,
            "dimensions": 2,
        },
    ),
]


@pytest.mark.parametrize(("name", "asked", "path", "body"), REQUESTS)
def test_requests(name: str, asked: Asked, path: str, body: dict[str, Any]) -> None:
    sent_to, sent = PROVIDERS[name].embed(asked)
    assert sent_to == path
    encoding = {"encoding_format", "embedding_type"}
    assert {k: v for k, v in sent.items() if k not in encoding} == {
        k: v for k, v in body.items() if k not in encoding
    }
    assert {sent[k] for k in encoding & set(sent)} <= {"base64"}
    bare = PROVIDERS[name].embed(replace(asked, dimensions=None))[1]
    assert "imension" not in json.dumps(bare), "a width is asked for only where it is another"


@pytest.mark.parametrize("name", ["openai", "azure", "voyage", "mistral", "jina"])
@pytest.mark.parametrize("as_base64", [True, False])
def test_indexed_answers_are_put_in_order(name: str, as_base64: bool) -> None:
    provider = PROVIDERS[name]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        answer = indexed(order, as_base64=as_base64)
        np.testing.assert_array_equal(provider.vectors(answer, TEXTS), ROWS)
        assert provider.tokens(answer) == 7
    for order in ([0, 1], [0, 1, 1], [0, 1, 2, 2]):
        with pytest.raises(ModelError, match="expected 3 results"):
            provider.vectors(indexed(order, as_base64=as_base64), TEXTS)
    outside = indexed([0, 1, 2], as_base64=as_base64)
    for wrong in (3, -1, None, "0 ", 1.0, True):
        outside["data"][1]["index"] = wrong
        with pytest.raises(ModelError, match="indices 0 to 2"):
            provider.vectors(outside, TEXTS)


def test_cohere_is_put_in_order_by_its_texts() -> None:
    cohere = PROVIDERS["cohere"]
    answer = {
        "embeddings": {"float": ROWS.tolist()},
        "meta": {"billed_units": {"input_tokens": 9}},
    }
    np.testing.assert_array_equal(cohere.vectors(answer, TEXTS), ROWS)
    assert cohere.tokens(answer) == 9
    shuffled = {"embeddings": {"float": ROWS[[2, 0, 1]].tolist()}, "texts": [TEXTS[2], *TEXTS[:2]]}
    np.testing.assert_array_equal(cohere.vectors(shuffled, TEXTS), ROWS)
    # What it repeats in another form says nothing of the order.
    other = {"embeddings": {"float": ROWS.tolist()}, "texts": ["THIRD", "FIRST", "SECOND"]}
    np.testing.assert_array_equal(cohere.vectors(other, TEXTS), ROWS)
    twice = {"embeddings": {"float": ROWS[[1, 0, 0]].tolist()}, "texts": ["b", "a", "a"]}
    np.testing.assert_array_equal(cohere.vectors(twice, ["a", "b", "a"]), ROWS[[0, 1, 0]])


def test_gemini_comes_in_the_order_of_its_requests() -> None:
    gemini = PROVIDERS["gemini"]
    answer = {"embeddings": [{"values": row} for row in ROWS.tolist()]}
    np.testing.assert_array_equal(gemini.vectors(answer, TEXTS), ROWS)
    assert gemini.tokens(answer) is None
    with pytest.raises(ModelError, match="expected 3 vectors, got 2"):
        gemini.vectors({"embeddings": answer["embeddings"][:2]}, TEXTS)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        "text",
        7,
        {"data": None, "embeddings": None},
        {"data": [1, 2, 3], "embeddings": [1, 2, 3]},
        {"data": [{}, {}, {}], "embeddings": {"float": [[], [1], [1, 2]]}},
        {"data": [{"index": i} for i in range(3)], "embeddings": [{}, {}]},
        {
            "data": [{"index": i, "embedding": "!"} for i in range(3)],
            "embeddings": {"float": ["!", "!", "!"]},
        },
        {
            "data": [{"index": i, "embedding": {"a": 1}} for i in range(3)],
            "embeddings": {"float": [{"a": 1}] * 3},
        },
    ],
)
def test_what_is_no_answer_is_told_as_that(name: str, answer: Any) -> None:
    provider = PROVIDERS[name]
    with pytest.raises(ModelError):
        provider.vectors(answer, TEXTS)
    assert provider.tokens(answer) is None
    if provider.scores:
        with pytest.raises(ModelError):
            provider.scores(answer, 3)


@pytest.mark.parametrize("text", ["", "<html>", "[" * 100_000, '{"a": 1', "\x00"])
def test_what_is_no_json_is_told_as_that(text: str) -> None:
    with pytest.raises(ModelError, match="no JSON"):
        parsed(text)


def test_numbers_that_overflow_are_infinite_without_a_warning() -> None:
    answer = parsed('{"data": [{"index": 0, "embedding": [1e300, -1e999, null, NaN]}]}')
    row = PROVIDERS["openai"].vectors(answer, ["one"])[0]
    assert not np.isfinite(row).any()


@pytest.mark.parametrize(
    ("name", "path", "results", "extra"),
    [
        ("cohere", "/v2/rerank", "results", {"max_tokens_per_doc": 32_000}),
        ("voyage", "/rerank", "data", {"truncation": False}),
        ("jina", "/rerank", "results", {"return_documents": False}),
    ],
)
def test_reranking(name: str, path: str, results: str, extra: dict[str, Any]) -> None:
    provider = PROVIDERS[name]
    assert provider.rerank
    assert provider.scores
    ranked = Ranked("m", "question", TEXTS, window=32_000)
    body = {"model": "m", "query": "question", "documents": TEXTS, **extra}
    assert provider.rerank(ranked) == (path, body)
    scores = [{"index": i, "relevance_score": i / 4} for i in (2, 0, 1)]
    assert provider.scores({results: scores}, 3) == [0.0, 0.25, 0.5]
    with pytest.raises(ModelError, match="without relevance_score"):
        provider.scores({results: [{"index": i} for i in range(3)]}, 3)
    with pytest.raises(ModelError, match="without relevance_score"):
        provider.scores({results: [{"index": 0, "relevance_score": 10**400}]}, 1)


def test_a_key_goes_where_the_provider_reads_it() -> None:
    for name, provider in PROVIDERS.items():
        header = {"azure": "api-key", "gemini": "x-goog-api-key"}.get(name, "Authorization")
        value = "k" if name in ("azure", "gemini") else "Bearer k"
        assert provider.headers("k") == {header: value}
    voyage = PROVIDERS["voyage"]
    assert voyage.url_of_key
    assert (voyage.url_of_key("pa-1"), voyage.url_of_key("al-1")) == (
        "",
        "https://ai.mongodb.com/v1",
    )


HOSTED = [card for card in catalog() if card.hosted]


@pytest.mark.parametrize("card", HOSTED, ids=lambda card: card.name)
def test_every_hosted_model_of_the_catalog_is_known_enough(card: ModelCard) -> None:
    """Whatever the catalog leaves open is asked for, by the name of the field."""
    if "cross-encoder" in card.kinds:
        assert HostedReranker(card).name == card.name
        return
    missing: dict[str, Any] = {"metric": "cosine"} if card.name == "codestral-embed" else {}
    if missing:
        with pytest.raises(InputError, match="give normalized, metric"):
            HostedEmbedder(card)
    embedder = HostedEmbedder(card, **missing)
    space = embedder.space
    assert (space.model, space.dimensions, space.pooling) == (card.name, card.dimensions, "none")
    assert (space.revision, space.weights, space.tokenizer) == ("", "", "")
    assert space.normalized
    assert dict(space.prompts) == {**card.prompts, **card.input_types}
    for width in card.matryoshka:
        short = HostedEmbedder(card, dimensions=width, **missing)
        assert short.space.native_dimensions == card.dimensions
        assert short.space.dimensions == width
        assert short.space.id != space.id


def test_what_is_not_known_is_asked_for() -> None:
    with pytest.raises(ModelNotFound, match="say who runs it, provider= one of openai, azure"):
        HostedEmbedder("no-such-model")
    with pytest.raises(InputError, match="provider must be one of"):
        HostedEmbedder("no-such-model", provider="huggingface")
    with pytest.raises(InputError, match="open weights"):
        HostedEmbedder("all-MiniLM-L6-v2")
    with pytest.raises(
        InputError, match="give dimensions, max_tokens, normalized, metric, prompts"
    ):
        HostedEmbedder("no-such-model", provider="openai")
    with pytest.raises(InputError, match="is no reranker"):
        HostedReranker("embed-v4.0")
    with pytest.raises(InputError, match="makes no dense vectors"):
        HostedEmbedder("rerank-2.5")
    with pytest.raises(InputError, match="window of no-such-reranker is not known"):
        HostedReranker("no-such-reranker", provider="cohere")
    with pytest.raises(InputError, match="mistral runs no rerankers"):
        HostedReranker("mistral-embed-rerank", provider="mistral", max_tokens=10)


def test_a_role_is_told_in_one_way() -> None:
    card = ModelCard(
        name="both",
        provider="voyage",
        kinds=("dense",),
        dimensions=4,
        max_tokens=10,
        normalized=True,
        prompts={"query": "q: "},
        input_types={"query": "query"},
    )
    with pytest.raises(InputError, match="entry of both"):
        HostedEmbedder(card)
    assert HostedEmbedder(replace(card, input_types={})).space.prompt("query") == "q: "
    assert HostedEmbedder(replace(card, prompts={})).space.prompt("query") == "query"
    assert HostedEmbedder(card, prompts={}).space.prompts == ()


def test_azure_has_no_address_of_its_own() -> None:
    with pytest.raises(InputError, match=r"give base_url=, such as https://RESOURCE\.openai"):
        HostedEmbedder("text-embedding-3-small", provider="azure")


def test_a_width_that_was_not_trained_for_is_refused() -> None:
    with pytest.raises(InputError, match=r"trained for 256, 1024, 3072.*DerivedEmbedder"):
        HostedEmbedder("text-embedding-3-large", dimensions=700)
    with pytest.raises(InputError, match="has 1536 dimensions"):
        HostedEmbedder("text-embedding-3-small", dimensions=3072)
    # More than the catalog's width, which the provider gives where it is asked.
    wide = HostedEmbedder("voyage-4", native_dimensions=2048, dimensions=2048)
    assert (wide.space.native_dimensions, wide.space.dimensions) == (2048, 2048)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"concurrency": 0}, "concurrency"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_items": -1}, "max_items"),
        ({"price_per_million": -0.1}, "price_per_million"),
        ({"price_per_million": float("nan")}, "price_per_million"),
        ({"prompts": {"passage": "a"}}, "role"),
        ({"prompts": {"query": "a"}, "input_types": {"query": "b"}}, "prompts or input_types"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HostedEmbedder("mistral-embed", **options)
