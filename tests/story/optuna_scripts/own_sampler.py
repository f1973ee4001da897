"""A sampler of one's own: hill climbing from the best trial, with random draws for what is met first."""

import random

import kilter as optuna
from kilter.distributions import FloatDistribution
from kilter.samplers import BaseSampler, RandomSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Climber(BaseSampler):
    def __init__(self, width=0.1):
        self._width = width
        self._random = random.Random(3)
        self._start = RandomSampler(seed=3)
        self.ended = []

    def infer_relative_search_space(self, study, trial):
        return optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(self, study, trial, search_space):
        if not search_space:
            return {}
        assert study.trials[-1].number == trial.number
        previous = study.trials[-2]
        assert previous.state.is_finished()
        params = {}
        for name, distribution in search_space.items():
            assert isinstance(distribution, FloatDistribution)
            width = (distribution.high - distribution.low) * self._width
            value = study.best_params[name] + self._random.uniform(-width, width)
            params[name] = min(max(value, distribution.low), distribution.high)
        return params

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self._start.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study, trial, state, values):
        self.ended.append((trial.number, state, values))


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_float("y", -10, 10)
    return (x - 3) ** 2 + (y + 2) ** 2


sampler = Climber()
study = optuna.create_study(sampler=sampler)
study.optimize(objective, n_trials=60)
assert study.best_value < 2, study.best_value
assert [number for number, _, _ in sampler.ended] == list(range(60))
assert all(state == optuna.trial.TrialState.COMPLETE for _, state, _ in sampler.ended)
assert sampler.ended[7][2] == [study.trials[7].value]
assert study.sampler is sampler
