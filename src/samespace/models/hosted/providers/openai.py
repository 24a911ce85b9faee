"""OpenAI's embeddings, and Azure's.

Source: https://platform.openai.com/docs/api-reference/embeddings/create. Vectors are asked for
as base64, as the official client does by itself; servers that speak the same protocol and know
no base64 answer with numbers, which are read as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samespace.models.hosted.providers.base import (
    Asked,
    Provider,
    Request,
    at,
    bearer,
    count_at,
    in_order,
    matrix,
)
from samespace.space import FloatArray


def embed(asked: Asked) -> Request:
    """Return the request for some texts."""
    body: dict[str, Any] = {
        "model": asked.model,
        "input": list(asked.texts),
        "encoding_format": "base64",
    }
    if asked.dimensions is not None:
        body["dimensions"] = asked.dimensions
    return "/embeddings", body


def vectors(answer: Any, texts: Sequence[str]) -> FloatArray:
    """Return the vectors of an answer, by their index."""
    entries = in_order(at(answer, "data"), len(texts))
    return matrix([entry.get("embedding") for entry in entries], len(texts))


def tokens(answer: Any) -> int | None:
    """Return the tokens that are paid."""
    return count_at(answer, "usage", "total_tokens")


OPENAI = Provider(
    name="openai",
    url="https://api.openai.com/v1",
    key_envs=("OPENAI_API_KEY",),
    headers=bearer,
    # What text-embeddings-inference takes at most unless it is told otherwise.
    max_items=32,
    embed=embed,
    vectors=vectors,
    tokens=tokens,
)

AZURE = Provider(
    name="azure",
    url="",
    example="https://RESOURCE.openai.azure.com/openai/deployments/NAME?api-version=2024-10-21",
    key_envs=("AZURE_OPENAI_API_KEY",),
    headers=lambda key: {"api-key": key},
    max_items=2048,
    embed=embed,
    vectors=vectors,
    tokens=tokens,
    query=frozenset({"api-version"}),
)
"""Source: https://learn.microsoft.com/azure/ai-services/openai/reference#embeddings"""
