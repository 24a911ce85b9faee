"""Plots as inline SVG: plain functions from values to text.

Each has a title and a description for those who do not see it; marks have class "mark" and say
by themselves what they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from samespace.evaluate.html.axes import Axis, Write, linear, logarithmic, number
from samespace.evaluate.html.page import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 16, 52
COLOURS = 8
CROWD = 30
"""Above so many points a scatter plot draws the intervals of the front alone."""
_DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Point:
    """One point of a scatter plot: a value with its interval, and what it cost."""

    x: float
    y: float
    low: float
    high: float
    name: str
    group: str
    label: str = ""
    front: bool = False


@dataclass(frozen=True)
class Line:
    """One line: a name, and (x, y) in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


def scatter(
    id: str, title: str, x_title: str, y_title: str, points: Sequence[Point], write: Write = number
) -> str:
    """Return quality against cost, the cost on a logarithmic axis, with the front as steps."""
    x = logarithmic([p.x for p in points], LEFT, WIDTH - RIGHT, write)
    y = linear([v for p in points for v in (p.low, p.high)], HEIGHT - BOTTOM, TOP)
    groups = list(dict.fromkeys(p.group for p in points))
    parts = [_frame(x, y, x_title, y_title)]
    front = sorted((p for p in points if p.front), key=lambda p: (p.x, p.y))
    if front:
        path = f"M{x.at(front[0].x):.1f} {y.at(front[0].y):.1f}"
        path += "".join(f"H{x.at(p.x):.1f}V{y.at(p.y):.1f}" for p in front[1:])
        parts.append(
            f'<path class="front" d="{path}H{WIDTH - RIGHT}" fill="none" stroke="var(--soft)" '
            'stroke-dasharray="5 4"/>'
        )
    crowded = len(points) > CROWD
    for p in sorted(points, key=lambda p: p.front):
        left, place, colour = x.at(p.x), y.at(p.y), groups.index(p.group)
        ends = f'y1="{y.at(p.low):.1f}" y2="{y.at(p.high):.1f}"'
        whisker = (
            f'<line x1="{left:.1f}" x2="{left:.1f}" {ends} stroke="{_colour(colour)}" '
            'opacity="0.35"/>'
        )
        parts.append(
            f'<g class="mark" opacity="{1 if p.front else 0.55}"><title>{escape(p.name)}: '
            f"{p.y:.4f} [{p.low:.4f}, {p.high:.4f}] at {escape(write(p.x))}</title>"
            f"{whisker if p.front or not crowded else ''}"
            f"{_shape(colour, left, place, filled=p.front)}</g>"
        )
    parts += _labels([(x.at(p.x), y.at(p.y), p.label) for p in points if p.front and p.label])
    keys = [(group, _shape(i, 13, 6, filled=True)) for i, group in enumerate(groups)]
    description = f"{len(points)} points; {len(front)} of them on the front"
    return _figure(id, title, description, parts) + _legend(keys)


def lines(id: str, title: str, x_title: str, y_title: str, series: Sequence[Line]) -> str:
    """Return lines over a few values on a logarithmic axis."""
    xs = sorted({x for line in series for x, _ in line.points})
    x = logarithmic(xs, LEFT, WIDTH - RIGHT, ticks=xs)
    y = linear([y for line in series for _, y in line.points], HEIGHT - BOTTOM, TOP)
    parts = [_frame(x, y, x_title, y_title)]
    keys = []
    for number_, line in enumerate(series):
        style = f'stroke="{_colour(number_)}" stroke-width="2" ' + (
            f'stroke-dasharray="{_DASHES[number_ % len(_DASHES)]}"'
        )
        places = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in line.points)
        said = ", ".join(f"{number(a)}: {b:.4f}" for a, b in line.points)
        dots = "".join(
            f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="2.8" fill="{_colour(number_)}"/>'
            for a, b in line.points
        )
        parts.append(
            f'<g class="mark"><title>{escape(line.name)}: {said}</title>'
            f'<polyline points="{places}" fill="none" {style}/>{dots}</g>'
        )
        keys.append((line.name, f'<line x1="0" x2="26" y1="6" y2="6" {style}/>'))
    return _figure(id, title, f"{len(series)} lines", parts) + _legend(keys)


