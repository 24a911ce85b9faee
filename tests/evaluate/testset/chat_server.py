"""A chat completions endpoint on the loopback: strict about requests, simple about answers.

It enforces the documented contract of POST /v1/chat/completions (method, path, authorization,
content type, required fields, types, no unknown ones) and answers in the documented shape. The
"model" behind it works by words: it asks for the rare words of a passage, quotes a line that
holds them, and finds an answer elsewhere where all of them stand.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import JsonHandler, Loopback, serving

KEY = "sk-test-of-the-loopback"
MODEL = "words-1"
_FIELDS = {
    "model": str,
    "messages": list,
    "temperature": int | float,
    "seed": int,
    "stream": bool,
    "n": int,
}


class Endpoint(Loopback):
    """The server, with what it was asked.

    Attributes:
        requests: bodies of the requests that were answered with status 200, in order.
        failures: what the next requests get instead of an answer: "429", "500", "malformed".
        seconds: how long an answer takes.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.requests: list[dict[str, Any]] = []
        self.failures: list[str] = []
        self.failed: list[str] = []
        self.seconds = 0.0

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Run the server in a thread."""
    with serving(Endpoint()) as server:
        yield server


class _Handler(JsonHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self._refuse(405, "use POST")

    def do_POST(self) -> None:
        data = self.read()
        if self.path != "/v1/chat/completions":
            return self._refuse(404, f"no such path: {self.path}")
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            sent = self.headers.get("Authorization", "")
            return self._refuse(401, f"incorrect API key provided: {sent}")
        if self.headers.get("Content-Type") != "application/json":
            return self._refuse(400, "expected application/json")
        body = json.loads(data)
        problem = _problem(body)
        if problem:
            return self._refuse(400, problem)
        with self.server.lock:
            failure = self.server.failures.pop(0) if self.server.failures else ""
            if failure:
                self.server.failed.append(failure)
        if failure == "429":
            return self._refuse(429, "rate limit", {"Retry-After": "1"})
        if failure == "500":
            return self._refuse(500, "internal error")
        time.sleep(self.server.seconds)
        content = "Sure! Here it is." if failure == "malformed" else _reply(body["messages"])
        with self.server.lock:
            self.server.requests.append(body)
        prompt = sum(len(message["content"].split()) for message in body["messages"])
        said = len(content.split())
        self.send_json(
            200,
            {
                "id": f"chatcmpl-{len(self.server.requests)}",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": content, "refusal": None},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": prompt,
                    "completion_tokens": said,
                    "total_tokens": prompt + said,
                },
            },
        )
        return None

    def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self.send_json(status, {"error": error}, headers)


def _problem(body: Any) -> str:
    """Return what is wrong with a request; "" if nothing is."""
    if not isinstance(body, dict):
        return "expected an object"
    for name, value in body.items():
        if name not in _FIELDS:
            return f"unknown field: {name}"
        if not isinstance(value, _FIELDS[name]):  # type: ignore[arg-type]
            return f"wrong type: {name}"
    if body.get("model") != MODEL:
        return f"the model {body.get('model')!r} does not exist"
    if not body.get("messages"):
        return "messages is required"
    if not 0 <= body.get("temperature", 1) <= 2:
        return "temperature lies between 0 and 2"
    for message in body["messages"]:
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            return "a message has a role and a content"
        if message["role"] not in ("system", "user", "assistant"):
            return f"no such role: {message['role']}"
        if not isinstance(message["content"], str):
            return "the content is a string"
    return ""


def _reply(messages: list[dict[str, str]]) -> str:
    """Do what the first prompt asks for, by words."""
    prompt = messages[1]["content"]
    passages = re.findall(r"<passage>\n(.*?)\n</passage>", prompt, re.DOTALL)
    asked = re.search(r"^Question: (.*)$", prompt, re.MULTILINE)
    if asked is None:
        words = sorted(set(re.findall(r"\w{5,}", passages[0])), key=lambda w: (-len(w), w))
        return json.dumps({"question": f"what about {' and '.join(words[:3])}?" if words else None})
    wanted = set(re.findall(r"\w{5,}", asked[1].casefold())) - {"about"}
    if '"answered"' in prompt:
        whole = [wanted <= set(re.findall(r"\w{5,}", text.casefold())) for text in passages]
        return json.dumps({"answered": any(whole)})
    lines = [line for line in passages[0].split("\n") if wanted & set(line.casefold().split())]
    return json.dumps({"quote": lines[0].strip() if lines else None})
