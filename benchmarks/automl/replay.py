"""Recipes replayed on pools: what an ensemble of some configurations would have scored, without a fit.

v: (m, n) what m configurations predict for n rows: values, the probability of the second of two classes, or that of
the true one of many. An average of predictions is an average of these, and all losses follow from it: 1 − R², 1 − AUC,
log-loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from configurations import Configuration, all_of_them

from kilter.automl.weights import MOST, PATIENCE, STEPS


@dataclass
class Pool:
    """What make_pools.py has kept of one table. `places` says which row of v a configuration is, by its number."""

    folder: Path
    kind: str
    y: np.ndarray
    test_y: np.ndarray
    oof: np.ndarray
    test: np.ndarray
    seconds: np.ndarray
    """(m, folds): CPU of each fit."""
    by_fold: np.ndarray
    """(m, folds): loss on the rows of each fold."""
    encoding: float
    scale: float
    """Seconds of the pool that are as good as one on the whole table with its own number of folds."""
    places: dict[int, int]
    known: dict = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Pool:
        table = np.load(folder / "table.npz")
        kind, y, test_y = str(table["kind"]), table["y"], table["test_y"]
        numbers = [int(f.stem) for f in sorted(folder.glob("[0-9]*.npz"))]
        kept = [np.load(folder / f"{i:02}.npz") for i in numbers]
        oof = np.stack([seen(kind, k["oof"], y) for k in kept])
        test = np.stack([seen(kind, k["test"], test_y) for k in kept])
        out = [table["fold"] == k for k in range(len(table["encoding"]))]
        by_fold = np.stack([losses(kind, y[rows], oof[:, rows]) for rows in out], axis=1)
        seconds = np.stack([k["seconds"] for k in kept])
        encoding = float(np.sum(table["encoding"]))
        whole = int(table["rows"])
        scale = len(y) / whole * len(table["encoding"]) / (5 if whole <= 20_000 else 3)
        places = {n: i for i, n in enumerate(numbers)}
        return cls(folder, kind, y, test_y, oof, test, seconds, by_fold, encoding, scale, places)

    @property
    def name(self) -> str:
        return self.folder.name

    def each(self, number: int) -> np.ndarray:
        """(folds, test rows): what each fold's model of a configuration predicts."""
        return np.stack([seen(self.kind, of, self.test_y) for of in np.load(self.folder / f"{number:02}.npz")["each"]])

    def loss(self, numbers: Iterable[int]) -> float:
        """Test loss of the ensemble of these configurations, weighted by what they predict out of fold."""
        return self.both(numbers)[1]

    def both(self, numbers: Iterable[int]) -> tuple[float, float]:
        """Loss of that ensemble out of fold, which the weights flatter a little, and on the test part."""
        key = frozenset(numbers)
        if key not in self.known:
            at = [self.places[i] for i in sorted(key)]
            weights = greedy(self.kind, self.y, self.oof[at])
            parts = (self.y, self.oof), (self.test_y, self.test)
            self.known[key] = tuple(float(losses(self.kind, y, (weights @ v[at])[None])[0]) for y, v in parts)
        return self.known[key]

    def single(self, number: int) -> float:
        """Loss out of fold of one configuration."""
        return float(losses(self.kind, self.y, self.oof[[self.places[number]]])[0])

    def cost(self, number: int) -> float:
        return float(self.seconds[self.places[number]].sum())


def seen(kind: str, predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) of (n,) values or (n, k) probabilities: the part that the loss looks at."""
    if kind == "regression":
        return predictions.astype(float)
    return predictions[:, 1].astype(float) if kind == "binary" else predictions[np.arange(len(y)), y].astype(float)


def losses(kind: str, y: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(m,) losses of v."""
    if kind == "regression":
        return ((v - y) ** 2).mean(1) / y.var()
    if kind == "multiclass":
        return -np.log(np.clip(v, 1e-7, 1)).mean(1)
    from scipy.stats import rankdata

    positive = y == 1
    ones = positive.sum()
    ranks = rankdata(v, axis=1)[:, positive].sum(1)
    return 1 - (ranks - ones * (ones + 1) / 2) / (ones * (len(y) - ones))


def greedy(kind: str, y: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(m,) weights as automl/weights.py gives them, of the MOST best ones."""
    some = np.argsort(losses(kind, y, v))[:MOST]
    weights = np.zeros(len(v))
    weights[some] = added(kind, y, v[some])
    return weights


def added(kind: str, y: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Weights by additions with replacement; the best of all prefixes."""
    count, total = np.zeros(len(v)), np.zeros(v.shape[1])
    best, kept, since = np.inf, count, 0
    for step in range(1, STEPS + 1):
        found = losses(kind, y, (total + v) / step)
        at = int(found.argmin())
        count[at] += 1
        total = total + v[at]
        since += 1
        if found[at] < best:
            best, kept, since = found[at], count.copy(), 0
        if since >= PATIENCE:
            break
    return kept / kept.sum()


def completed(pool: Pool, order: Sequence[int], budget: float, look: float = 0.4) -> list[int]:
    """Which of an order are complete after so many seconds, by the rules of automl/schedule.py: the first one; then one
    fold of each in a share of what is left; of those that are not hopeless the best of each family, and on by promise.
    """
    order = [i for i in order if i in pool.places]
    left = budget - pool.encoding - pool.cost(order[0])
    done, looks, until = [order[0]], [], left * (1 - look)
    for i in order[1:]:
        one = float(pool.seconds[pool.places[i], 0])
        if left - one > until:
            left -= one
            if not hopeless(pool, i, order[0]):
                looks.append(i)
    while looks:
        i = promising(pool, looks, done)
        looks.remove(i)
        rest = float(pool.seconds[pool.places[i], 1:].sum())
        if rest <= left:
            done.append(i)
            left -= rest
    return done


def hopeless(pool: Pool, number: int, leader: int) -> bool:
    """Whether the first fold says that this configuration will have no weight."""
    mine, theirs = pool.by_fold[pool.places[number], 0], pool.by_fold[pool.places[leader]]
    width = max(theirs.std(), 0.02 * theirs.mean())
    return bool(mine - theirs[0] > 3.0 * width * (1.5 if family(number) != family(leader) else 1.0))


def promising(pool: Pool, looks: Sequence[int], done: Sequence[int]) -> int:
    known = {family(i) for i in done}
    fresh = [i for i in looks if family(i) not in known]
    return min(fresh or looks, key=lambda i: float(pool.by_fold[pool.places[i], 0]))


def family(number: int) -> str:
    return all_of_them()[number][0]


def pools(folder: Path, least: int = 28) -> list[Pool]:
    """All pools of a folder that are complete enough."""
    found = [f for f in sorted(folder.iterdir()) if (f / "table.npz").exists()]
    return [Pool.read(f) for f in found if len(list(f.glob("[0-9]*.npz"))) >= least]


def words(configuration: Configuration) -> str:
    name, params = configuration
    return f"{name} {json.dumps(params)}"
