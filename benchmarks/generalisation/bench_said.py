"""What winner and estimate say of the stored pools, as they are now, beside the outer test.

    python benchmarks/generalisation/bench_said.py --pools FOLDER [--trials 200] [--repetitions 10] [--schemes five ten]

Pools of AUC and accuracy (make_pools.py), in points; on five folds, on one with the best ten and the default on all, or
under a race. Of the estimate: bias, mean error beside that of the default, for which nothing was chosen, and how often
its interval has the truth. Of the winner: its outer test score beside those of the default and of the best observed,
and in how many runs it, and the best observed, are worse than the default by more than a point.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable

import numpy as np
from bench_choice import place
from replay import STREAMS, Pool, confirmed, pools, raced, replayed

from kilter.analysis.estimate import estimate
from kilter.analysis.winner import winner
from kilter.core.history import History

SCHEMES: dict[str, Callable[[Pool, int], History]] = {
    "five": lambda pool, n: replayed(pool, n, range(5)),
    "ten": confirmed,
    "race": lambda pool, n: raced(pool, n).history,
}
GROUPS: dict[str, Callable[[Pool], bool]] = {
    "all tasks": lambda pool: True,
    "tasks for choosing": lambda pool: pool.task.chooses,
    "the others": lambda pool: not pool.task.chooses,
    "of 300 rows": lambda pool: pool.task.rows == 300,
}


def said(pool: Pool, history: History) -> np.ndarray | None:
    """The estimate's error and that of the default's, whether the truth is within, and outer tests of what is taken."""
    design = pool.design(range(5))
    told, found = estimate(history, design), winner(history, design)
    if told is None or found is None or told.default is None:
        return None
    chosen, default, observed = (float(pool.test[place(history, pool, k)]) for k in (told.number, 0, found.observed))
    errors = told.value - chosen, told.default - default
    return 100 * np.array([*errors, told.low <= chosen <= told.high, chosen, default, observed])


def row(name: str, told: np.ndarray) -> str:
    """Of the table."""
    error, of_default, within, chosen, default, observed = told.T
    bias = f"{error.mean():+.2f} ± {error.std() / len(error) ** 0.5:.2f}"
    errors = f"{np.abs(error).mean():.2f} | {np.abs(of_default).mean():.2f} | {within.mean():.0f} %"
    tests = f"{default.mean():.2f} | {observed.mean():.2f} | {chosen.mean():.2f}"
    harm = f"{100 * (observed < default - 1).mean():.0f} %, {100 * (chosen < default - 1).mean():.0f} %"
    return f"| {name} | {len(told)} | {bias} | {errors} | {tests} | {harm} |"


def main(folder: pathlib.Path, trials: int, repetitions: int, schemes: list[str]) -> None:
    """Print the table."""
    print("| search | runs | bias | error | of the default | within | default | best observed | winner | harm |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    known = [p for p in pools(folder, STREAMS[:2]) if p.repetition < repetitions and p.task.metric != "r2"]
    for scheme in schemes:
        told = [(pool, said(pool, SCHEMES[scheme](pool, trials))) for pool in known]
        for group, has in GROUPS.items():
            print(row(f"{scheme}, {group}", np.array([each for pool, each in told if each is not None and has(pool)])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=pathlib.Path, required=True)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--schemes", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    arguments = parser.parse_args()
    main(arguments.pools, arguments.trials, arguments.repetitions, arguments.schemes)
