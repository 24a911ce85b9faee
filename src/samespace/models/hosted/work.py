"""Requests of bounded size, several under way at once."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from samespace.errors import InputError, TooLong
from samespace.models.hosted.http import Endpoint, Refused, check_url, read_key
from samespace.models.hosted.providers import Provider

T = TypeVar("T")

_TOO_MUCH = re.compile(r"token|too (long|many|large)|batch size|at most|context|length", re.I)
"""How providers say that a request or a text is too large; a wrong guess costs a few requests."""
_TOO_LONG = re.compile(r"token|too long|context|length", re.I)


def connect(
    provider: Provider,
    *,
    base_url: str | None,
    api_key_env: str | None,
    timeout: float,
    retries: int,
    concurrency: int,
) -> Endpoint:
    """Return a provider's endpoint, with the key that the environment holds.

    Raises:
        InputError: there is no key, or no usable URL.
        MissingExtra: httpx is not installed.
    """
    names = provider.key_envs if api_key_env is None else (api_key_env,)
    key_env, key = read_key(*names)
    url = base_url or (provider.url_of_key and provider.url_of_key(key)) or provider.url
    check_url(url, provider.url or "https://example.test/v1", query=provider.query)
    if not key and (api_key_env or not base_url):
        raise InputError(
            f"no key for {provider.name}: set the environment variable {' or '.join(names)}"
        )
    return Endpoint(
        url,
        key_env=key_env,
        key=key,
        headers=provider.headers(key) if key else {},
        timeout=timeout,
        attempts=retries + 1,
        concurrency=concurrency,
        again="try again later",
    )


def check_settings(timeout: float, retries: int, concurrency: int) -> None:
    """Raise InputError for what no request can be sent with."""
    if not timeout > 0:
        raise InputError(f"timeout must be above 0 seconds, got {timeout}")
    if retries < 0:
        raise InputError(f"retries must be at least 0, got {retries}")
    if concurrency < 1:
        raise InputError(f"concurrency must be at least 1, got {concurrency}")


def batches(
    counts: Sequence[int], max_items: int, max_request_tokens: int | None
) -> Iterator[list[int]]:
    """Yield the positions of consecutive texts that fit into one request together.

    >>> list(batches([5, 5, 5, 20, 1], max_items=2, max_request_tokens=12))
    [[0, 1], [2], [3], [4]]
    """
    rows: list[int] = []
    tokens = 0
    for i, count in enumerate(counts):
        full = max_request_tokens is not None and tokens + count > max_request_tokens
        if rows and (full or len(rows) == max_items):
            yield rows
            rows, tokens = [], 0
        rows.append(i)
        tokens += count
    if rows:
        yield rows


def in_parallel(
    requests: Iterable[list[int]],
    fetch: Callable[[list[int], threading.Event], T],
    concurrency: int,
) -> Iterator[tuple[list[int], T]]:
    """Yield positions and what was fetched for them, as requests are answered.

    A request that is refused for its size is sent again in halves. When one fails for good, no
    further one is sent, but those under way are yielded before its error is raised.

    Args:
        requests: the positions of each request's texts.
        fetch: sends one request and waits; the event tells it to stop waiting.
        concurrency: how many requests are under way at once.

    Raises:
        TooLong: the provider refuses one text for its length.
        SamespaceError: what `fetch` raised first.
    """
    waiting = deque(requests)
    under_way: dict[Future[T], list[int]] = {}
    failure: BaseException | None = None
    stop = threading.Event()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="samespace-hosted")
    try:
        while under_way or (waiting and not failure):
            while waiting and not failure and len(under_way) < concurrency:
                rows = waiting.popleft()
                under_way[pool.submit(fetch, rows, stop)] = rows
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                rows = under_way.pop(done)
                error = done.exception()
                if error is None:
                    yield rows, done.result()
                elif len(rows) > 1 and _too_much(error):
                    half = len(rows) // 2
                    waiting.extendleft((rows[half:], rows[:half]))
                else:
                    failure = failure or _explained(error, rows)
        if failure:
            raise failure
    finally:
        # Whoever asks no further is not kept waiting for what is under way.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def stopped(stop: threading.Event) -> None:
    """Raise CancelledError once nobody waits for the answer any more."""
    if stop.is_set():
        raise CancelledError


def _too_much(error: BaseException) -> bool:
    if not isinstance(error, Refused):
        return False
    return error.status == 413 or (
        error.status in (400, 422) and bool(_TOO_MUCH.search(error.text))
    )


def _explained(error: BaseException, rows: list[int]) -> BaseException:
    """Return the error to raise: a single text that is refused for its length is TooLong."""
    if isinstance(error, Refused) and _too_much(error) and _TOO_LONG.search(error.text):
        return TooLong(f"text {rows[0]}: {error}. If it is too long, split it into chunks")
    return error
