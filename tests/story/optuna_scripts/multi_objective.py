"""Two objectives: directions, best_trials, values, and what a single best trial says."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 5)
    y = trial.suggest_float("y", 0, 3)
    return 4 * x**2 + 4 * y**2, (x - 5) ** 2 + (y - 5) ** 2


study = optuna.create_study(directions=["minimize", "minimize"])
study.optimize(objective, n_trials=50, timeout=60)
assert study.directions == [optuna.study.StudyDirection.MINIMIZE] * 2
front = study.best_trials
assert 1 <= len(front) <= 50
for a in front:
    assert not any(b.values[0] < a.values[0] and b.values[1] < a.values[1] for b in study.trials)
lowest = min(study.best_trials, key=lambda t: t.values[1])
assert len(lowest.values) == 2
print(f"trial {lowest.number}: {lowest.values} at {lowest.params}")
for question in ("best_trial", "best_value", "best_params", "direction"):
    try:
        getattr(study, question)
    except (RuntimeError, ValueError) as error:
        print("as it should be:", error)
    else:
        raise AssertionError(question)

frame = study.trials_dataframe()
assert {"values_0", "values_1", "params_x", "params_y"} <= set(frame.columns)

mixed = optuna.create_study(directions=["minimize", "maximize"])
trial = mixed.ask(front[0].distributions)
assert set(trial.params) == {"x", "y"}
mixed.tell(trial, [1.0, 2.0])
assert mixed.best_trials[0].values == [1.0, 2.0]
assert not hasattr(mixed, "no_such_thing")
