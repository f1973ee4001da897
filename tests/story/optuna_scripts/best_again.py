"""The best trial goes into the objective once more, which then looks closer; the study stays as it is."""

import math

import kilter as optuna


def objective(trial):
    x = trial.suggest_float("x", -3, 3, step=0.5)
    n = trial.suggest_int("n", 1, 64, log=True)
    kind = trial.suggest_categorical("kind", ["sin", "cos"])
    if kind == "cos":
        x += trial.suggest_float("shift", 0.1, 1, log=True)
    for step in range(3):
        trial.report(n / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("kind", kind)
    return getattr(math, kind)(x) + 1 / n


study = optuna.create_study(direction="maximize")
study.optimize(objective, n_trials=20)
before = study.best_trial.user_attrs, study.best_trial.intermediate_values
for trial in study.trials:
    if trial.value is not None:
        assert objective(trial) == trial.value
assert (study.best_trial.user_attrs, study.best_trial.intermediate_values) == before
assert len(study.trials) == 20
try:
    study.best_trial.suggest_float("momentum", 0, 1)
except ValueError as error:
    assert "momentum" in str(error)
else:
    raise AssertionError("it has no such parameter")
