"""What a decision costs: a report and "does this trial go on?", by scheduler and number of trials.

    python benchmarks/overhead/bench_decide.py [--quick] [--schedulers asha,median] [--trials 1000,10000]

CPU time of folding one report and judging it, on an engine that has so many trials with STEPS reports already: the
median, the mean and the 99th percentile over a few hundred reports of new trials. Optuna's pruners in the same run
where it is installed, at a count that they can bear. The budget is 0.2 ms at 10,000 trials, for the mean.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kilter import plugins
from kilter.core.events import Ended, Entry, Report, Reported, Started, TrialState
from kilter.core.numbers import Float
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.engine.engine import Engine
from kilter.samplers.random import RandomSampler

RESULTS = Path(__file__).resolve().parents[1] / "results" / "decide.json"
STEPS = 50
BUDGET = 0.2
"""Milliseconds."""
SCHEDULERS = ("auto", "asha", "hyperband", "pasha", "median", "curve", "race", "threshold", "patient")
MEASURED = 20
"""Trials whose reports are measured."""


def curve(number: int) -> np.ndarray:
    """A noisy falling curve whose level and speed depend on the trial, (STEPS,)."""
    stream = np.random.default_rng(number)
    level, drop, speed = stream.uniform(0, 1), stream.uniform(0, 1), stream.uniform(0.3, 2)
    return level + drop * np.arange(1, STEPS + 1) ** -speed + 0.01 * stream.standard_normal(STEPS)


def grown(name: str, trials: int) -> tuple[Engine, list[int]]:
    """An engine that has seen so many trials to whatever end the scheduler gave them."""
    engine = Engine(Problem(Space({"x": Float(0, 1)})), RandomSampler(), plugins.find("scheduler", name), 0)
    position = [0]
    for number in range(trials):
        run(engine, number, position, name == "race", None)
    return engine, position


def run(engine: Engine, number: int, position: list[int], folds: bool, spent: list[float] | None) -> None:
    """One trial by the log; with `spent`, each report and its judgement is timed."""

    def add(event: Started | Reported | Ended) -> None:
        position[0] += 1
        engine.handle([Entry(position[0], event)])

    add(Started(number, 1, {"x": 0.5}, "w", position[0], float(number)))
    state, value = TrialState.COMPLETE, 0.0
    for step, value in enumerate(curve(number).tolist(), start=1):
        begun = time.process_time_ns()
        add(Reported(number, 1, (Report(0 if folds else step, {"value": value}, step if folds else None),), 0.0))
        judgement = engine.judge(number)
        if spent is not None:
            spent.append((time.process_time_ns() - begun) / 1e6)
        if judgement is not None:
            state = TrialState.PRUNED
            break
    add(Ended(number, 1, state, {"value": value}, float(number) + 1))


def ours(name: str, trials: int) -> list[float]:
    engine, position = grown(name, trials)
    spent: list[float] = []
    for number in range(trials, trials + MEASURED):
        run(engine, number, position, name == "race", spent)
    return spent


def optunas(name: str, trials: int) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0), pruner=getattr(optuna.pruners, name)())
    spent: list[float] = []
    for number in range(trials + MEASURED):
        trial = study.ask()
        for step, value in enumerate(curve(number).tolist(), start=1):
            begun = time.process_time_ns()
            trial.report(value, step)
            stops = number >= trials and trial.should_prune()
            if number >= trials:
                spent.append((time.process_time_ns() - begun) / 1e6)
            if stops:
                break
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return spent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--schedulers", default=",".join(SCHEDULERS))
    options.add_argument("--trials", default="1000,10000")
    options.add_argument("--quick", action="store_true", help="200 trials, nothing is written")
    chosen = options.parse_args()
    counts = [200] if chosen.quick else [int(count) for count in chosen.trials.split(",")]
    rows: list[tuple[str, int, Callable[[str, int], list[float]]]] = []
    rows += [(name, count, ours) for name in chosen.schedulers.split(",") for count in counts]
    try:
        import optuna  # noqa: F401
    except ImportError:
        print("skipped: Optuna is not installed, so its pruners are not measured")
    else:
        rows += [(name, min(counts), optunas) for name in ("MedianPruner", "SuccessiveHalvingPruner")]
    found = []
    for name, count, measured in rows:
        spent = measured(name, count)
        middle, mean, most = float(np.median(spent)), float(np.mean(spent)), float(np.quantile(spent, 0.99))
        over = " over budget" if measured is ours and mean > BUDGET else ""
        print(f"{name:24} {count:6} trials   {middle:8.4f} ms   mean {mean:8.4f}   99 % {most:8.4f}{over}", flush=True)
        found.append(
            {
                "scheduler": name,
                "trials": count,
                "median_ms": middle,
                "mean_ms": mean,
                "p99_ms": most,
                "reports": len(spent),
            }
        )
    if not chosen.quick:
        about = {"command": " ".join(sys.argv), "python": platform.python_version(), "steps": STEPS}
        RESULTS.write_text(json.dumps({**about, "costs": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
