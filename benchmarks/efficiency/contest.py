"""What the races here have in common: entrants by name, the problems of a bench outside, tables and files.

A bench outside is a package `bench` with lists of problems in `bench.problems.DEV[group]`, which have `params`,
`objectives`, `constraints`, `evaluate`, `noiseless`, `reference` and `mo_reference`. --bench or KILTER_BENCH in the
environment names its folder or the one above. Importing this module holds BLAS to one thread.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import peers

from kilter.bench import BenchProblem, Table, race, read_runs, score
from kilter.bench.race import Run
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Space

RESULTS = Path(__file__).resolve().parents[1] / "results" / "efficiency"
PACKAGES = ("kilter", "numpy", "scipy", "optuna", "torch", "cmaes", "nevergrad", "onnxruntime", "scikit-learn")
WAYS = {"min": "minimize", "max": "maximize"}


# -- the command line -------------------------------------------------------------------------------------------------


def parser(about: str, entrants: str, seeds: str, budget: int) -> argparse.ArgumentParser:
    """The options that all races have."""
    options = argparse.ArgumentParser(description=about.splitlines()[0])
    options.add_argument(
        "--bench", type=Path, default=os.environ.get("KILTER_BENCH") or None, help="folder of a bench outside"
    )
    options.add_argument("--samplers", default=entrants, help="kilter's samplers and peers (default: %(default)s)")
    options.add_argument("--seeds", default=seeds, help="as in 0-4 or 0,3 (default: %(default)s)")
    options.add_argument("--budget", type=int, default=budget, help="trials of a run (default: %(default)s)")
    options.add_argument("--problems", default="*", help="patterns of names, with commas")
    options.add_argument("--out", type=Path, default=RESULTS, help="folder of runs and tables (default: %(default)s)")
    options.add_argument("--score-only", action="store_true", help="tables of the runs that are there")
    return options


def listed(seeds: str) -> list[int]:
    """The seeds that a text names.

    >>> listed("0-2,7")
    [0, 1, 2, 7]
    """
    found: list[int] = []
    for part in seeds.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def entrants(names: str, budget: int) -> dict[str, Any]:
    """Samplers by label; peers whose packages are not installed are left out, with a word on it."""
    chosen: dict[str, Any] = {}
    for name in names.split(","):
        if name not in peers.MAKERS:
            chosen[name] = name
            continue
        package, make = peers.MAKERS[name]
        reason = peers.missing(package)
        if reason:
            print(f"{name} sits out: {reason} (pip install {package})", flush=True)
        else:
            chosen[name] = make(budget)
    return chosen


# -- problems of a bench outside --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outside(BenchProblem):
    """A problem whose typical value is known, and means what its bench says: one random configuration's median."""

    known: float = float("nan")

    @property
    def typical(self) -> float:
        """What regrets are measured in."""
        return self.known


def found(folder: Path | None) -> Path:
    """The package's folder, made importable; leaves the program, with the reason and no error, where there is none."""
    if folder is None:
        print("no bench to run: give --bench PATH or set KILTER_BENCH; nothing was measured")
        sys.exit(0)
    package = Path(folder).resolve()
    package = package if package.name == "bench" else package / "bench"
    if not package.is_dir():
        sys.exit(f"no bench in {folder}: give the folder that holds the package `bench`, or that package")
    sys.path.insert(0, str(package.parent))
    return package


def outside(folder: Path | None, group: str, pattern: str = "*") -> list[BenchProblem]:
    """The problems of a group whose names match one of the patterns."""
    found(folder)
    from bench.problems import DEV

    return [wrapped(p) for p in DEV[group] if any(fnmatch(p.name, each) for each in pattern.split(","))]


