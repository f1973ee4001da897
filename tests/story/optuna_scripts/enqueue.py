"""What one knows already: enqueue_trial, create_trial, add_trial, add_trials, and copying a study."""

import kilter as optuna
from kilter.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 10)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return x**2 + (kind == "a")


study = optuna.create_study()
study.enqueue_trial({"x": 5, "kind": "b"})
study.enqueue_trial({"x": 0.0}, user_attrs={"memo": "optimal"})
study.enqueue_trial({"x": 0.0}, skip_if_exists=True)
waiting = study.get_trials(states=(TrialState.WAITING,))
assert len(waiting) == 2, waiting
study.optimize(objective, n_trials=6)
assert study.trials[0].params == {"x": 5, "kind": "b"}
assert study.trials[0].value == 25
assert study.trials[1].params["x"] == 0.0
assert study.trials[1].user_attrs == {"memo": "optimal"}
assert len(study.trials) == 6

known = create_trial(
    params={"x": 2.0, "kind": "b"},
    distributions=study.trials[0].distributions,
    value=4.0,
)
other = optuna.create_study()
other.add_trial(known)
assert other.trials[0].params == {"x": 2.0, "kind": "b"}
assert other.best_value == 4.0
other.optimize(objective, n_trials=3)
other.add_trials(study.trials)
assert len(other.trials) == 4 + 6
assert other.trials[4].params == study.trials[0].params
assert [t.number for t in other.trials] == list(range(10))
assert other.best_value == min(t.value for t in other.trials)

copy = optuna.create_study(study_name="copied")
for trial in study.get_trials():
    copy.add_trial(trial)
assert [t.params for t in copy.trials] == [t.params for t in study.trials]
assert [t.value for t in copy.trials] == [t.value for t in study.trials]
assert copy.trials[1].user_attrs == {"memo": "optimal"}
