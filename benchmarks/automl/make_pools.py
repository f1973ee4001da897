"""Fit many configurations on many tables once and keep what they predict: recipes are then tried without a fit.

    python benchmarks/automl/make_pools.py TABLES POOLS [NAME …]

TABLES is a folder as tables.py has it. In POOLS/NAME lie

    table.npz  y, test_y; fold: (n,) in which a row is scored; log: whether members learned log1p(y); kind; columns;
               rows: of the table to train on, before they were cut; encoding: (folds,) seconds
    NN.npz     oof, test: what a configuration predicts, for test rows the mean of the folds' models; each:
               (folds, test rows[, k]), those of each fold's model; seconds: (folds,) of CPU
    NN.json    member, params

What lies there is not made again.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from configurations import all_of_them
from tables import Problem, load, names

from kilter.automl.encoding import fit_encoder
from kilter.automl.members import member
from kilter.automl.members.member import Matrix, Rows
from kilter.automl.reading import read
from kilter.automl.task import Task

ROWS = 1_500, 3_000  # to train on, to test on
FOLDS = 3
SEED = 100  # of the cut: not one that an exam has
VIEWS = ("tree", "dense", "pairs")
ALLOWANCE = 2.0  # seconds of a fit


@dataclass(frozen=True)
class Fold:
    """One fold: rows in and out, and the matrices of (training, validation, test) by view."""

    inside: np.ndarray
    outside: np.ndarray
    views: dict[str, tuple[Matrix, Matrix, Matrix]]
    seconds: float


def folds_of(problem: Problem, task: Task, y: np.ndarray) -> list[Fold]:
    from sklearn.model_selection import KFold, StratifiedKFold

    reading = read(problem.frame)
    table, test = reading.table(problem.frame), reading.table(problem.test_frame)
    splitter = (KFold if task.is_regression else StratifiedKFold)(FOLDS, shuffle=True, random_state=SEED)
    folds = []
    for k, (a, b) in enumerate(splitter.split(np.zeros(len(y)), y)):
        began = time.process_time()
        encoder, inside = fit_encoder(table.rows(a), y[a], task, SEED + k, VIEWS)
        outside = {v: encoder.transform(table.rows(b), v) for v in VIEWS}
        seconds = time.process_time() - began
        views = {v: (inside[v], outside[v], encoder.transform(test, v)) for v in VIEWS}
        folds.append(Fold(a, b, views, seconds))
    return folds


def evaluated(name: str, params: dict, folds: list[Fold], task: Task, y: np.ndarray, rows: int, log: bool) -> dict:
    """What a configuration predicts out of fold and for test rows, and the seconds of each fold."""
    of = member(name)
    to, back = (np.log1p, np.expm1) if log else (np.asarray, np.asarray)
    oof, each, seconds = task.blank(len(y)), [], []
    for k, fold in enumerate(folds):
        train, valid, new = fold.views[of.view]
        began = time.process_time()
        deadline = began + ALLOWANCE
        inside, outside = Rows(train, to(y[fold.inside])), Rows(valid, to(y[fold.outside]))
        fitted, held_out = of.fit_and_hold_out(
            params, inside, outside, task, SEED + k, lambda until=deadline: until - time.process_time()
        )
        oof[fold.outside] = back(held_out)
        seconds.append(time.process_time() - began)
        each.append(back(fitted.predict(new)))
    if task.is_regression:
        span = 0.05 * (y.max() - y.min())
        oof, each = (np.clip(p, y.min() - span, y.max() + span) for p in (oof, each))
    found = {"oof": oof, "test": np.mean(each, axis=0), "each": np.asarray(each)}
    return {k: v.astype(np.float32) for k, v in found.items()} | {"seconds": np.array(seconds)}


def skewed(y: np.ndarray) -> bool:
    z = (y - y.mean()) / (y.std() + 1e-12)
    return bool(y.min() >= 0 and abs((z**3).mean()) > 1)


def logged(folds: list[Fold], task: Task, y: np.ndarray, rows: int) -> bool:
    """Whether the first configuration does better on log1p(y)."""
    if not (task.is_regression and skewed(y)):
        return False
    error = [((evaluated("lightgbm", {}, folds, task, y, rows, log)["oof"] - y) ** 2).mean() for log in (False, True)]
    return bool(error[1] < error[0])


def make(tables: Path, pools: Path, name: str) -> None:
    """The pool of one table."""
    problem = load(name, SEED, tables, ROWS)
    task, y, test_y = targets(problem)
    into = pools / name
    into.mkdir(parents=True, exist_ok=True)
    folds = folds_of(problem, task, y)
    if not (into / "table.npz").exists():
        of = np.zeros(len(y), np.int8)
        for k, fold in enumerate(folds):
            of[fold.outside] = k
        log, encoding = logged(folds, task, y, len(test_y)), [fold.seconds for fold in folds]
        shape = {"columns": problem.frame.shape[1], "rows": problem.rows}
        np.savez(into / "table.npz", y=y, test_y=test_y, fold=of, log=log, kind=task.kind, encoding=encoding, **shape)
    log = bool(np.load(into / "table.npz")["log"])
    for i, (of_member, params) in enumerate(all_of_them()):
        if (into / f"{i:02}.npz").exists():
            continue
        try:
            found = evaluated(of_member, params, folds, task, y, len(test_y), log)
        except (ValueError, MemoryError, KeyError) as error:
            print(f"{name} {i} {of_member} {params}: {error}", flush=True)
            continue
        np.savez(into / f"{i:02}.npz", **found)
        (into / f"{i:02}.json").write_text(json.dumps([of_member, params]))
    print(f"{name}: {time.process_time():.0f} s of CPU so far", flush=True)


def targets(problem: Problem) -> tuple[Task, np.ndarray, np.ndarray]:
    if problem.kind == "regression":
        return Task("regression"), problem.y, problem.test_y
    classes, y = np.unique(problem.y, return_inverse=True)
    return Task(problem.kind, tuple(classes.tolist())), y, np.searchsorted(classes, problem.test_y)


def main(tables: str, pools: str, *chosen: str) -> None:
    warnings.simplefilter("ignore")
    for name in chosen or names(Path(tables)):
        make(Path(tables), Path(pools), name)


if __name__ == "__main__":
    main(*sys.argv[1:])
