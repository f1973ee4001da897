"""Exactly n trials, and no point twice at once: shells that ask together, die, are put to sleep and wake up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter import plugins
from kilter.core.events import Ended, TrialState
from kilter.core.limits import Limits
from kilter.executors.inline import Inline
from kilter.objective import checkpoint
from kilter.samplers.random import RandomSampler
from kilter.storage.memory import MemoryStorage

COMPLETE = TrialState.COMPLETE


def shell(program: str, *arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(happened: Any) -> None:
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("a minute has passed")


def ended(process: subprocess.Popen[str]) -> str:
    """What a shell said, once it has ended well."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


# -- claims -------------------------------------------------------------------------------------------------------

TOGETHER = """
import sys, time, kilter
spaces = {
    "finite": {"a": kilter.Int(1, 4), "b": kilter.Choice(["x", "y", "z"])},
    "smooth": {"x": kilter.Float(0, 1), "y": kilter.Float(0, 1)},
}
def objective(a=0, b="", x=0, y=0):
    time.sleep(0.02)
    return -a - x - y  # the optimum is a corner, which all shells would like to see
print(len(kilter.tune(objective, spaces[sys.argv[2]], n_trials=30, storage=sys.argv[1], study_name="s").trials))
"""


@pytest.mark.parametrize(("kind", "total"), [("finite", 12), ("smooth", 30)])
def test_shells_that_ask_at_once_run_different_points(tmp_path: Path, kind: str, total: int) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    for worker in [shell(TOGETHER, url, kind) for _ in range(4)]:
        ended(worker)
    trials = kilter.load_study(storage=url, study_name="s").trials
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials) == total
    assert {trial.state for trial in trials} == {COMPLETE}


class Overtaken(RandomSampler):
    """Whenever it is asked, another worker begins a trial first."""

    overtake: Any = None

    def ask(self, state, history, number):
        config = super().ask(state, history, number)
        if self.overtake:
            type(self).asked.append(number)
            self.overtake()
        return config


@pytest.mark.parametrize("times", [1, 2, 20])
def test_a_worker_that_others_overtake_asks_again_a_few_times(times: int) -> None:
    storage = MemoryStorage()
    space = {"x": kilter.Float(0, 1)}
    slow = kilter.create_study(storage=storage, study_name="s", space=space, sampler=Overtaken(), seed=0)
    fast = kilter.load_study(storage=storage, study_name="s", sampler="sobol")
    left = [fast.ask] * times
    Overtaken.asked, Overtaken.overtake = [], lambda self: left and left.pop()()
    try:
        trial = slow.ask()
    finally:
        Overtaken.overtake = None
    assert trial.number == min(times, 4)
    assert Overtaken.asked == list(range(min(times + 1, 4)))
    points = [t.params["x"] for t in slow.trials]
    assert len(set(points)) == len(points) == trial.number + 1


def test_one_worker_has_the_study_of_its_seed_also_with_a_queue(tmp_path: Path) -> None:
    def run(url: str | None, *parts: int) -> list[Any]:
        study = kilter.create_study(storage=url, space={"x": kilter.Float(0, 1), "n": kilter.Int(1, 9)}, seed=7)
        for part in parts:
            study.enqueue_trial({"n": 3})
            study.enqueue_trial({"n": 3})
            study.optimize(lambda x, n: x * n, n_trials=part, progress="none")
        return [trial.params for trial in study.trials]

    assert run(None, 8, 8) == run(f"sqlite:///{tmp_path / 'k.db'}", 8, 8)
    assert [params["n"] for params in run(None, 8)][:2] == [3, 3]


# -- the end ------------------------------------------------------------------------------------------------------

LAST = """
import os, sys, time, kilter
def objective(x, trial):
    print("running", trial.number, trial.attempt, flush=True)
    while sys.argv[2] == "dies" or (trial.attempt == 1 and not os.path.exists(sys.argv[2])):
        time.sleep(0.01)
    return x
kilter.tune(objective, {"x": kilter.Float(0, 1)}, n_trials=2, sampler="random", storage=sys.argv[1], study_name="s")
"""


