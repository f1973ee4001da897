"""How honest the honest score is, and what its corrections rest on: replayed on pools (make_pools.py), without a fit.

    python bench_honesty.py POOLS [NUMBER]

Ensembles of the first NUMBER configurations of each pool (14). All figures are shares of the test loss; above 0 is too
good. "gain" is what the mean of the folds' models scores more than one of them, on the same test rows, and "of skill"
that gain divided by (1 - 1 / folds) and by the skill. "flattery" is how much better the best
boosted trees, and the best network, look out of fold than their folds' models are on test rows, less the same of the
linear model, which had the same luck; about 0 where fits hold out rows (members/held_out.py).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kilter.automl.calibration import calibrated
from kilter.automl.honesty import estimate
from kilter.automl.metrics import Metric, metric_of
from kilter.automl.task import Task
from kilter.automl.weights import greedy, mixed


@dataclass(frozen=True)
class Kept:
    """What a pool knows of some configurations: `each` (m, folds, n_test[, k]) is of the models of folds."""

    name: str
    task: Task
    y: np.ndarray
    test_y: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    families: list[str]
    oof: np.ndarray
    each: np.ndarray

    @property
    def metric(self) -> Metric:
        return metric_of("auto", self.task)


class Row(NamedTuple):
    """Figures of one table, but for names and counts shares of its test loss."""

    table: str
    metric: str
    rows: int
    loss: float
    naive: float
    honest: float
    is_inside: bool
    gain: float
    of_skill: float
    error: float
    flattery: tuple[float, float]


def read(folder: Path, most: int) -> Kept:
    """The first configurations of a pool that have all folds; predictions of values are cut to the range of y."""
    table = np.load(folder / "table.npz")
    y, fold = table["y"], table["fold"]
    numbers = range(fold.max() + 1)
    found, families = [], []
    for file in sorted(folder.glob("[0-9]*.npz")):
        kept = np.load(file)
        if len(kept["each"]) == len(numbers) and len(found) < most:
            found.append((kept["oof"].astype(float), kept["each"].astype(float)))
            families.append(json.loads(file.with_suffix(".json").read_text())[0])
    oof, each = (np.stack(part) for part in zip(*found, strict=True))
    if oof.ndim == 2:
        ends = y.min() - 0.05 * np.ptp(y), y.max() + 0.05 * np.ptp(y)
        oof, each = oof.clip(*ends), each.clip(*ends)
    task = Task(str(table["kind"]), tuple(range(oof.shape[2])) if oof.ndim == 3 else ())
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in numbers]
    return Kept(folder.name, task, y, table["test_y"], folds, families, oof, each)


def judged(pool: Kept) -> Row:
    """What is said of the ensemble, and what is true."""
    metric, y, test_y, many = pool.metric, pool.y, pool.test_y, len(pool.folds)
    weights = greedy(pool.oof, y, metric, pool.families)
    said = estimate(pool.oof, weights, y, pool.folds, metric, pool.families)
    raw, each = mixed(weights, pool.oof), mixed(weights, pool.each)
    single, mean = (calibrated(raw, y, metric, models=models) for models in (1, many))
    true = metric.score(test_y, mean.scored(each.mean(axis=0), metric))
    one = float(np.mean([metric.score(test_y, single.scored(model, metric)) for model in each]))
    perfect = metric.perfect or 0.0
    loss, gain = perfect - true, true - one
    low, high = said.within(len(test_y))
    skill = 1 - (perfect - one) / (perfect - metric.score(test_y, blind(pool)))
    return Row(
        pool.name,
        metric.name,
        len(y),
        loss,
        (said.value + said.bias - true) / loss,
        (said.value - true) / loss,
        low <= true <= high,
        gain / loss,
        gain / (perfect - one) / (1 - 1 / many) / max(skill, 0.05),
        said.error / loss,
        (flattery(pool, "lightgbm"), flattery(pool, "mlp")),
    )


def blind(pool: Kept) -> np.ndarray:
    """What sees no column predicts for test rows."""
    if pool.task.is_regression:
        return np.full(len(pool.test_y), pool.y.mean())
    return np.tile(np.bincount(pool.y, minlength=pool.task.width) / len(pool.y), (len(pool.test_y), 1))


def flattery(pool: Kept, family: str) -> float:
    """Of the best configuration of a family, less that of the linear one; nan where the pool lacks one of them."""
    if not {family, "linear"} <= set(pool.families):
        return float("nan")
    return _flattery(pool, family) - _flattery(pool, "linear")


def _flattery(pool: Kept, family: str) -> float:
    metric, perfect = pool.metric, pool.metric.perfect or 0.0
    places = [i for i, name in enumerate(pool.families) if name == family]
    seen, i = max((metric.score(pool.y, pool.oof[i]), i) for i in places)
    true = np.mean([metric.score(pool.test_y, model) for model in pool.each[i]])
    return float(np.log((perfect - true) / (perfect - seen)))


def table(rows: list[Row]) -> None:
    """A line for each table, and the means."""
    print(f"{'':20} {'':8} rows   loss   naive honest inside  error   gain of skill flattery: trees network")
    for row in rows:
        trees, network = row.flattery
        print(
            f"{row.table:20} {row.metric:8} {row.rows:4} {row.loss:6.3f} {row.naive:+7.3f} {row.honest:+6.3f}"
            f" {'yes' if row.is_inside else 'no':>6} {row.error:6.3f} {row.gain:6.3f} {row.of_skill:8.3f}"
            f" {trees:+15.3f} {network:+7.3f}"
        )
    for name in ("naive", "honest", "gain", "of_skill", "error"):
        values = np.array([getattr(row, name) for row in rows])
        mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
        print(f"{name:9} mean {mean:+.4f} ± {error:.4f}, median {np.median(values):+.4f}, |.| {abs(values).mean():.4f}")
    flat = np.array([row.flattery for row in rows])
    print(
        "flattery of trees and network:",
        np.nanmean(flat, axis=0).round(3),
        "medians",
        np.nanmedian(flat, axis=0).round(3),
    )
    print(f"inside: {sum(row.is_inside for row in rows)} of {len(rows)}")


def main(folder: str, most: str = "14") -> None:
    tables = [each for each in sorted(Path(folder).iterdir()) if len(list(each.glob("[0-9]*.npz"))) >= int(most)]
    table([judged(read(each, int(most))) for each in tables])


if __name__ == "__main__":
    main(*sys.argv[1:])
