"""What the checks of schedulers drive: a log made by hand, workers that run trials of it, and what those trials tell.

The objectives have three forms: one reports steps, one takes a budget, one reports folds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator
from typing import Any

from kilter.core.actions import Fork, Judgement, Pause, Plan, Repeat, Resume, Start, Stop, Wait
from kilter.core.events import (
    INTERRUPTED,
    LOST,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Report,
    Reported,
    Started,
    TrialState,
)
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.numbers import Float
from kilter.core.problem import Fidelity, Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.engine.engine import Engine
from kilter.engine.next import next_event
from kilter.runtime.session import Session
from kilter.samplers.random import RandomSampler
from kilter.testing.sampler import number_of

STEPS = 27
"""How many steps, or folds, an objective of the checks reports, and its highest budget."""
FORMS = ("steps", "budget", "folds")
"""How objectives tell how they are doing."""

Curve = Callable[[Config, int], float]
"""The value, smaller is better, of a configuration after so many steps."""


class Log:
    """A log made by hand, the engine that folds it, and the answers that its scheduler gave on the way."""

    def __init__(self, scheduler: Scheduler, problem: Problem, seed: int = 7) -> None:
        self.scheduler, self.problem, self.seed = scheduler, problem, seed
        self.entries: list[Entry] = []
        self.answers: list[tuple[int, int | None, Plan | Judgement]] = []
        """How much of the log there was, which trial asked (None for a worker), and what it was told."""
        self.engine = _Asked(self)

    @property
    def history(self) -> History:
        """The trials so far."""
        return self.engine.history

    def replayed(self, cut: int) -> Engine:
        """A fresh engine that was handed the first `cut` entries."""
        engine = Engine(self.problem, RandomSampler(), self.scheduler, self.seed)
        engine.handle(self.entries[:cut])
        return engine

    def write(self, event: Event) -> None:
        """One more entry."""
        self.entries.append(Entry(len(self.entries) + 1, event))
        self.engine.handle(self.entries[-1:])

    # A worker asks.

    def judge(self, number: int) -> Judgement:
        """Whether a running trial should go on."""
        judgement = self.engine.judge(number)
        self.answers.append((len(self.entries), number, judgement))
        assert self.scheduler.judges or judgement is None, "a scheduler with judges=False stops a trial"
        return judgement

    def begin(self, limit: int) -> Record | None:
        """Start what comes next, as a session does; None where that is nothing, or would be one too many."""
        for _ in range(len(self.history.paused) + 1):
            event = next_event(self.engine, "w1", float(len(self.entries)), limit=limit)
            if not isinstance(event, (Started, Dropped)):
                return None
            self.write(event)
            if isinstance(event, Started):
                return self.history[event.number]
        raise AssertionError("plan() drops more trials than are paused")

    # A trial tells.

    def report(self, number: int, *reports: Report) -> None:
        """Reports of a running trial."""
        self.write(Reported(number, self.history[number].attempt, reports, float(len(self.entries))))

    def end(
        self,
        number: int,
        metrics: dict[str, float],
        state: TrialState = TrialState.COMPLETE,
        reports: tuple[Report, ...] = (),
        failure: Failure | None = None,
    ) -> None:
        """The running attempt of a trial ends."""
        attempt = self.history[number].attempt
        self.write(Ended(number, attempt, state, metrics, len(self.entries) + 0.5, reports, failure=failure))


class _Asked(Engine):
    """The engine of a log, which looks at each plan of its scheduler, and notes it."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.problem, RandomSampler(), log.scheduler, log.seed)
        self._log = log

    def plan(self) -> Plan:
        """What the scheduler would have a free worker do, which has to be something that can be done."""
        action = super().plan()
        self._log.answers.append((self.position, None, action))
        assert isinstance(action, (Start, Resume, Fork, Repeat, Stop, Wait)), f"plan() answers {action!r}"
        if isinstance(action, (Stop, Resume)):
            does = "stops" if isinstance(action, Stop) else "resumes"
            assert action.number in self.history.paused, f"{action!r} {does} a trial that is not paused"
        if isinstance(action, Fork):
            assert 0 <= action.parent < len(self.history), f"{action!r} forks a trial that does not exist"
        if isinstance(action, Repeat):
            state = self.history[action.number].state
            assert state is TrialState.COMPLETE, f"{action!r} measures a trial again that is {state.name}"
        if isinstance(action, (Start, Resume, Fork)):
            full, named = self.problem.full_budget, set(action.budget or ())
            assert not full or named <= full.keys(), f"{action!r} is about other fidelities than {full!r}"
        return action


