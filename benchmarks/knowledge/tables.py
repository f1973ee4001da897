"""Small tables that anybody can make: scikit-learn's own, and generated ones with their truth known by many rows.

Every table gives rows to train on and rows to test on. Generated ones have few rows to train on, as those that are
tuned most have, and thousands to test on, so that which setting is better is no luck. A user's own come from a folder
of CSV files whose last column is the target.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

TESTED = 2000
"""Rows of a generated table that are tested on."""
MOST = 800
"""Rows of any table that are trained on."""


@dataclass(frozen=True)
class Table:
    """A split table, by name."""

    name: str
    rows: np.ndarray
    target: np.ndarray
    test_rows: np.ndarray
    test_target: np.ndarray


def classification() -> Iterator[Table]:
    """Tables with classes."""
    for name in ("breast_cancer", "wine", "digits", "iris"):
        rows, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield _split(name, rows, labels, 0.5, stratify=labels)
    for name, rows, labels, tested in _generated(CLASSES, 0):
        yield _split(name, rows, labels, tested)


def regression() -> Iterator[Table]:
    """Tables with numbers to predict, of mean 0 and standard deviation 1."""
    rows, target = datasets.load_diabetes(return_X_y=True)
    yield _split("diabetes", rows, _standard(target), 0.5)
    for name, rows, target, tested in _generated(NUMBERS, 100):
        yield _split(name, rows, _standard(target), tested)


def kind(name: str) -> str:
    """What a table is one of: tables of a kind are alike but for their rows.

    >>> kind("rings (250)")
    'rings'
    """
    return name.split(" (", maxsplit=1)[0]


def of_folder(folder: Path) -> Iterator[Table]:
    """A user's tables: CSV files of numbers, the target in the last column."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            data = list(csv.reader(file))[1:]
        rows = np.array([[float(cell or "nan") for cell in row[:-1]] for row in data])
        rows = np.where(np.isnan(rows), np.nanmedian(rows, axis=0), rows)
        labels = np.unique([row[-1] for row in data], return_inverse=True)[1]
        yield _split(path.stem, rows, labels, 0.5, stratify=labels)


def _generated(
    makers: Sequence[tuple[str, int, Callable]], seed: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray, float]]:
    """Each at two sizes: name, rows, target, the share to test on."""
    for number, (name, count, make) in enumerate(makers):
        for place, size in enumerate((count // 2, count * 3 // 2)):
            rows, target = make(size + TESTED, np.random.RandomState(seed + 2 * number + place))
            yield f"{name} ({size})", rows, target, TESTED / (size + TESTED)


def _split(name: str, rows: np.ndarray, target: np.ndarray, tested: float, stratify: np.ndarray | None = None) -> Table:
    parts = train_test_split(rows, target, test_size=tested, random_state=0, stratify=stratify)
    return Table(name, parts[0][:MOST], parts[2][:MOST], parts[1], parts[3])


def _standard(target: np.ndarray) -> np.ndarray:
    return (target - target.mean()) / target.std()


def _clusters(
    columns: int, informative: int, classes: int, clusters: int, separation: float, flipped: float
) -> Callable:
    def make(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        return datasets.make_classification(
            n, columns, n_informative=informative, n_redundant=min(2, columns - informative), n_classes=classes,
            n_clusters_per_class=clusters, class_sep=separation, flip_y=flipped, random_state=chance,
        )  # fmt: skip

    return make


def _skewed(make: Callable) -> Callable:
    """With every second column of a long tail, as amounts and counts have, in steps."""

    def skewed(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        rows, labels = make(n, chance)
        rows[:, ::2] = np.exp(rows[:, ::2]).round(1)
        return rows, labels

    return skewed


def _rings(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    return datasets.make_gaussian_quantiles(n_samples=n, n_features=6, n_classes=3, random_state=chance)


def _rules(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A tree's world: thresholds on a few of many columns, and one label in ten wrong."""
    rows = chance.uniform(size=(n, 12))
    labels = np.where(rows[:, 0] > 0.5, rows[:, 1] > 0.3, (rows[:, 2] > 0.6) & (rows[:, 3] < 0.7)).astype(int)
    return rows, np.where(chance.uniform(size=n) < 0.1, 1 - labels, labels)


def _risks(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A linear risk of a rare event, with strong noise, as in credit and medicine."""
    rows = chance.standard_normal((n, 20)) @ chance.standard_normal((20, 20)) / 4
    risk = rows[:, :8] @ np.linspace(1.0, 0.1, 8) - 1.2
    return rows, (chance.uniform(size=n) < 1 / (1 + np.exp(-2 * risk))).astype(int)


def _products(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    rows = chance.standard_normal((n, 8))
    return rows, (rows[:, 0] * rows[:, 1] + 0.5 * rows[:, 2] + 0.5 * chance.standard_normal(n) > 0).astype(int)


def _moons(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    return datasets.make_moons(n, noise=0.25, random_state=chance)


CLASSES: tuple[tuple[str, int, Callable], ...] = (
    ("clusters", 400, _clusters(20, 8, 2, 3, 1.0, 0.05)),
    ("clusters of five", 600, _clusters(15, 10, 5, 2, 1.2, 0.02)),
    ("few of many columns", 250, _clusters(60, 5, 2, 2, 1.0, 0.05)),
    ("noisy labels", 500, _clusters(10, 5, 2, 2, 1.0, 0.3)),
    ("skewed clusters", 500, _skewed(_clusters(12, 8, 3, 2, 1.2, 0.05))),
    ("easy clusters", 300, _clusters(8, 5, 2, 1, 1.5, 0.02)),
    ("rings", 500, _rings),
    ("rules", 400, _rules),
    ("risks", 600, _risks),
    ("products", 400, _products),
    ("moons", 200, _moons),
)
"""Name -> rows to train on, and what makes rows and labels."""


def _friedman(number: int, noise: float) -> Callable:
    def make(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        return getattr(datasets, f"make_friedman{number}")(n, noise=noise, random_state=chance)

    return make


def _linear(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    return datasets.make_regression(n, 30, n_informative=10, noise=80.0, random_state=chance)


def _steps(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    rows = chance.uniform(size=(n, 10))
    return rows, (rows[:, :4] > 0.5) @ np.array([2.0, 1.0, 1.0, 0.5]) + 0.5 * chance.standard_normal(n)


def _amounts(n: int, chance: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    rows = chance.lognormal(size=(n, 8))
    return rows, np.log(rows[:, 0] * rows[:, 1] + rows[:, 2]) + 0.4 * chance.standard_normal(n)


NUMBERS: tuple[tuple[str, int, Callable], ...] = (
    ("friedman 1", 400, _friedman(1, 1.0)),
    ("friedman 2", 300, _friedman(2, 100.0)),
    ("friedman 3", 500, _friedman(3, 0.1)),
    ("linear", 250, _linear),
    ("steps", 500, _steps),
    ("amounts", 500, _amounts),
)
"""Name -> rows to train on, and what makes rows and numbers."""
