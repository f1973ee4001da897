"""kilter bench: run, score and list."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import group, options, show

if TYPE_CHECKING:
    from kilter.bench.problem import BenchProblem
    from kilter.bench.race import Run
    from kilter.bench.score import Interval, Table
    from kilter.core.problem import Problem

VERBS = {
    "run": "Run samplers on problems; go on with what a file has.",
    "score": "Say which sampler is ahead, and by how much.",
    "list": "List the problems.",
}


class _Steps(group.Verbs):
    """The verbs of this module."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return {"run": run, "score": score, "list": listing}.get(cmd_name)


@click.group("bench", cls=_Steps, verbs=VERBS)
def command() -> None:
    """Race samplers on problems with known optima, on your own objective, or on what a study has learned of it.

    \b
    kilter bench run --samplers auto,random --problems 'hartmann*' --out race.jsonl
    kilter bench score race.jsonl --at 25,50
    """


@click.command("run")
@click.argument("file", required=False)
@click.option("--samplers", default="auto,random", show_default=True, metavar="NAMES", help="Which to race.")
@click.option("--problems", metavar="NAMES", help="Names or patterns, as `kilter bench list` shows them.")
@click.option(
    "--objective",
    metavar="PLACE:NAME",
    help="A Python function, as in train.py:loss; its annotations or -p declare it.",
)
@click.option("-s", "--study", metavar="NAME", help="A study: race on a forest that is grown on its trials.")
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=KIND",
    help="A parameter of the objective's, as in kilter run.",
)
@click.option(
    "--minimize", multiple=True, metavar="METRIC", help="A metric that the objective returns; less is better."
)
@click.option("--maximize", multiple=True, metavar="METRIC", help="The same; more is better.")
@click.option("--seeds", default="0-4", show_default=True, metavar="LIST", help="Such as 0-4 or 1,3,8.")
@click.option("-n", "--budget", default=50, show_default=True, type=click.IntRange(1), help="Trials of a run.")
@click.option("-o", "--out", default="race.jsonl", show_default=True, metavar="PATH", help="Where the runs go.")
@click.option("-j", "--workers", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time.")
@click.option(
    "--slots", default=1, show_default=True, type=click.IntRange(1), help="Trials of a run at a time, simulated."
)
@options.progress
@options.as_json
@options.storage
@options.debug
def run(
    file: str | None,
    samplers: str,
    problems: str | None,
    objective: str | None,
    study: str | None,
    params: tuple[str, ...],
    minimize: tuple[str, ...],
    maximize: tuple[str, ...],
    seeds: str,
    budget: int,
    out: str,
    workers: int,
    slots: int,
    progress: str,
    as_json: bool,
    storage: str | None,
) -> int:
    """Run each sampler on each problem with each seed, and print the scores. FILE is one as `kilter run` takes.

    \b
    kilter bench run --samplers auto,random --problems 'ackley*,mixed' --seeds 0-4 -n 50 -j 2
    kilter bench run --objective train:loss -p 'lr=log(1e-5,1e-1)' --samplers auto,sobol
    kilter bench run digits.toml --samplers auto,evolution --seeds 0,1 -n 30
    kilter bench run --study digits --samplers auto,random

    Runs that the file of --out has are not made again, so the same command goes on with a race that was broken off.
    An objective of your own is evaluated once a trial: samplers × seeds × budget times in all.
    """
    from kilter.bench.problems import find
    from kilter.bench.race import race
    from kilter.bench.score import score as scored
    from kilter.core.errors import InvalidInput

    racing: list[BenchProblem] = find(_listed(problems)) if problems else []
    if objective is not None:
        racing.append(_of_function(objective, params, minimize, maximize))
    elif params or minimize or maximize:
        raise InvalidInput("--param, --minimize and --maximize describe an --objective: name one")
    if file is not None:
        racing.append(_of_file(file))
    if study is not None:
        from kilter.bench.surrogate import surrogate

        racing.append(surrogate(options.load(study, storage)))
    if not racing:
        raise InvalidInput("nothing to race on: give --problems (kilter bench list), --objective, --study or a FILE")
    with _progress(progress) as told:
        runs = race(racing, _listed(samplers), _seeds(seeds), budget, out, workers, slots, told)
    _echo(scored(runs, (budget,) if budget < 50 else (budget // 2, budget)), as_json, wide=False)
    show.note(f"{_many(len(runs))} in {out}")
    _warn_of_failures(runs)
    return 0 if any(value is not None for each in runs for value in each.values) else group.NO_SUCCESS


@click.command("score")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--samplers", metavar="NAMES", help="Which to compare; all otherwise.")
@click.option("--at", metavar="LIST", help="After how many trials; 25,50,100 as far as the runs go.")
@click.option("--recommended", is_flag=True, help="Score noisy problems by what the study recommends.")
@options.as_json
@options.wide
@options.debug
def score(
    files: tuple[str, ...], samplers: str | None, at: str | None, recommended: bool, as_json: bool, wide: bool
) -> None:
    """Print regret with 95 % intervals, ranks, CPU time, and who wins against whom.

    \b
    kilter bench score race.jsonl --at 25,50

    Regret is 0 at the optimum and 1 at what ten random trials find. Samplers are compared on what all of them have run;
    `wins` are the shares of problems and seeds on which the sampler of the row ends better than that of the column.
    """
    from kilter.bench.race import read_runs
    from kilter.bench.score import CHECKPOINTS
    from kilter.bench.score import score as scored
    from kilter.core.errors import UnknownName

    runs = [each for file in files for each in read_runs(file)]
    if samplers is not None:
        known = {each.sampler for each in runs}
        for name in _listed(samplers):
            if name not in known:
                raise UnknownName.of("sampler", name, known, "It has no run in these files.")
        runs = [each for each in runs if each.sampler in _listed(samplers)]
    _echo(scored(runs, CHECKPOINTS if at is None else _wholes("--at", at), recommended), as_json, wide)
    _warn_of_failures(runs)


@click.command("list")
@options.as_json
@options.wide
@options.debug
def listing(as_json: bool, wide: bool) -> None:
    """List the problems with their parameters, objectives, and best values.

    \b
    kilter bench list --json
    """
    from kilter.bench.problems import find

    problems = find(["*"])
    rows: list[dict[str, Any]] = [
        {
            "problem": problem.name,
            "parameters": _kinds(problem),
            "objectives": {objective.name: objective.direction for objective in problem.problem.objectives},
            "constraints": [str(constraint) for constraint in problem.problem.constraints],
            "best": problem.best,
            "tags": sorted(problem.tags),
        }
        for problem in problems
    ]
    if as_json:
        show.echo_json(rows)
        return
    columns = [
        show.Column("problem", [row["problem"] for row in rows], 0),
        show.Column(
            "parameters", [", ".join(f"{n} {kind}" for kind, n in row["parameters"].items()) for row in rows], 1
        ),
        show.Column("objectives", [_ways(row["objectives"]) for row in rows], 3),
        show.Column("best", [show.text(row["best"]) for row in rows], 4, True),
        show.Column("tags", [", ".join(row["tags"]) for row in rows], 2),
    ]
    _note_dropped(show.echo_table(columns, show.width(wide)))


# -- problems of one's own ------------------------------------------------------------------------------------------


def _of_function(path: str, params: Sequence[str], minimize: Sequence[str], maximize: Sequence[str]) -> BenchProblem:
    """A Python function, its space declared by -p or by its annotations."""
    from kilter.bench.problem import own
    from kilter.cli import dimensions
    from kilter.cli.objectives import imported
    from kilter.cli.specification import Specification
    from kilter.core.errors import InvalidInput
    from kilter.core.problem import Problem
    from kilter.core.space import Space

    function = imported(path)
    document = {
        "space": dict(map(dimensions.parse, params)),
        "objective": {"minimize": list(minimize), "maximize": list(maximize)},
    }
    wanted = Specification.of(document)
    try:
        space = wanted.space if params else Space.from_signature(function)
    except InvalidInput as error:
        raise InvalidInput(f"{error}; or declare them with --param") from None
    directions = wanted.directions if minimize or maximize else None
    return own(path, Problem.of(space, directions=directions), function)


def _of_file(path: str) -> BenchProblem:
    """The program of a file; each evaluation starts it once."""
    from kilter.bench.problem import own
    from kilter.cli import specification
    from kilter.core.problem import Problem

    document = {**specification.read(path), "directory": os.getcwd()}
    document.pop("storage", None)
    wanted = specification.Specification.of(document)
    problem = Problem.of(wanted.space, directions=wanted.directions, subject_to=wanted.constraints)
    wanted.check(problem)
    return own(wanted.study, problem, _program(document, problem))


def _program(document: dict[str, Any], problem: Problem) -> Callable[..., Any]:
    def objective(**values: Any) -> dict[str, float]:
        import tempfile

        from kilter.cli.specification import Specification
        from kilter.core.interfaces import Outcome, Task

        wanted = Specification.of(document)
        running = wanted.executor.start(wanted.program)
        outcome: Outcome | None = None
        with tempfile.TemporaryDirectory(prefix="kilter-bench-") as folder:
            config = problem.space.plain(values)
            try:
                running.submit(Task(0, 1, config, problem, 0, os.path.join(folder, "0"), may_be_stopped=False))
                while outcome is None:
                    outcome = next((m for m in running.wait(None) if isinstance(m, Outcome)), None)
            finally:
                running.close()
        if outcome.failure is not None:
            raise RuntimeError(f"{outcome.failure.kind}: {outcome.failure.message}")
        return outcome.metrics

    return objective


# -- reading and printing -------------------------------------------------------------------------------------------


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _wholes(option: str, text: str) -> list[int]:
    from kilter.core.errors import InvalidInput

    try:
        return [int(word) for word in _listed(text)]
    except ValueError:
        raise InvalidInput(f"{option} {text!r} must read like 25,50,100") from None


def _seeds(text: str) -> list[int]:
    """Whole numbers from a list with ranges, both ends included."""
    from kilter.core.errors import InvalidInput

    seeds: list[int] = []
    try:
        for word in _listed(text):
            first, _, last = word.partition("-")
            seeds += range(int(first), int(last or first) + 1)
    except ValueError:
        seeds = []
    if not seeds:
        raise InvalidInput(f"--seeds {text!r} must read like 0-4 or 1,3,8")
    return list(dict.fromkeys(seeds))


@contextmanager
def _progress(kind: str) -> Iterator[Callable[[Run, int, int], None] | None]:
    """What to call after each run: a bar on a terminal, a line now and then elsewhere."""
    if kind == "none":
        yield None
    elif kind == "live" or (kind == "auto" and sys.stderr.isatty()):
        yield from _bar()
    else:
        yield _lines()


def _lines() -> Callable[[Run, int, int], None]:
    from kilter.runtime.progress import PLAIN_SECONDS

    began = said = time.monotonic()

    def say(run: Run, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if done == total or now - said >= PLAIN_SECONDS:
            said = now
            show.note(f"{done} of {total} runs after {show.span(now - began)}: {_what(run)}")

    return say


def _bar() -> Iterator[Callable[[Run, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (MofNCompleteColumn(), BarColumn(20), TimeRemainingColumn(), text)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("the first runs", total=None)
        yield lambda run, done, total: bar.update(task, completed=done, total=total, description=_what(run))


def _what(run: Run) -> str:
    if run.error is not None:
        return f"{run.sampler} on {run.problem} broke off: {run.error}"
    found = run.incumbent[-1] if run.incumbent else None
    return f"{run.sampler} on {run.problem}, seed {run.seed}" + ("" if found is None else f": {show.text(found)}")


def _warn_of_failures(runs: Sequence[Run]) -> None:
    """A word on problems of which every trial of a run failed: they say nothing about a sampler."""
    for name in dict.fromkeys(r.problem for r in runs if r.failures and r.failures == len(r.values)):
        reason = next(r.failure for r in runs if r.problem == name and r.failures == len(r.values))
        show.note(f"{name}: every trial of a run failed, the first with {reason}")


def _echo(table: Table, as_json: bool, wide: bool) -> None:
    """The scores and the wins, the best sampler first."""
    if as_json:
        from dataclasses import asdict

        show.echo_json(asdict(table))
        return
    rows, last = table.rows, len(table.checkpoints) - 1
    columns = [show.Column("sampler", [show.text(row.sampler) for row in rows], 0)]
    for i, n in enumerate(table.checkpoints):
        columns.append(show.Column(f"regret@{n}", [_spelled(row.regret[i]) for row in rows], 1 if i == last else 6))
    columns += [
        show.Column(f"log10@{table.checkpoints[-1]}", [_spelled(row.log_regret[-1], 2) for row in rows], 5),
        show.Column("rank", [f"{row.rank:.2f}" for row in rows], 2, True),
        show.Column("ms/ask", [show.text(float(f"{row.ask_ms:.2g}")) for row in rows], 3, True),
        show.Column(
            "failed", [str(row.failures) for row in rows], 7 if not any(row.failures for row in rows) else 4, True
        ),
    ]
    limit = show.width(wide)
    dropped = show.echo_table(columns, limit)
    if len(rows) > 1:
        names = [row.sampler for row in rows]
        click.echo()
        shares = [
            show.Column(
                show.text(against),
                ["" if name == against else f"{table.wins[name][against]:.0%}" for name in names],
                1 + i,
                True,
            )
            for i, against in enumerate(names)
        ]
        dropped += show.echo_table([show.Column("wins", [show.text(name) for name in names], 0), *shares], limit)
    several = len(table.problems) > 1
    what = f"{len(table.problems)} problems" if several else table.problems[0]
    show.note(f"{what}, {_many(table.runs)} a sampler; 95 % intervals over {'problems' if several else 'seeds'}")
    for note in table.notes:
        show.note(note)
    _note_dropped(dropped)


def _many(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs} runs"


def _spelled(interval: Interval, digits: int = 3) -> str:
    return f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _note_dropped(dropped: Sequence[str]) -> None:
    if dropped:
        show.note(f"no room for {', '.join(dropped[:4])}{', …' if len(dropped) > 4 else ''}; --wide shows all")


def _kinds(problem: BenchProblem) -> dict[str, int]:
    """How many parameters there are of each kind."""
    kinds = [parameter.kind for parameter in problem.problem.space.parameters.values()]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _ways(objectives: dict[str, str]) -> str:
    return ", ".join(f"{way} {name}" for name, way in objectives.items())
