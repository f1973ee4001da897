"""The first page of every tutorial: one float, seeds, what the study knows after, lambdas and objects as objectives."""

import kilter as optuna
from kilter.trial import TrialState


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=10))
study.optimize(objective, n_trials=60)

assert len(study.trials) == 60
best = study.best_trial
assert best.number == min(study.trials, key=lambda t: t.value).number
assert best.params == study.best_params
assert best.value == study.best_value == (best.params["x"] - 2) ** 2 < 2
assert best.state == TrialState.COMPLETE
assert best.values == [best.value]
assert best.duration.total_seconds() >= 0
assert best.datetime_start <= best.datetime_complete
assert study.direction == optuna.study.StudyDirection.MINIMIZE
print(f"Trial {best.number}: f({best.params['x']:.3f}) = {best.value:.4f}")

study.optimize(objective, n_trials=5)  # goes on where it stopped
assert [t.number for t in study.trials] == list(range(65))

again = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=10))
again.optimize(objective, n_trials=65)
assert [t.params for t in again.trials] == [t.params for t in study.trials]

for shift in (1.0, 3.0):
    shifted = optuna.create_study(direction="maximize")
    shifted.optimize(lambda trial, shift=shift: -abs(trial.suggest_float("x", -10, 10) - shift), n_trials=5)
    assert shifted.direction == optuna.study.StudyDirection.MAXIMIZE
    assert shifted.best_value == max(t.value for t in shifted.trials)


class Objective:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, trial):
        return trial.suggest_float("x", self.low, self.high)


study = optuna.create_study()
study.optimize(Objective(3, 4), n_trials=4, n_jobs=2)
assert len(study.trials) == 4
assert all(3 <= t.params["x"] <= 4 for t in study.trials)
