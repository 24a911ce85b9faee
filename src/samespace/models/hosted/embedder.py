"""Vectors from a hosted model."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from samespace.errors import InvalidVectors
from samespace.models.catalog import ModelCard
from samespace.models.hosted.budget import Budget, Meter, Usage
from samespace.models.hosted.connection import Connection
from samespace.models.hosted.facts import Given, embedding_facts, look_up
from samespace.models.hosted.prepare import Prepared, Preparing
from samespace.models.hosted.providers import OPENAI, Asked
from samespace.models.hosted.providers.base import parsed
from samespace.models.hosted.work import in_parallel
from samespace.models.inputs import OnLongText
from samespace.space import NORM_TOLERANCE, FloatArray, Metric, Space, Vectors
from samespace.types import Role
from samespace.vectors.matryoshka import unit

if TYPE_CHECKING:
    from samespace.models.images import ImageInput


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
        cuts = protocol.cuts_texts or (protocol is OPENAI and self._connection.elsewhere)
        self._preparing = Preparing(self._facts, tokenizer, cuts=cuts)
        self._meter = Meter(self._facts.limits.price_per_million, None, budget)

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        return self._facts.space

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, prompt included.

        Four fifths of it where tokens are estimated and a text beyond it may be cut unseen: by
        Gemini, and by some servers that speak OpenAI's protocol.
        """
        return self._preparing.window

    @property
    def exact_counts(self) -> bool:
        """Whether `count` is exact.

        It is where the model's tokenizer is at hand and the provider puts nothing before a text
        that it does not publish; else it is an estimate on the upper side.
        """
        return self._preparing.exact

    @property
    def usage(self) -> Usage:
        """What was asked of the provider through this object."""
        return self._meter.usage

    @property
    def price_per_million(self) -> float | None:
        """US dollars for a million tokens, or None where no price is known."""
        return self._facts.limits.price_per_million

    def count(self, texts: Sequence[str | ImageInput], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, prompt included; see `exact_counts`.

        An image takes none of a text's window.
        """
        return self._preparing.count(texts, role)

    def embed(
        self,
        texts: Sequence[str | ImageInput],
        role: Role,
        *,
        on_long: OnLongText = "error",
    ) -> Vectors:
        """Return one vector per text, in the order of the texts.

        Args:
            texts: what to embed; prompts and input types are applied by this method. Where the
                model takes images, a `pathlib.Path`, the `bytes` of an image file or a
                `PIL.Image.Image` may stand for a text; a `str` is always a text.
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
        self,
        texts: Sequence[str | ImageInput],
        role: Role,
        *,
        on_long: OnLongText = "error",
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Yield the positions of some texts and their vectors as requests are answered.

        When a request fails for good, what was under way with it is yielded first, and its error
        is raised then: nothing that was paid for is lost.

        Raises:
            as `embed`; InputError and TooLong before anything is sent.
        """
        prepared = self._preparing.prepare(texts, role, on_long)
        return in_parallel(
            prepared.requests(self._facts.limits),
            lambda rows, stop: self._fetch(prepared, rows, role, stop),
            self._connection.concurrency,
        )

    def _fetch(
        self, prepared: Prepared, rows: list[int], role: Role, stop: threading.Event
    ) -> Vectors:
        provider = self._facts.provider
        texts = [prepared.texts[i] for i in rows]
        picture, tokens = prepared.picture(rows) or (None, sum(prepared.counts[i] for i in rows))
        path, body = provider.embed(
            Asked(
                self._served_name,
                texts,
                self._facts.input_types.get(role, ""),
                self._facts.asked,
                self.space.modality != "text",
                picture,
            )
        )
        with self._meter.charge(tokens, priced=picture is None) as charge:

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

    def __repr__(self) -> str:
        return f"<HostedEmbedder {self.space.model} space={self.space.id}>"
