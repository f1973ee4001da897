"""A study's stand-in has its space and objectives, and follows what its trials saw."""

from __future__ import annotations

import numpy as np
import pytest

import kilter
from kilter.bench import race, score, surrogate
from kilter.core.errors import NotReady

pytest.importorskip("sklearn")


def study(trials: int) -> kilter.Study:
    """Two branches of different heights; the deeper one is better."""
    space = {
        "model": kilter.Choice({"flat": {}, "bowl": {"x": kilter.Float(-1, 1)}}),
        "lr": kilter.Float(1e-4, 1, log=True),
    }
    made = kilter.create_study(
        space=space, directions={"acc": "maximize"}, subject_to={"ms": "<= 5"}, sampler="random", seed=0
    )
    for _ in range(trials):
        trial = made.ask()
        acc = 0.5 if trial.params["model"] == "flat" else 1 - trial.params["x"] ** 2
        made.tell(trial, {"acc": acc, "ms": 10 * abs(trial.params.get("x", 0.0))})
    return made


def test_it_has_the_studys_problem_and_follows_its_trials() -> None:
    known = study(80)
    problem = surrogate(known)
    assert problem.problem == known.problem
    seen = np.array([trial.metrics["acc"] for trial in known.trials])
    said = np.array([problem.noiseless(trial.params)["acc"] for trial in known.trials])
    assert np.abs(seen - said).max() < 1e-9  # each tree ends in single trials
    assert problem.noiseless({"model": "bowl", "x": 0.0, "lr": 0.1})["acc"] > 0.9
    assert problem.noiseless({"model": "bowl", "x": 0.95, "lr": 0.1})["ms"] > 7


def test_a_race_on_it_can_be_scored() -> None:
    runs = race([surrogate(study(40))], ["random", "evolution"], seeds=[0, 1], budget=12)
    table = score(runs, at=[12])
    assert all(0 <= row.regret[0].mean <= 1 for row in table.rows)
    assert all(run.typical is not None for run in runs)


def test_too_few_trials_say_so() -> None:
    with pytest.raises(NotReady, match="has 3 complete trials"):
        surrogate(study(3))
