"""Constraints whose bounds are known and whose shape is not: kilter beside Optuna and random search.

    python benchmarks/efficiency/bench_constrained.py --bench PATH [--samplers auto,optuna] [--seeds 0-4]

Regret is that of the best feasible trial, 1 while there is none. Runs that are in the file are not made again. `optuna`
is Optuna's default for one objective (TPE), told the constraints.
"""

from __future__ import annotations

import contest

if __name__ == "__main__":
    contest.main(
        __doc__,
        "constrained",
        "auto,nsga2,random,optuna,optuna-nsga2,optuna-gp",
        "constrained",
        "Constraints: regret of the best feasible trial",
        lambda budget: [n for n in (25, 50, 100) if n <= budget],
    )
