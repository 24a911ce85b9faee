"""samespace sends what the providers' own Python clients send, and they understand the servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError
from samespace.models.catalog import ModelCard, catalog, find
from samespace.models.hosted import HostedEmbedder, HostedReranker
from samespace.types import Role
from tests.models.hosted.api import Served, vector
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import TEXTS, hosted, reranker, right_scores
from tests.models.hosted.service import Asked, Service, service

Vectors = Sequence[Sequence[float]]
Client = Callable[[Service, str, list[str], str, int | None], Vectors]


def _openai(
    server: Service, model: str, texts: list[str], kind: str, dimensions: int | None
) -> Vectors:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(
        api_key=server.api.key or "unused", base_url=server.url, max_retries=0
    ) as client:
        return _of_openai(client, model, texts, dimensions)


def _azure(
    server: Service, model: str, texts: list[str], kind: str, dimensions: int | None
) -> Vectors:
    openai = pytest.importorskip("openai")
    with openai.AzureOpenAI(
        api_key=server.api.key,
        azure_endpoint=server.origin,
        azure_deployment=model,
        api_version="2024-10-21",
        max_retries=0,
    ) as client:
        return _of_openai(client, model, texts, dimensions)


def _of_openai(client: Any, model: str, texts: list[str], dimensions: int | None) -> Vectors:
    asked = {} if dimensions is None else {"dimensions": dimensions}
    reply = client.embeddings.create(model=model, input=texts, **asked)
    return [one.embedding for one in reply.data]


def _cohere(
    server: Service, model: str, texts: list[str], kind: str, dimensions: int | None
) -> Vectors:
    cohere = pytest.importorskip("cohere")
    asked = {} if dimensions is None else {"output_dimension": dimensions}
    with cohere.ClientV2(api_key=server.api.key, base_url=server.url) as client:
        reply = client.embed(
            model=model,
            texts=texts,
            input_type=kind,
            embedding_types=["float"],
            truncate="NONE",
            **asked,
        )
    return reply.embeddings.float_  # type: ignore[no-any-return]


def _voyage(
    server: Service, model: str, texts: list[str], kind: str, dimensions: int | None
) -> Vectors:
    voyageai = pytest.importorskip("voyageai")
    client = voyageai.Client(api_key=server.api.key, base_url=server.url, max_retries=1)
    asked = {"input_type": kind, "truncation": False, "output_dimension": dimensions}
    if "multimodal" in model:
        reply = client.multimodal_embed([[text] for text in texts], model=model, **asked)
    else:
        reply = client.embed(texts, model=model, **asked)
    return reply.embeddings  # type: ignore[no-any-return]


def _gemini(
    server: Service, model: str, texts: list[str], kind: str, dimensions: int | None
) -> Vectors:
    genai = pytest.importorskip("google.genai")
    # The client's own default is /v1; embeddings are documented in both.
    options = genai.types.HttpOptions(base_url=server.url, api_version="v1beta")
    with genai.Client(api_key=server.api.key, http_options=options) as client:
        reply = client.models.embed_content(
            model=model,
            # Of texts alone, the client would make one vector for all of them with the second
            # generation.
            contents=[genai.types.UserContent(text) for text in texts],
            config=genai.types.EmbedContentConfig(
                task_type=kind or None, output_dimensionality=dimensions
            ),
        )
    return [one.values for one in reply.embeddings]


def _mistral(
    server: Service, model: str, texts: list[str], kind: str, dimensions: int | None
) -> Vectors:
    client = pytest.importorskip("mistralai.client")
    asked = {} if dimensions is None else {"output_dimension": dimensions}
    with client.Mistral(api_key=server.api.key, server_url=server.url) as mistral:
        reply = mistral.embeddings.create(model=model, inputs=texts, **asked)
    return [one.embedding for one in reply.data]


CLIENTS: dict[str, Client] = {
    "openai": _openai,
    "azure": _azure,
    "local": _openai,
    "cohere": _cohere,
    "voyage": _voyage,
    "gemini": _gemini,
    "mistral": _mistral,
}
"""Jina has no client of its own: its server holds requests to its documentation."""


def differences(server: Service, ours: Asked, theirs: Asked) -> dict[str, tuple[object, object]]:
    """Return the fields in which two requests differ; null is what is not there."""
    found: dict[str, tuple[object, object]] = {}
    for name in ("path", "query"):
        if getattr(ours, name) != getattr(theirs, name):
            found[name] = (getattr(ours, name), getattr(theirs, name))
    keys = [server.api.key_sent(asked.headers) for asked in (ours, theirs)]
    if keys[0] != keys[1]:
        found["key"] = (keys[0], keys[1])
    for name in {*ours.body, *theirs.body}:
        if ours.body.get(name) != theirs.body.get(name):
            found[name] = (ours.body.get(name), theirs.body.get(name))
    return found


@pytest.mark.parametrize("dimensions", [None, 8])
@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("name", CLIENTS)
def test_requests_are_the_clients_own(name: str, role: Role, dimensions: int | None) -> None:
    api = APIS[name]
    with service(api) as server:
        ours = hosted(server, dimensions=dimensions).embed(TEXTS[:4], role).array
        model, kind = api.tiny.name, api.kinds[role]
        theirs = np.array(CLIENTS[name](server, model, TEXTS[:4], kind, dimensions))
        assert [asked.fault for asked in server.asked] == ["", ""]
        assert differences(server, *server.asked) == {}
    expected = np.array([vector(t, kind, 16)[:dimensions] for t in TEXTS[:4]])
    lengths = np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(
        theirs / lengths, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6
    )
    np.testing.assert_allclose(ours, theirs / lengths, atol=1e-6)


CARDS = [card for card in catalog() if card.hosted and card.embeds]
KNOWN = [card for card in CARDS if card.metric or card.normalized is not None]
DOCUMENTED = [(name, served) for name, api in APIS.items() for served in api.models]


@pytest.mark.parametrize("served", [one for n, one in DOCUMENTED if n not in ("azure", "local")])
def test_the_catalog_keeps_within_the_documented_limits(served: Served) -> None:
    found = find(served.name)
    assert found is not None
    assert found.dimensions == served.dimensions
    assert found.max_tokens is not None
    assert found.max_tokens <= served.window
    assert found.max_items is None or found.max_items <= served.items
    assert set(found.matryoshka) <= set(served.shorter)
    if served.total is not None:
        assert found.max_request_tokens is not None
        assert found.max_request_tokens <= served.total


@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("card", KNOWN, ids=lambda card: card.name)
def test_every_catalogued_model_is_asked_as_the_client_asks(card: ModelCard, role: Role) -> None:
    """By its name alone, with the prompts or input types that the catalog has for it."""
    assert card.dimensions is not None
    assert card.max_tokens is not None
    wide = Served(card.name, card.dimensions, card.max_tokens, 1000, card.matryoshka)
    kind = card.input_types.get(role, "")
    prompted = [card.prompts.get(role, "") + text for text in TEXTS[:2]]
    with service(APIS[card.provider].serving(wide)) as server:
        got = HostedEmbedder(card.name, base_url=server.url).embed(TEXTS[:2], role)
        expected = np.array([vector(text, kind, card.dimensions) for text in prompted])
        np.testing.assert_allclose(got.array, expected, atol=1e-6)
        if card.provider in CLIENTS:
            CLIENTS[card.provider](server, card.name, prompted, kind, None)
            assert differences(server, *server.asked) == {}


@pytest.mark.parametrize(
    "card", [card for card in CARDS if card not in KNOWN], ids=lambda card: card.name
)
def test_what_the_catalog_does_not_know_is_asked_for(card: ModelCard) -> None:
    with pytest.raises(InputError, match=r"give .*metric"):
        HostedEmbedder(card.name)


@pytest.mark.parametrize("name", ["openai", "cohere", "voyage", "gemini", "mistral", "jina"])
def test_one_text_more_than_a_request_may_hold(name: str) -> None:
    """The provider's real limit of texts, by the catalog: two requests, neither refused."""
    api = APIS[name]
    served = api.models[0]
    texts = [f"t{i}" for i in range(served.items + 1)]
    found = find(served.name)
    assert found is not None
    dimensions = min((served.dimensions, *found.matryoshka))
    with service(api) as server:
        embedder = HostedEmbedder(served.name, base_url=server.url, dimensions=dimensions)
        got = embedder.embed(texts, "document").array
        assert {asked.fault for asked in server.asked} == {""}
        assert 2 <= len(server.asked) <= 1 + len(texts) // served.items * 3
    for i in (0, served.items - 1, served.items):
        expected = vector(texts[i], api.kinds["document"], served.dimensions)[:dimensions]
        np.testing.assert_allclose(got[i], expected / np.linalg.norm(expected), atol=1e-6)


