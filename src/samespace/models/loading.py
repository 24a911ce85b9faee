"""From a name, a folder or an object to an embedder."""

from __future__ import annotations

import difflib
import os
from importlib.metadata import entry_points
from pathlib import Path

from samespace.errors import InputError, ModelNotFound
from samespace.models.base import Embedder
from samespace.models.catalog import catalog, find
from samespace.models.onnx import OnnxEmbedder
from samespace.models.weights import locate

ENTRY_POINTS = "samespace.embedders"


def load(model: str | os.PathLike[str] | Embedder) -> Embedder:
    """Return an embedder for a model.

    Args:
        model: a name or alias from the catalog; the name of an entry point of the group
            `samespace.embedders`, a callable that takes the name and returns an embedder; the
            path of a model's folder; or an embedder, which is returned as it is. A catalogued
            name wins over a folder of the same name: write "./name" for the folder.

    Raises:
        ModelNotFound: nothing has the name, or the files of the model are nowhere.
        WeightsMismatch: a catalogued model's weights are not the pinned ones.
        ModelError: the folder's model cannot be used.
        InputError: what was given, or what an entry point returned, is no embedder.

    >>> from samespace.models import HashEmbedder
    >>> load(HashEmbedder()).max_tokens
    256
    """
    if isinstance(model, str):
        return _named(model)
    if isinstance(model, os.PathLike):
        return OnnxEmbedder(model)
    return _checked(model, "load")


def _named(name: str) -> Embedder:
    card = find(name)
    if card:
        return OnnxEmbedder(locate(card), card=card)
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            return _checked(entry.load()(name), f"the entry point {name!r} ({entry.value})")
    if name and Path(name).is_dir():
        return OnnxEmbedder(name)
    raise ModelNotFound(_unknown(name))


def lasting_name(model: str | os.PathLike[str] | Embedder) -> str:
    """Return what finds the same model again from any working folder; "" for an object.

    A folder is named by its absolute path, which no catalogued name is taken for.
    """
    if not isinstance(model, str | os.PathLike):
        return ""
    name = os.fspath(model)
    if isinstance(model, str):
        entries = (entry.name for entry in entry_points(group=ENTRY_POINTS))
        if find(name) or name in entries or not os.path.isdir(name):
            return name
    return os.path.abspath(name)


def _checked(model: object, source: str) -> Embedder:
    if not isinstance(model, Embedder):
        raise InputError(
            f"{source}: expected a model's name, its folder, or an object with space, "
            f"max_tokens, count and embed, got {type(model).__name__}"
        )
    return model


def _unknown(name: str) -> str:
    known = [n for card in catalog() for n in (card.name, *card.aliases)]
    known += [entry.name for entry in entry_points(group=ENTRY_POINTS)]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    lines = [
        f"no model is called {name!r}, and there is no such folder.{hint}",
        f"Known names: {', '.join(known)}.",
    ]
    if name.count("/") == 1 and not name.startswith((".", "/")):
        lines.append(
            "A repository of the Hugging Face hub that is not in the catalog is loaded from a "
            f"folder, so that it stays the version it is: hf download {name} --local-dir "
            f'models/{name.rsplit("/", 1)[-1]}, then load("models/{name.rsplit("/", 1)[-1]}")'
        )
    return "\n".join(lines)
