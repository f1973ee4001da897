"""Is the recommended trial truly better than the best observed one? By what both are worth without noise.

    python benchmarks/efficiency/bench_recommend.py [--half tune|check] [--seeds 0-1] [--histories FOLDER] [--jobs 2]

Studies of 100 trials with kilter's own sampler. Noise is additive, 0, .1, .3 and 1 × the standard deviation of random
draws; or normal, and .1, .3 and 1 × the distance from the best value; or that distance times a factor whose logarithm
has a standard deviation of .1, .3 and 1. The studies are made once and kept in a folder, from which trials are then
chosen after 25, 50 and 100 trials. The value without noise of the chosen one is 0 where it is the best known and 1
where it is what ten random draws reach; beyond 3 it counts as 3, lest a few wild ones make up the mean. Rules are
thought up on the half "tune", the table is of "check".
"""

from __future__ import annotations

import contest  # holds BLAS to one thread, before NumPy is loaded  # isort: skip
import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from kilter.analysis.winner import winner
from kilter.api import create_study
from kilter.bench import BenchProblem, noisy, problems
from kilter.core.events import Ended, Enqueued, Started, TrialState
from kilter.core.history import History, Record
from kilter.core.seeds import rng
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

TRIALS = 100
POINTS = (25, 50, 100)
CELLS = [("additive", share) for share in (0.0, 0.1, 0.3, 1.0)]
CELLS += [(kind, share) for kind in ("relative", "factor") for share in (0.1, 0.3, 1.0)]
WORST = 3.0
DRAWS = 500
"""Random configurations whose standard deviation is the spread."""

Make = Callable[[], BenchProblem]
HALVES: dict[str, list[Make]] = {
    "tune": [
        problems.double_funnel,
        partial(problems.double_funnel, 4),
        partial(problems.rastrigin, 2),
        problems.rastrigin,
        problems.ackley,
        problems.levy,
        problems.schwefel,
        problems.griewank,
        problems.styblinski_tang,
        problems.branin,
        problems.six_hump,
        partial(problems.hartmann, 6),
        partial(problems.rosenbrock, 3),
        partial(problems.ellipsoid, 10),
        problems.peaks,
        problems.mixed,
    ],
    "check": [
        partial(problems.double_funnel, 2, 5),
        partial(problems.double_funnel, 3, 5),
        partial(problems.double_funnel, 7, 5),
        partial(problems.rastrigin, 3, 5),
        partial(problems.rastrigin, 8, 5),
        partial(problems.ackley, 2, 5),
        partial(problems.ackley, 10, 5),
        partial(problems.levy, 6, 5),
        partial(problems.schwefel, 2),
        partial(problems.griewank, 3, 5),
        partial(problems.styblinski_tang, 3),
        partial(problems.hartmann, 3),
        partial(problems.rosenbrock, 5),
        partial(problems.sphere, 10, 5),
        partial(problems.peaks, 2, 5),
        partial(problems.peaks, 5, 5),
        partial(problems.step_ellipsoid, 4, 5),
        problems.pipeline,
    ],
}


# -- histories --------------------------------------------------------------------------------------------------------


def made(make: Make, kind: str, share: float, seed: int, folder: Path) -> Path:
    """The file of one study, which is run where it is not there yet."""
    problem = make()
    path = folder / f"{problem.name}_{kind}_{share:g}_{seed}.json"
    if path.exists():
        return path
    space = problem.problem.space
    stream = rng(seed, "spread")
    draws = [problem.noiseless(space.values(space.draw(stream))) for _ in range(DRAWS)]
    spread = float(np.std([problem.problem.standing(draw).loss for draw in draws]))
    seen = {
        "additive": lambda: noisy(problem, share * spread),
        "relative": lambda: noisy(problem, relative=share),
        "factor": lambda: by_factor(problem, share),
    }[kind]()
    objective = problem.problem.objectives[0]
    study = create_study(space=space, seed=seed, directions={objective.name: objective.direction})
    trials = []
    for number in range(TRIALS):
        trial = study.ask()
        metrics = seen.evaluate(trial.params, rng(seed, f"noise {problem.name}", number))
        study.tell(trial, metrics)
        trials.append([space.plain(trial.params), metrics[objective.name], regret(problem, trial.params)])
    path.write_text(json.dumps(trials))
    return path


def by_factor(problem: BenchProblem, share: float) -> BenchProblem:
    """The distance from the best value times a factor whose logarithm is normal, so that nothing is below the best."""
    name = problem.problem.objectives[0].name

    def observe(values: dict, stream: np.random.Generator) -> dict:
        distance = problem.noiseless(values)[name] - problem.best
        return {name: problem.best + distance * float(np.exp(share * stream.standard_normal()))}

    return replace(problem, observe=observe)


