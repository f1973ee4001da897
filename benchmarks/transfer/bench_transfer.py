"""What earlier studies are worth to the next one: leave one task out, in four families of sixteen tasks.

    python benchmarks/transfer/bench_transfer.py [--pools FOLDER] [--out FILE.jsonl] [--methods kilter,kilter-transfer]

A run is handed studies of other tasks of its family and makes 50 trials on its own. Regret is the true loss of the best
trial seen, less the least known of the task, in units of what the middle one of 400 random configurations has. Ratios
are of mean regrets, all tasks weighted alike, to those of kilter that is told nothing, on the same tasks and seeds;
intervals are over tasks. Runs that the file has already are not made again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

import argparse
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from earlier import MISLEADING, SCENARIOS, Tasks, made
from families import TASKS, families
from methods import BLIND, METHODS, missing

from kilter.core.seeds import rng

TRIALS = 50
AT = (1, 5, 10, 25, 50)
BASE = "kilter"


@dataclass(frozen=True)
class Run:
    """The true losses of the trials of one run, and what was seen of them."""

    method: str
    scenario: str
    family: str
    task: int
    seed: int
    losses: list[float]
    seen: list[float]

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        return self.method, self.scenario, self.family, self.task, self.seed


def run(method: str, scenario: str, tasks: Tasks, task: int, seed: int) -> Run:
    """Fifty trials."""
    earlier = [] if method in BLIND else tasks.handed(scenario, task, seed)
    made = METHODS[method](tasks.family.space, earlier, seed)
    losses, seen = [], []
    for _ in range(TRIALS):
        params = made.ask()
        losses.append(tasks.family.loss(params, task))
        seen.append(tasks.observed(params, task, seed))
        made.tell(seen[-1])
    return Run(method, "none" if method in BLIND else scenario, tasks.family.name, task, seed, losses, seen)


def runs_in(path: Path) -> list[Run]:
    """Those that the file has."""
    return [Run(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def race(options: argparse.Namespace, known: dict[str, Tasks]) -> None:
    """Make the runs that the file lacks."""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = {one.key for one in runs_in(options.out)}
    with options.out.open("a") as file:
        for method in options.methods:
            for scenario in ["none"] if method in BLIND else options.scenarios:
                for name, tasks in known.items():
                    for seed in range(options.seeds):
                        for task in range(TASKS):
                            if (method, scenario, name, task, seed) not in done:
                                file.write(json.dumps(asdict(run(method, scenario, tasks, task, seed))) + "\n")
                                file.flush()
                print(f"{method}, {scenario}: done", flush=True)


# Scores. --------------------------------------------------------------------------------------------------------------

Problem = tuple[str, int]
Curves = dict[Problem, np.ndarray]
"""By task the regret after each trial, the mean over seeds."""
Scales = dict[Problem, tuple[float, float]]
"""By task the least loss known, and what the middle random configuration has beyond it."""


def leads(one: Run) -> np.ndarray:
    """The true loss of the best trial seen, after each."""
    best = [int(np.argmin(one.seen[: n + 1])) for n in range(len(one.seen))]
    return np.array(one.losses)[best]


def scales(runs: Sequence[Run], known: dict[str, Tasks]) -> Scales:
    """Of all tasks."""
    found = {}
    for name, tasks in known.items():
        for task in range(TASKS):
            least = min([*tasks.random[task], *(min(r.losses) for r in runs if (r.family, r.task) == (name, task))])
            found[name, task] = (least, float(np.median(tasks.random[task])) - least)
    return found


def curves(runs: Sequence[Run], method: str, scenario: str, seeds: dict[Problem, set[int]], scale: Scales) -> Curves:
    """Of a method in a scenario, on the seeds given."""
    gathered: dict[Problem, list[np.ndarray]] = {}
    for one in runs:
        problem = (one.family, one.task)
        if (one.method, one.scenario) == (method, scenario) and one.seed in seeds.get(problem, ()):
            least, unit = scale[problem]
            gathered.setdefault(problem, []).append(np.clip((leads(one) - least) / unit, 0, 1))
    return {problem: np.mean(found, axis=0) for problem, found in gathered.items()}


def seeds_of(runs: Iterable[Run], method: str, scenario: str) -> dict[Problem, set[int]]:
    found: dict[Problem, set[int]] = {}
    for one in runs:
        if (one.method, one.scenario) == (method, scenario):
            found.setdefault((one.family, one.task), set()).add(one.seed)
    return found


def paired(runs: Sequence[Run], method: str, scenario: str, scale: Scales) -> tuple[np.ndarray, np.ndarray]:
    """Regrets with and without, (task, trial), on the tasks and seeds that both have."""
    own, base = (seeds_of(runs, m, s) for m, s in ((method, scenario), (BASE, "none")))
    shared = {problem: own[problem] & base[problem] for problem in own.keys() & base.keys()}
    ours = curves(runs, method, scenario, shared, scale)
    theirs = curves(runs, BASE, "none", shared, scale)
    order = sorted(ours)
    return np.array([ours[p] for p in order]), np.array([theirs[p] for p in order])


def ratio(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Of mean regrets, with a bootstrap interval over tasks."""
    picks = rng(0, "bootstrap").integers(len(ours), size=(2000, len(ours)))
    low, high = np.percentile(ours[picks].mean(axis=1) / theirs[picks].mean(axis=1), (2.5, 97.5))
    return f"{ours.mean() / theirs.mean():.2f} [{low:.2f}, {high:.2f}]"


