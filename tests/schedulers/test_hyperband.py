"""Several brackets: how they are drawn, who is stopped, who is resumed."""

from collections import Counter

import pytest

from kilter.core.actions import Resume, Start, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import LOST, Enqueued, Failure, Report, TrialState
from kilter.schedulers.hyperband import HyperbandScheduler, weights_of
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.workers import Log, Workers, budgeted, stepping, worth


class TestHyperband(SchedulerSuite):
    def scheduler(self):
        return HyperbandScheduler()


class TestOneBracket(SchedulerSuite):
    def scheduler(self):
        return HyperbandScheduler(brackets=1)


def paused(log, value):
    """Start what is planned and spend its budget; the trial."""
    trial = log.begin(100)
    step = log.problem.fidelities[0].step(trial.budget["epochs"])
    full = trial.budget == log.problem.full_budget
    state = TrialState.COMPLETE if full else TrialState.PAUSED
    log.end(trial.number, {"value": value}, state, (Report(step, {"value": value}),))
    return trial


def test_brackets_cost_about_the_same_at_first():
    log = Log(HyperbandScheduler(), stepping())
    for number in range(650):
        log.begin(number + 1)
    counts = Counter(known.bracket for known in log.engine.scheduler_state.trials.values())
    assert counts[0] / 650 == pytest.approx(9 / 13, abs=0.06)
    assert counts[1] / 650 == pytest.approx(3 / 13, abs=0.06)
    assert counts[2] / 650 == pytest.approx(1 / 13, abs=0.04)


def test_a_bracket_whose_rankings_do_not_last_is_drawn_less_often():
    state = HyperbandScheduler().start(stepping(), 7)
    assert weights_of(state, 3.0) == pytest.approx([1, 1 / 3, 1 / 9])
    state.pairs = {0: [100, 200], 1: [200, 200]}
    first, second, third = weights_of(state, 3.0)
    assert first < second
    assert (second, third) == pytest.approx((1 / 3, 1 / 9))


def test_curves_that_turn_early_teach_it_to_start_higher():
    log = Log(HyperbandScheduler(), budgeted())
    Workers(log, "budget", lambda config, step: worth(config) * (-1 if step < 3 else 1)).run(150)
    state = log.engine.scheduler_state
    assert state.pairs[0][0] < 0.5 * state.pairs[0][1]
    first, second, _ = weights_of(state, 3.0)
    assert first < second


def test_the_best_third_at_a_level_go_on():
    log = Log(HyperbandScheduler(brackets=1), stepping())
    told = []
    for number, value in enumerate([0.5, 0.6, 0.7, 0.55, 0.1, 0.45]):
        log.begin(number + 1)
        log.report(number, Report(1, {"value": value}))
        told.append(isinstance(log.judge(number), Stop))
    assert told == [False, False, True, True, False, False]


def test_a_trial_is_judged_from_the_first_level_of_its_bracket_on():
    log = Log(HyperbandScheduler(), stepping())
    for number in range(60):
        log.begin(number + 1)
        log.report(number, Report(1, {"value": float(number)}), Report(2, {"value": float(number)}))
    state = log.engine.scheduler_state
    for number, known in state.trials.items():
        assert (known.level == 0) == (known.bracket == 0)
        if known.bracket:
            assert log.judge(number) is None


def test_paused_trials_are_resumed_with_the_next_budget_the_highest_first():
    log = Log(HyperbandScheduler(brackets=1), budgeted())
    for value in (0.3, 0.1, 0.2):
        assert paused(log, value).budget == {"epochs": 1}
    assert log.engine.plan() == Resume(1, {"epochs": 3})
    assert paused(log, 0.1).number == 1
    assert log.engine.plan() == Start({"epochs": 1})
    for value in (0.11, 0.12, 0.13, 0.14, 0.15, 0.16):
        paused(log, value)
    numbers = [trial.number for trial in log.history if trial.budget == {"epochs": 3}]
    assert len(numbers) >= 2
    assert all(trial.state is TrialState.PAUSED for trial in log.history)


def test_the_full_budget_completes_a_trial():
    log = Log(HyperbandScheduler(), budgeted())
    Workers(log, "budget").run(100)
    complete = log.history.with_state(TrialState.COMPLETE)
    assert complete
    assert all(trial.budget == {"epochs": 27} for trial in complete)
    spent = sum(trial.budget["epochs"] for trial in log.history)
    assert spent < 0.35 * 100 * 27
    best = min(worth(trial.params) for trial in log.history)
    assert min(worth(trial.params) for trial in complete) < best + 0.1


def test_a_new_trial_of_the_queue_gets_a_budget_too():
    log = Log(HyperbandScheduler(), budgeted())
    log.write(Enqueued(0, {"x": 0.0, "y": 0.1}, 0.0))
    trial = log.begin(1)
    assert (trial.number, trial.budget) == (0, dict(log.answers[-1][2].budget))


def test_a_resumed_trial_that_is_lost_waits_no_more():
    log = Log(HyperbandScheduler(brackets=1), budgeted())
    for value in (0.3, 0.1, 0.2):
        paused(log, value)
    resumed = log.begin(100)
    log.end(resumed.number, {}, TrialState.FAIL, failure=Failure(LOST))
    assert log.engine.plan() == Start({"epochs": 1})
    again = log.begin(100)
    assert (again.number, again.budget) == (1, {"epochs": 3})


@pytest.mark.parametrize("settings", [{"grace": 0}, {"eta": 1.0}, {"brackets": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput, match="needs grace >= 1"):
        HyperbandScheduler(**settings)
