"""What trials reached, as rows that a model over fidelity is fitted to."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.numbers import Float
from kilter.core.problem import Fidelity, Objective, Problem
from kilter.core.space import Space
from kilter.models.controls import CONTROL, CONTROLLED, is_control
from kilter.models.evidence import evidence_of
from kilter.models.readings import Readings
from kilter.models.results import Results, level_of
from kilter.models.surrogate import Surrogate
from kilter.samplers.auto import AutoSampler
from kilter.samplers.gp import GPSampler

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})
BLIND = 3 * CONTROL - 1
"""A control."""


class Study:
    """A history that is written by hand."""

    def __init__(self, *objectives, fidelities=()):
        self.history = History(Problem(SPACE, objectives or (Objective("value"),), fidelities=fidelities))

    def start(self, x, y=0.5):
        trial = Record(len(self.history), TrialState.RUNNING, {"x": x, "y": y}, attempt=1)
        self.history.add(trial)
        self.history.running[trial.number] = trial
        return trial

    def report(self, trial, step, **metrics):
        self.history.reports.extend(trial.number, (Report(step, metrics),))

    def end(self, trial, state=TrialState.COMPLETE, **metrics):
        trial.state, trial.metrics = state, metrics
        trial.started, trial.ended = 0.0, 1.0
        del self.history.running[trial.number]
        self.history.settle(trial)

    def run(self, x, values, state=TrialState.COMPLETE, y=0.5):
        """One report for each value, at the steps 1, 3, 9, …."""
        trial = self.start(x, y)
        for level, value in enumerate(values):
            self.report(trial, 3**level, value=value)
        self.end(trial, state, value=values[-1])
        return trial

    def rows(self):
        m = Readings.of(self.history)
        return list(zip(m.numbers.tolist(), m.resource.round(3).tolist(), m.values[:, 0].tolist()))


def test_a_row_for_each_level_and_the_end():
    study = Study()
    study.run(0.1, [3.0, 2.0, 1.0])
    study.run(0.2, [4.0], TrialState.PRUNED)
    running = study.start(0.3)
    study.report(running, 4, value=7.0)
    study.report(running, 5, value=6.0)  # the same level
    half = round(math.log(4) / math.log(9), 3)
    assert study.rows() == [(0, 0.0, 3.0), (0, 0.5, 2.0), (0, 1.0, 1.0), (1, 0.0, 4.0), (2, half, 7.0)]
    assert Readings.of(study.history).ended.tolist() == [0, 0, 0, 1, -1]


def test_values_are_minimised_and_unusable_ones_left_out():
    study = Study(Objective("value", "maximize"))
    trial = study.start(0.1)
    study.report(trial, 1, value=5.0)
    study.report(trial, 3, value=math.nan)
    study.report(trial, 4, value=6.0)
    study.report(trial, 9, other=1.0)
    study.end(trial, TrialState.FAIL)
    study.run(0.2, [1.0, 2.0])
    assert [value for _, _, value in study.rows()] == [-5.0, -6.0, -1.0, -2.0]


def test_folds_are_no_curve():
    study = Study()
    for x in (0.1, 0.2, 0.3):
        trial = study.start(x)
        study.history.reports.extend(trial.number, (Report(0, {"value": x}, fold=1),))
        study.end(trial, value=x)
    assert Readings.of(study.history) is None


def test_the_whole_resource_is_that_of_the_fidelity_or_of_the_furthest():
    study = Study(fidelities=(Fidelity("epochs", 1, 81),))
    for x in (0.1, 0.2, 0.3):
        study.run(x, [1.0, 2.0, 3.0], TrialState.PRUNED)
    assert Readings.of(study.history).wholes == 0
    assert Readings.of(study.history).resource.max() == 0.5
    study.run(0.4, [1.0, 2.0])
    assert Readings.of(study.history).wholes == 1, "what is complete is whole"


curves = st.lists(
    st.tuples(st.floats(0, 1), st.lists(st.floats(-5, 5), min_size=1, max_size=4), st.booleans()),
    min_size=3,
    max_size=12,
)


@given(curves, st.integers(0, 11))
def test_rows_do_not_depend_on_when_they_were_asked_for(trials, look):
    asked, fresh = Study(), Study()
    for i, (x, values, complete) in enumerate(trials):
        for study in (asked, fresh):
            study.run(x, values, TrialState.COMPLETE if complete else TrialState.PRUNED)
        if i == look:
            Readings.of(asked.history)
    one, other = Readings.of(asked.history), Readings.of(fresh.history)
    for name in ("numbers", "ended", "values", "resource", "best", "returning"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_what_went_furthest_is_best():
    study = Study()
    study.run(0.1, [0.0], TrialState.PRUNED)
    study.run(0.2, [5.0, 4.0, 3.0])
    study.run(0.3, [5.0, 1.0], TrialState.PRUNED)
    study.run(0.4, [5.0, 4.0, 2.0])
    results, readings = Results.of(study.history), Readings.of(study.history)
    assert results.numbers[results.best(4)].tolist() == [3, 1, 2, 0]
    assert readings.numbers[readings.best].tolist() == [3, 1, 2, 0]


def test_what_was_stopped_returns_once():
    study = Study()
    study.run(0.1, [3.0], TrialState.PRUNED)
    study.run(0.2, [3.0], TrialState.PRUNED)
    study.run(0.3, [3.0, 2.0, 1.0])
    assert Readings.of(study.history).returning[:, 0].tolist() == [0.1, 0.2]
    study.run(0.1, [3.0, 2.0], TrialState.PRUNED)
    assert Readings.of(study.history).returning[:, 0].tolist() == [0.2]


def filled(trials=14, misleads=False):
    """Best at x = 0.7 in the end; low levels say so too, or the contrary."""
    study = Study()
    for i in range(trials):
        x = (0.1 + i * 0.618) % 1
        end = (x - 0.7) ** 2
        low = -end if misleads else end
        study.run(
            x,
            [low + 2.0, low + 1.5, end] if i % 3 == 0 else [low + 2.0],
            y=(i * 0.31) % 1,
            state=TrialState.COMPLETE if i % 3 == 0 else TrialState.PRUNED,
        )
    return study


def test_low_levels_inform_the_model_of_the_whole():
    study = filled()
    ordinary, control = (Surrogate.of(study.history, 1, n) for n in (3 * CONTROL, BLIND))
    assert is_control(BLIND)
    assert not is_control(3 * CONTROL)
    points = np.column_stack([np.linspace(0, 1, 41), np.full(41, 0.5)])
    errors = []
    for surrogate in (ordinary, control):
        belief = surrogate.objectives[0]
        mean = belief.output.inverse(belief.posterior.predict(surrogate.encoding.features(points))[0])
        errors.append(np.abs(mean - (points[:, 0] - 0.7) ** 2).mean())
    assert errors[0] < errors[1]


def test_controls_do_not_see_low_levels():
    for misleads in (False, True):
        study = filled(misleads=misleads)
        surrogate = Surrogate.of(study.history, 1, BLIND)
        assert (surrogate.objectives[0].posterior.features[:, -1] == 1.0).all()
    one, other = (
        AutoSampler().ask(AutoSampler().start(s.history.problem, 1), s.history, BLIND)
        for s in (filled(misleads=False), filled(misleads=True))
    )
    assert one.keys() == other.keys()


def test_controls_that_are_stopped_like_any_other_see_what_stopped_them():
    for are_spared in (True, False):
        study = Study()
        for i in range(30):
            is_whole = are_spared if is_control(i) else i % 3 == 0
            study.run(i / 30, [3.0, 2.0] if is_whole else [3.0], TrialState.COMPLETE if is_whole else TrialState.PRUNED)
        assert evidence_of(study.history, 1, 34).is_blind is are_spared
        assert not evidence_of(study.history, 1, 35).is_blind


def test_what_was_stopped_comes_again_by_its_returning_alone():
    study = Study()
    study.run(0.1, [3.0], TrialState.PRUNED)
    study.run(0.2, [3.0, 2.0, 1.0])
    evidence = evidence_of(study.history, 1, 2)
    assert sorted(set(evidence.evaluated[:, 0].tolist())) == [0.1, 0.2]


def test_controls_are_spread_evenly_until_some_trials_are_whole():
    study = filled(3 * CONTROLLED - 3)
    number = next(n for n in range(50, 60) if is_control(n))
    sampler = AutoSampler()
    state = sampler.start(study.history.problem, 1)
    assert sampler.explain(state, study.history, number, {}).arm == "sobol"
    assert CONTROL > 1


def test_a_fit_is_the_same_however_often_it_was_asked_for():
    followed = Study()
    for i in range(25):
        x = (0.1 + i * 0.618) % 1
        followed.run(x, [x + 1.0, x] if i % 2 else [x + 1.0], TrialState.COMPLETE if i % 2 else TrialState.PRUNED)
        if i > 6:
            Surrogate.of(followed.history, 1, i + 1)
    fresh = Study()
    for i in range(25):
        x = (0.1 + i * 0.618) % 1
        fresh.run(x, [x + 1.0, x] if i % 2 else [x + 1.0], TrialState.COMPLETE if i % 2 else TrialState.PRUNED)
    one, other = Surrogate.of(followed.history, 1, 25), Surrogate.of(fresh.history, 1, 25)
    assert np.array_equal(one.objectives[0].posterior.theta, other.objectives[0].posterior.theta)
    assert np.array_equal(one.best, other.best)


def test_where_nothing_got_to_the_whole_the_best_is_what_there_is_to_beat():
    study = Study(fidelities=(Fidelity("epochs", 1, 81),))
    for i in range(8):
        study.run((0.1 + i * 0.618) % 1, [1.0 + i, 2.0 - i, 3.0], TrialState.PRUNED)
    surrogate = Surrogate.of(study.history, 1, 8)
    assert np.isfinite(surrogate.best).all()
    assert np.isfinite(surrogate.score(np.array([[0.2, 0.3], [0.9, 0.1]]))).all()
    sampler = GPSampler(initial=3)
    assert sampler.ask(sampler.start(study.history.problem, 1), study.history, 8) is not None


def test_what_failed_says_nothing_of_a_trial_that_runs():
    """One that has reported the whole resource and has not ended is to be beaten, whichever trial ended last."""
    study = filled()
    running = study.start(0.7)
    for step in (1, 3, 9):
        study.report(running, step, value=-1.0)
    before = Surrogate.of(study.history, 1, 20).best
    study.end(study.start(0.1), TrialState.FAIL)
    assert np.allclose(Surrogate.of(study.history, 1, 20).best, before)


@given(st.integers(0, 2**63 - 1))
def test_levels_are_powers_of_three(step):
    level = level_of(step)
    assert 3**level <= max(step, 1) * (1 + 1e-8)
    assert max(step, 1) < 3 ** (level + 1) * (1 + 1e-8)