def saved(ours: np.ndarray, theirs: np.ndarray, at: int) -> float:
    """How many times fewer trials it takes to what the other has after so many; never counts as 1.5 times as many."""

    def first(curve: np.ndarray, level: float) -> float:
        there = np.flatnonzero(curve <= level)
        return min(there[0] + 1.0 if len(there) else np.inf, 1.5 * at)

    logs = [np.log(first(b, b[at - 1]) / first(a, b[at - 1])) for a, b in zip(ours, theirs)]
    return float(np.exp(np.mean(logs)))


def table(runs: Sequence[Run], scale: Scales, family: str | None = None) -> list[str]:
    """A row for each scenario and method: ratios at some trials, and how many times fewer trials it takes."""
    here = [one for one in runs if family in (None, one.family)]
    lines = [
        f"### {family or 'All families'}",
        "",
        alone(here, scale),
        "| earlier studies | method | tasks | " + " | ".join(f"@{n}" for n in AT) + " | fewer trials to @25 |",
        "|---|---|--:|" + "--:|" * (len(AT) + 1),
    ]
    cases = {(one.scenario, one.method): None for one in here if one.method != BASE}
    order = ["none", *SCENARIOS]
    pools: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for scenario, method in sorted(cases, key=lambda case: order.index(case[0])):
        ours, theirs = paired(here, method, scenario, scale)
        if scenario in MISLEADING:
            pools.setdefault(method, []).append((ours, theirs))
        lines.append(row(scenario, method, ours, theirs))
    for method, parts in pools.items():
        if len(parts) == len(MISLEADING) and len({len(ours) for ours, _ in parts}) == 1:
            ours, theirs = (np.mean(side, axis=0) for side in zip(*parts))
            lines.append(row("all misleading", method, ours, theirs))
    return [*lines, ""]


def alone(runs: Sequence[Run], scale: Scales) -> str:
    """What kilter leaves that is told nothing."""
    found = curves(runs, BASE, "none", seeds_of(runs, BASE, "none"), scale)
    mean = np.mean(list(found.values()), axis=0)
    return f"{BASE}, told nothing, leaves " + ", ".join(f"{mean[n - 1]:.3f} @{n}" for n in AT) + ".\n"


def row(scenario: str, method: str, ours: np.ndarray, theirs: np.ndarray) -> str:
    cells = [ratio(ours[:, n - 1], theirs[:, n - 1]) for n in AT]
    return f"| {scenario} | {method} | {len(ours)} | " + " | ".join(cells) + f" | x {saved(ours, theirs, 25):.1f} |"


def main() -> None:
    """Runs, then tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pools = Path("/tmp/kilter-pools/transfer")
    parser.add_argument("--pools", type=Path, default=pools, help="folder of what is made once")
    parser.add_argument("--out", type=Path, default=pools / "runs.jsonl", help="file of runs")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    parser.add_argument("--scenarios", type=lambda text: text.split(","), default=list(SCENARIOS))
    parser.add_argument("--families", type=lambda text: text.split(","), default=[each.name for each in families()])
    parser.add_argument("--seeds", type=int, default=2, help="how many (default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.methods = [BASE, *(name for name in options.methods if name != BASE and not missing(name))]
    known = {each.name: made(each, options.pools) for each in families() if each.name in options.families}
    race(options, known)
    runs = [one for one in runs_in(options.out) if one.family in known]
    scale = scales(runs, known)
    for family in (None, *known):
        print("\n".join(table(runs, scale, family)), flush=True)


if __name__ == "__main__":
    main()
