"""Vectors from a hosted model."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from samespace.errors import InputError, InvalidVectors, TooLong
from samespace.models.catalog import ModelCard
from samespace.models.hosted.budget import Budget, Meter, Usage
from samespace.models.hosted.connection import Connection
from samespace.models.hosted.counting import Counter, counter
from samespace.models.hosted.facts import Given, embedding_facts, look_up
from samespace.models.hosted.providers import Asked
from samespace.models.hosted.providers.base import parsed
from samespace.models.hosted.work import batches, in_parallel
from samespace.models.inputs import OnLongText, check_on_long, check_role, check_texts, too_long
from samespace.space import NORM_TOLERANCE, FloatArray, Metric, Space, Vectors
from samespace.types import Role
from samespace.vectors.matryoshka import unit

INPUT_TYPE_TOKENS = 12
"""Tokens at most that a provider is taken to put before a text whose input type it is told.
Voyage's prompts, which are published, have 7 and 9."""


class HostedEmbedder:
    """Embeds texts with a model behind an HTTP interface.

    Making one sends nothing and needs no key. Texts are sent in requests as large as the provider
    takes, several at once; what fails for a passing reason is sent again, later and later, as the
    provider asks. Answers are put in the order of the texts and checked: their number, their
    width, that they are finite and as long as the model's vectors are. Nothing is cut unless
    that is asked for by name.

    The key is read from the environment at the first request. It is in no error, log, Space or
    file.

    Args:
        model: the name of a model in the catalog, or any that `provider` runs.
        provider: "openai", "azure", "cohere", "voyage", "gemini", "mistral" or "jina"; the
            catalog's if None. Whatever speaks OpenAI's protocol is "openai" with a `base_url`.
        base_url: another endpoint, as the provider's own Python client takes it; for Azure
            https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=VERSION.
        served_name: how the endpoint calls the model, where that is not the model's name.
        api_key_env: the environment variable that holds the key, or "" for no key. If None, it is
            the provider's usual one, and with a `base_url` it need not be set.
        dimensions: how many to ask for (Matryoshka), of those that the model was trained for.
            For a model that is not in the catalog: how many it puts out.
        native_dimensions: how many it puts out, where `dimensions` asks for fewer and the catalog
            does not say, or where it can give more than the catalog says.
        max_tokens: the window.
        normalized: whether its vectors have length 1.
        metric: how they are compared.
        prompts: what is put before a text, for each role; {} for nothing.
        input_types: what the provider is told about a text, for each role.
        max_items: how many texts one request may hold.
        max_request_tokens: how many tokens all texts of one request may have.
        price_per_million: US dollars for a million tokens.
        tokenizer: the model's tokenizer.json, or a folder that holds it.
        timeout: seconds for one answer, from the first byte to the last.
        retries: how often a request that failed for a passing reason is sent again.
        concurrency: how many requests are under way at once.
        budget: what may be spent.

    Raises:
        ModelNotFound: the model is not in the catalog and no provider is given.
        InputError: a fact about the model is missing, which the message names, or a setting
            cannot be used.

    >>> embedder = HostedEmbedder("text-embedding-3-small", dimensions=512)
    >>> embedder.space.dimensions, embedder.max_tokens, embedder.usage.requests
    (512, 8192, 0)
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
        given = Given(
            dimensions=dimensions,
            native_dimensions=native_dimensions,
            max_tokens=max_tokens,
            normalized=normalized,
            metric=metric,
            prompts=prompts,
            input_types=input_types,
            max_items=max_items,
            max_request_tokens=max_request_tokens,
            price_per_million=price_per_million,
        )
        name, card, protocol = look_up(model, provider)
        self._facts = embedding_facts(name, card, protocol, given)
        self._served_name = served_name or name
        self._connection = Connection(
            protocol,
            card,
            base_url=base_url,
            api_key_env=api_key_env,
            timeout=timeout,
            retries=retries,
            concurrency=concurrency,
        )
        self._tokenizer = tokenizer
        self._meter = Meter(self._facts.limits.price_per_million, None, budget)

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        return self._facts.space

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, prompt included."""
        return self._facts.limits.max_tokens

    @property
    def exact_counts(self) -> bool:
        """Whether `count` is exact.

        It is where the model's tokenizer is at hand and the provider puts nothing before a text
        that it does not publish; else it is an estimate on the upper side.
        """
        return self._counts.exact and not self._facts.input_types

    @property
    def usage(self) -> Usage:
        """What was asked of the provider through this object."""
        return self._meter.usage

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, prompt included; see `exact_counts`."""
        check_role(role)
        return self._count(self._prompted(check_texts(texts, blank=True), role), role)

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per text, in the order of the texts.

        Args:
            texts: what to embed; prompts and input types are applied by this method.
            role: "query" or "document".
            on_long: "error", or "truncate" to keep only the first `max_tokens` tokens, which
                needs the model's tokenizer.

        Raises:
            InputError: a text is blank, is not a string, or holds lone surrogates; there is no
                key; or the provider refuses the request.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
            BudgetExceeded: the next request would pass the budget.
            ModelError: the provider cannot be reached, or fails again and again.
            InvalidVectors: it answers with vectors that are none, again and again.
            MissingExtra: httpx is not installed.
        """
        found = list(self.stream(texts, role, on_long=on_long))
        array = np.empty((sum(len(rows) for rows, _ in found), self.space.dimensions), np.float32)
        for rows, vectors in found:
            array[rows] = vectors.array
        return Vectors(array, self.space, role)

    def stream(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Yield the positions of some texts and their vectors as requests are answered.

        When a request fails for good, what was under way with it is yielded first, and its error
        is raised then: nothing that was paid for is lost.

        Raises:
            as `embed`; InputError and TooLong before anything is sent.
        """
        check_role(role)
        check_on_long(on_long)
        prompted = self._prompted(check_texts(texts, blank=False), role)
        counts = self._count(prompted, role)
        for i, tokens in enumerate(counts):
            if tokens > self.max_tokens:
                if on_long == "error":
                    raise self._too_long(i, tokens)
                prompted[i] = self._cut(prompted[i], role)
                counts[i] = self.max_tokens
        limits = self._facts.limits
        return in_parallel(
            batches(counts, limits.max_items, limits.max_request_tokens),
            lambda rows, stop: self._fetch(
                [prompted[i] for i in rows], sum(counts[i] for i in rows), role, stop
            ),
            self._connection.concurrency,
        )

    def _fetch(
        self, texts: Sequence[str], tokens: int, role: Role, stop: threading.Event
    ) -> Vectors:
        provider = self._facts.provider
        path, body = provider.embed(
            Asked(
                self._served_name,
                texts,
                self._facts.input_types.get(role, ""),
                self._facts.asked,
                self.space.modality != "text",
            )
        )
        with self._meter.charge(tokens) as charge:

            def read(text: str) -> Vectors:
                answer = parsed(text)
                charge.taken(provider.tokens(answer))
                return self._checked(provider.vectors(answer, texts), role)

            return self._connection.ask(path, body, read, charge, stop)

    def _checked(self, array: FloatArray, role: Role) -> Vectors:
        """Return vectors that are sound; bring them to length 1 where the space is normalized."""
        if array.ndim != 2 or array.shape[1] != self.space.dimensions:
            raise InvalidVectors(
                f"expected vectors of {self.space.dimensions} dimensions from {self.space.model}, "
                f"got an array of shape {array.shape}"
            )
        if not np.isfinite(array).all():
            raise InvalidVectors(f"{self.space.model} answered with NaN or infinite values")
        if self._facts.unit:
            lengths = np.linalg.norm(array, axis=1)
            if (np.abs(lengths - 1) > NORM_TOLERANCE).any():
                raise InvalidVectors(
                    f"the vectors of {self.space.model} have length 1, but one came with length "
                    f"{lengths[np.abs(lengths - 1).argmax()]:.4f}"
                )
        return Vectors(unit(array) if self.space.normalized else array, self.space, role)

    def _prompted(self, texts: list[str], role: Role) -> list[str]:
        prompt = self._facts.prompts.get(role, "")
        return [prompt + text for text in texts] if prompt else texts

    def _count(self, prompted: Sequence[str], role: Role) -> list[int]:
        hidden = INPUT_TYPE_TOKENS if self._facts.input_types.get(role) else 0
        return [tokens + hidden for tokens in self._counts.count(prompted)]

    def _cut(self, prompted: str, role: Role) -> str:
        hidden = self._count([""], role)[0] - self._counts.count([""])[0]
        cut = self._counts.cut(prompted, self.max_tokens - hidden)
        if not cut.removeprefix(self._facts.prompts.get(role, "")).strip():
            raise InputError(
                f"the window of {self.max_tokens} tokens is filled by special tokens and prompt: "
                "cut to it, every text would be the same. Raise max_tokens"
            )
        return cut

    def _too_long(self, index: int, tokens: int) -> TooLong:
        error = too_long(index, tokens, self.max_tokens, self.space.model)
        if self._counts.exact:
            return error
        return TooLong(
            f"{error}. The count is an estimate on the upper side; it is exact with tokenizer=, "
            "the path of the model's tokenizer.json"
        )

    @cached_property
    def _counts(self) -> Counter:
        return counter(self.space.model, self._tokenizer)

    def __repr__(self) -> str:
        return f"<HostedEmbedder {self.space.model} space={self.space.id}>"
