"""Racing over folds: whom it may never stop, what changes no decision, and that it speaks sooner than a rank test."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.api import create_study
from kilter.core.actions import Stop
from kilter.core.errors import IncapableScheduler, InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.states import dumps_state, loads_state
from kilter.schedulers.race import KEPT, RaceScheduler, State, paired, tail

SCORES = st.floats(-5, 5).map(lambda x: round(x, 3))
FOLDS = 6
CONFIGURATIONS = st.lists(st.lists(SCORES, min_size=FOLDS, max_size=FOLDS), min_size=2, max_size=12)
"""Scores of configurations on each fold, in the order in which they are tried."""


class Race:
    """A scheduler and the trials that it has met, one at a time."""

    def __init__(self, scheduler=None, direction="minimize", constraints=()):
        scheduler = scheduler or RaceScheduler()
        self.problem = Problem(objectives=(Objective("loss", direction),), constraints=constraints)
        self.scheduler, self.history = scheduler, History(self.problem)
        self.state = scheduler.start(self.problem, 0)

    def begin(self, **attrs):
        trial = Record(len(self.history), TrialState.RUNNING, {}, attempt=1, attrs=attrs)
        self.history.add(trial)
        self.history.running[trial.number] = trial
        self.scheduler.started(self.state, trial, self.history)
        return trial

    def report(self, trial, folds):
        reports = tuple(Report(0, {"loss": score}, fold) for fold, score in folds.items())
        self.history.reports.extend(trial.number, reports)
        self.scheduler.reported(self.state, trial, reports, self.history)

    def judge(self, trial):
        return self.scheduler.judge(self.state, trial, self.history)

    def end(self, trial, state=TrialState.COMPLETE, **metrics):
        trial.state, trial.metrics = state, metrics
        self.history.running.pop(trial.number, None)
        self.scheduler.ended(self.state, trial, self.history)

    def run(self, scores, order=None, **metrics):
        """A whole trial; on how many folds it ran."""
        trial = self.begin()
        order = range(len(scores)) if order is None else order
        for done, fold in enumerate(order, 1):
            self.report(trial, {fold: scores[fold]})
            if done < len(scores) and self.judge(trial):
                self.end(trial, TrialState.PRUNED)
                return done
        self.end(trial, **metrics)
        return len(scores)

    def after(self, *trials):
        for scores in trials:
            self.run(scores)
        return self


def spread(seed, mean=0.0, folds=FOLDS):
    return [mean + x for x in np.random.default_rng(seed).normal(0, 0.1, folds).tolist()]


# Laws.


@settings(max_examples=40)
@given(CONFIGURATIONS, st.integers(1, 4))
def test_what_is_best_on_every_fold_is_never_stopped_and_wins(scores, startup):
    best = np.min(scores, axis=0) - 0.5
    race = Race(RaceScheduler(chance=0.49, startup=startup)).after(*scores)
    assert race.run(best.tolist()) == FOLDS
    assert race.state.incumbent == len(scores)
    assert race.after(*scores).state.incumbent == len(scores)


@settings(max_examples=40)
@given(CONFIGURATIONS)
def test_no_worse_on_the_mean_of_the_folds_done_is_never_stopped(scores):
    race = Race(RaceScheduler(chance=0.49, startup=1)).after(*scores)
    trial = race.begin()
    race.report(trial, dict(list(race.state.folds.items())[:3]))
    assert race.judge(trial) is None


@settings(max_examples=40)
@given(CONFIGURATIONS, st.permutations(range(FOLDS)))
def test_the_order_of_folds_changes_no_judgement_on_the_same_folds(scores, order):
    done = order[:3]
    verdicts = []
    for there in (done, done[::-1]):
        race = Race(RaceScheduler(startup=1))
        for row in scores[:-1]:
            trial = race.begin()
            race.report(trial, {fold: row[fold] for fold in (order if there is done else order[::-1])})
            race.end(trial)
        trial = race.begin()
        race.report(trial, {fold: scores[-1][fold] for fold in there})
        verdicts.append((race.judge(trial), race.state.incumbent))
    assert verdicts[0] == verdicts[1]


@settings(max_examples=40)
@given(CONFIGURATIONS)
def test_maximising_is_minimising_the_negative(scores):
    down, up = Race(RaceScheduler(startup=2)), Race(RaceScheduler(startup=2), "maximize")
    assert [down.run(row) for row in scores] == [up.run([-x for x in row]) for row in scores]
    assert down.state.incumbent == up.state.incumbent


@settings(max_examples=40)
@given(CONFIGURATIONS, st.integers(-3, 3), st.lists(st.integers(-4, 4), min_size=FOLDS, max_size=FOLDS))
def test_units_and_the_difficulty_of_folds_do_not_matter(scores, power, hardness):
    """Until a first difference is seen the spread of scores stands in for it, so the second trial is not compared."""
    plain, other = Race(), Race()
    plain.state.own = other.state.own = 0.0
    grid = [[round(x * 8) / 8 for x in row] for row in scores]  # sums are exact, so that no rounding decides
    moved = [[2.0**power * (x + h) for x, h in zip(row, hardness)] for row in grid]
    fates = []
    for race, rows in ((plain, grid), (other, moved)):
        fates.append([])
        for row in rows:
            fates[-1].append(race.run(row))
            race.state.own = 0.0
    assert fates[0] == fates[1]


@settings(max_examples=40)
@given(CONFIGURATIONS, st.floats(0.01, 3), st.integers(1, FOLDS - 1))
def test_a_trial_that_is_worse_throughout_is_stopped_where_a_better_one_is(scores, worse, done):
    race = Race(RaceScheduler(startup=1)).after(*scores[:-1])
    good, bad = race.begin(), race.begin()
    for trial, more in ((good, 0.0), (bad, worse)):
        race.report(trial, {fold: scores[-1][fold] + more for fold in range(done)})
    assert race.judge(good) is None or race.judge(bad) is not None


@settings(max_examples=40)
@given(CONFIGURATIONS)
def test_asking_changes_nothing_and_the_state_survives_the_codec(scores):
    race = Race(RaceScheduler(startup=1))
    for row in scores:
        trial = race.begin()
        race.report(trial, {"a": row[0], 1: row[1]})
        before = copy.deepcopy(race.state)
        verdict = race.judge(trial)
        assert race.state == before
        again = loads_state(State, dumps_state(race.state))
        assert again == race.state
        assert race.scheduler.judge(again, trial, race.history) == verdict
        race.report(trial, dict(enumerate(row)))
        race.end(trial)


@settings(max_examples=40)
@given(CONFIGURATIONS, st.sampled_from([math.nan, math.inf, -math.inf, 1e200, -1e200]), st.integers(0, FOLDS - 1))
def test_what_is_no_number_ends_a_trial_or_never_does_but_breaks_nothing(scores, odd, at):
    race = Race(RaceScheduler(startup=1)).after(*scores)
    trial = race.begin()
    race.report(trial, {at: odd, (at + 1) % FOLDS: 0.0})
    verdict = race.judge(trial)
    assert (verdict is None) == (odd < 0)
    race.end(trial)
    assert race.state.incumbent != trial.number
    assert all(map(math.isfinite, race.state.folds.values()))


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_a_trial_is_wrongly_stopped_as_rarely_as_promised(seed):
    """On folds as the rule takes them to be, of 200 trials that would turn out better hardly any is lost."""
    stream = np.random.default_rng(seed)
    race = Race(RaceScheduler(chance=0.05)).after(*(spread((seed, i)) for i in range(4)))
    folds = np.array([race.state.folds[fold] for fold in range(FOLDS)])
    wrong = 0
    for _ in range(200):
        row = folds - 0.01 + stream.normal(0, 0.1, FOLDS)
        if row.mean() < folds.mean():
            trial = race.begin()
            race.report(trial, dict(enumerate(row[:2].tolist())))
            wrong += race.judge(trial) is not None
            race.end(trial, TrialState.FAIL)
    assert wrong <= 0.15 * 200


# Cases.


def test_the_chance_is_that_of_the_formula():
    """n = 2 of K = 5 folds; the median of the variances and twice the incumbent's own is 0.16."""
    from scipy.stats import t

    race = Race(RaceScheduler(chance=0.49))
    race.state = State(0, dict.fromkeys(range(5), 0.0), own=0.08, variances=[9.0, 0.01], complete=3)
    trial = race.begin()
    race.report(trial, {3: 0.2, 1: 0.4})
    variance = (3 * 0.16 + 2 * 0.1**2) / 4
    left = t.sf(0.3 / math.sqrt(variance * (5 - 2) / (5 * 2)), 4)
    assert f"by 0.3 on 2 of 5 folds, with {left:.1%} chance" in race.judge(trial).reason


