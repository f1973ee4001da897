"""Samplers against one another on problems, over seeds: each run is one line of JSON, so a race can go on later.

A run drives a study in memory by ask and tell. With several `slots` it does so in simulated time: as many trials run at
once, and each is told when it would have ended.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import platform
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter import plugins
from kilter.api import Study, create_study
from kilter.bench.problem import BenchProblem
from kilter.core.errors import InvalidInput, NotReady, PluginFailed, StorageError
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome, Task
from kilter.core.numbers import Int
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.executors.simulated import VirtualClock

if TYPE_CHECKING:
    from kilter.objective.trial import Trial

RECOMMEND_EVERY = 5
"""Trials between two questions for the study's recommendation, which may cost a fit of a model."""

BEGINNING = b'{"sampler":'
"""Of every line; one that begins so and is no JSON was torn."""

Key = tuple[str, str, str, int, int, int]


@dataclass(frozen=True)
class Run:
    """One sampler on one problem with one seed. Lists have an entry a trial, in the order in which trials ended.

    Values are in the objectives' own directions; None stands for a trial that failed, for an infeasible incumbent, and
    for what is not finite or not known.
    """

    sampler: str
    problem: str
    fingerprint: str
    """Of the problem: it changes with the space, the objectives and the function."""
    seed: int
    budget: int
    slots: int
    objectives: list[list[str]]
    """[name, direction] each."""
    noisy: bool
    best: float | None
    typical: float | None
    reference: list[float] | None
    values: list[list[float] | None] = field(default_factory=list)
    """What the sampler saw, of complete and feasible trials."""
    incumbent: list[float | None] = field(default_factory=list)
    """The value, without noise, of the trial that looks best so far; of a single objective."""
    truths: list[list[float] | None] = field(default_factory=list)
    """The values without noise; of several objectives."""
    recommended: list[list[float]] = field(default_factory=list)
    """[trials, value without noise] of what the study recommends; of a single noisy objective."""
    ended: list[float] = field(default_factory=list)
    """Simulated seconds."""
    ask_ms: list[float] = field(default_factory=list)
    tell_ms: list[float] = field(default_factory=list)
    """CPU time of this process."""
    failures: int = 0
    failure: str | None = None
    """The first of them."""
    error: str | None = None
    """Why the run broke off, where the sampler failed; such a run is made again."""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What makes it the same run."""
        return self.sampler, self.problem, self.fingerprint, self.seed, self.budget, self.slots


def race(
    problems: Sequence[BenchProblem],
    samplers: Sequence[Any] | Mapping[str, Any],
    seeds: Iterable[int] = range(5),
    budget: int = 50,
    out: str | os.PathLike[str] | None = None,
    workers: int = 1,
    slots: int = 1,
    on_run: Callable[[Run, int, int], None] | None = None,
) -> list[Run]:
    """Run every sampler on every problem with every seed for `budget` trials; all runs, by seed, problem, sampler.

    `samplers` are names or objects; a mapping labels them. Runs that the file `out` has are not made again, new ones
    are appended as they end. `workers` processes make them, in which BLAS is held to one thread; the runs are the same
    for any number. `slots` trials of a run are under way at a time, in simulated seconds. `on_run` is called with each
    run that ended here, how many are done, and of how many.

    >>> from kilter.bench.problems import find
    >>> [run.incumbent[-1] < 20 for run in race(find(["branin"]), ["random"], seeds=[1, 2], budget=10)]
    [True, True]

    Raises UnknownName for an unknown sampler, InvalidInput for two problems or samplers of one name.
    """
    plans = _plans(problems, _labelled(samplers), list(seeds), budget, slots)
    known = {run.key: run for run in (read_runs(out) if out is not None and Path(out).exists() else [])}
    done = {key: run for key, run in known.items() if run.error is None}
    todo = [plan for plan in plans if plan.blank.key not in done]
    finished = len(plans) - len(todo)
    runs = _in_processes(todo, workers) if workers > 1 and len(todo) > 1 else (_run(plan) for plan in todo)
    with closing(runs):  # which ends the processes
        for run in runs:
            if out is not None:
                _append(Path(out), run)
            done[run.key] = run
            finished += 1
            if on_run is not None:
                on_run(run, finished, len(plans))
    return [done[plan.blank.key] for plan in plans]


def read_runs(path: str | os.PathLike[str]) -> list[Run]:
    """The runs of a file, each once: the latest where a run was made again. A line that was torn is left out.

    Raises StorageError where the file cannot be read, InvalidInput where it holds something else.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise StorageError(f"cannot read {os.fspath(path)}: {error.strerror}") from None
    runs: dict[Key, Run] = {}
    names = {each.name for each in fields(Run)}
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            if set(data) <= names:
                run = Run(**data)
                runs[run.key] = run
                continue
        except ValueError:  # torn by a kill
            if BEGINNING.startswith(line[: len(BEGINNING)]):
                continue
        except TypeError:
            pass
        raise InvalidInput(f"line {number} of {os.fspath(path)} is not a run: give a file that `race` wrote")
    return list(runs.values())


