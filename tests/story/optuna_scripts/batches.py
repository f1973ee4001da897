"""Ask and tell by hand, in batches, with distributions that are given beforehand, and with results that come late."""

import kilter as optuna
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)
distributions = {
    "C": optuna.distributions.FloatDistribution(1e-3, 1e3, log=True),
    "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
    "depth": optuna.distributions.IntDistribution(1, 9, step=2),
}
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
for _ in range(3):
    trials = [study.ask(distributions) for _ in range(4)]
    assert all(set(trial.params) == set(distributions) for trial in trials)
    for trial in reversed(trials):
        if trial.params["depth"] == 9:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial.number, trial.params["depth"] + (trial.params["kind"] == "a"))
assert len(study.trials) == 12
assert all(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in study.trials)

trial = study.ask(fixed_distributions=distributions)
frozen = study.tell(trial, state=TrialState.FAIL)
assert frozen.state == TrialState.FAIL and frozen.value is None
same = study.tell(trial, 3.0, skip_if_finished=True)
assert same.state == TrialState.FAIL
