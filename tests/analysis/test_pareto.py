"""A front in a few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.analysis.pareto import front_text
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Objective, Problem

TWO = Problem(objectives=(Objective("loss"), Objective("speed", "maximize")))


def history_of(*rows):
    history = History(TWO)
    for number, (loss, speed) in enumerate(rows):
        history.add(Record(number, TrialState.COMPLETE, {}, metrics={"loss": loss, "speed": speed}))
        history.settle(history[number])
    return history


def test_a_front_is_its_size_and_its_volume():
    assert front_text(history_of()) is None
    assert front_text(history_of((1.0, 2.0))) == "trial 0 alone"
    assert front_text(history_of((0.0, 0.0), (1.0, 1.0))) == "front of 2; hypervolume 0.17 of the range seen"
    assert front_text(history_of((0.0, 1.0), (1.0, 0.0))) == "trial 0 alone; hypervolume 1.00 of the range seen"


ROWS = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=12)


@given(ROWS, st.floats(0.01, 100), st.floats(-5, 5))
def test_units_do_not_matter_and_it_is_a_share(rows, unit, offset):
    rows = [(round(a, 2), round(b, 2)) for a, b in rows]
    text = front_text(history_of(*rows))
    share = float(text.split("hypervolume ")[1].split()[0])
    assert 0 <= share <= 1
    moved = front_text(history_of(*((unit * a + offset, b) for a, b in rows)))
    assert abs(float(moved.split("hypervolume ")[1].split()[0]) - share) <= 0.011


@pytest.mark.parametrize("mode", ["plain", "live"])
def test_the_display_speaks_of_the_front_alone(mode, capsys):
    study = kilter.create_study(directions={"loss": "minimize", "speed": "maximize"}, seed=0)
    study.optimize(lambda trial: (x := trial.suggest_float("x", 0, 1), x), n_trials=6, progress=mode)
    said = capsys.readouterr().err
    assert "minimize loss, maximize speed" in said
    assert "front of 6; hypervolume 0." in said
    assert "(trial" not in said
