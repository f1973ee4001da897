r"""A sweeper for Hydra: `--multirun` searches instead of enumerating.

    python app.py -m hydra/sweeper=kilter hydra.sweeper.n_trials=20 \
        'lr=tag(log,interval(0.001,1))' 'layers=int(interval(1,9))' 'optimizer=choice(adam,sgd)'

What the app's function returns is minimised. Hydra finds the sweeper in hydra_plugins.kilter_sweeper; all that it does
is here. kilter itself is loaded when a sweep begins, since Hydra looks at its plug-ins whenever any app starts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from kilter.core.errors import InvalidInput, KilterError, NotReady, UnknownName, needed

with needed("hydra-core", "kilter.integrations.hydra"):
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, Transformer
    from hydra.core.plugins import Plugins
    from hydra.errors import CompactHydraException
    from hydra.plugins.sweeper import Sweeper
    from omegaconf import OmegaConf

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from kilter.api import Study
    from kilter.core.interfaces import Outcome, Task
    from kilter.core.problem import Problem
    from kilter.frozen import FrozenTrial

log = logging.getLogger(__name__)

TAGS = ("log",)


@dataclass
class SweeperSettings:
    """What hydra.sweeper.… can be set to. Hydra reads the types, so they are in the words of typing.

    n_trials     how many trials the study gets in total: a sweep that was broken off is completed by running it again
    direction    minimize, maximize, a list of them for an app that returns several values, or {metric: direction} for
                 one that returns a dict
    sampler      by name (auto, gp, tpe, cmaes, nsga2, random, …), or with settings as in
                 {_target_: kilter.samplers.tpe.TPESampler, initial: 20}
    seed         of the study, from 0 on; None for another one each time
    storage      a file as in sqlite:///sweep.db, in which the study goes on when the sweep is run again
    study_name   by default that of the app
    timeout      seconds after which no further job is launched
    n_jobs       how many jobs are given to the launcher at once: more than one for launchers that run them in parallel
    params       sweeps as on the command line, {"lr": "interval(0.001, 1)"}; the command line goes before
    when         what is searched only where others have certain values, {"sgd.momentum": {"optimizer": "sgd"}};
                 elsewhere it stays as the config has it
    """

    _target_: str = "hydra_plugins.kilter_sweeper.KilterSweeper"
    n_trials: int = 20
    direction: Any = "minimize"
    sampler: Any = None
    seed: Optional[int] = None  # noqa: UP045
    storage: Optional[str] = None  # noqa: UP045
    study_name: Optional[str] = "${hydra.job.name}"  # noqa: UP045
    timeout: Optional[float] = None  # noqa: UP045
    n_jobs: int = 1
    params: dict[str, str] = field(default_factory=dict)
    when: dict[str, Any] = field(default_factory=dict)


class StudySweeper(Sweeper):
    """Runs a study whose trials are Hydra's jobs; see SweeperSettings.

    The first job takes the values that the config has, where the sweeps allow them and the sampler takes defaults. A
    job that raises is a failed trial, and the sweep goes on. In the end the best configuration is in
    optimization_results.yaml in the sweep's directory: best_params, best_value and best_trial, or solutions for several
    objectives.
    """

    config: Any
    hydra_context: Any
    launcher: Any

    def __init__(
        self,
        n_trials: int,
        direction: Any,
        sampler: Any,
        seed: int | None,
        storage: str | None,
        study_name: str | None,
        timeout: float | None,
        n_jobs: int,
        params: Mapping[str, str],
        when: Mapping[str, Any],
    ) -> None:
        self.n_trials = n_trials
        self.direction = direction
        self.sampler = sampler
        self.seed = seed
        self.storage = storage
        self.study_name = study_name
        self.timeout = timeout
        self.n_jobs = n_jobs
        self.params = params
        self.when = when

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Make the launcher ready; Hydra calls this first."""
        self.config = config
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the study over what the overrides sweep; raises Hydra's error of one line where that cannot be."""
        try:
            self._sweep(arguments)
        except KilterError as error:
            raise CompactHydraException(str(error)) from error

    def _sweep(self, arguments: Sequence[str]) -> None:
        from kilter.api import create_study
        from kilter.core.limits import Limits
        from kilter.integrations.batches import Batches

        fixed, dimensions = self._read(arguments)
        directory = Path(self.config.hydra.sweep.dir)
        directory.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, directory / "multirun.yaml")
        direction = _unwrapped(self.direction)
        study = create_study(
            storage=self.storage,
            study_name=self.study_name,
            sampler=self.sampler,
            direction=direction if isinstance(direction, str) else None,
            directions=None if isinstance(direction, str) else direction,
            space={name: dimension.parameter for name, dimension in dimensions.items()},
            transfer=None,
            seed=self.seed,
            load_if_exists=True,
        )
        log.info("study %s, directory %s, searching\n%s", study.study_name, directory, _listed(study.space.parameters))
        ending = study.run(
            Batches(Jobs(self, fixed, dimensions, study.problem), self.n_jobs),
            Limits(trials=self.n_trials, seconds=self.timeout),
            callbacks=[_log_trial],
            progress="none",
        )
        results = _results(study)
        OmegaConf.save(OmegaConf.create(results), directory / "optimization_results.yaml")
        log.info("%s\n%s", ending, OmegaConf.to_yaml(results).rstrip())

    def _read(self, arguments: Sequence[str]) -> tuple[list[str], dict[str, Dimension]]:
        """The overrides that are the same for each job, and what is searched, by name."""
        if self.n_jobs < 1:
            raise InvalidInput(f"hydra.sweeper.n_jobs={self.n_jobs}: it must be at least 1")
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        declared = [f"{name}={sweep}" for name, sweep in _unwrapped(self.params).items()]
        parsed = parser.parse_overrides([*declared, *arguments])
        overrides = {o.get_key_element().lstrip("+"): o for o in parsed}  # the last counts
        fixed = [str(o.input_line) for o in overrides.values() if not o.is_sweep_override()]
        dimensions = {name: self._dimension(name, o) for name, o in overrides.items() if o.is_sweep_override()}
        for name, parents in _unwrapped(self.when).items():
            if name not in overrides:
                raise UnknownName.of("override", name, overrides, "(in hydra.sweeper.when)")
            if name in dimensions:
                self._restrict(name, parents, dimensions)
        if not dimensions:
            raise InvalidInput(
                "there is nothing to search: sweep at least one override, as in 'lr=tag(log,interval(0.001,1))' "
                "or 'optimizer=choice(adam,sgd)'"
            )
        return fixed, dimensions

    def _dimension(self, name: str, override: Override) -> Dimension:
        """What an override searches, with what the config has as its default."""
        dimension = _dimension(override)
        try:
            return replace(dimension, parameter=replace(dimension.parameter, default=self._configured(name)))
        except InvalidInput:  # none, or one that is not to be searched
            return dimension

    def _restrict(self, name: str, parents: Mapping[str, Any], dimensions: dict[str, Dimension]) -> None:
        """Search it under the conditions alone; a parent that is not searched has the config's value throughout."""
        searched = {parent: values for parent, values in parents.items() if parent in dimensions}
        for parent in parents.keys() - searched.keys():
            values = parents[parent]
            if self._configured(parent) not in (values if isinstance(values, list) else [values]):
                del dimensions[name]
                return
        if searched:
            dimension = dimensions[name]
            dimensions[name] = replace(dimension, parameter=dimension.parameter.when(searched))

    def _configured(self, name: str) -> Any:
        """What the config has under that name: a value, or the option that is chosen of a config group."""
        choices = self.config.hydra.runtime.choices
        return choices[name] if name in choices else _unwrapped(OmegaConf.select(self.config, name))


