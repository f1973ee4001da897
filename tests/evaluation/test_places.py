"""Mean rank over data sets: units change nothing, a place never changes, and less is always better."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import kilter
from kilter import Float
from kilter.analysis.merits import merits
from kilter.core.errors import InvalidInput
from kilter.evaluation import CrossValidation, DataSets, Holdout
from kilter.evaluation.places import place

LOSSES = st.lists(st.floats(-100, 100), min_size=2, max_size=6)
SPACE = {"x": Float(0, 1), "y": Float(0, 1, default=1.0)}
SETS = {name: (np.full(4, best),) for name, best in (("a", 0.1), ("b", 0.3), ("c", 0.5))}


@given(LOSSES, st.floats(-200, 200), st.floats(-200, 200))
def test_less_is_better_and_a_place_is_a_share(losses: list[float], one: float, other: float) -> None:
    assume(np.std(losses) > 1e-3 and other - one > 1e-3)
    assert 0.0 <= place(one, losses) < place(other, losses) <= 1.0


@given(LOSSES, st.floats(-100, 100), st.integers(-8, 8), st.floats(-100, 100))
def test_no_unit_matters(losses: list[float], loss: float, power: int, shift: float) -> None:
    assume(np.std(losses) > 1e-3)
    moved = [2.0**power * (each + shift) for each in losses]
    assert place(2.0**power * (loss + shift), moved) == pytest.approx(place(loss, losses), abs=1e-6)


def test_what_fails_is_worse_than_what_does_not() -> None:
    assert place(3.0, [inf, 3.0, 3.0]) == pytest.approx((0.0 + 0.5 + 0.5) / 3)
    assert place(inf, [inf, 3.0, 3.0]) == pytest.approx((0.5 + 1 + 1) / 3)
    assert np.isnan(place(nan, [1.0, 2.0]))


class Train:
    """A loss whose unit differs between data sets, and how often it was computed."""

    def __init__(self, units: dict[float, float], sign: float = 1.0) -> None:
        self.units, self.sign, self.calls = units, sign, 0
        self.__name__ = "train"

    def __call__(self, train: Any, test: Any, *, x: float, y: float) -> float:
        self.calls += 1
        best = float(test[0][0])
        return self.sign * self.units[best] * (1.0 + (x - best) ** 2 + y)


def tuned(units: dict[float, float], sign: float = 1.0, n_trials: int = 12, **settings: Any) -> kilter.Study:
    study = kilter.create_study(
        space=SPACE, direction="maximize" if sign < 0 else "minimize", sampler="tpe", seed=0, **settings
    )
    objective = DataSets(SETS, Holdout(0.5), summary="rank").objective(Train(units, sign))
    study.optimize(objective, n_trials=n_trials, progress="none")
    return study


def test_neither_units_nor_direction_change_the_search() -> None:
    one = tuned({0.1: 1.0, 0.3: 1.0, 0.5: 1.0})
    other = tuned({0.1: 2.0**-20, 0.3: 1.0, 0.5: 2.0**20})
    gains = tuned({0.1: 1.0, 0.3: 4.0, 0.5: 1.0}, sign=-1.0)
    assert [t.params for t in one.trials] == [t.params for t in other.trials] == [t.params for t in gains.trials]
    assert [t.value for t in one.trials] == pytest.approx([t.value for t in other.trials])
    assert [t.value for t in gains.trials] == pytest.approx([1.0 - t.value for t in one.trials])
    assert 0.0 < one.best_value < 0.2 < 0.8 < gains.best_value < 1.0


def test_a_mean_rank_is_as_sure_as_its_parts_say() -> None:
    study = tuned({0.1: 1.0, 0.3: 10.0, 0.5: 100.0})
    ranked, mean = merits(study.history, study.design), merits(study.history, replace(study.design, summary="mean"))
    worst = merits(study.history, replace(study.design, summary="worst"))
    assert ranked.noise == mean.noise > 0 and (ranked.mean == mean.mean).all()
    assert ranked.noise != worst.noise
    assert study.estimate().value == pytest.approx(study.best_value, abs=0.2)


def test_the_score_itself_is_kept() -> None:
    study = tuned({0.1: 1.0, 0.3: 10.0, 0.5: 100.0}, n_trials=2)
    trial = study.trials[1]
    x, y = trial.params["x"], trial.params["y"]
    reports = {report.fold: report.metrics for report in study.history.reports.of(1) if report.fold is not None}
    assert reports["b"]["unscaled"] == pytest.approx(10.0 * (1.0 + (x - 0.3) ** 2 + y))
    assert list(trial.folds) == ["a", "b", "c"] and trial.value == pytest.approx(np.mean(list(trial.folds.values())))


def test_references_are_fitted_once_for_each_part_that_was_met() -> None:
    train = Train({0.1: 1.0, 0.3: 1.0, 0.5: 1.0})
    objective = DataSets(SETS, CrossValidation(2), summary="rank").objective(train)
    study = kilter.create_study(space=SPACE, sampler="random", scheduler="fifo", seed=0)
    study.optimize(objective, n_trials=4, progress="none")
    assert train.calls == 6 * (4 + 5)


def test_what_cannot_be_ranked_says_why() -> None:
    with pytest.raises(InvalidInput, match="reshuffled"):
        DataSets(SETS, Holdout(0.5, reshuffled=True), summary="rank")

    objective = DataSets(SETS, Holdout(0.5), summary="rank").objective(lambda train, test, *, trial, x: x)
    with pytest.raises(InvalidInput, match="declare it"):
        kilter.create_study(seed=0).optimize(objective, n_trials=1)
    with pytest.raises(InvalidInput, match="one objective"):
        kilter.create_study(space=SPACE, directions=["minimize", "minimize"]).optimize(objective, n_trials=1)

    def broken(train: Any, test: Any, *, x: float) -> float:
        raise ZeroDivisionError("no rows")

    study = kilter.create_study(space={"x": Float(0, 1)}, seed=0)
    study.optimize(
        DataSets(SETS, Holdout(0.5), summary="rank").objective(broken), n_trials=1, catch=(Exception,), progress="none"
    )
    assert "no rows" in str(study.trials[0].failure)
