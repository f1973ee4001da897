"""Words that scripts read and print: states, directions, loggers, versions, older suggestions, types."""

import logging
import sys
import warnings

import kilter as optuna

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.get_logger("optuna").addHandler(logging.StreamHandler(sys.stdout))
optuna.logging.enable_propagation()
optuna.logging.disable_default_handler()
optuna.logging.set_verbosity(optuna.logging.ERROR)
assert optuna.logging.get_verbosity() == logging.ERROR
assert optuna.__version__ and optuna.version.__version__ == optuna.__version__


def objective(trial: optuna.Trial) -> float:
    assert isinstance(trial, optuna.trial.Trial)
    return trial.suggest_float("a", 0, 1) + trial.suggest_float("b", 1e-3, 1, log=True)


study: optuna.Study = optuna.create_study(direction=optuna.study.StudyDirection.MAXIMIZE)
study.optimize(objective, n_trials=3)
assert isinstance(study, optuna.study.Study)
assert f"{study.trials[0].state}" == str(optuna.trial.TrialState.COMPLETE) == "TrialState.COMPLETE"
assert repr(optuna.trial.TrialState.PRUNED) == "<TrialState.PRUNED: 2>"
assert study.direction == optuna.study.StudyDirection.MAXIMIZE and study.direction.name == "MAXIMIZE"
assert [d.name for d in study.directions] == ["MAXIMIZE"]
assert issubclass(optuna.exceptions.DuplicatedStudyError, optuna.exceptions.OptunaError)
distributions = study.best_trial.distributions
assert isinstance(distributions["a"], optuna.distributions.FloatDistribution)
text = optuna.distributions.distribution_to_json(distributions["b"])
assert optuna.distributions.json_to_distribution(text) == distributions["b"]
optuna.distributions.check_distribution_compatibility(distributions["a"], distributions["a"])
choice = optuna.distributions.CategoricalDistribution(choices=("x", "y"))
assert choice.choices == ("x", "y") and not choice.single()
frozen = study.trials[1]
assert isinstance(frozen, optuna.trial.FrozenTrial) and frozen.system_attrs == {}
assert frozen.datetime_complete >= frozen.datetime_start and frozen.duration.total_seconds() >= 0
