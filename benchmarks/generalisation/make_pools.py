"""Pools: many configurations of each task, with all that a replay needs, so that no rule has to fit anything again.

    python benchmarks/generalisation/make_pools.py --pools FOLDER [--streams random auto] [--repetitions 10]

A pool is one file TASK/REPETITION-STREAM.npz. Its configurations are in the order in which they were tried, the
default first: drawn at random (`random`), or by kilter's own sampler led by the mean over all folds (`auto`) or by the
first fold alone (`holdout`). Of each there are `params` as JSON, `folds` (c, 5), the scores of the folds,
`predictions` (c, n), those of each row by the model that did not see it, and `test` (c,), the score on the rows of the
outer test after a fit on all n rows; further `y` (n,), `fold` (n,), the fold that tests a row, `seconds` (c,).
Scores are larger where they are better. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from tasks import TASKS, Task

import kilter

COUNT = 200
STREAMS = ("random", "auto", "holdout")


def pool(task: Task, repetition: int, stream: str) -> dict[str, Any]:
    """Of one repetition of a task."""
    (x, y), (fresh, truth) = task.draw(repetition)
    splits = task.splits(y, repetition)
    fold = np.empty(len(y), dtype=int)
    for number, (_, test) in enumerate(splits):
        fold[test] = number
    space = task.learner.space(x.shape[1])
    found: dict[str, list[Any]] = {name: [] for name in ("params", "folds", "predictions", "test", "seconds")}

    def tried(params: dict[str, Any]) -> np.ndarray:
        began = time.perf_counter()
        predictions, scores = np.empty(len(y)), np.empty(len(splits))
        for number, (train, test) in enumerate(splits):
            predictions[test] = task.learner.predictions(params, x[train], y[train], [x[test]])[0]
            scores[number] = task.score(y[test], predictions[test])
        found["seconds"].append(time.perf_counter() - began)
        found["test"].append(task.score(truth, task.learner.predictions(params, x, y, [fresh])[0]))
        found["params"].append(json.dumps(params))
        found["folds"].append(scores)
        found["predictions"].append(predictions.astype("f4"))
        return scores

    SEARCHES[stream](space, tried, repetition)
    return {**{name: np.array(each) for name, each in found.items()}, "y": y, "fold": fold.astype("i1")}


def at_random(space: kilter.Space, tried: Any, seed: int) -> None:
    """The default, and then what a uniform draw gives."""
    stream = np.random.default_rng([seed, 15])
    tried(dict(space.defaults))
    for _ in range(COUNT - 1):
        tried(space.from_uniforms(stream.random(len(space))))


def led_by(folds: slice) -> Any:
    """The default, and then what kilter's sampler asks for, told the mean over these folds."""

    def search(space: kilter.Space, tried: Any, seed: int) -> None:
        study = kilter.create_study(space=space, direction="maximize", seed=seed)
        study.enqueue_trial(space.defaults)
        for _ in range(COUNT):
            trial = study.ask()
            study.tell(trial, float(tried(dict(trial.params))[folds].mean()))

    return search


SEARCHES = {"random": at_random, "auto": led_by(slice(None)), "holdout": led_by(slice(1))}


Wanted = tuple[Task, int, str, pathlib.Path]


def missing(folder: pathlib.Path, streams: list[str], repetitions: int) -> Iterator[Wanted]:
    """All repetitions of one stream of all tasks before the next."""
    for stream in streams:
        for repetition in range(repetitions):
            for task in TASKS:
                path = folder / task.name / f"{repetition}-{stream}.npz"
                if not path.exists():
                    yield task, repetition, stream, path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=pathlib.Path, required=True)
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=["random", "auto"])
    parser.add_argument("--repetitions", type=int, default=10)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    for task, repetition, stream, path in missing(asked.pools, asked.streams, asked.repetitions):
        began = time.process_time()
        made = pool(task, repetition, stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.tmp")
        with part.open("wb") as file:
            np.savez_compressed(file, **made)
        os.replace(part, path)
        print(f"{task.name} {repetition} {stream}: {time.process_time() - began:.1f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
