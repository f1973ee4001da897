"""Confirming the best few: what runs, what is chosen, and that the estimate does not flatter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.api import create_study
from kilter.core.attributes import CONFIRMS, DEFAULT
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.evaluation.confirmation import chosen, confirm
from kilter.evaluation.folds import over_folds

FOLDS = 5


class Table:
    """A study of the rows of a table of scores, and what was looked up in it."""

    def __init__(self, scores, first=None, rows=None, **more):
        self.scores, self.first, self.looked_up = np.asarray(scores), first, []
        self.study = create_study(space={"row": kilter.Int(0, 999)}, sampler="random", scheduler="fifo", seed=0, **more)
        for row in range(len(self.scores)) if rows is None else rows:
            self.study.enqueue_trial({"row": row})
        self.study.optimize(self, n_trials=len(self.scores if rows is None else rows), progress="none")
        self.searched = len(self.looked_up)

    def __call__(self, trial):
        row = trial.params["row"]

        def score(fold):
            self.looked_up.append((row, fold))
            return self.scores[row, fold]

        return over_folds(trial, range(self.scores.shape[1]), score, first=self.first)

    def confirm(self, k=3, **more):
        found = confirm(self.study, self, k, **more)
        self.confirmed = self.looked_up[self.searched :]
        return found


def noise(rows, folds=FOLDS, seed=0):
    return np.random.default_rng(seed).normal(1.0, 0.1, (rows, folds))


def test_the_best_of_one_fold_are_scored_on_the_other_folds_and_only_there():
    scores = noise(20)
    table = Table(scores, first=1)
    found = table.confirm(4)
    picked = np.argsort(scores[:, 0])[:4]
    assert sorted(table.confirmed) == sorted((row, fold) for row in picked for fold in range(1, FOLDS))
    best = picked[scores[picked].mean(axis=1).argmin()]
    assert found.choice.params == {"row": best}
    assert found.choice.mean == pytest.approx(scores[best].mean())
    assert (found.choice.earlier, found.choice.earlier_folds) == (scores[best, 0], (0,))
    assert [c.mean for c in found.candidates] == sorted(c.mean for c in found.candidates)
    assert str(table.study.trials[found.choice.confirmed_by].user_attrs[CONFIRMS]) in str(found)


@pytest.mark.parametrize("excess", [1.0, -0.1])
def test_the_default_is_scored_too_and_kept_unless_it_is_beaten(excess):
    scores = noise(20)
    scores[0] += excess
    table = Table(scores, first=1, rows=range(1, 20))
    table.study.enqueue_trial({"row": 0}, {DEFAULT: True})
    table.study.optimize(table, n_trials=1, progress="none")
    table.searched = len(table.looked_up)
    found = table.confirm(3)
    assert {row for row, _ in table.confirmed} >= {0}
    assert (found.choice.params["row"] == 0) == (excess < 0)
    assert found.choice.number == found.winner.number == table.study.winner().number


def test_maximising_turns_the_choice_round():
    scores = noise(20)
    down = Table(scores, first=2).confirm(4)
    up = Table(-scores, first=2, direction="maximize").confirm(4)
    assert [c.params for c in up.candidates] == [c.params for c in down.candidates]
    assert up.estimate == pytest.approx(-down.estimate)
    assert up.interval == pytest.approx([-bound for bound in reversed(down.interval)])


def test_what_was_scored_on_all_folds_is_not_scored_again_unless_afresh():
    table = Table(noise(6))
    assert all(len(c.folds) == FOLDS for c in table.confirm(3).candidates)
    assert table.confirmed == []
    table.scores = table.scores + 1.0  # other splits
    fresh = table.confirm(3, reuse=False)
    assert len(table.confirmed) == 3 * FOLDS
    rows = [c.params["row"] for c in fresh.candidates]
    assert fresh.estimate == pytest.approx(chosen(table.scores[rows], range(FOLDS)).mean())
    assert fresh.estimate > 1.5, "scores of the earlier splits do not join in"
    assert "by the 5 new folds alone" in str(fresh)


@pytest.mark.parametrize("first", [None, 1])
def test_it_says_what_the_study_says(first):
    table = Table(noise(20), first=first)
    found, told = table.confirm(4), table.study.estimate()
    assert (found.estimate, found.interval, found.winner) == (told.value, (told.low, told.high), table.study.winner())
    assert str(found).endswith(str(told)) and "90 % sure" in str(found)


def test_calling_again_adds_no_trials_and_goes_on_with_those_that_wait():
    table = Table(noise(6), first=1)
    first = table.confirm(3)
    count = len(table.study.trials)
    assert table.confirm(3) == first
    assert len(table.study.trials) == count


def test_after_a_crash_it_goes_on_where_it_stopped():
    table = Table(noise(6), first=1)
    calls = []

    def dies(trial):
        calls.append(trial.number)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return table(trial)

    with pytest.raises(KeyboardInterrupt):
        confirm(table.study, dies, 3)
    assert len(confirm(table.study, table, 3).candidates) == 3
    assert sorted(calls) == [6, 7] and len(table.study.trials) == 9
    assert len(table.looked_up) == 6 + 3 * (FOLDS - 1)


def test_one_configuration_is_confirmed_once_and_pruned_or_failed_ones_never():
    scores = noise(4)
    table = Table(scores, first=1, rows=[0, 1, 2, 3, 0, 0])
    trial = table.study.ask()
    table.study.tell(trial, 0.0, TrialState.PRUNED)
    assert sorted(c.params["row"] for c in table.confirm(10).candidates) == [0, 1, 2, 3]


def test_a_confirmation_that_fails_drops_out():
    scores = noise(5)
    scores[1, 0], scores[1, 3] = 0.0, math.nan
    table = Table(scores, first=1)
    found = table.confirm(2)
    assert [c.params["row"] for c in found.candidates] != [1] and len(found.candidates) == 1
    table.scores[1, 3] = 0.0
    assert len(table.confirm(2).candidates) == 2, "the next call tries it again"


def test_a_confirmation_that_runs_elsewhere_is_neither_waited_for_nor_run_twice():
    table = Table(noise(5), first=1)
    best = int(table.scores[:, 0].argmin())
    table.study.enqueue_trial({"row": best}, {CONFIRMS: best}, judged=False)
    elsewhere = table.study.ask()
    found = table.confirm(2)
    assert [c.number for c in found.candidates] != [best] and len(found.candidates) == 1
    assert len(table.study.trials) == 7
    table.study.tell(elsewhere, state=TrialState.FAIL)


def test_a_failure_of_all_is_told():
    table = Table(noise(3), first=1)
    table.scores[:, 2] = math.nan
    with pytest.raises(NotReady, match="nan"):
        table.confirm(2)


def test_trials_on_more_folds_come_before_cheap_looks():
    scores = noise(6) + 1
    table = Table(scores)
    table.first = 1
    table.scores = scores - 1
    for row in range(6):
        table.study.enqueue_trial({"row": row})
    table.study.optimize(table, n_trials=6, progress="none")
    assert all(c.number < 6 for c in table.confirm(3).candidates)


@settings(max_examples=40)
@given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 999))
def test_each_fold_is_scored_by_the_choice_of_the_other_folds(rows, folds, seed):
    scores = noise(rows, folds, seed)
    values = chosen(scores, range(folds))
    for fold, value in enumerate(values):
        others = np.delete(scores, fold, axis=1).mean(axis=1)
        assert value == scores[others.argmin(), fold]
    assert chosen(scores[::-1], range(folds)).tolist() == values.tolist()
    assert values.mean() >= scores.mean(axis=1).min() - 1e-12, "never better than the best observed"


def test_among_equals_the_estimate_is_unbiased_where_the_best_score_is_not():
    """Fifty equal configurations with independent noise: all that the best one has is luck."""
    best, estimates, inside = [], [], 0
    for seed in range(60):
        scores = noise(50, seed=seed)
        values = chosen(scores, range(FOLDS))
        best.append(scores.mean(axis=1).min())
        estimates.append(values.mean())
    error = 0.1 / math.sqrt(FOLDS * 60)
    assert abs(np.mean(estimates) - 1.0) < 4 * error
    assert np.mean(best) < 1.0 - 10 * error
    for seed in range(12):
        low, high = Table(noise(20, seed=seed), first=1).confirm(5).interval
        inside += low <= 1.0 <= high
    assert inside >= 10


def test_overlap_widens_the_interval_and_none_is_for_independent_parts():
    table = Table(noise(6))
    shared, independent = table.confirm(3, reuse=False), table.confirm(3, reuse=False, overlap=0.0)
    (low, high), (lower, higher) = independent.interval, shared.interval
    assert higher - lower == pytest.approx((high - low) * math.sqrt(1 + FOLDS / (FOLDS - 1)))
    assert shared.estimate == independent.estimate
    for one, other in zip(shared.candidates, independent.candidates):
        assert one.standard_error == pytest.approx(other.standard_error * math.sqrt(1 + FOLDS / (FOLDS - 1)))


def test_without_folds_candidates_are_called_again_and_all_that_is_known_is_weighed():
    calls = np.random.default_rng(4)
    study = create_study(space={"x": kilter.Float(0, 1)}, sampler="random", seed=0, direction="maximize")

    def objective(trial):
        return -((trial.params["x"] - 0.4) ** 2) + 0.3 * calls.standard_normal()

    study.optimize(objective, n_trials=30, progress="none")
    found = confirm(study, objective, 5)
    best = sorted(study.trials[:30], key=lambda trial: -trial.value)[:5]
    assert {candidate.number for candidate in found.candidates} == {trial.number for trial in best}
    assert [study.trials[c.confirmed_by].user_attrs[CONFIRMS] for c in found.candidates] == [
        c.number for c in found.candidates
    ]
    assert found.estimate == pytest.approx(study.estimate().value)
    means = [candidate.mean for candidate in found.candidates]
    assert means == sorted(means, reverse=True)
    assert found.estimate < study.best_value - 0.2, "the luck of the best of thirty is taken back"
    low, high = found.interval
    assert low < 0 < high
    assert "folds" not in str(found)
    assert confirm(study, objective, 5) == found
    assert len(study.trials) == 35, "what was confirmed is not called again"


def test_a_single_fold_says_nothing_about_its_error():
    found = Table(noise(6, folds=1)).confirm(3)
    assert found.interval == (-math.inf, math.inf) and math.isnan(found.choice.standard_error)


def test_what_cannot_be_confirmed_is_refused():
    study = create_study(space={"row": kilter.Int(0, 9)}, seed=0, sampler="random")
    with pytest.raises(NotReady, match="no complete"):
        confirm(study, lambda trial: 0.0)
    study.optimize(lambda trial: 1.0, n_trials=2, progress="none")
    with pytest.raises(InvalidInput, match=r"reports no folds.*it ran once, as trial 2"):
        confirm(study, lambda trial: 1.0)
    assert len(study.trials) == 3
    found = confirm(study, lambda trial: over_folds(trial, range(3), lambda fold: float(fold)))
    assert len(found.candidates) == 2, "the one without folds confirms nothing"
    for k in (0, 2.5, "a"):
        with pytest.raises(InvalidInput, match="a whole number of trials to confirm, from 1 on"):
            confirm(study, lambda trial: 1.0, k)
    for overlap in (-1, float("nan"), "a"):
        with pytest.raises(InvalidInput, match="test rows / training rows"):
            confirm(study, lambda trial: 1.0, overlap=overlap)
    with pytest.raises(InvalidInput, match="one objective"):
        confirm(create_study(directions={"a": "minimize", "b": "minimize"}), lambda trial: 1.0)
    with pytest.raises(InvalidInput, match="fidelity"):
        confirm(create_study(fidelity=kilter.Fidelity("epochs", 1, 9)), lambda trial: 1.0)
