"""What every executor has to do.

Subclass ExecutorSuite in a test module and say how to make yours:

    class TestMine(ExecutorSuite):
        def executor(self, slots):
            return Mine(slots)

Objectives get a Trial. Nothing here sleeps; a message that does not come within `patience` seconds fails the test.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psutil

from kilter.core.actions import Verdict
from kilter.core.errors import TrialPruned
from kilter.core.events import Report, TrialState
from kilter.core.interfaces import Executor, Message, Outcome, Progress, Running, Task
from kilter.core.numbers import Float
from kilter.core.problem import Fidelity, Objective, Problem
from kilter.core.space import Space

PROBLEM = Problem(Space({"x": Float(0, 1)}), (Objective("loss"),))
UNDER_FIDELITY = replace(PROBLEM, fidelities=(Fidelity("epochs", 1, 9),))


def task(
    number: int = 0, *, may_be_stopped: bool = False, directory: str | None = None, x: float = 0.5, attempt: int = 1
) -> Task:
    """A task of a problem with one parameter x in [0, 1] and the objective `loss`."""
    return Task(number, attempt, {"x": x}, PROBLEM, 7, directory, may_be_stopped)


class ExecutorSuite:
    """The contract of Executor as tests; see the module's first lines."""

    patience = 30.0
    """Seconds after which a message counts as lost."""

    stops_at_once = True
    """Whether stop() ends an objective that does not report; where False, stop is tested on one that asks."""

    def executor(self, slots: int) -> Executor:
        """The executor under test; it may have fewer slots than asked for."""
        raise NotImplementedError("override executor(slots)")

    def processes(self) -> set[int]:
        """Those of which none may be left by an executor that was closed: by default all that this process has."""
        return {child.pid for child in psutil.Process().children(recursive=True)}

    # -- driving --------------------------------------------------------------------------------------------------

    @contextmanager
    def running(self, objective: Callable[..., Any], slots: int = 1) -> Iterator[Running]:
        """An executor that runs the objective, and is closed in the end."""
        executor = self.executor(slots).start(objective, PROBLEM.space)
        try:
            yield executor
        finally:
            executor.close()

    def messages(
        self, executor: Running, answer: Callable[[Progress], Verdict] = lambda _: Verdict.CONTINUE
    ) -> Iterator[Message]:
        """Messages as they come, questions answered, until no more is asked for."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            for message in executor.wait(max(0.0, deadline - time.monotonic())):
                if isinstance(message, Progress) and message.reply is not None:
                    message.reply(answer(message))
                yield message
        raise AssertionError(f"no message within {self.patience:g} seconds")

    def until_end(
        self, executor: Running, answer: Callable[[Progress], Verdict] = lambda _: Verdict.CONTINUE
    ) -> tuple[list[Progress], Outcome]:
        """The progress of the one running trial, and its outcome."""
        progress: list[Progress] = []
        for message in self.messages(executor, answer):
            if isinstance(message, Outcome):
                return progress, message
            progress.append(message)
        raise AssertionError("unreachable: messages() ends by raising")

    def outcome(self, objective: Callable[..., Any], one: Task | None = None) -> Outcome:
        """The outcome of a single trial."""
        with self.running(objective) as executor:
            executor.submit(one or task())
            return self.until_end(executor)[1]

    # -- the contract ---------------------------------------------------------------------------------------------

    def test_it_brings_home_the_result(self) -> None:
        outcome = self.outcome(lambda trial: trial.params["x"] * 2, task(3, x=0.25, attempt=2))
        assert (outcome.number, outcome.attempt, outcome.state) == (3, 2, TrialState.COMPLETE)
        assert outcome.metrics == {"loss": 0.5}
        assert outcome.failure is None

    def test_it_tells_of_an_exception_and_goes_on(self) -> None:
        def fail_first(trial: Any) -> float:
            if trial.number == 0:
                raise ArithmeticError("the loss exploded")
            return 1.0

        with self.running(fail_first) as executor:
            executor.submit(task(0))
            outcome = self.until_end(executor)[1]
            assert outcome.state is TrialState.FAIL
            assert outcome.failure is not None
            assert outcome.failure.kind == "ArithmeticError"
            assert "the loss exploded" in outcome.failure.message
            assert "in fail" in outcome.failure.traceback
            executor.submit(task(1))
            assert self.until_end(executor)[1].state is TrialState.COMPLETE

    def test_whatever_is_raised_is_the_failure_of_the_trial(self) -> None:
        def fail(trial: Any) -> float:
            class Panic(BaseException):
                """As foreign code raises it."""

            class Leaving(SystemExit):
                """A SystemExit of the user's own."""

            class Unprintable(Exception):
                def __str__(self) -> str:
                    raise Panic

            raised = [Panic("p"), Leaving(3), SystemExit(), GeneratorExit(), Unprintable(), ValueError("x" * 10**6)]
            if trial.number < len(raised):
                raise raised[trial.number]
            return 1.0

        with self.running(fail) as executor:
            for number, kind in enumerate(
                ["Panic", "Leaving", "SystemExit", "GeneratorExit", "Unprintable", "ValueError"]
            ):
                executor.submit(task(number))
                outcome = self.until_end(executor)[1]
                assert outcome.state is TrialState.FAIL
                assert outcome.failure is not None
                assert outcome.failure.kind == kind
                assert "in fail" in outcome.failure.traceback
                assert len(outcome.failure.message + outcome.failure.traceback) < 50_000
            executor.submit(task(number + 1))
            assert self.until_end(executor)[1].state is TrialState.COMPLETE

    def test_a_forked_process_ends_with_its_code_and_is_no_second_worker(self) -> None:
        def fork(trial: Any) -> float:
            child = os.fork()
            if not child:
                trial.report(9.0, 0)  # has nobody to go to
                if trial.number == 1:
                    raise ValueError("of the child")
                if trial.number == 2:
                    sys.exit(5)
                return 7.0
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            trial.report(1.0, 0)
            return float(code)

        if not hasattr(os, "fork"):
            return
        with self.running(fork) as executor:
            for number, code in enumerate([0, 1, 5]):
                executor.submit(task(number))
                progress, outcome = self.until_end(executor)
                assert outcome.metrics == {"loss": code}
                reports = [*(r for p in progress for r in p.reports), *outcome.reports]
                assert reports == [Report(0, {"loss": 1.0})]
            assert executor.wait(0) == []

    def test_reports_come_in_order_and_once(self) -> None:
        def report(trial: Any) -> float:
            for step in range(20):
                trial.report(step / 2, step)
            return 0.0

        with self.running(report) as executor:
            for number, may_be_stopped in enumerate((False, True)):
                executor.submit(task(number, may_be_stopped=may_be_stopped))
                progress, outcome = self.until_end(executor)
                steps = [r.step for p in progress for r in p.reports] + [r.step for r in outcome.reports]
                assert steps == list(range(20))

    def test_a_question_brings_the_reports_and_takes_the_answer(self) -> None:
        def ask(trial: Any) -> float:
            for step in range(10):
                trial.report(step, step)
                if trial.should_prune():
                    raise TrialPruned
            return 0.0

        with self.running(ask) as executor:
            for number, verdict in enumerate((Verdict.STOP, Verdict.PAUSE, Verdict.LEAVE)):
                seen: list[int] = []

                def answer(progress: Progress, seen: list[int] = seen, verdict: Verdict = verdict) -> Verdict:
                    seen.extend(report.step for report in progress.reports)
                    return verdict if seen[-1] == 3 else Verdict.CONTINUE

                executor.submit(task(number, may_be_stopped=True))
                progress, outcome = self.until_end(executor, answer)
                assert seen == [0, 1, 2, 3] == [r.step for p in progress for r in p.reports]
                assert outcome.state is verdict.ends_as
                assert outcome.metrics == {"loss": 3.0}

    def test_a_budget_reaches_the_objective_and_its_result_is_a_report(self) -> None:
        def train(x: float, epochs: int) -> float:
            return x * epochs

        with self.running(train) as executor:
            for number, (epochs, state) in enumerate(((3, TrialState.PAUSED), (9, TrialState.COMPLETE))):
                executor.submit(replace(task(number), problem=UNDER_FIDELITY, budget={"epochs": epochs}))
                outcome = self.until_end(executor)[1]
                assert outcome.state is state
                assert outcome.metrics == {"loss": 0.5 * epochs}
                assert outcome.reports == (Report(epochs, {"loss": 0.5 * epochs}),)

    def test_an_unjudged_trial_does_not_ask(self) -> None:
        def ask(trial: Any) -> float:
            trial.report(1.0, 0)
            return float(trial.should_prune())

        with self.running(ask) as executor:
            executor.submit(task())
            progress, outcome = self.until_end(executor)
        assert outcome.metrics == {"loss": 0.0}
        assert all(p.reply is None for p in progress)

    def test_a_pruned_trial_counts_by_its_last_report(self) -> None:
        def prune(trial: Any) -> float:
            trial.report(2.0, 0)
            raise TrialPruned

        outcome = self.outcome(prune)
        assert outcome.state is TrialState.PRUNED
        assert outcome.metrics == {"loss": 2.0}

    def test_what_is_no_number_fails(self) -> None:
        def strange(trial: Any) -> Any:
            return [math.nan, None, "0.5"][trial.number]

        with self.running(strange) as executor:
            for number, kind in enumerate(["nan", "return", "return"]):
                executor.submit(task(number))
                outcome = self.until_end(executor)[1]
                assert outcome.state is TrialState.FAIL
                assert outcome.failure is not None
                assert outcome.failure.kind == kind

    def test_stop_ends_a_running_trial_and_frees_its_slot(self) -> None:
        stops_at_once = self.stops_at_once

        def endless(trial: Any) -> float:
            for step in range(1 if trial.number else 10**9):
                trial.report(0.0, step)
                if trial.should_prune():
                    raise TrialPruned
                if stops_at_once and trial.number == 0:
                    threading.Event().wait()
            return 1.0

        with self.running(endless) as executor:
            executor.submit(task(0, may_be_stopped=True))
            next(self.messages(executor))
            executor.stop(0)
            outcome = self.until_end(executor)[1]
            assert outcome.number == 0
            assert outcome.state is TrialState.FAIL
            assert outcome.failure is not None
            assert outcome.failure.kind == "stopped"
            executor.submit(task(1))
            assert self.until_end(executor)[1].state is TrialState.COMPLETE

    def test_where_nothing_runs_stopping_is_no_harm_and_waiting_returns(self) -> None:
        with self.running(lambda trial: 1.0) as executor:
            assert executor.wait(0) == []
            executor.stop(5)
            executor.submit(task(0))
            assert self.until_end(executor)[1].state is TrialState.COMPLETE
            executor.stop(0)
            assert executor.wait(0) == []
            assert executor.wait(0.01) == []

    def test_many_tasks_over_few_slots_are_neither_lost_nor_doubled(self) -> None:
        with self.running(lambda trial: trial.params["x"], 2) as executor:
            waiting = [task(n, x=n / 100) for n in range(60)]
            ended: dict[int, float] = {}
            for one in waiting[: executor.slots]:
                executor.submit(one)
            rest = iter(waiting[executor.slots :])
            for message in self.messages(executor):
                if isinstance(message, Outcome):
                    assert message.number not in ended, f"trial {message.number} ended twice"
                    ended[message.number] = message.metrics["loss"]
                    following = next(rest, None)
                    if following is not None:
                        executor.submit(following)
                if len(ended) == len(waiting):
                    break
            assert ended == {n: n / 100 for n in range(60)}
            assert executor.wait(0) == []

    def test_close_ends_what_runs_and_leaves_no_process(self) -> None:
        def endless(trial: Any) -> float:
            trial.report(float(os.getpid()), 0)
            while not trial.should_prune():
                trial.report(0.0, trial.last_report.step + 1)
            raise TrialPruned

        before = self.processes()
        with self.running(endless, 2) as executor:
            executor.submit(task(0, may_be_stopped=True))
            executor.submit(task(1, may_be_stopped=True))
            met: set[int] = set()
            for message in self.messages(executor):
                met.add(message.number)
                if met == {0, 1}:
                    break
        after = self.processes()
        assert after <= before, f"processes {sorted(after - before)} are left"