def wrapped(theirs: Any) -> Outside:
    """A problem of a bench outside as one of ours; volumes are in the objectives' own units."""
    space = Space({p.name: parameter(p) for p in theirs.params})
    objectives = tuple(Objective(name, WAYS[way]) for name, way in theirs.objectives)
    problem = Problem(space, objectives, tuple(Constraint(name, "<=", 0.0) for name in theirs.constraints))
    names = [*(name for name, _ in theirs.objectives), *theirs.constraints]
    best, typical = map(float, theirs.reference)
    reference: tuple[float, ...] | None = None
    if len(objectives) > 1:
        given = theirs.mo_reference
        reference = tuple(float(v) for v in given["ref_point"])
        box = float(np.prod(np.subtract(given["ref_point"], given["ideal"])))
        best, typical = best * box, typical * box

    def function(values: Mapping[str, Any]) -> dict[str, float]:
        result = theirs.noiseless(dict(values))
        return {name: float(result[name]) for name in names}

    def observe(values: Mapping[str, Any], stream: np.random.Generator) -> dict[str, float]:
        result = theirs.evaluate(dict(values), seed=int(stream.integers(2**31)))
        return {name: float(result[name]) for name in names}

    tags = frozenset(theirs.tags) | ({"noisy"} if theirs.noisy else set())
    return Outside(
        theirs.name,
        problem,
        function,
        best,
        reference=reference,
        observe=observe if theirs.noisy else None,
        tags=tags,
        known=typical,
    )


def parameter(theirs: Any) -> Parameter:
    """One of its parameters as one of ours."""
    made: Parameter
    if theirs.kind == "categorical":
        made = Choice(list(theirs.choices))
    elif theirs.kind == "int":
        made = Int(int(theirs.low), int(theirs.high), log=bool(theirs.log))
    else:
        made = Float(float(theirs.low), float(theirs.high), log=bool(theirs.log))
    return made.when({theirs.parent: list(theirs.parent_values)}) if theirs.parent else made


# -- races and what comes of them -------------------------------------------------------------------------------------


def run(
    problems: Sequence[BenchProblem], samplers: Mapping[str, Any], seeds: str, budget: int, out: Path, **more: Any
) -> None:
    """Make the runs that the file lacks."""
    out.parent.mkdir(parents=True, exist_ok=True)

    def said(made: Run, done: int, of: int) -> None:
        cost = (sum(made.ask_ms) + sum(made.tell_ms)) / 1e3
        print(
            f"{done}/{of} {made.sampler} {made.problem} seed {made.seed}: {cost:.1f} s CPU {made.error or ''}",
            flush=True,
        )

    race(problems, samplers, listed(seeds), budget, out=out, on_run=said, **more)


def runs_in(path: Path, problems: Iterable[BenchProblem], samplers: Iterable[str], budget: int) -> list[Run]:
    """The runs of a file that the tables are about."""
    names, labels = {problem.name for problem in problems}, set(samplers)
    return [r for r in read_runs(path) if r.problem in names and r.sampler in labels and r.budget == budget]


def report(title: str, runs: list[Run], at: Sequence[int], out: Path, notes: Sequence[str] = ()) -> None:
    """Tables on the terminal and as Markdown, figures as JSON: `out` with those endings.

    Every number rests on the problems and seeds that all samplers of its table have. Where one has fewer seeds, a
    second table leaves it out.
    """
    cells = {
        label: {(r.problem, r.seed) for r in runs if r.sampler == label and r.error is None} for label in labels(runs)
    }
    most = max(map(len, cells.values()))
    groups = [list(cells)]
    if any(len(cell) < most for cell in cells.values()):
        groups.insert(0, [label for label, cell in cells.items() if len(cell) == most])
    text, figures = [f"## {title}", ""], []
    for group in groups:
        table = score([r for r in runs if r.sampler in group], at)
        text += [*tables(table, [r for r in runs if r.sampler in group]), ""]
        figures.append(asdict(table))
    text += [*notes, f"\nMade by `{command()}` with {', '.join(f'{k} {v}' for k, v in versions().items())}."]
    page = "\n".join(text)
    print(page)
    out.with_suffix(".md").write_text(page + "\n")
    summary = {"command": command(), "python": platform.python_version(), "versions": versions(), "tables": figures}
    out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")


