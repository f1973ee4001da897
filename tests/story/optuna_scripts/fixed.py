"""Trials that are not a study's, and parameters that are held fixed."""

import kilter as optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", -100, 100)
    y = trial.suggest_categorical("y", [-1, 0, 1])
    return x**2 + y


assert objective(optuna.trial.FixedTrial({"x": 1.0, "y": -1})) == 0.0
assert objective(optuna.trial.FixedTrial({"x": -1.0, "y": -1}, number=3)) == 0.0
try:
    objective(optuna.trial.FixedTrial({"x": 1.0}))
except ValueError as error:
    print("as it should be:", error)
else:
    raise AssertionError("y has no value")

study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=10)
best_params = study.best_params
study.sampler = optuna.samplers.PartialFixedSampler({"y": best_params["y"]}, study.sampler)
study.optimize(objective, n_trials=10)
assert {t.params["y"] for t in study.trials[10:]} == {best_params["y"]}

trial = optuna.trial.create_trial(
    params={"x": 2.0, "y": 0},
    distributions={
        "x": optuna.distributions.FloatDistribution(-100, 100),
        "y": optuna.distributions.CategoricalDistribution(choices=[-1, 0, 1]),
    },
    value=4.0,
)
assert trial.value == 4.0 and trial.params["x"] == 2.0 and trial.state == optuna.trial.TrialState.COMPLETE
study.add_trial(trial)
assert study.trials[-1].params == {"x": 2.0, "y": 0} and len(study.trials) == 21
another = optuna.create_study()
another.add_trials(study.trials)
assert [t.value for t in another.trials] == [t.value for t in study.trials]