def differences(
    id: str, title: str, y_title: str, values: Sequence[float], names: Sequence[str]
) -> str:
    """Return a bar for each query, from the largest gain to the largest loss."""
    order = sorted(range(len(values)), key=lambda i: -values[i])
    height = 260
    y = linear([0.0, *values], height - 40, TOP)
    step = (WIDTH - LEFT - RIGHT) / max(len(values), 1)
    x = Axis(0, len(values), LEFT, WIDTH - RIGHT)
    parts = [_frame(x, y, f"{len(values)} queries, by difference", y_title, x_ticks=False)]
    for place, i in enumerate(order):
        top, bottom = sorted((y.at(0), y.at(values[i])))
        colour = 2 if values[i] > 0 else 4 if values[i] < 0 else 7
        parts.append(
            f'<rect class="mark" x="{LEFT + place * step:.2f}" y="{top:.1f}" '
            f'width="{max(step - (0.6 if step > 3 else 0), 0.4):.2f}" '
            f'height="{max(bottom - top, 0.6):.1f}" fill="{_colour(colour)}">'
            f"<title>{values[i]:+.4f} {escape(names[i])}</title></rect>"
        )
    zero = y.at(0)
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}" class="axis"/>'
    )
    return _figure(id, title, "one bar for each query", parts, height)


def histogram(
    id: str,
    title: str,
    x_title: str,
    values: Sequence[float],
    bins: int = 20,
    write: Write = number,
) -> str:
    """Return how many values lie in each of equal parts of their range."""
    low, high = min(values), max(values)
    width = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / width), bins - 1)] += 1
    height = 260
    x = Axis(low, low + bins * width, LEFT, WIDTH - RIGHT, write=write)
    y = Axis(0, max(counts) * 1.05, height - BOTTOM, TOP)
    parts = [_frame(x, y, x_title, "queries")]
    for i, count in enumerate(counts):
        begin, end = x.at(low + i * width), x.at(low + (i + 1) * width)
        said = f"{write(low + i * width)} to {write(low + (i + 1) * width)}: {count}"
        parts.append(
            f'<rect class="mark" x="{begin + 0.5:.1f}" y="{y.at(count):.1f}" '
            f'width="{end - begin - 1:.1f}" height="{y.at(0) - y.at(count):.1f}" '
            f'fill="{_colour(0)}"><title>{escape(said)}</title></rect>'
        )
    return _figure(id, title, f"{len(values)} values in {bins} bins", parts, height)


