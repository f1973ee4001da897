"""Several objectives: kilter beside Optuna and random search, by the hypervolume that is missing.

    python benchmarks/efficiency/bench_multiobjective.py --bench PATH [--samplers auto,optuna] [--seeds 0-4]

Regret is that of the hypervolume: 0 for the best front known, 1 for a typical random configuration alone. Runs that are
in the file are not made again. `optuna` is Optuna's default for several objectives (NSGA-II).
"""

from __future__ import annotations

import contest

if __name__ == "__main__":
    contest.main(
        __doc__,
        "multiobj",
        "auto,nsga2,random,optuna,optuna-tpe,optuna-gp",
        "multiobjective",
        "Several objectives: regret of the hypervolume",
        lambda budget: [n for n in (25, 50, 100) if n <= budget],
    )
