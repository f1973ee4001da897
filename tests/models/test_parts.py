"""Trials that a race has stopped, beside complete ones on the same parts."""

from math import inf, nan

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter import Float, TrialPruned
from kilter.models.parts import Parts
from kilter.models.readings import Readings
from kilter.models.results import Results

HARD = {"a": 0.0, "b": 5.0, "c": 1.0}
"""How hard each part is."""


LEVELS = st.floats(-9, 9)


@given(st.lists(LEVELS, min_size=1, max_size=5), LEVELS, st.sets(st.sampled_from("abc"), min_size=1))
def test_where_parts_differ_by_how_hard_they_are_any_of_them_tell_the_value(
    levels: list[float], level: float, met: set[str]
) -> None:
    parts = Parts()
    for each in levels:
        parts.add(each + 2.0, {name: each + hard for name, hard in HARD.items()})
    expected = parts.expected({name: level + HARD[name] for name in met})
    assert expected is not None and abs(expected - (level + 2.0)) < 1e-9


def test_what_is_no_number_tells_nothing() -> None:
    parts = Parts()
    for value, score in ((nan, 1.0), (1.0, nan), (1.0, inf)):
        parts.add(value, {"a": score})
    parts.add(1.0, {})
    assert parts == Parts() and parts.expected({"a": 1.0}) is None
    parts.add(1.0, {"a": 1.0})
    assert parts.expected({"a": nan}) is None and parts.expected({"b": 1.0}) is None


def raced(direction: str = "minimize") -> kilter.Study:
    sign = -1.0 if direction == "maximize" else 1.0

    def objective(trial: kilter.Trial) -> float:
        scores = []
        for step, (name, hard) in enumerate(HARD.items(), 1):
            scores.append(sign * (trial.params["x"] + hard))
            trial.report(scores[-1], fold=name)
            trial.report(float(np.mean(scores)), step)
            if trial.number >= 3 and step == 1:
                raise TrialPruned
        return float(np.mean(scores))

    study = kilter.create_study(space={"x": Float(0, 1)}, seed=0, direction=direction, sampler="random")
    study.optimize(objective, n_trials=8, progress="none")
    return study


def test_models_see_what_a_stopped_trial_would_have_come_to() -> None:
    for direction in ("minimize", "maximize"):
        study = raced(direction)
        results, sign = Results.of(study.history), study.problem.objectives[0].sign
        truth = [sign * sign * (trial.params["x"] + 2.0) for trial in study.trials]
        assert np.allclose(results.values[:, 0], truth)
        assert np.isinf(results.reach).all()
        assert [trial.value for trial in study.trials][3] == sign * study.trials[3].params["x"]  # as it was told
        assert Readings.of(study.history) is None


def test_one_read_after_another_says_the_same_as_all_at_once() -> None:
    study = raced()
    whole = Results.of(study.history)
    bit_by_bit = Results(study.history)
    for number in study.history.finished:
        bit_by_bit.read(study.history, [number])
    assert (bit_by_bit.values == whole.values).all()


def test_steps_of_a_training_are_readings_whatever_folds_there_are() -> None:
    def objective(trial: kilter.Trial) -> float:
        for step in range(1, 5):
            trial.report(trial.params["x"] / step, step)
        trial.report(trial.params["x"], fold=0)
        return trial.params["x"]

    study = kilter.create_study(space={"x": Float(0, 1)}, seed=0)
    study.optimize(objective, n_trials=4, progress="none")
    assert Readings.of(study.history) is not None
