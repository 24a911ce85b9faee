"""Scores from a hosted reranker."""

from __future__ import annotations

import os
from collections.abc import Sequence

from samespace.models.catalog import ModelCard
from samespace.models.hosted.budget import Budget, Usage
from samespace.models.inputs import OnLongText


class HostedReranker:
    """Scores texts for a query with a model of Cohere, Voyage or Jina.

    Args:
        model: the name of a model in the catalog, or any that `provider` runs.
        provider: "cohere", "voyage" or "jina"; the catalog's if None.
        base_url: another endpoint, as the provider's own Python client takes it.
        api_key_env: the environment variable that holds the key; the provider's usual one if
            None. With a `base_url`, a key that is not set is not sent.
        max_tokens: the window for the query and one text together.
        max_items: how many texts one request may hold.
        max_request_tokens: how many tokens one request may have, the query counted with each
            text.
        price_per_million: US dollars for a million tokens.
        price_per_thousand_searches: US dollars.
        tokenizer: the model's tokenizer.json, or a folder that holds it: counts are exact then.
        on_long: what happens to a text beyond the window: "error", or "truncate" by name.
        timeout: seconds for one answer, from the first byte to the last.
        retries: how often a request that failed for a passing reason is sent again.
        concurrency: how many requests are under way at once.
        budget: what may be spent.
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
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The model's name."""
        raise NotImplementedError

    @property
    def usage(self) -> Usage:
        """What was asked of the provider through this object."""
        raise NotImplementedError

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one finite score per text, in the order of the texts; higher answers better."""
        raise NotImplementedError
