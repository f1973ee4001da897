"""All schedulers against the suite, and the suite against schedulers that are broken on purpose."""

from dataclasses import dataclass, field
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from kilter import plugins
from kilter.core.actions import Fork, Pause, Resume, Start, Stop, Wait
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Capabilities, Scheduler
from kilter.schedulers import FifoScheduler, RaceScheduler
from kilter.testing import scheduler as suite
from kilter.testing.scheduler import SchedulerSuite


class TestFifo(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return FifoScheduler()


class TestRace(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return RaceScheduler()


# No scheduler is left out.


@cache
def suites():
    """All that run the suite under tests/, each with its scheduler."""
    found = []
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        if "(SchedulerSuite)" in path.read_text():
            spec = spec_from_file_location(f"read_{path.stem}", path)
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            found += [(f"{path.name}::{n}", kind().scheduler()) for n, kind in vars(module).items() if runs(kind)]
    return found


def runs(kind):
    return isinstance(kind, type) and kind.__name__.startswith("Test") and issubclass(kind, SchedulerSuite)


@pytest.mark.parametrize("name", plugins.SCHEDULERS)
def test_every_built_in_scheduler_runs_the_suite_once(name):
    """With its usual settings; with others as often as anybody likes."""
    usual = plugins.find("scheduler", name)
    assert len([where for where, scheduler in suites() if scheduler == usual]) == 1, suites()


def test_no_suite_runs_twice():
    schedulers = [scheduler for _, scheduler in suites()]
    assert len(set(schedulers)) == len(schedulers)


# Schedulers that are broken on purpose: each must be caught by the check beside it.


@dataclass
class Memory:
    told: list = field(default_factory=list)
    best: dict = field(default_factory=dict)
    steps: dict = field(default_factory=dict)
    sign: float = 1.0


@dataclass(frozen=True)
class Half(Scheduler):
    """Ends, at step 9, what is worse than half of those that got there; sound by itself."""

    at = 9

    def start(self, problem, seed):
        return Memory(sign=problem.objectives[0].sign)

    def reported(self, state, trial, reports, history):
        for report in reports:
            self.take(state, trial, report, history.problem.objectives[0].name)

    def take(self, state, trial, report, name):
        value = state.sign * report.metrics.get(name, np.inf)
        if report.step == self.at and trial.number not in state.best:
            state.best[trial.number] = value if value == value else np.inf
        state.steps[trial.number] = max(state.steps.get(trial.number, 0), report.step)

    def ended(self, state, trial, history):
        state.told.append(trial.number)
        if trial.is_finished and len(state.best) > 50:
            state.best.pop(next(iter(state.best)))
        if trial.is_finished:
            state.steps.pop(trial.number, None)

    def judge(self, state, trial, history):
        if trial.number not in state.best or len(state.best) < 4:
            return None
        worse = state.best[trial.number] > np.quantile(list(state.best.values()), 0.5, method="higher")
        return Stop("worse than half") if worse else None


@dataclass
class NotFrozen(Scheduler):
    def start(self, problem, seed):
        return Memory()


class CountsJudgements(Half):
    def judge(self, state, trial, history):
        state.told.append(trial.number)
        return super().judge(state, trial, history)


class CountsPlans(Half):
    def plan(self, state, history):
        state.told.append(0)
        return Start()


class HidesInTheState(Half):
    def plan(self, state, history):
        state.planned = len(history)
        return Start()


class RemembersInItself(Half):
    def judge(self, state, trial, history):
        object.__setattr__(self, "asked", getattr(self, "asked", 0) + 1)
        return super().judge(state, trial, history)


class MarksTrials(Half):
    def judge(self, state, trial, history):
        trial.attrs["seen"] = True
        return super().judge(state, trial, history)


class ChangesTheTrial(Half):
    def ended(self, state, trial, history):
        trial.metrics.setdefault("value", 0.0)


class ChangesTheReports(Half):
    def reported(self, state, trial, reports, history):
        for report in reports:
            report.metrics["seen"] = 1.0


class EmptiesTheQueue(Half):
    def started(self, state, trial, history):
        history.waiting.clear()


class LosesItsState(Half):
    def reported(self, state, trial, reports, history):
        state.extra = getattr(state, "extra", 0) + 1

    def judge(self, state, trial, history):
        return Stop("enough") if getattr(state, "extra", 0) % 7 == 3 else None


class ForgetsBeyondTheState(Half):
    def forget(self, state, trial, history):
        object.__setattr__(self, "forgotten", getattr(self, "forgotten", 0) + 1)
        state.told.append(self.forgotten)


class StateIsNoData(Half):
    def ended(self, state, trial, history):
        state.told.append({trial.number}.union)


class GlobalChance(Half):
    def judge(self, state, trial, history):
        return Stop("unlucky") if np.random.default_rng().random() < 0.5 else None


@dataclass(frozen=True)
class LearnsFromQuestions(Half):
    asked: list = field(default_factory=list, repr=False)

    def judge(self, state, trial, history):
        self.asked.append(trial.number)
        return Stop("asked too much") if len(self.asked) % 10 == 9 else None


class FirstComeFirstServed(Half):
    """Whoever came to step 9 as one of the first is never judged."""

    def judge(self, state, trial, history):
        early = list(state.best)[:4]
        return None if trial.number in early else super().judge(state, trial, history)


class LooksAtTheLast(Half):
    at = 7

    def reported(self, state, trial, reports, history):
        super().reported(state, trial, reports[-1:], history)


class WaitsForEver(Half):
    def plan(self, state, history):
        return Wait() if len(history) >= 20 else Start()


class DropsWhatEnded(Half):
    def plan(self, state, history):
        return Stop("again", history.finished[-1]) if len(history.finished) > 5 else Start()


class ResumesWhatEnded(Half):
    def plan(self, state, history):
        return Resume(history.finished[-1]) if len(history.finished) > 5 else Start()


class ForksNobody(Half):
    def plan(self, state, history):
        return Fork(10_000, {"x": 0.0, "y": 0.1}) if len(history) > 5 else Start()


class StopsThoughItDoesNotJudge(Half):
    judges = False


class PausesForEver(Half):
    def judge(self, state, trial, history):
        return Pause("not now")

    def plan(self, state, history):
        return Resume(next(iter(history.paused))) if history.paused else Start()


class NoSecondChance(Half):
    def judge(self, state, trial, history):
        return Stop("began twice") if trial.attempt > 1 else None


class StopsTheOnly(Half):
    def judge(self, state, trial, history):
        return Stop("at step 9") if trial.number in state.best else None


class HoldsTheOnly(Half):
    def plan(self, state, history):
        return Wait()


class StopsTheSilent(Half):
    def judge(self, state, trial, history):
        return Stop("no word of it") if trial.number not in state.steps else None


class StopsTheSlow(Half):
    def judge(self, state, trial, history):
        _, values = history.reports.curve(trial.number, history.problem.objectives[0].name)
        return Stop("no better than before") if len(values) > 3 and min(values[-3:]) >= values[0] else None


class DividesBySpread(Half):
    def ended(self, state, trial, history):
        super().ended(state, trial, history)
        if len(state.best) > 5:
            assert max(state.best.values()) > min(state.best.values())


class NeedsNumbers(Half):
    def take(self, state, trial, report, name):
        state.best[trial.number] = int(report.metrics[name])


class KeepsAListOfSteps(Half):
    def take(self, state, trial, report, name):
        state.told += [0] * min(report.step, 10**5)


class NeedsOrder(Half):
    def take(self, state, trial, report, name):
        assert report.step > state.steps.get(trial.number, -1)
        super().take(state, trial, report, name)


class CountsReports(Half):
    def take(self, state, trial, report, name):
        state.steps[trial.number] = state.steps.get(trial.number, 0) + 1

    def judge(self, state, trial, history):
        return Stop("long enough") if state.steps.get(trial.number, 0) > 12 else None


class ForgetsTheDirection(Half):
    def start(self, problem, seed):
        return Memory()


class NeedsValue(Half):
    def take(self, state, trial, report, name):
        super().take(state, trial, report, name)
        assert "value" in report.metrics


class NeedsOneMetric(Half):
    def take(self, state, trial, report, name):
        super().take(state, trial, report, name)
        assert len(report.metrics) == 1


class RefusesWhatItDidNotExclude(Half):
    def start(self, problem, seed):
        if len(problem.metric_names) > 1:
            raise InvalidInput("no")
        return super().start(problem, seed)


class LooksAtAllTrials(Half):
    def judge(self, state, trial, history):
        sum(len(other.params) for other in history)
        return super().judge(state, trial, history)


class Hoards(Half):
    def ended(self, state, trial, history):
        state.told.append([0] * trial.number)


class KeepsEveryReportThrice(Half):
    def take(self, state, trial, report, name):
        state.told.append([report.step, report.metrics, str(report) * 2])


BROKEN = [
    (NotFrozen, "test_settings_are_frozen"),
    (CountsJudgements, "test_questions_leave_everything_as_it_is"),
    (CountsPlans, "test_questions_leave_everything_as_it_is"),
    (HidesInTheState, "test_questions_leave_everything_as_it_is"),
    (RemembersInItself, "test_questions_leave_everything_as_it_is"),
    (MarksTrials, "test_questions_leave_everything_as_it_is"),
    (GlobalChance, "test_questions_leave_everything_as_it_is"),
    (ChangesTheTrial, "test_folding_leaves_the_history_as_it_is"),
    (ChangesTheReports, "test_folding_leaves_the_history_as_it_is"),
    (EmptiesTheQueue, "test_folding_leaves_the_history_as_it_is"),
    (LosesItsState, "test_state_survives_the_codec"),
    (StateIsNoData, "test_state_survives_the_codec"),
    (GlobalChance, "test_replay"),
    (LearnsFromQuestions, "test_replay"),
    (FirstComeFirstServed, "test_order_of_reports"),
    (LooksAtTheLast, "test_reports_in_batches"),
    (ForgetsBeyondTheState, "test_what_is_invalidated_is_forgotten"),
    (WaitsForEver, "test_new_trials_go_on"),
    (DropsWhatEnded, "test_new_trials_go_on"),
    (ResumesWhatEnded, "test_new_trials_go_on"),
    (ForksNobody, "test_new_trials_go_on"),
    (StopsThoughItDoesNotJudge, "test_new_trials_go_on"),
    (PausesForEver, "test_a_study_ends_in_virtual_time"),
    (NoSecondChance, "test_kill_and_resume"),
    (StopsTheOnly, "test_one_trial"),
    (HoldsTheOnly, "test_one_trial"),
    (StopsTheSilent, "test_an_objective_that_never_reports"),
    (HoldsTheOnly, "test_an_objective_that_never_reports"),
    (StopsTheSlow, "test_some_trial_gets_to_its_end"),
    (DividesBySpread, "test_constant_reports"),
    (NeedsNumbers, "test_constant_reports"),
    (KeepsAListOfSteps, "test_odd_steps"),
    (NeedsOrder, "test_odd_steps"),
    (CountsReports, "test_retries"),
    (ForgetsTheDirection, "test_maximising_is_minimising_the_negative"),
    (NeedsValue, "test_several_objectives"),
    (RefusesWhatItDidNotExclude, "test_several_objectives"),
    (NeedsOneMetric, "test_constraints"),
    (RefusesWhatItDidNotExclude, "test_constraints"),
    (LooksAtAllTrials, "test_many_trials_at_a_steady_cost"),
    (Hoards, "test_many_trials_at_a_steady_cost"),
    (KeepsEveryReportThrice, "test_many_trials_at_a_steady_cost"),
]

ARGUMENTS = {
    "test_new_trials_go_on": [("steps", False)],
    "test_a_study_ends_in_virtual_time": [("steps", 1)],
    "test_kill_and_resume": [("steps", 0.5)],
    "test_some_trial_gets_to_its_end": [("steps", suite.late)],
    "test_constant_reports": [("steps", float("nan")), ("steps", 0.0)],
    "test_odd_steps": [([5, 3, 4, 1, 2],), ([0, 10**15, 1],)],
    "test_settings_are_frozen": [()],
    "test_one_trial": [()],
    "test_an_objective_that_never_reports": [()],
}


def caught(scheduler, check):
    class Broken(SchedulerSuite):
        order_free = True
        many = 400

        def scheduler(self):
            return scheduler()

    for arguments in ARGUMENTS.get(check, [("steps",)]):
        try:
            getattr(Broken(), check)(*arguments)
        except Exception:
            return True
    return False


@pytest.mark.parametrize(("scheduler", "check"), BROKEN, ids=lambda x: getattr(x, "__name__", x))
def test_the_suite_bites(scheduler, check):
    assert caught(scheduler, check)


@pytest.mark.parametrize("check", sorted({check for _, check in BROKEN}))
def test_a_sound_scheduler_passes(check):
    assert not caught(Half, check)


def test_every_check_has_a_saboteur():
    checks = {name for name in vars(SchedulerSuite) if name.startswith("test_")}
    assert checks == {check for _, check in BROKEN}


def test_what_a_scheduler_excludes_is_skipped():
    class Modest(Half):
        capabilities = Capabilities(objectives=1)

    class Suite(SchedulerSuite):
        def problem(self, form, **more):
            return super().problem(form, objectives=(suite.Objective("a"), suite.Objective("b")))

        def scheduler(self):
            return Modest()

    with pytest.raises(pytest.skip.Exception):
        Suite().test_replay("steps")
