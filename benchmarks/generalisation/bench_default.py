"""How sure must one be that the default is beaten? What each certainty costs and saves, on stored pools.

    python benchmarks/generalisation/bench_default.py --pools FOLDER [--repetitions 5]

A study of the first configurations of a pool (make_pools.py), the default first: 25 on three folds, 25, 50 and 200 on
five, and 200 on one with the best ten on all. The leader is taken where it beats the default with the probability asked
for, else the default. A column for each: the outer test score × 100 less the best observed one's, and in brackets in
how many runs it is worse than the default's by more than a point.
"""

from __future__ import annotations

import argparse
import pathlib
from collections import defaultdict
from collections.abc import Iterator
from unittest import mock

import numpy as np
from bench_choice import place
from replay import STREAMS, Pool, confirmed, pools, replayed

from kilter.analysis import winner as rule

STUDIES = (("three folds", 25), ("five folds", 25), ("five folds", 50), ("five folds", 200), ("ten on five", 200))
CERTAINTIES = (0.5, 0.6, 0.67, 0.75, 0.84, 0.9)


def scores(pool: Pool, scheme: str, n: int) -> tuple[float, float, float, float] | None:
    """Outer test scores of default, best observed and leader, and how sure the leader is to beat the default."""
    folds = range(3 if scheme == "three folds" else 5)
    history = confirmed(pool, n) if scheme == "ten on five" else replayed(pool, n, folds)
    with mock.patch.object(rule, "BEYOND_ON_PARTS", 0.0):
        found = rule.winner(history, pool.design(folds))
    if found is None or found.better is None:
        return None
    default, observed, leader = (
        100 * float(pool.test[place(history, pool, k)]) for k in (0, found.observed, found.number)
    )
    return default, observed, leader, found.better


def rows(folder: pathlib.Path, repetitions: int) -> Iterator[str]:
    """The table."""
    found = defaultdict(list)
    for pool in pools(folder, STREAMS[:2]):
        for scheme, n in STUDIES if pool.repetition < repetitions else ():
            told = scores(pool, scheme, n)
            if told is not None:
                found[scheme, n].append(told)
    yield "| study | runs | best observed |" + "".join(f" {100 * each:.0f} % |" for each in CERTAINTIES)
    yield "|---|--:|--:|" + "--:|" * len(CERTAINTIES)
    for (scheme, n), told in found.items():
        default, observed, leader, better = np.array(told).T
        cells = [f" {observed.mean():.2f} ({(observed < default - 1).mean():.0%}) |"]
        for certainty in CERTAINTIES:
            taken = np.where(better < certainty, default, leader)
            cells.append(f" {(taken - observed).mean():+.2f} ({(taken < default - 1).mean():.0%}) |")
        yield f"| {n}, {scheme} | {len(told)} |" + "".join(cells)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=pathlib.Path, required=True)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    print("\n".join(rows(arguments.pools, arguments.repetitions)))
