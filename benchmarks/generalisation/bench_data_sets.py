"""Racing over data sets: whether half of the fits find as good a configuration for new data sets as all of them.

    python benchmarks/generalisation/bench_data_sets.py [--pools FOLDER] [--repetitions 10] [--family classes]

Families of data sets as in families.py. A study tunes for 10 data sets at once, a third of whose rows are held out, by
mean rank, with kilter's own sampler. Whole: 40 trials, or --trials, each on all data sets. Race: scheduler="race",
until half of those fits are used up. Fits of the reference configurations, which ranks are counted among, count on both
sides. Half: half of the trials, on all data sets. The best trial is tried on 30 data sets that it was not tuned for:
the share of 100 random configurations that are better there. Runs are kept in FOLDER/races.jsonl, and only those that
lack are made.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from bench_portfolio import STUDIES, random_losses
from families import Family, families

import kilter
from kilter.core.seeds import rng
from kilter.evaluation import DataSets, Holdout
from kilter.evaluation.places import REFERENCES

SETS, NEW = 10, 30


def fits_of(study: kilter.Study) -> int:
    """How many fits its trials have taken."""
    return sum(len(trial.folds) for trial in study.trials)


def searched(family: Family, sets: list[int], seed: int, scheduler: Any, fits: int, summary: str) -> kilter.Study:
    """A study that ends once so many fits are used up."""
    arrays = {str(data): family.arrays(data) for data in sets}
    objective = DataSets(arrays, Holdout(1 / 3), summary=summary).objective(family.train)
    study = kilter.create_study(space=family.space, scheduler=scheduler, seed=seed)
    used = REFERENCES * len(sets) if summary == "rank" else 0

    def enough(study: kilter.Study, trial: Any) -> None:
        if used + fits_of(study) >= fits:
            study.stop()

    study.optimize(objective, n_trials=1000, callbacks=[enough], progress="none")
    return study


def run(family: Family, repetition: int, kind: str, random: np.ndarray, summary: str, trials: int) -> dict[str, Any]:
    """One line: what became of the choice on new data sets."""
    order = rng(repetition, "which data sets").permutation(STUDIES).tolist()
    sets, new = order[:SETS], order[SETS : SETS + NEW]
    whole = SETS * (trials + (REFERENCES if summary == "rank" else 0))
    scheduler, fits = "race" if kind == "race" else "fifo", whole if kind == "whole" else whole // 2
    study = searched(family, sets, repetition, scheduler, fits, summary)
    losses = np.array([family.loss(study.best_params, data) for data in new])
    place = float((random[:, new] < losses).mean())
    return {
        "family": family.name, "summary": summary, "repetition": repetition, "kind": kind, "of": trials, "place": place,
        "fits": fits_of(study), "trials": len(study.trials),
    }  # fmt: skip


def table(lines: list[dict[str, Any]]) -> str:
    """Mean places of the best trial, and the differences to the whole evaluation."""
    cells = defaultdict(dict)
    for line in lines:
        cells[line["family"], line["summary"], line["of"], line["kind"]][line["repetition"]] = line
    rows = [
        "| family | summary | of trials | evaluation | fits | trials | place on new data sets | less that of whole |"
    ]
    rows += ["|---|---|--:|---|--:|--:|--:|--:|"]
    for (family, summary, of, kind), runs in cells.items():
        whole = cells[family, summary, of, "whole"]
        both = [repetition for repetition in runs if repetition in whole]
        apart = [runs[r]["place"] - whole[r]["place"] for r in both]
        mean = {name: np.mean([line[name] for line in runs.values()]) for name in ("fits", "trials", "place")}
        error = np.std(apart) / max(len(apart) - 1, 1) ** 0.5
        rows.append(
            f"| {family} | {summary} | {of} | {kind} | {mean['fits']:.0f} | {mean['trials']:.0f} "
            f"| {mean['place']:.3f} | {np.mean(apart):+.3f} ± {error:.3f} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Make what lacks, and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, default=Path("/tmp/kilter-pools"))
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--family", help="only this one")
    parser.add_argument("--summary", default="rank")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--kinds", default="whole,race,half")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.pools.mkdir(parents=True, exist_ok=True)
    path = arguments.pools / "races.jsonl"
    lines = [json.loads(line) for line in path.open()] if path.exists() else []
    done = {(line["family"], line["summary"], line["repetition"], line["kind"], line["of"]) for line in lines}
    for repetition in range(arguments.repetitions):
        for family in families():
            for kind in arguments.kinds.split(","):
                if arguments.family not in (None, family.name):
                    continue
                key = (family.name, arguments.summary, repetition, kind, arguments.trials)
                if key in done:
                    continue
                random = random_losses(family, arguments.pools)
                lines.append(run(family, repetition, kind, random, arguments.summary, arguments.trials))
                with path.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
    print(table(lines))


if __name__ == "__main__":
    main()