def regret(problem: BenchProblem, values: dict) -> float:
    """Without noise, 0 for the best value known and 1 for what ten random draws reach."""
    sign = problem.problem.objectives[0].sign
    value = problem.problem.standing(problem.noiseless(values)).loss
    return (value - sign * problem.best) / (sign * problem.typical - sign * problem.best)


def replayed(make: Make, path: Path, seed: int) -> Iterator[tuple[History, np.ndarray]]:
    """The history after each count of POINTS, and the true values of its trials, (n,)."""
    log = Log(RandomSampler(), make().problem, seed)
    trials = json.loads(path.read_text())
    name = log.problem.objectives[0].name
    for number, (config, value, _) in enumerate(trials):
        log.write(Enqueued(number, config, 0.0))
        log.write(Started(number, 1, config, "w", log.engine.position, float(number), fresh=False))
        log.write(Ended(number, 1, TrialState.COMPLETE, {name: value}, number + 1.0))
        if number + 1 in POINTS:
            yield log.engine.history, np.array([true for _, _, true in trials[: number + 1]])


# -- rules ------------------------------------------------------------------------------------------------------------


def best_observed(history: History) -> Record | None:
    """Whichever looked best."""
    sign = history.problem.objectives[0].sign
    return min(history.front(), key=lambda trial: sign * trial.metrics[history.problem.objectives[0].name])


def recommended(history: History) -> Record:
    """What study.recommend() answers."""
    return history[winner(history).number]


RULES = {"best observed": best_observed, "recommend": recommended}


def chosen(job: tuple[str, int, str, float, int, Path]) -> list[dict]:
    """What each rule chooses from one study at each count."""
    half, index, kind, share, seed, folder = job
    make = HALVES[half][index]
    lines = []
    for history, true in replayed(make, made(make, kind, share, seed, folder), seed):
        line = {"problem": make().name, "kind": kind, "noise": share, "seed": seed, "trials": len(history)}
        line["best ever"] = float(true.min())
        for name, rule in RULES.items():
            began = time.process_time()
            line[name] = min(float(true[rule(history).number]), WORST)
            line[f"{name} seconds"] = round(time.process_time() - began, 3)
        lines.append(line)
    return lines


def table(lines: list[dict]) -> str:
    """Means over problems and seeds in each cell, and their ratio with its standard error."""
    cells = defaultdict(list)
    for line in lines:
        cells[line["kind"], line["noise"], line["trials"]].append(line)
    rows = [
        "| noise | trials | studies | best ever | best observed | recommended | ratio | ± |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    noisy_cells = []
    for kind, share in CELLS:
        for n in POINTS:
            inside = cells[kind, share, n]
            ever, seen, ours = (np.mean([line[name] for line in inside]) for name in ("best ever", *RULES))
            if share >= 0.3:
                noisy_cells.append((seen, ours))
            label = f"{kind} {share:g}" if share else "none"
            ratio = ours / seen
            off = np.std([line["recommend"] - ratio * line["best observed"] for line in inside]) / np.sqrt(len(inside))
            means = f"{ever:.3f} | {seen:.3f} | {ours:.3f} | {ratio:.2f} | {off / seen:.2f}"
            rows.append(f"| {label} | {n} | {len(inside)} | {means} |")
    seen, ours = np.mean(noisy_cells, axis=0)
    rows.append(f"| mean where .3 and more | | | | {seen:.3f} | {ours:.3f} | {ours / seen:.2f} | |")
    return "\n".join(rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--half", choices=HALVES, default="check")
    options.add_argument("--seeds", default="0-1")
    options.add_argument("--histories", type=Path, default=Path(".histories"))
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--out", type=Path, default=contest.RESULTS / "recommend.md")
    given = options.parse_args()
    given.histories.mkdir(exist_ok=True)
    low, _, high = given.seeds.partition("-")
    jobs = [
        (given.half, index, kind, share, seed, given.histories)
        for seed in range(int(low), int(high or low) + 1)
        for index in range(len(HALVES[given.half]))
        for kind, share in CELLS
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        lines = [line for some in pool.map(chosen, jobs) for line in some]
    print(table(lines))
    about = f"Regret without noise on the half {given.half!r}, seeds {given.seeds} (bench_recommend.py)."
    given.out.write_text(f"{about}\n\n{table(lines)}\n")


if __name__ == "__main__":
    main()
