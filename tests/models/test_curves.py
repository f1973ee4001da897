"""Learning curves: laws of the prediction, and its calibration on curves of real learners that it has not seen."""

from __future__ import annotations

import math
import pathlib

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kilter.models.curves import EARLIER, POINTS, Curve, Prediction, predict

RECORDED = np.load(pathlib.Path(__file__).parent.parent / "data" / "curves.npz")
CUTS = (0.1, 0.25, 0.5)

any_values = st.lists(st.floats(width=64), min_size=1, max_size=30)
any_steps = st.lists(st.integers(0, 10**15), min_size=30, max_size=30)
tame = st.lists(st.integers(-5000, 5000).map(lambda i: i / 1024), min_size=1, max_size=30)
"""Values that a shift moves without a loss."""


def curve(values, first=1, every=1):
    return Curve.of(first + every * np.arange(len(values)), values)


# Laws.


@settings(max_examples=80)
@given(any_values, any_steps, st.integers(0, 10**15), st.lists(any_values, max_size=3))
def test_any_curve_gives_a_belief(values, steps, horizon, others):
    own = Curve.of(steps[: len(values)], values)
    if own is None:
        assert not np.isfinite(values).any()
        return
    earlier = [Curve.of(steps[: len(other)], other) for other in others]
    belief = predict(own, horizon, [other for other in earlier if other is not None])
    assert math.isfinite(belief.mean)
    assert 0 < belief.scale < math.inf
    assert 0 <= belief.probability_below(own.values[-1]) <= 1


