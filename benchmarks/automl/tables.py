"""Tables to learn and to compare on, each cut into a part to train on and a part to test on.

Without a folder: four that scikit-learn ships and three that are generated. A folder of your own holds NAME.parquet
with a column `target`, and index.json: {NAME: {"kind": "binary" | "multiclass" | "regression"}}.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

Most = tuple[int, int]
"""Rows to train on and rows to test on, at most."""
ALL: Most = (30_000, 20_000)
SHARE = 0.6
"""Of the rows of a table that is not generated to train on."""


@dataclass(frozen=True)
class Problem:
    """One table, cut in two. y are numbers, or classes as strings."""

    name: str
    kind: str
    frame: pd.DataFrame
    y: np.ndarray
    test_frame: pd.DataFrame
    test_y: np.ndarray
    rows: int
    """Rows to train on where they are not cut down."""


def names(folder: Path | None = None) -> list[str]:
    """What there is in a folder, or without one."""
    return sorted(json.loads((folder / "index.json").read_text()) if folder else [*SHIPPED, *GENERATED])


def load(name: str, seed: int, folder: Path | None = None, most: Most = ALL) -> Problem:
    """One table, cut by a seed; generated ones are made by it, 2,000 rows to train on and 10,000 to test on."""
    if folder:
        frame = pd.read_parquet(folder / f"{name}.parquet")
        kind, y = json.loads((folder / "index.json").read_text())[name]["kind"], frame.pop("target").to_numpy()
        rows = int(SHARE * len(y))
    elif name in SHIPPED:
        kind, frame, y = _shipped(name)
        rows = int(SHARE * len(y))
    else:
        kind, make = GENERATED[name]
        frame, y = make(np.random.default_rng(seed), 12_000)
        rows = 2_000
    y = np.asarray(y, float) if kind == "regression" else np.asarray(y, object).astype(str)
    return _cut(name, kind, frame, y, seed, min(rows, ALL[0]), most)


def _cut(name: str, kind: str, frame: pd.DataFrame, y: np.ndarray, seed: int, rows: int, most: Most) -> Problem:
    from sklearn.model_selection import train_test_split

    by = None if kind == "regression" else y
    train, test = train_test_split(np.arange(len(y)), train_size=min(rows, most[0]), random_state=seed, stratify=by)
    parts = [frame.iloc[i].reset_index(drop=True) for i in (train, test[: most[1]])]
    return Problem(name, kind, parts[0], y[train], parts[1], y[test[: most[1]]], rows)


# -- scikit-learn's ---------------------------------------------------------------------------------------------------

SHIPPED = {"breast_cancer": "binary", "wine": "multiclass", "digits": "multiclass", "diabetes": "regression"}


def _shipped(name: str) -> tuple[str, pd.DataFrame, np.ndarray]:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    return SHIPPED[name], bunch.data, bunch.target.to_numpy()


# -- generated --------------------------------------------------------------------------------------------------------


def _parcels(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Whether a parcel comes back: a table as shops have it.

    Sellers differ, Mondays are worse, what customers write tells something, heavy parcels lack their weight more often.
    """
    seller, weight, price = rng.integers(0, 120, n), rng.lognormal(0, 0.8, n), rng.lognormal(3, 1, n)
    sent = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    size = rng.choice(["S", "M", "L", "XL"], n, p=[0.4, 0.3, 0.2, 0.1])
    angry = rng.random(n) < 0.3
    words = np.where(angry, rng.choice(["torn box", "still waiting", "wrong colour"], n), "thank you")
    logit = rng.normal(0, 0.8, 120)[seller] + 0.9 * (sent.dayofweek == 0) + 1.2 * angry
    logit = logit + 0.6 * np.log(weight) * (size == "XL") - 0.3 * np.log(price) + rng.logistic(0, 0.5, n)
    frame = pd.DataFrame({
        "number": np.arange(n) + 10_000, "seller": [f"seller {i}" for i in seller], "sent": sent, "size": size,
        "weight": np.where(rng.random(n) < np.where(weight > 2, 0.4, 0.05), np.nan, weight), "price": price,
        "note": [f"order {rng.integers(99)} {w} please call" for w in words], "currency": "EUR",
    })  # fmt: skip
    return frame, np.where(logit > np.quantile(logit, 0.8), "back", "kept")


def _tilted(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A smooth function of tilted axes with one step, ten of twenty columns without meaning."""
    x = rng.uniform(-1, 1, (n, 20))
    z = x[:, :10] @ np.linalg.qr(rng.normal(size=(10, 10)))[0]
    y = 4 * np.sin(2 * z[:, 0]) + 3 * z[:, 1] * z[:, 2] + 2 * (z[:, 3] > 0.2) + z[:, 4] + rng.normal(0, 0.5, n)
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(20)]), y


def _shells(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Four classes by the distance from a centre in five of ten columns; one label in twenty is wrong."""
    x = rng.normal(size=(n, 10))
    far = (x[:, :5] ** 2).sum(1)
    y = np.digitize(far, np.quantile(far, [0.4, 0.7, 0.9]))
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(10)]), np.where(
        rng.random(n) < 0.05, rng.integers(0, 4, n), y
    )


Maker = Callable[[np.random.Generator, int], tuple[pd.DataFrame, np.ndarray]]
GENERATED: dict[str, tuple[str, Maker]] = {
    "parcels": ("binary", _parcels),
    "tilted": ("regression", _tilted),
    "shells": ("multiclass", _shells),
}
