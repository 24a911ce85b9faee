"""What the steps of cutting one document share: its outline, counts, contexts and budget."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from functools import cached_property

from samespace.errors import InputError, TooLong
from samespace.text.chunk.context import Context, Contexts
from samespace.text.chunk.meter import Count, Meter
from samespace.text.chunk.outline import Outline, inside_clusters, normal
from samespace.text.chunk.pieces import Piece, Stage
from samespace.text.recipe import Recipe
from samespace.types import Document

__all__ = ["Job", "Span"]


@dataclass(slots=True)
class Span:
    """A chunk to be: text[start:end], the block it starts in, and the pieces it is made of.

    `opening` says whether it starts with the heading that this block is.
    """

    start: int
    end: int
    block: int
    opening: bool
    pieces: list[Piece] = field(default_factory=list)
    tokens: int = 0
    dropped: int = 0


class Job:
    """One document, one counter and one recipe."""

    def __init__(self, document: Document, count: Count, recipe: Recipe) -> None:
        self.document = document
        self.text = document.text
        self.recipe = recipe
        self.outline = Outline(document)
        self.meter = Meter(count)

    @cached_property
    def available(self) -> int:
        """Tokens for context and text: the budget without special tokens and prompt."""
        available = self.recipe.max_tokens - self.meter.overhead
        if available < 1:
            raise InputError(
                f"max_tokens is {self.recipe.max_tokens}, but special tokens and prompt alone "
                f"take {self.meter.overhead}; raise max_tokens or shorten the prompt"
            )
        return available

    @cached_property
    def contexts(self) -> Contexts:
        """The contexts of the chunks."""
        return Contexts(
            self.outline, self.document.title, self.meter, self.available, self.recipe.context
        )

    @cached_property
    def inside(self) -> Container[int]:
        """Offsets within grapheme clusters."""
        return inside_clusters(self.text)

    @property
    def last_stage(self) -> Stage:
        """How fine a text may be cut: within words only where anything may be split."""
        return Stage.POINTS if self.recipe.on_long == "split" else Stage.PARTS

    def expect_whole(self) -> None:
        """Count, in one call, what is needed where the document is one chunk."""
        title = normal(self.document.title) if self.recipe.context else ""
        lead = f"{title}\n" if title else ""
        self.meter.ask(["", lead, lead + self.text])

    def context(self, span: Span) -> Context:
        """Return the context that the span is embedded with."""
        heading = self.outline.first_heading(span.start, span.end)
        return self.contexts.at(span.block, span.opening, heading)

    def input(self, span: Span) -> str:
        """Return the text that is given to the model for the span."""
        context = self.context(span).text
        part = self.text[span.start : span.end]
        return f"{context}\n{part}" if context else part

    def too_long(self, tokens: int, what: str) -> TooLong:
        """Return the error for a text that may not be cut."""
        return TooLong(
            f"document {self.document.id!r}: {what} takes {tokens} tokens, the budget is "
            f'{self.recipe.max_tokens}. Split it (on_long="split"), cut it off '
            f'(on_long="truncate", counted in the chunk\'s `dropped`), or take a model with a '
            f"longer window"
        )
