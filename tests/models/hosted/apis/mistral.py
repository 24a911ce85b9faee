"""Mistral's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.models.hosted.api import Api, Refused, Row, Served, Wanted, strings


class Mistral(Api):
    """POST /v1/embeddings.

    Sources: https://docs.mistral.ai/api/#tag/embeddings (fields); the limits as users report
    them: aurelio-labs/semantic-router#297 (16,384 tokens), raphaelmansuy/edgequake-llm#74 (512
    inputs).
    """

    provider = "mistral"
    key_env = "MISTRAL_API_KEY"
    models = (Served("mistral-embed", 1024, 8192, 512, (), 16_384),)
    tiny = Served("tiny-mistral", 16, 200, 4, (8,), 400)
    base = ""
    invalid = 422
    too_many = "Too many inputs in request, split into more batches."
    too_long = "Input id 0 has {got} tokens, exceeding max {limit} tokens."
    too_much = "Too many tokens in batch. Max is {limit} got {got}"

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        if path != "/v1/embeddings":
            raise Refused(404, "no Route matched with those values")
        self.fields(
            body,
            {"model": str, "input": (str, list)},
            {
                "metadata": (None, dict),
                "output_dimension": (None, int),
                "output_dtype": "float",
                "encoding_format": "float",
            },
        )
        served = self.served(body["model"])
        texts = strings(body["input"], Refused(422, "input: Input should be a valid string"))
        dimensions = body.get("output_dimension") or served.dimensions
        return self.limited(Wanted(served, texts, dimensions=dimensions))

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        used = wanted.used()
        return {
            "id": "embd-0123456789",
            "object": "list",
            "data": [
                {"object": "embedding", "embedding": list(row), "index": i} for i, row in rows
            ],
            "model": wanted.served.name,
            "usage": {"prompt_tokens": used, "completion_tokens": 0, "total_tokens": used},
        }

    def error(self, status: int, message: str) -> Any:
        if status == 401:
            return {"message": message, "request_id": "0123456789"}
        if status == 422:
            return {"detail": [{"type": "invalid", "loc": ["body"], "msg": message}]}
        return {
            "object": "error",
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": "3210" if "Too many" in message else None,
        }