def test_the_survivor_takes_over_the_last_trial_of_a_shell_that_was_killed(tmp_path: Path) -> None:
    url, go = f"sqlite:///{tmp_path / 'k.db'}", tmp_path / "go"
    survivor = shell(LAST, url, go)
    assert survivor.stdout is not None
    assert survivor.stdout.readline() == "running 0 1\n"
    victim = shell(LAST, url, "dies")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "running 1 1\n"
    victim.kill()
    victim.communicate()
    go.touch()
    assert ended(survivor) == "running 1 2\n"
    assert [trial.state for trial in kilter.load_study(storage=url, study_name="s").trials] == [COMPLETE] * 2


def test_who_ends_leaves_the_last_trial_to_a_shell_that_lives(tmp_path: Path) -> None:
    url, go = f"sqlite:///{tmp_path / 'k.db'}", tmp_path / "go"
    living = shell(LAST, url, go)
    assert living.stdout is not None
    assert living.stdout.readline() == "running 0 1\n"
    study = kilter.load_study(storage=url, study_name="s")
    limits = Limits(trials=2)
    assert str(study.run(Inline().start(lambda x: x), limits, progress="none")) == "the study has its 2 trials"
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING, COMPLETE]
    go.touch()
    ended(living)
    assert [trial.attempt for trial in study.trials] == [1, 1]


def test_a_run_does_not_end_before_it_knows_whether_a_worker_elsewhere_has_vanished(tmp_path: Path) -> None:
    """Its lease has run out, and has to be found so twice; there is nothing else to do meanwhile."""
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = kilter.create_study(storage=url, study_name="s", space={"x": kilter.Float(0, 1)}, seed=0)
    worker = study.ask() and study._session.presence.worker
    study._session.presence.leave()
    storage = plugins.open_storage(url)
    storage.renew(1, replace(worker, host="elsewhere"), -3600.0)
    other = kilter.load_study(storage=url, study_name="s", lease=0.4)
    other.optimize(lambda x: x, limits=Limits(trials=1), progress="none")
    assert [(trial.state, trial.attempt) for trial in other.trials] == [(COMPLETE, 2)]
    other.close()
    assert storage.leases(1) == []


# -- given up too early -------------------------------------------------------------------------------------------

SLEEPER = """
import os, sys, time, kilter
def objective(x, trial):
    for step in range(1, 6):
        trial.report(x, step)
        if step == 1 and trial.attempt == 1:
            open(f"{sys.argv[2]}{trial.number}", "w").close()
            while os.path.exists(sys.argv[2]):
                time.sleep(0.01)
        if trial.should_prune():
            raise kilter.TrialPruned
    return x
if __name__ == "__main__":
    storage, _, scheduler, executor = sys.argv[1:]
    study = kilter.create_study(storage=storage, study_name="s", space={"x": kilter.Float(0, 1)}, sampler="random",
                                scheduler=scheduler, seed=1, lease=None)
    from kilter.core.limits import Limits
    from kilter.executors.processes import Processes
    from kilter.executors.threads import Threads
    chosen = (Processes(2) if executor == "processes" else Threads(2)).start(objective)
    study.run(chosen, Limits(trials=6), progress="none")
"""


@pytest.mark.parametrize(("scheduler", "executor"), [("asha", "threads"), ("hyperband", "processes")])
def test_a_worker_that_was_given_up_is_told_to_stop_and_goes_on(tmp_path: Path, scheduler: str, executor: str) -> None:
    url, held = f"sqlite:///{tmp_path / 'k.db'}", tmp_path / "held"
    held.touch()
    program = tmp_path / "sleeper.py"
    program.write_text(SLEEPER)
    sleeper = subprocess.Popen([sys.executable, program, url, held, scheduler, executor], stderr=subprocess.PIPE)
    until(lambda: all((tmp_path / f"held{number}").exists() for number in (0, 1)))
    sleeper.send_signal(signal.SIGSTOP)
    study = kilter.load_study(storage=url, study_name="s")
    given_up = study.recover()
    taken = [study.ask(), study.ask()]
    assert [trial.number for trial in taken] == given_up == [0, 1]
    sleeper.send_signal(signal.SIGCONT)
    held.unlink()
    _, errors = sleeper.communicate(timeout=120)
    assert sleeper.returncode == 0, errors
    for trial in taken:
        study.tell(trial, 7.0)
    assert {trial.state for trial in study.trials[2:]} <= {COMPLETE, TrialState.PRUNED, TrialState.PAUSED}
    assert [(t.value, t.attempt) for t in study.trials[:2]] == [(7.0, 2), (7.0, 2)]
    assert len(study.trials) == 6


