"""Every point of a conditional space, once."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    kind = trial.suggest_categorical("kind", ["float", "int"])
    if kind == "float":
        return trial.suggest_float("x", 1, 3, step=0.5)
    a = trial.suggest_int("a", 1, 3)
    b = trial.suggest_int("b", a, 3)
    return a + b


study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler())
study.optimize(objective, n_trials=100)
floats = {t.params["x"] for t in study.trials if t.params["kind"] == "float"}
pairs = {(t.params["a"], t.params["b"]) for t in study.trials if t.params["kind"] == "int"}
assert floats == {1.0, 1.5, 2.0, 2.5, 3.0}
assert pairs >= {(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)}
assert study.best_value == 1.0
