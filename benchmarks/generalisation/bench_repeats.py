"""What repeats on further folds bring: true scores of choices after a search on one fold of five, with as many trials.

    python benchmarks/generalisation/bench_repeats.py --pools FOLDER [--kept-back] [--repetitions 2]

Replays of the pools of make_pools.py, 200 configurations each: a hold-out, the same with the best ten on all folds at
the end, a fifth of the trials on all folds in between (kilter.analysis.repeats), and all trials on all folds. Taken is
the best mean among those on most folds. Scores are of fresh rows, × 100; ± is the standard error against 5-fold.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import replay
from replay import Pool

from kilter.analysis.repeats import to_repeat
from kilter.core.attributes import CONFIRMS, DEFAULT
from kilter.schedulers.race import EARLY, RaceScheduler

TRIALS, FOLDS, TEN = 200, range(5), 10
SHARE = RaceScheduler().repeats


def chosen(pool: Pool) -> dict[str, tuple[int, float]]:
    """The number of fits, and the true score of the choice, by how the search went."""
    first, all_folds = pool.folds[:TRIALS, 0], pool.folds[:TRIALS].mean(axis=1)
    ten = np.argsort(-first, kind="stable")[:TEN]
    return {
        "hold-out": (TRIALS, pool.test[first.argmax()]),
        "hold-out, best ten": (TRIALS + TEN * (len(FOLDS) - 1), pool.test[ten[all_folds[ten].argmax()]]),
        "repeats, 100 trials": repeated(pool, all_folds, 100),
        "repeats, 200 trials": repeated(pool, all_folds, TRIALS),
        "5-fold": (TRIALS * len(FOLDS), pool.test[all_folds.argmax()]),
    }


def repeated(pool: Pool, all_folds: np.ndarray, trials: int) -> tuple[int, float]:
    """The same of a study in which some trials are repeats."""
    log = replay.searched(pool, 0, [0])
    places: list[int] = []
    again: list[int] = []
    for number in range(trials):
        is_time = number >= EARLY and int((number + 1) * SHARE) > int(number * SHARE)
        of = to_repeat(log.engine.history) if is_time else None
        place = number - len(again) if of is None else places[of]
        places.append(place)
        if of is None:
            replay.tried(log, pool, place, [0], {DEFAULT: True} if place == 0 else {})
        else:
            again.append(place)
            replay.tried(log, pool, place, FOLDS, {CONFIRMS: of})
    return trials + len(again) * (len(FOLDS) - 2), pool.test[max(again, key=lambda place: all_folds[place])]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, required=True)
    parser.add_argument("--kept-back", action="store_true")
    parser.add_argument("--repetitions", type=int, default=2)
    given = parser.parse_args()
    found = replay.pools(given.pools, ("random", "auto"), not given.kept_back)
    rows = defaultdict(list)
    for pool in (pool for pool in found if pool.repetition < given.repetitions):
        for name, row in chosen(pool).items():
            rows[name].append(row)
    whole = np.array(rows["5-fold"])[:, 1]
    print("| search | fits | test | against 5-fold | ± |\n|---|--:|--:|--:|--:|")
    for name, told in rows.items():
        fits, test = np.array(told).T
        off = 100 * (test - whole)
        error = off.std(ddof=1) / np.sqrt(len(off))
        print(f"| {name} | {fits.mean():.0f} | {100 * test.mean():.1f} | {off.mean():+.1f} | {error:.1f} |")


if __name__ == "__main__":
    main()
