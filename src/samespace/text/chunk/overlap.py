"""Overlap: a chunk begins again with the last sentences of the chunk before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from samespace.text.chunk.job import Job, Span
from samespace.text.chunk.pieces import Piece, Stage, finer

__all__ = ["overlap"]

REACH = 8
"""Characters per token of overlap that are searched for a word to begin with."""


@dataclass(slots=True)
class _Widening:
    """A span, and the places where it may begin instead, the earliest first."""

    span: Span
    starts: list[int]


def overlap(job: Job, spans: Sequence[Span]) -> None:
    """Let each span that continues a section begin earlier, by at most `recipe.overlap` tokens.

    It begins at a sentence or line, or where the last one is longer than the overlap, at a
    word. What does not fit the budget is not shared. Starts and ends stay strictly increasing.
    """
    todo = _candidates(job, spans)
    while todo:
        wide = [
            Span(item.starts[0], item.span.end, job.outline.block_at(item.starts[0]), False)
            for item in todo
        ]
        shared = job.meter.nets(
            [job.text[new.start : item.span.start] for new, item in zip(wide, todo, strict=True)]
        )
        totals = job.meter.totals([job.input(new) for new in wide])
        again: list[_Widening] = []
        for item, new, extra, total in zip(todo, wide, shared, totals, strict=True):
            if extra <= job.recipe.overlap and total <= job.recipe.max_tokens:
                item.span.start, item.span.block = new.start, new.block
                item.span.tokens = total
            else:
                item.starts = item.starts[max(1, len(item.starts) // 4) :]
                if item.starts:
                    again.append(item)
        todo = again


def _candidates(job: Job, spans: Sequence[Span]) -> list[_Widening]:
    """Return where spans may begin, by the estimated tokens of what they would share."""
    found: list[_Widening] = []
    by_word: list[tuple[_Widening, list[int]]] = []
    for previous, span in pairwise(spans):
        same = job.outline.sections[previous.pieces[-1].block] == job.outline.sections[span.block]
        if span.opening or not same or previous.end < span.start:
            continue
        item = _Widening(span, _piece_starts(job, previous, span))
        if item.starts:
            found.append(item)
        else:
            words = _word_starts(job, previous.pieces[-1], span.start)
            if words:
                by_word.append((item, words))
    texts = [
        [job.text[a:b] for a, b in zip(words, [*words[1:], item.span.start], strict=True)]
        for item, words in by_word
    ]
    job.meter.ask(text for row in texts for text in row)
    for (item, words), row in zip(by_word, texts, strict=True):
        sums = list(accumulate(reversed(job.meter.nets(row))))
        kept = sum(1 for total in sums if total <= job.recipe.overlap)
        if kept:
            item.starts = words[-kept:]
            found.append(item)
    return found


def _piece_starts(job: Job, previous: Span, span: Span) -> list[int]:
    """Return starts of pieces near the end of the span before, within the same section."""
    starts: list[int] = []
    weight = 0.0
    for piece in reversed(previous.pieces[1:]):
        weight += piece.weight
        if weight > job.recipe.overlap or job.outline.opens(piece.block):
            break
        if job.outline.sections[piece.block] != job.outline.sections[span.block]:
            break
        starts.append(piece.start)
    return starts[::-1]


def _word_starts(job: Job, last: Piece, end: int) -> list[int]:
    """Return starts of words in the last piece, the last few of them."""
    if job.outline.opens(last.block):
        return []
    begin = max(last.start, end - REACH * job.recipe.overlap)
    tail = Piece(begin, end, last.cut, last.block)
    words = [offset for offset, _ in finer(job.text, tail, Stage.WORDS, 1, job.inside)[1:]]
    if not words:
        words = [offset for offset, _ in finer(job.text, tail, Stage.PARTS, 1, job.inside)[1:]]
    return words
