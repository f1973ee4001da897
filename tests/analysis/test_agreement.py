"""Reports that run against what is returned are told of, and no others."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.analysis.agreement import FEWEST, Agreement
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Objective, Problem

UNIT = st.floats(0.01, 0.99)


def told_after(pairs, problem=None, name="value", **report):
    """After how many trials with these (last report, value) it is told; None where it never is."""
    history, agreement = History(problem or Problem()), Agreement()
    for number, (reported, value) in enumerate(pairs):
        history.add(Record(number, TrialState.COMPLETE, {}, metrics={"value": value, "other": value}))
        history.reports.extend(number, (Report(1, {name: 0.5}), Report(2, {name: reported}, **report)))
        history.settle(history[number])
        if agreement.is_opposed_after(history[number], history):
            return number + 1
    return None


@given(st.lists(UNIT, min_size=2, max_size=12, unique=True))
def test_a_mirror_image_is_told_at_the_second_trial(reports):
    assert told_after([(report, 1.0 - report) for report in reports]) == 2
    assert told_after([(report, -report) for report in reports]) == 2


@given(st.lists(st.integers(1, 1000), min_size=FEWEST, max_size=40, unique=True), st.sampled_from([1.7, 3.0]))
def test_any_falling_relation_is_told(reports, power):
    assert told_after([(report, 1e4 / report**power) for report in reports]) == FEWEST


@given(st.lists(st.integers(0, 1000), max_size=40), st.floats(0.1, 2.0))
def test_no_rising_relation_is_told(reports, power):
    assert told_after([(report, report**power) for report in reports]) is None


@given(st.lists(UNIT, max_size=40), st.floats(-5, 5))
def test_what_never_changes_says_nothing(values, report):
    assert told_after([(report, value) for value in values if value != 1 - report and value != -report]) is None
    assert told_after([(value, 7.25) for value in values]) is None


def test_noise_about_a_rising_relation_is_no_alarm():
    import random

    for seed in range(200):
        draws = random.Random(seed)
        values = [draws.random() for _ in range(30)]
        assert told_after([(value + draws.gauss(0, 0.5), value) for value in values]) is None


def test_values_at_the_end_of_floats_have_an_order():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert told_after([((-1) ** i * 1e308, (-1) ** i * 1e308) for i in range(12)]) is None


FALLING = [(report, 9.0 - 2.0 * report) for report in range(1, 20)]


def test_other_metrics_folds_and_several_objectives_say_nothing():
    assert told_after(FALLING) == FEWEST
    assert told_after(FALLING, name="accuracy") is None
    assert told_after(FALLING, fold=3) is None
    assert told_after(FALLING, Problem(objectives=(Objective("value"), Objective("other")))) is None


@pytest.mark.parametrize("mode", ["plain", "live"])
def test_it_is_told_once_in_one_line(mode, capsys):
    def objective(trial):
        accuracy = trial.suggest_float("x", 0.1, 0.9)
        trial.report(accuracy, 1)
        return 1.0 - accuracy

    kilter.create_study(seed=0).optimize(objective, n_trials=8, progress=mode)
    assert capsys.readouterr().err.count("what trials report runs against what they return as 'value'") == 1
