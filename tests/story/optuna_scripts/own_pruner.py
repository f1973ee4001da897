"""A pruner of one's own, which ends a trial that is behind half of the others."""

import kilter as optuna
from kilter.pruners import BasePruner
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Behind(BasePruner):
    def __init__(self, warmup_steps, warmup_trials):
        self._steps, self._trials = warmup_steps, warmup_trials

    def prune(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or step < self._steps:
            return False
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = sorted(t.intermediate_values[step] for t in done if step in t.intermediate_values)
        if len(others) < self._trials:
            return False
        assert study.direction == optuna.study.StudyDirection.MAXIMIZE
        return trial.intermediate_values[step] <= others[len(others) // 2]


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(10):
        trial.report(x * (1 - 0.5**step), step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return x


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1), pruner=Behind(2, 3))
study.optimize(objective, n_trials=30)
pruned = study.get_trials(states=[TrialState.PRUNED])
complete = study.get_trials(states=[TrialState.COMPLETE])
assert len(pruned) + len(complete) == 30
assert pruned and all(t.last_step >= 2 for t in pruned)
assert max(t.params["x"] for t in pruned) < study.best_value
