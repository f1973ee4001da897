"""Each pruner by its class, on the same curves."""

import kilter as optuna
from kilter.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    for step in range(1, 30):
        trial.report(x + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return x


pruners = [
    optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=4, interval_steps=1),
    optuna.pruners.PercentilePruner(25.0, n_startup_trials=3),
    optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3, min_early_stopping_rate=0),
    optuna.pruners.HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3),
    optuna.pruners.ThresholdPruner(upper=1.2, n_warmup_steps=3),
    optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(), patience=2),
    optuna.pruners.NopPruner(),
]
for pruner in pruners:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner)
    study.optimize(objective, n_trials=30)
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    assert len(pruned) + len(complete) == 30, pruner
    assert study.best_trial.params["x"] == min(t.params["x"] for t in complete)
    assert study.best_value < 0.2
    if isinstance(pruner, type(optuna.pruners.NopPruner())):
        assert not pruned


def out_of_bounds(trial):
    for step, value in enumerate([0.0, 0.1, 0.5, 1.2]):
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return 0.0


study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=1.0))
study.optimize(out_of_bounds, n_trials=2)
assert [t.state for t in study.trials] == [TrialState.PRUNED] * 2
assert study.trials[0].last_step == 3
