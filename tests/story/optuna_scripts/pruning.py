"""Learning curves: report, should_prune, TrialPruned, and counting how trials ended."""

import kilter as optuna
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(10):
        value = x + 1 / (step + 1)
        trial.report(value, step)
        if trial.should_prune() or (step == 4 and trial.number % 4 == 3):
            raise optuna.TrialPruned()
    return value


study = optuna.create_study(direction="minimize", pruner=None)
study.optimize(objective, n_trials=20)
pruned = study.get_trials(deepcopy=False, states=[TrialState.PRUNED])
complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
assert len(pruned) + len(complete) == 20
assert len(pruned) >= 5
assert study.best_trial.state == TrialState.COMPLETE
for trial in pruned:
    assert trial.value == trial.intermediate_values[trial.last_step]
for trial in complete:
    assert trial.last_step == 9 and len(trial.intermediate_values) == 10


def prunes_with_exceptions_module(trial):
    trial.report(trial.suggest_float("x", 0, 1), step=0)
    raise optuna.exceptions.TrialPruned("enough")


study = optuna.create_study()
study.optimize(prunes_with_exceptions_module, n_trials=3)
assert [t.state for t in study.trials] == [TrialState.PRUNED] * 3
try:
    study.best_trial
except ValueError as error:
    print("as it should be:", error)
else:
    raise AssertionError("no trial is complete")
