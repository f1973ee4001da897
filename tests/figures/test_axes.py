"""An axis shows most of the values, says what it does not show, and has ticks that people read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter import Choice, Float, Int
from kilter.core.events import TrialState
from kilter.figures import svg, theme
from kilter.figures.axes import of_parameter, of_values, positions, robust
from kilter.figures.figure import Axis, Points, clipped
from kilter.figures.ticks import labelled, number, ticks

ANY = st.floats(allow_nan=True, allow_infinity=True)
AXES = st.builds(
    lambda values, whole: of_values("v", np.array(values), whole=whole), st.lists(ANY, max_size=30), st.booleans()
)


@given(st.lists(ANY, max_size=50), st.lists(ANY, max_size=3))
def test_a_robust_range_holds_most_values_and_those_to_keep(values, keep):
    low, high = robust(np.array(values), keep)
    assert math.isfinite(low) and math.isfinite(high) and low <= high
    finite = [value for value in values if math.isfinite(value) and abs(value) < 1e300]
    inside = sum(low <= value <= high for value in finite)
    assert inside >= (0.8 * len(finite) - 1 if len(finite) >= 5 else len(finite))
    assert all(low <= value <= high for value in keep if math.isfinite(value))


@given(st.lists(st.floats(0, 1), min_size=10, max_size=50))
def test_an_outlier_does_not_squash_the_others(values):
    values = np.round(values, 3)
    if np.quantile(values, 0.8) > np.quantile(values, 0.2):
        _low, high = robust(np.concatenate([values, [1e9]]))
        assert high <= 1.0


def test_values_over_decades_are_on_a_log_axis_and_others_are_not():
    assert of_values("v", 10.0 ** np.arange(-6, 3)).scale == "log"
    assert of_values("v", np.arange(1.0, 30.0)).scale == "linear"
    assert of_values("v", np.array([0.0, *10.0 ** np.arange(-6, 3)])).scale == "linear"
    assert of_values("v", 10.0 ** np.arange(-6, 3), keep=[-1.0]).scale == "linear"


@given(AXES, st.lists(st.tuples(ANY, ANY), max_size=40))
def test_every_point_with_a_place_is_drawn_once_and_within_the_axes(y, places):
    x = Axis(low=-10.0, high=10.0)
    given_x, given_y = np.array(places).reshape(-1, 2).T
    drawn = clipped(Points(given_x, given_y, numbers=np.arange(len(places))), x, y)
    numbers = np.concatenate([mark.numbers for mark in drawn] or [np.empty(0)])
    known = ~(np.isnan(given_x) | np.isnan(given_y))
    assert sorted(numbers.tolist()) == np.flatnonzero(known).tolist()
    for mark in drawn:
        assert ((mark.x >= x.low) & (mark.x <= x.high) & (mark.y >= y.low) & (mark.y <= y.high)).all()
        is_inside = mark.shape == "circle"
        moved = (mark.x != given_x[mark.numbers]) | (mark.y != given_y[mark.numbers])
        assert is_inside is not bool(moved.any())
        assert is_inside or len(mark.texts) == len(mark.x)


@given(AXES, st.integers(2, 8))
def test_ticks_lie_on_the_axis_are_few_and_differ(axis, most):
    found = ticks(axis, most)
    places = [place for place, _ in found]
    assert len(found) <= 3 * most + 3
    assert places == sorted(places)
    reach = 1e-6 * (axis.high / 2 - axis.low / 2)
    assert all(axis.low - reach <= place <= axis.high + reach for place in places)
    if axis.whole:
        assert all(place == round(place) for place in places)


def test_a_sixth_of_the_trials_gone_wrong_does_not_squash_the_rest():
    accuracy = np.concatenate([np.linspace(0.9, 0.96, 50), np.linspace(0.05, 0.3, 10)])
    assert robust(accuracy) == (0.9, 0.96)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.5e-323), (-1e308, 1e308), (5e-324, 5e-324), (1e308, 1.0000001e308)])
def test_any_two_floats_have_ticks(low, high):
    assert len(ticks(Axis(low=low, high=high))) <= 12


def test_the_axis_of_a_parameter_is_as_it_was_declared():
    rate = of_parameter("lr", Float(1e-5, 1e-1, log=True))
    assert rate.scale == "log" and rate.low < 1e-5 and rate.high > 1e-1
    assert [text for _, text in ticks(rate)] == ["1e-5", "1e-4", "0.001", "0.01", "0.1"]
    assert [text for _, text in ticks(of_parameter("depth", Int(1, 4)))] == ["1", "2", "3", "4"]
    assert of_parameter("opt", Choice(["adam", "sgd"])).options == ("adam", "sgd")
    assert [text for _, text in labelled(rate, (1e-5, 1e-1))] == ["1e-5", "1e-4", "0.001", "0.01", "0.1"]


def test_places_of_options_keep_true_and_one_apart():
    assert positions(Choice([1, True, None]), [True, 1, None, "x"]).tolist()[:3] == [1.0, 0.0, 2.0]
    assert math.isnan(positions(Choice([1, 2]), [None])[0])


@given(st.floats(-1e300, 1e300))
def test_a_number_reads_as_itself_in_few_letters(value):
    text = number(value)
    assert float(text) == 0.0 if value == 0 else abs(float(text) - value) <= 6e-4 * abs(value)
    assert len(text) <= 11


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", sorted({*theme.COLORS.values(), *theme.SERIES, *svg.RAMP}))
@pytest.mark.parametrize("paper", [theme.LIGHT.paper, theme.DARK.paper])
def test_colours_stand_out_from_both_papers(color: str, paper: str) -> None:
    low, high = sorted((luminance(color), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) >= 3


def test_states_differ_in_shape_and_in_colour() -> None:
    assert len(set(theme.SHAPES.values())) == len(set(theme.WORDS.values())) == len(TrialState)
    assert len({theme.COLORS[word] for word in theme.WORDS.values()}) == len(TrialState)
