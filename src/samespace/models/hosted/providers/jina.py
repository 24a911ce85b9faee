"""Jina's embeddings and reranking.

Source: https://api.jina.ai/redoc. A text beyond the window of an embedding model is an error
unless `truncate` is set; vectors are asked for at length 1.
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
        "input": [{"image": asked.picture.base64}] if asked.picture else list(asked.texts),
        "embedding_type": "base64",
        "normalized": True,
        "truncate": False,
    }
    if asked.input_type:
        body["task"] = asked.input_type
    if asked.dimensions is not None:
        body["dimensions"] = asked.dimensions
    return "/embeddings", body


def rerank(ranked: Ranked) -> Request:
    """Return the request for the scores of some texts."""
    return "/rerank", {
        "model": ranked.model,
        "query": ranked.query,
        "documents": list(ranked.texts),
        "return_documents": False,
    }


def scores(answer: Any, n: int) -> list[float]:
    """Return the scores of an answer, by their index."""
    return numbers(in_order(at(answer, "results"), n), "relevance_score")


JINA = Provider(
    name="jina",
    url="https://api.jina.ai/v1",
    key_envs=("JINA_API_KEY",),
    headers=bearer,
    max_items=512,
    embed=embed,
    vectors=vectors,
    tokens=tokens,
    input_types={"query": "retrieval.query", "document": "retrieval.passage"},
    pictures=True,
    rerank=rerank,
    scores=scores,
    cuts_ranked=True,
)