# Problems and objectives.


def stepping(**more: Any) -> Problem:
    """Two continuous parameters and nothing else, for objectives that report steps or folds."""
    return Problem(Space({"x": Float(-1.0, 1.0), "y": Float(1e-3, 1.0, log=True)}), **more)


def budgeted(**more: Any) -> Problem:
    """The same with a fidelity."""
    return stepping(fidelities=(Fidelity("epochs", 1, STEPS),), **more)


def usual(config: Config, step: int) -> float:
    """Falls steadily, at a speed of its own, to what the configuration is worth."""
    return worth(config) + math.exp(-step * (0.1 + 0.3 * _y(config)))


def late(config: Config, step: int) -> float:
    """Says nothing before two thirds of the way: the same value for all."""
    return 1.0 if step < 2 * STEPS // 3 else worth(config) - 1.0


def crossing(config: Config, step: int) -> float:
    """What is best at the end is worst at first, and the other way round."""
    return worth(config) * (2 * step / STEPS - 1.0)


def steady(config: Config, step: int) -> float:
    """The same at each step."""
    return worth(config)


def worth(config: Config) -> float:
    """A number for a configuration, smaller is better, with its best at x = 0.3, y = 1."""
    return abs(number_of(config, "x") - 0.3) + 0.2 * (1 - _y(config))


def _y(config: Config) -> float:
    return 1.0 + math.log10(number_of(config, "y")) / 3.0


def named(problem: Problem, config: Config, value: float) -> dict[str, float]:
    """The value as the metrics of a problem: each in its direction, no two the same."""
    x = number_of(config, "x")
    metrics = {o.name: o.sign * (value + 0.3 * x * i) for i, o in enumerate(problem.objectives)}
    return {**{constraint.metric: 10 * abs(x) for constraint in problem.constraints}, **metrics}


