"""What the knowledge that ships is worth on tables that it was not learnt from: a folder of a user's CSV files.

    python benchmarks/knowledge/judge.py FOLDER svm random_forest [--seeds 3] [--trials 10]

Every table is tuned with and without: the default sampler, the defaults as the first trial. The regret is 0 for the
best that any run of the table found, and 1 for the middle one of the points of a Sobol sequence. The last column of a
file is its target, of classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from learn import WORST, interval
from measure import ESTIMATORS, loss, settings_of
from tables import Table, of_folder

import kilter


def run(name: str, table: Table, transfer: str | None, seed: int, trials: int, seen: dict[str, float]) -> np.ndarray:
    """The losses of a study, in order; the same settings are measured once."""
    make, space, _ = ESTIMATORS[name]

    def objective(trial: kilter.Trial) -> float:
        settings = dict(trial.params)
        key = repr(sorted(settings.items()))
        if key not in seen:
            found = loss(make, settings, table)
            seen[key] = float("inf") if found is None else found
        return seen[key]

    study = kilter.create_study(space=space(), direction="minimize", seed=seed, transfer=transfer)
    study.optimize(objective, n_trials=trials, progress="none")
    return np.array([np.inf if trial.value is None else trial.value for trial in study.trials])


def judged(name: str, folder: Path, seeds: int, trials: int) -> str:
    """One line on a space."""
    make, space, _ = ESTIMATORS[name]
    points = settings_of(space(), 17)[1:]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for table in of_folder(folder):
        middle = float(np.median([loss(make, settings, table) or 0.0 for settings in points]))
        seen: dict[str, float] = {}
        runs = [[run(name, table, way, seed, trials, seen) for seed in range(seeds)] for way in ("auto", None)]
        best = min(seen.values())
        if middle > best:
            reached = np.minimum.accumulate(np.array(runs), axis=2)
            known, blind = ((reached - best) / (middle - best)).clip(0, WORST).mean(axis=1)
            found.append((known, blind))
    known, blind = (np.array(side) for side in zip(*found))
    parts = []
    for after in sorted({1, 5, trials}):
        low, high = interval(known[:, after - 1], blind[:, after - 1])
        ratio = known[:, after - 1].mean() / blind[:, after - 1].mean()
        parts.append(
            f"@{after} {known[:, after - 1].mean():.3f} / {blind[:, after - 1].mean():.3f} = "
            f"{ratio:.2f} [{low:.2f}, {high:.2f}]"
        )
    return f"{name} on {len(found)} tables x {seeds} seeds: " + ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("spaces", nargs="+", choices=ESTIMATORS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=10)
    given = parser.parse_args()
    for name in given.spaces:
        print(judged(name, given.folder, given.seeds, given.trials), flush=True)


if __name__ == "__main__":
    main()
