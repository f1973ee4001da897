"""One objective: kilter on a bench outside, beside the peers whose runs that bench stores.

    python benchmarks/efficiency/bench_single.py --bench PATH [--optimizer kilter] [--seeds 0-4] [--live] [--jobs 2]

The runs are made by `python -m bench.run` there, one process a seed; regrets, curves and references are those of its
`bench.score`. Every comparison rests on the problems and seeds that both have: means over seeds, then over problems,
with 95 % bootstrap intervals over problems. log10 regret has a floor of 1e-3. Half of the problems are kept back: look
at them when all is decided (--half tune until then).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import contest
import numpy as np

POINTS = (25, 50, 100)
OURS = "ours"
STRATA = (
    {"synthetic", "continuous", "lowdim"},
    {"synthetic", "continuous"},
    {"synthetic"},
    {"conditional", "surrogate"},
    {"lcbench"},
    {"surrogate"},
    {"table"},
    {"live"},
)
"""Kinds of problems, the first that fits counts; of each kind every second one is kept back."""
TAGS = ("synthetic", "surrogate", "table", "live", "continuous", "mixed", "discrete", "conditional")
TAGS += ("lowdim", "middim", "highdim")

Key = tuple[str, str, int]


def halves(registry: dict[str, Any]) -> dict[str, str]:
    """Each problem's half, "tune" or "kept": within a kind, families together and then in an arbitrary order."""
    kinds = defaultdict(list)
    for name, problem in registry.items():
        kinds[next(i for i, tags in enumerate(STRATA) if tags <= set(problem.tags))].append(name)

    def order(name: str) -> tuple[str, str]:
        return registry[name].family.split("_")[0], hashlib.sha1(name.encode()).hexdigest()

    ordered = [name for i in range(len(STRATA)) for name in sorted(kinds[i], key=order)]
    return {name: ("tune", "kept")[i % 2] for i, name in enumerate(ordered)}


def make_runs(folder: Path, options: argparse.Namespace, names: list[str]) -> None:
    """Call the bench's own runner, which skips what is there."""

    def one(seed: int) -> int:
        command = [sys.executable, "-m", "bench.run", "--optimizer", options.optimizer, "--set", "dev"]
        command += ["--seeds", str(seed), "--budget", str(options.budget), "--problems", ",".join(names)]
        command += ["--out", str(options.out.resolve() / f"seed-{seed}")]
        return subprocess.run(
            command, cwd=folder.parent, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
        ).returncode

    with ThreadPoolExecutor(options.jobs) as pool:
        codes = list(pool.map(one, contest.listed(options.seeds)))
    if any(codes):
        sys.exit("a run of the bench ended with an error")


class Scores:
    """Curves of normalised regret by (optimizer, problem, seed), and means over what two optimizers share."""

    def __init__(self, runs: list[dict[str, Any]], references: dict[str, Any], names: list[str], bench: Any) -> None:
        self.bench, self.curves, self.runs = bench, {}, {}
        for run in runs:
            if run["problem"] not in names or run["problem"] not in references or not run["values"]:
                continue
            best, typical, mark = references[run["problem"]]
            if run["fingerprint"] == mark:
                key: Key = run["optimizer"], run["problem"], run["seed"]
                self.runs[key], self.curves[key] = run, bench.curve(run, best, typical)

    def optimizers(self) -> list[str]:
        return sorted({key[0] for key in self.curves}, key=lambda name: (name != OURS, name))

    def pairs(self, name: str, n: int, among: set[str] | None = None) -> set[tuple[str, int]]:
        """The problems and seeds on which it got as far as n trials."""
        return {
            (p, s)
            for (o, p, s), c in self.curves.items()
            if o == name and len(c) >= n and (among is None or p in among)
        }

    def by_problem(self, name: str, n: int, pairs: set[tuple[str, int]], log: bool) -> dict[str, float]:
        """Regrets or their logarithms, a mean over seeds each."""
        found = defaultdict(list)
        for p, s in pairs:
            regret = self.curves[name, p, s][n - 1]
            found[p].append(np.log10(max(regret, self.bench.FLOOR)) if log else regret)
        return {p: float(np.mean(values)) for p, values in sorted(found.items())}

    def apart(self, other: str, n: int, among: set[str] | None = None) -> np.ndarray:
        """log10 regret of ours less that of another, by problem."""
        both = self.pairs(OURS, n, among) & self.pairs(other, n, among)
        ours, theirs = (self.by_problem(name, n, both, True) for name in (OURS, other))
        return np.array([ours[p] - theirs[p] for p in ours])


