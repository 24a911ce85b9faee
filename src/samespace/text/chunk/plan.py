"""Where to cut: of all ways to cut a text, the cheapest.

Each chunk costs the square of the room it leaves empty, which makes chunks few and even. Each
cut costs by what it separates: nothing between sections, little between paragraphs, much within
a word. Keeping parts of different sections together costs as well, unless they are whole and
small. One pass over the pieces finds the cheapest plan; a look-ahead of one budget makes it
linear in the length of the text.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from samespace.text.chunk.outline import Outline
from samespace.text.chunk.pieces import NEVER, Cut, Piece

__all__ = ["CRUMB", "glue", "join_small", "plan", "price_crossings"]

CRUMB = 0.15
"""The part of the budget below which a chunk is too small to stand alone."""

# Chosen so that one more cut of the better kind beats one cut less of the worse kind.
PRICES = {
    Cut.SECTION: 0.0,
    Cut.BLOCK: 0.15,
    Cut.ITEM: 0.6,
    Cut.LEAD: 0.7,
    Cut.SENTENCE: 1.0,
    Cut.LINE: 1.2,
    Cut.CLAUSE: 1.8,
    Cut.WORD: 3.5,
    Cut.PART: 6.0,
    Cut.CLUSTER: 9.0,
    Cut.POINT: 20.0,
}
CRUMB_PRICE = 1.0
GLUE_PRICE = 100.0  # a heading without its body
SIBLING_PRICE = 0.4  # sibling sections in one chunk: less than the least that merging two saves
TOP_PRICE = 2.2  # the same for top sections: more than merging saves, save of two crumbs
TORN_PRICE = 1.2  # a section kept together with another without being whole

LONGEST = 400  # pieces in one chunk at most: bounds the time where pieces weigh next to nothing
FINEST = 64  # pieces lighter than this part of the budget are joined before planning


def price_crossings(pieces: Sequence[Piece]) -> None:
    """Set what it costs to keep each opening of a section together with what lies before."""
    sums = [0.0]
    for piece in pieces:
        sums.append(sums[-1] + piece.weight)
    openings = [number for number, piece in enumerate(pieces) if piece.opening]
    levels = Counter(pieces[number].level for number in openings)
    top = min((level for level, times in levels.items() if times > 1), default=0)
    before: dict[int, int] = {}
    ends: dict[int, int] = {}
    stack: list[int] = []
    for number in [*openings, len(pieces)]:
        level = pieces[number].level if number < len(pieces) else 0
        while stack and pieces[stack[-1]].level >= level:
            before[number] = stack[-1]
            ends[stack.pop()] = number
        stack.append(number)
    for number in openings:
        piece = pieces[number]
        piece.crossing = SIBLING_PRICE
        if number in before and piece.level <= top:
            tiny = CRUMB * piece.room
            own = sums[ends[number]] - sums[number]
            previous = sums[number] - sums[before[number]]
            if own >= tiny or previous >= tiny:
                piece.crossing = TOP_PRICE


def glue(outline: Outline, pieces: Sequence[Piece]) -> None:
    """Bind each heading to what follows it in its section.

    The first piece of the body gets a limit that leaves room for the heading.
    """
    weight = 0.0
    for piece, following in itertools.pairwise(pieces):
        opener = outline.opens(piece.block)
        weight = weight + piece.weight if opener else 0.0
        if not opener or following.block == piece.block:
            continue
        body = not following.opening or following.level > outline.level(piece.block)
        short = outline.blocks[piece.block].kind == "heading" or weight <= following.room / 2
        if body and short:
            following.glued = True
            if not following.opening:
                # The innermost heading must fit; of those around it, as many as leave room.
                reserve = weight if weight < following.room else piece.weight
                following.limit = min(following.limit, max(1.0, following.room - reserve))
        else:
            weight = 0.0


def join_small(pieces: Sequence[Piece]) -> list[Piece]:
    """Join sentences and lines that are small beside the budget, so that planning stays fast."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if (
            last is not None
            and piece.cut >= Cut.ITEM
            and piece.cut != Cut.LEAD
            and last.block == piece.block
            and last.weight + piece.weight <= last.room / FINEST
            and not (last.opening or last.stop < last.end or piece.first > piece.start)
        ):
            last.end, last.stop = piece.end, piece.stop
            last.weight += piece.weight
        else:
            joined.append(piece)
    return joined


def plan(pieces: Sequence[Piece], end_level: int = 0) -> list[list[Piece]]:
    """Return the pieces in groups, one for each chunk, at the lowest total price.

    A group outweighs the room of its first piece only where it is that piece alone.
    `end_level` is the level of the section that opens behind the last piece (0 at the end of
    the text).
    """
    size = len(pieces)
    weights = [piece.weight for piece in pieces]
    crossings = [piece.crossing for piece in pieces]
    levels = [*(piece.level for piece in pieces), end_level]
    if size and pieces[0].start == 0:
        levels[0] = 0
    prices = [*(GLUE_PRICE if p.glued else PRICES[p.cut] for p in pieces), 0.0]
    best = [0.0] + [float("inf")] * size
    origin = [0] * (size + 1)
    for start in range(size):
        base = best[start]
        room = max(1.0, pieces[start].room)
        total = crossed = 0.0
        shallowest = NEVER
        for end in range(start + 1, min(size, start + LONGEST) + 1):
            total += weights[end - 1]
            if total > room and end > start + 1:
                break
            if end > start + 1 and levels[end - 1] < NEVER:
                crossed += crossings[end - 1]
                shallowest = min(shallowest, levels[end - 1])
            fill = min(1.0, total / room)
            price = base + crossed + prices[end] + (1.0 - fill) ** 2
            if fill < CRUMB:
                price += CRUMB_PRICE
            if shallowest < NEVER:
                if shallowest < levels[end]:
                    price += TORN_PRICE
                if shallowest < levels[start]:
                    price += TORN_PRICE
            if price < best[end]:
                best[end] = price
                origin[end] = start
    groups: list[list[Piece]] = []
    end = size
    while end:
        groups.append(list(pieces[origin[end] : end]))
        end = origin[end]
    return groups[::-1]