@dataclasses.dataclass
class Workers:
    """A few workers that run trials of one objective side by side, in an order that is drawn, and judge them.

    With `mishaps`, trials also fail, are lost, interrupted and enqueued, report in batches, out of order, twice, NaN,
    inf, at huge steps and with their end, start over after a pause, and do not ask whether to go on.
    """

    log: Log
    form: str
    curve: Curve = usual
    slots: int = 4
    mishaps: bool = False
    exhausts: bool = False

    def run(self, trials: int) -> None:
        """Run until there are so many trials and nothing is left to do."""
        attempts: dict[int, Generator[None, None, None]] = {}
        waits = False
        for turn in range(40 * trials * (STEPS + 2)):
            if self.mishaps and turn % 50 == 25 and len(self.log.history) < trials:
                self.log.write(Enqueued(len(self.log.history), self.log.problem.space.draw(rng(3, "queue", turn)), 0.0))
            if not waits and len(attempts) < self.slots:
                trial = self.log.begin(trials)
                if trial is not None:
                    attempts[trial.number] = self._attempt(trial)
                    continue
                waits = True
            if not attempts:
                done = self.exhausts or len(self.log.history) >= trials
                assert done, f"plan() waits with nothing running after {len(self.log.history)} of {trials} trials"
                return
            number = list(attempts)[int(rng(5, "turn", turn).integers(len(attempts)))]
            if next(attempts[number], self) is self:
                del attempts[number]
                waits = False
        raise AssertionError(f"{trials} trials go on without end")

    def _attempt(self, trial: Record) -> Generator[None, None, None]:
        if self.form == "budget":
            yield from self.budgeted(trial)
        else:
            yield from self._reporting(trial)

    def budgeted(self, trial: Record) -> Generator[None, None, None]:
        """An attempt that takes a budget."""
        yield
        log, number = self.log, trial.number
        if self._is_mishap(trial):
            return
        assert trial.budget is not None
        (fidelity,) = log.problem.fidelities
        step = fidelity.step(trial.budget[fidelity.name])
        metrics = self._metrics(trial, step)
        full = trial.budget == log.problem.full_budget
        log.end(number, metrics, TrialState.COMPLETE if full else TrialState.PAUSED, (Report(step, metrics),))

    def _reporting(self, trial: Record) -> Generator[None, None, None]:
        log, number = self.log, trial.number
        reports = self.reports(trial)
        size = 1 + number % 3 if self.mishaps else 1
        batches = [tuple(reports[i : i + size]) for i in range(0, len(reports), size)]
        last = batches.pop() if self.mishaps and number % 4 == 2 else ()
        for done, batch in enumerate(batches):
            yield
            if done == len(batches) // 2 and self._is_mishap(trial):
                return
            log.report(number, *batch)
            if self.mishaps and number % 6 == 5:
                continue
            judgement = log.judge(number)
            if judgement is not None:
                assert isinstance(judgement, (Stop, Pause)), f"judge() answers {judgement!r}"
                state = TrialState.PRUNED if isinstance(judgement, Stop) else TrialState.PAUSED
                log.end(number, batch[-1].metrics, state)
                return
        yield
        log.end(number, self._metrics(trial, STEPS), reports=last)

    def reports(self, trial: Record) -> list[Report]:
        """What an attempt would report, were it not stopped."""
        number = trial.number
        known = self.log.history.reports.furthest.get(number, 0) if self.form == "steps" else 0
        begins = 1 if self.mishaps and number % 2 else min(known + 1, STEPS)
        if self.form == "folds":
            return [Report(0, self._metrics(trial, step), step) for step in range(1, STEPS // 3 + 1)]
        reports = [Report(step, self._metrics(trial, step)) for step in range(begins, STEPS + 1)]
        if self.mishaps:
            if number % 5 == 1:
                reports[::3] = [r._replace(metrics=dict.fromkeys(r.metrics, math.nan)) for r in reports[::3]]
            if number % 5 == 2:
                reports[:4] = [r._replace(metrics=dict.fromkeys(r.metrics, math.inf)) for r in reports[:4]]
            if number % 5 == 3:
                reports[1:7] = reports[6:0:-1]
            if number % 7 == 4:
                reports.append(Report(10**15, reports[-1].metrics))
        return reports

    def _metrics(self, trial: Record, step: int) -> dict[str, float]:
        return named(self.log.problem, trial.params, self.curve(trial.params, step))

    def _is_mishap(self, trial: Record) -> bool:
        """Whether the first attempt at this trial comes to a bad end, which is then written."""
        kinds = {3: "ValueError", 7: LOST, 8: INTERRUPTED}
        kind = kinds.get(trial.number % 9) if self.mishaps and trial.attempt == 1 else None
        if kind is not None:
            self.log.end(trial.number, {}, TrialState.FAIL, failure=Failure(kind))
        return kind is not None


class Killed(BaseException):
    """Ends a process of the checks in the middle."""


class SteadyObjective:
    """An objective for Simulated that goes on where its trial stood, as one with checkpoints does."""

    def __init__(self, problem: Problem, form: str, session: Session) -> None:
        self.problem, self.form, self.session = problem, form, session
        self.calls = 0
        self.fatal: int | None = None

    def __call__(self, config: dict[str, Any]) -> Any:
        if self.form == "budget":
            self._count()
            epochs = config["epochs"]
            return named(self.problem, config, usual(config, epochs)), float(epochs)
        return self._reporting(config)

    def _reporting(self, config: dict[str, Any]) -> Generator[Any, None, Any]:
        if self.form == "folds":  # Simulated has no folds: the objective only returns
            self._count()
            return named(self.problem, config, worth(config)), 10.0
        for step in range(1, STEPS + 1):
            self._count()
            yield step, named(self.problem, config, usual(config, step)), 1.0
        return None

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.fatal:
            raise Killed


def fates(history: History) -> list[tuple[Any, ...]]:
    """What became of each trial."""
    return [(t.number, t.state.name, t.params, t.budget, t.parent, t.metrics) for t in history]