def spelled(bench: Any, values: Any, digits: int = 2, sign: str = "+") -> str:
    low, high = bench.boot(list(values))
    return f"{np.mean(list(values)):{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def overall(scores: Scores, bench: Any) -> list[str]:
    """Ours, then every peer on the runs that it shares with ours."""
    lines = []
    for n in POINTS:
        mine, rows = scores.pairs(OURS, n), []
        if not mine:
            continue
        regret, logs = (list(scores.by_problem(OURS, n, mine, log).values()) for log in (False, True))
        rows.append(
            [OURS, f"{len(regret)}/{len(mine)}", spelled(bench, regret, 3, ""), "", spelled(bench, logs), "", "", ""]
        )
        for name in scores.optimizers()[1:]:
            both = mine & scores.pairs(name, n)
            if not both:
                continue
            theirs, ours = (scores.by_problem(o, n, both, False) for o in (name, OURS))
            wins = [
                np.sign(scores.curves[name, p, s][n - 1] - scores.curves[OURS, p, s][n - 1]) / 2 + 0.5 for p, s in both
            ]
            rows.append(
                [
                    name,
                    f"{len(theirs)}/{len(both)}",
                    spelled(bench, theirs.values(), 3, ""),
                    f"{np.mean(list(ours.values())):.3f}",
                    spelled(bench, scores.by_problem(name, n, both, True).values()),
                    f"{np.mean(list(scores.by_problem(OURS, n, both, True).values())):+.2f}",
                    spelled(bench, scores.apart(name, n)),
                    f"{np.mean(wins):.0%}",
                ]
            )
        head = ["optimizer", "problems/runs", f"regret@{n}", "ours", f"log10@{n}", "ours", "ours - it", "ours wins"]
        lines += ["", *contest.markdown(head, rows)]
    return lines


def ranks(scores: Scores, bench: Any, names: list[str]) -> list[str]:
    """Mean ranks among those that have all problems, by how many seeds they share."""
    whole = {
        o: {s for _, s in scores.pairs(o, POINTS[-1]) if all((p, s) in scores.pairs(o, POINTS[-1]) for p in names)}
        for o in scores.optimizers()
    }
    lines, seen = [], set()
    for least in sorted({len(seeds) for seeds in whole.values() if seeds}):
        group = [o for o, seeds in whole.items() if len(seeds) >= least]
        if OURS not in group or len(group) < 3 or tuple(group) in seen:
            continue
        seen.add(tuple(group))
        seeds = set.intersection(*(whole[o] for o in group))
        cells: dict[str, list[str]] = {o: [] for o in group}
        for n in POINTS:
            means = {o: scores.by_problem(o, n, {(p, s) for p in names for s in seeds}, False) for o in group}
            found = np.array([bench.ranks([means[o][p] for o in group]) for p in names]).mean(axis=0)
            for o, rank in zip(group, found):
                cells[o].append(f"{rank:.2f}")
        rows = [[o, *cells[o]] for o in sorted(group, key=lambda o: float(cells[o][-1]))]
        lines += ["", f"Mean rank on all {len(names)} problems, {len(seeds)} seeds:", ""]
        lines += contest.markdown(["optimizer", *(f"rank@{n}" for n in POINTS)], rows)
    return lines


