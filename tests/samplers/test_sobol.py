"""The Sobol sequence: defaults first, never the centre, even cover, the priors, and no costly import."""

import subprocess
import sys

import numpy as np
import pytest

from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Prior
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.models.sobol import DIMENSIONS
from kilter.samplers import QMCSampler
from kilter.samplers.sobol import point
from kilter.testing.sampler import Log, flat_space


def run(space, trials, study_seed=7, **settings):
    return Log(QMCSampler(**settings), Problem(space), study_seed).run(trials, lambda _: {"value": 0.0})


def test_the_first_trial_takes_the_defaults():
    space = Space({"x": Float(0, 1, default=0.25), "n": Int(1, 9), "c": Choice(["a", "b"], default="b")})
    first, second = run(space, 2)
    assert (first["x"], first["c"]) == (0.25, "b")
    assert second["x"] != 0.25


def test_conditional_defaults_only_where_they_are_active():
    space = Space({"m": Choice(["a", "b"], default="a"), "x": Float(0, 1, default=0.5).when(m="b")})
    assert run(space, 1) == [{"m": "a"}]


def test_forbidden_defaults_give_way():
    space = Space({"m": Choice(["a", "b"], default="a"), "x": Float(0, 1)}, forbidden=[{"m": "a"}])
    assert {config["m"] for config in run(space, 5)} == {"b"}


@pytest.mark.parametrize("seed", range(20))
def test_never_the_centre(seed):
    matrix = flat_space().encode(run(flat_space(), 16, seed))
    assert not np.isclose(matrix, 0.5, atol=1e-6).all(axis=1).any()


def test_it_covers_evenly():
    """Sixteen points of each block of sixteen fall into different sixteenths, in every dimension."""
    rows = np.array([point(3, 4, place) for place in range(64)])
    for start in range(0, 64, 16):
        for column in rows[start : start + 16].T:
            assert sorted((column * 16).astype(int)) == list(range(16))


def test_a_space_wider_than_the_sequence():
    configs = run(Space({f"x{i}": Float(0, 1) for i in range(DIMENSIONS + 2)}), 2)
    assert [len(config) for config in configs] == [DIMENSIONS + 2] * 2
    assert point(1, 0, 3).shape == (0,)


def test_priors():
    space = Space({"x": Float(0, 1, prior=Prior(0.9, "high")), "c": Choice(["a", "b"], prior=Prior("b", "high"))})
    configs = run(space, 64)
    assert abs(np.median([c["x"] for c in configs]) - 0.9) < 0.1
    assert sum(c["c"] == "b" for c in configs) == 56  # seven eighths


def test_its_own_seed_replaces_the_studys():
    assert run(flat_space(), 3, 1, seed=5) == run(flat_space(), 3, 2, seed=5) != run(flat_space(), 3, 1)


@pytest.mark.parametrize("sampler", ["sobol", "auto"])
def test_the_first_ask_imports_no_statistics(sampler):
    """Importing scipy.stats takes half a second."""
    script = f"""
import sys, kilter
study = kilter.create_study(space={{"x": kilter.Float(0, 1), "c": kilter.Choice(["a", "b"])}}, sampler={sampler!r})
study.tell(study.ask(), 1.0)
study.ask()
assert "kilter.models.sobol" in sys.modules
assert "scipy.stats" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
