"""What KilterSearchCV costs beside RandomizedSearchCV, on the same candidates and the same folds.

    python benchmarks/overhead/bench_search_cv.py [--quick] [--pairs 9]

Ridge regression with an RBF kernel, whose fits take as long whatever the parameters are: some tens of milliseconds.
Each pair is one search by either class, in turns as to who is first; with sampler="random" both try the very same
candidates, which is checked. Ratios of times come with an interval of 95 % for their mean over the pairs, of
logarithms and by Student's t. On a machine that does something else too, these are wide; what the fits did not take is
steadier, so the budget is compared with the median over the pairs of what ours adds to that, as a share of the other's
whole time. Then, for information, sampler="auto", whose candidates are others but cost as much. Figures over budget are
marked.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import json
import math
import platform
import shlex
import statistics
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.datasets import make_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import KFold, RandomizedSearchCV

from kilter.integrations.sklearn import KilterSearchCV

RESULTS = Path(__file__).resolve().parents[1] / "results" / "search_cv.json"
BUDGET = 0.05
"""Of RandomizedSearchCV's time, on the same candidates."""
SPACE = {"alpha": stats.loguniform(1e-4, 1e2), "gamma": stats.loguniform(1e-4, 1e0)}
CANDIDATES = 20
FOLDS = 5


@dataclass(frozen=True)
class Spent:
    """Seconds of one search."""

    wall: float
    cpu: float
    fits: float
    """Of wall time inside fits and scores."""


@dataclass(frozen=True)
class Ratio:
    """How many times RandomizedSearchCV's time, with its interval of 95 %."""

    sampler: str
    clock: str
    mean: float
    low: float
    high: float


def spend(search: Any, x: Any, y: Any) -> Spent:
    """Fit a search without a refit, and say what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    search.fit(x, y)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    results = search.cv_results_
    return Spent(wall, cpu, FOLDS * float(np.sum(results["mean_fit_time"] + results["mean_score_time"])))


def pair(sampler: str, seed: int, rows: int) -> tuple[Spent, Spent]:
    """One search by RandomizedSearchCV and one by KilterSearchCV."""
    x, y = make_regression(rows, 10, noise=10, random_state=seed)
    settings: dict[str, Any] = {"n_iter": CANDIDATES, "cv": KFold(FOLDS), "random_state": seed, "refit": False}
    theirs = RandomizedSearchCV(KernelRidge(kernel="rbf"), SPACE, **settings)
    ours = KilterSearchCV(KernelRidge(kernel="rbf"), SPACE, sampler=sampler, **settings)
    if seed % 2:
        mine, other = spend(ours, x, y), spend(theirs, x, y)
    else:
        other, mine = spend(theirs, x, y), spend(ours, x, y)
    if sampler == "random" and ours.cv_results_["params"] != theirs.cv_results_["params"]:
        raise SystemExit("the candidates differ, so their times cannot be compared")
    return other, mine


def ratio(sampler: str, clock: str, pairs: list[tuple[Spent, Spent]]) -> Ratio:
    """The geometric mean of the ratios."""
    logs = [math.log(getattr(mine, clock) / getattr(other, clock)) for other, mine in pairs]
    mean = statistics.mean(logs)
    reach = float(stats.t.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Ratio(sampler, clock, math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def added(pairs: list[tuple[Spent, Spent]]) -> float:
    """What KilterSearchCV takes longer outside of fits, as a share of RandomizedSearchCV's time; the median."""
    return statistics.median(
        ((mine.wall - mine.fits) - (other.wall - other.fits)) / other.wall for other, mine in pairs
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=9, help="at least 2 (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=900, help="of data (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="two pairs on few rows, only to see that it runs")
    parser.add_argument("--output", type=Path, help=f"where the figures go as JSON: {RESULTS.name}, if not --quick")
    options = parser.parse_args()
    pairs, rows = (2, 200) if options.quick else (options.pairs, options.rows)

    warnings.simplefilter("ignore")
    ratios: list[Ratio] = []
    beside: dict[str, float] = {}
    shares: dict[str, float] = {}
    fit = 0.0
    for sampler in ("random", "auto"):
        pair(sampler, 0, 100)  # loads what is loaded on first use
        measured = [pair(sampler, seed, rows) for seed in range(pairs)]
        ratios += [ratio(sampler, clock, measured) for clock in ("wall", "cpu")]
        shares[sampler] = added(measured)
        fit = statistics.median(other.fits for other, _ in measured) / (CANDIDATES * FOLDS)
        beside["RandomizedSearchCV"] = statistics.median(other.wall - other.fits for other, _ in measured) / CANDIDATES
        beside[f"KilterSearchCV, {sampler}"] = (
            statistics.median(mine.wall - mine.fits for _, mine in measured) / CANDIDATES
        )
    print(f"{CANDIDATES} candidates, {FOLDS} folds, {1e3 * fit:.1f} ms a fit, {pairs} pairs")
    for r in ratios:
        print(f"{r.sampler:7} {r.clock:4} {r.mean:.3f} ({r.low:.3f} … {r.high:.3f}) times RandomizedSearchCV")
    for name, seconds in beside.items():
        print(f"{name:24} {1e3 * seconds:6.2f} ms a candidate outside of fits")
    verdict = "≤" if shares["random"] <= BUDGET else "OVER"
    print(
        f"added on the same candidates: {shares['random']:.1%} ({verdict} {BUDGET:.0%}); by auto: {shares['auto']:.1%}"
    )

    figures = {
        "command": shlex.join(["python", "benchmarks/overhead/bench_search_cv.py", *sys.argv[1:]]),
        "machine": {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()},
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "versions": {name: metadata.version(name) for name in ("kilter", "numpy", "scipy", "scikit-learn")},
        "seconds a fit": fit,
        "pairs": pairs,
        "ratios": [asdict(r) for r in ratios],
        "added share": shares,
        "within": shares["random"] <= BUDGET,
        "seconds a candidate outside of fits": beside,
    }
    if output := options.output or (None if options.quick else RESULTS):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
