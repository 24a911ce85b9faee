"""Taking a user's own entries into the catalog."""

from __future__ import annotations

import os
from pathlib import Path

from samespace.errors import InputError
from samespace.models.cachedir import write_quietly
from samespace.models.catalog.card import ModelCard
from samespace.models.catalog.own import own_folder
from samespace.models.catalog.read import catalog, forget, parse, unique


def add(file: str | os.PathLike[str]) -> tuple[tuple[ModelCard, ...], Path]:
    """Take the entries of a TOML file into the user's own catalog; return them and their file.

    A file of the same name that was added before is replaced. To take entries back, delete the
    file that is returned.

    Raises:
        InputError: the file cannot be read, or the catalog's folder cannot be written.
        ModelError: an entry cannot be used, or has a name that another entry has.
    """
    path = Path(file)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    cards = parse(text, str(path))
    if not cards:
        raise InputError(f"{path} holds no [[model]] table")
    place = own_folder() / f"{path.stem}.toml"
    unique((*(card for card in catalog() if card.origin != str(place)), *cards))
    write_quietly(place, text.encode("utf-8"))
    if not place.is_file() or place.read_text("utf-8") != text:
        raise InputError(f"cannot write {place}; name another folder in SAMESPACE_CONFIG")
    forget()
    return cards, place
