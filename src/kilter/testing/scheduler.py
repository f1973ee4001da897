"""What every scheduler has to do. Subclass SchedulerSuite, hand it your scheduler, and pytest runs the checks.

>>> class TestMine(SchedulerSuite):
...     order_free = True  # judges by which reports there are, not by the order in which trials made them
...
...     def scheduler(self):
...         return MyScheduler()

Each check is run with objectives of three forms: one that reports steps, one that takes a budget, one that reports
folds. A check of a problem that the scheduler's capabilities exclude is skipped. Most checks drive an Engine with a log
made by hand, in memory; those about whole studies run them in virtual time, so nothing here sleeps.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kilter.core.actions import Judgement, Plan, Stop
from kilter.core.errors import IncapableScheduler
from kilter.core.events import LOST, Created, Event, Failure, Invalidated, Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler, Storage
from kilter.core.limits import Limits
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.seeds import rng
from kilter.core.states import dumps_state, loads_state
from kilter.engine.ending import EndKind
from kilter.engine.engine import Engine
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.runtime.loop import Loop
from kilter.runtime.session import Session
from kilter.samplers.random import RandomSampler
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.sampler import calls_of, picture_of
from kilter.testing.workers import (
    FORMS,
    STEPS,
    Curve,
    Killed,
    Log,
    SteadyObjective,
    Workers,
    budgeted,
    crossing,
    fates,
    late,
    steady,
    stepping,
    usual,
    worth,
)

BYTES = 100
"""How much of a state a report may cost, in bytes of JSON, in the mean over those trials."""


def _answers(engine: Engine) -> tuple[Plan, list[Judgement]]:
    """All that an engine's scheduler can be asked now."""
    return engine.plan(), [engine.judge(number) for number in engine.history.running]


