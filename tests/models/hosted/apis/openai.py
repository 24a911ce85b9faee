"""OpenAI's embeddings, Azure's form of them, and a local server that speaks the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.models.hosted.api import Api, Refused, Row, Served, Wanted, packed, strings


class OpenAi(Api):
    """POST /v1/embeddings.

    Sources: https://platform.openai.com/docs/api-reference/embeddings/create (fields, 2,048
    inputs, 300,000 tokens); the messages as users report them: openai/openai-python#519,
    assafelovic/gpt-researcher#1500, microsoft/PubSec-Info-Assistant#755.
    """

    provider = "openai"
    key_env = "OPENAI_API_KEY"
    models = (
        Served("text-embedding-3-small", 1536, 8192, 2048, (512, 256), 300_000),
        Served("text-embedding-3-large", 3072, 8192, 2048, (1024, 256), 300_000),
    )
    tiny = Served("tiny-openai", 16, 200, 4, (8,), 400)
    packed = True
    too_many = (
        "Invalid 'input': array too long. Expected an array with maximum length {limit}, but got "
        "an array with length {got} instead."
    )
    too_long = (
        "This model's maximum context length is {limit} tokens, however you requested {got} tokens "
        "({got} in your prompt; 0 for the completion). Please reduce your prompt; or completion "
        "length."
    )
    too_much = "Requested {got} tokens, max {limit} tokens per request"

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        if path != "/v1/embeddings" or query:
            raise Refused(404, f"Invalid URL (POST {path})")
        return self.asked(body)

    def asked(self, body: Any) -> Wanted:
        """Check the body."""
        self.fields(
            body,
            {"model": str, "input": (str, list)},
            {"dimensions": int, "encoding_format": ("float", "base64"), "user": str},
        )
        served = self.served(body["model"])
        texts = strings(body["input"], Refused(400, "'$.input' is invalid."))
        dimensions = body.get("dimensions", served.dimensions)
        asked = body.get("encoding_format") == "base64"
        return self.limited(Wanted(served, texts, dimensions=dimensions, base64=asked))

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        used = wanted.used()
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": i, "embedding": packed(row, wanted.base64)}
                for i, row in rows
            ],
            "model": wanted.served.name,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }

    def error(self, status: int, message: str) -> Any:
        kind = {429: "requests", 500: "server_error"}.get(status, "invalid_request_error")
        if "tokens per request" in message:
            kind = "max_tokens_per_request"
        code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class Azure(OpenAi):
    """POST /openai/deployments/{deployment}/embeddings?api-version=...

    Source: https://learn.microsoft.com/azure/ai-services/openai/reference#embeddings: the key is
    in the header api-key, the deployment in the path.
    """

    key_env = "AZURE_OPENAI_API_KEY"
    base = "/openai/deployments/tiny-openai?api-version=2024-10-21"

    def key_sent(self, headers: Mapping[str, str]) -> str:
        return headers.get("api-key", "")

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        found = re.fullmatch(r"/openai/deployments/([^/]+)/embeddings", path)
        if not found:
            raise Refused(404, "Resource not found")
        if not re.fullmatch(r"20\d\d-\d\d-\d\d(-preview)?", query.get("api-version", "")):
            raise Refused(404, "Resource not found: api-version")
        self.served(found[1])
        return self.asked(body)

    def error(self, status: int, message: str) -> Any:
        return {"error": {"code": str(status), "message": message}}


class Local(OpenAi):
    """A server on one's own machine: no key, no base64, no usage; its own form of errors.

    Source: the OpenAI route of https://huggingface.github.io/text-embeddings-inference.
    """

    key = ""
    key_env = ""
    packed = False
    too_many = "batch size {got} > maximum allowed batch size {limit}"
    too_long = "Input validation error: `inputs` must have less than {limit} tokens. Given: {got}"

    def key_sent(self, headers: Mapping[str, str]) -> str:
        return ""

    def asked(self, body: Any) -> Wanted:
        return replace(super().asked(body), base64=False)

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        body = super().embeddings(wanted, rows)
        del body["usage"]
        return body

    def error(self, status: int, message: str) -> Any:
        return {"message": message, "code": status, "type": "Validation"}
