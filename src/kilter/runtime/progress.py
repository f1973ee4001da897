"""What a running study says on stderr: a live block on a terminal, a line now and then elsewhere.

Nothing is printed per trial; the cost of a finished trial is a comparison and a look at the clock.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from kilter.core.errors import InvalidInput
from kilter.core.history import Trial
from kilter.engine.limits import Limits
from kilter.runtime.session import Session

PLAIN_SECONDS = 30.0
LIVE_SECONDS = 0.2
IMPROVEMENT_SECONDS = 1.0
"""Improvements that follow one another faster share a line."""

KINDS = ("auto", "live", "plain", "none")
SPARK = "▁▂▃▄▅▆▇█"


class Display(Protocol):
    """What the loop tells."""

    def start(self) -> None:
        """The run begins."""

    def on_end(self, trial: Trial) -> None:
        """A trial ended."""

    def tick(self) -> None:
        """Time has passed."""

    def finish(self, reason: str) -> None:
        """The run is over."""


def display(kind: str, session: Session, name: str, limits: Limits, calls: int | None) -> Display:
    """The display that the user asked for; 'auto' is live on a terminal and plain elsewhere."""
    if kind not in KINDS:
        raise InvalidInput(f"progress={kind!r}: choose one of {', '.join(KINDS)}")
    if kind == "none" or logging.getLogger("kilter").level > logging.INFO:
        return Silent()
    status = Status(session, name, limits, calls)
    if kind == "live" or (kind == "auto" and sys.stderr.isatty()):
        return Live(status)
    return Plain(status, sys.stderr)


class Silent:
    """Says nothing."""

    def start(self) -> None:
        """Nothing."""

    def on_end(self, trial: Trial) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def finish(self, reason: str) -> None:
        """Nothing."""


class Status:
    """The figures that both displays show."""

    def __init__(self, session: Session, name: str, limits: Limits, calls: int | None) -> None:
        self.session, self.name, self.limits = session, name, limits
        self.now: Callable[[], float] = session.clock
        self.began = self.now()
        done = len(session.engine.history.finished)
        self.before = done
        self.goal = limits.trials if limits.trials is not None else done + calls if calls is not None else None
        self.bests: list[float] = []

    @property
    def objective(self) -> Any:
        """The first objective."""
        return self.session.engine.problem.objectives[0]

    @property
    def best(self) -> Trial | None:
        """The best trial so far."""
        number = self.session.engine.ledger.best_number
        return None if number is None else self.session.engine.history[number]

    def best_text(self) -> str:
        """The best value with its trial, or that there is none."""
        best = self.best
        if best is None:
            return "none yet"
        return f"{short(best.metrics[self.objective.name])}  (trial {best.number})"

    def params_text(self, trial: Trial) -> str:
        """A configuration in one line."""
        return "  ".join(f"{name}={short(value)}" for name, value in trial.params.items())

    def counts_text(self) -> str:
        """How many trials there are in each state."""
        states, running = self.session.engine.ledger.states, len(self.session.engine.history.running)
        words = [("COMPLETE", "done"), ("PRUNED", "pruned"), ("FAIL", "failed")]
        parts = [f"{states[state]} {word}" for state, word in words if states.get(state)] or ["0 done"]
        parts += [f"{running} running"] if running else []
        return ", ".join(parts)

    def rate_text(self, over: bool = False) -> str:
        """Trials a minute in this run, and how long it will take at that rate unless it is over."""
        done, elapsed = len(self.session.engine.history.finished) - self.before, self.now() - self.began
        if not done or elapsed <= 0:
            return span(elapsed)
        left = [] if self.goal is None else [(self.goal - self.before - done) * elapsed / done]
        left += [] if self.limits.seconds is None else [self.limits.seconds - elapsed]
        remaining = f", ~{span(max(min(left), 0))} left" if left and not over else ""
        return f"{span(elapsed)} elapsed{remaining}   {_rate(60 * done / elapsed)}/min"

    def failures_text(self) -> str | None:
        """The most frequent failure with its count and latest message, where there is one."""
        failures = self.session.engine.ledger.failures
        if not failures:
            return None
        kind, (count, number) = max(failures.items(), key=lambda item: item[1][0])
        failure = self.session.engine.history[number].failure
        message = failure.message.splitlines()[0][:100] if failure and failure.message else ""
        return f"{kind} ×{count}: {message}  (trial {number})"


class Plain:
    """A line at the start, at improvements, every half minute, and a summary."""

    def __init__(self, status: Status, stream: TextIO) -> None:
        self._status, self._stream = status, stream
        self._said_at = self._improved_at = status.began
        self._said_best: int | None = status.session.engine.ledger.best_number

    def start(self) -> None:
        """Say what begins."""
        status = self._status
        goal = f", {status.goal} trials" if status.goal is not None else ""
        resumed = f", {status.before} done before" if status.before else ""
        self._say(f"{status.name}: {status.objective.direction} {status.objective.name}{goal}{resumed}")

    def on_end(self, trial: Trial) -> None:
        """Say so where it is the new best."""
        status = self._status
        if status.session.engine.ledger.best_number != self._said_best:
            now = status.now()
            if now - self._improved_at >= IMPROVEMENT_SECONDS or self._said_best is None:
                self._improved_at, self._said_best = now, status.session.engine.ledger.best_number
                self._say(f"{status.name}: best {status.best_text()}  {status.params_text(status.best or trial)}")

    def tick(self) -> None:
        """Say how far it is, every half minute."""
        if self._status.now() - self._said_at >= PLAIN_SECONDS:
            self._say(
                f"{self._status.name}: {self._status.counts_text()}; "
                f"best {self._status.best_text()}; {self._status.rate_text()}"
            )

    def finish(self, reason: str) -> None:
        """Say how it ended."""
        status = self._status
        self._say(
            f"{status.name}: {reason}; {status.counts_text()} in {span(status.now() - status.began)}; "
            f"best {status.best_text()}"
        )

    def _say(self, line: str) -> None:
        self._said_at = self._status.now()
        print(line, file=self._stream, flush=True)


class Live:
    """A few lines that are redrawn in place."""

    def __init__(self, status: Status) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._status = status
        self._console = Console(stderr=True)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True)
        self._drawn_at = 0.0

    def start(self) -> None:
        """Draw for the first time."""
        self._live.start()
        self._draw()

    def on_end(self, trial: Trial) -> None:
        """Note the best so far, and draw where it is time."""
        best = self._status.best
        if best is not None:
            self._status.bests.append(best.metrics[self._status.objective.name])
        self.tick()

    def tick(self) -> None:
        """Draw where it is time."""
        if self._status.now() - self._drawn_at >= LIVE_SECONDS:
            self._draw()

    def finish(self, reason: str) -> None:
        """Leave the last picture standing, with the reason."""
        self._live.stop()
        self._console.print(self._table(reason))

    def _draw(self) -> None:
        self._drawn_at = self._status.now()
        self._live.update(self._table(None), refresh=True)

    def _table(self, reason: str | None) -> Any:
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        status = self._status
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True, min_width=7)
        table.add_column(overflow="ellipsis", no_wrap=True)
        state = reason or "running"
        table.add_row(
            Text(status.name, style="bold"), escape(f"{status.objective.direction} {status.objective.name}   {state}")
        )
        table.add_row("best", Text(f"{status.best_text()}   {sparkline(status.bests)}", style="green"))
        if status.best is not None:
            table.add_row("", escape(status.params_text(status.best)))
        done = len(status.session.engine.history.finished)
        goal = f"/{status.goal}" if status.goal is not None else ""
        table.add_row("trials", f"{done}{goal}   {status.counts_text()}   {status.rate_text(over=reason is not None)}")
        running = list(status.session.engine.history.running.values())[:3]
        if running and reason is None:
            table.add_row("running", escape("   ".join(f"#{t.number} {self._latest(t)}" for t in running)))
        failure = status.failures_text()
        if failure:
            table.add_row("", Text(failure, style="red"))
        return table

    def _latest(self, trial: Trial) -> str:
        reports = self._status.session.engine.history.reports.of(trial.number)
        if not reports:
            return "started"
        value = reports[-1].metrics.get(self._status.objective.name)
        return f"step {reports[-1].step}" + (f" {short(value)}" if value is not None else "")


def sparkline(values: list[float], width: int = 24) -> str:
    """The values as a row of bars."""
    if len(values) < 2:
        return ""
    picked = [values[i * (len(values) - 1) // (width - 1)] for i in range(width)] if len(values) > width else values
    low, high = min(picked), max(picked)
    return "".join(SPARK[int((v - low) / (high - low) * 7)] if high > low else SPARK[0] for v in picked)


def _rate(per_minute: float) -> str:
    return f"{per_minute:.0f}" if per_minute >= 100 else f"{per_minute:.2g}"


def short(value: Any) -> str:
    """A value with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def span(seconds: float) -> str:
    """A duration: 42 s, 3:07, 1:02:05."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
