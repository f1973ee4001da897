"""Machines that share a storage and a URL, and have nothing else in common: each has a cache of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kilter
from kilter.core.events import TrialState
from kilter.objective.checkpoint import load

pytest.importorskip("fsspec")

LAST = 6

MACHINE = f"""
import os, sys, time, kilter
folder = sys.argv[1]

def train(trial):
    machine, history = os.environ["MACHINE"], trial.load() or []
    print("from", *dict.fromkeys(of for of, _, _ in history), flush=True)
    for step in range(len(history) + 1, int(trial.budget.get("steps", {LAST})) + 1):
        trial.report(trial.params["x"] / step, step)
        trial.save([*history, (machine, trial.number, step)])
        history.append((machine, trial.number, step))
        if machine in ("killed", "told") and step == 1:
            print("here", flush=True)
            while not trial.should_prune():
                time.sleep(0.01)
        if trial.should_prune():
            raise kilter.TrialPruned
    return trial.params["x"] / {LAST}

study = kilter.load_study(study_name="s", storage=f"{{folder}}/k.db", notice=30,
                          checkpoints=f"file://{{folder}}/there")
study.optimize(train, progress="none", limits=kilter.Limits(trials=9))
"""


def start(folder: Path, machine: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / machine), "MACHINE": machine}
    return subprocess.Popen([sys.executable, "-c", MACHINE, folder], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize(
    ("scheduler", "fidelity"),
    [
        (kilter.schedulers.PBTScheduler(population=3, interval=2, last_step=LAST), None),
        (kilter.schedulers.HyperbandScheduler(), kilter.Fidelity("steps", 1, LAST)),
    ],
    ids=["population", "hyperband"],
)
def test_trials_go_on_from_what_another_machine_saved(tmp_path: Path, scheduler, fidelity) -> None:
    there = f"file://{tmp_path}/there"
    settings = {"storage": f"sqlite:///{tmp_path}/k.db", "study_name": "s", "scheduler": scheduler}
    space = {"x": kilter.Float(0, 1)}
    kilter.create_study(**settings, space=space, seed=1, fidelity=fidelity, checkpoints=there).close()
    said: list[str] = []
    for machine, how in (("killed", signal.SIGKILL), ("told", signal.SIGTERM)):
        process = start(tmp_path, machine)
        assert process.stdout is not None
        said += iter(process.stdout.readline, "here\n")
        process.send_signal(how)
        process.wait(timeout=60)
    machines = [start(tmp_path, name) for name in ("one", "other")]
    said += [line for process in machines for line in process.communicate(timeout=100)[0].splitlines(keepends=True)]
    assert [process.returncode for process in machines] == [0, 0]
    assert "from killed\n" in said and any("told" in line for line in said)
    with kilter.load_study(
        storage=settings["storage"], study_name="s", checkpoints=there, keep_checkpoints=50
    ) as study:
        assert not study.history.running and not study.history.waiting
        complete = [trial.number for trial in study.get_trials(states=[TrialState.COMPLETE])]
        left = {trial.number: study.checkpoint_dir(trial) for trial in study.trials}
    kept = {number: load(directory) for number, directory in left.items() if directory is not None}
    assert complete and set(complete) <= set(kept)
    for number, history in kept.items():
        steps = [step for _, _, step in history]
        assert steps == list(range(1, len(steps) + 1)), f"trial {number} went on where it, or its parent, was"
        assert number not in complete or len(steps) == LAST
