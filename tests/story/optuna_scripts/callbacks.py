"""Callbacks that look on and stop the study; MaxTrialsCallback; stopping from the objective; timeouts; failures."""

import time

import kilter as optuna
from kilter.study import MaxTrialsCallback
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def objective(trial):
    return trial.suggest_int("x", 1, 100)


seen = []


class StopWhenSeen:
    def __init__(self, threshold: int):
        self.threshold = threshold

    def __call__(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> None:
        seen.append((trial.number, trial.value, trial.state))
        if len(seen) >= self.threshold:
            study.stop()


study = optuna.create_study()
study.optimize(objective, n_trials=100, callbacks=[StopWhenSeen(4)])
assert len(study.trials) == 4
assert [number for number, _, _ in seen] == [0, 1, 2, 3]
assert all(state == TrialState.COMPLETE for _, _, state in seen)

study = optuna.create_study()
study.optimize(objective, callbacks=[MaxTrialsCallback(7, states=(TrialState.COMPLETE,))])
assert len(study.trials) == 7
study.optimize(objective, n_trials=50, callbacks=[optuna.study.MaxTrialsCallback(9)])
assert len(study.trials) >= 8


def stops(trial):
    if trial.number == 2:
        study.stop()
    return trial.suggest_float("x", 0, 1)


study = optuna.create_study()
study.optimize(stops, n_trials=10)
assert len(study.trials) == 3


def slow(trial):
    time.sleep(0.02)
    return trial.suggest_float("x", 0, 1)


study = optuna.create_study()
began = time.time()
study.optimize(slow, timeout=1.0)
assert 0.95 < time.time() - began < 60 and 2 <= len(study.trials) <= 60


def fails(trial):
    x = trial.suggest_float("x", 0, 1)
    if trial.number % 2:
        raise ValueError("odd")
    return x


study = optuna.create_study()
study.optimize(fails, n_trials=6, catch=(ValueError,), gc_after_trial=True)
assert [t.state for t in study.trials] == [TrialState.COMPLETE, TrialState.FAIL] * 3
study = optuna.create_study()
study.optimize(fails, n_trials=4, catch=ValueError)
assert len(study.trials) == 4
study = optuna.create_study()
try:
    study.optimize(fails, n_trials=4, catch=())
except ValueError as error:
    assert str(error) == "odd"
else:
    raise AssertionError("not caught, so raised")
assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL"]


def returns_nan(trial):
    return float("nan")


study = optuna.create_study()
study.optimize(returns_nan, n_trials=2)
assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
