"""Removing the files that the database names no more: what a killed writer left behind."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from samespace.store.schema import State
from samespace.store.shared import Shared


def sweep(shared: Shared, states: Sequence[State]) -> None:
    """Remove what belongs to none of these sides: vectors of other generations and spaces, and
    lexical indexes of other cuts."""
    vectors = {shared.vector_folder(state) for state in states}
    spaces = {folder.parent for folder in vectors}
    for path in _inside(shared.path / "vectors"):
        if path not in spaces:
            shutil.rmtree(path, ignore_errors=True)
    for path in (path for space in spaces for path in _inside(space)):
        if path not in vectors:
            shutil.rmtree(path, ignore_errors=True)
    indexes = {shared.lexical_folder(state.cut) for state in states}
    for path in _inside(shared.path):
        if path.name.startswith("lexical") and path not in indexes:
            shutil.rmtree(path, ignore_errors=True)


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
