"""Which configurations are tried first, and in which order.

An ensemble wants members that differ, so families take turns: boosted trees, a network, a linear model, trees on pairs
of numbers, then other characters of these.

The order was put together from 46 configurations fitted on 15 tables, on up to 1,500 rows and three folds each
(benchmarks/automl: make_pools.py, learn_portfolio.py): the forward choice of learn_portfolio.py, smoothed by hand, and
networks with the settings that were the best on 14 tables alone. The tables are adult, ames, bikes, car_prices, compas,
concrete, credit_status, doctor_visits, german, hotel_rates, hpc, mixed_messy, movies, titanic, vehicle; no other one
has shaped it. What it is worth, and what was tried without gain: docs/decisions/0050.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kilter.automl.task import Task

Entry = tuple[str, dict[str, Any]]

ORDER: tuple[Entry, ...] = (
    ("lightgbm", {}),
    ("mlp", {"depth": 3, "weight_decay": 0.017, "dropout": 0.0, "epochs": 30}),
    ("linear", {}),
    ("lightgbm_pairs", {"extra_trees": True, "num_leaves": 32, "learning_rate": 0.12, "colsample_bytree": 0.4}),
    (
        "lightgbm",
        {"num_leaves": 8, "learning_rate": 0.08, "min_child_samples": 10, "colsample_bytree": 0.7, "reg_lambda": 1.0},
    ),
    ("mlp", {"width": 192, "depth": 2, "learning_rate": 0.014, "weight_decay": 0.0023, "dropout": 0.45, "waves": 0}),
    ("mlp", {}),
    (
        "lightgbm",
        {"extra_trees": True, "num_leaves": 5, "learning_rate": 0.06, "min_child_samples": 12, "colsample_bytree": 0.7},
    ),
    ("lightgbm_pairs", {"num_leaves": 16, "colsample_bytree": 0.5}),
    ("mlp", {"width": 192, "depth": 2, "learning_rate": 0.0071, "weight_decay": 0.0014, "dropout": 0.1, "epochs": 100}),
    (
        "lightgbm",
        {"extra_trees": True, "num_leaves": 32, "learning_rate": 0.07, "min_child_samples": 5, "colsample_bytree": 0.6},
    ),
    ("mlp", {"width": 192, "depth": 3, "learning_rate": 0.003, "weight_decay": 0.03, "dropout": 0.25}),
    ("mlp", {"depth": 2, "dropout": 0.1, "waves": 0}),
    ("mlp", {"width": 256, "depth": 1, "learning_rate": 0.0038, "weight_decay": 0.016, "dropout": 0.45, "epochs": 30}),
    (
        "lightgbm",
        {
            "extra_trees": True,
            "num_leaves": 111,
            "learning_rate": 0.12,
            "min_child_samples": 12,
            "colsample_bytree": 0.84,
            "subsample": 0.77,
            "reg_lambda": 5.8,
        },
    ),
    ("mlp", {"waves": 32, "bandwidth": 1.0}),
)


def portfolio(task: Task, rows: int, columns: int) -> list[Entry]:
    """Members and their params, the most useful first, for a table of so many rows and columns.

    >>> from kilter.automl.task import Task
    >>> [name for name, _ in portfolio(Task("regression"), rows=1000, columns=10)][:3]
    ['lightgbm', 'mlp', 'linear']
    """
    return [(name, dict(params)) for name, params in ORDER]
