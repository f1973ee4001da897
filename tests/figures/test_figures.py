"""What figures show is what there is: each is held against what it is drawn from."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.figures import made

from kilter import Choice, Float, Space
from kilter.analysis.convergence import convergence
from kilter.analysis.overtuning import overtuning
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Objective, Problem
from kilter.figures.curves import curves
from kilter.figures.edf import edf
from kilter.figures.figure import Bars, Cells, Figure, Line, Points, Spans, Strands
from kilter.figures.history import histories, history
from kilter.figures.importance import importances, weights
from kilter.figures.improvement import improvement, stagnation
from kilter.figures.lineage import lineage
from kilter.figures.overtuning import course
from kilter.figures.pairs import contour, ranks
from kilter.figures.parallel import INACTIVE, parallel
from kilter.figures.pareto import pareto
from kilter.figures.rungs import rungs
from kilter.figures.slice import slices
from kilter.figures.timeline import timeline
from kilter.figures.trials import MOST, complete, objective, thinned

SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def searched(trials: int, space: Space = SQUARE, goals: tuple[Objective, ...] = (Objective("loss"),)) -> History:
    """Complete trials at random places, the first objective the sum of the numbers, others its opposite."""
    found = History(Problem(space, goals))
    for number in range(trials):
        plain = space.plain(space.sample(seed=number))
        value = sum(v for v in plain.values() if isinstance(v, float))
        metrics = {goal.name: value if i == 0 else 2 - value for i, goal in enumerate(goals)}
        made.add(found, Record(number, TrialState.RUNNING, plain), TrialState.COMPLETE, metrics)
    return found


def points(figure: Figure, panel: int = 0) -> list[Points]:
    return [mark for mark in figure.panels[panel].marks if isinstance(mark, Points)]


def drawn(figure: Figure, panel: int = 0) -> list[int]:
    """Numbers of the trials that a panel shows, but for its stars."""
    marks = [mark for mark in points(figure, panel) if mark.shape != "star"]
    return sorted(np.concatenate([mark.numbers for mark in marks] or [np.empty(0)]).astype(int).tolist())


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_line_of_a_history_is_the_best_so_far(direction: str) -> None:
    study = searched(50, goals=(Objective("loss", direction),))
    (line,) = (mark for mark in history(study).panels[0].marks if isinstance(mark, Line))
    found = convergence(study)
    assert list(dict.fromkeys(line.y.tolist())) == list(dict.fromkeys(found.best.tolist()))
    assert line.x[:-1].tolist() == list(dict.fromkeys(found.numbers.tolist()))
    (star,) = (mark for mark in points(history(study)) if mark.shape == "star")
    assert star.numbers.tolist() == [found.numbers[-1]]


def test_a_history_shows_every_trial_that_has_ended_or_reported_a_value() -> None:
    study = made.history(200)
    ended = np.isin(study.states, (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    assert drawn(history(study)) == np.flatnonzero(ended).tolist()
    (failed,) = (mark for mark in points(history(study)) if mark.shape == "cross")
    assert failed.numbers.tolist() == np.flatnonzero(study.states == TrialState.FAIL).tolist()
    assert len(set(failed.y.tolist())) == 1 and "ValueError" in failed.texts[0]


def test_failures_lie_where_bad_values_are() -> None:
    for direction, is_at_top in (("minimize", True), ("maximize", False)):
        study = searched(5, goals=(Objective("loss", direction),))
        made.add(study, Record(5, TrialState.RUNNING, {"x": 0.1, "y": 0.1}), TrialState.FAIL, {})
        (failed,) = (mark for mark in points(history(study)) if mark.shape == "cross")
        assert bool(failed.y[0] > objective(study).values[:5].max()) is is_at_top


def test_several_studies_have_a_colour_each_or_a_mean() -> None:
    studies = [(name, searched(20), objective(searched(20))) for name in "ab"]
    lines = [mark for mark in histories(studies).panels[0].marks if isinstance(mark, Line)]
    assert len({line.color for line in lines}) == 2
    mean = [mark for mark in histories(studies, error_bar=True).panels[0].marks if isinstance(mark, Line)]
    assert mean[0].label == "mean" and np.allclose(mean[0].y, studies[0][2].values)


def test_a_panel_of_a_slice_has_the_trials_in_which_its_parameter_is_active() -> None:
    study = made.history(150)
    known = complete(study, objective(study))
    for place, name in enumerate(study.problem.space.names):
        active = [number for number in known.tolist() if name in study[number].params]
        assert drawn(slices(study), place) == active
        told = slices(study).panels[place].note
        assert (f"active in {len(active)}" in told) is (len(active) < len(known))


def test_lines_pass_below_an_axis_where_a_parameter_is_not_active() -> None:
    study = made.history(150)
    (strands,) = parallel(study).panels[0].marks
    assert isinstance(strands, Strands)
    column = strands.titles.index("C")
    is_active = np.array(["C" in study[number].params for number in strands.numbers.tolist()])
    assert ((strands.shares[:, column] == INACTIVE) == ~is_active).all()
    assert (strands.shares[:, 0] >= 0).all() and (strands.shares[is_active, column] >= 0).all()
    assert strands.shade[-1] == strands.shade.min()  # the best line lies on top


def test_ranks_are_shares_of_better_trials() -> None:
    study = searched(11)
    (mark,) = points(ranks(study))
    values = objective(study).values
    assert mark.shade is not None
    expected = [(values < values[number]).sum() / 10 for number in mark.numbers.tolist()]
    assert mark.shade.tolist() == expected


def test_a_contour_follows_the_values_and_is_blank_where_no_trial_is() -> None:
    study = searched(300)
    (cells,) = (mark for mark in contour(study).panels[0].marks if isinstance(mark, Cells))
    x, y = np.meshgrid(cells.x, cells.y)
    inside = (x > 0.2) & (x < 0.8) & (y > 0.2) & (y < 0.8)
    assert np.abs(cells.z - (x + y))[inside].max() < 0.2
    few = History(Problem(SQUARE))
    for number in range(3):
        place = 0.1 + 0.02 * number
        made.add(few, Record(number, TrialState.RUNNING, {"x": place, "y": place}), TrialState.COMPLETE, {"value": 1.0})
    (cells,) = (mark for mark in contour(few).panels[0].marks if isinstance(mark, Cells))
    assert np.isnan(cells.z[-1, -1]) and cells.z[0, 0] == pytest.approx(1.0)


def test_options_are_no_neighbours_in_a_contour() -> None:
    space = Space({"o": Choice(["a", "b"]), "x": Float(0, 1)})
    study = History(Problem(space))
    for number in range(40):
        params = {"o": "ab"[number % 2], "x": number / 40}
        made.add(study, Record(number, TrialState.RUNNING, params), TrialState.COMPLETE, {"value": float(number % 2)})
    (cells,) = (mark for mark in contour(study).panels[0].marks if isinstance(mark, Cells))
    assert np.allclose(cells.z, [[0.0, 1.0]] * len(cells.y), equal_nan=True)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_a_distribution_climbs_from_none_to_all(values: list[float]) -> None:
    study = History(Problem(SQUARE))
    for number, value in enumerate(values):
        made.add(study, Record(number, TrialState.RUNNING, {}), TrialState.COMPLETE, {"value": value})
    (line,) = edf([("s", study, objective(study))]).panels[0].marks
    assert isinstance(line, Line)
    assert (np.diff(line.y) >= 0).all() and (np.diff(line.x) >= 0).all()
    for x, y in zip(line.x[1:-1], line.y[1:-1]):
        assert y == pytest.approx(np.mean(np.array(values) <= x))


def test_a_front_is_that_of_the_study_and_its_edge_passes_through_it() -> None:
    study = searched(60, goals=(Objective("loss"), Objective("gain", "maximize")))
    figure = pareto(study)
    (front,) = (mark for mark in points(figure) if mark.label == "front")
    assert sorted(front.numbers.tolist()) == [trial.number for trial in study.front()]
    (edge,) = (mark for mark in figure.panels[0].marks if isinstance(mark, Line))
    assert (np.diff(edge.x) >= 0).all() and (np.diff(edge.y) >= 0).all()
    assert len(pareto(made.history(80, 3)).panels) == 3


def test_every_curve_of_few_trials_is_a_line_and_of_many_there_are_bands() -> None:
    few, many = made.history(20), made.history(200)
    lines = [mark for mark in curves(few).panels[0].marks if isinstance(mark, Line) and mark.label.endswith("trials")]
    shown = set(np.concatenate([line.numbers for line in lines]).tolist())
    assert shown == set(range(20))
    assert not [mark for mark in curves(many).panels[0].marks if getattr(mark, "label", "") == "trials"]


def with_rungs() -> History:
    study = History(Problem(SQUARE))
    for number in range(9):
        study.add(Record(number, TrialState.RUNNING, {}, attempt=1))
        goes_on = number < 3
        steps = (1, 3) if goes_on else (1,)
        study.reports.extend(number, tuple(Report(step, {"value": float(number)}) for step in steps))
        study[number].metrics = {"value": float(number)}
        study.move(study[number], TrialState.COMPLETE if goes_on else TrialState.PRUNED)
        study.settle(study[number])
    return study


def test_rungs_are_each_one_entry_of_a_legend() -> None:
    pytest.importorskip("matplotlib")
    from kilter.figures import matplotlib

    drawn = matplotlib.draw(rungs(with_rungs()))
    labels = [entry.get_text() for legend in drawn.legends for entry in legend.get_texts()]
    assert sorted(set(labels)) == sorted(labels) and {"ended here", "went on"} <= set(labels)


def test_rungs_tell_those_that_went_on_from_those_that_did_not() -> None:
    figure = rungs(with_rungs())
    assert figure.panels[0].x.options == ("1: 3 of 9", "3: 3 of 3")
    went = np.concatenate([mark.numbers for mark in points(figure) if mark.label == "went on"])
    assert sorted(went.tolist()) == [0, 0, 1, 1, 2, 2]


def test_a_timeline_has_every_attempt_in_a_lane_of_its_worker() -> None:
    study = made.history(40)
    figure = timeline(study, 1.7e9 + 500)
    spans = [mark for mark in figure.panels[0].marks if isinstance(mark, Spans)]
    assert sorted(np.concatenate([mark.numbers for mark in spans]).tolist()) == list(range(40))
    options = figure.panels[0].y.options
    for mark in spans:
        assert all(options[int(y)].startswith(f"host-{n % 4}") for y, n in zip(mark.y, mark.numbers))
    last = [mark for mark in timeline(study, 1.7e9 + 500, recent=5).panels[0].marks if isinstance(mark, Spans)]
    assert sorted(np.concatenate([mark.numbers for mark in last]).tolist()) == list(range(35, 40))


def test_the_line_of_the_best_of_a_population_is_drawn_strongly() -> None:
    figure = lineage(made.population(4, 3))
    strong = next(mark for mark in points(figure) if mark.color == "best")
    assert strong.numbers.tolist() == [0, 4, 8]
    assert len(figure.panels) > 1


def test_bars_of_importance_are_those_of_the_analysis_the_longest_on_top() -> None:
    study = searched(80)
    (found,) = weights(study, [objective(study)])
    (bars,) = importances([found], 80).panels[0].marks
    assert isinstance(bars, Bars)
    assert bars.length.tolist() == sorted(found.shares.values(), reverse=True)
    assert bars.y.tolist() == [1.0, 0.0]
    assert (bars.low <= bars.length).all() and (bars.length <= bars.high).all()


def test_what_is_expected_falls_and_patience_runs_out() -> None:
    study = searched(60)
    lines = [mark for mark in improvement(study, 0).panels[0].marks if isinstance(mark, Line)]
    assert len(lines) == 2 and len(lines[0].x) > 2 and lines[0].x[-1] == 60
    (left,) = stagnation(study, 5).panels[0].marks
    assert isinstance(left, Line) and left.y[0] == 5 and left.y.min() == 0
    for before, after in pairwise(left.y.tolist()):
        assert after in (5, max(before - 1, 0))


def test_the_best_value_and_what_is_expected_of_it_part_by_what_is_luck() -> None:
    study = searched(40)
    found = overtuning(study)
    assert found is not None
    expected, observed = (mark for mark in course(study, None).panels[0].marks[:3] if isinstance(mark, Line))
    assert observed.y[-1] == found.observed and expected.y[-1] == found.expected
    assert course(searched(0), None).panels[0].note == "too few trials to tell"


def test_of_very_many_trials_the_best_are_drawn_and_the_figure_says_so() -> None:
    study = searched(MOST + 1_000)
    target = objective(study)
    numbers = thinned(complete(study, target), target)
    assert len(numbers) == MOST and len(set(numbers.tolist())) == MOST
    assert set(np.argsort(target.values)[:1_000].tolist()) <= set(numbers.tolist())
    for figure in (history(study), slices(study)):
        assert "5,000 of 6,000 trials drawn" in figure.panels[0].note
