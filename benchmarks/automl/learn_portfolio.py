"""Learn the order of src/kilter/automl/portfolio.py from pools, and check it on tables that it was not learned from.

    python benchmarks/automl/learn_portfolio.py POOLS [LENGTH]

Forward choice: what lowers the mean of log(loss / loss of all configurations) most is added at the end, over all
tables and budgets, as the race of automl/schedule.py would have spent them. A pool is of few rows: its seconds are
scaled to the rows of its table. Then in eight parts: an order learned without a part's tables, on them, beside the one
that was written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from configurations import all_of_them
from replay import Pool, completed, pools, words

BY_HAND = (0, 1, 2, 3, 4, 42, 5, 7, 9, 10)
BUDGETS = 7.5, 15.0, 30.0, 60.0, 120.0
SHARE = 0.9  # of a budget is spent on fits
PARTS = 8


def excess(pool: Pool, order: Sequence[int], budgets: Sequence[float] = BUDGETS) -> np.ndarray:
    """log(loss / loss of all) of an order, by budget."""
    everything = np.log(pool.loss(list(pool.places)))
    reached = [pool.loss(completed(pool, order, SHARE * b * pool.scale)) for b in budgets]
    return np.log(reached) - everything


def learned(tables: Sequence[Pool], length: int) -> list[int]:
    order = [0]
    everywhere = set.intersection(*(set(p.places) for p in tables))
    while len(order) < length:
        rest = sorted(everywhere - set(order))
        value = {i: np.mean([excess(p, [*order, i]).mean() for p in tables]) for i in rest}
        order.append(min(rest, key=value.__getitem__))
    return order


def held_out(tables: Sequence[Pool], length: int) -> None:
    """The check: log loss in per cent against the order by hand, by budget, and by how much of the order is used."""
    gains: dict[int, list[np.ndarray]] = {n: [] for n in range(4, length + 1, 4)}
    for part in range(PARTS):
        out = [p for i, p in enumerate(tables) if i % PARTS == part]
        order = learned([p for i, p in enumerate(tables) if i % PARTS != part], length)
        for pool in out:
            hand = excess(pool, BY_HAND)
            for n, found in gains.items():
                found.append(excess(pool, order[:n]) - hand)
    print("held out, loss against the order by hand in per cent: mean over budgets", *BUDGETS)
    for n, found in gains.items():
        g = 100 * np.array(found)
        error = g.mean(1).std(ddof=1) / np.sqrt(len(g))
        by_budget = " ".join(f"{v:+.2f}" for v in g.mean(0))
        print(f"first {n:2}: {by_budget} | mean {g.mean():+.2f} ± {error:.2f}, median {np.median(g.mean(1)):+.2f}")


def main(folder: str, length: str = "16") -> None:
    tables = pools(Path(folder))
    print(f"{len(tables)} tables: {', '.join(p.name for p in tables)}")
    order = learned(tables, int(length))
    for i in order:
        seconds = np.mean([p.cost(i) for p in tables if i in p.places])
        print(f"{i:2} {seconds:5.2f} s  {words(all_of_them()[i])}")
    held_out(tables, int(length))


if __name__ == "__main__":
    main(*sys.argv[1:])
