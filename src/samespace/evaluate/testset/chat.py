"""A language model behind any OpenAI-compatible endpoint: POST {base}/chat/completions.

The key is read from the environment and goes into one header; it is in no file, no log and no
error. Every answer is kept in a journal on disk under a digest of what was asked, so that an
interrupted run asks nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from samespace.errors import InputError, MissingExtra, ModelError
from samespace.evaluate.testset.lines import Lines

if TYPE_CHECKING:
    import httpx

Message = Mapping[str, str]

ATTEMPTS = 6
FIRST_WAIT = 1.0
"""Seconds before the second attempt, doubled for each further one, times 0.5 to 1 by chance."""
LONGEST_WAIT = 120.0
LARGEST = 2**24
"""Bytes of an answer; a longer one is none."""
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_SHOWN = 300
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
        try:
            import httpx
        except ImportError as error:
            raise MissingExtra("httpx", "hosted", "asking a language model") from error
        self.url = _endpoint(url)
        self.model = model
        self.calls = 0
        self.usage = {"answers": 0, **dict.fromkeys(TOKENS, 0)}
        self._seed = seed
        self._max_calls = max_calls
        self._journal = journal
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._key = os.environ.get(key_env, "").strip()
        self._key_env = key_env
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError(
                f"the key in the environment variable {key_env} holds a line break or another "
                "character that no key has; set it again"
            )
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._timeout = timeout
        self._client = httpx.Client(headers=headers, timeout=timeout)

    def __enter__(self) -> Chat:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._client.close()

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
            entry = {"request": request, **self._answered(body)}
            self._journal.put(entry)
        with self._lock:
            self.usage["answers"] += 1
            for name in TOKENS:
                self.usage[name] += entry[name]
        content: str = entry["content"]
        return content

    def _answered(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request until it is answered or there is no more hope."""
        import httpx

        wait = FIRST_WAIT
        failure = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._stopped.wait(wait)
                wait = FIRST_WAIT * 2**attempt * random.uniform(0.5, 1)
            self._count()
            try:
                status, headers, text = self._post(body)
            except httpx.RequestError as error:
                failure = f"{type(error).__name__}: {error}"
                continue
            if status == 200:
                answer = _content(text)
                if answer is not None:
                    return answer
                failure = f"no chat completion in the answer: {self._shown(text)}"
                continue
            failure = f"status {status}: {self._shown(text)}"
            if status not in _PASSING:
                remedy = self._remedy(status, headers)
                raise InputError(f"{self.url} refuses ({failure}){remedy}")
            asked = _retry_after(headers)
            if asked > LONGEST_WAIT:
                raise ModelError(
                    f"{self.url} asks to wait {asked:.0f} s; run the same command later, it goes "
                    "on from here"
                )
            wait = max(wait, asked)
        raise ModelError(
            f"{self.url} did not answer in {ATTEMPTS} attempts ({failure}); run the same "
            "command again, it goes on from here"
        )

    def _post(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, str]:
        """Return status, headers and text of a reply, which may not go on for ever."""
        import httpx

        content = bytearray()
        deadline = time.monotonic() + self._timeout
        with self._client.stream("POST", f"{self.url}/chat/completions", json=body) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > LARGEST or time.monotonic() > deadline:
                    raise httpx.ReadError(f"the answer has no end after {len(content):,} bytes")
        return response.status_code, response.headers, content.decode("utf-8", "replace")

    def _count(self) -> None:
        with self._lock:
            spent = self._max_calls is not None and self.calls >= self._max_calls
            if spent or self._stopped.is_set():
                raise BudgetSpent
            self.calls += 1

    def _remedy(self, status: int, headers: httpx.Headers) -> str:
        if status in (401, 403):
            seen = "was sent" if self._key else "is not set"
            return f"; the key in the environment variable {self._key_env} {seen}"
        if "location" in headers:
            place = self._shown(headers["location"])
            return f"; it points to {place}, where nothing was sent: give that URL if you trust it"
        return ""

    def _shown(self, text: str) -> str:
        """Return the beginning of a reply for a message, without the key it may repeat."""
        hidden = text.replace(self._key, "***") if self._key else text
        return "".join(c if c.isprintable() else " " for c in hidden[:_SHOWN]).strip()


def _endpoint(url: str) -> str:
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"the URL of the endpoint cannot be read: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(
            f"expected the base URL of an endpoint, such as https://api.openai.com/v1, got {url!r}"
        )
    if parsed.userinfo or parsed.query:
        raise InputError(
            "the URL of the endpoint holds a name, a password or a query, and it is written "
            "down with the test set; put the key into an environment variable (--key-env)"
        )
    return url.rstrip("/").removesuffix("/chat/completions")


def _content(text: str) -> dict[str, Any] | None:
    """Return the first choice's text and the tokens it took, or None if it has none."""
    try:
        answer = json.loads(text)
        content = answer["choices"][0]["message"]["content"]
        usage = answer.get("usage") or {}
        if not isinstance(content, str):
            return None
        counts = {name: int(usage.get(name) or 0) for name in TOKENS}
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
        return None
    return {"content": content, **counts}


def _retry_after(headers: httpx.Headers) -> float:
    """Return the seconds of a Retry-After header: a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return 0.0
