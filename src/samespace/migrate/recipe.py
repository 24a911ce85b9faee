"""How the new side cuts: as the old one did, as far as the new model's window allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from samespace.errors import InputError
from samespace.models.base import Embedder
from samespace.store.sides import StoredInput
from samespace.text.recipe import CHUNKER_VERSION, Recipe

CHANGEABLE = ("max_tokens", "overlap", "context", "chunking", "on_long")


def target_recipe(old: Recipe, window: int, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe of the new side.

    Args:
        old: the recipe of the old side, which is kept where nothing speaks against it.
        window: the new model's window; a larger `max_tokens` is lowered to it.
        changes: settings asked for; None for those that were not.

    Raises:
        InputError: a setting that cannot be changed, or does not fit the window.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    unknown = sorted(set(given) - set(CHANGEABLE))
    if unknown:
        raise InputError(
            f"a migration can change {', '.join(CHANGEABLE)}, not {', '.join(unknown)}"
        )
    if given.get("max_tokens", 0) > window:
        raise InputError(
            f"max_tokens is {given['max_tokens']}, but the window of the new model is {window} "
            "tokens; give at most that"
        )
    tokens = given.pop("max_tokens", min(old.max_tokens, window))
    overlap = given.pop("overlap", min(old.overlap, tokens // 2))
    return dataclasses.replace(
        old, max_tokens=tokens, overlap=overlap, version=CHUNKER_VERSION, **given
    )


def counts_alike(embedder: Embedder, chunks: Sequence[StoredInput]) -> bool:
    """Say whether a model counts the tokens of stored chunks as they were counted before.

    If so, and the recipe is the same, it would cut every document as it is cut already.
    """
    counted = embedder.count([chunk.input for chunk in chunks], "document") if chunks else []
    return counted == [chunk.tokens for chunk in chunks]