@settings(max_examples=40)
@given(tame, st.lists(tame, max_size=4), st.floats(1e-6, 1e6), st.floats(-10, 10))
@example([0.0] * 7 + [-1 / 1024, -2 / 1024, -3 / 1024], [], 1e-6, 0.0)  # the last report lies on the border of a spike
@example([i / 1024 for i in range(12)], [[5 / 1024] * 9], 0.3, 1 / 3)  # the other curve stands still
def test_the_unit_of_values_does_not_matter(values, others, factor, shift):
    n, ordered = len(values), np.sort(values)
    assume(ordered[-1 - n // 10] - ordered[n // 10] > 1e-3)  # one that stands still takes its scale from its value
    known = [np.resize(other, 40) for other in others]
    belief = predict(curve(values), 40, [curve(other) for other in known])
    moved = predict(curve(factor * (shift + np.array(values))), 40, [curve(factor * (shift + o)) for o in known])
    assert moved.mean == pytest.approx(factor * (shift + belief.mean), abs=1e-5 * factor * belief.scale)
    assert moved.scale == pytest.approx(factor * belief.scale, rel=1e-5)


@settings(max_examples=30)
@given(tame, st.sampled_from([10, 1000, 10**13]))
def test_the_unit_of_steps_does_not_matter(values, every):
    belief = predict(curve(values), 40)
    other = predict(curve(values, first=every, every=every), 40 * every)
    assert (other.mean, other.scale) == pytest.approx((belief.mean, belief.scale), rel=5e-3, abs=1e-3 * belief.scale)


@settings(max_examples=30)
@given(tame, st.randoms())
def test_order_repeats_and_gaps_of_reports_do_not_matter(values, random):
    rows = [(step, value) for step, value in enumerate(values)]
    shuffled = [*rows, (len(values), math.nan), (len(values) + 1, math.inf)]
    random.shuffle(shuffled)
    shuffled = [(0, 77.0), *shuffled]  # said again later
    assert predict(Curve.of(*zip(*shuffled)), 40) == predict(Curve.of(*zip(*rows)), 40)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.floats(0.001, 0.999))
def test_quantiles_and_probabilities_agree(mean, scale, probability):
    belief = Prediction(mean, scale, 3.5)
    assert belief.probability_below(belief.quantile(probability)) == pytest.approx(probability, abs=1e-6)


def test_the_belief_widens_with_the_horizon():
    start = curve(0.3 + 1 / np.arange(1, 13))
    widths = [predict(start, horizon).scale for horizon in (12, 20, 50, 200)]
    assert widths == sorted(widths)


def test_at_the_horizon_the_value_is_nearly_known():
    belief = predict(curve(0.3 + 1 / np.arange(1, 51)), 50)
    assert belief.mean == pytest.approx(0.32, abs=0.01)
    assert belief.scale < 0.05


# Cases.


def test_a_power_law_is_followed():
    steps = np.arange(1, 21)
    belief = predict(Curve.of(steps, 0.2 + steps**-0.5), 80)
    assert belief.quantile(0.1) < 0.2 + 80**-0.5 < belief.quantile(0.9)
    assert belief.mean < 0.2 + 20**-0.5 - 0.02  # below where it stands


@pytest.mark.parametrize("reports", [1, 2, 3])
def test_few_reports_leave_much_open(reports):
    values = 0.2 + 0.8 * np.arange(1, 61) ** -0.7
    few, many = predict(curve(values[:reports]), 60), predict(curve(values[:30]), 60)
    assert few.scale > 3 * many.scale
    assert few.quantile(0.05) < values[-1] < few.quantile(0.95)


@pytest.mark.parametrize("place", [0, 10, 28, 29])
def test_a_single_outlier_is_no_news(place):
    values = 0.2 + np.arange(1, 31) ** -0.5 + 0.01 * np.cos(7 * np.arange(30))
    spoiled = values.copy()
    spoiled[place] = 1e9
    clean, other = predict(curve(values), 60), predict(curve(spoiled), 60)
    assert other.mean == pytest.approx(clean.mean, abs=0.05)
    assert other.scale < 3 * clean.scale


def test_a_curve_that_stands_still_may_yet_fall():
    belief = predict(curve([0.9] * 8), 100)
    assert 0.01 < belief.probability_below(0.8) < 0.4


def test_earlier_curves_tell_of_a_late_drop():
    steps = np.arange(1, 41)
    late = [Curve.of(steps, height - 0.01 * steps / 40 - 0.3 * (steps > 30)) for height in np.linspace(0.8, 1.0, 8)]
    start = Curve.of(steps[:20], late[3].values[:20])
    alone, informed = predict(start, 40), predict(start, 40, late[:3] + late[4:])
    assert alone.probability_below(0.7) < 0.05
    assert informed.probability_below(0.7) > 0.3


def test_an_earlier_curve_may_end_elsewhere_than_at_its_last_report():
    """As when an objective reports the loss and returns the best one, or one on other data."""
    curves = [Curve.of(range(1, 31), 0.2 + height / np.arange(1, 31), end=0.7) for height in np.linspace(0.5, 1.5, 12)]
    start = curve(0.2 + 0.93 / np.arange(1, 16))
    assert predict(start, 30, curves).mean == pytest.approx(0.7, abs=0.2)


def test_earlier_curves_that_ended_early_are_left_aside():
    short = [curve(np.linspace(1, 0.9, 10))] * 5
    start = curve(1 / np.arange(1, 8))
    assert predict(start, 100, short) == predict(start, 100)


def test_long_curves_are_thinned_and_end_where_they_end():
    long = curve(1 / np.arange(1, 100_001))
    assert len(long.steps) <= POINTS
    assert (long.steps[0], long.steps[-1], long.end) == (1, 100_000, 1e-5)


def test_nothing_finite_is_no_curve():
    assert Curve.of([1, 2], [math.nan, math.inf]) is None
    assert Curve.of([], []) is None
    assert Curve.of([1], [0.5], end=math.nan) is None


# Calibration, on families of curves that fixed none of the constants.

HELD_OUT = [name for name in RECORDED if name.startswith("heldout/")]


def beliefs(cut, known):
    """Pairs (belief, truth, scale of the family) of all held-out curves, cut at a share of their length."""
    for name in HELD_OUT:
        values = RECORDED[name].astype(float)
        steps = np.arange(1, values.shape[1] + 1)
        length = max(3, round(cut * len(steps)))
        curves = [Curve.of(steps, row) for row in values]
        for i, row in enumerate(values):
            others = [curves[j % len(curves)] for j in range(i + 1, i + 1 + known)]
            yield predict(Curve.of(steps[:length], row[:length]), len(steps), others), row[-1], row[:length]


@pytest.mark.parametrize("known", [0, 4, EARLIER])
@pytest.mark.parametrize("cut", CUTS)
def test_intervals_hold_what_they_promise(cut, known):
    inside = [b.quantile(0.1) <= truth <= b.quantile(0.9) for b, truth, _ in beliefs(cut, known)]
    assert len(inside) == 182
    assert 0.7 <= np.mean(inside) <= 0.9
