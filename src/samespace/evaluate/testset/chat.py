"""A language model behind any OpenAI-compatible endpoint: POST {base}/chat/completions.

The key is read from the environment and goes into one header; it is in no file, no log and no
error. Every answer is kept in a journal on disk under a digest of what was asked, so that an
interrupted run asks nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from samespace.errors import InputError, ModelError
from samespace.evaluate.testset.lines import Lines
from samespace.models.hosted.http import Endpoint, check_url, import_httpx, read_key

Message = Mapping[str, str]

ATTEMPTS = 6
LARGEST = 2**24
"""Bytes of an answer; a longer one is none."""
_PATH = "/chat/completions"
TOKENS = ("prompt_tokens", "completion_tokens")


class BudgetSpent(Exception):
    """As many requests were sent as were allowed."""


class Journal:
    """What a model answered, by the digest of the request, on disk."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._lines = Lines(path)
        self._answers = {}
        for number, entry in enumerate(self._lines.read, 1):
            if not {"request", "content", *TOKENS} <= set(entry):
                raise InputError(f"{path}:{number}: expected an answer of a model, got {entry}")
            self._answers[entry["request"]] = entry

    def get(self, request: str) -> dict[str, Any] | None:
        """Return what was answered to a request before, or None."""
        with self._lock:
            return self._answers.get(request)

    def put(self, entry: dict[str, Any]) -> None:
        """Keep an answer; it is on disk when this returns."""
        with self._lock:
            self._lines.append(entry)
            self._answers[entry["request"]] = entry

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class Chat:
    """Asks one model, from several threads if need be, and counts what it takes.

    Args:
        url: the base of the endpoint, such as https://api.openai.com/v1.
        model: the name of the model there.
        journal: where answers are kept.
        key_env: the environment variable that holds the key; an endpoint on one's own machine
            may need none.
        seed: sent with every request, as temperature 0 is.
        max_calls: requests to send at most, attempts that failed included.
        timeout: seconds to wait for an answer, from its first byte to its last as well.

    Attributes:
        calls: requests sent.
        usage: tokens of all answers that were used, those of the journal included, as the
            endpoint reported them.
    """

    def __init__(
        self,
        url: str,
        model: str,
        journal: Journal,
        *,
        key_env: str = "OPENAI_API_KEY",
        seed: int = 0,
        max_calls: int | None = None,
        timeout: float = 120.0,
    ) -> None:
        import_httpx("asking a language model")
        check_url(url, "https://api.openai.com/v1")
        self.url = url.rstrip("/").removesuffix(_PATH)
        self.model = model
        self.calls = 0
        self.usage = {"answers": 0, **dict.fromkeys(TOKENS, 0)}
        self._seed = seed
        self._max_calls = max_calls
        self._journal = journal
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        key_env, key = read_key(key_env)
        self._endpoint = Endpoint(
            self.url,
            key_env=key_env,
            key=key,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout,
            attempts=ATTEMPTS,
            again="run the same command again, it goes on from here",
            largest=LARGEST,
        )

    def __enter__(self) -> Chat:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._endpoint.close()

    def ask(self, messages: Sequence[Message]) -> str:
        """Return the model's answer.

        Raises:
            BudgetSpent: it was not asked before, and no more requests may be sent.
            InputError: the endpoint refuses the request, the key or the model.
            ModelError: the endpoint cannot be reached, or fails again and again.
        """
        body = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": 0,
            "seed": self._seed,
        }
        canonical = json.dumps([self.url, body], sort_keys=True)
        request = hashlib.sha256(canonical.encode("ascii")).hexdigest()
        entry = self._journal.get(request)
        if entry is None:
            answer = self._endpoint.ask(
                _PATH, body, _content, stop=self._stopped, sending=self._count
            )
            entry = {"request": request, **answer}
            self._journal.put(entry)
        with self._lock:
            self.usage["answers"] += 1
            for name in TOKENS:
                self.usage[name] += entry[name]
        content: str = entry["content"]
        return content

    def _count(self) -> None:
        with self._lock:
            spent = self._max_calls is not None and self.calls >= self._max_calls
            if spent or self._stopped.is_set():
                raise BudgetSpent
            self.calls += 1


def _content(text: str) -> dict[str, Any]:
    """Return the first choice's text and the tokens it took.

    Raises:
        ModelError: it has none.
    """
    try:
        answer = json.loads(text)
        content = answer["choices"][0]["message"]["content"]
        usage = answer.get("usage") or {}
        if isinstance(content, str):
            return {"content": content, **{name: int(usage.get(name) or 0) for name in TOKENS}}
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
        pass
    raise ModelError(f"no chat completion in the answer: {text}")
