"""Threads, and whether the executor suite bites: one broken executor per check."""

import threading
from dataclasses import dataclass, replace

import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import Failure, TrialState
from kilter.core.interfaces import Outcome, Progress
from kilter.executors.command import Command
from kilter.executors.processes import Processes
from kilter.executors.simulated import Simulated
from kilter.executors.threads import Threads
from kilter.testing.executor import ExecutorSuite, task


class TestThreads(ExecutorSuite):
    stops_at_once = False

    def executor(self, slots):
        return Threads(slots)

    def test_the_exception_itself_comes_along(self):
        def fail(trial):
            raise KeyError("x")

        assert isinstance(self.outcome(fail).error, KeyError)

    def test_trials_run_side_by_side(self):
        both = threading.Barrier(2, timeout=20)

        def meet(trial):
            both.wait()
            return 1.0

        with self.running(meet, 2) as executor:
            executor.submit(task(0))
            executor.submit(task(1))
            assert self.until_end(executor)[1].state is TrialState.COMPLETE

    @pytest.mark.parametrize("executor", [Threads, Processes, Command, lambda first: Simulated(first, None)])
    def test_an_objective_in_the_place_of_the_settings_is_refused(self, executor):
        with pytest.raises(InvalidInput, match=r"the objective goes to start\(\)"):
            executor(abs)
        for slots in (0, -1, 1.5, True):
            with pytest.raises(InvalidInput, match="from 1 on"):
                executor(slots)


class Broken:
    """Passes on what Threads does; subclasses spoil one thing."""

    def __init__(self, objective, slots):
        self.inner = Threads(slots).start(objective)
        self.slots = slots
        self.outcomes = 0

    def submit(self, task):
        self.inner.submit(task)

    def wait(self, timeout):
        return [spoilt for message in self.inner.wait(timeout) for spoilt in self.spoil(message)]

    def spoil(self, message):
        if isinstance(message, Outcome):
            self.outcomes += 1
            return self.end(message)
        return self.progress(message)

    def end(self, outcome):
        return [outcome]

    def progress(self, progress):
        return [progress]

    def stop(self, number):
        self.inner.stop(number)

    def close(self):
        self.inner.close()


@dataclass(frozen=True)
class Broke:
    """Settings of a broken one."""

    kind: type[Broken]
    slots: int

    def start(self, objective, space=None, draw=None):
        return self.kind(objective, self.slots)


class WrongNumber(Broken):
    def end(self, outcome):
        return [replace(outcome, number=outcome.number + 1)]


class SwallowsTraceback(Broken):
    def end(self, outcome):
        return [replace(outcome, failure=outcome.failure and replace(outcome.failure, traceback=""))]


class DiesOfAnException(Broken):
    def submit(self, task):
        if not self.outcomes:
            self.inner.submit(task)

    def end(self, outcome):
        return [outcome]


class LosesReports(Broken):
    def end(self, outcome):
        return [replace(outcome, reports=outcome.reports[1:])]


class DoublesReports(Broken):
    def end(self, outcome):
        return [replace(outcome, reports=outcome.reports * 2)]


class IgnoresTheAnswer(Broken):
    def progress(self, progress):
        return [replace(progress, reply=progress.reply and (lambda stop: progress.reply(False)))]


class AlwaysAsks(Broken):
    def submit(self, task):
        self.inner.submit(replace(task, may_be_stopped=True))


class PrunedIsFailed(Broken):
    def end(self, outcome):
        return [replace(outcome, state=TrialState.FAIL)] if outcome.state is TrialState.PRUNED else [outcome]


class TakesNan(Broken):
    def end(self, outcome):
        return [replace(outcome, state=TrialState.COMPLETE, metrics={"loss": float("nan")}, failure=None)]


class CallsStopPruned(Broken):
    def end(self, outcome):
        stopped = outcome.failure is not None and outcome.failure.kind == "stopped"
        return [replace(outcome, state=TrialState.PRUNED, failure=None) if stopped else outcome]


class StopsLateComers(Broken):
    def stop(self, number):
        raise KeyError(number)


class LosesOne(Broken):
    def end(self, outcome):
        return [] if self.outcomes == 30 else [outcome]


class DoublesOne(Broken):
    def end(self, outcome):
        return [outcome] * (2 if self.outcomes == 30 else 1)


class InventsMessages(Broken):
    def wait(self, timeout):
        return self.inner.wait(timeout) or [Outcome(9, 1, TrialState.FAIL, {}, failure=Failure("died"))]


class LeavesAProcess(Broken):
    left: list = []

    def submit(self, task):
        import subprocess
        import sys

        self.left.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        self.inner.submit(task)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (WrongNumber, "test_it_brings_home_the_result"),
        (SwallowsTraceback, "test_it_tells_of_an_exception_and_goes_on"),
        (DiesOfAnException, "test_it_tells_of_an_exception_and_goes_on"),
        (LosesReports, "test_reports_come_in_order_and_once"),
        (DoublesReports, "test_reports_come_in_order_and_once"),
        (IgnoresTheAnswer, "test_a_question_brings_the_reports_and_takes_the_answer"),
        (AlwaysAsks, "test_an_unjudged_trial_does_not_ask"),
        (PrunedIsFailed, "test_a_pruned_trial_counts_by_its_last_report"),
        (TakesNan, "test_what_is_no_number_fails"),
        (CallsStopPruned, "test_stop_ends_a_running_trial_and_frees_its_slot"),
        (StopsLateComers, "test_where_nothing_runs_stopping_is_no_harm_and_waiting_returns"),
        (LosesOne, "test_many_tasks_over_few_slots_are_neither_lost_nor_doubled"),
        (DoublesOne, "test_many_tasks_over_few_slots_are_neither_lost_nor_doubled"),
        (InventsMessages, "test_where_nothing_runs_stopping_is_no_harm_and_waiting_returns"),
        (LeavesAProcess, "test_close_ends_what_runs_and_leaves_no_process"),
    ],
)
def test_the_suite_notices(broken, check):
    class Suite(ExecutorSuite):
        stops_at_once = False
        patience = 1.0

        def executor(self, slots):
            return Broke(broken, slots)

    try:
        with pytest.raises((AssertionError, KeyError)):
            getattr(Suite(), check)()
    finally:
        for process in LeavesAProcess.left:
            process.kill()
            process.wait()
            process.stdin.close()
        LeavesAProcess.left.clear()


def test_a_judged_step_is_one_message():
    def ask(trial):
        trial.report(1.0, 0)
        trial.should_prune()
        return 1.0

    executor = Threads().start(ask)
    executor.submit(task(may_be_stopped=True))
    (message,) = executor.wait(20)
    assert isinstance(message, Progress)
    assert message.reports
    assert message.reply is not None
    message.reply(False)
    assert isinstance(executor.wait(20)[0], Outcome)
    executor.close()


def test_who_was_told_to_stop_and_goes_on_reporting_is_broken_off():
    broken = threading.Event()

    def deaf(trial):
        try:
            for step in range(10**9):
                trial.report(1.0, step)
                trial.should_prune()
        finally:
            broken.set()

    with TestThreads().running(deaf) as executor:
        executor.submit(task(may_be_stopped=True))
        next(TestThreads().messages(executor))
        executor.stop(0)
        outcome = TestThreads().until_end(executor)[1]
    assert broken.is_set()
    assert outcome.failure.kind == "stopped"
