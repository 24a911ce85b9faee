"""How the new side cuts: as the old one did, as far as the new model's window allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from samespace.errors import InputError
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
