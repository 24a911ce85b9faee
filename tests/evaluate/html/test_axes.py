"""Axes hold every value, and what is written beside them is in order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.evaluate.html.axes import Axis, linear, logarithmic

values = st.lists(st.floats(1e-6, 1e9) | st.integers(0, 5).map(float), min_size=1, max_size=9)


@given(values, st.sampled_from([linear, logarithmic]))
def test_every_value_has_a_place_in_order(chosen: list[float], make: object) -> None:
    axis = make(chosen, 60.0, 700.0)  # type: ignore[operator]
    places = [axis.at(value) for value in sorted(chosen)]
    assert all(60 <= place <= 700 for place in places)
    assert places == sorted(places)
    ticks = [axis.at(tick) for tick in axis.ticks()]
    assert ticks
    assert all(59.9 <= tick <= 700.1 for tick in ticks)
    assert all(b - a >= 34 for a, b in itertools.pairwise(ticks))


def test_downwards_and_with_zero() -> None:
    down = linear([0.0, 1.0], 400, 16)
    assert down.at(0) > down.at(1)
    axis = logarithmic([0.0, 10.0, 1000.0], 0, 100)
    assert 0 < axis.at(0) < 5
    assert axis.at(10) > 12
    assert axis.ticks()[0] == 0
    assert logarithmic([8.0], 0, 500).at(8.0) == pytest.approx(250)


@pytest.mark.parametrize(
    "axis",
    [
        linear([0.7012, 0.7008], 400, 16),
        logarithmic([0.71, 1.1], 0, 600),
        logarithmic([3.1, 3.3], 0, 600),
    ],
)
def test_a_narrow_range_has_several_labels_that_differ(axis: Axis) -> None:
    labels = [axis.write(tick) for tick in axis.ticks()]
    assert len(set(labels)) == len(labels) > 2
