"""Which method says best which parameters matter? By functions whose shares of variance are known.

    python benchmarks/efficiency/bench_importance.py [--seeds 0-3] [--trials 50,200] [--samplers random,tpe,auto]

Three parameters matter and three do not; noise is 0 or .3 × the standard deviation over the cube. Of each method's
shares, normalized to sum to 1:

    error    their mean distance from those of the function over the cube: only fair where trials are random
    idle     what the three that do not matter get together
    first    how often the most important one comes first
    seconds  of CPU, all together

Optuna's evaluators look at the same trials, where Optuna (and scikit-learn, for its forest) is installed.
"""

from __future__ import annotations

import contest  # holds BLAS to one thread, before NumPy is loaded  # isort: skip
import argparse
import importlib.util
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import kilter
from kilter.analysis.importance import METHODS, importance
from kilter.core.seeds import rng

NAMES = [f"x{i}" for i in range(6)]
SPACE = {name: kilter.Float(0, 1) for name in NAMES}
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": lambda x: 3 * x[:, 0] + 2 * x[:, 1] + x[:, 2],
    "bowl": lambda x: 4 * (x[:, 0] - 0.3) ** 2 + 2 * (x[:, 1] - 0.6) ** 2 + (x[:, 2] - 0.5) ** 2,
    "narrow": lambda x: -np.exp(-(((x[:, 0] - 0.3) / 0.1) ** 2)) - 0.3 * np.exp(-(((x[:, 1] - 0.6) / 0.2) ** 2)),
    "joint": lambda x: np.sin(5 * x[:, 0]) + 2 * (x[:, 1] - 0.5) * (x[:, 0] - 0.5) + 0.5 * x[:, 2],
}
MANY = 200_000


def known_shares(function: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, float]:
    """The share of each parameter over the cube, normalized, and the standard deviation there."""
    x = rng(0, "bench importance").random((MANY, len(NAMES)))
    y = function(x)
    bins = (x * 100).astype(int)
    means = [np.bincount(column, y, 100) / np.bincount(column, minlength=100) for column in bins.T]
    effects = np.array([mean.var() - y.var() * 100 / MANY for mean in means]).clip(0)
    return effects / effects.sum(), float(y.std())


def studied(function: Callable[[np.ndarray], np.ndarray], sampler: str, trials: int, sd: float, seed: int) -> Any:
    """A study of the function."""
    noise = rng(seed, "bench noise")
    study = kilter.create_study(space=SPACE, sampler=sampler, seed=seed)

    def objective(**x: float) -> float:
        return float(function(np.array([list(x.values())]))[0]) + sd * noise.standard_normal()

    study.optimize(objective, n_trials=trials, progress="none")
    return study


def ours(study: Any, method: str) -> dict[str, float]:
    """Shares by one of our methods."""
    return {share.parameter: share.share for share in importance(study.history, method=method).shares}


def optunas(study: Any, evaluator: str) -> dict[str, float]:
    """What Optuna says of the same trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs, floats = optuna.create_study(), dict.fromkeys(NAMES, optuna.distributions.FloatDistribution(0, 1))
    for trial in study.trials:
        theirs.add_trial(optuna.trial.create_trial(params=trial.params, distributions=floats, value=trial.value))
    found: dict[str, float] = optuna.importance.get_param_importances(
        theirs, evaluator=getattr(optuna.importance, evaluator)(), normalize=False
    )
    return found


def methods() -> dict[str, Callable[[Any], dict[str, float]]]:
    """All that is installed."""
    found = {method: partial(ours, method=method) for method in ("auto", *METHODS)}
    if importlib.util.find_spec("optuna"):
        found["Optuna's PED-ANOVA"] = partial(optunas, evaluator="PedAnovaImportanceEvaluator")
        if importlib.util.find_spec("sklearn"):
            found["Optuna's fANOVA"] = partial(optunas, evaluator="FanovaImportanceEvaluator")
    return found


def main() -> None:
    """Print a table for each sampler and number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-3", type=contest.listed)
    parser.add_argument("--trials", default="50,200")
    parser.add_argument("--samplers", default="random,tpe,auto")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for sampler in arguments.samplers.split(","):
        for trials in map(int, arguments.trials.split(",")):
            table: dict[str, list[tuple[float, ...]]] = defaultdict(list)
            for function in FUNCTIONS.values():
                truth, sd = known_shares(function)
                for noise in (0.0, 0.3):
                    for seed in arguments.seeds:
                        study = studied(function, sampler, trials, noise * sd, seed)
                        for name, method in methods().items():
                            began = time.process_time()
                            shares = method(study)
                            spent = time.process_time() - began
                            found = np.array([shares.get(each, 0.0) for each in NAMES])
                            found = found / found.sum() if found.sum() > 0 else np.full(6, 1 / 6)
                            error, idle = np.abs(found - truth).mean(), found[3:].sum()
                            table[name].append((error, idle, found.argmax() == truth.argmax(), spent))
            print(f"\n{sampler}, {trials} trials\n| | error | idle | first | seconds |\n|---|---|---|---|---|")
            for name, rows in table.items():
                error, idle, first, spent = np.array(rows, dtype=float).mean(axis=0)
                print(f"| {name} | {error:.3f} | {idle:.3f} | {first:.2f} | {spent * len(rows):.2f} |")


if __name__ == "__main__":
    main()
