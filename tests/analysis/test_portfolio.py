"""Portfolios: units and directions change nothing, more is never worse, and what a race stopped counts."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import kilter
from kilter import Float, TrialPruned
from kilter.analysis.portfolio import greedy, in_shares, least
from kilter.core.errors import InvalidInput, NotReady, StudyNotFound

SPACE = {"x": Float(0, 1), "y": Float(0, 1)}
TABLES = arrays(float, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.floats(-100, 100, width=32))


@given(TABLES, st.integers(1, 9))
def test_one_more_configuration_is_never_worse_and_none_comes_twice(losses: np.ndarray, k: int) -> None:
    chosen = greedy(losses, k)
    assert len(set(chosen)) == len(chosen) == min(k, len(losses))
    left = least(losses, chosen).mean(axis=1)
    assert (np.diff(left) <= 0).all()
    assert left[0] == losses.mean(axis=1).min()
    assert chosen == greedy(losses, k + 1)[:k]


@given(TABLES, st.integers(1, 4))
def test_greedy_choice_gains_two_thirds_of_what_can_be_gained(losses: np.ndarray, k: int) -> None:
    k = min(k, len(losses))
    worst = losses.max(axis=0).mean()
    best = min(losses[list(some)].min(axis=0).mean() for some in combinations(range(len(losses)), k))
    assert worst - least(losses, greedy(losses, k))[-1].mean() >= (1 - 1 / np.e) * (worst - best) - 1e-9


@given(TABLES, st.floats(-6, 6), st.integers(0, 5))
def test_shares_know_no_unit(losses: np.ndarray, power: float, task: int) -> None:
    task %= losses.shape[1]
    scaled = losses.copy()
    scaled[:, task] = losses[:, task] * 2.0 ** round(power)
    assert (in_shares(losses) == in_shares(scaled)).all()


def tuned(x: float, unit: float = 1.0, direction: str = "minimize", seed: int = 0) -> kilter.Study:
    sign = -1 if direction == "maximize" else 1
    study = kilter.create_study(study_name=f"{x}", space=SPACE, direction=direction, sampler="sobol", seed=seed)
    study.optimize(
        lambda trial: sign * unit * ((trial.params["x"] - x) ** 2 + 0.1 * trial.params["y"]),
        n_trials=24,
        progress="none",
    )
    return study


def test_units_and_directions_of_studies_change_nothing() -> None:
    places = (0.1, 0.2, 0.8)
    one = kilter.portfolio([tuned(x, seed=i) for i, x in enumerate(places)], n=2)
    other = kilter.portfolio([tuned(x, 2.0**20 * (i + 1), "maximize", i) for i, x in enumerate(places)], n=2)
    assert one.configurations == other.configurations
    assert np.allclose(one.losses, other.losses)
    assert one.losses[1] < one.losses[0] / 2  # one place for the first two, one for the third
    assert sorted(each["x"] > 0.5 for each in one.configurations) == [False, True]
    assert one.tasks == ("0.1", "0.2", "0.8") and one.values.shape == (2, 3)
    assert (other.values < 0).all()


def test_a_study_begins_with_a_portfolio() -> None:
    made = kilter.portfolio([tuned(0.1), tuned(0.8)], n=2)
    study = kilter.create_study(space=SPACE, seed=0)
    assert made.enqueue(study) == [0, 1]
    study.optimize(lambda trial: trial.params["x"], n_trials=2, progress="none")
    assert [trial.params for trial in study.trials] == list(made.configurations)
    assert str(made).startswith("2 configurations for 2 tasks; a loss of 0 is the best")


def over_places(trial: kilter.Trial, prune: bool) -> float:
    losses = {name: abs(trial.params["x"] - best) for name, best in (("a", 0.1), ("b", 0.2), ("c", 0.9))}
    for name, loss in losses.items():
        trial.report(loss, instance=name)
        if prune and name == "b" and losses["b"] > 0.5 and trial.number > 5:
            trial.report(loss, 1)
            raise TrialPruned
    return float(np.mean(list(losses.values())))


@pytest.mark.parametrize("prune", [False, True])
def test_a_study_over_data_sets_has_a_configuration_for_each(prune: bool) -> None:
    study = kilter.create_study(space={"x": Float(0, 1)}, sampler="sobol", seed=0)
    study.optimize(lambda trial: over_places(trial, prune), n_trials=24, progress="none")
    made = study.portfolio(3)
    assert made.tasks == ("a", "b", "c")
    assert made.losses[-1] < 0.1
    assert sorted(each["x"] > 0.5 for each in made.configurations) == [False, False, True]
    assert len(study.portfolio(100).configurations) == 24


def test_what_cannot_be_chosen_from_says_why() -> None:
    with pytest.raises(InvalidInput, match="give the studies"):
        kilter.portfolio([])
    with pytest.raises(NotReady, match="'new': 0 trials"):
        kilter.portfolio([tuned(0.1), kilter.create_study(study_name="new", space=SPACE)])
    with pytest.raises(NotReady, match="DataSets"):
        tuned(0.1).portfolio(2)
    for n in (0, 2.5, "2", True):
        with pytest.raises(InvalidInput, match="a whole number from 1 on"):
            kilter.portfolio([tuned(0.1)], n=n)


def test_a_single_study_gives_no_word_on_new_ones() -> None:
    assert np.isnan(kilter.portfolio([tuned(0.1)], n=2).expected).all()


def test_the_order_of_studies_does_not_matter() -> None:
    studies = [tuned(x, seed=i) for i, x in enumerate((0.1, 0.45, 0.8))]
    made = kilter.portfolio([studies[i] for i in (2, 0, 1)], n=3)
    assert made.configurations == kilter.portfolio(studies, n=3).configurations


def other(space: dict[str, Any], name: str, x: float, trials: int = 24) -> kilter.Study:
    study = kilter.create_study(study_name=name, space=space, sampler="sobol", seed=1)
    study.optimize(lambda trial: (trial.params["x"] - x) ** 2, n_trials=trials, progress="none")
    return study


def test_studies_of_other_spaces_count_with_the_trials_that_are_of_the_first_ones() -> None:
    wide = {"x": Float(0, 2), "momentum": Float(0, 1)}
    first = tuned(0.2)
    made = kilter.portfolio([first, other(wide, "wide", 0.8, 48)], n=2)
    assert sorted(each["x"] > 0.5 for each in made.configurations) == [False, True]
    assert all(set(each) == set(SPACE) and each["x"] <= 1 for each in made.configurations)
    assert first.space.is_legal(first.space.plain(made.configurations[1]))
    default = {**SPACE, "z": kilter.Int(0, 9, default=7)}
    assert {each["z"] for each in kilter.portfolio([other(default, "new", 0.5), first], n=2).configurations} >= {7}


def test_studies_that_share_nothing_are_no_tasks_of_one_portfolio() -> None:
    strange = kilter.create_study(study_name="strange", space={"rate": Float(0, 1)}, seed=0)
    strange.optimize(lambda trial: trial.params["rate"], n_trials=4, progress="none")
    with pytest.raises(
        InvalidInput, match=r"'strange' is no task of the first one's: it has none of .* x, y, but rate"
    ):
        kilter.portfolio([tuned(0.1), strange])
    with pytest.raises(NotReady, match="'far': 0 trials"):
        kilter.portfolio([other({"x": Float(2, 3)}, "near", 2), other({"x": Float(0, 1)}, "far", 0.1, 4)])


def test_studies_are_given_by_name_and_pattern(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    for name, x in (("svm-a", 0.1), ("svm-b", 0.8), ("mlp", 0.5)):
        kilter.create_study(study_name=name, storage=url, space=SPACE, sampler="sobol", seed=0).optimize(
            lambda trial, x=x: (trial.params["x"] - x) ** 2, n_trials=12, progress="none"
        )
    made = kilter.portfolio(["svm-*", "svm-a"], n=2, storage=url)
    assert made.tasks == ("svm-a", "svm-b")
    assert kilter.portfolio("svm-*", 2, storage=url).configurations == made.configurations
    assert kilter.portfolio([tuned(0.1), "mlp"], storage=url).tasks == ("0.1", "mlp")
    with pytest.raises(StudyNotFound, match="did you mean 'svm-b'"):
        kilter.portfolio(["svm-x"], storage=url)
    with pytest.raises(InvalidInput, match=r"portfolio\(\[3\]\): give studies, or their names"):
        kilter.portfolio([3])
