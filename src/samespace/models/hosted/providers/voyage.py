"""Voyage's embeddings and reranking.

Sources: https://docs.voyageai.com/reference/embeddings-api, /reference/multimodal-embeddings-api
and /reference/reranker-api. A text beyond the window is an error, never cut.
"""

from __future__ import annotations

from typing import Any

from samespace.models.hosted.providers.base import (
    Asked,
    Provider,
    Ranked,
    Request,
    at,
    bearer,
    in_order,
    numbers,
)
from samespace.models.hosted.providers.openai import tokens, vectors


def embed(asked: Asked) -> Request:
    """Return the request for some texts."""
    body: dict[str, Any] = {
        "model": asked.model,
        "truncation": False,
        "encoding_format": "base64",
    }
    if asked.input_type:
        body["input_type"] = asked.input_type
    if asked.dimensions is not None:
        body["output_dimension"] = asked.dimensions
    if asked.picture:
        image = {"type": "image_base64", "image_base64": asked.picture.uri}
        return "/multimodalembeddings", {**body, "inputs": [{"content": [image]}]}
    if asked.multimodal:
        body["inputs"] = [{"content": [{"type": "text", "text": text}]} for text in asked.texts]
        return "/multimodalembeddings", body
    body["input"] = list(asked.texts)
    return "/embeddings", body


def rerank(ranked: Ranked) -> Request:
    """Return the request for the scores of some texts."""
    return "/rerank", {
        "model": ranked.model,
        "query": ranked.query,
        "documents": list(ranked.texts),
        "truncation": False,
    }


def scores(answer: Any, n: int) -> list[float]:
    """Return the scores of an answer, by their index."""
    return numbers(in_order(at(answer, "data"), n), "relevance_score")


VOYAGE = Provider(
    name="voyage",
    url="https://api.voyageai.com/v1",
    key_envs=("VOYAGE_API_KEY",),
    headers=bearer,
    max_items=1000,
    embed=embed,
    vectors=vectors,
    tokens=tokens,
    input_types={"query": "query", "document": "document"},
    pictures=True,
    rerank=rerank,
    scores=scores,
    # Keys that MongoDB gives open its own endpoint, as the official client knows.
    url_of_key=lambda key: "https://ai.mongodb.com/v1" if key.startswith("al-") else "",
)
