"""Vectors from a hosted model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from samespace.models.catalog import ModelCard
from samespace.models.hosted.budget import Budget, Usage
from samespace.models.inputs import OnLongText
from samespace.space import Metric, Space, Vectors
from samespace.types import Role


class HostedEmbedder:
    """Embeds texts with a model behind an HTTP interface.

    Args:
        model: the name of a model in the catalog, or any that `provider` runs.
        provider: "openai", "azure", "cohere", "voyage", "gemini", "mistral" or "jina"; the
            catalog's if None. Whatever speaks OpenAI's protocol is "openai" with a `base_url`.
        base_url: another endpoint, as the provider's own Python client takes it; for Azure
            https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=VERSION.
        served_name: how the endpoint calls the model, where that is not the model's name.
        api_key_env: the environment variable that holds the key; the provider's usual one if
            None. With a `base_url`, a key that is not set is not sent.
        dimensions: how many to ask for (Matryoshka), of those that the model was trained for.
            For a model that is not in the catalog: how many it puts out.
        native_dimensions: for a model that is not in the catalog: how many it puts out where
            `dimensions` asks for fewer.
        max_tokens: the window.
        normalized: whether its vectors have length 1.
        metric: how they are compared.
        prompts: what is put before a text, for each role; {} for nothing.
        input_types: what the provider is told about a text, for each role.
        max_items: how many texts one request may hold.
        max_request_tokens: how many tokens all texts of one request may have.
        price_per_million: US dollars for a million tokens.
        tokenizer: the model's tokenizer.json, or a folder that holds it: counts are exact then.
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
        served_name: str | None = None,
        api_key_env: str | None = None,
        dimensions: int | None = None,
        native_dimensions: int | None = None,
        max_tokens: int | None = None,
        normalized: bool | None = None,
        metric: Metric | None = None,
        prompts: Mapping[Role, str] | None = None,
        input_types: Mapping[Role, str] | None = None,
        max_items: int | None = None,
        max_request_tokens: int | None = None,
        price_per_million: float | None = None,
        tokenizer: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        concurrency: int = 4,
        budget: Budget | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        raise NotImplementedError

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, prompt included."""
        raise NotImplementedError

    @property
    def exact_counts(self) -> bool:
        """Whether `count` is exact; False where it is an estimate on the upper side."""
        raise NotImplementedError

    @property
    def usage(self) -> Usage:
        """What was asked of the provider through this object."""
        raise NotImplementedError

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, prompt included."""
        raise NotImplementedError

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per text, in the order of the texts."""
        raise NotImplementedError

    def stream(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Yield the positions of some texts and their vectors as requests are answered."""
        raise NotImplementedError
