"""Cutting a cleaned document into chunks that fit the model's window and follow its structure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from samespace.text.chunk.cut import cut
from samespace.text.chunk.job import Job, Span
from samespace.text.chunk.meter import Count
from samespace.text.chunk.overlap import overlap
from samespace.text.recipe import Recipe
from samespace.types import Chunk, Document

__all__ = ["chunk"]

LIKELY_WHOLE = 5
"""A text of at most this many characters per token of the budget is first tried as one chunk."""


def chunk(document: Document, count: Count, recipe: Recipe) -> list[Chunk]:
    """Return the chunks of a cleaned document, in order.

    Each is an exact slice: `document.text[c.start:c.end] == c.text`. Without overlap they
    partition the text: white space belongs to the end of the chunk before it. (The one
    exception: white space so long that the budget does not hold it and one character lies in
    no chunk; its tokens are counted in `dropped`.) A text of white space alone has no chunks.

    `c.tokens` is `count([c.input])`, measured, and never exceeds `recipe.max_tokens`.
    `c.dropped` counts the tokens of the document that no chunk holds: what truncation cut off,
    and on the first chunk the end of a title too long for the context. Same input, same chunks
    and ids; nothing depends on what else is chunked.

    Args:
        document: cleaned; one without blocks has its paragraphs inferred from blank lines.
        count: tokens of each text as the model would see it, special tokens and prompt
            included, untruncated. It is given two to three times the text, in few calls.
        recipe: budget, overlap, context, and what happens to what does not fit.

    Raises:
        TooLong: the document (`chunking="document"`) or a word of it (`chunking="structure"`)
            exceeds the budget and `on_long` is "error"; or a single character does.
        InputError: special tokens and prompt leave no room in the budget, or the blocks of the
            document are not sorted spans of its text.
    """
    if not document.text.strip():
        return []
    job = Job(document, count, recipe)
    spans = _whole(job)
    if spans is None:
        spans = cut(job)
        if recipe.overlap:
            overlap(job, spans)
    return _chunks(job, spans)


def _whole(job: Job) -> list[Span] | None:
    """Return the document as one span where it may be one, else None."""
    recipe = job.recipe
    likely = job.outline.flat and len(job.text) <= LIKELY_WHOLE * recipe.max_tokens
    if recipe.chunking == "structure" and not likely:
        return None
    job.expect_whole()
    span = Span(0, len(job.text), 0, job.outline.opens(0))
    span.tokens = job.meter.total(job.input(span))
    excess = span.tokens - recipe.max_tokens
    if excess <= 0:
        return [span]
    if recipe.chunking == "structure" or recipe.on_long == "split":
        return None
    if recipe.on_long == "error":
        raise job.too_long(span.tokens, "it")
    span.tokens = recipe.max_tokens
    span.dropped = excess
    return [span]


def _chunks(job: Job, spans: Sequence[Span]) -> list[Chunk]:
    contexts = [job.context(span) for span in spans]
    # What is lost of a title is what not even the roomiest context holds.
    lost = min(context.lost for context in contexts)
    return [
        Chunk(
            id=_id(job.document.id, span, job.recipe.id),
            document=job.document.id,
            start=span.start,
            end=span.end,
            text=job.text[span.start : span.end],
            context=context.text,
            heading=job.outline.paths[span.block],
            tokens=span.tokens,
            dropped=span.dropped + (0 if place else lost),
        )
        for place, (span, context) in enumerate(zip(spans, contexts, strict=True))
    ]


def _id(document: str, span: Span, recipe: str) -> str:
    canonical = json.dumps([document, span.start, span.end, recipe], separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32]