# -- what is to be run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """A run to be made; `blank` is its record before the first trial."""

    problem: BenchProblem
    sampler: Any
    blank: Run


def _plans(
    problems: Sequence[BenchProblem], samplers: Mapping[str, Any], seeds: list[int], budget: int, slots: int
) -> list[_Plan]:
    """Seeds outermost, so that a race that is broken off has something of every problem and sampler."""
    if budget < 1 or slots < 1 or not problems or not samplers or not seeds:
        raise InvalidInput(
            f"a race needs problems, samplers, seeds, and budget={budget!r} and slots={slots!r} of at least 1"
        )
    if len({problem.name for problem in problems}) < len(problems):
        raise InvalidInput("two problems have one name, by which their runs are told apart: rename one with replace()")
    blanks = {problem.name: _blank(problem, budget, slots) for problem in problems}
    return [
        _Plan(problem, sampler, Run(sampler=label, seed=seed, **blanks[problem.name]))
        for seed in seeds
        for problem in problems
        for label, sampler in samplers.items()
    ]


def _blank(problem: BenchProblem, budget: int, slots: int) -> dict[str, Any]:
    # A user's objective may be dear: nothing is drawn from it that is not a trial.
    is_own = "own" in problem.tags
    typical = None if is_own else problem.typical
    return {
        "problem": problem.name,
        "fingerprint": _fingerprint(problem, draws=0 if is_own else 3),
        "budget": budget,
        "slots": slots,
        "objectives": [[objective.name, objective.direction] for objective in problem.problem.objectives],
        "noisy": problem.is_noisy,
        "best": problem.best,
        "typical": typical if typical is not None and math.isfinite(typical) else None,
        "reference": None if problem.reference is None else list(problem.reference),
    }


def _fingerprint(problem: BenchProblem, draws: int) -> str:
    """Eight hex digits of the problem as the sampler sees it and of its metrics at a few places."""
    space, stream = problem.problem.space, rng(0, "fingerprint")
    text = json.dumps(problem.problem.to_json())
    for _ in range(draws):
        metrics = problem.noiseless(space.values(space.draw(stream)))
        text += "".join(f" {name}={value:.6e}" for name, value in metrics.items())
    return f"{zlib.crc32(text.encode()):08x}"


