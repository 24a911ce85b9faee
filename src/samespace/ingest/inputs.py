"""What may be given to be added: paths, or documents."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping

from samespace.errors import InputError
from samespace.types import Document

PathLike = str | os.PathLike[str]
_NOTHING = object()
Inputs = PathLike | Document | Iterable[PathLike] | Iterable[Document]


def sort_out(inputs: Inputs) -> tuple[list[PathLike], Iterable[Document] | None]:
    """Tell paths from documents by the first item; both at once are refused."""
    if isinstance(inputs, str | os.PathLike):
        return [inputs], None
    if isinstance(inputs, Document):
        return [], [inputs]
    if isinstance(inputs, Mapping) or not isinstance(inputs, Iterable):
        raise InputError(
            f"expected paths or Document objects, got {type(inputs).__name__}; to add a text, "
            "pass samespace.Document(id=..., text=...)"
        )
    iterator = iter(inputs)
    first = next(iterator, _NOTHING)
    if first is _NOTHING:
        return [], []
    if isinstance(first, str | os.PathLike):
        paths = [first, *iterator]
        for path in paths:
            if not isinstance(path, str | os.PathLike):
                raise InputError(f"expected only paths, got {type(path).__name__} among them")
        return paths, None  # type: ignore[return-value]
    return [], _checked(itertools.chain([first], iterator))


def _checked(items: Iterable[object]) -> Iterator[Document]:
    for item in items:
        if not isinstance(item, Document):
            raise InputError(
                f"expected Document objects (or only paths), got {type(item).__name__}; to add "
                "a text, pass samespace.Document(id=..., text=...)"
            )
        yield item
