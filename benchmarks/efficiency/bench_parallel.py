"""Eight workers at a time against one, at equal numbers of trials: how much of the progress is lost.

    python benchmarks/efficiency/bench_parallel.py [--bench PATH] [--samplers auto,tpe,random] [--seeds 0-4]

In simulated time; a trial takes an exponentially distributed while, so that workers ask one by one and not in rounds.
Progress is the logarithm of the regret that is gone, from that of a typical configuration; at most 15 % of it should be
lost. With a bench outside (--bench) two of its surrogates are raced on too.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import contest
import numpy as np

from kilter.bench import delayed, score
from kilter.bench.problems import ackley, hartmann, mixed
from kilter.bench.race import Run

WORKERS = 8
ALLOWED = 0.15
"""The share of the serial progress that may be lost."""
SURROGATES = "lcbench_*,rbv2_*"


def duration(values: Mapping[str, Any]) -> float:
    """Simulated seconds of a configuration, exponentially distributed with mean 1."""
    share = (zlib.crc32(repr(sorted(values.items())).encode()) + 0.5) / 2**32
    return -math.log(share)


def progress(run: Run, at: int) -> float:
    """How many powers of ten the regret has shrunk by."""
    return -score([run], [at]).rows[0].log_regret[-1].mean


def main() -> None:
    options = contest.parser(__doc__, "auto,tpe,random", "0-4", 80).parse_args()
    problems = [hartmann(6), ackley(8), mixed()]
    if options.bench:
        problems += contest.outside(options.bench, "single", SURROGATES)[:2]
    problems = [delayed(problem, duration) for problem in problems]
    samplers = contest.entrants(options.samplers, options.budget)
    path = options.out / "parallel.jsonl"
    for slots in () if options.score_only else (1, WORKERS):
        contest.run(problems, samplers, options.seeds, options.budget, path, slots=slots)

    runs = contest.runs_in(path, problems, samplers, options.budget)
    at = [options.budget // 2, options.budget]
    found = {(r.sampler, r.problem, r.seed, r.slots): [progress(r, n) for n in at] for r in runs if r.error is None}
    text = [f"## {WORKERS} workers against one: powers of ten that the regret shrank by after so many trials", ""]
    rows, figures = [], {}
    for sampler in samplers:
        pairs = {problem.name: pairs_of(found, sampler, problem.name) for problem in problems}
        pairs = {name: each for name, each in pairs.items() if len(each)}
        if not pairs:
            continue
        for name, each in pairs.items():
            rows.append([sampler, name, str(len(each)), *cells(each.mean(axis=0))])
        means = np.mean([each.mean(axis=0) for each in pairs.values()], axis=0)
        low, high = interval(list(pairs.values()))
        total = float(lost(means)[-1])
        rows.append([sampler, "all", "", *cells(means)])
        verdict = "within" if total <= ALLOWED else "MORE THAN"
        text.append(f"{sampler} loses {total:.0%} [{low:.0%}, {high:.0%}] by trial {at[-1]}, {verdict} {ALLOWED:.0%}.")
        figures[sampler] = {"at": at, "serial": means[0], "parallel": means[1], "lost": total, "interval": [low, high]}
    head = ["sampler", "problem", "seeds", *(f"{what}@{n}" for n in at for what in ("one ", f"{WORKERS} ", "lost"))]
    text += ["", *contest.markdown(head, rows), "", "95 % intervals over seeds. Progress ends at 3, a regret of 1e-3."]
    text += ["", f"Made by `{contest.command()}`."]
    print("\n".join(text))
    (options.out / "parallel.md").write_text("\n".join(text) + "\n")
    summary = {"command": contest.command(), "versions": contest.versions(), "samplers": figures}
    (options.out / "parallel.json").write_text(json.dumps(summary, indent=1, default=np.ndarray.tolist) + "\n")


def pairs_of(found: Mapping[tuple[str, str, int, int], list[float]], sampler: str, problem: str) -> np.ndarray:
    """Progress of the seeds that were run both ways, (seeds, 2, points)."""
    seeds = [s for o, p, s, slots in found if (o, p, slots) == (sampler, problem, WORKERS)]
    both = [s for s in seeds if (sampler, problem, s, 1) in found]
    return np.array([[found[sampler, problem, s, slots] for slots in (1, WORKERS)] for s in both])


def lost(means: np.ndarray) -> np.ndarray:
    """The share of the progress that is lost, from means (2, points); (points,)."""
    return 1 - means[1] / means[0]


def cells(means: np.ndarray) -> list[str]:
    return [
        text for one, many, share in zip(*means, lost(means)) for text in (f"{one:.2f}", f"{many:.2f}", f"{share:+.0%}")
    ]


def interval(pairs: list[np.ndarray]) -> tuple[float, float]:
    """Of the share that is lost, seeds drawn anew within each problem."""
    stream = np.random.default_rng(0)
    shares = []
    for _ in range(2000):
        means = np.mean([each[stream.integers(len(each), size=len(each))].mean(axis=0) for each in pairs], axis=0)
        shares.append(lost(means)[-1])
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)


if __name__ == "__main__":
    main()
