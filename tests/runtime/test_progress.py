"""What a display says: counts of every state, what early stopping saved, and the gain to expect where it is shown."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from itertools import pairwise
from types import SimpleNamespace

import pytest
from rich.console import Console

import kilter
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome
from kilter.core.limits import Limits
from kilter.executors.simulated import VirtualClock
from kilter.runtime import status as figures
from kilter.runtime.block import block, sparkline
from kilter.runtime.progress import Live, Plain
from kilter.runtime.status import Rarely, Status

SPACE = {"x": kilter.Float(0, 1)}
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


@pytest.fixture
def study():
    """A study with a trial in each state, and its clock."""
    clock = VirtualClock()
    study = kilter.create_study(space=SPACE, seed=1, sampler="random", clock=clock)
    trials = study.ask(5)
    for trial, steps, state in zip(trials, (4, 1, 2), (COMPLETE, PRUNED, TrialState.PAUSED)):
        clock.advance(clock() + 10)
        for step in range(1, steps + 1):
            trial.report(1.0, step)
        trial.flush()
        study._session.end(Outcome(trial.number, 1, state, {"value": 1.0}))
    study._session.interrupt(3, "the time was up")
    return study, clock


def status_of(study, **limits):
    return Status(study._session, "digits", study._session.stopwatch, Limits(**limits))


def test_every_state_is_counted_by_its_word(study):
    assert status_of(study[0]).counts_text() == "1 done, 1 pruned, 1 paused, 1 running, 1 waiting"


def test_what_was_saved_is_told(study):
    # 60 s for 5 steps of finished trials; the pruned one had 3 left
    text = status_of(study[0]).saved_text()
    assert text is not None
    assert text.endswith("by early stopping (38% of steps)")


@pytest.fixture
def looks(monkeypatch):
    """How often the model was asked for the gain; it always says 0.5."""
    calls = []

    def expected_gain(history, seed):
        calls.append(len(history.finished))
        return SimpleNamespace(value=0.5, noise=0.125)

    monkeypatch.setattr("kilter.analysis.gain.expected_gain", expected_gain)
    monkeypatch.setattr("kilter.analysis.gain.fewest", lambda parameters: 1)
    return calls


def test_the_gain_is_looked_up_where_trials_have_ended_since_and_time_has_passed(study, looks, monkeypatch):
    now = SimpleNamespace(monotonic=lambda: time, thread_time=lambda: time)
    monkeypatch.setattr(figures, "time", now)
    time = 0.0
    status = status_of(study[0])
    time = 4.0
    assert status.gain_text() is None
    time = 6.0
    assert status.gain_text() is None  # nothing has ended in this run
    study[0].optimize(lambda x: x, n_trials=1, progress="none")
    assert status.gain_text() == "~0.5 better in the next hour (noise 0.12)"
    study[0].optimize(lambda x: x, n_trials=1, progress="none")
    time = 10.0
    assert status.gain_text() == "~0.5 better in the next hour (noise 0.12)"
    assert len(looks) == 1
    time = 12.0
    status.gain_text()
    assert len(looks) == 2


def test_no_display_asks_for_no_gain(looks, monkeypatch):
    monkeypatch.setattr(figures, "PAUSE", 0.0)
    study = kilter.create_study(space=SPACE, seed=1, sampler="random")
    study.optimize(lambda x: x, n_trials=5, progress="none")
    assert looks == []


def test_lines_tell_of_gain_and_savings(study, looks, monkeypatch):
    monkeypatch.setattr(figures, "PAUSE", 0.0)
    study, clock = study
    stream = io.StringIO()
    plain = Plain(status_of(study), stream)
    plain.start()
    study.optimize(lambda x: x, n_trials=1, progress="none")
    clock.advance(clock() + 31)
    plain.tick()
    plain.finish("the time is up (60 s); trial 4 was cut and waits to go on")
    _, line, last = stream.getvalue().splitlines()
    assert "expect ~0.5 better in the next hour (noise 0.12); saved ~" in line
    assert "trial 4 was cut and waits to go on; " in last
    assert "saved ~" in last


def test_the_last_line_tells_whom_trials_are_owed_to():
    earlier = kilter.create_study(study_name="wine\x1b[2J", space=SPACE, seed=0)
    earlier.optimize(lambda x: (x - 0.3) ** 2, n_trials=8, progress="none")
    study = kilter.create_study(space=SPACE, seed=1, transfer=[earlier])
    study.optimize(lambda x: (x - 0.4) ** 2, n_trials=4, progress="none")
    owed = f"{len(study.transfer.owed)} of 4 trials owed to wine\\x1b[2J"
    assert study.transfer.owed and str(study.transfer).endswith(owed)
    stream = io.StringIO()
    Plain(status_of(study), stream).finish("done")
    assert stream.getvalue().endswith(f"; {owed}\n")
    console = Console(width=100, color_system=None, file=stream)
    console.print(block(status_of(study), 100, "done"))
    assert owed in stream.getvalue().split("done", 2)[2]
    assert status_of(kilter.create_study(space=SPACE)).owed_text() == ""


def fails(trial):
    raise (KeyError, ValueError)[trial.number % 2](f"no {trial.number / 7}\x1b[2J\nof them")


@pytest.mark.parametrize("mode", ["plain", "live", "auto"])
def test_the_first_failure_of_each_sort_is_told_at_once_in_one_line(mode, capsys):
    kilter.create_study(study_name="digits").optimize(fails, n_trials=6, progress=mode)
    said = capsys.readouterr().err
    assert said.count("digits: trial 0 failed: KeyError: 'no 0.0\\x1b[2J\\nof them' (test_progress.py:") == 1, said
    assert said.count("digits: trial 1 failed: ValueError: no 0.14285714285714285\\x1b[2J of them (test_p") == 1, said
    assert "trial 2 failed" not in said
    assert "6 failed (KeyError ×3, ValueError ×3)" in said
    assert "none: all 6 trials failed" in said


def test_without_a_display_the_first_failures_are_logged(caplog):
    kilter.create_study(study_name="digits").optimize(fails, n_trials=6, progress="none")
    assert [record.getMessage().partition(": ")[2][:25] for record in caplog.records] == [
        "trial 0 failed: KeyError:",
        "trial 1 failed: ValueErro",
    ]


def test_where_each_failure_is_another_one_not_all_are_told(capsys):
    def objective(trial):
        raise ValueError("x" * trial.number)

    kilter.create_study().optimize(objective, n_trials=40, limits=Limits(failures=None), progress="plain")
    said = capsys.readouterr().err
    assert said.count(" failed: ") == figures.TOLD
    assert said.count("in more than 10 ways") == 1


def test_the_end_names_options_that_never_succeeded(capsys):
    def objective(trial):
        if trial.suggest_categorical("model", ["linear", "boost"]) == "boost":
            raise ModuleNotFoundError("No module named 'boost'")
        return trial.suggest_float("x", 0, 1)

    study = kilter.create_study(sampler="random", seed=0)
    study.optimize(objective, n_trials=12, progress="plain")
    failed = sum(trial.state is FAIL for trial in study.trials)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f": model=boost never succeeded: {failed} of {failed} failed with ModuleNotFoundError")


@pytest.mark.parametrize("width", [120, 80, 40])
def test_the_live_block_keeps_to_the_width_and_loses_no_reason(study, looks, width, monkeypatch):
    monkeypatch.setattr(figures, "PAUSE", 0.0)
    monkeypatch.setenv("COLUMNS", str(width))
    study, _ = study
    live = Live(status_of(study))
    live._console.file = stream = io.StringIO()
    study.optimize(lambda x: x, n_trials=1, progress="none")
    live._console.print(block(live._status, live._console.width))
    shown = stream.getvalue()
    assert "~0.5 better in the next hour" in shown
    assert "by early stopping" in shown
    assert all(len(line) <= width for line in shown.splitlines())
    live._console.file = stream = io.StringIO()
    live.finish("the time is up (60 s); 2 trials were cut and wait to go on: 17, 18")
    shown = stream.getvalue()
    assert "wait to go on: 17, 18" in " ".join(shown.split())
    assert all(len(line) <= width for line in shown.splitlines())


def test_no_line_is_shown_while_the_block_is_taken_away(study, monkeypatch):
    live = Live(status_of(study[0]))
    live._console.file = io.StringIO()
    shown = threading.Event()
    other = threading.Thread(target=lambda: (live._print(["of a thread"]), shown.set()))

    def stop():
        other.start()
        assert not shown.wait(0.1)

    monkeypatch.setattr(live._live, "stop", stop)
    live.finish("over")
    other.join()
    assert shown.is_set()


def test_the_live_block_shows_how_the_best_came_about_what_matters_and_what_is_worth_a_look(monkeypatch):
    monkeypatch.setattr(figures, "PAUSE", 0.0)
    space = {"left": kilter.Float(0, 1), "right": kilter.Float(0, 1)}
    study = kilter.create_study(space=space, seed=1, sampler="random", directions={"acc": "maximize"})
    status = Status(study._session, "digits", study._session.stopwatch)
    assert "matters" not in shown(status)
    study.optimize(lambda left, right: left - 0.01 * right, n_trials=60, progress="none")
    text = shown(status)
    best = study.best_trial
    assert f"(trial {best.number})" in text
    assert "better than trial 0" in text
    assert "▁" in text and "█" in text
    assert "matters  left " in text and "right" not in text.partition("matters")[2].partition("\n")[0]
    study.optimize(lambda left, right: left, n_trials=80, progress="none", if_changed="continue")
    finding = status.finding()
    assert finding is None or finding.sentence in shown(status, 400)
    narrow = shown(status, 25)
    assert all(len(line) <= 25 for line in narrow.splitlines()) and "…" in narrow


def shown(status, width=100):
    console = Console(width=width, file=io.StringIO())
    console.print(block(status, width))
    return console.file.getvalue()


def test_what_takes_long_is_looked_at_rarely(monkeypatch):
    clock = SimpleNamespace(now=0.0, spent=0.0)
    monkeypatch.setattr(figures, "time", SimpleNamespace(monotonic=lambda: clock.now, thread_time=lambda: clock.spent))
    made = []

    def make():
        clock.spent += 1.0
        made.append(clock.now)
        return len(made)

    rarely = Rarely(make, 0, pause=2.0)
    for second in range(400):
        clock.now = float(second)
        assert rarely(second) == (len(made) or None)
    assert made[:2] == [2.0, 4.0]  # the first one loads what it needs, and is not counted
    assert all(later - earlier == 1.0 / figures.MOST for earlier, later in pairwise(made[1:]))
    assert rarely(400, at_once=True) == len(made)


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([1.0], ""),
        ([0.0, 1.0], "▁█"),
        ([2.0, 2.0], "▁▁"),
        ([0.0, float("nan"), 1.0], "▁ █"),
        ([float("-inf"), 0.0, float("inf"), 7.0], " ▁ █"),
        ([float("nan")] * 3, ""),
        (list(range(100)), ""),
    ],
)
def test_sparklines(values, bars):
    found = sparkline(values)
    assert found == bars if len(values) < 30 else (len(found), found[0], found[-1]) == (24, "▁", "█")


def test_progress_shows_values_as_every_table_does(looks, monkeypatch, capsys):
    space = {"w": kilter.Simplex(2), "cols": kilter.Subset(["age", "sex"]), "on": kilter.Boolean()}
    study = kilter.create_study(space=space)
    study.enqueue_trial({"w": [0.25, 0.75], "cols": ["age", "sex"], "on": True})
    study.optimize(lambda w, cols, on: 0.5, n_trials=1, progress="plain")
    said = capsys.readouterr().err
    assert "best 0.5  (trial 0)  w=0.25,0.75  cols=age,sex  on=true" in said
    assert "1 trial is done" in said
    monkeypatch.setenv("COLUMNS", "50")
    live = Live(status_of(study))
    live._status.name = "a-name-of-some-length"
    live._console.file = stream = io.StringIO()
    live._console.print(block(live._status, live._console.width, "over"))
    assert "a-name-of-some-length" in stream.getvalue()
    assert "w=0.25,0.75  cols=age" in stream.getvalue()


def test_a_best_trial_without_parameters_leaves_no_blanks(looks, capsys):
    study = kilter.create_study()
    study.optimize(lambda trial: 0.5, n_trials=2, progress="plain")
    said = capsys.readouterr().err
    assert "best 0.5  (trial 0)\n" in said
    assert "no trial has parameters" in said.splitlines()[-1]
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="plain")
    assert "no trial has parameters" not in capsys.readouterr().err


EVIL = "\x1b]0;evil\x07\x1b[2J\x9b2J\r\nfake: line\u202e"


@pytest.mark.parametrize("mode", ["plain", "live", "none"])
def test_no_name_and_no_option_reaches_the_terminal_as_more_than_text(mode):
    script = f"""
