"""Choosing from the catalog by what is known of each model."""

from __future__ import annotations

from collections.abc import Iterable

from samespace.models.catalog.card import Kind, ModelCard, Provider


def select(
    cards: Iterable[ModelCard],
    *,
    kind: Kind | None = None,
    provider: Provider | None = None,
    language: str | None = None,
    min_window: int | None = None,
    dimensions: int | None = None,
    commercial: bool = False,
    licence: str | None = None,
    max_price: float | None = None,
    modality: str | None = None,
    retrieval: bool = False,
) -> tuple[ModelCard, ...]:
    """Return the cards that are known to meet every condition given.

    What is not known of a model meets no condition about it.

    Args:
        cards: what to choose from, see `catalog()`.
        kind: what it makes.
        provider: who runs it; "huggingface" for open weights.
        language: an ISO 639-1 code, in any case; a model that its publisher only calls
            multilingual passes.
        min_window: tokens that must fit.
        dimensions: a width that the model gives, its own or one that it was trained to be cut to.
        commercial: only where the licence is known to allow commercial use; a hosted model is
            sold for it.
        licence: a part of the licence's name, in any case.
        max_price: US dollars for a million tokens; open weights cost nothing.
        modality: "text" or "image".
        retrieval: only models that were trained to find documents for queries.
    """

    def meets(card: ModelCard) -> bool:
        price = 0.0 if not card.hosted else card.price_per_million
        spoken = card.languages
        return all(
            (
                kind is None or kind in card.kinds,
                provider is None or provider == card.provider,
                language is None or language.lower() in spoken or "multilingual" in spoken,
                min_window is None or (card.max_tokens or 0) >= min_window,
                dimensions is None or dimensions in (card.dimensions, *card.matryoshka),
                not commercial or card.commercial is True or card.hosted,
                licence is None or licence.lower() in card.licence.lower(),
                max_price is None or (price is not None and price <= max_price),
                modality is None or modality in card.modalities,
                not retrieval or card.retrieval is True,
            )
        )

    return tuple(card for card in cards if meets(card))
