"""A program that kilter tunes from outside, as any other: it takes arguments, and prints its loss as lines of JSON.

    kilter run any_program.toml

It fits a line through points of which some lie far off, by gradient descent. The lines with a step are reports, by
which the study stops runs that are far behind; the last line is the result. Nothing here knows of kilter.
"""

from __future__ import annotations

import argparse
import json

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--loss", choices=["squared", "huber"], default="squared")
    parser.add_argument("--delta", type=float, default=1.0, help="where the huber loss becomes linear")
    parser.add_argument("--averaged", action="store_true", help="take the mean over the last ten steps")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    y = 3 * x + 1 + rng.normal(0, 0.1, 200) + 10 * (rng.uniform(size=200) < 0.1)  # one in ten lies far off
    weights, kept = np.zeros(2), []
    for step in range(1, 31):
        error = weights[0] * x + weights[1] - y
        slope = error if given.loss == "squared" else np.clip(error, -given.delta, given.delta)
        weights = weights - given.lr * np.array([slope @ x, slope.sum()]) / len(x) * 10
        kept = [*kept[-9:], weights]
        shown = np.mean(kept, axis=0) if given.averaged else weights
        print(json.dumps({"step": step, "loss": distance(shown)}))
    print(json.dumps({"loss": distance(shown)}))


def distance(weights: np.ndarray) -> float:
    """How far the line is from the true one."""
    return float(np.abs(weights - [3, 1]).sum())


if __name__ == "__main__":
    main()
