"""What a running study says on stderr: a live block on a terminal, a line now and then elsewhere.

The first failure of each sort is told at once in every mode of display. Else nothing is printed per trial; the cost of
a finished trial is a comparison and a look at the clock.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from kilter.analysis.agreement import Agreement
from kilter.analysis.failures import counted, kinds, never_succeeded, why_no_best
from kilter.analysis.savings import Savings
from kilter.core.errors import NAME, InvalidInput
from kilter.core.events import Failure, TrialState
from kilter.core.history import Record
from kilter.core.limits import Limits
from kilter.core.text import one_line, printable
from kilter.runtime import notebook
from kilter.runtime.blas import single_threaded
from kilter.runtime.session import Session
from kilter.runtime.terminal import Terminal

if TYPE_CHECKING:
    from kilter.analysis.gain import Gain

PLAIN_SECONDS = 30.0
LIVE_SECONDS = 0.2
IMPROVEMENT_SECONDS = 1.0
"""Improvements that follow one another faster share a line."""

GAIN_SECONDS = 5.0
"""Between two looks at what the next hour will bring, and before the first, pass at least so many seconds ..."""
GAIN_SHARE = 0.02
"""... and so many that looking takes at most this share of the time."""

log = logging.getLogger("kilter")

MODES = ("auto", "live", "plain", "none")
SPARK = "▁▂▃▄▅▆▇█"
BARS = 24

TOLD = 10
"""Sorts of failures of which the first is told at once; where each failure is another one, more tell nothing."""

LABELS = 7
"""Columns of the live block's titles, at least; GAP more lie before the text."""
GAP = 2


class Display(Protocol):
    """What the loop tells."""

    def start(self) -> None:
        """The run begins."""

    def on_end(self, trial: Record) -> None:
        """A trial ended."""

    def tell(self, line: str) -> None:
        """Something that the user has to know at once."""

    def tick(self) -> None:
        """Time has passed."""

    def finish(self, reason: str) -> None:
        """The run is over."""


def display(kind: str, session: Session, name: str, limits: Limits, calls: int | None) -> Display:
    """The display that the user asked for; 'auto' is live on a terminal and in a notebook, and plain elsewhere."""
    if kind not in MODES:
        raise InvalidInput(f"progress={kind!r}: choose one of {', '.join(MODES)}")
    level = logging.getLogger("kilter.progress").level or log.level
    if kind == "none" or level > logging.INFO:
        return Silent(Notices(one_line(name, NAME), session))
    status = Status(session, name, limits, calls)
    if kind != "plain" and notebook.shell() is not None:
        return notebook.Notebook(status)
    if kind == "live" or (kind == "auto" and sys.stderr.isatty()):
        return Live(status)
    return Plain(status, sys.stderr)


class Notices:
    """What is told at once in every mode of display: the first failure of each sort, and reports that mislead."""

    def __init__(self, name: str, session: Session) -> None:
        self._name, self._session = name, session
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
        history = self._session.engine.history
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


