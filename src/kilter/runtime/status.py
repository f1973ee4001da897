"""What is said of a study while it runs: figures in few words, and what is told at once in every mode of display."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kilter.analysis.agreement import Agreement
from kilter.analysis.failures import counted, kinds, never_succeeded, why_no_best
from kilter.analysis.savings import Savings
from kilter.analysis.transfer import owed_text
from kilter.core.errors import NAME
from kilter.core.events import Failure, TrialState
from kilter.core.history import History, Record
from kilter.core.limits import Limits
from kilter.core.text import one_line
from kilter.engine.asked import used
from kilter.engine.replica import Replica
from kilter.runtime.blas import single_threaded
from kilter.runtime.log import Log

if TYPE_CHECKING:
    from kilter.analysis.finding import Finding
    from kilter.analysis.gain import Gain

T = TypeVar("T")

PAUSE = 5.0
"""Between two looks at what takes long, and before the first, pass at least so many seconds ..."""
MOST = 0.02
"""... and so many that looking takes at most this share of the time."""

TOLD = 10
"""Sorts of failures of which the first is told at once; where each failure is another one, more tell nothing."""

ENOUGH = 20
"""Finished trials before anything is said of which parameters matter, ..."""
MATTER = 3
"""... of which so many are named at most, ..."""
SHARE = 0.1
"""... each with at least this share."""


class Rarely(Generic[T]):
    """What takes long to make: made again only now and then, and where trials have ended since."""

    def __init__(self, make: Callable[[], T], done: int, pause: float | None = None) -> None:
        self._make, self._after = make, done
        self._pause = PAUSE if pause is None else pause
        self._due = time.monotonic() + self._pause
        self._value: T | None = None

    def __call__(self, done: int, at_once: bool = False) -> T | None:
        """What it was when it was made last, or is now, where `done` trials have finished by now."""
        now = time.monotonic()
        if (now >= self._due or at_once) and done != self._after:
            began, is_first = time.thread_time(), self._value is None
            self._value = self._make()
            spent = 0.0 if is_first else time.thread_time() - began  # the first one loads what it needs
            self._after, self._due = done, now + max(self._pause, spent / MOST)
        return self._value


class Notices:
    """What is told at once in every mode of display: the first failure of each sort, and reports that mislead."""

    def __init__(self, name: str, log: Log[Replica]) -> None:
        self._name, self._log = name, log
        self._told: set[str] = set()
        self._agreement: Agreement | None = Agreement()
        """None once it has been told that reports run against values."""

    def has_told(self, failure: Failure) -> bool:
        """Whether a line told of a failure of this sort."""
        return failure.sort in self._told

    def of(self, trial: Record) -> list[str]:
        """The lines to tell of a trial that has just ended."""
        return [*self._of_failure(trial), *self._of_reports(trial)]

    def _of_reports(self, trial: Record) -> list[str]:
        history = self._log.replica.history
        if self._agreement is None or not self._agreement.is_opposed_after(trial, history):
            return []
        self._agreement = None
        metric = history.problem.objectives[0].name
        against = f"{self._name}: what trials report runs against what they return as {metric!r}, so the good ones are"
        return [f"{against} stopped: report what is returned, or another metric by name: report({{'acc': …}}, step)"]

    def _of_failure(self, trial: Record) -> list[str]:
        failure = trial.failure
        if trial.state is not TrialState.FAIL or failure is None or len(self._told) > TOLD:
            return []
        if failure.sort in self._told:
            return []
        self._told.add(failure.sort)
        if len(self._told) > TOLD:
            return [f"{self._name}: trials fail in more than {TOLD} ways; further ones are only counted"]
        return [f"{self._name}: trial {trial.number} failed: {failure.line}"]


class Status:
    """The figures that both displays show."""

    def __init__(
        self,
        log: Log[Replica],
        name: str,
        now: Callable[[], float],
        limits: Limits = Limits(),  # noqa: B008  # which is frozen
        calls: int | None = None,
    ) -> None:
        self.log, self.name, self.limits = log, one_line(name, NAME), limits
        self.notices = Notices(self.name, log)
        self.now = now
        """A clock whose differences are seconds."""
        self.began = now()
        self.before = self.counted
        self._wanted = limits.trials if calls is None or limits.trials is not None else self.before + calls
        self._granted = 0 if calls is None else self.replica.steering.trials
        """The trials that had been added before, which a run that counts its own does not have."""
        self._seconds_before = self.replica.steering.seconds
        done = len(self.history.finished)
        self._gain: Rarely[Gain | None] = Rarely(self._expected_gain, done)
        self._course = Rarely(self._progress, -1, pause=0.0)
        self.insight: Rarely[tuple[str, Finding | None, int | None]] = Rarely(self._looked, 0)
        """The parameters that matter, what is most worth a look, and which trial was the best then."""
        self._front: tuple[int, str | None] = (-1, None)
        """After how many finished trials the front was looked at, and what it was."""

    @property
    def replica(self) -> Replica:
        """What is known of the study."""
        return self.log.replica

    @property
    def history(self) -> History:
        """Its trials."""
        return self.log.replica.history

    @property
    def goal(self) -> int | None:
        """How many trials the study is to have in the end, with those that users have added; None for no limit."""
        return None if self._wanted is None else self._wanted + self.replica.steering.trials - self._granted

    @property
    def counted(self) -> int:
        """How many finished trials use up the budget: all but the failures that are forgiven."""
        return used(self.replica)

    @property
    def is_single(self) -> bool:
        """Whether there is one objective, and so a best trial."""
        return len(self.replica.problem.objectives) == 1

    @property
    def objective(self) -> Any:
        """The first objective."""
        return self.replica.problem.objectives[0]

    @property
    def goals_text(self) -> str:
        """What is wanted of the objectives."""
        return ", ".join(f"{o.direction} {one_line(o.name, NAME)}" for o in self.replica.problem.objectives)

    @property
    def best(self) -> Record | None:
        """The best trial so far; None with several objectives."""
        if not self.is_single:
            return None
        number = self.replica.ledger.best_number
        return None if number is None else self.history[number]

    def state_text(self) -> str:
        """Whether it runs, in a word."""
        return self.replica.control

    def best_text(self, over: bool = False) -> str:
        """The best value with its trial, or the front, or that there is none, and why where the run is over."""
        best = self.best
        if best is not None:
            return f"{short(best.metrics[self.objective.name])}  (trial {best.number})"
        front = None if self.is_single else self._front_text()
        if front is not None:
            return front
        if not over:
            return "none yet"
        return f"none: {why_no_best(self.history, self.notices.has_told)}"

    def _front_text(self) -> str | None:
        """The Pareto front in a few words, looked at again where trials have ended since."""
        history = self.history
        if self._front[0] != len(history.finished):
            from kilter.analysis.pareto import front_text

            self._front = len(history.finished), front_text(history)
        return self._front[1]

    def params_text(self, trial: Record) -> str:
        """A configuration in one line."""
        config = self.replica.problem.space.whole(trial.params)
        return "  ".join(f"{one_line(name, NAME)}={short(value)}" for name, value in config.items())

    def counts_text(self) -> str:
        """How many trials there are in each state."""
        ledger, history = self.replica.ledger, self.history
        failed = ledger.states.get("FAIL", 0) - history.forgiven
        counts = [(ledger.states.get("COMPLETE", 0), "done"), (ledger.states.get("PRUNED", 0), "pruned")]
        if failed:
            counts.append((failed, f"failed ({kinds(counted(history) if history.forgiven else ledger.failures)})"))
        parts = [f"{count} {word}" for count, word in counts if count] or ["0 done"]
        paused = "paused at low budgets" if history.problem.fidelities else "paused"
        parts += [f"{len(history.paused)} {paused}"] if history.paused else []
        parts += [f"{len(history.running)} running"] if history.running else []
        parts += [f"{len(history.waiting)} waiting"] if history.waiting else []
        invalid = sum(trial.invalid is not None for trial in history) if history.forgiven else 0
        failures = [f"{history.forgiven - invalid} earlier failures"] if history.forgiven > invalid else []
        void = [*failures, *([f"{invalid} invalidated"] if invalid else [])]
        apart = f" ({' and '.join(void)} no longer count)" if void else ""
        return ", ".join(parts) + apart

    def gain_text(self) -> str | None:
        """What the next hour is expected to bring, and the noise beside which that is small; None where not known."""
        gain = self._gain(len(self.history.finished))
        if gain is None:
            return None
        noise = f" (noise {short(gain.noise, 2)})" if gain.noise > 0 else ""
        return f"~{short(gain.value, 2)} better in the next hour{noise}"

    def _expected_gain(self) -> Gain | None:
        from kilter.analysis.gain import expected_gain, fewest  # loads SciPy

        if len(self.history.finished) < fewest(len(self.replica.problem.space)):
            return None
        with single_threaded():
            return expected_gain(self.history, self.replica.seed)

    def matters_text(self) -> str:
        """The parameters that matter most, by the sampler's model, and how much of it; "" where that is not known."""
        looked = self.insight(len(self.history.finished))
        return looked[0] if looked is not None else ""

    def finding(self) -> Finding | None:
        """What is most worth a look of what there is to say of the study; None where nothing is, or not any more."""
        looked = self.insight(len(self.history.finished))
        return None if looked is None or looked[2] != self.replica.ledger.best_number else looked[1]

    def _looked(self) -> tuple[str, Finding | None, int | None]:
        from kilter.analysis.diagnostics import QUICK, diagnose
        from kilter.analysis.finding import NOTE

        findings = diagnose(self.history, time.time(), budget=self.goal, seed=self.replica.seed, checks=QUICK)
        worth = (found for found in findings if found.severity != NOTE)
        return self._matters(), next(worth, None), self.replica.ledger.best_number

    def _matters(self) -> str:
        from kilter.analysis.importance import importance

        if len(self.history.finished) < ENOUGH:
            return ""
        # The same as everywhere else. Ranks alone, "pedanova", would cost nothing and blame idle parameters.
        with single_threaded():
            shares = importance(self.history, 0 if self.is_single else None, seed=self.replica.seed).shares
        told = [share for share in shares[:MATTER] if share.share >= SHARE]
        return "  ".join(f"{one_line(share.parameter, NAME)} {share.share:.0%}" for share in told)

    def progress(self, over: bool = False) -> tuple[float, ...]:
        """The best value so far, at even counts of trials that ended; nothing with several objectives."""
        return self._course(len(self.history.finished), at_once=over) or ()

    def _progress(self) -> tuple[float, ...]:
        from kilter.analysis.summary import progress

        return progress(self.history)

    def over_first_text(self) -> str:
        """How much better the best is than the first that could have been it; "" where it is that one, or none."""
        best = self.best
        if best is None:
            return ""
        first = next(number for number in range(len(self.history)) if self.history.is_candidate(number))
        gain = float(self.history.values[first, 0] - self.history.values[best.number, 0])
        return f"{short(gain, 2)} better than trial {first}" if gain > 0 else ""

    def saved_text(self) -> str | None:
        """What early stopping has saved; None where that is nothing, or not known."""
        saved = Savings.of(self.history)
        return f"~{span(saved.seconds)} by early stopping ({saved.share:.0%} of steps)" if saved.seconds > 0 else None

    def owed_text(self) -> str:
        """How many trials are owed to which earlier studies; "" where that is nobody."""
        return owed_text(self.history)

    def rate_text(self, over: bool = False) -> str:
        """Trials a minute in this run, and how long it will take at that rate unless it is over."""
        done, elapsed = self.counted - self.before, self.now() - self.began
        if done <= 0 or elapsed <= 0:
            return span(elapsed)
        left = [] if self.goal is None else [(self.goal - self.before - done) * elapsed / done]
        left += [] if self.limits.seconds is None else [self.limits.seconds + self._added_seconds - elapsed]
        remaining = f", ~{span(max(min(left), 0))} left" if left and not over else ""
        return f"{span(elapsed)} elapsed{remaining}   {rate(60 * done / elapsed)}/min"

    @property
    def _added_seconds(self) -> float:
        """How much longer the run may last than it was asked to."""
        return self.replica.steering.seconds - self._seconds_before

    def never_text(self) -> list[str]:
        """The options with which no trial succeeded, where others did; or that no trial has parameters."""
        history = self.history
        if len(history.finished) > 1 and not any(trial.params for trial in history.trials):
            return ["no trial has parameters, so all are the same: give a space, or suggest_… in the objective"]
        return never_succeeded(self.history) if self.replica.ledger.failures else []


def rate(per_minute: float) -> str:
    """So many in a minute, in few digits."""
    return f"{per_minute:.0f}" if per_minute >= 100 else f"{per_minute:.2g}"


def short(value: Any, digits: int = 4) -> str:
    """A number with so many significant digits, and any other value in few words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return one_line(",".join(short(item, digits) for item in value), NAME)
    return f"{value:.{digits}g}" if isinstance(value, float) else one_line(value, NAME)


def span(seconds: float) -> str:
    """A duration: 42 s, 3:07, 1:02:05."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
