"""Mistral's embeddings.

Source: https://docs.mistral.ai/api/#tag/embeddings
"""

from __future__ import annotations

from typing import Any

from samespace.models.hosted.providers.base import Asked, Provider, Request, bearer
from samespace.models.hosted.providers.openai import tokens, vectors


def embed(asked: Asked) -> Request:
    """Return the request for some texts."""
    body: dict[str, Any] = {"model": asked.model, "input": list(asked.texts)}
    if asked.dimensions is not None:
        body["output_dimension"] = asked.dimensions
    return "/v1/embeddings", body


MISTRAL = Provider(
    name="mistral",
    url="https://api.mistral.ai",
    key_envs=("MISTRAL_API_KEY",),
    headers=bearer,
    max_items=512,
    embed=embed,
    vectors=vectors,
    tokens=tokens,
)
