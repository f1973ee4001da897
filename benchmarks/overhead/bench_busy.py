"""How much of their time slots run trials, while one process asks the sampler for all of them.

    python benchmarks/overhead/bench_busy.py [--problems hartmann-6,pipeline,zdt1] [--trials 1000] [--slots 8]
        [--seconds 0.2] [--where clock,threads,processes] [--sampler auto] [--output FILE]

`clock`: trials take simulated seconds, and the CPU time of this process is added to them, so that a busy machine does
not blur the figure. `threads` and `processes`: trials sleep, and seconds are those on the wall. A slot is busy from the
moment when its trial is handed over until that ends; the rest it waits for a suggestion.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import kilter
from kilter.bench.problems import find
from kilter.core.limits import Limits
from kilter.executors.processes import Processes
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.executors.threads import Threads

RESULTS = Path(__file__).resolve().parents[1] / "results" / "busy.json"
BUDGET = 0.9
"""The share of the time of slots that trials of 0.2 s should have, with eight slots and sampler 'auto'."""
SPREAD = 0.1
"""Trials last so much more or less, by their number: in step, slots would be served in turn, and hardly ever wait."""


class ThinkingClock(VirtualClock):
    """Simulated seconds, and those for which this process has the processor in between."""

    def __call__(self) -> float:
        return self.now + time.process_time()

    def advance(self, to: float) -> None:
        """Move on to a time, where it has not come already."""
        self.now += max(0.0, to - self())


def lasting(number: int, seconds: float) -> float:
    """How long a trial lasts."""
    share = (number * 0.6180339887498949) % 1.0
    return seconds * (1.0 + SPREAD * (2.0 * share - 1.0))


def shares(begun: list[float], ended: list[float], slots: int, at: list[int]) -> list[float]:
    """The share of the slots' time that trials had, between counts of trials that ended."""
    ends = np.sort(ended)
    found = []
    for first, last in pairwise(at):
        low, high = ends[first], ends[last - 1]
        within = np.minimum(ended, high) - np.maximum(begun, low)
        found.append(float(np.maximum(within, 0.0).sum() / (slots * (high - low))))
    return found


def by_the_clock(
    problem: Any, sampler: str, trials: int, slots: int, seconds: float
) -> tuple[list[float], list[float]]:
    """When trials began and ended, in simulated seconds."""
    clock, begun, ended = ThinkingClock(), [], []

    def objective(values: dict[str, Any]) -> tuple[Any, float]:
        length = lasting(len(begun), seconds)
        before = time.process_time()
        value = problem.noiseless(values)
        clock.now -= time.process_time() - before  # that is of the trial, which lasts as long as it says
        begun.append(clock())
        ended.append(clock() + length)
        return value, max(0.0, length)

    study = made(problem, sampler, clock=clock, lease=None)
    study.run(Simulated(slots, clock).start(objective), Limits(trials=trials), progress="none")
    return begun, ended


class Sleeping:
    """An objective that sleeps, here or in another process, and notes when it began and ended."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds

    def __call__(self, trial: kilter.Trial) -> dict[str, float]:
        begun = time.time()
        metrics = find([self.name])[0].noiseless(trial.params)
        time.sleep(max(0.0, begun + lasting(trial.number, self.seconds) - time.time()))
        trial.set_user_attr("span", [begun, time.time()])
        return metrics


def on_the_wall(
    where: str, problem: Any, sampler: str, trials: int, slots: int, seconds: float
) -> tuple[list[float], list[float]]:
    """The same in seconds on the wall, in threads or processes."""
    study = made(problem, sampler)
    executor = {"threads": Threads, "processes": Processes}[where](slots)
    study.optimize(Sleeping(problem.name, seconds), n_trials=trials, executor=executor, progress="none")
    spans = [trial.user_attrs["span"] for trial in study.trials if "span" in trial.user_attrs]
    return [span[0] for span in spans], [span[1] for span in spans]


def made(problem: Any, sampler: str, **settings: Any) -> kilter.Study:
    """A study of a problem in memory."""
    return kilter.create_study(
        space=problem.problem.space,
        directions={objective.name: objective.direction for objective in problem.problem.objectives},
        subject_to={c.metric: f"{c.relation} {c.bound!r}" for c in problem.problem.constraints},
        sampler=sampler,
        seed=0,
        **settings,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="hartmann-6,pipeline,mixed,branin+failing,zdt1")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--where", default="clock")
    parser.add_argument("--sampler", default="auto")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    at = [0, *(n for n in (200, 500) if n < options.trials), options.trials]
    print("| where | problem | " + " | ".join(f"busy to {n}" for n in at[1:]) + " | in all | |")
    print("|---|---|" + "--:|" * len(at) + "---|")
    rows = []
    for problem in find(options.problems.split(",")):
        for where in options.where.split(","):
            run = (problem, options.sampler, options.trials, options.slots, options.seconds)
            begun, ended = by_the_clock(*run) if where == "clock" else on_the_wall(where, *run)
            found = shares(begun, ended, options.slots, at)
            total = shares(begun, ended, options.slots, [0, at[-1]])[0]
            rows.append({"where": where, "problem": problem.name, "at": at[1:], "busy": found, "in_all": total})
            mark = "" if total >= BUDGET else f"UNDER {BUDGET:.0%}"
            print(f"| {where} | {problem.name} | " + " | ".join(f"{s:.1%}" for s in [*found, total]) + f" | {mark} |")
    about = {"settings": {**vars(options), "output": None}, "python": platform.python_version(), "rows": rows}
    options.output.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
