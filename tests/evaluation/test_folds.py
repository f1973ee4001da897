"""Splits that are frozen and fair, and objectives that run fold by fold, once each."""

import math
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.api import create_study
from kilter.core.actions import Pause, Resume, Start
from kilter.core.attributes import CONFIRMS, KNOWN
from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.interfaces import Scheduler
from kilter.evaluation import folds as module
from kilter.evaluation.folds import frozen_splits, over_folds
from kilter.schedulers.fifo import State
from kilter.schedulers.race import RaceScheduler

SPACE = {"x": kilter.Float(-1, 1)}


@settings(max_examples=60)
@given(st.integers(2, 60), st.integers(2, 8), st.integers(0, 99), st.integers(1, 4))
def test_each_row_is_tested_once_and_labels_are_spread_evenly(rows, folds, seed, kinds):
    if rows < folds:
        with pytest.raises(InvalidInput, match="fold"):
            frozen_splits(rows, folds, seed)
        return
    labels = np.random.default_rng(seed).integers(kinds, size=rows)
    splits = frozen_splits(rows, folds, seed, stratify=labels)
    assert len(splits) == folds
    assert sorted(np.concatenate([test for _, test in splits]).tolist()) == list(range(rows))
    for train, test in splits:
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(rows))
    counts = np.array([[np.sum(labels[test] == label) for label in range(kinds)] for _, test in splits])
    assert np.all(np.ptp(counts, axis=0) <= 1) and np.ptp(counts.sum(axis=1)) <= 1


@settings(max_examples=60)
@given(st.integers(2, 5), st.integers(0, 99), st.booleans())
def test_a_group_is_never_on_both_sides_and_sizes_are_alike(folds, seed, stratified):
    stream = np.random.default_rng(seed)
    groups = stream.integers(20, size=100)
    labels = stream.integers(2, size=20)[groups]
    splits = frozen_splits(100, folds, seed, stratify=labels if stratified else None, groups=groups)
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
    largest = Counter(groups.tolist()).most_common(1)[0][1]
    assert np.ptp([len(test) for _, test in splits]) <= (2 if stratified else 1) * largest


def test_splits_are_the_same_every_time_and_others_for_another_seed():
    def tested(seed):
        return [test.tolist() for _, test in frozen_splits(30, 3, seed)]

    assert tested(1) == tested(1) != tested(2)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(0, 7), st.integers(1, 4))
def test_no_fold_is_empty_where_groups_have_a_label_each(seed, folds, more, labels):
    """As patients have a diagnosis, who are few."""
    stream = np.random.default_rng(seed)
    groups = np.repeat(np.arange(folds + more), stream.integers(1, 9, size=folds + more))
    of_group = stream.integers(labels, size=folds + more)
    splits = frozen_splits(len(groups), folds, seed, stratify=of_group[groups], groups=groups)
    assert all(len(test) for _, test in splits)
    even = frozen_splits(
        4 * folds, folds, seed, stratify=np.repeat(of_group[:folds], 4), groups=np.repeat(range(folds), 4)
    )
    assert {len(test) for _, test in even} == {4}


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"stratify": [0, 1]}, {"groups": [0, 0, 0, 1, 1, 1]}])
def test_splits_that_cannot_be_are_refused(wrong):
    with pytest.raises(InvalidInput):
        frozen_splits(6, **{"folds": 3, **wrong})


def study_of(scheduler="fifo", **more):
    return create_study(space=SPACE, sampler="random", scheduler=scheduler, seed=0, **more)


def test_folds_and_the_mean_so_far_are_reported_and_the_mean_returned():
    study = study_of()
    scores = [0.25, 0.75, 0.5]
    study.optimize(lambda trial: over_folds(trial, scores, lambda s: s), n_trials=1, progress="none")
    (trial,) = study.trials
    assert trial.value == 0.5
    assert trial.folds == {0: 0.25, 1: 0.75, 2: 0.5}
    assert trial.intermediate_values == {1: 0.25, 2: 0.5, 3: 0.5}


def test_pairs_are_handed_over_as_two_arguments_and_anything_else_as_one():
    study = study_of()
    splits = frozen_splits(6, 3)

    def objective(trial):
        pairs = over_folds(trial, splits, lambda train, test: len(train) - len(test))
        return pairs + over_folds(study.ask(), range(3), lambda seed: seed)

    study.optimize(objective, n_trials=1, progress="none")
    assert study.trials[0].value == 2 + 1


