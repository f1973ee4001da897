"""Nothing is there to find: what winner and estimate say of studies whose configurations are all worth the same.

    python benchmarks/generalisation/bench_null.py --cache FOLDER [--draws 60]

Of 200 rows with 8 columns of noise and random labels, 20 configurations, the default first, scored on five folds: drawn
at random, and for vectors by kilter's own search. The truth is .5 for all. And two simulations without fits: luck that
each score has for itself, and luck that neighbours share. Fits are kept in the folder.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import kilter
from kilter import Float, Int, Space
from kilter.analysis.design import Design, Part
from kilter.analysis.estimate import estimate
from kilter.analysis.winner import winner
from kilter.core.attributes import DEFAULT
from kilter.core.events import Ended, Enqueued, Report, Reported, Started, TrialState
from kilter.core.history import History
from kilter.core.problem import Objective, Problem
from kilter.evaluation import CrossValidation
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

ROWS, COLUMNS, FOLDS, TRIALS = 200, 8, 5, 20
Params = dict[str, Any]
VECTORS = Space({"C": Float(1e-3, 1e3, log=True), "gamma": Float(1e-4, 10.0, log=True)})
SEARCHED = Space({"C": Float(1e-2, 1e2, log=True), "gamma": Float(1e-3, 1.0, log=True)})
NEIGHBOURS = Space({"n_neighbors": Int(1, 60, log=True), "p": Float(1.0, 3.0)})
LEARNERS: dict[str, tuple[Space, Params, Callable[[Params], Any]]] = {
    "vectors": (VECTORS, {"C": 1.0, "gamma": 0.1}, lambda p: SVC(**p)),
    "neighbours": (NEIGHBOURS, {"n_neighbors": 5, "p": 2.0}, lambda p: KNeighborsClassifier(**p)),
}
"""Space, default and model of each."""


def scored(name: str, seed: int) -> tuple[list[Params], np.ndarray]:
    """Configurations, and on each fold their area under the curve and their accuracy, (c, folds, 2)."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((ROWS, COLUMNS)), rng.integers(2, size=ROWS)
    space, default, make = LEARNERS[name]
    params: list[Params] = [default, *(dict(space.draw(rng)) for _ in range(TRIALS - 1))]
    splits = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y))
    scores = np.zeros((TRIALS, FOLDS, 2))
    for i, each in enumerate(params):
        for j, (train, test) in enumerate(splits):
            model = make_pipeline(StandardScaler(), make(each)).fit(x[train], y[train])
            if hasattr(model, "decision_function"):
                shown = model.decision_function(x[test])
            else:
                shown = model.predict_proba(x[test])[:, 1]
            scores[i, j] = roc_auc_score(y[test], shown), accuracy_score(y[test], model.predict(x[test]))
    return params, scores


