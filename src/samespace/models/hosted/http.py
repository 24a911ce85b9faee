"""An HTTP endpoint that is asked by POST, and asked again while there is hope.

Keys are read from the environment and go into one header; they are in no file, no log and no
error, not even where the endpoint repeats them.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from samespace.errors import InputError, MissingExtra, ModelError, SamespaceError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

FIRST_WAIT = 1.0
"""Seconds at most before the second attempt, doubled for each further one."""
LONGEST_WAIT = 60.0
LONGEST_ASKED = 120.0
"""Seconds that an endpoint may ask to wait; whoever asks for more is not waited for."""
LARGEST = 2**28
"""Bytes of an answer; a longer one is none."""
UNUSABLE = 3
"""How many answers that cannot be used are enough: they cost money, as good ones do."""
_PASSING = frozenset({408, 409, 425, 429})
_SHOWN = 300
_RETRY_DELAY = re.compile(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"')


Slots = AbstractContextManager[Any]


class Refused(InputError):
    """The endpoint refuses a request, and would again.

    Attributes:
        status: the status of its reply.
        text: the reply's text.
    """

    def __init__(self, message: str, status: int, text: str) -> None:
        super().__init__(message)
        self.status = status
        self.text = text


def read_key(*variables: str) -> tuple[str, str]:
    """Return the first environment variable that holds a key, and the key.

    Where none does, the first variable and "".

    Raises:
        InputError: it holds what no header can.
    """
    for variable in variables:
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise InputError(
                f"the key in the environment variable {variable} holds a line break or another "
                "character that no key has; set it again"
            )
        if key:
            return variable, key
    return variables[0], ""


def check_url(url: str, example: str, *, query: frozenset[str] = frozenset()) -> None:
    """Raise InputError unless it is the base URL of an endpoint, without secrets in it.

    Args:
        url: what was given.
        example: one that is right, for the message.
        query: the parameters that it may have.
    """
    import_httpx("asking a hosted model")
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"the URL of the endpoint cannot be read: {error}") from error
    known = parsed.scheme in ("http", "https") and parsed.host
    if parsed.userinfo or not set(parsed.params) <= query or ("@" in url and not known):
        raise InputError(
            "the URL of the endpoint holds a name, a password or a query, and it is written "
            "down in messages and files; put the key into an environment variable"
        )
    if not known:
        raise InputError(f"expected the base URL of an endpoint, such as {example}, got {url!r}")


def import_httpx(purpose: str) -> None:
    """Raise MissingExtra where httpx is not installed."""
    try:
        import httpx  # noqa: F401
    except ImportError as error:
        raise MissingExtra("httpx", "hosted", purpose) from error


class Endpoint:
    """Where one key opens; safe to ask from several threads.

    Args:
        url: the base URL, checked.
        key_env: the environment variable of the key, for messages.
        key: the key, or "" for none.
        headers: sent with each request; the key is in them.
        timeout: seconds to wait for an answer, from its first byte to its last as well.
        attempts: how often a request is sent at most.
        again: what to do where all was in vain, for messages.
        concurrency: how many requests are under way at once; None for as many as are asked.
        largest: see `LARGEST`.
    """

    def __init__(
        self,
        url: str,
        *,
        key_env: str,
        key: str,
        headers: Mapping[str, str],
        timeout: float,
        attempts: int,
        again: str,
        concurrency: int | None = None,
        largest: int | None = None,
    ) -> None:
        self.url = url
        self._key_env = key_env
        self._key = key
        self._headers = dict(headers)
        self._timeout = timeout
        self._attempts = attempts
        self._again = again
        self._largest = LARGEST if largest is None else largest
        self._concurrency = concurrency
        # As it may come back: in a JSON string or an address as well.
        self._secrets = {key, key.replace("/", r"\/"), quote(key), quote(key, safe="")} - {""}
        self._lock = threading.Lock()
        self._open: dict[int, tuple[httpx.Client, Slots]] = {}

    def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[str], T],
        *,
        stop: threading.Event,
        sending: Callable[[], None],
        lost: Callable[[], None] = lambda: None,
    ) -> T:
        """Send a request until its answer can be read or there is no more hope.

        Args:
            path: put behind the base URL's own.
            body: sent as JSON.
            read: makes of an answer's text what is returned; raises a SamespaceError for an
                answer that cannot be used.
            stop: ends waiting.
            sending: called at the turn of each attempt; what it raises ends the asking.
            lost: called after an attempt that broke off when the request may have been served.

        Raises:
            Refused: the endpoint refuses the request, the key or the model.
            ModelError: the endpoint cannot be reached, or fails again and again.
            InputError: the environment names a proxy or certificates that cannot be used.
            SamespaceError: what `read` raised last.
        """
        import httpx

        client, slots = self._opened()
        wait, unusable, failure = 0.0, 0, ""
        kind: type[SamespaceError] = ModelError
        for attempt in range(self._attempts):
            if attempt:
                stop.wait(wait)
            wait = random.uniform(0, min(FIRST_WAIT * 2**attempt, LONGEST_WAIT))
            try:
                with slots:
                    sending()
                    status, headers, text = self._post(client, path, body)
            except httpx.RequestError as error:
                failure, kind = f"{type(error).__name__}: {self._shown(str(error))}", ModelError
                if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    lost()
                continue
            if status == 200:
                try:
                    return read(text)
                except SamespaceError as error:
                    failure, kind = self._shown(str(error)), type(error)
                unusable += 1
                if unusable == UNUSABLE:
                    break
                continue
            failure, kind = f"status {status}: {self._shown(text)}", ModelError
            passing = status in _PASSING or status >= 500
            if not passing or headers.get("x-should-retry") == "false":
                remedy = self._remedy(status, headers)
                message = f"{self.url} refuses ({failure}){remedy}"
                raise Refused(message, status, self._hidden(text))
            asked = retry_after(headers, text)
            if asked > LONGEST_ASKED:
                raise ModelError(f"{self.url} asks to wait {asked:.0f} s; {self._again}")
            if asked:
                # Not all at the same moment, when they were sent away together.
                wait = asked + min(wait, FIRST_WAIT)
        raise kind(
            f"{self.url} did not answer in {attempt + 1} attempts ({failure}); {self._again}"
        )

    def close(self) -> None:
        """Close this process's connections."""
        with self._lock:
            opened = self._open.pop(os.getpid(), None)
        if opened:
            opened[0].close()

    def _post(
        self, client: httpx.Client, path: str, body: Mapping[str, Any]
    ) -> tuple[int, httpx.Headers, str]:
        """Return status, headers and text of a reply, which may not go on for ever."""
        import httpx

        url = httpx.URL(self.url)
        content = bytearray()
        deadline = time.monotonic() + self._timeout
        with client.stream(
            "POST", url.copy_with(path=url.path.rstrip("/") + path), json=body
        ) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > self._largest or time.monotonic() > deadline:
                    raise httpx.ReadError(f"the answer has no end after {len(content):,} bytes")
        return response.status_code, response.headers, content.decode("utf-8", "replace")

    def _opened(self) -> tuple[httpx.Client, Slots]:
        """Return this process's connections and turns: a fork does not share its parent's."""
        import httpx

        with self._lock:
            here = os.getpid()
            if here not in self._open:
                try:
                    client = httpx.Client(headers=self._headers, timeout=self._timeout)
                except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
                    raise InputError(
                        "the environment (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, ...) names a "
                        f"proxy or certificates that cannot be used: {self._shown(str(error))}"
                    ) from error
                turns = self._concurrency
                slots: Slots = threading.Semaphore(turns) if turns else nullcontext()
                self._open[here] = client, slots
            return self._open[here]

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
        return "".join(c if c.isprintable() else " " for c in self._hidden(text)[:_SHOWN]).strip()

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def retry_after(headers: httpx.Headers, text: str = "") -> float:
    """Return the seconds that a reply asks to wait; 0 where it does not say.

    `Retry-After` is a number or a date (RFC 9110, 10.2.3); `retry-after-ms`, of OpenAI and
    Azure, is finer and goes first. Gemini has it in the reply's text (google.rpc.RetryInfo).
    """
    with suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    value = headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    delay = _RETRY_DELAY.search(text)
    return float(delay[1]) if delay else 0.0
