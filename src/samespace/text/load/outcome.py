"""What a parser gives back: the content of one document, or the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from samespace.types import MetadataValue

_NO_TITLE = re.compile(
    r"^(untitled|title|document|documents?\s*\d+|no title|microsoft word.*|word document|slide 1"
    r"|powerpoint presentation|<.*>"
    r"|\S+\.(docx?|dotx?|pdf|tex|dvi|ps|rtf|odt|indd|qxd|pptx?|html?))$",
    re.I,
)


@dataclass(frozen=True)
class Content:
    """What one file holds, still as markup.

    `skipped` lists parts that could not be read, as (part, reason); `dropped` counts
    characters left out on purpose, by kind.
    """

    text: str
    title: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    media: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()


class Rejected(Exception):
    """A file or a record gives no document, for this reason.

    `failed` says that it could not be read; false where it was read and holds nothing to
    take in (empty, binary, a duplicate), so that earlier documents from it are gone for good.
    """

    def __init__(self, reason: str, *, failed: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failed = failed


def size(count: int) -> str:
    """Write a number of bytes for people: `900 bytes`, `1.5 KB`, `32.0 MB`."""
    if count < 2**10:
        return f"{count} bytes"
    return f"{count / 2**10:.1f} KB" if count < 2**20 else f"{count / 2**20:.1f} MB"


def oversized(count: int, limit: int) -> Rejected:
    """Reject what is larger than the limit."""
    return Rejected(f"oversized: {size(count)}, the limit is {size(limit)} (--max-bytes)")


def brief(error: BaseException) -> str:
    """Write an exception as one short line: its class and the first line of its message."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def sensible_title(title: str) -> str:
    """Return a title from a file's own properties, or "" if a program put it there."""
    title = " ".join(title.split())
    return "" if _NO_TITLE.match(title) or len(title) > 300 else title
