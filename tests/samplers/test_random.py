"""Random search: independent of all but the number, and from the priors."""

import numpy as np

from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Prior
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log, flat_space


def run(space, trials, study_seed=7, **settings):
    return Log(RandomSampler(**settings), Problem(space), study_seed).run(trials, lambda _: {"value": 0.0})


def test_uniform_without_priors():
    matrix = flat_space().encode(run(flat_space(), 400))
    counts = [np.histogram(column, bins=4, range=(0, 1))[0] for column in matrix.T]
    assert 70 < np.min(counts) <= np.max(counts) < 130  # 100 expected, 3.5 sigma


def test_priors_are_respected():
    space = Space(
        {
            "x": Float(0, 1, prior=Prior(0.9, "high")),
            "lr": Float(1e-5, 1, log=True, prior=Prior(1e-2)),
            "n": Int(1, 100, prior=Prior(20)),
            "c": Choice(["a", "b", "c"], prior=Prior("b", "high")),
        }
    )
    configs = run(space, 400)
    assert abs(np.median([c["x"] for c in configs]) - 0.9) < 0.1
    assert abs(np.median([np.log10(c["lr"]) for c in configs]) + 2) < 0.5
    assert abs(np.median([c["n"] for c in configs]) - 20) < 10
    assert 320 < sum(c["c"] == "b" for c in configs) < 380  # 350 expected, 4.5 sigma


def test_its_own_seed_replaces_the_studys():
    assert run(flat_space(), 3, 1, seed=5) == run(flat_space(), 3, 2, seed=5) != run(flat_space(), 3, 1)


def test_results_change_nothing():
    logs = [Log(RandomSampler(), Problem(flat_space())) for _ in range(2)]
    assert logs[0].run(9, lambda _: {"value": 0.0}) == logs[1].run(9, lambda c: {"value": c["x"]})
