"""The ask-and-tell interface: a loop of one's own, by trial or number, with states, batches and distributions."""

import kilter as optuna
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize")

for _ in range(5):
    trial = study.ask()
    C = trial.suggest_float("C", 1e-7, 10.0, log=True)
    solver = trial.suggest_categorical("solver", ("lbfgs", "saga"))
    frozen = study.tell(trial, C + (solver == "saga"))
    assert frozen.number == trial.number and frozen.state == TrialState.COMPLETE
assert study.best_value == max(t.value for t in study.trials)

# by number
trial = study.ask()
C = trial.suggest_float("C", 1e-7, 10.0, log=True)
study.tell(trial.number, C)
assert study.trials[5].value == C

# failed and pruned
study.tell(study.ask(), state=TrialState.FAIL)
assert study.trials[6].state == TrialState.FAIL and study.trials[6].value is None
trial = study.ask()
for step in range(3):
    trial.report(step * 0.5, step)
study.tell(trial, state=TrialState.PRUNED)
assert study.trials[7].state == TrialState.PRUNED
assert study.trials[7].value == 1.0

# a batch
batch = [study.ask() for _ in range(3)]
values = [t.suggest_float("C", 1e-7, 10.0, log=True) for t in batch]
for t, value in zip(batch, values):
    study.tell(t, value)
assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 9

# define-and-run
distributions = study.trials[0].distributions
trial = study.ask(distributions)
assert set(trial.params) == set(trial.distributions) == {"C", "solver"}
study.tell(trial, trial.params["C"])
trial = study.ask(fixed_distributions=distributions)
study.tell(trial, [0.25])
assert study.trials[-1].values == [0.25]

# told twice
assert study.tell(trial, 0.75, skip_if_finished=True).value == 0.25
try:
    study.tell(trial, 0.75)
except ValueError as error:
    print("as it should be:", error)
else:
    raise AssertionError("told twice")
try:
    study.tell(9999, 0.75)
except ValueError:
    pass
else:
    raise AssertionError("there is no trial 9999")
# a result that is no number fails the trial
nan = study.ask()
study.tell(nan, float("nan"), state=None)
assert study.trials[nan.number].state == TrialState.FAIL