class _Watched(Scheduler):
    """Passes everything on, and sees to it that history and trial are as they were."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.inner = scheduler

    def start(self, problem: Problem, seed: int) -> Any:
        return self.inner.start(problem, seed)

    def started(self, state: Any, trial: Record, history: History) -> None:
        self._watch(history, lambda: self.inner.started(state, trial, history))

    def reported(self, state: Any, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        before = copy.deepcopy(reports)
        self._watch(history, lambda: self.inner.reported(state, trial, reports, history))
        assert repr(reports) == repr(before)

    def ended(self, state: Any, trial: Record, history: History) -> None:
        self._watch(history, lambda: self.inner.ended(state, trial, history))

    def plan(self, state: Any, history: History) -> Plan:
        return self.inner.plan(state, history)

    def judge(self, state: Any, trial: Record, history: History) -> Judgement:
        return self.inner.judge(state, trial, history)

    def _watch(self, history: History, act: Callable[[], None]) -> None:
        before = _seen(history)
        act()
        assert _seen(history) == before, "the scheduler changes the history"


def _seen(history: History) -> Any:
    sets = [list(numbers) for numbers in (history.running, history.waiting, history.paused, history.finished)]
    return repr(history.trials), sets, history.reports.count


class SchedulerSuite:
    """The contract of `kilter.core.interfaces.Scheduler`."""

    order_free: ClassVar[bool] = False
    """Whether judgements depend only on which reports there are, not on the order in which trials made them."""
    completes: ClassVar[bool] = True
    """Whether some trial always gets to its end; not so where each is judged by itself, as in early stopping."""
    mirrors: ClassVar[bool] = True
    """Whether maximising is to it as minimising the negative; not so with bounds in a metric's own unit."""
    many: ClassVar[int] = 800
    """How many trials, of 20 reports each, it is handed to see that it does not slow down."""
    exhausts: ClassVar[bool] = False
    """Whether `plan` may be done by itself, with nothing running, before the user's limits."""

    def scheduler(self) -> Scheduler:
        """A scheduler with its usual settings; override this."""
        raise NotImplementedError("override the method `scheduler`")

    def problem(self, form: str, **more: Any) -> Problem:
        """The problem of the checks for an objective of one of the FORMS; override for a scheduler that needs another.

        It must have parameters x in [-1, 1] and y in [0.001, 1], and take objectives and constraints.
        """
        return budgeted(**more) if form == "budget" else stepping(**more)

    # Tools of the checks.

    def log(self, form: str, seed: int = 7, **more: Any) -> Log:
        """An empty log; skips the check where the scheduler cannot handle the problem."""
        problem = self.problem(form, **more)
        try:
            return Log(self.scheduler(), problem, seed)
        except IncapableScheduler as error:
            pytest.skip(str(error))

    def played(self, form: str, trials: int = 24, mishaps: bool = False, curve: Curve = usual, **more: Any) -> Log:
        """The log of a study that workers ran to its end."""
        log = self.log(form, **more)
        Workers(log, form, curve, mishaps=mishaps, exhausts=self.exhausts).run(trials)
        return log

    # Settings, state and purity.

    def test_settings_are_frozen(self) -> None:
        """A scheduler is a frozen dataclass of settings with a repr that tells two settings apart."""
        scheduler = self.scheduler()
        assert dataclasses.is_dataclass(scheduler)
        assert type(scheduler).__dataclass_params__.frozen
        assert repr(scheduler) == repr(self.scheduler())

    @pytest.mark.parametrize("form", FORMS)
    def test_questions_leave_everything_as_it_is(self, form: str) -> None:
        """State, history and settings are the same after plan and judge as before, and asking again gives the same."""
        log = self.log(form)
        ask, asked = _answers, 0
        write = log.write

        def write_and_ask(event: Event) -> None:
            nonlocal asked
            write(event)
            asked += 1
            if asked % 7 == 0:
                before = picture_of(log.engine.scheduler_state), _seen(log.history), picture_of(log.scheduler)
                first = copy.deepcopy(ask(log.engine))
                assert (picture_of(log.engine.scheduler_state), _seen(log.history), picture_of(log.scheduler)) == before
                assert ask(log.engine) == first

        log.write = write_and_ask  # type: ignore[method-assign]
        Workers(log, form, mishaps=True, exhausts=self.exhausts).run(24)

    @pytest.mark.parametrize("form", FORMS)
    def test_folding_leaves_the_history_as_it_is(self, form: str) -> None:
        """Trials, reports and history belong to the log; the state takes what it needs."""
        log = Log(_Watched(self.scheduler()), self.log(form).problem)
        Workers(log, form, mishaps=True, exhausts=self.exhausts).run(24)

    @pytest.mark.parametrize("form", FORMS)
    def test_state_survives_the_codec(self, form: str) -> None:
        """At every cut of the log a state that was written and read answers and learns as the one in memory."""
        log = self.played(form, mishaps=True)
        kept, other = log.replayed(0), log.replayed(0)
        for entry in log.entries:
            kept.handle([entry])
            other.handle([entry])
            written = dumps_state(other.scheduler_state)
            other.scheduler_state = loads_state(type(other.scheduler_state), written)
            assert dumps_state(other.scheduler_state) == written
            assert _answers(other) == _answers(kept)

    @pytest.mark.parametrize("form", FORMS)
    def test_replay(self, form: str) -> None:
        """A fresh engine that is handed the log up to any place answers as was answered there, from an equal state."""
        log = self.played(form, mishaps=True)
        for cut, number, answer in log.answers[:: max(1, len(log.answers) // 20)]:
            engine = log.replayed(cut)
            assert (engine.plan() if number is None else engine.judge(number)) == answer, f"after {cut} entries"
        assert dumps_state(log.replayed(len(log.entries)).scheduler_state) == dumps_state(log.engine.scheduler_state)

    @pytest.mark.parametrize("form", ["steps", "folds"])
    def test_order_of_reports(self, form: str) -> None:
        """Where the scheduler promises it, the same reports in another order of trials give the same judgements."""
        if not self.order_free:
            pytest.skip("does not claim that the order of reports is the same to it")
        judged = []
        for order in range(2):
            log = self.log(form)
            for _ in range(12):
                assert log.begin(12) is not None
            pending = {t.number: Workers(log, form).reports(t)[:9] for t in log.history}
            while pending:
                number = list(pending)[int(rng(order, "order", len(log.entries)).integers(len(pending)))]
                log.report(number, pending[number].pop(0))
                if not pending[number]:
                    del pending[number]
            judged.append([type(log.engine.judge(number)) for number in range(12)])
        assert judged[0] == judged[1]

    @pytest.mark.parametrize("form", ["steps", "folds"])
    def test_reports_in_batches(self, form: str) -> None:
        """Reports that come together are judged as those that come one by one."""
        judged = []
        for size in (1, 4):
            log = self.log(form)
            answers: list[Any] = []
            for turn in range(12):
                trial = log.begin(turn + 1)
                if trial is None:
                    break
                reports = Workers(log, form).reports(trial)[:8]
                for start in range(0, len(reports), size):
                    log.report(trial.number, *reports[start : start + size])
                    if (start + size) % 4 == 0:
                        answers.append(type(log.judge(trial.number)))
                log.end(trial.number, reports[-1].metrics)
            judged.append(answers)
        assert judged[0] == judged[1]

    @pytest.mark.parametrize("form", FORMS)
    def test_what_is_invalidated_is_forgotten(self, form: str) -> None:
        """A study goes on after the results of finished trials count no more, and a replay knows as much."""
        log = self.played(form, mishaps=True)
        for number in log.history.finished[::2]:
            log.write(Invalidated(number, "why", 0.0))
            _answers(log.engine)
        Workers(log, form, exhausts=True).run(len(log.history) + 8)
        other = log.replayed(len(log.entries))
        assert dumps_state(other.scheduler_state) == dumps_state(log.engine.scheduler_state)
        assert _answers(other) == _answers(log.engine)

    # Whole studies.

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("mishaps", [False, True])
    def test_new_trials_go_on(self, form: str, mishaps: bool) -> None:
        """Whatever happens to trials, the study gets all it may have, and every action is one that can be done."""
        log = self.played(form, 60, mishaps)
        if not self.exhausts:
            assert len(log.history) == 60
        assert not log.history.running
        assert not log.history.waiting

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("slots", [1, 5])
    def test_a_study_ends_in_virtual_time(self, form: str, slots: int) -> None:
        """A real session and loop over simulated workers come to an end before long, with all trials."""
        problem = self.log(form).problem
        storage, clock = MemoryStorage(), VirtualClock()
        session, run, _ = self._study(problem, storage, clock, form, slots, trials=20)
        ending = run()
        history = session.engine.history
        assert ending.kind is not EndKind.TIME, "the study goes on and on"
        assert not history.running
        assert self.exhausts or len(history) == 20, f"ended after {len(history)} of 20 trials: {ending}"

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
    def test_kill_and_resume(self, form: str, share: float) -> None:
        """A study that was killed in the middle and resumed from its file makes the decisions of one that was not."""
        problem = self.log(form).problem
        session, run, objective = self._study(problem, MemoryStorage(), VirtualClock(), form, 1, trials=20)
        run()
        expected = fates(session.engine.history)
        calls = objective.calls
        with tempfile.TemporaryDirectory() as folder:
            path, clock = Path(folder) / "studies.db", VirtualClock()
            storage: Storage = SQLiteStorage(path)
            session, run, objective = self._study(problem, storage, clock, form, 1, trials=20)
            objective.fatal = max(1, round(share * calls))
            with pytest.raises(Killed):
                run()
            storage.close()
            storage = SQLiteStorage(path)
            session, run, _ = self._study(problem, storage, clock, form, 1, trials=20, study=session.study)
            run()
            resumed = fates(session.engine.history)
            storage.close()
        assert resumed == expected

    def _study(
        self,
        problem: Problem,
        storage: Storage,
        clock: VirtualClock,
        form: str,
        slots: int,
        trials: int,
        study: int | None = None,
    ) -> tuple[Session, Loop, SteadyObjective]:
        if study is None:
            study = storage.create("study", Created(problem.to_json(), {}, {}, 7, 0.0))
        engine = Engine(problem, RandomSampler(), self.scheduler(), 7)
        session = Session(storage, study, engine, clock, lease=None)
        session.sync()
        objective = SteadyObjective(problem, form, session)
        running = Simulated(slots, clock).start(objective)
        return session, Loop(session, running, Limits(trials, seconds=2.5 * trials * STEPS)), objective

    def test_one_trial(self) -> None:
        """In a study of one trial it ends complete, or paused for others to be compared with: nothing stops it."""
        for form in FORMS:
            log = Log(self.scheduler(), self.problem(form))
            Workers(log, form, exhausts=self.exhausts).run(1)
            (trial,) = log.history
            fine = (TrialState.COMPLETE, TrialState.PAUSED)
            assert trial.state in fine, f"{form}: the only trial is {trial.state.name}"

    def test_an_objective_that_never_reports(self) -> None:
        """Without reports there is nothing to judge: every trial completes."""
        log = self.log("steps")
        for _ in range(12):
            trial = log.begin(12)
            if trial is None and self.exhausts:
                break
            assert trial is not None, "plan() waits with nothing running"
            assert log.judge(trial.number) is None, "a trial that never reported is stopped"
            log.end(trial.number, {"value": worth(trial.params)})
        assert {trial.state for trial in log.history} == {TrialState.COMPLETE}

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("curve", [usual, late, crossing, steady], ids=lambda curve: curve.__name__)
    def test_some_trial_gets_to_its_end(self, form: str, curve: Curve) -> None:
        """Whether curves fall steadily, improve only late, cross or stand still, some trial goes all the way."""
        if not self.completes:
            pytest.skip("does not claim that any trial gets to its end")
        log = self.played(form, 40, curve=curve)
        assert TrialState.COMPLETE in {trial.state for trial in log.history}

    # Odd reports.

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -math.inf, 1e308, -1e308])
    def test_constant_reports(self, form: str, value: float) -> None:
        """Nothing to compare is no reason to fail, and no number is too odd."""
        log = self.played(form, 20, curve=lambda config, step: value)
        assert dumps_state(log.engine.scheduler_state)

    @pytest.mark.parametrize(
        "steps", [[5, 3, 4, 1, 2], [2, 2, 2, 2, 2], [0, 10**15, 1, 2**63 - 1], [1, 10, 10**4, 10**8]]
    )
    def test_odd_steps(self, steps: Sequence[int]) -> None:
        """Out of order, repeated, huge and far apart: the scheduler goes on, and its state stays small."""
        log = self.log("steps")
        for turn in range(12):
            trial = log.begin(turn + 1)
            if trial is None:
                break
            for step in steps:
                log.report(trial.number, Report(step, {"value": worth(trial.params) + 1.0 / (1 + step)}))
                log.judge(trial.number)
            log.end(trial.number, {"value": worth(trial.params)})
        assert len(dumps_state(log.engine.scheduler_state)) < 20_000

    @pytest.mark.parametrize("form", ["steps", "folds"])
    def test_retries(self, form: str) -> None:
        """An attempt that starts over and reports its old steps again changes no judgement."""
        judged = []
        for loses in (False, True):
            log = self.log(form)
            answers: list[Any] = []
            for turn in range(16):
                trial = log.begin(turn + 1)
                if trial is None:
                    break
                reports = Workers(log, form).reports(trial)[:9]
                if loses and turn % 3 == 1:
                    log.report(trial.number, *reports[:6])
                    log.end(trial.number, {}, TrialState.FAIL, failure=Failure(LOST))
                    again = log.begin(turn + 1)
                    assert again is not None
                    assert again.number == trial.number
                for report in reports:
                    log.report(trial.number, report)
                answers.append(type(log.judge(trial.number)))
                log.end(trial.number, reports[-1].metrics)
            judged.append(answers)
        assert judged[0] == judged[1]

    # Objectives and constraints.

    @pytest.mark.parametrize("form", FORMS)
    def test_maximising_is_minimising_the_negative(self, form: str) -> None:
        """The direction of the objective makes no difference."""
        if not self.mirrors:
            pytest.skip("does not claim that directions are the same to it")
        down, up = (
            self.played(form, 40, objectives=(Objective("value", direction),)) for direction in ("minimize", "maximize")
        )
        assert [fate[:5] for fate in fates(down.history)] == [fate[:5] for fate in fates(up.history)]

    @pytest.mark.parametrize("form", FORMS)
    def test_several_objectives(self, form: str) -> None:
        """Three objectives, one of them maximised: handled, or excluded by the capabilities."""
        objectives = (Objective("a"), Objective("b", "maximize"), Objective("c"))
        self._handles(form, objectives=objectives)

    @pytest.mark.parametrize("form", FORMS)
    def test_constraints(self, form: str) -> None:
        """A bound on another metric: handled, or excluded by the capabilities."""
        self._handles(form, constraints=(Constraint("memory", "<=", 4.0),))

    def _handles(self, form: str, **more: Any) -> None:
        log = self.log(form, **more)
        Workers(log, form, mishaps=True, exhausts=self.exhausts).run(30)
        assert self.exhausts or len(log.history) == 30

    # Cost.

    @pytest.mark.parametrize("form", FORMS)
    def test_many_trials_at_a_steady_cost(self, form: str) -> None:
        """Of very `many` trials the last cost no more calls, and add hardly more to the state, than the early ones."""
        log = self.log(form)
        calls, sizes, reports = [], [0], 0
        part = self.many // 8
        for _ in range(8):
            asked = 0
            for turn in range(part):
                trial = log.begin(self.many)
                if trial is None:
                    break
                made, cost = self._quick_trial(log, form, trial, is_counted=turn % 10 == 0)
                reports += made
                asked += cost
            calls.append(asked)
            sizes.append(len(dumps_state(log.engine.scheduler_state)))
        assert max(calls[-3:]) <= 2 * max(calls[:2]) + 10 * part, f"calls for each {part // 10} trials: {calls}"
        grown = [later - earlier for earlier, later in pairwise(sizes)]
        assert max(grown[-3:]) <= 2 * max(*grown[:2], 4000), f"bytes of state for each {part} trials: {grown}"
        assert sizes[-1] <= BYTES * max(reports, 20 * part), f"{sizes[-1]} bytes of state after {reports} reports"

    def _quick_trial(self, log: Log, form: str, trial: Record, is_counted: bool) -> tuple[int, int]:
        """Run a trial of up to 20 reports; how many it made, and how many calls the answers and the folding took."""
        state, number, scheduler = log.engine.scheduler_state, trial.number, log.scheduler
        metrics: dict[str, float] = {}
        calls = 0
        worker = Workers(log, form)
        if form == "budget":
            next(run := worker.budgeted(trial))
            next(run, None)
            return 1, calls_of(lambda: scheduler.plan(state, log.history)) if is_counted else 0
        reports = worker.reports(trial)[:20]
        for start in range(0, len(reports), 5):
            batch = reports[start : start + 5]
            metrics = batch[-1].metrics
            if is_counted:
                calls += calls_of(lambda: log.report(number, *batch))  # noqa: B023  # called at once
                calls += calls_of(lambda: scheduler.judge(state, trial, log.history))
            else:
                log.report(number, *batch)
            judgement = scheduler.judge(state, trial, log.history)
            if judgement is not None:
                log.end(number, metrics, TrialState.PRUNED if isinstance(judgement, Stop) else TrialState.PAUSED)
                return start + len(batch), calls
        log.end(number, metrics)
        return len(reports), calls
