"""The catalog's files: TOML that comes with samespace, and the user's own entries."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from samespace.errors import ModelError
from samespace.models.catalog.card import Fact, Figure, ModelCard
from samespace.models.catalog.own import own_folder
from samespace.models.catalog.typed import mistyped

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LISTS = ("kinds", "files", "aliases", "matryoshka", "languages", "modalities", "mind")
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*model[ \t]*\]\]", re.MULTILINE)


def parse(text: str, origin: str = "catalog") -> tuple[ModelCard, ...]:
    """Read entries from TOML.

    Args:
        text: [[model]] tables, see `ModelCard` for their fields.
        origin: the file's name, for messages.

    Raises:
        ModelError: the text is no TOML, an entry is incomplete, has unknown fields or values of
            another type, or two have the same name, alias or weights.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{origin}: not TOML: {error}") from error
    found = tables.get("model", [])
    # The header is what `find` looks for: a list in one line would not be found.
    headed = isinstance(found, list) and (not found or _HEADER.search(text))
    if set(tables) - {"model"} or not headed:
        raise ModelError(f"{origin}: expected [[model]] tables only, got {', '.join(tables)}")
    return unique(_card(entry, origin) for entry in found)


def unique(cards: Iterable[ModelCard]) -> tuple[ModelCard, ...]:
    """Return the cards; raise ModelError where two share a name, an alias or weights."""
    found = tuple(cards)
    taken: dict[str, ModelCard] = {}
    for card in found:
        for name in filter(None, dict.fromkeys((card.name, *card.aliases, card.weights))):
            if name in taken:
                raise ModelError(
                    f"{name!r} is used twice: by {taken[name].name} ({taken[name].origin}) and "
                    f"by {card.name} ({card.origin})"
                )
            taken[name] = card
    return found


@lru_cache(maxsize=1)
def catalog() -> tuple[ModelCard, ...]:
    """Return all entries: those that come with samespace, then the user's own.

    Raises:
        ModelError: a file of the user's own entries cannot be used; the message names it.
    """
    return unique(card for text, origin in _files() for card in parse(text, origin))


def find(name: str) -> ModelCard | None:
    """Return the entry with this name or alias, or None."""
    return next((c for c in _mentioning(name) if name == c.name or name in c.aliases), None)


def find_weights(digest: str) -> ModelCard | None:
    """Return the entry whose weights have this digest, or None."""
    return next((c for c in _mentioning(digest) if c.weights == digest), None)


@lru_cache(maxsize=64)
def _mentioning(value: str) -> tuple[ModelCard, ...]:
    """Return the entries that hold a string: reading all takes longer than to load a model."""
    if not value:
        return ()
    found: list[ModelCard] = []
    for text, origin in _files():
        for table in _HEADER.split(text)[1:]:
            if value in table:
                found += parse(f"[[model]]{table}", origin)
    return tuple(found)


def forget() -> None:
    """Read the files anew at the next question."""
    catalog.cache_clear()
    _mentioning.cache_clear()


def _files() -> Iterator[tuple[str, str]]:
    """Yield the text and the name of every file."""
    folder = resources.files("samespace.models.catalog")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            yield file.read_text("utf-8"), file.name
    for path in sorted(own_folder().glob("*.toml")):
        yield _own_text(path), str(path)


def _own_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Mend or delete it") from error


def _card(entry: object, origin: str) -> ModelCard:
    name = entry.get("name") if isinstance(entry, dict) else None
    problems = mistyped(entry, ModelCard)
    if not isinstance(entry, dict) or problems:
        raise ModelError(f"{origin}: entry {name!r}: {'; '.join(problems)}")
    fields: dict[str, Any] = {**entry, "origin": origin}
    fields |= {key: tuple(entry[key]) for key in _LISTS if key in entry}
    for key, kind in (("figures", Figure), ("facts", Fact)):
        for number, one in enumerate(entry.get(key, ())):
            problems += [f"{key}[{number}]: {problem}" for problem in mistyped(one, kind)]
    if problems:
        raise ModelError(f"{origin}: entry {name!r}: {'; '.join(problems)}")
    fields["figures"] = tuple(Figure(**one) for one in entry.get("figures", ()))
    fields["facts"] = tuple(
        Fact(**{**one, "fields": tuple(one["fields"])}) for one in entry.get("facts", ())
    )
    return ModelCard(**fields)