def _labelled(samplers: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Samplers by label: a name as it is given, an object as its name with the settings that are not the default."""
    if isinstance(samplers, str):
        samplers = [samplers]
    if isinstance(samplers, Mapping):
        return {str(label): plugins.find("sampler", sampler) for label, sampler in samplers.items()}
    labelled: dict[str, Any] = {}
    for given in samplers:
        sampler = plugins.find("sampler", given)
        label = given if isinstance(given, str) else _label(sampler)
        if label in labelled:
            raise InvalidInput(f"two samplers are called {label!r}: label them, as in {{'mine': {sampler!r}}}")
        labelled[label] = sampler
    return labelled


def _label(sampler: Any) -> str:
    spec = plugins.spec("sampler", sampler)
    settings = ", ".join(f"{name}={value!r}" for name, value in spec.get("settings", {}).items())
    return f"{spec['name']}({settings})" if settings else str(spec["name"])


# -- running --------------------------------------------------------------------------------------------------------


def _run(plan: _Plan) -> Run:
    """Make one run; what the sampler raises ends it, and is noted."""
    from kilter import __version__

    problem, blank = plan.problem, plan.blank
    clock = VirtualClock()
    versions = {"kilter": __version__, "python": platform.python_version(), "numpy": np.__version__}
    log = _Log(problem)
    error: str | None = None
    try:
        study = create_study(
            space=problem.problem.space,
            directions={objective.name: objective.direction for objective in problem.problem.objectives},
            subject_to={c.metric: f"{c.relation} {c.bound!r}" for c in problem.problem.constraints},
            sampler=plan.sampler,
            transfer=None,
            seed=blank.seed,
            lease=None,
            clock=clock,
        )
        _drive(study, plan, clock, log)
    except Exception as raised:  # noqa: BLE001 - a sampler that fails must not end the race of the others
        cause = raised.__cause__ if isinstance(raised, PluginFailed) and raised.__cause__ else raised
        error = f"{type(cause).__name__}: {cause}"
    return Run(**{**vars(blank), **log.record(), "error": error, "versions": versions})


def _drive(study: Study, plan: _Plan, clock: VirtualClock, log: _Log) -> None:
    """Ask while there are free slots, tell whichever trial ends next."""
    problem, blank = plan.problem, plan.blank
    running: list[tuple[float, int, Trial, Any]] = []
    asked, budget = 0, blank.budget
    while asked < budget or running:
        while asked < budget and len(running) < blank.slots:
            began = time.process_time()
            try:
                trial = study.ask()
            except NotReady:  # a finite space is exhausted
                budget = asked
                break
            log.ask_ms.append(_milliseconds(began))
            asked += 1
            result = _evaluated(problem, trial, rng(blank.seed, f"bench {problem.name}", trial.number))
            heapq.heappush(running, (clock() + problem.seconds(trial.params), trial.number, trial, result))
        if running:
            due, _, trial, result = heapq.heappop(running)
            clock.advance(due)
            log.ended.append(due)
            _told(study, trial, result, log)
            log.note_recommendation(study, asked == budget and not running)


def _evaluated(problem: BenchProblem, trial: Trial, stream: np.random.Generator) -> dict[str, float] | Exception:
    try:
        return problem.evaluate(trial.params, stream)
    except Exception as error:  # noqa: BLE001 - whatever an objective raises is a failure of its trial
        return error


def _told(study: Study, trial: Trial, result: dict[str, float] | Exception, log: _Log) -> None:
    state = TrialState.FAIL if isinstance(result, Exception) else None
    began = time.process_time()
    told = study.tell(trial, None if isinstance(result, Exception) else result, state)
    log.tell_ms.append(_milliseconds(began))
    if told.state is TrialState.COMPLETE:
        log.complete(trial.params, told.metrics)
    else:
        log.fail(f"{type(result).__name__}: {result}" if isinstance(result, Exception) else "the result is nan")


@dataclass
class _Log:
    """The lists of a Run as they grow."""

    problem: BenchProblem
    values: list[list[float] | None] = field(default_factory=list)
    incumbent: list[float | None] = field(default_factory=list)
    truths: list[list[float] | None] = field(default_factory=list)
    recommended: list[list[float]] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    ask_ms: list[float] = field(default_factory=list)
    tell_ms: list[float] = field(default_factory=list)
    failures: int = 0
    failure: str | None = None
    lowest: float = math.inf

    def record(self) -> dict[str, Any]:
        """The fields of a Run."""
        return {name: value for name, value in vars(self).items() if name not in ("problem", "lowest")}

    def complete(self, values: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """A trial with a result."""
        problem = self.problem.problem
        standing = problem.standing(metrics)
        if not (standing.is_feasible and all(map(math.isfinite, standing.losses))):
            self._miss()
            return
        self.values.append([metrics[name] for name in problem.objective_names])
        if len(standing.losses) > 1:
            self.truths.append(self._truth(values, metrics))
        elif standing.loss < self.lowest:
            self.lowest = standing.loss
            self.incumbent += self._truth(values, metrics)
        else:
            self.incumbent.append(self.incumbent[-1])

    def fail(self, reason: str) -> None:
        """A trial without one."""
        self.failures += 1
        self.failure = self.failure or reason
        self._miss()

    def _miss(self) -> None:
        self.values.append(None)
        if len(self.problem.problem.objectives) > 1:
            self.truths.append(None)
        else:
            self.incumbent.append(self.incumbent[-1] if self.incumbent else None)

    def _truth(self, values: Mapping[str, Any], metrics: Mapping[str, float]) -> list[float]:
        """The objectives without noise; where there is none, those that were seen, which costs no evaluation."""
        true = self.problem.noiseless(values) if self.problem.is_noisy else metrics
        return [float(true[objective.name]) for objective in self.problem.problem.objectives]

    def note_recommendation(self, study: Study, is_last: bool) -> None:
        """What the study recommends, every few trials and at the end; only noise makes it differ from the best seen."""
        count = len(self.values)
        single = len(self.problem.problem.objectives) == 1
        if not (self.problem.is_noisy and single and (is_last or count % RECOMMEND_EVERY == 0)):
            return
        try:
            trial = study.recommend()
        except NotReady:  # nothing has succeeded yet
            return
        self.recommended.append([count, *self._truth(trial.params, trial.metrics)])


def _milliseconds(began: float) -> float:
    return round(1000 * (time.process_time() - began), 4)


def _in_processes(plans: list[_Plan], workers: int) -> Generator[Run, None, None]:
    """Make the runs in processes of their own, which need no main guard (docs/decisions/0005), as they end."""
    from kilter.core.interfaces import Resources
    from kilter.executors.processes import Processes

    def make(trial: Trial) -> float:
        trial.set_user_attr("run", asdict(_run(plans[trial.params["plan"]])))
        return 0.0

    problem = Problem(Space({"plan": Int(0, len(plans) - 1)}))
    executor = Processes(min(workers, len(plans)), Resources(cpus=1)).start(make)
    waiting = list(range(len(plans)))[::-1]
    running = 0
    try:
        while waiting or running:
            while waiting and running < executor.slots:
                number = waiting.pop()
                executor.submit(Task(number, 1, {"plan": number}, problem, 0, None, may_be_stopped=False))
                running += 1
            for message in executor.wait(None):
                if isinstance(message, Outcome):
                    running -= 1
                    yield _arrived(plans[message.number], message)
    finally:
        executor.close()


def _arrived(plan: _Plan, outcome: Outcome) -> Run:
    if "run" in outcome.attrs:
        return Run(**outcome.attrs["run"])
    failure = outcome.failure
    return Run(**{**vars(plan.blank), "error": f"{failure.kind}: {failure.message}" if failure else "no run came back"})


def _append(path: Path, run: Run) -> None:
    """One line in one write; after a torn line it begins a new one."""
    line = json.dumps(asdict(run), allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
