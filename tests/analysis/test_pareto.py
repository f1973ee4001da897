"""Fronts, their knee, and the volume that they dominate as trials finish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import FAIL, PRUNED, RUNNING, history_of

import kilter
from kilter.analysis.pareto import front, front_text, hypervolume, knee
from kilter.core.errors import InvalidInput
from kilter.core.problem import Constraint, Objective, Problem

TWO = Problem(objectives=(Objective("loss"), Objective("speed", "maximize")))


def of(*rows, problem=TWO):
    return history_of([{"values": row} for row in rows], problem)


def losses_of(rows, directions):
    return np.array(rows) * [1 if way == "minimize" else -1 for way in directions]


PROBLEMS = {
    m: Problem(objectives=tuple(Objective(f"o{i}", "maximize" if i % 2 else "minimize") for i in range(m)))
    for m in range(1, 5)
}
GRID = st.integers(0, 6).map(float)


@st.composite
def results(draw, most=4):
    """A problem of some objectives, and rows of values with many ties."""
    m = draw(st.integers(1, most))
    return PROBLEMS[m], draw(st.lists(st.tuples(*[GRID] * m), min_size=1, max_size=15))


@given(results())
def test_the_front_is_what_nothing_dominates(drawn):
    problem, rows = drawn
    losses = losses_of(rows, [o.direction for o in problem.objectives])
    beaten = {i for i, a in enumerate(losses) for b in losses if (b <= a).all() and (b < a).any()}
    found = front(of(*rows, problem=problem))
    assert sorted(found.numbers.tolist()) == [i for i in range(len(rows)) if i not in beaten]
    assert found.values.tolist() == [list(rows[number]) for number in found.numbers]
    assert found.candidates == len(rows)
    if len(problem.objectives) < 3:  # a front of two is a staircase
        assert (np.diff(losses[found.numbers][:, 0]) >= 0).all()
        assert (np.diff(losses[found.numbers][:, -1]) <= 0).all() or len(problem.objectives) == 1


def test_only_complete_feasible_and_finite_trials_are_on_it():
    problem = Problem(objectives=TWO.objectives, constraints=(Constraint("ms", "<=", 10.0),))
    rows = [
        {"values": (1.0, 1.0), "metrics": {"ms": 10.0}},
        {"values": (0.0, 9.0), "metrics": {"ms": 11.0}},
        {"values": (0.0, 9.0)},
        {"values": (0.0, np.inf), "metrics": {"ms": 1.0}},
        *({"values": (0.0, 9.0), "metrics": {"ms": 1.0}, "state": state} for state in (PRUNED, FAIL, RUNNING)),
    ]
    found = front(history_of(rows, problem))
    assert (found.numbers.tolist(), found.candidates, found.nearest) == ([0], 1, ())
    nothing = front(history_of([*rows[1:3], *rows[4:]], problem))
    assert (nothing.numbers.tolist(), nothing.nearest, nothing.values.shape) == ([], (0,), (0, 2))
    infinite = front(history_of(rows[1:], problem))
    assert (infinite.numbers.tolist(), infinite.nearest) == ([], ()), "one meets the constraint"


def test_the_knee_is_where_the_front_bends():
    bent = np.array([[0.0, 1.0], [0.1, 0.2], [0.5, 0.1], [1.0, 0.0]])
    assert knee(bent) == 1
    assert knee(bent * [1e6, 1e-6] + [5, -3]) == 1
    assert knee(np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])) is None, "a straight front has none"
    assert knee(np.array([[0.0, 1.0], [0.9, 0.9], [1.0, 0.0]])) is None, "nor has one that bends the other way"
    assert knee(bent[:2]) is None
    sphere = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0.3, 0.3, 0.3]])
    assert knee(sphere) == 3


@given(results(), st.integers(0, 9))
def test_the_volume_never_falls_and_is_that_of_the_trials_so_far(drawn, cut):
    problem, rows = drawn
    m = len(problem.objectives)
    reference = [7.0 if o.direction == "minimize" else -1.0 for o in problem.objectives]
    found = hypervolume(of(*rows, problem=problem), reference)
    assert (np.diff(found.volume) >= 0).all()
    assert (found.share <= 1 + 1e-9).all() and (found.share >= 0).all()
    assert found.trials.tolist() == list(range(1, len(rows) + 1))
    if m <= 3:
        cells = np.stack(np.meshgrid(*[np.arange(7)] * m), axis=-1).reshape(-1, m) + 0.5
        signs = np.array([o.sign for o in problem.objectives])
        scaled = np.where(signs > 0, np.array(rows), 6 - np.array(rows))
        for stop in {1, min(cut + 1, len(rows)), len(rows)}:
            covered = (scaled[:stop, None] < cells[None]).all(axis=2).any(axis=0).sum()
            assert found.volume[stop - 1] == pytest.approx(covered)


def test_a_known_volume_in_the_users_own_directions():
    found = hypervolume(of((1.0, 1.0), (0.0, 0.0), (0.5, 2.0)), (2.0, -1.0))
    assert found.volume.tolist() == [2.0, 3.0, 5.0]
    assert found.reference.tolist() == [2.0, -1.0]
    assert found.share.tolist() == [2 / 6, 3 / 6, 5 / 6]
    assert found.is_exact


def test_four_objectives_are_estimated():
    rng = np.random.default_rng(0)
    rows = rng.random((40, 4))
    found = hypervolume(of(*rows, problem=PROBLEMS[4]), [1.0, 0.0, 1.0, 0.0])
    from kilter.models.hypervolume import hypervolume as exactly

    assert not found.is_exact
    losses = rows * [1, -1, 1, -1]
    box = (np.array([1, 0, 1, 0]) - losses.min(axis=0)).prod()
    assert found.volume[-1] == pytest.approx(exactly(losses, np.array([1, 0, 1, 0])), abs=4 * 0.008 * box)


def test_the_corner_is_that_of_feasible_trials():
    problem = Problem(objectives=(Objective("a"), Objective("b")), constraints=(Constraint("c", "<=", 0.0),))
    rows = [{"values": (a, b), "metrics": {"c": c}} for a, b, c in ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (1e4, 1e4, 1.0))]
    assert hypervolume(history_of(rows, problem)).reference.tolist() == [1.1, 1.1]


def test_many_trials_are_told_at_some_counts_and_a_corner_is_checked():
    history = of(*([float(i), float(i)] for i in range(1000)))
    found = hypervolume(history)
    assert len(found.trials) == 200 and found.trials[[0, -1]].tolist() == [1, 1000]
    assert found.numbers.tolist() == (found.trials - 1).tolist()
    for reference in ([1.0], [1.0, float("nan")], [[1.0, 2.0]]):
        with pytest.raises(InvalidInput, match="give 2 numbers"):
            hypervolume(history, reference)


def test_a_front_in_words_is_its_size_and_its_volume():
    assert front_text(of()) is None
    assert front_text(of((1.0, 2.0))) == "trial 0 alone"
    assert front_text(of((0.0, 0.0), (1.0, 1.0))) == "front of 2; hypervolume 0.17 of the range seen"
    assert front_text(of((0.0, 1.0), (1.0, 0.0))) == "trial 0 alone; hypervolume 1.00 of the range seen"


ROWS = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=12)


@given(ROWS, st.floats(0.01, 100), st.floats(-5, 5))
def test_units_do_not_matter_and_it_is_a_share(rows, unit, offset):
    rows = [(round(a, 2), round(b, 2)) for a, b in rows]
    share = float(front_text(of(*rows)).split("hypervolume ")[1].split()[0])
    assert 0 <= share <= 1
    moved = front_text(of(*((unit * a + offset, b) for a, b in rows)))
    assert abs(float(moved.split("hypervolume ")[1].split()[0]) - share) <= 0.011


@pytest.mark.parametrize("mode", ["plain", "live"])
def test_the_display_speaks_of_the_front_alone(mode, capsys):
    study = kilter.create_study(directions={"loss": "minimize", "speed": "maximize"}, seed=0)
    study.optimize(lambda trial: (x := trial.suggest_float("x", 0, 1), x), n_trials=6, progress=mode)
    said = capsys.readouterr().err
    assert "minimize loss, maximize speed" in said
    assert "front of 6; hypervolume 0." in said
    assert "(trial" not in said


def test_values_at_the_end_of_floats_have_no_volume():
    assert front_text(of((1e308, 1.0), (1e308, 1.0))) == "front of 2"
    assert front_text(of((1e308, 1.0), (-1e308, 1.0))) == "trial 1 alone"
