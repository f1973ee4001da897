"""Samplers by class: random, grid and quasi-Monte Carlo."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", -100, 100)
    y = trial.suggest_int("y", -100, 100)
    return x**2 + y**2


search_space = {"x": [-50, 0, 50], "y": [-99, 0, 99]}
study = optuna.create_study(sampler=optuna.samplers.GridSampler(search_space))
study.optimize(objective)  # ends when the grid is done
assert len(study.trials) == 9, len(study.trials)
assert {(t.params["x"], t.params["y"]) for t in study.trials} == {(x, y) for x in (-50, 0, 50) for y in (-99, 0, 99)}
assert study.best_params == {"x": 0, "y": 0} and study.best_value == 0

samplers = [optuna.samplers.RandomSampler(seed=1), optuna.samplers.RandomSampler(), optuna.samplers.QMCSampler(seed=1)]
for sampler in samplers:
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=20)
    assert len({(t.params["x"], t.params["y"]) for t in study.trials}) == 20
    assert study.sampler is not None
