"""Cutting a document that does not stay whole: weigh, refine, plan, verify, repair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from samespace.text.chunk.job import Job, Span
from samespace.text.chunk.pieces import Cut, Piece, Stage, finer, pieces
from samespace.text.chunk.plan import glue, join_small, plan, price_crossings

__all__ = ["cut"]

Group = list[Piece]

MARGIN = 1.02
"""Added to a measured weight where estimates fell short, so that a repair holds at once."""


def cut(job: Job) -> list[Span]:
    """Return the spans of the document's chunks, each verified to be within the budget.

    The tokens of a span are estimated as the sum of its pieces', which is exact for WordPiece
    and close for others. Finished spans are counted as the model will see them, all in one
    call; those that exceed the budget are planned again with what was learned.
    """
    job.contexts.prepare()
    found = pieces(job.outline, job.recipe.language, job.inside)
    _weigh(job, found)
    glue(job.outline, found)
    (found,) = _refine(job, [found])
    found = join_small(found)
    price_crossings(found)
    done: list[Span] = []
    todo = _plan(found)
    while todo:
        spans = [_span(group) for group in todo]
        totals = job.meter.totals([job.input(span) for span in spans])
        heavy: list[tuple[Span, int]] = []
        for span, total in zip(spans, totals, strict=True):
            span.tokens = total
            if total <= job.recipe.max_tokens:
                done.append(span)
            else:
                heavy.append((span, total))
        todo = _repair(job, heavy, done)
    done.sort(key=lambda span: span.start)
    _count_gaps(job, done)
    return done


def _weigh(job: Job, found: Sequence[Piece]) -> None:
    """Set weight, room and limit of new pieces, counting them all in one call."""
    weights = job.meter.estimates([_countable(job.text, piece) for piece in found])
    for piece, weight in zip(found, weights, strict=True):
        piece.weight = weight
        context = job.contexts.at(piece.block, piece.opening)
        room = job.available - context.tokens
        piece.limit = room
        # Text shared with the chunk before needs room; sections start anew.
        shared = 0 if piece.opening or piece.start == 0 else job.recipe.overlap
        piece.room = max(room - shared, room / 2)


def _countable(text: str, piece: Piece) -> str:
    """Return the text whose tokens the piece adds to its chunk.

    A space is counted with the word behind it, as byte-level and Unigram tokenizers join them.
    """
    start, stop = piece.first, piece.stop
    if start == piece.start and start and text[start - 1] == " ":
        start -= 1
    if stop == piece.end and stop < len(text) and text[stop - 1] == " ":
        stop -= 1
    return text[start:stop]


def _refine(job: Job, groups: list[Group]) -> list[Group]:
    """Cut the pieces that weigh more than their limit, as finely as it takes."""
    while True:
        fresh: list[Piece] = []
        refined: list[Group] = []
        for group in groups:
            row: Group = []
            for piece in group:
                parts = _split(job, piece) if _too_heavy(job, piece) else [piece]
                row += parts
                if parts != [piece]:
                    fresh += parts
            refined.append(row)
        if not fresh:
            return groups
        _weigh_parts(job, fresh)
        groups = refined


def _too_heavy(job: Job, piece: Piece) -> bool:
    if piece.weight <= piece.limit or piece.stage >= job.last_stage:
        return False
    # For the sake of its heading alone, a body is not cut within words.
    return piece.weight > piece.room or piece.stage < Stage.WORDS


def _split(job: Job, piece: Piece) -> Group:
    """Return finer parts of a piece, or the piece without white space that has no room."""
    if piece.stop == piece.end and piece.first == piece.start and _gap_matters(job, piece):
        trimmed = _part(piece, piece.start, piece.end, piece.cut, piece.stage)
        trimmed.first, trimmed.stop = _core(job.text, piece)
        return [trimmed]
    grain = max(1, int(piece.limit) // 8)
    stage = piece.stage
    while stage < job.last_stage:
        stage = Stage(stage + 1)
        cuts = finer(job.text, piece, stage, grain, job.inside)
        if len(cuts) > 1:
            ends = [*(offset for offset, _ in cuts[1:]), piece.end]
            return [
                _part(piece, start, end, kind, stage)
                for (start, kind), end in zip(cuts, ends, strict=True)
            ]
    piece.stage = stage
    return [piece]


def _gap_matters(job: Job, piece: Piece) -> bool:
    """Return whether white space around a piece leaves no room for any text beside it.

    That is so where it fills the room by itself, or where it stands by a last single character.
    """
    first, stop = _core(job.text, piece)
    gaps = [job.text[piece.start : first], job.text[stop : piece.end]]
    if piece.stage >= Stage.CLUSTERS:
        return any(gaps)
    long = [gap for gap in gaps if len(gap) >= piece.room]
    return any(tokens >= piece.room for tokens in job.meter.nets(long))


def _part(piece: Piece, start: int, end: int, kind: Cut, stage: Stage) -> Piece:
    """Return a part of a piece; only the first part opens its section or follows its heading."""
    part = Piece(start, end, kind, piece.block, stage=stage, limit=piece.limit, room=piece.room)
    if start == piece.start:
        part.level, part.crossing, part.glued = piece.level, piece.crossing, piece.glued
    return part


def _weigh_parts(job: Job, parts: Sequence[Piece]) -> None:
    limits = [part.limit for part in parts]
    _weigh(job, parts)
    for part, limit in zip(parts, limits, strict=True):
        if part.glued:
            part.limit = min(part.limit, limit)


def _plan(found: Sequence[Piece]) -> list[Group]:
    """Plan each stretch between pieces that leave out white space."""
    groups: list[Group] = []
    stretch: Group = []
    for piece in found:
        if piece.first > piece.start and stretch:
            groups += plan(stretch, piece.level)
            stretch = []
        stretch.append(piece)
        if piece.stop < piece.end:
            groups += plan(stretch)
            stretch = []
    return groups + plan(stretch)


def _span(group: Group) -> Span:
    first, last = group[0], group[-1]
    return Span(first.first, last.stop, first.block, first.opening, group)


def _repair(job: Job, heavy: Iterable[tuple[Span, int]], done: list[Span]) -> list[Group]:
    """Return new groups for spans that turned out too heavy; settle what cannot be cut."""
    groups: list[Group] = []
    single: list[Group] = []
    for span, total in heavy:
        group = span.pieces
        actual = total - job.meter.overhead - job.context(span).tokens
        estimate = sum(piece.weight for piece in group)
        factor = MARGIN * max(1.0, actual / max(1.0, estimate))
        for piece in group:
            piece.weight = max(1.0, piece.weight) * factor
        if len(group) > 1:
            again = plan(group)
            middle = len(group) // 2
            groups += again if len(again) > 1 else [group[:middle], group[middle:]]
        else:
            group[0].limit = min(group[0].limit, group[0].weight / MARGIN)
            single.append(group)
    for group, parts in zip(single, _refine(job, single), strict=True):
        if parts != group:
            groups += _plan(parts)
        else:
            groups += _settle(job, group[0], done)
    return groups


def _settle(job: Job, piece: Piece, done: list[Span]) -> list[Group]:
    """Deal with a piece that exceeds the budget and cannot be cut any finer."""
    first, stop = _core(job.text, piece)
    bare = Span(first, stop, piece.block, piece.opening)
    total = job.meter.total(job.input(bare))
    if total <= job.recipe.max_tokens:
        piece.first, piece.stop = first, stop
        return [[piece]]
    if job.recipe.on_long != "truncate":
        part = job.text[first:stop]
        shown = part if len(part) <= 40 else part[:40] + "…"
        raise job.too_long(total, f"{shown!r} at {first}, which cannot be cut any further,")
    piece.first, piece.stop = piece.start, piece.end
    span = _span([piece])
    span.tokens = job.recipe.max_tokens
    span.dropped = job.meter.total(job.input(span)) - span.tokens
    done.append(span)
    return []


def _core(text: str, piece: Piece) -> tuple[int, int]:
    """Return the span of a piece without white space around it."""
    part = text[piece.start : piece.end]
    lead = len(part) - len(part.lstrip()) if piece.start == 0 else 0
    return piece.start + lead, piece.start + len(part.rstrip())


def _count_gaps(job: Job, spans: Sequence[Span]) -> None:
    """Add the tokens of white space that was left out to what the chunk before it dropped."""
    gaps: list[tuple[Span, str]] = []
    for span in spans:
        first, last = span.pieces[0], span.pieces[-1]
        gaps.append((span, job.text[first.start : span.start]))
        gaps.append((span, job.text[span.end : last.end]))
    gaps = [(span, gap) for span, gap in gaps if gap]
    for (span, _), tokens in zip(gaps, job.meter.nets([gap for _, gap in gaps]), strict=True):
        span.dropped += tokens