def by_group(scores: Scores, groups: dict[str, set[str]], bench: Any) -> list[str]:
    """Of each group of problems: ours less every peer."""
    others = scores.optimizers()[1:]
    rows = []
    for group, names in groups.items():
        mine = scores.by_problem(OURS, POINTS[-1], scores.pairs(OURS, POINTS[-1], names), True)
        if not mine:
            continue
        cells = []
        for other in others:
            apart = [scores.apart(other, n, names) for n in POINTS]
            cells.append(" / ".join(f"{a.mean():+.2f}" for a in apart if len(a)))
        rows.append([group, str(len(mine)), f"{np.mean(list(mine.values())):.2f}", *cells])
    title = f"log10 regret of ours at {POINTS[-1]}, then ours less each at {' / '.join(map(str, POINTS))}:"
    return ["", title, "", *contest.markdown(["problems", "n", "ours", *others], rows)]


def costs(scores: Scores) -> list[str]:
    rows = []
    for name in scores.optimizers():
        runs = [run for key, run in scores.runs.items() if key[0] == name]
        late = [np.median(run["cpu_s"][90:100]) * 1e3 for run in runs if len(run["cpu_s"]) >= 100]
        mean = np.mean([np.mean(run["cpu_s"]) * 1e3 for run in runs])
        broken = sum(run["stopped"] != "budget" for run in runs)
        rows.append([name, str(len(runs)), f"{mean:.1f}", f"{np.median(late):.1f}" if late else "", str(broken)])
    return ["", *contest.markdown(["optimizer", "runs", "CPU ms/trial", "at 91-100", "cut short"], rows)]


def main() -> None:
    parser = contest.parser(__doc__, "kilter", "0-4", 100)
    parser.set_defaults(out=contest.RESULTS / "single")
    parser.add_argument("--optimizer", default="kilter", help="name in the bench's registry (default: %(default)s)")
    parser.add_argument("--half", choices=("tune", "kept"), help="one half of the problems; without it both, and apart")
    parser.add_argument("--live", action="store_true", help="problems that train models as well, which take long")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one a seed (default: %(default)s)")
    options = parser.parse_args()
    folder = contest.found(options.bench)
    from bench import run as runner
    from bench import score as bench

    registry = runner.registry("dev", ("single",))
    parts = halves(registry)
    names = [name for name, p in registry.items() if options.live or "live" not in p.tags]
    names = [name for name in names if options.half in (None, parts[name])]
    names = [name for name in names if any(fnmatch(name, each) for each in options.problems.split(","))]
    if not options.score_only:
        make_runs(folder, options, names)
    seeds = contest.listed(options.seeds)
    mine = [run for s in seeds for run in bench.load(str(options.out / f"seed-{s}"), "dev", [options.optimizer])]
    if not mine:
        sys.exit(f"no runs in {options.out}")
    stored = bench.load(str(folder / "results"), "dev")
    runs = [run for run in stored if run["optimizer"] != options.optimizer] + [
        {**run, "optimizer": OURS} for run in mine
    ]
    scores = Scores(runs, bench.references("dev", runs)[0], names, bench)
    groups = {part: {n for n in names if parts[n] == part} for part in ("tune", "kept")}
    groups |= {tag: {n for n in names if tag in registry[n].tags} for tag in TAGS}
    lines = [f"## One objective: {options.optimizer} on {len(names)} problems, seeds {options.seeds}"]
    lines += [*overall(scores, bench), *ranks(scores, bench, names), *by_group(scores, groups, bench), *costs(scores)]
    lines += ["", f"Made by `{contest.command()}` with {', '.join(f'{k} {v}' for k, v in contest.versions().items())}."]
    print("\n".join(lines))
    options.out.with_suffix(".md").write_text("\n".join(lines) + "\n")
    summary = {
        "command": contest.command(),
        "versions": contest.versions(),
        "regret": {n: scores.by_problem(OURS, n, scores.pairs(OURS, n), False) for n in POINTS},
        "log10 less peer": {
            o: {n: float(scores.apart(o, n).mean()) for n in POINTS if len(scores.apart(o, n))}
            for o in scores.optimizers()[1:]
        },
    }
    options.out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
