"""A study that ends by itself: by its own terminator, and by a number of trials."""

import kilter as optuna
from kilter.study import MaxTrialsCallback
from kilter.terminator import Terminator, TerminatorCallback, report_cross_validation_scores
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    scores = [(x - 0.3) ** 2 + noise for noise in (-0.05, -0.02, 0.0, 0.03, 0.04)]
    report_cross_validation_scores(trial, scores)
    return sum(scores) / len(scores)


study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
study.optimize(objective, n_trials=60, callbacks=[TerminatorCallback(Terminator(min_n_trials=20))])
assert 20 <= len(study.trials) <= 60

study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
callback = MaxTrialsCallback(7, states=(TrialState.COMPLETE,))
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=50, callbacks=[callback])
assert len(study.trials) == 7
