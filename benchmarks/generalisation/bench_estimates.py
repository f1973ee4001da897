"""What each way of estimating says of its choice, beside the outer test, over all pools.

    python benchmarks/generalisation/bench_estimates.py --pools FOLDER [--out benchmarks/results/generalisation]

Rows go to FOLDER/estimates.jsonl as they are made, and those that are there are not made again; then the tables are
written. A row is of one pool, one scheme and one number of trials. Corrected for training on four fifths of the rows:

    curve    a quarter of what the choice loses where folds are fitted on half of their rows: five more fits. Scores
             that rise with the logarithm of the rows gain .32 of that from .8 to 1, with errors as 1 / √rows .25
    share    a thirtieth of what is missing from the perfect score, which kilter's estimate has in it already
"""

from __future__ import annotations

import argparse
import json
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from estimators import NEEDS_FOLDS, WAYS, Search, fixed, kilters
from replay import Pool, confirmed, pools, raced, replayed
from tasks import TASKS

from kilter.analysis.estimate import POWER, estimate

COUNTS = (200,)
RACED = 2
"""Repetitions for which races are run, of the largest number of random configurations: they take the longest."""
CURVE, SHARE = 0.25, 1.0 - 0.8**POWER
RESULT = pathlib.Path(__file__).parents[1] / "results" / "generalisation"
CHOOSES = {task.name: task.chooses for task in TASKS}
METRIC = {task.name: task.metric for task in TASKS}


def searches(pool: Pool) -> Iterator[tuple[str, int, Search]]:
    """All that a pool is replayed as."""
    for n in COUNTS:
        yield "hold-out", n, Search(pool, replayed(pool, n, [0]), pool.design([0]))
        yield "5-fold", n, Search(pool, replayed(pool, n, range(5)), pool.design(range(5)))
        yield "hold-out, best 10 on 5", n, Search(pool, confirmed(pool, n), pool.design(range(5)))
        if n == max(COUNTS) and pool.stream == "random" and pool.repetition < RACED:
            yield "race", n, Search(pool, raced(pool, n).history, pool.design(range(5)))


def shorter(pool: Pool, place: int, known: dict[int, float]) -> float:
    """The mean score of a configuration over all folds, fitted on half of the rows of each."""
    if place not in known:
        (x, y), _ = pool.task.draw(pool.repetition)
        scores = []
        for fold in range(5):
            train, test = np.flatnonzero(pool.fold != fold), pool.fold == fold
            half = np.random.default_rng([pool.repetition, fold]).permutation(train)[: len(train) // 2]
            told = pool.task.learner.predictions(pool.params[place], x[half], y[half], [x[test]])[0]
            scores.append(pool.task.score(y[test], told))
        known[place] = float(np.mean(scores))
    return known[place]


def rows_of(pool: Pool) -> Iterator[dict[str, Any]]:
    """One for each search and way."""
    known: dict[int, float] = {}
    for scheme, n, search in searches(pool):
        for way in WAYS:
            if way in NEEDS_FOLDS and len(search.folds) < 2:
                continue
            chosen, value = way(search)
            row = {
                "task": pool.task.name, "repetition": pool.repetition, "stream": pool.stream, "scheme": scheme, "n": n,
                "way": way.__name__, "value": value, "test": float(pool.test[chosen]),
                "default": float(pool.test[0]), "half": shorter(pool, chosen, known),
            }  # fmt: skip
            if way is kilters:
                told = estimate(search.history, search.design)
                row |= {"low": told.low, "high": told.high, "gain": told.gain, "observed": told.observed}
                row |= {"seen": told.observed - float(pool.folds[0, search.folds].mean())}
            yield row


# Tables. --------------------------------------------------------------------------------------------------------------


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Bias and mean error of each way in each scheme, in points."""
    lines = ["| scheme | trials | way | bias | error | with curve | | with share | |", "|---|--:|---|" + "--:|" * 6]
    for scheme, n, way in dict.fromkeys((row["scheme"], row["n"], row["way"]) for row in rows):
        some = [row for row in rows if (row["scheme"], row["n"], row["way"]) == (scheme, n, way)]
        value, test, half = (np.array([row[name] for row in some]) for name in ("value", "test", "half"))
        cells = []
        told = [value, value + CURVE * (value - half), value + SHARE * (1 - value)]
        for each in told[:1] if way == kilters.__name__ else told:
            off = 100 * (each - test)
            cells += [f"{off.mean():+.2f} ± {off.std() / np.sqrt(len(off)):.2f}", f"{np.abs(off).mean():.2f}"]
        cells += [""] * (2 * len(told) - len(cells))
        lines.append(f"| {scheme} | {n} | {way.replace('_', ' ')} | {' | '.join(cells)} |")
    return lines


def ours(rows: list[dict[str, Any]]) -> list[str]:
    """The interval and the gain over the default that `study.estimate()` tells."""
    names = ("trials", "searches", "error", "of the default", "in the interval", "its width", "observed gain",
             "estimated", "true", "worse than the default")  # fmt: skip
    lines = [f"| scheme | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for scheme, n in dict.fromkeys((row["scheme"], row["n"]) for row in rows):
        some = [row for row in rows if (row["scheme"], row["n"]) == (scheme, n)]
        of = {way.__name__: [row for row in some if row["way"] == way.__name__] for way in (kilters, fixed)}
        found = {name: np.array([row[name] for row in of["kilters"]], float) for name in of["kilters"][0] if name not in
                 ("task", "stream", "scheme", "way")}  # fmt: skip
        reference = np.mean([abs(row["value"] - row["test"]) for row in of["fixed"]])
        true = found["test"] - found["default"]
        inside = ((found["low"] <= found["test"]) & (found["test"] <= found["high"])).mean()
        lines.append(
            f"| {scheme} | {n} | {len(true)} | {100 * np.abs(found['value'] - found['test']).mean():.2f} "
            f"| {100 * reference:.2f} | {inside:.0%} | {100 * np.median(found['high'] - found['low']):.1f} "
            f"| {100 * found['seen'].mean():.2f} | {100 * found['gain'].mean():.2f} | {100 * true.mean():.2f} "
            f"| {(true < 0).mean():.1%} |"
        )
    return lines


def report(rows: list[dict[str, Any]]) -> str:
    """All tables."""
    lines = ["# Estimates beside the outer test", "", __doc__.split("\n\n")[0], "", "In points: hundredths.", ""]
    for chooses, what in ((False, "only looked at in the end"), (True, "by which rules were chosen")):
        for metric in ("auc", "r2"):
            kinds = {
                name for name in CHOOSES if CHOOSES[name] is chooses and (METRIC[name] == "r2") is (metric == "r2")
            }
            some = [row for row in rows if row["task"] in kinds]
            if some:
                kind = "R²" if metric == "r2" else "AUC and accuracy"
                names = ", ".join(dict.fromkeys(row["task"] for row in some))
                lines += [f"## Tasks {what}, {kind}", "", names, "", *ours(some), "", *table(some), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=RESULT)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    kept = asked.pools / "estimates.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(row["task"], row["repetition"], row["stream"]) for row in rows}
    for pool in pools(asked.pools, ["random", "auto"]):
        if (pool.task.name, pool.repetition, pool.stream) not in done:
            made = list(rows_of(pool))
            rows += made
            with kept.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in made)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "estimates.md").write_text(report(rows))


if __name__ == "__main__":
    main()
