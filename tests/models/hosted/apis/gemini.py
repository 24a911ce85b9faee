"""Gemini's batchEmbedContents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.models.hosted.api import Api, Refused, Row, Served, Wanted

_TASKS = (
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "RETRIEVAL_DOCUMENT",
    "RETRIEVAL_QUERY",
    "CODE_RETRIEVAL_QUERY",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
)


class Gemini(Api):
    """POST /v1beta/models/{model}:batchEmbedContents, or /v1: embeddings are in both.

    Sources: https://ai.google.dev/api/embeddings and /gemini-api/docs/embeddings (fields, task
    types, shortened vectors are not normalized); 100 contents as users report it:
    langchain-ai/langchainjs#4491. A text beyond the window is cut and nothing says so. Embeddings
    carry no index: they come in the order of the requests.
    """

    provider = "gemini"
    key_env = "GEMINI_API_KEY"
    kinds: Mapping[str, str] = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
    models = (Served("gemini-embedding-001", 3072, 2048, 100, (1536, 768)),)
    tiny = Served("gemini-embedding-001-tiny", 16, 200, 4, (8,))
    base = ""
    indexed = False
    too_many = (
        "* BatchEmbedContentsRequest.requests: at most {limit} requests can be in one batch\n"
    )

    def key_sent(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-goog-api-key", "")

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        found = re.fullmatch(r"/v1(?:beta)?/models/([^/:]+):batchEmbedContents", path)
        if not found or query:
            raise Refused(404, f"path {path} was not found")
        served = self.served(found[1])
        self.fields(body, {"requests": list})
        parsed = [self._one(request, served) for request in body["requests"]]
        kinds = {(kind, dimensions) for _, kind, dimensions in parsed}
        if len(kinds) != 1:
            raise Refused(400, "expected requests of one task type and width")
        ((kind, dimensions),) = kinds
        wanted = Wanted(
            served,
            tuple(text for text, _, _ in parsed),
            kind,
            dimensions,
            normalized=dimensions == served.dimensions,
        )
        return self.limited(wanted, cuts=True)

    def _one(self, request: Any, served: Served) -> tuple[str, str, int]:
        self.fields(
            request,
            {"model": f"models/{served.name}", "content": dict},
            {"taskType": _TASKS, "title": str, "outputDimensionality": int},
        )
        self.fields(request["content"], {"parts": list}, {"role": "user"})
        if len(request["content"]["parts"]) != 1:
            raise Refused(400, "expected one part")
        self.fields(request["content"]["parts"][0], {"text": str})
        return (
            request["content"]["parts"][0]["text"],
            request.get("taskType", ""),
            request.get("outputDimensionality", served.dimensions),
        )

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        return {"embeddings": [{"values": list(row)} for _, row in rows]}

    def error(self, status: int, message: str) -> Any:
        names = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        name = names.get(status, "INTERNAL" if status >= 500 else "PERMISSION_DENIED")
        return {"error": {"code": status, "message": message, "status": name}}
