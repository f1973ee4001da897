"""What an earlier study teaches: its trials in few numbers."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.earlier import EarlierStudy
from kilter.core.events import Recalled
from kilter.testing.strategies import spaces
from kilter.transfer.digest import BEST, FAILED, KEPT, digest

SPACE = {"x": kilter.Float(0, 1), "kind": kilter.Choice(["a", "b"])}


def told(values: list[float], direction: str = "minimize", **options: object) -> kilter.Study:
    """A study with these values, at different places."""
    study = kilter.create_study(space=SPACE, direction=direction, seed=0, study_name="told", **options)
    for place, value in enumerate(values):
        study.add_trial(kilter.create_trial(params={"x": place / len(values), "kind": "a"}, value=value))
    return study


@settings(max_examples=30)
@given(st.integers(0, 150), st.integers(0, 2**32), st.sampled_from(["minimize", "maximize"]))
def test_a_digest_has_the_best_and_the_worst_and_is_bounded(count: int, seed: int, direction: str) -> None:
    values = np.random.default_rng(seed).normal(size=count).tolist()
    earlier = digest("told", told(values, direction).history)
    losses = sorted(value if direction == "minimize" else -value for value in values)
    assert len(earlier.configs) == len(earlier.losses) == min(len(values), KEPT)
    assert list(earlier.losses[:BEST]) == losses[:BEST]
    assert list(earlier.losses) == sorted(earlier.losses)
    assert not values or earlier.losses[-1] == losses[-1]
    assert earlier.trials == len(values)
    assert EarlierStudy.from_json(json.loads(json.dumps(earlier.to_json()))) == earlier


@settings(max_examples=15)
@given(spaces(), st.integers(0, 2**32))
def test_shortened_configurations_are_still_of_their_space(space: kilter.Space, seed: int) -> None:
    study = kilter.create_study(space=space, seed=0)
    for config in space.sample(5, seed=seed):
        study.add_trial(kilter.create_trial(params=config, value=1.0))
    assert all(space.is_legal(config) for config in digest("told", study.history).configs)


def test_numbers_are_short_and_losses_are_not() -> None:
    study = told([0.12345678912])
    study.add_trial(kilter.create_trial(params={"x": 0.123456789, "kind": "b"}, value=0.1234567895))
    earlier = digest("told", study.history)
    assert [config["x"] for config in earlier.configs] == [0.0, 0.123457]
    assert earlier.losses == (0.12345678912, 0.1234567895)


def test_one_configuration_is_one_row_with_the_mean_of_its_trials() -> None:
    study = told([])
    for value in (1.0, 2.0, 6.0):
        study.add_trial(kilter.create_trial(params={"x": 0.5, "kind": "a"}, value=value))
    assert digest("told", study.history).losses == (3.0,)


def test_only_whole_feasible_complete_trials_are_rows_and_own_failures_are_kept() -> None:
    study = kilter.create_study(
        space=SPACE, directions={"loss": "minimize"}, subject_to={"size": "<= 1"}, fidelity=kilter.Fidelity("n", 1, 9)
    )

    def objective(x: float, kind: str, n: float) -> dict[str, float]:
        if x < 0.2:
            raise ValueError("too small")
        return {"loss": x, "size": 2.0 if kind == "b" else 0.0}

    study.optimize(objective, n_trials=40, progress="none")
    earlier = digest("told", study.history)
    whole = [t for t in study.trials if t.state.name == "COMPLETE" and t.params["kind"] == "a"]
    assert len(earlier.configs) == len({t.params["x"] for t in whole})
    assert all(config["kind"] == "a" for config in earlier.configs)
    assert 0 < len(earlier.failed) <= FAILED
    assert all(config["x"] < 0.2 for config in earlier.failed)


def test_what_was_stopped_after_some_folds_counts_with_what_it_would_have_come_to() -> None:
    def objective(trial: kilter.Trial) -> float:
        for fold, hard in enumerate((0.0, 5.0, 1.0)):
            trial.report(-trial.params["x"] - hard, fold=fold)
            if trial.number in (4, 7) and fold == 0:
                raise kilter.TrialPruned
            if trial.number == 9:
                raise ValueError("no value, though a score")
        return -trial.params["x"] - 2.0

    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, direction="maximize", seed=0, scheduler="fifo")
    study.optimize(objective, n_trials=12, progress="none", catch=ValueError)
    earlier = digest("folds", study.history)
    xs = [trial.params["x"] for trial in study.trials]
    stopped = [trial.number for trial in study.trials if trial.state.name == "PRUNED"]
    assert stopped == [4, 7] and len(earlier.configs) == 11
    assert np.allclose(earlier.losses, sorted(x + 2.0 for x in xs[:9] + xs[10:]))


def test_what_was_learnt_is_in_the_log_of_the_new_study() -> None:
    first = told([3.0, 1.0, 2.0])
    study = kilter.create_study(space=SPACE, direction="minimize", seed=0, transfer=[first])
    kinds = [type(entry.event) for entry in study.log.read()]
    assert kinds[1] is Recalled
    assert study.history.earlier == (digest("told", first.history),)


def test_without_earlier_studies_the_log_is_as_it_was() -> None:
    assert len(kilter.create_study(space=SPACE, seed=0).log.read()) == 1