def _cohere_rerank(server: Service, model: str, query: str, texts: list[str]) -> dict[int, float]:
    cohere = pytest.importorskip("cohere")
    with cohere.ClientV2(api_key=server.api.key, base_url=server.url) as client:
        window = server.asked[0].body["max_tokens_per_doc"]
        reply = client.rerank(model=model, query=query, documents=texts, max_tokens_per_doc=window)
    return {one.index: one.relevance_score for one in reply.results}


def _voyage_rerank(server: Service, model: str, query: str, texts: list[str]) -> dict[int, float]:
    voyageai = pytest.importorskip("voyageai")
    client = voyageai.Client(api_key=server.api.key, base_url=server.url, max_retries=1)
    reply = client.rerank(query, texts, model=model, truncation=False)
    return {one.index: one.relevance_score for one in reply.results}


@pytest.mark.parametrize("name", ["cohere", "voyage"])
def test_requests_to_rerank_are_the_clients_own(name: str) -> None:
    asking = {"cohere": _cohere_rerank, "voyage": _voyage_rerank}[name]
    with service(APIS[name]) as server:
        model: HostedReranker = reranker(server)
        ours = model.score("a question", TEXTS[:4])
        theirs = asking(server, model.name, "a question", TEXTS[:4])
        assert differences(server, *server.asked) == {}
    assert ours == pytest.approx(right_scores("a question", TEXTS[:4]))
    assert ours == pytest.approx([theirs[i] for i in range(4)])
