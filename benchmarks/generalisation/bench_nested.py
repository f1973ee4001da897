"""What nested cross-validation and the estimate of one study say of new data, and how far that is from the truth.

    python benchmarks/generalisation/bench_nested.py FILE [--repetitions 12] [--tasks clusters-tree-300 …]

Each line of FILE is a task and repetition, done once. The truth of nested cross-validation is what the choices of its
outer folds score on fresh rows, as they were fitted there; that of the estimate what the winner of a study on all rows
scores, fitted on all. Both studies have so many TRIALS of INNER folds; nested has five times as many fits.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from tasks import TASKS, Task

import kilter
from kilter.evaluation import CrossValidation, nested

TRIALS, INNER, OUTER = 25, 3, 5


def line(task: Task, repetition: int) -> dict[str, Any]:
    """One task and repetition: what was said, and what is true."""
    (x, y), (fresh, truth) = task.draw(repetition)
    space = task.learner.space(x.shape[1])

    def scored(params: dict[str, Any], rows: np.ndarray) -> float:
        return task.score(truth, task.learner.predictions(params, x[rows], y[rows], [fresh])[0])

    def train(train: Any, test: Any, **params: Any) -> float:
        return task.score(test[1], task.learner.predictions(params, *train, [test[0]])[0])

    objective = CrossValidation(INNER, seed=repetition).objective(train, x, y)
    named: dict[str, Any] = {"maximize": True, "n_trials": TRIALS, "storage": None, "progress": "none"}
    study = kilter.tune(objective, space, seed=repetition, **named)
    estimate = study.estimate()
    outer = CrossValidation(OUTER, seed=repetition + 1)
    found = nested(objective, space, outer, seed=repetition, **named)
    of_folds = [scored(f.params, rows) for f, (rows, _) in zip(found.folds, objective.splits(outer))]
    return {
        "task": task.name,
        "repetition": repetition,
        "nested": [found.mean, *found.interval, float(np.mean(of_folds))],
        "estimate": [estimate.value, estimate.low, estimate.high, scored(study.recommend().params, np.arange(len(y)))],
        "observed": [study.best_value, np.nan, np.nan, scored(study.best_params, np.arange(len(y)))],
    }


def table(lines: list[dict[str, Any]]) -> str:
    """Bias, mean absolute error and coverage, in points."""
    rows = [f"{'':10} {'bias':>6} {'|error|':>8} {'held':>6}   ({len(lines)} runs, points of 100)"]
    for name in ("observed", "estimate", "nested"):
        value, low, high, truth = np.array([line[name] for line in lines]).T
        held = "" if np.isnan(low).all() else f"{np.mean((low <= truth) & (truth <= high)):6.0%}"
        rows.append(f"{name:10} {100 * np.mean(value - truth):6.2f} {100 * np.mean(abs(value - truth)):8.2f} {held}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repetitions", type=int, default=12)
    parser.add_argument("--tasks", nargs="*", default=["clusters-tree-300", "moons-neighbours-200"])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    given.file.touch()
    lines = [json.loads(text) for text in given.file.read_text().splitlines()]
    done = {(each["task"], each["repetition"]) for each in lines}
    for repetition in range(given.repetitions):
        for task in (each for each in TASKS if each.name in given.tasks):
            if (task.name, repetition) not in done:
                lines.append(line(task, repetition))
                with given.file.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
    for name in given.tasks:
        print(name, table([each for each in lines if each["task"] == name]), sep="\n")
    print("all", table(lines), sep="\n")


if __name__ == "__main__":
    main()