SCHEDULERS = ("asha", "hyperband", "pasha", "median", "threshold", "patient", "curve", "pbt", "fifo", "auto")


def given_up(tmp_path: Path, **settings: Any) -> tuple[kilter.Study, kilter.Study]:
    """Two handles on a study: the first one holds no lease, so that the second gives it up at its first look."""
    storage = f"sqlite:///{tmp_path / 'k.db'}"
    space = {"x": kilter.Float(0, 1)}
    first = kilter.create_study(
        storage=storage, study_name="s", space=space, sampler="random", seed=0, lease=None, **settings
    )
    return first, kilter.load_study(storage=storage, study_name="s")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_stale_attempts_never_reach_a_scheduler(tmp_path: Path, scheduler: str) -> None:
    first, second = given_up(tmp_path, scheduler=plugins.find("scheduler", scheduler))
    stale, other = first.ask(), first.ask()
    stale.report(0.5, 1)
    stale.should_prune()
    again = second.ask()
    assert (again.number, again.attempt) == (stale.number, 2)
    judges = first.scheduler.judges
    if judges:
        assert stale.should_prune()
        stale.report(0.5, 2)
        assert stale.should_prune()
    second.tell(again, 1.0)
    stale.report(0.5, 3)
    stale.flush()
    assert stale.should_prune() == judges
    first.tell(other, 2.0)
    trials = second.trials
    assert [trial.value for trial in trials] == [1.0, 2.0]
    assert list(trials[0].intermediate_values) == [1] * judges


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("runs_again", [False, True], ids=["waits", "runs elsewhere"])
def test_a_late_result_is_data_where_there_is_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheduler: str, runs_again: bool
) -> None:
    first, second = given_up(tmp_path, scheduler=plugins.find("scheduler", scheduler))
    late = first.ask()
    late.save({"by": "first"})
    late.report(0.25, 1)
    late.flush()
    assert second.recover() == [0]
    again = second.ask() if runs_again else None
    assert first.tell(late, 0.125).value == 0.125
    assert "came in time to count" in caplog.text
    if again is not None:
        again.save({"by": "second"})
        again.report(0.5, 2)
        assert again.should_prune() or not second.scheduler.judges
        second.tell(again, 3.0)  # a second result is kept, and does not count
    for study in (first, second, kilter.load_study(storage=f"sqlite:///{tmp_path / 'k.db'}", study_name="s")):
        (trial,) = study.trials
        assert (trial.state, trial.value, trial.attempt) == (COMPLETE, 0.125, 1)
        assert study.best_value == 0.125
        assert checkpoint.load(str(study.checkpoint_dir(0))) == {"by": "first"}
    ends = [e for _, e in second.log.read() if isinstance(e, Ended) and e.state is COMPLETE]
    assert [(e.attempt, e.metrics["value"]) for e in ends if e.late] == [(1, 0.125)] + [(2, 3.0)] * runs_again
    second.optimize(lambda x: x, n_trials=3, progress="none")
    assert len(second.trials) == 4


HOLDS = """
import sys, kilter
study = kilter.create_study(storage=sys.argv[1], study_name="s", space={"x": kilter.Float(0, 1)}, seed=0, lease=1.0)
trial = study.ask()
print("asked", flush=True)
input()
study.tell(trial, 0.123)
"""


def test_a_living_worker_keeps_its_trial_through_a_jump_of_the_clock(tmp_path: Path) -> None:
    """And through a call in C that holds the interpreter lock for longer than the lease: nobody renews it then."""
    url = f"sqlite:///{tmp_path / 'k.db'}"
    worker = shell(HOLDS, url)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "asked\n"
    study = kilter.load_study(storage=url, study_name="s", lease=0.001)
    storage = plugins.open_storage(url)
    ((holder, _),) = storage.leases(1)
    for _ in range(3):
        storage.renew(1, holder, -3600.0)
        assert study.recover() == []
    worker.send_signal(signal.SIGSTOP)
    storage.renew(1, holder, -3600.0)
    until(lambda: study.recover() == [0])
    again = study.ask()
    worker.send_signal(signal.SIGCONT)
    worker.communicate("\n", timeout=60)
    assert study.trials[0].value == 0.123  # it woke up before the second attempt had a result
    study.tell(again, 9.0)
    assert [(trial.value, trial.attempt) for trial in study.trials] == [(0.123, 1)]
