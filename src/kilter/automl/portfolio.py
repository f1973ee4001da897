"""Which configurations are tried first, and in which order.

An ensemble wants members that differ, so families take turns: a plain boosted model, a network, a linear one, then
other characters of the first two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kilter.automl.task import Task

Entry = tuple[str, dict[str, Any]]

ORDER: tuple[Entry, ...] = (
    ("lightgbm", {}),
    ("mlp", {"width": 128, "depth": 2, "learning_rate": 0.004, "weight_decay": 0.01, "dropout": 0.1}),
    ("linear", {}),
    (
        "lightgbm",
        {
            "extra_trees": True,
            "colsample_bytree": 0.6,
            "num_leaves": 32,
            "learning_rate": 0.07,
            "min_child_samples": 5,
        },
    ),
    (
        "lightgbm",
        {"num_leaves": 8, "learning_rate": 0.08, "min_child_samples": 10, "colsample_bytree": 0.7, "reg_lambda": 1.0},
    ),
    ("lightgbm_pairs", {"num_leaves": 16, "colsample_bytree": 0.5}),
    ("mlp", {"width": 96, "depth": 2, "learning_rate": 0.01, "weight_decay": 0.003, "dropout": 0.0}),
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
        {
            "extra_trees": True,
            "num_leaves": 5,
            "learning_rate": 0.06,
            "min_child_samples": 12,
            "colsample_bytree": 0.7,
        },
    ),
    ("mlp", {"width": 128, "depth": 2, "learning_rate": 0.002, "weight_decay": 0.1, "dropout": 0.3}),
)


def portfolio(task: Task, rows: int, columns: int) -> list[Entry]:
    """Members and their params, the most useful first, for a table of so many rows and columns.

    >>> from kilter.automl.task import Task
    >>> [name for name, _ in portfolio(Task("regression"), rows=1000, columns=10)][:3]
    ['lightgbm', 'mlp', 'linear']
    """
    return [(name, dict(params)) for name, params in ORDER]
