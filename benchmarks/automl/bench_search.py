"""Whether a search after the portfolio pays: ensembles of equal CPU time, with random configurations or a sampler's.

    python benchmarks/automl/bench_search.py TABLES POOLS NAME … [--trials 30] [--sampler auto] [--seeds 0]

The pool of a table gives the portfolio and the random ones (configurations.py). The sampler is told the portfolio's
losses out of fold, then asked for so many configurations of boosted trees and networks; what they predict is kept in
POOLS/NAME/SAMPLER-SEED. Printed is log(test loss / that of the portfolio alone) in per cent by multiples of the
portfolio's own CPU time, the time of the sampler counted.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from configurations import BY_HAND, LATER, all_of_them
from make_pools import ROWS, SEED, evaluated, folds_of, targets
from replay import Pool, greedy, losses, seen
from tables import load

import kilter
from kilter.automl.configurations import configuration, member_of, space_of
from kilter.automl.members import member

TIMES = 1.5, 2.0, 3.0, 4.0
"""Of the portfolio's CPU time."""
MEMBERS = "lightgbm", "mlp"


def search(tables: Path, pools: Path, name: str, sampler: str, seed: int, trials: int) -> Path:
    """Make what a sampler asks for, where it is not there."""
    into = pools / name / f"{sampler}-{seed}"
    if len(list(into.glob("*.npz"))) >= trials:
        return into
    into.mkdir(exist_ok=True)
    problem = load(name, SEED, tables, ROWS)
    task, y, test_y = targets(problem)
    folds, pool = folds_of(problem, task, y), Pool.read(pools / name)
    log = bool(np.load(pools / name / "table.npz")["log"])
    space = space_of({each: member(each) for each in MEMBERS}, task, ["identity"])
    study = kilter.create_study(space=space, direction="minimize", sampler=sampler, seed=seed)
    for number in portfolio(pool):
        study.enqueue_trial(study.space.plain(configuration(*all_of_them()[number])))
        study.tell(study.ask(), pool.single(number))
    for i in range(trials):
        began = time.process_time()
        trial = study.ask()
        own, params = member_of(trial.params)
        asking = time.process_time() - began
        found = evaluated(own, params, folds, task, y, len(test_y), log)
        study.tell(trial, float(losses(pool.kind, y, seen(pool.kind, found["oof"], y)[None])[0]))
        np.savez(into / f"{i:02}.npz", **found, asking=asking)
        (into / f"{i:02}.json").write_text(json.dumps([own, params]))
    return into


def portfolio(pool: Pool) -> list[int]:
    """The portfolio by hand, without the linear model, of which a sampler has nothing to learn."""
    return [i for i in range(len(BY_HAND)) if i in pool.places and all_of_them()[i][0] in MEMBERS]


def curve(pool: Pool, oof: np.ndarray, test: np.ndarray, seconds: np.ndarray) -> list[float]:
    """Gains over the portfolio alone when these are added to it one by one, by TIMES."""
    start = [pool.places[i] for i in range(len(BY_HAND)) if i in pool.places]
    alone, spent = pool.loss([i for i in pool.places if i < len(BY_HAND)]), float(pool.seconds[start].sum())
    gains = []
    for times in TIMES:
        some = np.cumsum(seconds) <= (times - 1) * spent
        o, t = np.concatenate([pool.oof[start], oof[some]]), np.concatenate([pool.test[start], test[some]])
        loss = losses(pool.kind, pool.test_y, (greedy(pool.kind, pool.y, o) @ t)[None])[0]
        gains.append(100 * float(np.log(loss / alone)))
    return gains


def searched(pool: Pool, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = [np.load(f) for f in sorted(folder.glob("*.npz"))]
    oof = np.stack([seen(pool.kind, k["oof"], pool.y) for k in kept])
    test = np.stack([seen(pool.kind, k["test"], pool.test_y) for k in kept])
    return oof, test, np.array([k["seconds"].sum() + k["asking"] for k in kept])


def random_ones(pool: Pool, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rest = np.array(
        [place for number, place in pool.places.items() if len(BY_HAND) <= number < len(all_of_them()) - len(LATER)]
    )
    rest = np.random.default_rng(seed).permutation(rest)
    return pool.oof[rest], pool.test[rest], pool.seconds[rest].sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("pools", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--sampler", default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    random, found = [], []
    for name in asked.names:
        pool = Pool.read(asked.pools / name)
        for seed in asked.seeds:
            folder = search(asked.tables, asked.pools, name, asked.sampler, seed, asked.trials)
            random.append(np.mean([curve(pool, *random_ones(pool, s)) for s in range(5)], axis=0))
            found.append(curve(pool, *searched(pool, folder)))
            said = [" ".join(f"{v:+6.2f}" for v in row) for row in (random[-1], found[-1])]
            print(f"{name:20} random {said[0]}   {asked.sampler} {said[1]}", flush=True)
    for label, rows in (("random", random), (asked.sampler, found)):
        print(f"mean {label:15}", " ".join(f"{v:+6.2f}" for v in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