class Silent:
    """Says nothing but what has to be told in every mode, which it logs as a warning."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def start(self) -> None:
        """Nothing."""

    def on_end(self, trial: Record) -> None:
        """Log what has to be told."""
        for line in self._notices.of(trial):
            self.tell(line)

    def tell(self, line: str) -> None:
        """Log it."""
        log.warning("%s", line)

    def tick(self) -> None:
        """Nothing."""

    def finish(self, reason: str) -> None:
        """Nothing."""


class Status:
    """The figures that both displays show."""

    def __init__(self, session: Session, name: str, limits: Limits, calls: int | None) -> None:
        self.session, self.name, self.limits = session, one_line(name, NAME), limits
        self.notices = Notices(self.name, session)
        self.now: Callable[[], float] = session.stopwatch
        self.began = self.now()
        done = len(session.engine.history.finished)
        self.before = self.counted
        self._wanted = limits.trials if calls is None or limits.trials is not None else self.before + calls
        self._granted = 0 if calls is None else session.engine.steering.trials
        """The trials that had been added before, which a run that counts its own does not have."""
        self._seconds_before = session.engine.steering.seconds
        self.bests: list[float] = []
        self._gain: Gain | None = None
        self._gain_after = done
        self._gain_due = time.monotonic() + GAIN_SECONDS
        self._front: tuple[int, str | None] = (-1, None)
        """After how many finished trials the front was looked at, and what it was."""

    @property
    def goal(self) -> int | None:
        """How many trials the study is to have in the end, with those that users have added; None for no limit."""
        return None if self._wanted is None else self._wanted + self.session.engine.steering.trials - self._granted

    @property
    def counted(self) -> int:
        """How many finished trials use up the budget: all but the failures that are forgiven."""
        return len(self.session.engine.history.finished) - self.session.engine.history.forgiven

    @property
    def is_single(self) -> bool:
        """Whether there is one objective, and so a best trial."""
        return len(self.session.engine.problem.objectives) == 1

    @property
    def objective(self) -> Any:
        """The first objective."""
        return self.session.engine.problem.objectives[0]

    @property
    def goals_text(self) -> str:
        """What is wanted of the objectives."""
        return ", ".join(f"{o.direction} {one_line(o.name, NAME)}" for o in self.session.engine.problem.objectives)

    @property
    def best(self) -> Record | None:
        """The best trial so far; None with several objectives."""
        if not self.is_single:
            return None
        number = self.session.engine.ledger.best_number
        return None if number is None else self.session.engine.history[number]

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
        return f"none: {why_no_best(self.session.engine.history, self.notices.has_told)}"

    def _front_text(self) -> str | None:
        """The Pareto front in a few words, looked at again where trials have ended since."""
        history = self.session.engine.history
        if self._front[0] != len(history.finished):
            from kilter.analysis.pareto import front_text

            self._front = len(history.finished), front_text(history)
        return self._front[1]

    def params_text(self, trial: Record) -> str:
        """A configuration in one line."""
        config = self.session.engine.problem.space.whole(trial.params)
        return "  ".join(f"{one_line(name, NAME)}={short(value)}" for name, value in config.items())

    def counts_text(self) -> str:
        """How many trials there are in each state."""
        ledger, history = self.session.engine.ledger, self.session.engine.history
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
        """What the next hour is expected to bring, and the noise beside which that is small; None where not known.

        The model is asked again only now and then, and where trials have ended since.
        """
        now, done = time.monotonic(), len(self.session.engine.history.finished)
        if now >= self._gain_due and done != self._gain_after:
            from kilter.analysis.gain import expected_gain, fewest  # loads SciPy

            if done < fewest(len(self.session.engine.problem.space)):
                return None

            with single_threaded():
                self._gain = expected_gain(self.session.engine.history, self.session.engine.seed)
            spent = time.monotonic() - now
            self._gain_after, self._gain_due = done, now + max(GAIN_SECONDS, spent / GAIN_SHARE)
        if self._gain is None:
            return None
        noise = f" (noise {short(self._gain.noise, 2)})" if self._gain.noise > 0 else ""
        return f"~{short(self._gain.value, 2)} better in the next hour{noise}"

    def saved_text(self) -> str | None:
        """What early stopping has saved; None where that is nothing, or not known."""
        saved = Savings.of(self.session.engine.history)
        return f"~{span(saved.seconds)} by early stopping ({saved.share:.0%} of steps)" if saved.seconds > 0 else None

    def rate_text(self, over: bool = False) -> str:
        """Trials a minute in this run, and how long it will take at that rate unless it is over."""
        done, elapsed = self.counted - self.before, self.now() - self.began
        if done <= 0 or elapsed <= 0:
            return span(elapsed)
        left = [] if self.goal is None else [(self.goal - self.before - done) * elapsed / done]
        left += [] if self.limits.seconds is None else [self.limits.seconds + self._added_seconds - elapsed]
        remaining = f", ~{span(max(min(left), 0))} left" if left and not over else ""
        return f"{span(elapsed)} elapsed{remaining}   {_rate(60 * done / elapsed)}/min"

    @property
    def _added_seconds(self) -> float:
        """How much longer the run may last than it was asked to."""
        return self.session.engine.steering.seconds - self._seconds_before

    def never_text(self) -> list[str]:
        """The options with which no trial succeeded, where others did; or that no trial has parameters."""
        history = self.session.engine.history
        if len(history.finished) > 1 and not any(trial.params for trial in history.trials):
            return ["no trial has parameters, so all are the same: give a space, or suggest_… in the objective"]
        return never_succeeded(self.session.engine.history) if self.session.engine.ledger.failures else []


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
        resumed = f", {status.before} ended before" if status.before else ""
        self._say(f"{status.name}: {status.goals_text}{goal}{resumed}")

    def on_end(self, trial: Record) -> None:
        """Say so where it is the new best, or the first that failed in its way."""
        status = self._status
        for line in status.notices.of(trial):
            self._say(line)
        if status.is_single and status.session.engine.ledger.best_number != self._said_best:
            now = status.now()
            if now - self._improved_at >= IMPROVEMENT_SECONDS or self._said_best is None:
                self._improved_at, self._said_best = now, status.session.engine.ledger.best_number
                found = f"best {status.best_text()}  {status.params_text(status.best or trial)}"
                self._say(f"{status.name}: {found.rstrip()}")

    def tell(self, line: str) -> None:
        """Say it."""
        self._say(line)

    def tick(self) -> None:
        """Say how far it is, every half minute."""
        status = self._status
        if status.now() - self._said_at >= PLAIN_SECONDS:
            gain, saved = status.gain_text(), status.saved_text()
            more = (f"; expect {gain}" if gain else "") + (f"; saved {saved}" if saved else "")
            self._say(f"{status.name}: {status.counts_text()}; best {status.best_text()}; {status.rate_text()}{more}")

    def finish(self, reason: str) -> None:
        """Say how it ended."""
        status = self._status
        saved = status.saved_text()
        self._say(
            f"{status.name}: {reason}; {status.counts_text()} in {span(status.now() - status.began)}; "
            f"best {status.best_text(over=True)}" + (f"; saved {saved}" if saved else "")
        )
        for sentence in status.never_text():
            self._say(f"{status.name}: {sentence}")

    def _say(self, line: str) -> None:
        self._said_at = self._status.now()
        print(printable(line, keep=""), file=self._stream, flush=True)


class Live:
    """A few lines that are redrawn in place; what is printed meanwhile appears above them."""

    def __init__(self, status: Status) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._status = status
        self._console = Console(stderr=True)
        self._live = RichLive(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._terminal: Terminal | None = None
        self._drawing = threading.RLock()
        """Held by whoever writes to the terminal: this thread, or the one that shows what is printed."""
        self._drawn_at = 0.0

    def start(self) -> None:
        """Draw for the first time."""
        if Terminal.is_there():
            self._terminal = Terminal(self._print)
            self._console.file = self._terminal.file
        with self._drawing, suppress(OSError):
            self._live.start()
            self._draw()

    def on_end(self, trial: Record) -> None:
        """Note the best so far, say above the block what has to be told, and draw where it is time."""
        for line in self._status.notices.of(trial):
            self._say(line)
        best = self._status.best
        if best is not None:
            self._status.bests.append(best.metrics[self._status.objective.name])
        self.tick()

    def tell(self, line: str) -> None:
        """Say it above the block, and draw the block anew."""
        self._say(line)
        self._draw()

    def tick(self) -> None:
        """Draw where it is time."""
        if self._status.now() - self._drawn_at >= LIVE_SECONDS:
            self._draw()

    def finish(self, reason: str) -> None:
        """Leave the last picture standing, with the reason."""
        from rich.text import Text

        with suppress(OSError):  # a terminal that is gone needs no picture
            self._live.stop()
            self._give_back()
            self._console.print(self._table(reason))
            if not self._fits(self._heading(reason)):
                self._console.print(Text(printable(reason, keep="")))
            for sentence in self._status.never_text():
                self._say(f"{self._status.name}: {sentence}")
        self._give_back()

    def _give_back(self) -> None:
        """Let others print on the terminal again, after what they have printed so far."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.stop()
            self._console.file = sys.stderr

    def _say(self, line: str) -> None:
        from rich.text import Text

        with self._drawing, suppress(OSError):
            self._console.print(Text(printable(line, keep=""), style="red"), soft_wrap=True)

    def _print(self, lines: Iterable[str]) -> None:
        """Show lines that others printed, with their colours."""
        from rich.text import Text

        shown = [Text.from_ansi(line) for line in lines]
        if shown:
            with self._drawing, suppress(OSError):
                self._console.print(Text("\n").join(shown), soft_wrap=True)

    def _draw(self) -> None:
        from rich.console import Group
        from rich.text import Text

        self._drawn_at = self._status.now()
        # The cursor rests below the block: the ^C that a terminal writes there must not wrap one of its lines.
        block = Group(self._table(None), Text())
        with self._drawing, suppress(OSError):
            if self._terminal is not None and "COLUMNS" not in os.environ:
                self._console.size = self._terminal.size  # it may have changed
            self._live.update(block, refresh=True)

    def _table(self, reason: str | None) -> Any:
        from rich.table import Table
        from rich.text import Text

        def row(title: str, text: str, style: str = "") -> None:
            table.add_row(title, Text(printable(text, keep=""), style=style))

        status = self._status
        table = Table.grid(padding=(0, GAP))
        table.add_column(style="dim", no_wrap=True, min_width=self._titles)
        table.add_column(overflow="ellipsis", no_wrap=True)
        control = status.session.engine.control
        heading = self._heading(reason or control)
        shown = heading if self._fits(heading) else self._heading("over" if reason else control)
        table.add_row(Text(status.name, style="bold"), Text(printable(shown, keep="")))
        best = status.best_text(over=reason is not None)
        row("best", f"{best}   {sparkline(status.bests)}", "green")
        if status.best is not None and status.best.params:
            row("", status.params_text(status.best))
        done = status.counted
        goal = f"/{status.goal}" if status.goal is not None else ""
        counts, rate = f"{done}{goal}   {status.counts_text()}", status.rate_text(over=reason is not None)
        if self._fits(f"{counts}   {rate}"):
            row("trials", f"{counts}   {rate}")
        else:
            row("trials", counts)
            row("time", rate)
        for title, text in (("expect", status.gain_text() if reason is None else None), ("saved", status.saved_text())):
            if text:
                row(title, text)
        running = list(status.session.engine.history.running.values())[:3]
        if running and reason is None:
            row("running", "   ".join(f"#{t.number} {self._latest(t)}" for t in running))
        return table

    def _heading(self, state: str) -> str:
        return f"{self._status.goals_text}   {state}"

    def _fits(self, text: str) -> bool:
        """Whether a row has room for the text."""
        return self._titles + GAP + len(text) <= self._console.width

    @property
    def _titles(self) -> int:
        """Columns for titles, of which the study's name is one: it is cut where it needs more than half of a line."""
        from rich.cells import cell_len

        return max(LABELS, min(cell_len(self._status.name), self._console.width // 2))

    def _latest(self, trial: Record) -> str:
        reports = self._status.session.engine.history.reports.of(trial.number)
        if not reports:
            return "started"
        value = reports[-1].metrics.get(self._status.objective.name)
        return f"step {reports[-1].step}" + (f" {short(value)}" if value is not None else "")


def sparkline(values: list[float]) -> str:
    """The values as a row of at most BARS bars."""
    if len(values) < 2:
        return ""
    picked = [values[i * (len(values) - 1) // (BARS - 1)] for i in range(BARS)] if len(values) > BARS else values
    low, high = min(picked), max(picked)
    return "".join(SPARK[int((v - low) / (high - low) * 7)] if high > low else SPARK[0] for v in picked)


def _rate(per_minute: float) -> str:
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
