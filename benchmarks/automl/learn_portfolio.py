"""Learn the order of src/kilter/automl/portfolio.py from pools, and check it on tables that it was not learned from.

    python benchmarks/automl/learn_portfolio.py POOLS [LENGTH]

Forward choice: what lowers the mean of log(loss / loss of all configurations) most is added at the end, over all
tables and budgets, as the race of automl/schedule.py would have spent them; out of fold and on the test part, for both
are of few rows and their errors are not the same. A pool is of fewer rows than its table: its seconds are scaled. Once
from nothing but the first entry, once as what follows the order by hand. Then in eight parts: such orders, learned
without a part's tables, on the test parts of these, beside the order by hand.
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


def excess(pool: Pool, order: Sequence[int]) -> np.ndarray:
    """(budgets, 2): log(loss / loss of all) of an order, out of fold and on the test part."""
    reached = [pool.both(completed(pool, order, SHARE * budget * pool.scale)) for budget in BUDGETS]
    return np.log(reached) - np.log(pool.both(pool.places))


def learned(tables: Sequence[Pool], length: int, start: Sequence[int]) -> list[int]:
    """An order of so many configurations that begins with `start`."""
    order = list(start)
    everywhere = set.intersection(*(set(p.places) for p in tables))
    while len(order) < length:
        rest = sorted(everywhere - set(order))
        value = {i: np.mean([excess(p, [*order, i]).mean() for p in tables]) for i in rest}
        order.append(min(rest, key=value.__getitem__))
    return order


def held_out(tables: Sequence[Pool], length: int, start: Sequence[int]) -> None:
    """The check: log loss in per cent against the order by hand, by budget, and by how much of the order is used."""
    gains: dict[int, list[np.ndarray]] = {n: [] for n in range(len(start) + 1, length + 1)}
    for part in range(PARTS):
        order = learned([p for i, p in enumerate(tables) if i % PARTS != part], length, start)
        for pool in (p for i, p in enumerate(tables) if i % PARTS == part):
            hand = excess(pool, BY_HAND)[:, 1]
            for n, found in gains.items():
                found.append(excess(pool, order[:n])[:, 1] - hand)
    print("held out, loss against the order by hand in per cent: mean over budgets", *BUDGETS)
    for n, found in gains.items():
        g = 100 * np.array(found)
        error = g.mean(1).std(ddof=1) / np.sqrt(len(g))
        by_budget = " ".join(f"{v:+.2f}" for v in g.mean(0))
        print(f"first {n:2}: {by_budget} | mean {g.mean():+.2f} ± {error:.2f}, median {np.median(g.mean(1)):+.2f}")


def main(folder: str, length: str = "14") -> None:
    tables = pools(Path(folder))
    print(f"{len(tables)} tables: {', '.join(p.name for p in tables)}")
    for start in (BY_HAND[:1], BY_HAND):
        print()
        for i in learned(tables, int(length), start):
            print(f"{i:2} {np.mean([p.cost(i) for p in tables]):5.2f} s  {words(all_of_them()[i])}")
        held_out(tables, int(length), start)


if __name__ == "__main__":
    main(*sys.argv[1:])