def intervals(id: str, title: str, rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Return a value with its interval for each (name, value, low, high), from 0 to 1."""
    height, left = 44 + 30 * len(rows), 110
    x = Axis(0, 1, left, WIDTH - RIGHT)
    parts = []
    for tick in x.ticks():
        place = f"{x.at(tick):.1f}"
        parts.append(
            f'<line class="grid" x1="{place}" x2="{place}" y1="8" y2="{height - 30}"/>'
            f'<text class="soft" x="{place}" y="{height - 10}" text-anchor="middle">'
            f"{number(tick)}</text>"
        )
    for i, (name, value, low, high) in enumerate(rows):
        y = 24 + 30 * i
        parts.append(
            f'<g class="mark"><title>{escape(name)}: {value:.4f} [{low:.4f}, {high:.4f}]</title>'
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{x.at(low):.1f}" x2="{x.at(high):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{_colour(0)}" stroke-width="3" opacity="0.45"/>'
            f'<circle cx="{x.at(value):.1f}" cy="{y}" r="5" fill="{_colour(0)}"/></g>'
        )
    return _figure(id, title, f"{len(rows)} metrics with intervals", parts, height)


def _figure(
    id: str, title: str, description: str, parts: Sequence[str], height: int = HEIGHT
) -> str:
    return (
        f'<figure><div class="scroll"><svg class="plot" id="{escape(id)}" role="img" '
        f'viewBox="0 0 {WIDTH} {height}" aria-labelledby="{escape(id)}-t {escape(id)}-d">'
        f'<title id="{escape(id)}-t">{escape(title)}</title>'
        f'<desc id="{escape(id)}-d">{escape(description)}; the values are in the tables of this '
        f"page</desc>{''.join(parts)}</svg></div></figure>"
    )


def _frame(x: Axis, y: Axis, x_title: str, y_title: str, *, x_ticks: bool = True) -> str:
    """Return grid, ticks and names of both axes."""
    bottom = y.begin
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(tick):.1f}" '
        f'y2="{y.at(tick):.1f}"/><text class="soft" x="{LEFT - 8}" y="{y.at(tick) + 4:.1f}" '
        f'text-anchor="end">{escape(y.write(tick))}</text>'
        for tick in y.ticks()
    ]
    parts += [
        f'<line class="axis" x1="{x.at(tick):.1f}" x2="{x.at(tick):.1f}" y1="{bottom:.1f}" '
        f'y2="{bottom + 5:.1f}"/><text class="soft" x="{x.at(tick):.1f}" '
        f'y="{bottom + 19:.1f}" text-anchor="middle">{escape(x.write(tick))}</text>'
        for tick in (x.ticks() if x_ticks else ())
    ]
    middle, under = (LEFT + WIDTH - RIGHT) / 2, bottom + (40 if x_ticks else 24)
    half = (bottom + TOP) / 2
    parts.append(
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom:.1f}" y2="{bottom:.1f}"/>'
        f'<text x="{middle:.1f}" y="{under:.1f}" text-anchor="middle">{escape(x_title)}</text>'
        f'<text transform="translate(14 {half:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    return "".join(parts)


def _labels(wanted: Sequence[tuple[float, float, str]]) -> list[str]:
    """Return short labels beside their points, each where no other label or point stands."""
    taken = [(x, y) for x, y, _ in wanted]
    parts = []
    for x, y, text in wanted:
        half = 4.5 * len(text)
        for right, down in ((7, -11), (-7, -11), (7, 12), (-7, 12), (11, 0), (-11, 0)):
            middle, height = x + right + math.copysign(half, right), y + down
            inside = middle - half > LEFT and middle + half < WIDTH - RIGHT
            if inside and all(abs(middle - a) > half + 6 or abs(height - b) > 11 for a, b in taken):
                taken.append((middle, height))
                parts.append(
                    f'<text x="{middle:.1f}" y="{height + 4.5:.1f}" text-anchor="middle" '
                    f'font-weight="600">{escape(text)}</text>'
                )
                break
    return parts


def _legend(keys: Sequence[tuple[str, str]]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 26 12" aria-hidden="true">{drawn}</svg>{escape(name)}</li>'
        for name, drawn in keys
    )
    return f'<ul class="legend">{items}</ul>'


def _colour(place: int) -> str:
    return f"var(--c{place % COLOURS})"


def _shape(group: int, x: float, y: float, *, filled: bool) -> str:
    # One shape further for each round of colours: 32 groups look different.
    draw: Callable[[float, float], str] = _SHAPES[(group + group // COLOURS) % len(_SHAPES)]
    colour = _colour(group)
    return (
        f'<path d="{draw(x, y)}" fill="{colour if filled else "var(--paper)"}" '
        f'stroke="{colour}" stroke-width="1.6"/>'
    )


_SHAPES: tuple[Callable[[float, float], str], ...] = (
    lambda x, y: f"M{x - 5:.1f} {y:.1f}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
    lambda x, y: f"M{x - 4.5:.1f} {y - 4.5:.1f}h9v9h-9Z",
    lambda x, y: f"M{x:.1f} {y - 5.5:.1f}l5.5 10h-11Z",
    lambda x, y: f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6Z",
)
