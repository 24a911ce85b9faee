"""Scores from a hosted reranker."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from functools import cached_property

from samespace.errors import InputError, ModelError, TooLong
from samespace.models.catalog import ModelCard
from samespace.models.hosted.budget import Budget, Meter, Usage
from samespace.models.hosted.connection import Connection
from samespace.models.hosted.counting import Counter, counter, usable
from samespace.models.hosted.facts import Given, limits, look_up
from samespace.models.hosted.providers import Ranked
from samespace.models.hosted.providers.base import parsed
from samespace.models.hosted.work import batches, in_parallel
from samespace.models.inputs import OnLongText, check_on_long, check_texts, too_long

_TEXTS_PER_SEARCH = 100
_TOKENS_PER_TEXT = 500
"""Cohere's search: one query with up to 100 texts, a text beyond 500 tokens (the query's
included) counted as several. Source: https://cohere.com/pricing"""


class HostedReranker:
    """Scores texts for a query with a model of Cohere, Voyage or Jina.

    Making one sends nothing and needs no key; see `HostedEmbedder` for how it asks.

    Args:
        model: the name of a model in the catalog, or any that `provider` runs.
        provider: "cohere", "voyage" or "jina"; the catalog's if None.
        base_url: another endpoint, as the provider's own Python client takes it.
        api_key_env: the environment variable that holds the key, or "" for no key. If None, it is
            the provider's usual one, and with a `base_url` it need not be set.
        max_tokens: the window for the query and one text together.
        max_items: how many texts one request may hold.
        max_request_tokens: how many tokens one request may have, the query counted with each
            text.
        price_per_million: US dollars for a million tokens.
        price_per_thousand_searches: US dollars.
        tokenizer: the model's tokenizer.json, or a folder that holds it.
        on_long: what happens to a text beyond the window: "error", or "truncate" by name, which
            needs the tokenizer.
        timeout: seconds for one answer, from the first byte to the last.
        retries: how often a request that failed for a passing reason is sent again.
        concurrency: how many requests are under way at once.
        budget: what may be spent.

    Raises:
        ModelNotFound: the model is not in the catalog and no provider is given.
        InputError: it is no reranker, its window is not known, or a setting cannot be used.

    >>> HostedReranker("rerank-2.5").name
    'rerank-2.5'
    """

    def __init__(
        self,
        model: str | ModelCard,
        *,
        provider: str | None = None,
        base_url: str | None = None,
        api_key_env: str | None = None,
        max_tokens: int | None = None,
        max_items: int | None = None,
        max_request_tokens: int | None = None,
        price_per_million: float | None = None,
        price_per_thousand_searches: float | None = None,
        tokenizer: str | os.PathLike[str] | None = None,
        on_long: OnLongText = "error",
        timeout: float = 60.0,
        retries: int = 5,
        concurrency: int = 4,
        budget: Budget | None = None,
    ) -> None:
        given = Given(
            max_tokens=max_tokens,
            max_items=max_items,
            max_request_tokens=max_request_tokens,
            price_per_million=price_per_million,
            price_per_thousand_searches=price_per_thousand_searches,
        )
        check_on_long(on_long)
        self._name, card, self._provider = look_up(model, provider)
        if card and "cross-encoder" not in card.kinds:
            raise InputError(f"{self._name} is no reranker: it is of kind {', '.join(card.kinds)}")
        if not self._provider.rerank:
            raise InputError(f"{self._provider.name} runs no rerankers that samespace knows")
        self._limits = limits(self._name, card, self._provider, given)
        self._connection = Connection(
            self._provider,
            card,
            base_url=base_url,
            api_key_env=api_key_env,
            timeout=timeout,
            retries=retries,
            concurrency=concurrency,
        )
        self._tokenizer = tokenizer
        self._on_long = on_long
        self._meter = Meter(
            self._limits.price_per_million, self._limits.price_per_thousand_searches, budget
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def usage(self) -> Usage:
        """What was asked of the provider through this object."""
        return self._meter.usage

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one finite score per text, in the order of the texts; higher answers better.

        Raises:
            InputError: the query or a text is blank, is not a string, or holds lone surrogates;
                there is no key; or the provider refuses the request.
            TooLong: the query, or a text with it, exceeds the window and `on_long` is "error".
            BudgetExceeded: the next request would pass the budget.
            ModelError: the provider cannot be reached, or fails again and again.
            MissingExtra: httpx is not installed.
        """
        (asked,) = check_texts([query], blank=False)
        checked = check_texts(texts, blank=False)
        if not checked:
            return []
        counts = self._counts
        window = self._window
        part = int(window * self._provider.query_part)
        (of_query,) = counts.count([asked])
        if of_query > part:
            if self._on_long == "error":
                raise TooLong(
                    f"the query takes {of_query} tokens, but {self._name} reads {part} of it. "
                    "Shorten it"
                )
            asked, of_query = counts.cut(asked, part), part
        tokens = [of_query + each for each in counts.count(checked)]
        for i, together in enumerate(tokens):
            if together > window:
                checked[i] = self._cut(checked[i], i, together, of_query)
                tokens[i] = window
        scores = [0.0] * len(checked)
        for rows, found in in_parallel(
            batches(tokens, self._limits.max_items, self._limits.max_request_tokens),
            lambda rows, stop: self._fetch(
                asked, [checked[i] for i in rows], [tokens[i] for i in rows], stop
            ),
            self._connection.concurrency,
        ):
            for row, score in zip(rows, found, strict=True):
                scores[row] = score
        return scores

    def _fetch(
        self, query: str, texts: Sequence[str], tokens: Sequence[int], stop: threading.Event
    ) -> list[float]:
        provider = self._provider
        if not provider.rerank or not provider.scores:
            raise InputError(f"{provider.name} runs no rerankers that samespace knows")
        scored = provider.scores
        path, body = provider.rerank(Ranked(self._name, query, texts, self._limits.max_tokens))
        pieces = sum(math.ceil(each / _TOKENS_PER_TEXT) for each in tokens)
        with self._meter.charge(sum(tokens), math.ceil(pieces / _TEXTS_PER_SEARCH)) as charge:

            def read(text: str) -> list[float]:
                answer = parsed(text)
                charge.taken(provider.tokens(answer), provider.searches(answer))
                scores = scored(answer, len(texts))
                if not all(map(math.isfinite, scores)):
                    raise ModelError(f"{self._name} answered with a score that is no number")
                return scores

            return self._connection.ask(path, body, read, charge, stop)

    def _cut(self, text: str, index: int, together: int, of_query: int) -> str:
        window = self._window
        if self._on_long == "error":
            raise too_long(index, together, window, self._name)
        cut = self._counts.cut(text, window - of_query)
        if not cut.strip():
            raise InputError(f"the query fills the window of {window} tokens: shorten it")
        return cut

    @property
    def _window(self) -> int:
        whole = self._limits.max_tokens
        return usable(whole, self._counts) if self._provider.cuts_ranked else whole

    @cached_property
    def _counts(self) -> Counter:
        return counter(self._name, self._tokenizer)

    def __repr__(self) -> str:
        return f"<HostedReranker {self._name}>"
