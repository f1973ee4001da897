"""A worker that lives dangerously: it keeps a diary, line by line, of what it has done and of what it was told.

python worker.py URL CHECKPOINTS TRIALS EXECUTOR SLOTS LEASE

ran      trial attempt step      it is about to do a step
saved    trial attempt step      the checkpoint has the step
wrong    trial attempt what      the checkpoint that it found is not that of its trial
told     trial attempt value     the study has told it that the trial has ended so
"""

import os
import sys
import time

import kilter
from kilter import executors
from kilter.core.limits import Limits

STEPS, PAUSE = 4, 0.01
SPACE = {"x": kilter.Float(0, 1)}
NAME = "chaos"


def write(*words):
    """A line of the diary, by one call of the system: it is there whole or not at all."""
    file = os.open(os.environ["DIARY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (" ".join(map(str, words)) + "\n").encode())
    os.close(file)


def objective(trial):
    x = trial.params["x"]
    state = trial.load() or {"x": x, "steps": []}
    if state["x"] != x or state["steps"] != sorted(state["steps"]):
        write("wrong", trial.number, trial.attempt, state)
    for step in range(len(state["steps"]) + 1, STEPS + 1):
        write("ran", trial.number, trial.attempt, step)
        time.sleep(PAUSE)
        trial.report(x * step, step)
        state["steps"].append(trial.attempt)
        trial.save(state)
        write("saved", trial.number, trial.attempt, step)
    return x


def told(study, trial):
    if trial.state is kilter.TrialState.COMPLETE:
        write("told", trial.number, trial.attempt, repr(trial.value))


def chosen(name, slots):
    """The executor of a name; a cluster's by its address."""
    kind, _, address = name.partition("@")
    if kind == "dask":
        return executors.DaskExecutor(address, slots=slots)
    if kind == "ray":
        return executors.RayExecutor(slots, address=address)
    return {"inline": executors.Inline, "threads": executors.Threads, "processes": executors.Processes}[kind](slots)


def main(url, checkpoints, trials, executor, slots, lease):
    study = kilter.create_study(
        storage=url, study_name=NAME, space=SPACE, sampler="random", seed=3, load_if_exists=True,
        lease=float(lease), checkpoints=checkpoints,
    )  # fmt: skip
    study.optimize(
        objective, limits=Limits(trials=int(trials)), callbacks=[told], progress="none",
        executor=chosen(executor, int(slots)),
    )  # fmt: skip
    study.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
