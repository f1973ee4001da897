"""Importance in Optuna's words: the same names and arguments, over our analysis."""

import time

import numpy as np
import pytest

from kilter import Float, create_study
from kilter.analysis.importance import importance
from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)

EVALUATORS = [
    None,
    PedAnovaImportanceEvaluator(),
    PedAnovaImportanceEvaluator(target_quantile=0.2),
    FanovaImportanceEvaluator(seed=3, n_trees=8, max_depth=4),
    MeanDecreaseImpurityImportanceEvaluator(),
]


def objective(trial):
    trial.suggest_categorical("idle", ["a", "b"])
    if trial.suggest_categorical("kind", ["x", "y"]) == "x":
        return trial.suggest_float("x", 1e-3, 1.0, log=True) + 0.3
    return 2 * trial.suggest_int("y", 0, 1)


@pytest.fixture(scope="module")
def study():
    study = create_study(sampler="random", seed=0)
    study.optimize(objective, n_trials=120, progress="none")
    return study


@pytest.mark.parametrize("evaluator", EVALUATORS, ids=repr)
def test_evaluators_say_what_matters(study, evaluator):
    found = get_param_importances(study, evaluator=evaluator)
    assert set(found) == {"idle", "kind", "x", "y"}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1)
    assert found["idle"] < 0.05 < found["y"]
    assert found == get_param_importances(study, evaluator=evaluator)


def test_shares_as_they_are_sum_to_less(study):
    found = get_param_importances(study, normalize=False)
    normalized = get_param_importances(study)
    assert 0.5 < sum(found.values()) <= 1
    assert found["y"] / sum(found.values()) == pytest.approx(normalized["y"])


def test_some_parameters_and_another_target(study):
    assert list(get_param_importances(study, params=["x"])) == ["x"]
    assert get_param_importances(study, params=[]) == {}
    found = get_param_importances(study, target=lambda trial: trial.params["idle"] == "a")
    assert list(found)[0] == "idle"
    with pytest.raises(UnknownName, match="did you mean 'idle'"):
        get_param_importances(study, params=["idl"])


def test_of_several_objectives_which_parameters_bring_a_trial_near_the_front():
    study = create_study(directions=["minimize", "maximize"], sampler="random", seed=0)
    study.optimize(
        lambda t: (t.suggest_float("a", 0, 1), t.suggest_float("b", 0, 1) + 0 * t.suggest_float("idle", 0, 1)),
        n_trials=150,
        progress="none",
    )
    for evaluator in (None, PedAnovaImportanceEvaluator()):
        assert get_param_importances(study, evaluator=evaluator)["idle"] < 0.1
    with pytest.raises(InvalidInput, match=r"trial\.values\[0\]"):
        get_param_importances(study, evaluator=FanovaImportanceEvaluator())
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(), target=lambda t: t.values[1])
    assert found["b"] > 0.9


def test_an_evaluator_of_ones_own():
    class Mine(BaseImportanceEvaluator):
        def evaluate(self, study, params=None, *, target=None):
            return {"x": 1.0, "y": 3.0}

    study = create_study(seed=0)
    assert get_param_importances(study, evaluator=Mine()) == {"y": 0.75, "x": 0.25}
    with pytest.raises(InvalidInput, match="evaluator"):
        get_param_importances(study, evaluator="fanova")


def test_what_cannot_be_is_refused(study):
    for settings in ({"target_quantile": 0.0}, {"region_quantile": 0.5}, {"evaluate_on_local": False}):
        with pytest.raises(InvalidInput):
            PedAnovaImportanceEvaluator(**settings)
    with pytest.raises(NotReady, match="0 complete trials"):
        get_param_importances(create_study(seed=0))


def test_equal_values_leave_equal_importances():
    study = create_study(sampler="random", seed=0)
    study.optimize(lambda t: 0 * t.suggest_float("a", 0, 1) + 0 * t.suggest_float("b", 0, 1), 10, progress="none")
    assert list(get_param_importances(study).values()) == [0.5, 0.5]


def test_many_trials_are_looked_at_within_a_budget():
    """Of CPU: 1 s for 5,000 trials and 5 s for 100,000; four times that here, since machines differ."""
    names = [f"x{i}" for i in range(10)]
    space = Space({name: Float(0, 1) for name in names})
    for trials, seconds in ((5_000, 1.0), (100_000, 5.0)):
        history = History(Problem(space))
        for number, row in enumerate(np.random.default_rng(0).random((trials, 10)).tolist()):
            metrics = {"value": row[0] + row[1] * row[2]}
            history.add(Record(number, TrialState.COMPLETE, dict(zip(names, row)), metrics=metrics))
            history.settle(history[number])
        began = time.process_time()
        found = importance(history)
        assert time.process_time() - began < 4 * seconds
        assert (found.trials, found.shares[0].parameter) == (trials, "x0")