def test_variances_are_of_differences_and_so_scaled_that_their_median_is_the_variance():
    race = Race().after([0.0, 1.0, 5.0, 3.0], [2.0, 4.0, 6.0, 4.0])  # differences 2, 3, 1, 1
    (found,) = race.state.variances
    draws = np.random.default_rng(0).normal(size=(20_000, 4)).var(axis=1, ddof=1)
    assert found == pytest.approx(np.var([2, 3, 1, 1], ddof=1) / np.median(draws), rel=0.03)


def test_only_the_latest_variances_are_kept():
    race = Race(RaceScheduler(startup=99)).after(*(spread(i) for i in range(KEPT + 5)))
    assert len(race.state.variances) == KEPT


def test_a_trial_that_has_all_folds_is_not_stopped():
    race = Race().after(spread(0), spread(1), spread(2))
    trial = race.begin()
    race.report(trial, dict(enumerate(spread(3, mean=9.0))))
    assert race.judge(trial) is None


def test_a_hopeless_trial_goes_after_one_fold_where_a_rank_test_could_say_nothing():
    race = Race().after(spread(0), spread(1), spread(2))
    trial = race.begin()
    race.report(trial, {0: 3.0})
    verdict = race.judge(trial)
    assert isinstance(verdict, Stop) and f"trial {race.state.incumbent} by" in verdict.reason
    assert race.run(spread(4, mean=0.02)) > 1