@dataclass(frozen=True)
class Dimension:
    """An override that is searched; `words` are how the options of a choice are written, in their order."""

    key: str
    parameter: Any
    words: tuple[str, ...] = ()

    def override(self, plain: Any) -> str:
        """The override that sets it to a value."""
        word = self.words[self.parameter.index(plain)] if self.words else str(plain)
        return f"{self.key}={word}"


class Jobs:
    """Launches tasks as Hydra's jobs, and reads what became of them."""

    def __init__(
        self, sweeper: StudySweeper, fixed: Sequence[str], dimensions: Mapping[str, Dimension], problem: Problem
    ) -> None:
        self._sweeper = sweeper
        self._fixed = fixed
        self._dimensions = dimensions
        self._problem = problem
        self._next = 0

    def __call__(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Run the tasks; a job's number, which names its directory, is that of its trial wherever that is free."""
        batch = [[*self._fixed, *(self._dimensions[n].override(v) for n, v in t.params.items())] for t in tasks]
        self._sweeper.validate_batch_is_legal(batch)
        first = max(self._next, tasks[0].number)
        self._next = first + len(tasks)
        jobs = self._sweeper.launcher.launch(batch, initial_job_idx=first)
        return [self._outcome(task, job) for task, job in zip(tasks, jobs)]

    def _outcome(self, task: Task, job: JobReturn) -> Outcome:
        from kilter.core.events import TrialState
        from kilter.core.interfaces import Outcome
        from kilter.objective.failures import failure_of

        try:
            metrics = self._problem.metrics(job.return_value)  # raises what the job raised
        except Exception as error:  # noqa: BLE001  # whatever a job raises is a failure of its trial
            return Outcome.failed(task, failure_of(error), error)
        return Outcome(task.number, task.attempt, TrialState.COMPLETE, metrics)


def _dimension(override: Override) -> Dimension:
    from kilter.core.numbers import Float, Int
    from kilter.core.options import Choice

    key = override.get_key_element()
    sweep: Any = override.value()
    tags: set[str] = getattr(sweep, "tags", set())
    for tag in tags - set(TAGS):
        raise UnknownName.of("tag of a sweep", tag, TAGS, f"(in {override.input_line!r})")
    is_log = "log" in tags
    if isinstance(sweep, IntervalSweep):
        bounds: tuple[Any, Any] = sweep.start, sweep.end
        is_whole = all(isinstance(bound, int) for bound in bounds)  # int(interval(1,9)); interval(1,9) has floats
        return Dimension(key, (Int if is_whole else Float)(*bounds, log=is_log))
    elements: list[Any] = list(override.sweep_iterator())
    if not elements:
        raise InvalidInput(f"{override.input_line!r} has no values: give a range or choice that is not empty")
    if override.is_range_sweep():
        values = sorted(elements)
        step = values[1] - values[0] if len(values) > 1 else 1
        kind = Int if all(isinstance(value, int) for value in values) else Float
        return Dimension(key, kind(values[0], values[-1], step=step, log=is_log))
    if getattr(sweep, "shuffle", False):
        elements.sort(key=Transformer.str)  # each reading shuffles anew, and the space is to stay the same
    return Dimension(key, Choice([_value(element) for element in elements]), tuple(map(Transformer.str, elements)))


def _value(element: Any) -> Any:
    """An option as the study knows it: a scalar as it is, lists and dicts as they are written."""
    if isinstance(element, QuotedString):
        return element.text
    return Transformer.str(element) if isinstance(element, (list, dict)) else element


def _unwrapped(setting: Any) -> Any:
    return OmegaConf.to_container(setting, resolve=True) if OmegaConf.is_config(setting) else setting


def _listed(parameters: Mapping[str, Any]) -> str:
    return "\n".join(f"    {name}: {parameter!r}" for name, parameter in parameters.items())


def _log_trial(study: Study, trial: FrozenTrial) -> None:
    """Say how a job ended, and which one is the best so far."""
    shown = ", ".join(f"{name} = {value:g}" for name, value in trial.metrics.items())
    if trial.failure is not None:
        shown = f"failed with {trial.failure.kind}: {trial.failure.message}"
    best = ""
    if len(study.directions) == 1:
        with suppress(NotReady):  # none is complete
            best = f"; best: trial {study.best_trial.number}, {study.best_value:g}"
    log.info("trial %d: %s%s", trial.number, shown, best)


def _results(study: Study) -> dict[str, Any]:
    """What optimization_results.yaml holds; raises NotReady where no trial is complete."""
    if len(study.directions) == 1:
        best = study.best_trial
        return {"name": "kilter", "best_params": best.params, "best_value": best.value, "best_trial": best.number}
    solutions = [{"params": trial.params, "values": trial.values, "trial": trial.number} for trial in study.best_trials]
    return {"name": "kilter", "solutions": solutions}
