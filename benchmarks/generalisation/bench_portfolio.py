"""How much of the regret of the best single configuration a portfolio leaves on data sets that nobody tuned on.

    python benchmarks/generalisation/bench_portfolio.py [--pools FOLDER] [--repetitions 10]

Families of data sets as in families.py. 60 studies of 40 trials (kilter's TPE, which is quick) are made once for each
family and kept in a folder; in each repetition 30 of them, drawn at random, make the portfolio, and it is tried on the
30 others. Regret is the true loss less the least known of that data set (of 100 random configurations and all that were
chosen), in units of the middle one of the random ones less the least.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from families import Family, families

import kilter
from kilter.analysis.portfolio import least
from kilter.api import Study
from kilter.core.seeds import rng

STUDIES, TRIALS, DRAWS, K = 60, 40, 100, 5


def study_of(family: Family, data: int, storage: str) -> Study:
    """The study of one data set, which is made where it is not there."""
    study = kilter.create_study(
        study_name=str(data), space=family.space, sampler="tpe", seed=data, storage=storage, load_if_exists=True
    )
    left = TRIALS - len(study.trials)
    if left:
        study.optimize(lambda trial: family.observed(trial.params, data), n_trials=left, progress="none")
    return study


def random_losses(family: Family, folder: Path) -> np.ndarray:
    """True losses of DRAWS random configurations on each data set, (c, t), kept in the folder."""
    path = folder / f"{family.name}.npy".replace(" ", "-")
    if not path.exists():
        configs = family.space.sample(DRAWS, seed=0)
        np.save(path, [[family.loss(params, data) for data in range(STUDIES)] for params in configs])
    return np.asarray(np.load(path))


def regrets(family: Family, chosen: list[dict], tests: list[int], random: np.ndarray) -> np.ndarray:
    """Of the best of the first 1, …, k chosen on each test, (k, t), in shares of the middle random one's."""
    losses = np.array([[family.loss(params, data) for data in tests] for params in chosen])
    known = random[:, tests]
    best = np.minimum(known.min(axis=0), losses.min(axis=0))
    return least((losses - best) / (np.median(known, axis=0) - best), range(len(chosen)))


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, default=Path("/tmp/kilter-pools"))
    parser.add_argument("--repetitions", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.pools.mkdir(parents=True, exist_ok=True)
    print("| family | regret of one | of 2 | of 3 | of 5 | of 5 / of one | expected of one | of 5 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for family in families():
        storage = f"sqlite:///{arguments.pools}/{family.name.replace(' ', '-')}.db"
        studies = [study_of(family, data, storage) for data in range(STUDIES)]
        random = random_losses(family, arguments.pools)
        rows, expected = [], []
        for repetition in range(arguments.repetitions):
            order = rng(repetition, "which studies").permutation(STUDIES).tolist()
            made = kilter.portfolio([studies[data] for data in order[: STUDIES // 2]], K)
            rows.append(regrets(family, list(made.configurations), order[STUDIES // 2 :], random).mean(axis=1))
            expected.append(made.expected)
        mean, hoped = np.mean(rows, axis=0), np.mean(expected, axis=0)
        error = np.std([row[4] / row[0] for row in rows]) / len(rows) ** 0.5
        print(
            f"| {family.name} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} | {mean[4]:.3f} "
            f"| {mean[4] / mean[0]:.2f} ± {error:.2f} | {hoped[0]:.3f} | {hoped[4]:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