import kilter
evil = {EVIL!r}
space = {{"c" + evil: kilter.Choice(["a" + evil]), "x": kilter.Float(0, 1)}}
space = {{**space, "d": kilter.Choice([[evil], {{"k": evil}}])}}
study = kilter.create_study(study_name="n" + evil, directions={{"l" + evil: "minimize"}}, space=space, seed=0)
study.optimize(lambda **params: {{"l" + evil: params["x"]}}, n_trials=3, progress={mode!r})
def other(**params):
    raise ValueError(evil)
study.optimize(other, n_trials=3, progress={mode!r}, if_changed="continue", catch=[ValueError])
"""
    environ = {**os.environ, "TERM": "dumb"}
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environ)
    assert "another objective" in ran.stderr
    assert not set(ran.stderr) & set("\x1b\x07\x9b\r\u202e"), ran.stderr
    assert "\nfake" not in ran.stderr


def test_failures_that_are_forgiven_are_told_apart(capsys):
    study = kilter.create_study(study_name="digits")
    study.optimize(fails, n_trials=3, progress="none")
    study.retry(failed=True)
    study.optimize(lambda trial: 0.0, n_trials=3, progress="plain")
    last = capsys.readouterr().err.splitlines()[-2]  # behind it stands that there are no parameters
    assert "; 3 done (3 earlier failures no longer count) in " in last
