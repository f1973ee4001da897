"""Which parameters matter."""

import kilter as optuna
from kilter.importance import FanovaImportanceEvaluator, get_param_importances

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    y = trial.suggest_int("y", 0, 10)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return 5 * x + 0.1 * y + 0.0 * len(kind)


study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
study.optimize(objective, n_trials=60)
importances = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=1))
assert list(importances)[0] == "x" and abs(sum(importances.values()) - 1) < 1e-9
assert importances["x"] > 0.7
only = optuna.importance.get_param_importances(study, params=["x", "y"], target=lambda t: t.params["y"])
assert list(only)[0] == "y"
