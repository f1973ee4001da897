"""The configurations that pools are made of: those that a portfolio may choose from, the plain ones first."""

from __future__ import annotations

from functools import cache

import numpy as np

Configuration = tuple[str, dict[str, object]]

BY_HAND: list[Configuration] = [
    ("lightgbm", {}),
    ("mlp", {}),
    ("linear", {}),
    (
        "lightgbm",
        {"extra_trees": True, "colsample_bytree": 0.6, "num_leaves": 32, "learning_rate": 0.07, "min_child_samples": 5},
    ),
    (
        "lightgbm",
        {"num_leaves": 8, "learning_rate": 0.08, "min_child_samples": 10, "colsample_bytree": 0.7, "reg_lambda": 1.0},
    ),
    ("mlp", {"width": 96, "learning_rate": 0.01, "weight_decay": 0.003, "dropout": 0.0}),
    (
        "lightgbm",
        {"num_leaves": 80, "learning_rate": 0.05, "min_child_samples": 3, "colsample_bytree": 0.5, "reg_lambda": 1.0},
    ),
    ("mlp", {"width": 192, "depth": 3, "learning_rate": 0.003, "weight_decay": 0.03, "dropout": 0.25}),
    (
        "lightgbm",
        {
            "extra_trees": True,
            "num_leaves": 150,
            "learning_rate": 0.05,
            "min_child_samples": 12,
            "colsample_bytree": 0.4,
            "reg_lambda": 2.0,
        },
    ),
    (
        "lightgbm",
        {"extra_trees": True, "num_leaves": 5, "learning_rate": 0.06, "min_child_samples": 12, "colsample_bytree": 0.7},
    ),
    ("mlp", {"learning_rate": 0.002, "weight_decay": 0.1, "dropout": 0.3}),
]


LATER: list[Configuration] = [
    ("lightgbm_pairs", {"num_leaves": 16, "colsample_bytree": 0.5}),
    ("lightgbm_pairs", {"extra_trees": True, "num_leaves": 32, "learning_rate": 0.12, "colsample_bytree": 0.4}),
    ("mlp", {"waves": 0}),
    ("mlp", {"waves": 0, "width": 192, "learning_rate": 0.014, "weight_decay": 0.0023, "dropout": 0.45}),
]
"""What came after the first pools: numbers stay as they are."""


def drawn(lightgbm: int = 17, mlp: int = 14, seed: int = 0) -> list[Configuration]:
    """So many more of the two families that ensembles are made of, at random; the first are the same for any number."""
    trees, nets = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    return [("lightgbm", _booster(trees)) for _ in range(lightgbm)] + [("mlp", _network(nets)) for _ in range(mlp)]


def _booster(rng: np.random.Generator) -> dict[str, object]:
    return {
        "num_leaves": int(np.exp(rng.uniform(np.log(3), np.log(160)))),
        "learning_rate": round(float(np.exp(rng.uniform(np.log(0.03), np.log(0.15)))), 3),
        "min_child_samples": int(np.exp(rng.uniform(np.log(2), np.log(40)))),
        "colsample_bytree": round(float(rng.uniform(0.3, 1.0)), 2),
        "subsample": round(float(rng.uniform(0.6, 1.0)), 2),
        "reg_lambda": round(float(np.exp(rng.uniform(np.log(0.01), np.log(10)))), 2),
        "extra_trees": bool(rng.random() < 0.5),
    }


def _network(rng: np.random.Generator) -> dict[str, object]:
    return {
        "width": int(rng.choice([64, 96, 128, 192, 256])),
        "depth": int(rng.choice([1, 2, 2, 3])),
        "learning_rate": round(float(np.exp(rng.uniform(np.log(0.0015), np.log(0.015)))), 4),
        "weight_decay": round(float(np.exp(rng.uniform(np.log(0.001), np.log(0.1)))), 4),
        "dropout": round(float(rng.choice([0.0, 0.1, 0.2, 0.3, 0.45])), 2),
        "epochs": int(rng.choice([30, 60, 60, 100])),
    }


@cache
def all_of_them() -> list[Configuration]:
    """Those by hand, drawn ones of both families in turn, and later ones: 46."""
    more = drawn()
    boosters, networks = more[:17], more[17:]
    return [*BY_HAND, *(one for i in range(17) for one in (boosters[i], *networks[i : i + 1])), *LATER]