def test_nothing_ends_before_the_startup_is_over():
    race = Race(RaceScheduler(startup=3)).after(spread(0), [9.0] * FOLDS)
    assert race.run(spread(1, mean=5.0)) == FOLDS
    assert race.run(spread(2, mean=5.0)) == 1


def test_one_hard_fold_at_first_stops_nobody():
    """The forgiving rule compares the mean so far with the incumbent's worst fold, and would."""
    hard = [1.0, 0, 0, 0, 0, 0]
    race = Race().after(*[[x + y for x, y in zip(hard, spread(i))] for i in range(4)])
    incumbent = [race.state.folds[fold] for fold in range(FOLDS)]
    trial = race.begin()
    race.report(trial, {0: incumbent[0] + 0.02})
    assert incumbent[0] == max(incumbent)
    assert race.judge(trial) is None


def test_folds_are_only_compared_with_the_same_fold():
    race = Race().after(spread(0), spread(1), spread(2))
    trial = race.begin()
    race.report(trial, {"another": 99.0})
    assert race.judge(trial) is None
    assert paired({0: 3.0, "x": 9.0}, {0: 1.0, 2: 7.0}) == [2.0]


def test_a_trial_with_fewer_folds_is_not_the_incumbent_however_lucky():
    race = Race().after([1.0, 2.0, 3.0], [0.0], [0.5, 1.5])
    assert race.state.incumbent == 0
    assert race.after([1.0, 1.9, 3.0]).state.incumbent == 3
    assert race.after([1.0, 1.8, 3.0, 50.0]).state.incumbent == 4, "more folds, better on the common ones"


def test_the_latest_report_of_a_fold_counts_and_steps_are_ignored():
    race = Race().after(spread(0), spread(1), spread(2))
    trial = race.begin()
    race.report(trial, {0: 3.0})
    race.report(trial, {0: race.state.folds[0]})
    race.scheduler.reported(race.state, trial, (Report(5, {"loss": 99.0}), Report(0, {}, 1)), race.history)
    assert race.judge(trial) is None


def test_what_a_paused_or_lost_attempt_reported_stays_known_and_ended_trials_are_forgotten():
    race = Race().after(spread(0), spread(1), spread(2))
    trial = race.begin()
    race.report(trial, {0: 3.0})
    for state in (TrialState.PAUSED, TrialState.WAITING):
        race.end(trial, state)
        assert race.judge(trial) is not None
    race.end(trial, TrialState.FAIL)
    assert race.state.running == {}


def test_an_infeasible_trial_is_no_incumbent():
    race = Race(constraints=(Constraint("size", "<=", 1.0),))
    race.run([1.0, 1.1, 1.2], size=0.5)
    race.run([0.0, 0.1, 0.2], size=2.0)
    assert race.state.incumbent == 0
    race.run([0.5, 0.1, 0.2], size=1.0)
    assert race.state.incumbent == 2


def test_settings_and_problems_that_cannot_be_are_refused():
    for wrong in ({"chance": 0.0}, {"chance": 0.5}, {"chance": math.nan}, {"startup": 0}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            RaceScheduler(**wrong)
    with pytest.raises(IncapableScheduler, match="one objective"):
        create_study(directions={"a": "minimize", "b": "maximize"}, scheduler=RaceScheduler())


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 501])
def test_the_tail_of_student_t_is_that_of_scipy(freedom):
    from scipy.special import stdtr

    t = np.array([0.0, 0.3, 1.0, 2.5, 8.0])
    assert [tail(x, freedom) for x in t] == pytest.approx(1 - stdtr(freedom, t), abs=1e-12)


def test_a_study_finds_the_winner_on_fewer_folds():
    stream = np.random.default_rng(0)
    scores = stream.normal(0, 1, (60, 1)) + stream.normal(0, 0.3, 10) + stream.normal(0, 0.2, (60, 10))
    ran = []

    def objective(trial):
        for fold in range(10):
            ran.append(fold)
            trial.report(scores[trial.params["row"], fold], fold=fold)
            if trial.should_prune():
                raise kilter.TrialPruned
        return scores[trial.params["row"]].mean()

    study = create_study(space={"row": kilter.Int(0, 59)}, sampler="random", scheduler=RaceScheduler(), seed=0)
    for row in range(60):
        study.enqueue_trial({"row": row})
    study.optimize(objective, n_trials=60, progress="none")
    assert study.best_params["row"] == scores.mean(axis=1).argmin()
    assert len(ran) < 0.4 * scores.size


def test_a_repeat_of_the_incumbent_tells_nothing_of_how_far_configurations_are_apart_and_stands_for_it():
    race = Race().after([0.0, 1.0], [2.0, 5.0])
    variances, own = race.state.variances, race.state.own
    again = race.begin(confirms=0)
    race.report(again, {0: 0.0, 1: 1.0, 2: 8.0})
    race.end(again, loss=3.0)
    assert race.state.variances == variances
    assert (race.state.incumbent, race.state.folds) == (again.number, {0: 0.0, 1: 1.0, 2: 8.0})
    assert race.state.own > own