def labels(runs: Iterable[Run]) -> list[str]:
    """The samplers in the order in which they first appear."""
    return list(dict.fromkeys(r.sampler for r in runs))


def tables(table: Table, runs: list[Run]) -> list[str]:
    """Regrets, then the logarithm of the last one by problem and the difference to the first of kilter's samplers."""
    head = ["sampler", *(f"regret@{n}" for n in table.checkpoints), *(f"log10@{n}" for n in table.checkpoints), "rank"]
    cost = {
        label: np.mean([sum(r.ask_ms + r.tell_ms) / len(r.ask_ms) for r in runs if r.sampler == label])
        for label in labels(runs)
    }
    rows = [
        [
            row.sampler,
            *(f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]" for i in row.regret),
            *(f"{i.mean:.2f} [{i.low:.2f}, {i.high:.2f}]" for i in row.log_regret),
            f"{row.rank:.2f}",
            f"{cost[row.sampler]:.1f}",
        ]
        for row in table.rows
    ]
    lines = [*markdown([*head, "CPU ms/trial"], rows), ""]
    lines += [
        f"{len(table.problems)} problems, {table.runs} runs a sampler, 95 % intervals over problems.",
        *table.notes,
    ]
    ours, *others = sorted(labels(runs), key=lambda label: label in peers.MAKERS)
    by = {problem: score([r for r in runs if r.problem == problem], table.checkpoints) for problem in table.problems}
    logs = {
        (row.sampler, problem): [i.mean for i in row.log_regret] for problem, each in by.items() for row in each.rows
    }
    rows = [[problem, *(f"{logs[row.sampler, problem][-1]:.2f}" for row in table.rows)] for problem in table.problems]
    lines += ["", f"log10 regret at {table.checkpoints[-1]} trials:", ""]
    lines += markdown(["problem", *(row.sampler for row in table.rows)], rows)
    rows = []
    for label in others:
        apart = np.array([np.subtract(logs[ours, p], logs[label, p]) for p in table.problems])
        low, high = interval(apart)
        rows.append([label, *(f"{m:+.2f} [{a:+.2f}, {b:+.2f}]" for m, a, b in zip(apart.mean(axis=0), low, high))])
    lines += [
        "",
        f"log10 regret of {ours} less that of the other, on the same problems (below 0: {ours} is better):",
        "",
    ]
    return lines + markdown(["against", *(f"@{n}" for n in table.checkpoints)], rows)


def interval(figures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap interval of the mean over the first axis."""
    picks = rng(0, "bootstrap").integers(len(figures), size=(2000, len(figures)))
    low, high = np.percentile(figures[picks].mean(axis=1), (2.5, 97.5), axis=0)
    return low, high


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table whose columns stand under one another."""
    cells = [list(head), *map(list, rows)]
    wide = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, wide)) + " |" for row in cells]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in wide) + "|", *lines[1:]]


def versions() -> dict[str, str]:
    """Of the packages that have a part in it and are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def command() -> str:
    """How this was called, from the root of the repository; where the bench outside lies is left out."""
    root = Path(__file__).resolve().parents[2]
    script = Path(sys.argv[0]).resolve()
    shown = script.relative_to(root) if script.is_relative_to(root) else Path(script.name)
    given = ["PATH" if before == "--bench" else text for before, text in zip(sys.argv, sys.argv[1:])]
    return shlex.join(["python", str(shown), *given])


def main(about: str, group: str, samplers: str, name: str, title: str, at: Callable[[int], Sequence[int]]) -> None:
    """A race on one group of a bench outside, from the command line to the tables."""
    options = parser(about, samplers, "0-4", 100).parse_args()
    problems = outside(options.bench, group, options.problems)
    chosen = entrants(options.samplers, options.budget)
    path = options.out / f"{name}.jsonl"
    if not options.score_only:
        run(problems, chosen, options.seeds, options.budget, path)
    report(title, runs_in(path, problems, chosen, options.budget), at(options.budget), options.out / name)
