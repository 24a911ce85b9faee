"""The catalog's files: one TOML file for each group of models, and the user's own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from samespace.errors import ModelError
from samespace.models.catalog.card import Fact, Figure, ModelCard

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LISTS = ("kinds", "aliases", "matryoshka", "languages", "modalities", "mind")


def parse(text: str, origin: str = "") -> tuple[ModelCard, ...]:
    """Read entries from TOML.

    Raises:
        ModelError: the text is no TOML, an entry is incomplete, has unknown fields or states
            something without a source, or two have the same name or weights.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{origin or 'catalog'}: not TOML: {error}") from error
    if set(tables) - {"model"}:
        raise ModelError(
            f"{origin or 'catalog'}: expected [[model]] tables only, got {sorted(tables)}"
        )
    return unique(_card(entry, origin) for entry in tables.get("model", []))


def unique(cards: Iterable[ModelCard]) -> tuple[ModelCard, ...]:
    """Return the cards; raise ModelError where two share a name, an alias or weights."""
    taken: dict[str, ModelCard] = {}
    found = tuple(cards)
    for card in found:
        for name in {card.name, *card.aliases, card.weights} - {""}:
            if name in taken:
                raise ModelError(
                    f"catalog: {name!r} stands for {taken[name].name} ({taken[name].origin}) "
                    f"and for {card.name} ({card.origin})"
                )
            taken[name] = card
    return found


def _card(entry: Mapping[str, Any], origin: str) -> ModelCard:
    name = f"{origin or 'catalog'}: entry {entry.get('name')!r}"
    known = {f.name for f in dataclasses.fields(ModelCard)} - {"origin"}
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ModelError(f"{name}: unknown fields {unknown}")
    fields: dict[str, Any] = {**entry, "origin": origin}
    try:
        fields |= {key: tuple(entry[key]) for key in _LISTS if key in entry}
        fields["figures"] = tuple(Figure(**one) for one in entry.get("figures", ()))
        fields["facts"] = tuple(
            Fact(**{**one, "fields": tuple(one["fields"])}) for one in entry.get("facts", ())
        )
        return ModelCard(**fields)
    except (KeyError, TypeError) as error:
        raise ModelError(f"{name}: {error}") from error


@lru_cache(maxsize=1)
def catalog() -> tuple[ModelCard, ...]:
    """Return all entries, in the order of the files' names."""
    folder = resources.files("samespace.models.catalog")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return unique(card for file in files for card in parse(file.read_text("utf-8"), file.name))


def find(name: str) -> ModelCard | None:
    """Return the entry with this name or alias, or None."""
    return next((c for c in catalog() if name == c.name or name in c.aliases), None)


def find_weights(digest: str) -> ModelCard | None:
    """Return the entry whose weights have this digest, or None."""
    return next((c for c in catalog() if digest and c.weights == digest), None)
