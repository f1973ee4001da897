"""CMA-ES that begins where another study has been good, and one that begins at a given point."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def source(trial):
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_float("y", -10, 10)
    return (x - 3) ** 2 + (y + 2) ** 2


def target(trial):
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_float("y", -10, 10)
    return (x - 3.2) ** 2 + (y + 1.9) ** 2


first = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
first.optimize(source, n_trials=60)
trials = first.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
second = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(source_trials=trials, seed=1))
second.optimize(target, n_trials=40)
assert second.best_value < 4, second.best_value

third = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(x0={"x": 3.0, "y": -2.0}, seed=1))
third.optimize(target, n_trials=40)
assert third.best_value < 4, third.best_value
