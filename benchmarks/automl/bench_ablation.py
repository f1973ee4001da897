"""What each ingredient of the recipe is worth: ensembles of pools with one thing changed, without a fit.

    python benchmarks/automl/bench_ablation.py POOLS

Printed is log(test loss / that of the whole recipe) in per cent, the mean and the median over tables, how many tables
are worse by .5 % or more and better by as much, and the worst one. Above 0: the ingredient is worth having.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from configurations import all_of_them
from replay import Pool, family, greedy, losses, pools

TIE = 0.5
"""Per cent."""


def mixture(pool: Pool, weights: np.ndarray) -> float:
    return float(losses(pool.kind, pool.test_y, (weights @ pool.test)[None])[0])


def best_single(pool: Pool) -> float:
    """The best one out of fold instead of an ensemble."""
    return mixture(pool, np.eye(len(pool.test))[ranked(pool)[0]])


def best_three(pool: Pool) -> float:
    """The plain mean of the best three instead of weights."""
    return mixture(pool, np.eye(len(pool.test))[ranked(pool)[:3]].mean(0))


def ranked(pool: Pool) -> np.ndarray:
    return losses(pool.kind, pool.y, pool.oof).argsort()


def one_fold(pool: Pool) -> float:
    """One fold's model of each candidate instead of the mean of all folds' models."""
    weights = greedy(pool.kind, pool.y, pool.oof)
    used = [(i, weights[place]) for i, place in pool.places.items() if weights[place] > 0]
    of_folds = sum(weight * pool.each(number) for number, weight in used)
    return float(losses(pool.kind, pool.test_y, of_folds).mean())


def without(*members: str) -> Callable[[Pool], float]:
    return lambda pool: pool.loss([i for i in pool.places if family(i) not in members])


def without_waves(pool: Pool) -> float:
    """Only networks that see no periodic features."""
    plain = {i for i, (_, params) in enumerate(all_of_them()) if params.get("waves") == 0}
    return pool.loss([i for i in pool.places if family(i) != "mlp" or i in plain])


def with_waves(pool: Pool) -> float:
    """The same two networks with periodic features."""
    return pool.loss([i for i in pool.places if family(i) != "mlp" or i in (1, 26)])


CHANGES: dict[str, Callable[[Pool], float]] = {
    "the best candidate alone": best_single,
    "the mean of the best three": best_three,
    "one fold's model of each": one_fold,
    "no boosted trees": without("lightgbm", "lightgbm_pairs"),
    "no pairs": without("lightgbm_pairs"),
    "no networks": without("mlp"),
    "no linear model": without("linear"),
    "two networks, of periodic features": with_waves,
    "two networks, without them": without_waves,
    "the portfolio's first 4": lambda pool: pool.loss(range(4)),
}


def line(label: str, tables: Sequence[Pool], change: Callable[[Pool], float]) -> str:
    of = {pool.name: 100 * float(np.log(change(pool) / pool.loss(list(pool.places)))) for pool in tables}
    found = np.array(list(of.values()))
    worst = max(of, key=of.__getitem__)
    counts = f"{(found >= TIE).sum():3} worse {(found <= -TIE).sum():3} better"
    return f"{label:36}{found.mean():+7.2f}{np.median(found):+7.2f} {counts}   {worst} {of[worst]:+.1f}"


def main(folder: str) -> None:
    tables = pools(Path(folder))
    print(f"{len(tables)} tables; per cent of the loss: mean, median, tables, the worst one")
    for label, change in CHANGES.items():
        print(line(label, tables, change), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
