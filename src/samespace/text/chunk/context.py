"""The context of a chunk: title and heading path, within a quarter of the budget.

The chunk that a document begins with may spend half of it, so that a long title is embedded
whole at least once: a title need not occur in the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

from samespace.text.chunk.meter import Meter
from samespace.text.chunk.outline import Outline, normal

__all__ = ["SEPARATOR", "Context", "Contexts"]

SEPARATOR = " > "
NEWLINE = "\n"  # what Chunk.input puts between context and text

Key = tuple[str, tuple[str, ...], bool]


@dataclass(frozen=True, slots=True)
class Context:
    """A context as embedded: its tokens with the line end, and the tokens of title cut from it."""

    text: str = ""
    tokens: int = 0
    lost: int = 0


NONE = Context()


@dataclass(slots=True)
class _Draft:
    """A context on its way into its limit."""

    title: str
    path: list[str]

    @property
    def text(self) -> str:
        parts = [part for part in (self.title, *self.path) if part]
        distinct = [
            part for place, part in enumerate(parts) if not place or part != parts[place - 1]
        ]
        return SEPARATOR.join(distinct)


class Contexts:
    """The contexts of one document's chunks, each measured once.

    A context longer than its limit loses its outer headings first, then the end of the title,
    last the end of the innermost heading; cuts lie between words.

    Args:
        available: tokens for context and text together.
    """

    def __init__(
        self, outline: Outline, title: str, meter: Meter, available: int, enabled: bool
    ) -> None:
        self._outline = outline
        self._title = normal(title)
        self._meter = meter
        self._available = available
        self._enabled = enabled
        self._known: dict[Key, Context] = {("", (), first): NONE for first in (False, True)}

    def prepare(self) -> None:
        """Measure, in few calls, the contexts that chunks of this document can start with."""
        if self._enabled:
            starts = range(len(self._outline.blocks))
            self._fit({self._key(block, opening) for block in starts for opening in (False, True)})

    def at(self, block: int, opening: bool, heading: str = "") -> Context:
        """Return the context of a chunk that starts in `block`.

        Args:
            block: the number of the block.
            opening: whether the chunk starts with the heading that this block is.
            heading: the first heading within the chunk ("" if there is none).
        """
        if not self._enabled:
            return NONE
        key = self._key(block, opening, heading)
        self._fit([key])
        return self._known[key]

    def _key(self, block: int, opening: bool, heading: str = "") -> Key:
        path = self._outline.paths[block]
        if opening and self._outline.opens(block):
            label = normal(self._outline.blocks[block].label)
            heading = label
            path = path[:-1] if label else path
        shown = bool(self._title) and self._title.casefold() != normal(heading).casefold()
        return (self._title if shown else "", path, block == 0)

    def _fit(self, keys: Iterable[Key]) -> None:
        """Shorten the contexts of the keys until each is within the limit."""
        drafts = {key: _Draft(key[0], list(key[1])) for key in keys if key not in self._known}
        while drafts:
            texts = {key: draft.text for key, draft in drafts.items()}
            self._meter.ask(text + NEWLINE for text in texts.values() if text)
            for key, text in texts.items():
                tokens = self._meter.net(text + NEWLINE) if text else 0
                limit = self._available // (2 if key[2] else 4)
                if tokens <= limit:
                    draft = drafts.pop(key)
                    self._known[key] = Context(text, tokens, self._lost(key[0], draft.title))
                else:
                    self._shorten(drafts[key], limit)

    def _shorten(self, draft: _Draft, limit: int) -> None:
        """Take the next step: an outer heading, the end of the title, the end of the heading."""
        if len(draft.path) > 1:
            del draft.path[0]
        elif draft.title:
            rest = self._meter.net(SEPARATOR + draft.path[0]) if draft.path else 0
            draft.title = self._cut(draft.title, limit - rest)
        else:
            draft.path = [label for label in [self._cut(draft.path[0], limit)] if label]

    def _cut(self, label: str, limit: int) -> str:
        """Return the longest beginning of whole words that seems to fit; never all of it."""
        words = _words(label[: 64 * max(1, limit)])
        if len(words) > 1 and words[-1] and len(label) > 64 * max(1, limit):
            words.pop()
        sums = accumulate(self._meter.nets(words))
        kept = sum(1 for total in sums if total <= limit)
        while kept:
            shorter = "".join(words[:kept]).rstrip()
            if len(shorter) < len(label):
                return shorter
            kept -= max(1, kept // 8)
        return ""

    def _lost(self, title: str, kept: str) -> int:
        if title == kept:
            return 0
        whole, part = self._meter.nets([title, kept])
        return max(0, whole - part)


def _words(label: str) -> list[str]:
    """Split a label between words (UAX 29), keeping everything."""
    import regex

    offsets = [match.start() for match in regex.finditer(r"(?w)\b", label)]
    bounds = sorted({0, *offsets, len(label)})
    return [label[start:end] for start, end in pairwise(bounds)]