def test_with_first_only_so_many_are_run_but_a_confirmation_runs_all():
    study, ran, asked = study_of(), [], []
    known = [[0, 5.0], [3, 7.0], ["named otherwise", 9.0]]
    study.enqueue_trial({"x": 0.0})
    study.enqueue_trial({"x": 0.0}, {CONFIRMS: 0, KNOWN: known}, judged=False)

    def objective(trial):
        trial.should_prune = lambda: asked.append((trial.number, ran[-1][1]))
        return over_folds(trial, range(4), lambda fold: ran.append((trial.number, fold)) or 0.0, first=2)

    study.optimize(objective, n_trials=2, progress="none")
    assert asked == [(0, 0), (1, 1), (1, 2)], "nor is anybody asked about what was known"
    assert ran == [(0, 0), (0, 1), (1, 1), (1, 2)]
    assert study.trials[1].folds == {0: 5.0, 1: 0.0, 2: 0.0, 3: 7.0}


class Interrupting(Scheduler):
    """Puts every trial aside once, after its second fold."""

    def start(self, problem, seed):
        return State()

    def plan(self, state, history):
        return Resume(min(history.paused)) if history.paused else Start()

    def judge(self, state, trial, history):
        value = self.name(history)
        return Pause("later") if trial.attempt == 1 and len(history.reports.folds(trial.number, value)) == 2 else None

    def name(self, history):
        return history.problem.objectives[0].name


def test_after_a_pause_no_fold_is_run_again():
    study, ran = study_of(Interrupting()), []

    def objective(trial):
        return over_folds(trial, range(4), lambda fold: ran.append((trial.number, trial.attempt, fold)) or float(fold))

    study.optimize(objective, n_trials=2, progress="none")
    assert [t.state for t in study.trials[:1]] == [TrialState.COMPLETE]
    assert [(attempt, fold) for number, attempt, fold in ran if number == 0] == [(1, 0), (1, 1), (2, 2), (2, 3)]
    assert study.trials[0].value == 1.5


def test_slow_folds_are_saved_so_that_another_attempt_goes_on(monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    study, ran = study_of(), []

    def score(fold):
        ran.append(fold)
        if ran == [0, 1, 2]:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        study.optimize(lambda trial: over_folds(trial, range(3), score), n_trials=1, progress="none")
    monkeypatch.setattr(module.time, "monotonic", time.monotonic)
    study.optimize(lambda trial: over_folds(trial, range(3), score), n_trials=1, progress="none")
    assert ran == [0, 1, 2, 2]
    assert study.trials[0].value == 1.0 and study.trials[0].attempt == 2


def test_what_else_was_saved_is_no_score():
    study = study_of()

    def objective(trial):
        trial.save([1, 2])
        return over_folds(trial, range(2), float)

    study.optimize(objective, n_trials=1, progress="none")
    assert study.trials[0].value == 0.5


def test_a_race_stops_it_and_its_value_is_the_mean_so_far():
    study = study_of(RaceScheduler(startup=2))
    offset = [0.0, 0.1, 5.0]

    def objective(trial):
        return over_folds(trial, [0.0, 0.2, 0.1, 0.3], lambda s: s + offset[trial.number])

    study.optimize(objective, n_trials=3, progress="none")
    assert study.trials[2].state is TrialState.PRUNED
    assert study.trials[2].value == pytest.approx(5.0) and len(study.trials[2].folds) == 1


def test_a_score_that_is_no_number_fails_the_trial():
    study = study_of()
    study.optimize(lambda trial: over_folds(trial, [1.0, math.nan, 2.0], float), n_trials=1, progress="none")
    assert study.trials[0].failure.kind == "nan"


@pytest.mark.parametrize("splits", [[], iter([(0, 1)]), zip([0], [1])])
def test_splits_that_are_no_list_are_refused(splits):
    with pytest.raises(InvalidInput, match="give a list"):
        over_folds(study_of().ask(), splits, lambda *_: 0.0)


@pytest.mark.parametrize("first", [0, 4])
def test_a_first_beyond_the_splits_is_refused(first):
    with pytest.raises(InvalidInput, match="from 1 to 3"):
        over_folds(study_of().ask(), range(3), float, first=first)
