"""Axes: where a value lies, and which values are written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Write = Callable[[float], str]


def number(value: float, digits: int = 4) -> str:
    """Write a number for an axis: a few digits, no zeros behind.

    >>> [number(value) for value in (0.25, 0.70123, 30, 12345)]
    ['0.25', '0.7012', '30', '12,345']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def size(value: float) -> str:
    """Write bytes.

    >>> [size(value) for value in (0, 48, 20_000, 5.5e6)]
    ['0', '48 B', '20 kB', '5.5 MB']
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{number(value / factor, 3)} {unit}"
    return f"{number(value, 3)} B" if value else "0"


@dataclass(frozen=True)
class Axis:
    """A scale from values to places on the page, in the units of the drawing.

    On a logarithmic axis, 0 has a place of its own below all others where it is needed.
    """

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False
    zero: bool = False
    at_ticks: Sequence[float] = ()
    write: Write = field(default=number)

    def at(self, value: float) -> float:
        """Return the place of a value."""
        if not self.logarithmic:
            share = (value - self.low) / (self.high - self.low)
        elif value <= 0:
            share = 0.03
        else:
            share = math.log(value / self.low) / math.log(self.high / self.low)
            share = 0.15 + 0.85 * share if self.zero else share
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return the values to write, in order, each far enough from the one before."""
        if self.at_ticks:
            values = sorted(self.at_ticks)
        elif self.logarithmic:
            values = ([0.0] if self.zero else []) + _decades(self.low, self.high)
        else:
            values = _steps(self.low, self.high)
        shown: list[float] = []
        for value in values:
            if not shown or abs(self.at(value) - self.at(shown[-1])) >= 34:
                shown.append(value)
        return shown


def linear(values: Sequence[float], begin: float, end: float, write: Write = number) -> Axis:
    """Return an axis that holds the values with a little room; it need not begin at 0."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low - room, high + room, begin, end, write=write)


def logarithmic(
    values: Sequence[float],
    begin: float,
    end: float,
    write: Write = number,
    ticks: Sequence[float] = (),
) -> Axis:
    """Return a logarithmic axis; values of 0 and below stand at its beginning."""
    above = [value for value in values if value > 0] or [1.0]
    low, high = min(above), max(above)
    room = max((high / low) ** 0.06, 1.15)
    zero = len(above) < len(values)
    return Axis(low / room, high * room, begin, end, True, zero, ticks, write)


def _steps(low: float, high: float, wanted: int = 6) -> list[float]:
    rough = (high - low) / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    between = [value for value in values if low <= value <= high]
    return between if len(between) > 2 else [value for value in _steps(low, high) if value > 0]
