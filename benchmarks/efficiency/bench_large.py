"""Thousands of trials on cheap functions: kilter beside the package `cmaes` and Nevergrad's default.

    python benchmarks/efficiency/bench_large.py [--budget 5000] [--samplers auto,cmaes] [--seeds 0-4]

Regret is 1 for what ten random draws reach, its logarithm has a floor of 1e-8. `auto` takes minutes for 5,000 trials:
give it fewer seeds. Each call adds its runs to the file; the tables are over all that is there, every comparison on the
problems and seeds that both have.
"""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import contest
import numpy as np

from kilter.bench import BenchProblem, race
from kilter.bench.problems import ackley, ellipsoid, levy, mixed, rastrigin, rosenbrock, step_ellipsoid

FLOOR = 1e-8
DIMENSIONS = 10


def functions() -> list[BenchProblem]:
    """Bowls and valleys, many minima, plateaus, and one with options."""
    made = [make(DIMENSIONS) for make in (ellipsoid, rosenbrock, rastrigin, ackley, levy, step_ellipsoid)]
    return [*made, mixed()]


def points(budget: int) -> list[int]:
    """Where a run is looked at."""
    return sorted({n for n in (100, 300, 1000, 2000, 5000) if n < budget} | {budget})


def log_regret(problem: BenchProblem, incumbent: list[float | None], n: int) -> float:
    value = incumbent[min(n, len(incumbent)) - 1]
    assert problem.best is not None and problem.typical is not None
    regret = 1.0 if value is None else (value - problem.best) / (problem.typical - problem.best)
    return float(np.log10(np.clip(regret, FLOOR, 1.0)))


def kept(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """The runs of a file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {(each["sampler"], each["problem"], each["seed"]): each for each in map(json.loads, lines)}


def make_runs(problems: list[BenchProblem], samplers: dict[str, Any], options: Any, path: Path) -> None:
    """One race for each run; of its lists only a few points are kept, since thousands of trials make long lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = kept(path)
    for seed in contest.listed(options.seeds):
        for problem in problems:
            for label, sampler in samplers.items():
                if (label, problem.name, seed) in done:
                    continue
                (run,) = race([problem], {label: sampler}, [seed], options.budget)
                if run.error:
                    print(f"{label} on {problem.name}: {run.error}", flush=True)
                    continue
                logs = {n: log_regret(problem, run.incumbent, n) for n in points(options.budget)}
                cost = (sum(run.ask_ms) + sum(run.tell_ms)) / len(run.ask_ms)
                line = {"sampler": label, "problem": problem.name, "seed": seed, "log10": logs, "ms": round(cost, 4)}
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(
                    f"{label} {problem.name} seed {seed}: {logs[options.budget]:.2f}, {cost:.2f} ms a trial", flush=True
                )


def tables(runs: dict[tuple[str, str, int], dict[str, Any]], budget: int) -> tuple[list[str], dict[str, Any]]:
    """By problem, and every pair of one of ours with a peer."""
    samplers = list(dict.fromkeys(key[0] for key in runs))
    problems = list(dict.fromkeys(key[1] for key in runs))

    def logs(sampler: str, problem: str, n: int) -> dict[int, float]:
        return {s: run["log10"][str(n)] for (o, p, s), run in runs.items() if (o, p) == (sampler, problem)}

    text, figures = [f"## {budget} trials: log10 regret", ""], {}
    rows = []
    for problem in problems:
        found = [logs(sampler, problem, budget) for sampler in samplers]
        rows.append([problem, *(f"{np.mean(list(f.values())):.2f} ({len(f)})" if f else "–" for f in found)])
    cost = [np.mean([run["ms"] for key, run in runs.items() if key[0] == sampler]) for sampler in samplers]
    rows.append(["CPU ms a trial", *(f"{c:.2f}" for c in cost)])
    text += [*contest.markdown(["problem (seeds)", *samplers], rows), ""]
    rows = []
    for ours in [s for s in samplers if s not in contest.peers.MAKERS]:
        for other in [s for s in samplers if s in contest.peers.MAKERS]:
            row, apart_by_n = [ours, other], {}
            for n in points(budget):
                apart = []
                for problem in problems:
                    mine, theirs = logs(ours, problem, n), logs(other, problem, n)
                    common = mine.keys() & theirs.keys()
                    if common:
                        apart.append([np.mean([mine[s] - theirs[s] for s in common])])
                low, high = contest.interval(np.array(apart)) if apart else ([np.nan], [np.nan])
                apart_by_n[n] = float(np.mean(apart)) if apart else None
                row.append(f"{np.mean(apart):+.2f} [{low[0]:+.2f}, {high[0]:+.2f}]" if apart else "–")
            rows.append(row)
            figures[f"{ours} less {other}"] = apart_by_n
    text += ["log10 regret of ours less that of the peer (below 0: ours is better), 95 % intervals over problems:", ""]
    return text + contest.markdown(["ours", "peer", *(f"@{n}" for n in points(budget))], rows), figures


def main() -> None:
    options = contest.parser(__doc__, "auto,cmaes,de,cmaes-lib,nevergrad", "0-4", 1000).parse_args()
    samplers = contest.entrants(options.samplers, options.budget)
    problems = [p for p in functions() if any(fnmatch(p.name, each) for each in options.problems.split(","))]
    path = options.out / f"large-{options.budget}.jsonl"
    if not options.score_only:
        make_runs(problems, samplers, options, path)
    text, figures = tables(kept(path), options.budget)
    print("\n".join(text))
    path.with_suffix(".md").write_text("\n".join(text) + "\n")
    summary = {"command": contest.command(), "versions": contest.versions(), "less": figures}
    path.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
