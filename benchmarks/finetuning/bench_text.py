"""What two earlier text tasks are worth to a third: examples/bert_text.py over several seeds.

The earlier two tasks are tuned once; then the third is, three times, from each seed:

    nothing   no earlier study
    studies   their trials as earlier studies
    weights   these, and the weights that their best trials left as where a training may start

    python benchmarks/finetuning/bench_text.py --seeds 0 1 2 --out finetuning.jsonl

Printed are the mean over seeds of the lowest log loss after so many trials, with the difference to `nothing` seed by
seed and its 95 % interval by Student's t, and the trials and seconds that each needs to the loss that `nothing` ends
with. Results are appended to a file, and what is in there is not run again. Some four minutes a seed on one core.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from transformers import logging

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import bert_text as example

import kilter
from kilter import TrialState
from kilter.integrations.torch import starting_points

ARMS = ("nothing", "studies", "weights")
MARKS = (1, 2, 3, 5, 7, 10)


def run(seed: int, arm: str, trials: int) -> dict[str, Any]:
    """Values and seconds of the trials of one study."""
    earlier = earlier_studies()
    starts = starting_points(*earlier) if arm == "weights" else {}
    study = example.tuned(example.SCIPY, trials, starts, seed=seed, transfer=None if arm == "nothing" else earlier)
    complete = [trial if trial.state == TrialState.COMPLETE else None for trial in study.trials]
    return {
        "seed": seed,
        "arm": arm,
        "values": [trial and trial.value for trial in complete],
        "seconds": [trial.duration.total_seconds() for trial in study.trials],
        "params": [trial.params for trial in study.trials],
        "earlier": {study.study_name: study.best_value for study in earlier},
    }


def tuned_only(starts: dict[str, str] = example.NOWHERE) -> dict[str, Any]:
    """The space without the regression on the frozen model, which most trials of a small task may be."""
    return {"model": kilter.Choice({"fine-tuned": example.finetuning(starts)}, default="fine-tuned")}


@cache
def earlier_studies() -> list[kilter.Study]:
    """Of both tasks, from nothing."""
    return [example.tuned(task, example.EARLIER, transfer=None) for task in example.EARLIER_TASKS]


def lowest(row: dict[str, Any], n: int) -> float:
    """The lowest value of the first n trials, complete ones only."""
    return min((value for value in row["values"][:n] if value is not None), default=math.inf)


def reached(row: dict[str, Any], value: float) -> tuple[int, float]:
    """How many trials, and seconds, until a value is reached; all of them where it is not."""
    n = next((n for n in range(1, len(row["values"])) if lowest(row, n) <= value), len(row["values"]))
    return n, sum(row["seconds"][:n])


def report(rows: list[dict[str, Any]], trials: int) -> None:
    """The tables."""
    by = {(row["arm"], row["seed"]): row for row in rows}
    print("lowest log loss after so many trials, and its difference to nothing, with interval")
    for arm in ARMS:
        pairs = [(by[arm, seed], by["nothing", seed]) for kind, seed in by if kind == arm and ("nothing", seed) in by]
        if len(pairs) > 1:
            print(f"  {arm} ({len(pairs)} seeds)", *(cell(pairs, n) for n in MARKS if n <= trials))
            ends = [(row, lowest(plain, trials)) for row, plain in pairs]
            hits = sum(lowest(row, trials) <= end for row, end in ends)
            n, seconds = np.exp(np.log([reached(row, end) for row, end in ends]).mean(0))
            print(f"    to what nothing ends with: {n:.1f} trials, {seconds:.0f} s; {hits} of {len(pairs)} get there")


def cell(pairs: list[tuple[dict[str, Any], dict[str, Any]]], n: int) -> str:
    values = np.array([[lowest(row, n) for row in pair] for pair in pairs])
    difference = values[:, 0] - values[:, 1]
    half = student.ppf(0.975, len(pairs) - 1) * difference.std(ddof=1) / len(pairs) ** 0.5
    return f" {n}: {values[:, 0].mean():.3f} ({difference.mean():+.3f} ± {half:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS)
    parser.add_argument("--trials", type=int, default=example.TRIALS)
    parser.add_argument("--tuned-only", action="store_true", help="without the regression on the frozen model")
    parser.add_argument("--lowest", type=int, default=example.LOWEST, help="layers that are never trained")
    parser.add_argument("--tokens", type=int, default=example.TOKENS, help="of each text")
    parser.add_argument("--out", type=Path, default=Path("finetuning.jsonl"))
    asked = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    example.LOWEST, example.TOKENS = asked.lowest, asked.tokens
    if asked.tuned_only:
        example.space = tuned_only
    done = {(row["seed"], row["arm"]) for row in known(asked.out)}
    for seed in asked.seeds:
        for arm in asked.arms:
            if (seed, arm) not in done:
                row = run(seed, arm, asked.trials)
                print(seed, arm, [round(lowest(row, n), 3) for n in MARKS if n <= asked.trials], flush=True)
                with asked.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    report(known(asked.out), asked.trials)


def known(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
