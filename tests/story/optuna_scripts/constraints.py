"""Constraints: set in the objective, or computed by the sampler from attributes; with one objective and with two."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def one(trial):
    x = trial.suggest_float("x", -15, 30)
    y = trial.suggest_float("y", -15, 30)
    trial.set_user_attr("constraint", [1 - x, 2 - y])
    return x**2 + y**2


def constraints(trial):
    assert trial.params["x"] >= -15
    return trial.user_attrs["constraint"]


sampler = optuna.samplers.TPESampler(n_startup_trials=10, multivariate=True, constraints_func=constraints, seed=1)
study = optuna.create_study(sampler=sampler)
study.optimize(one, n_trials=60)
assert study.best_params["x"] >= 1 and study.best_params["y"] >= 2
assert study.best_value < 60
assert list(study.best_trial.constraints.values()) == study.best_trial.user_attrs["constraint"]


def two(trial):
    x = trial.suggest_float("x", 0, 5)
    y = trial.suggest_float("y", 0, 3)
    trial.set_constraint("left", (x - 5) ** 2 + y**2 - 25)
    trial.set_constraint("right", 7.7 - (x - 8) ** 2 - (y + 3) ** 2)
    return 4 * x**2 + 4 * y**2, (x - 5) ** 2 + (y - 5) ** 2


sampler = optuna.samplers.NSGAIISampler(population_size=10, seed=2)
study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
study.set_metric_names(["cost", "distance"])
study.optimize(two, n_trials=50, timeout=60)
assert study.metric_names == ["cost", "distance"]
front = study.best_trials
assert front
for trial in front:
    assert set(trial.constraints) == {"left", "right"} and max(trial.constraints.values()) <= 0
    assert len(trial.values) == 2
cheapest = min(front, key=lambda trial: trial.values[0])
assert cheapest.values[0] == min(t.values[0] for t in front)