def searched(scoring: str, seed: int) -> tuple[list[Params], np.ndarray]:
    """Configurations of kilter's own search, which gathers where luck was, and scores on each fold (c, folds)."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((ROWS, COLUMNS)), rng.integers(2, size=ROWS)
    objective = CrossValidation(FOLDS).objective(SVC(gamma=0.1), x, y, scoring=scoring)
    study = kilter.tune(objective, SEARCHED, n_trials=TRIALS, seed=seed, scheduler="fifo", progress="none")
    return [dict(trial.params) for trial in study.trials], np.array(
        [[trial.folds[fold] for fold in sorted(trial.folds)] for trial in study.trials]
    )


def simulated(alike: bool, seed: int) -> tuple[list[Params], np.ndarray]:
    """The same without fits: each score has luck for itself, or neighbours share it."""
    rng = np.random.default_rng(seed)
    params: list[Params] = [LEARNERS["vectors"][1], *(dict(VECTORS.draw(rng)) for _ in range(TRIALS - 1))]
    at = np.log([[each["C"] / 1e3, each["gamma"] * 0.1] for each in params]) / np.log([1e6, 1e5])
    apart = np.abs(at[:, None] - at).sum(axis=2)
    luck = np.exp(-2.0 * apart) if alike else np.eye(TRIALS)
    own = np.linalg.cholesky(luck + 1e-9 * np.eye(TRIALS)) @ rng.standard_normal((TRIALS, FOLDS))
    return params, 0.5 + 0.05 * own[:, :, None] + 0.05 * rng.standard_normal((FOLDS, 1))


def kept(
    folder: pathlib.Path, name: str, make: Callable[[int], tuple[list[Params], np.ndarray]], draws: int
) -> list[tuple[list[Params], np.ndarray]]:
    """Configurations and scores of each draw, made where they are not in the folder yet."""
    told = []
    for seed in range(draws):
        path = folder / f"{name}-{seed}.npz"
        if not path.exists():
            params, scores = make(seed)
            np.savez(path, params=np.array([json.dumps(each) for each in params]), scores=scores)
        with np.load(path) as file:
            told.append(([json.loads(str(each)) for each in file["params"]], file["scores"]))
    return told


def studies(folder: pathlib.Path, draws: int) -> Iterator[tuple[str, list[tuple[list[Params], np.ndarray]]]]:
    """By name, the area under the curve and the accuracy of each learner, and the simulations."""
    folder.mkdir(parents=True, exist_ok=True)
    for scoring in ("roc_auc", "accuracy"):
        yield f"searched, {scoring}", kept(folder, f"searched-{scoring}", partial(searched, scoring), draws)
    for name in LEARNERS:
        told = kept(folder, name, partial(scored, name), draws)
        for place, metric in enumerate(["area", "accuracy"]):
            yield f"{name}, {metric}", [(params, scores[:, :, place]) for params, scores in told]
    for alike in (False, True):
        drawn = [simulated(alike, seed) for seed in range(draws)]
        yield f"luck {'of neighbours' if alike else 'of each'}", [(params, each[:, :, 0]) for params, each in drawn]


def study_of(params: list[Params], scores: np.ndarray, space: Space) -> tuple[History, Design]:
    """As a search would have left it."""
    log = Log(RandomSampler(), Problem(space, (Objective("value", "maximize"),)), 0)
    for number, (config, row) in enumerate(zip(params, scores)):
        log.write(Enqueued(number, config, 0.0, attrs={DEFAULT: True} if number == 0 else {}))
        log.write(Started(number, 1, config, "w", log.engine.position, 10.0, fresh=False))
        log.write(Reported(number, 1, tuple(Report(0, {"value": s}, f) for f, s in enumerate(row.tolist())), 10.0))
        log.write(Ended(number, 1, TrialState.COMPLETE, {"value": float(row.mean())}, 10.0))
    tested = ROWS // FOLDS
    parts = tuple(Part(fold, train=ROWS - tested, test=tested) for fold in range(FOLDS))
    return log.engine.history, Design(parts)


def rows(folder: pathlib.Path, draws: int) -> Iterator[str]:
    """The table."""
    yield "| study | P > 99 % | P > 90 % | default left | mean P | observed | estimate | gain told | interval holds |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, told in studies(folder, draws):
        space = SEARCHED if "searched" in name else LEARNERS.get(name.split(",")[0], LEARNERS["vectors"])[0]
        found = []
        for params, scores in told:
            history, design = study_of(params, scores, space)
            chosen, expected = winner(history, design), estimate(history, design)
            assert chosen is not None and chosen.better is not None and expected is not None
            holds = expected.low <= 0.5 <= expected.high
            bias = [100 * (each - 0.5) for each in (scores.mean(axis=1).max(), expected.value)]
            left = [chosen.better > 0.99, chosen.better > 0.9, not chosen.is_default, chosen.better]
            found.append([*left, *bias, 100 * (expected.gain or 0.0), holds])
        surest, sure, left, better, observed, value, gain, held = np.mean(found, axis=0)
        cells = [f"{surest:.0%}", f"{sure:.0%}", f"{left:.0%}", f"{better:.0%}"]
        yield " | ".join([f"| {name}", *cells, f"{observed:+.2f}", f"{value:+.2f}", f"{gain:+.2f}", f"{held:.0%} |"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--draws", type=int, default=60)
    arguments = parser.parse_args()
    print("\n".join(rows(arguments.cache, arguments.draws)))
