"""How a provider is reached: where, with whose key, how patiently, and on whose account."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from samespace.errors import InputError
from samespace.models.catalog import ModelCard
from samespace.models.hosted.budget import Charge
from samespace.models.hosted.http import Endpoint, check_url, read_key
from samespace.models.hosted.providers import Provider

T = TypeVar("T")


class Connection:
    """One provider, as one embedder or reranker reaches it; made at the first request.

    Args:
        provider: whose interface it has.
        card: the catalog's entry of the model: its address and key go before the provider's.
        base_url: another address.
        api_key_env: another variable for the key, "" for no key.
        timeout: seconds for one answer.
        retries: how often a request that failed for a passing reason is sent again.
        concurrency: how many requests are under way at once.

    Attributes:
        concurrency: as given.
        elsewhere: whether it is reached at another address than its provider's own.

    Raises:
        InputError: a setting cannot be used.
    """

    def __init__(
        self,
        provider: Provider,
        card: ModelCard | None,
        *,
        base_url: str | None,
        api_key_env: str | None,
        timeout: float,
        retries: int,
        concurrency: int,
    ) -> None:
        # "not >" so that NaN is refused as well.
        if not timeout > 0:
            raise InputError(f"timeout must be above 0 seconds, got {timeout}")
        if retries < 0:
            raise InputError(f"retries must be at least 0, got {retries}")
        if concurrency < 1:
            raise InputError(f"concurrency must be at least 1, got {concurrency}")
        self.concurrency = concurrency
        self._provider = provider
        self._base_url = base_url or (card.base_url if card else "")
        self.elsewhere = bool(self._base_url)
        if not provider.url and not self._base_url:
            raise InputError(
                f"{provider.name} has another address for each customer: give base_url=, such as "
                f"{provider.example}"
            )
        self._api_key_env = (card.key_variable if card else "") or None
        if api_key_env is not None:
            self._api_key_env = api_key_env
        self._timeout = timeout
        self._attempts = retries + 1
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None

    def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[str], T],
        charge: Charge,
        stop: threading.Event,
    ) -> T:
        """Return what `read` makes of the answer; see `Endpoint.ask`.

        Args:
            path: where it is asked.
            body: what is asked.
            read: makes of an answer's text what is returned.
            charge: the account of the request.
            stop: ends the asking: nobody waits for the answer any more.
        """

        def sending() -> None:
            if stop.is_set():
                raise CancelledError
            charge.sending()

        return self._made().ask(path, body, read, stop=stop, sending=sending, lost=charge.taken)

    def _made(self) -> Endpoint:
        with self._lock:
            if self._endpoint is None:
                self._endpoint = self._make()
            return self._endpoint

    def _make(self) -> Endpoint:
        """Make the endpoint, with the key that the environment holds now."""
        provider = self._provider
        names = provider.key_envs if self._api_key_env is None else (self._api_key_env,)
        key_env, key = read_key(*names)
        url = self._base_url or (provider.url_of_key and provider.url_of_key(key)) or provider.url
        check_url(url, provider.url or provider.example, query=provider.query)
        if not key and (self._api_key_env or not self._base_url):
            raise InputError(
                f"no key for {provider.name}: set the environment variable {' or '.join(names)}"
            )
        return Endpoint(
            url,
            key_env=key_env,
            key=key,
            headers=provider.headers(key) if key else {},
            timeout=self._timeout,
            attempts=self._attempts,
            concurrency=self.concurrency,
            again="try again later",
        )
