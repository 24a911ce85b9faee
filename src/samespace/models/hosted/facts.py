"""What must be known of a hosted model before it is asked, from the catalog or from the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from samespace.errors import InputError, ModelNotFound
from samespace.models.catalog import ModelCard, find
from samespace.models.hosted.providers import PROVIDERS, Provider
from samespace.models.inputs import check_role
from samespace.space import Metric, Space
from samespace.types import Role


@dataclass(frozen=True)
class Given:
    """What the caller says of a model; None for what the catalog is to say."""

    dimensions: int | None = None
    native_dimensions: int | None = None
    max_tokens: int | None = None
    normalized: bool | None = None
    metric: Metric | None = None
    prompts: Mapping[Role, str] | None = None
    input_types: Mapping[Role, str] | None = None
    max_items: int | None = None
    max_request_tokens: int | None = None
    price_per_million: float | None = None
    price_per_thousand_searches: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("price"):
                # "not >=" so that NaN is refused as well.
                if value is not None and not value >= 0:
                    raise InputError(f"{field.name} is not negative, got {value}")
            elif isinstance(value, int) and not isinstance(value, bool) and value < 1:
                raise InputError(f"{field.name} must be at least 1, got {value}")
        for roles in (self.prompts, self.input_types):
            for role in roles or {}:
                check_role(role)
        if self.prompts and self.input_types:
            raise InputError("give prompts or input_types: a model is told its role in one way")


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and costs.

    Attributes:
        max_tokens: the window.
        max_items: texts.
        max_request_tokens: tokens of all of them; None where it is not limited.
        price_per_million: US dollars for a million tokens, or None.
        price_per_thousand_searches: US dollars, or None.
    """

    max_tokens: int
    max_items: int
    max_request_tokens: int | None
    price_per_million: float | None
    price_per_thousand_searches: float | None = None


@dataclass(frozen=True)
class EmbeddingFacts:
    """All about a hosted embedding model.

    Attributes:
        provider: whose interface it has.
        space: the space of its vectors.
        limits: of a request.
        asked: the dimensions to ask for, or None for as many as come without asking.
        unit: whether its vectors should have length 1 when they come.
        prompts: what is put before a text, for each role.
        input_types: what the provider is told, for each role.
    """

    provider: Provider
    space: Space
    limits: Limits
    asked: int | None
    unit: bool
    prompts: Mapping[str, str]
    input_types: Mapping[str, str]


def look_up(model: str | ModelCard, provider: str | None) -> tuple[str, ModelCard | None, Provider]:
    """Return a model's name, its entry in the catalog if there is one, and its provider.

    Raises:
        InputError: no provider is known, or none of that name.
    """
    card = model if isinstance(model, ModelCard) else find(model)
    name = card.name if card else str(model)
    chosen = provider or (card.provider if card else "")
    if chosen in PROVIDERS:
        return name, card, PROVIDERS[chosen]
    if provider is None and card is None:
        raise ModelNotFound(
            f"the catalog has no model {name!r}: say who runs it, provider= one of "
            f"{', '.join(PROVIDERS)}"
        )
    if provider is None:
        raise InputError(
            f"{name} is a model with open weights, which no provider is known to run: load it "
            'from its folder, or give provider="openai" and the base_url of a server that runs it'
        )
    raise InputError(f"provider must be one of {', '.join(PROVIDERS)}, got {provider!r}")


def limits(name: str, card: ModelCard | None, provider: Provider, given: Given) -> Limits:
    """Return the limits of a model's requests.

    Raises:
        InputError: the window is not known.
    """
    window = given.max_tokens or _listed(card, "max_tokens")
    if window is None:
        raise InputError(f"the window of {name} is not known: give max_tokens=")

    def either(field: str) -> Any:
        value = getattr(given, field)
        return _listed(card, field) if value is None else value

    return Limits(
        max_tokens=window,
        max_items=either("max_items") or provider.max_items,
        max_request_tokens=either("max_request_tokens"),
        price_per_million=either("price_per_million"),
        price_per_thousand_searches=either("price_per_thousand_searches"),
    )


def embedding_facts(
    name: str, card: ModelCard | None, provider: Provider, given: Given
) -> EmbeddingFacts:
    """Return all that must be known of an embedding model.

    Raises:
        InputError: it makes no dense vectors, something is not known, or the dimensions are not
            among those that it was trained for.
    """
    if card and "dense" not in card.kinds:
        raise InputError(f"{name} makes no dense vectors: it is of kind {', '.join(card.kinds)}")
    metric = given.metric or _listed(card, "metric")
    normalized = given.normalized if given.normalized is not None else _listed(card, "normalized")
    unit = bool(normalized)
    if normalized is None and metric == "cosine":
        # The cosine sees no lengths: brought to length 1, they say the same.
        normalized = True
    if metric is None and normalized:
        # At length 1, all metrics give one order.
        metric = "cosine"
    default = card.dimensions if card else given.native_dimensions or given.dimensions
    native = given.native_dimensions or default
    dimensions = given.dimensions or default
    prompts, input_types = _roles(card, provider, given)
    missing = [
        field
        for field, value in (
            ("dimensions", dimensions),
            ("max_tokens", given.max_tokens or _listed(card, "max_tokens")),
            ("normalized", normalized),
            ("metric", metric),
            ("prompts (or input_types; prompts={} if it takes neither)", prompts),
        )
        if value is None
    ]
    if missing or dimensions is None or native is None or prompts is None or metric is None:
        raise InputError(f"the catalog does not say all about {name}: give {', '.join(missing)}")
    _check_width(name, card, dimensions, native)
    space = Space(
        model=name,
        revision="",
        weights="",
        tokenizer="",
        pooling="none",
        normalized=bool(normalized),
        native_dimensions=native,
        dimensions=dimensions,
        metric=metric,
        prompts=tuple(sorted((str(r), p) for r, p in (input_types or prompts).items() if p)),
        modality="text+image" if card and "image" in card.modalities else "text",
    )
    return EmbeddingFacts(
        provider=provider,
        space=space,
        limits=limits(name, card, provider, given),
        asked=dimensions if dimensions != default else None,
        unit=unit and dimensions == default,
        prompts=prompts,
        input_types=input_types,
    )


def _roles(
    card: ModelCard | None, provider: Provider, given: Given
) -> tuple[Mapping[str, str] | None, Mapping[str, str]]:
    """Return prompts, None where they are not known, and input types."""
    if given.input_types is not None:
        return {}, {str(role): kind for role, kind in given.input_types.items()}
    if given.prompts is not None:
        return {str(role): prompt for role, prompt in given.prompts.items()}, {}
    if card is not None:
        if card.prompts and card.input_types:
            raise InputError(
                f"the catalog's entry of {card.name} ({card.origin}) has prompts and input_types, "
                "but a model is told its role in one way"
            )
        return card.prompts, card.input_types
    return ({} if provider.input_types else None), provider.input_types


def _check_width(name: str, card: ModelCard | None, dimensions: int, native: int) -> None:
    trained = (native, *card.matryoshka, card.dimensions) if card else (native,)
    if dimensions > native:
        raise InputError(f"{name} has {native} dimensions, so {dimensions} cannot be asked for")
    if card and dimensions not in trained:
        known = ", ".join(str(d) for d in sorted({d for d in trained if d}))
        raise InputError(
            f"{name} was trained for {known} dimensions, not for {dimensions}. The first "
            f"{dimensions} of its vectors are DerivedEmbedder(embedder, dimensions={dimensions})"
        )


def _listed(card: ModelCard | None, field: str) -> Any:
    return getattr(card, field) if card else None
