"""The front door: `tune` for three lines, `create_study` and `Study` in the words of Optuna; wires the parts."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Union

from kilter import plugins
from kilter.analysis.failures import explained, kinds, why_no_best
from kilter.core import codec
from kilter.core.actions import Verdict, Wait
from kilter.core.border import as_real, as_step
from kilter.core.definition import Definition
from kilter.core.errors import (
    InvalidInput,
    KilterError,
    LogDamaged,
    NotANumber,
    NotReady,
    SpaceChanged,
    StorageError,
    StudyAborted,
    StudyChanged,
    StudyExists,
    StudyNotFound,
    TrialNotFound,
    UnknownName,
)
from kilter.core.events import SYSTEM, Created, Ended, Failure, Noted, Report, SpaceExtended, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import (
    Executor,
    Explaining,
    Explanation,
    Holding,
    Observer,
    Outcome,
    Progress,
    Resources,
    Stopper,
    Storage,
)
from kilter.core.options import Choice
from kilter.core.parameter import Parameter
from kilter.core.problem import DEFAULT_METRIC, SET, Constraint, Fidelity, Objective, Problem, StudyDirection
from kilter.core.space import Config, Space
from kilter.core.text import is_unicode, shown
from kilter.core.vocabulary import answers_other_words
from kilter.engine import snapshot
from kilter.engine.ending import Ending
from kilter.engine.engine import Engine, check_capable
from kilter.engine.limits import MISTAKEN, Limits, Tally
from kilter.engine.repair import repaired
from kilter.executors.context import Trial, finish
from kilter.executors.definitions import definition_of
from kilter.executors.signature import check_objective
from kilter.guests import draw_of, finishing, joined, own
from kilter.runtime import identity
from kilter.runtime.leases import LEASE_SECONDS, Watch
from kilter.runtime.loop import Run
from kilter.runtime.notices import notice
from kilter.runtime.progress import Silent, display
from kilter.runtime.session import KEPT, Session, check_objects, created, name_of, named
from kilter.storage.urls import existing_storage, missing_file, open_storage
from kilter.trial import FrozenTrial, NewTrial

if TYPE_CHECKING:
    import pandas

    from kilter.analysis.curves import Forecast
    from kilter.analysis.gain import Gain
    from kilter.analysis.schedule import Schedule
    from kilter.evaluation.confirmation import Confirmation

log = logging.getLogger("kilter")

DEFAULT_STORAGE = "sqlite:///kilter.db"

METRIC_NAMES = "metric_names"
"""The system attribute that set_metric_names sets."""

LONGEST_NAME = 1_000
"""Characters of a study's name; it is shown in lists, messages and names of folders."""

SpaceLike = Union[Mapping[str, Parameter], Space, None]


class Study:
    """A user's handle on a study; make one with create_study, load_study or tune.

    >>> study = create_study(direction="minimize", seed=1)
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=20, progress="none")
    >>> len(study.trials)
    20
    """

    def __init__(self, name: str, session: Session) -> None:
        self.study_name = name
        self._session = session
        self._has_plugins()
        self._asked: dict[int, Trial] = {}
        self._stopped = False
        self._has_run = False
        self._tally = Tally()
        self._continued: list[str] | None = None
        """The differences of the objective with which it goes on, once that has been told."""
        """What became of the trials of the latest run."""

    def close(self) -> None:
        """Let go of the study: its lease and, where kilter opened it, its file; it is of no further use then.

        Trials that were asked for and not told yet are free for other workers. A `with` statement does it at its end;
        a study that is dropped does so by itself.

        >>> from kilter import Float
        >>> with create_study(seed=0) as study:
        ...     study.tell(study.ask({"x": Float(0, 1)}), 0.5).value
        0.5
        """
        self._session.close()
        if self._session.owns_storage:
            self._session.storage.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Study], tuple[Any, ...]]:
        """A stored study is pickled and copied as its address, for a second handle on it; one in memory as its log."""
        return _reopened, _address(self.study_name, self._session)

    def __copy__(self) -> Study:
        return deepcopy(self)

    def __repr__(self) -> str:
        objectives = ", ".join(f"{o.direction} {o.name}" for o in self.problem.objectives)
        return f"<Study {self.study_name!r}: {objectives}, {len(self._history)} trials>"

    def _repr_html_(self) -> str:
        """What a notebook shows: how far the study is, the best value over time, the best trials, and what failed."""
        from kilter.analysis.notebook import study_html

        return study_html(self)

    # -- what is known --------------------------------------------------------------------------------------------

    @property
    def problem(self) -> Problem:
        """Space, objectives and constraints, as they are now."""
        return self._session.engine.problem

    @property
    def space(self) -> Space:
        """The space, as it is now."""
        return self.problem.space

    @property
    def _history(self) -> Any:
        return self._session.engine.history

    @property
    def name(self) -> str:
        """Its name, `study_name`."""
        return self.study_name

    @property
    def direction(self) -> StudyDirection:
        """The direction of the only objective, as text: "minimize" or "maximize"."""
        if len(self.problem.objectives) > 1:
            raise InvalidInput("this study has several objectives: read .directions")
        return self.directions[0]

    @property
    def directions(self) -> list[StudyDirection]:
        """The directions of all objectives."""
        return [StudyDirection(objective.direction) for objective in self.problem.objectives]

    @property
    def metric_names(self) -> list[str]:
        """The names of the objectives, or those that set_metric_names gave them."""
        named: list[str] | None = self.system_attrs.get(METRIC_NAMES)
        return list(named) if named else self.problem.objective_names

    def set_metric_names(self, metric_names: Sequence[str]) -> None:
        """Have the objectives, in order, shown under these names in tables.

        What an objective returns and reports keeps its names: `create_study(directions={"loss": "minimize"})` names
        those. Raises InvalidInput unless there is one name for each objective.
        """
        names = [metric_names] if isinstance(metric_names, str) else list(metric_names)
        count = len(self.problem.objectives)
        if len(names) != count or len(set(names)) < count:
            raise InvalidInput(f"metric_names={names!r}: give {count} different names, one for each objective")
        self.set_system_attr(METRIC_NAMES, names)

    @property
    def sampler(self) -> Any:
        """The sampler with its settings; another one can be set, and learns from the trials that there are."""
        return own(self._session.engine.sampler)

    @sampler.setter
    def sampler(self, sampler: Any) -> None:
        self._replan(plugins.find("sampler", sampler), self._session.engine.scheduler)

    @property
    def scheduler(self) -> Any:
        """The scheduler with its settings; another one can be set."""
        return own(self._session.engine.scheduler)

    @scheduler.setter
    def scheduler(self, scheduler: Any) -> None:
        self._replan(self._session.engine.sampler, plugins.find("scheduler", scheduler))

    pruner = scheduler  # Optuna's word

    def _replan(self, sampler: Any, scheduler: Any) -> None:
        """Go on with another sampler or scheduler, which read the whole log."""
        session = self._session
        with session.lock:
            known = self.space
            created = session.storage.read(session.study, 0, 1)[0].event
            assert isinstance(created, Created)  # it is the first of every log
            session.engine = _fresh(created, sampler, scheduler)
            session.sync()
            session.engine.recall(known)
            self._has_plugins()

    def _has_plugins(self) -> None:
        """Let samplers and schedulers that need the study know of it."""
        session = self._session
        joined(session.engine.sampler, self)
        joined(session.engine.scheduler, self)
        session.finishing = finishing(self)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What the user keeps with the study."""
        return {name: value for name, value in self._session.engine.attrs.items() if not name.startswith(SYSTEM)}

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value with the study."""
        self._session.note(None, {key: value})

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What set_system_attr keeps with the study."""
        attrs = self._session.engine.attrs
        return {name[len(SYSTEM) :]: value for name, value in attrs.items() if name.startswith(SYSTEM)}

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value with the study, apart from what users keep; Optuna's older word."""
        self._session.note(None, {f"{SYSTEM}{key}": value})

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials by number, those of other workers included."""
        return self.get_trials()

    def get_trials(self, deepcopy: bool = True, states: Iterable[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials in any of the states; `deepcopy` is accepted for Optuna's sake, views are never stale."""
        self._session.sync()
        history = self._history
        wanted = None if states is None else set(states)
        return [FrozenTrial(t, history) for t in history if wanted is None or t.state in wanted]

    @property
    def best_trial(self) -> FrozenTrial:
        """The complete, feasible trial with the best observed value; raises NotReady where there is none."""
        if len(self.problem.objectives) > 1:
            raise InvalidInput("this study has several objectives, so no single best trial: read .best_trials")
        self._session.sync()
        number = self._session.engine.ledger.best_number
        if number is None:
            raise self._not_ready()
        return FrozenTrial(self._history[number], self._history)

    def recommend(self) -> FrozenTrial:
        """The trial to take: under noise not the luckiest one, which is `best_trial`, but one whose neighbours agree.

        Another trial than the best observed one is taken where trials like it say that it is better, by more than is in
        doubt, and its own value does not speak against it. Where results are exact it is the best trial. Raises
        NotReady (a ValueError) where no trial is complete and feasible.
        """
        if len(self.problem.objectives) > 1:
            raise InvalidInput("this study has several objectives, so no single best trial: read .best_trials")
        from kilter.analysis.recommend import recommended  # loads SciPy

        self._session.sync()
        trial = recommended(self._history)
        if trial is None:
            raise self._not_ready()
        return FrozenTrial(trial, self._history)

    def expected_gain(self, seconds: float = 3600.0) -> Gain | None:
        """How much better the best result is expected to become in the next `seconds`, and the noise that it has.

        At the pace of the latest trials, with all their workers. None while too little is known, and with several
        objectives.
        """
        from kilter.analysis.gain import expected_gain  # loads SciPy

        self._session.sync()
        return expected_gain(self._history, self._session.engine.seed, seconds)

    def best_schedule(self) -> Schedule:
        """How the best member of a population was trained: its configurations, from which step to which.

        Of the best complete trial or, before there is one, of the best by its last report. `params_at(step)` replays
        it in a fresh run. Raises NotReady (a ValueError) where nothing was reported.
        """
        from kilter.analysis.schedule import best_schedule

        self._session.sync()
        return best_schedule(self._history)

    def forecast(self, trial: FrozenTrial | Trial | int, horizon: int | None = None) -> Forecast | None:
        """Where the reports of a trial are heading: value at the horizon, an 80 % interval, and the chance to be best.

        The horizon is by default the last step of the complete trials. None while too little was reported. Raises
        TrialNotFound for an unknown number.
        """
        from kilter.analysis.curves import forecast  # loads SciPy

        self._session.sync()
        return forecast(self._history, self._number(trial), horizon)

    def checkpoint_dir(self, trial: FrozenTrial | Trial | int) -> str | None:
        """The directory with what a trial has left in its checkpoint, as to load the best model from; None for nothing.

        Of the finished trials the best few keep theirs: `keep_checkpoints` of create_study. Raises TrialNotFound.

        >>> study = create_study(seed=0)
        >>> def objective(trial):
        ...     trial.save({"weights": [1.0, 2.0]})
        ...     return trial.suggest_float("x", 0, 1)
        >>> study.optimize(objective, n_trials=3, progress="none")
        >>> os.listdir(study.checkpoint_dir(study.best_trial))
        ['state.kilter']
        """
        self._session.sync()
        return self._session.checkpoints.latest(self._history[self._number(trial)])

    def printed(self, trial: FrozenTrial | Trial | int) -> str:
        r"""What a trial printed, in all its attempts; of very much the beginning and the end. Raises TrialNotFound.

        In worker processes and of commands that is all that arrived on stdout and stderr; in this process and its
        threads what went through Python's own streams.

        >>> study = create_study(seed=0)
        >>> def objective(trial):
        ...     print("epoch 1")
        ...     return trial.suggest_float("x", 0, 1)
        >>> study.optimize(objective, n_trials=1, progress="none")
        epoch 1
        >>> study.printed(0)
        'epoch 1\n'
        """
        self._session.sync()
        path = self._session.checkpoints.log(self._number(trial))
        try:
            with open(path, encoding="utf-8", errors="replace", newline="") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def confirm(
        self,
        objective: Callable[..., Any],
        k: int = 10,
        *,
        reuse: bool = True,
        overlap: float | None = None,
        n_jobs: int = 1,
    ) -> Confirmation:
        """Score the best `k` trials on all folds, and say which to take and what to expect of it on new data.

        See kilter.evaluation.confirmation.confirm, which this is.
        """
        from kilter.evaluation.confirmation import confirm

        return confirm(self, objective, k, reuse=reuse, overlap=overlap, n_jobs=n_jobs)

    def _number(self, trial: FrozenTrial | Trial | int) -> int:
        number = getattr(trial, "number", trial)
        if not isinstance(number, int) or not 0 <= number < len(self._history):
            raise TrialNotFound(f"no trial {number} in {self.study_name!r}: it has {len(self._history)} trials")
        return number

    def explain(self, trial: FrozenTrial | Trial | int) -> Explanation:
        """Why the sampler chose the configuration of a trial: the arm, the reason, and what its model expected.

        The log is read again up to where the sampler stood then. Raises TrialNotFound for an unknown number, and
        InvalidInput where a user chose the configuration or the sampler cannot explain itself.
        """
        session = self._session
        session.sync()
        number = self._number(trial)
        record = self._history[number]
        if record.enqueued or record.parent is not None or record.attempt == 0:
            raise InvalidInput(
                f"trial {number} was chosen by a user or a scheduler, or has not started: there is nothing to explain"
            )
        if not isinstance(self.sampler, Explaining):
            raise InvalidInput(f"{self.sampler!r} does not explain its choices: sampler='auto' and 'gp' do")
        engine = _fresh(created(session.storage, session.study), self.sampler, session.engine.scheduler)
        with named(session.storage, session.study):
            engine.handle(session.storage.read(session.study, 0, record.seen))
        return self.sampler.explain(engine.sampler_state, engine.history, number, record.params)

    def _not_ready(self) -> NotReady:
        """That there is no best trial, and why."""
        feasible = " and feasible" if self.problem.constraints else ""
        why = why_no_best(self._history)
        return NotReady(f"the study {self.study_name!r} has no complete{feasible} trial yet: {why}")

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """The Pareto front: complete, feasible trials that no other one beats in every objective."""
        self._session.sync()
        return [FrozenTrial(trial, self._history) for trial in self._history.front()]

    @property
    def best_params(self) -> dict[str, Any]:
        """The configuration of the best trial as Python values."""
        return self.best_trial.params

    @property
    def best_value(self) -> float:
        """The value of the best trial."""
        value = self.best_trial.value
        assert value is not None
        return value

    def trials_dataframe(self, attrs: Sequence[str] | None = None, multi_index: bool = False) -> pandas.DataFrame:
        """The trials as a pandas DataFrame; needs pandas.

        A row for each trial with Optuna's columns (number, value, datetime_start, datetime_complete, duration,
        params_NAME, user_attrs_NAME, state) and, where any trial has them, metrics_NAME, budget_NAME, folds_NAME,
        parent and failure. `attrs` names the attributes of a trial to show instead. Raises MissingLibrary.
        """
        from kilter.analysis.frame import dataframe

        return dataframe(self.trials, self.metric_names, attrs, multi_index)

    # -- ask and tell ---------------------------------------------------------------------------------------------

    def ask(
        self,
        n: int | Mapping[str, Parameter] | None = None,
        *,
        fixed_distributions: Mapping[str, Parameter] | None = None,
    ) -> Any:
        """A trial to evaluate; with `n` a list of so many. A dict of parameters is suggested at once.

        `fixed_distributions` is Optuna's word for that dict. Raises NotReady where the sampler has nothing left to try.
        """
        if isinstance(n, Mapping):
            n, fixed_distributions = None, n
        if n is not None:
            if n < 1:
                raise InvalidInput(f"ask({n!r}): ask for at least one trial")
            return [self._ask() for _ in range(n)]
        for name, parameter in (fixed_distributions or {}).items():
            if not isinstance(parameter, Parameter):
                raise InvalidInput(
                    f"ask: {name}={parameter!r} is not a parameter: give Float, Int, Ordinal, Choice or Boolean"
                )
        trial = self._ask()
        for name, parameter in (fixed_distributions or {}).items():
            trial.suggest(name, parameter)
        return trial

    def _ask(self) -> Trial:
        session = self._session
        if session.declared:  # else the objective brings the objects
            check_objects(session.engine)
        record = session.begin()
        if not isinstance(record, Record):
            session.rest()
        if record is None:
            raise NotReady(f"{self.study_name!r} has nothing left to try")
        if isinstance(record, Wait):
            raise NotReady(
                f"the scheduler of {self.study_name!r} waits for a running trial to end: tell a result first"
            )
        line, draw = _Line(session, record.number, record.attempt), draw_of(session.engine.sampler)
        trial = self._asked[record.number] = Trial(session.task(record), self.problem, line.send, line.judged, draw)
        return trial

    def tell(
        self,
        trial: Trial | int,
        values: float | Sequence[float] | Mapping[str, float] | None = None,
        state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:
        """The result of a trial that was asked for: a number, a list, a dict of metrics, or a state without values.

        A trial that was to be paused when it last asked is told as PRUNED like any other, and ask() hands it out again.
        A trial told twice with the same result is fine. Raises InvalidInput where the values do not fit the
        objectives, and TrialNotFound for an unknown number; the trial keeps running then.
        """
        number = getattr(trial, "number", trial)
        if not isinstance(number, int):
            raise InvalidInput(f"tell({trial!r}): give the trial that ask() returned, or its number")
        session = self._session
        context = self._asked.get(number)
        if context is None:
            session.sync()
            if isinstance(trial, Trial) and session.engine.runs(number, trial.attempt):
                context = trial  # which another handle on the study, or another process, was given
        if not 0 <= number < len(self._history):
            raise TrialNotFound(f"no trial {number} in {self.study_name!r}: it has {len(self._history)} trials")
        record = self._history[number]
        if record.is_finished and skip_if_finished:
            return FrozenTrial(record, self._history)
        self._end(record, context, values, state)
        self._asked.pop(number, None)
        session.rest()
        return FrozenTrial(record, self._history)

    def _end(self, record: Record, context: Trial | None, values: Any, state: TrialState | None) -> None:
        metrics, state, failure = self._result(record, context, values, state)
        if context is not None:  # also of an attempt that was given up
            outcome = finish(context, state, metrics, failure)
        elif record.is_finished:
            if (record.state, record.metrics) == (state, metrics):
                return
            raise InvalidInput(f"trial {record.number} has ended already, as {record.state.name}: ask for a new one")
        elif record.state is TrialState.WAITING:
            raise InvalidInput(f"trial {record.number} has not been started: ask() hands it out")
        else:
            outcome = Outcome(record.number, record.attempt, state, metrics, failure=failure)
        self._session.end(outcome)

    def _result(
        self, record: Record, context: Trial | None, values: Any, state: TrialState | None
    ) -> tuple[dict[str, float], TrialState, Failure | None]:
        if state is TrialState.FAIL:
            return {}, state, Failure("told", "told as failed")
        if state is None and context is not None and context._has_left:
            state, values = TrialState.PRUNED, None
        if state is TrialState.PRUNED and values is None:
            if context is not None and context.last_report is not None:
                return context._metrics_so_far, context._left_as, None
            reports = self._history.reports.of(record.number)
            return (dict(reports[-1].metrics) if reports else {}), context._left_as if context else state, None
        if state not in (None, TrialState.COMPLETE, TrialState.PRUNED):
            raise InvalidInput(f"state={state!r}: a trial is told as COMPLETE, PRUNED or FAIL")
        if values is None:
            raise InvalidInput(f"tell({record.number}) needs values, or state=TrialState.FAIL")
        try:
            return self.problem.metrics(values), state or TrialState.COMPLETE, None
        except InvalidInput as error:
            if state is None and isinstance(error, NotANumber):
                return {}, TrialState.FAIL, Failure("nan", str(error))
            raise

    def enqueue_trial(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None, skip_if_exists: bool = False
    ) -> int:
        """Have this (partial) configuration tried next; the sampler fills in what is missing. Returns its number.

        Raises InvalidInput for values that a known parameter cannot have. What is only found out when the trial runs,
        since the objective says what it asks for, is warned of: values that do not fit, and names it never asks for.
        """
        if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
            raise InvalidInput(
                f"enqueue_trial({shown(params)}): give one configuration as a dict of names and values, "
                "such as {'x': 0.5}; of several, one call for each"
            )
        self._session.sync()
        plain = self._plain(params)
        alike = [t.number for t in self._history if plain.items() <= t.params.items()] if skip_if_exists else []
        if alike:
            return int(alike[0])
        return self._session.enqueue(plain, user_attrs)

    def _plain(self, params: Mapping[str, Any]) -> Config:
        """Values as the log holds them; names that only the objective knows are taken on trust in define-by-run."""
        if self._session.declared:
            config = self.space.plain(params, partial=True)
            for name in params.keys() - config.keys():
                conditions = " and ".join(f"{c.parent} in {list(c.values)!r}" for c in self.space[name].conditions)
                notice(f"the enqueued {name}={shown(params[name])} is dropped: {name} is active only with {conditions}")
            return config
        config = {}
        for name, value in params.items():
            try:
                config[name] = (self.space[name] if name in self.space else Choice([value])).plain(value)
            except InvalidInput as error:
                raise InvalidInput(f"{name}: {error}") from None
        return config

    def add_trial(self, trial: FrozenTrial | NewTrial) -> None:
        """Add a trial that was run elsewhere, with its parameters where the space lacks them."""
        if trial.state is TrialState.WAITING:
            self.enqueue_trial(trial.params, trial.user_attrs)
            return
        if not trial.state.is_finished():
            raise InvalidInput(f"a trial in state {trial.state.name} cannot be added: it has to be finished")
        session, now = self._session, self._session.clock()
        values = trial.metrics if isinstance(trial, FrozenTrial) else trial.values
        metrics = self._metrics(values, trial.state)
        missing = {n: p for n, p in trial.distributions.items() if n not in self.space or not self.space[n].covers(p)}
        known = self.space.extended(missing)
        strangers = [name for name in trial.params if name not in known]
        if strangers:
            raise UnknownName.of(
                "parameter", strangers[0], known, "Say what it is: create_trial(distributions={name: kilter.Float(…)})"
            )
        config = known.plain(trial.params, partial=True)
        constraints = {f"{SET}{name}": as_real(value) for name, value in trial.constraints.items()}
        first = self.problem.objective_names[0]
        told = getattr(trial, "reports", None) or {
            step: {first: value} for step, value in trial.intermediate_values.items()
        }
        reports = tuple(Report(as_step(step), self._metrics(named)) for step, named in told.items())
        failure = Failure("told", "added as failed") if trial.state is TrialState.FAIL else None
        ended = Ended(0, 1, trial.state, {**metrics, **constraints}, now, reports, failure=failure)
        attrs = trial._record.attrs if isinstance(trial, FrozenTrial) else trial.user_attrs
        for event in (ended, Noted(0, attrs, now)):  # before anything of the trial is written
            codec.encode(event)
        if missing:
            session.write(SpaceExtended({name: p.to_json() for name, p in missing.items()}, now))
        session.constrain(constraints)
        number = session.add(config, now)
        session.write(replace(ended, number=number))
        if attrs:
            session.note(number, attrs)

    def _metrics(self, values: Any, state: TrialState = TrialState.PRUNED) -> dict[str, float]:
        """Metrics that were measured elsewhere; only a complete trial needs all that the study wants."""
        if state is not TrialState.COMPLETE and (values is None or isinstance(values, Mapping)):
            return {str(name): as_real(value) for name, value in (values or {}).items()}
        return self.problem.metrics(values)

    def add_trials(self, trials: Iterable[FrozenTrial | NewTrial]) -> None:
        """Add several trials that were run elsewhere."""
        for trial in trials:
            self.add_trial(trial)

    def retry(self, trial: FrozenTrial | Trial | int | None = None, *, failed: bool = False) -> list[int]:
        """Queue a failed trial, or with `failed` all of them, to be run again; the numbers of the new trials.

        The new trials have the same configurations and stand in the place of the old ones, which stay in the log but
        use up no `n_trials`, and no sampler learns from them any more. The next run begins with them. Raises
        InvalidInput for a trial that has not failed, and TrialNotFound for an unknown number.

        >>> study = create_study(seed=0)
        >>> study.optimize(lambda trial: 1 / trial.suggest_int("n", 0, 0), n_trials=1, progress="none")
        >>> study.retry(failed=True)
        [1]
        """
        self._session.sync()
        if (trial is None) is not failed:
            raise InvalidInput("retry() takes one trial, as in retry(3), or failed=True for all that failed")
        failures = [t.number for t in self._history.with_state(TrialState.FAIL) if not t.forgiven]
        return identity.retry(self._session, failures if trial is None else [self._number(trial)])

    @contextmanager
    def observed(self, *observers: Observer) -> Iterator[None]:
        """Within this context observers, such as trackers of experiments, are told what happens to the study here.

        Each is a function of (study_name, event), called in a thread of its own; see kilter.core.interfaces.Observer.
        At the end it waits until they have taken in everything: Ctrl-C does without, as does a minute over one event.

        >>> study, seen = create_study(seed=0), []
        >>> with study.observed(lambda study_name, event: seen.append(type(event).__name__)):
        ...     study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none")
        >>> seen
        ['Created', 'Defined', 'Started', 'SpaceExtended', 'Ended']
        """
        from kilter.runtime.observers import Observed, finish

        session = self._session
        watching = [Observed(self.study_name, observer) for observer in observers]
        for observer in watching:
            observer(created(session.storage, session.study))
        session.observers += watching
        try:
            yield
        finally:
            for observer in watching:
                session.observers.remove(observer)
            finish(watching)

    # -- optimizing -----------------------------------------------------------------------------------------------

    @answers_other_words
    def optimize(
        self,
        func: Callable[..., Any],
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: type[BaseException] | Sequence[type[BaseException]] = (BaseException,),
        callbacks: Sequence[Callable[[Study, FrozenTrial], None]] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool | None = None,
        *,
        progress: str = "auto",
        limits: Limits | None = None,
        stoppers: Sequence[Stopper] = (),
        executor: Executor | None = None,
        if_changed: str | None = None,
    ) -> None:
        """Run `n_trials` more trials, for at most `timeout` seconds, `n_jobs` at a time in threads.

        The objective is called with the trial or with the configuration as keywords, as its signature asks. An
        exception, sys.exit() included, fails its trial and the study goes on; catch=() raises it after it was stored.
        `gc_after_trial` collects garbage after each trial. `limits` bound the study as a whole; so do `stoppers`,
        functions of (history, now) that give a reason to stop, or None.

        Once the timeout is over, should_prune says True, and trials that leave or are broken off wait, with their
        checkpoint, for the next run to go on with them. With one job an exception is raised in the objective where it
        stands (in the main thread, and where the platform has interval timers); a thread ends when it next asks or
        reports, so one that never does is waited for.

        A stored study is of one objective. Where `func` differs from it in its code, or in plain values that it reads,
        and there are results of the old one, `if_changed` says what happens: "fail" raises StudyChanged, "continue"
        goes on with them. By default a study that was loaded fails; one that has run here already goes on and says so.
        Raises StudyAborted where ten trials in a row fail in the same way; `Limits.failures` is another number.
        """
        bounds = limits or Limits()
        bounds = Limits(**{**vars(bounds), "seconds": timeout if timeout is not None else bounds.seconds})
        Limits(trials=n_trials)
        _check_functions(callbacks=callbacks or (), stoppers=stoppers)
        if executor is None:
            executor = self._threads(func, n_jobs)
        if show_progress_bar is False:
            progress = "none"
        callbacks = [*([_collect_garbage] if gc_after_trial else []), *(callbacks or ())]
        self.run(
            executor,
            bounds,
            n_trials,
            catch,
            callbacks,
            progress,
            stoppers,
            definition_of(func) if callable(func) else None,
            if_changed,
        )

    def _threads(self, objective: Callable[..., Any], n_jobs: int) -> Executor:
        jobs = _at_once("n_jobs", n_jobs)
        check_objective(objective, self.problem, self._session.declared)
        if jobs == 1:
            from kilter.executors.inline import Inline

            return Inline(objective, self.space, draw=draw_of(self._session.engine.sampler))
        from kilter.executors.threads import Threads

        return Threads(objective, jobs, self.space, draw=draw_of(self._session.engine.sampler))

    def run(
        self,
        executor: Executor,
        limits: Limits,
        calls: int | None = None,
        catch: type[BaseException] | Sequence[type[BaseException]] = (BaseException,),
        callbacks: Sequence[Callable[[Study, FrozenTrial], None]] = (),
        progress: str = "auto",
        stoppers: Sequence[Stopper] = (),
        definition: Definition | None = None,
        if_changed: str | None = None,
    ) -> Ending:
        """Run trials on an executor within the limits, at most `calls` of them; how it ended.

        Where the time was up that says which trials were cut: they wait, and the next run goes on with them.
        `optimize` and `tune` are this with the executor chosen for you. `definition` is what the executor runs: it
        raises StudyChanged where that is another objective than the study's, and `if_changed` is not "continue".
        """
        session = self._session
        if session.declared:  # else the objective brings the objects
            check_objects(session.engine)
        self.check_definition(definition, if_changed)
        identity.define(session, definition)
        self._has_run, self._stopped = True, False
        shown = display(progress, session, self.study_name, limits, calls)
        quiet = isinstance(shown, Silent) and not callbacks

        def on_end(record: Record) -> None:
            shown.on_end(record)
            for callback in callbacks:
                callback(self, FrozenTrial(record, self._history))

        run = Run(
            session,
            executor,
            limits,
            calls,
            tuple(catch) if isinstance(catch, Sequence) else (catch,),
            on_end,
            None if quiet else shown.tick,
            lambda: self._stopped,
            [*stoppers, *_by_gain(limits)],
            _holding(callbacks),
        )
        self._tally = run.tally
        shown.start()
        try:
            ending = run()
        except BaseException as error:
            shown.finish(run.ending.reason if run.ending else _ended_by(error))
            if isinstance(error, StudyAborted):
                identity.forgive(session)
            raise
        finally:
            session.rest()
            session.save_snapshot()
        if not run.begun:
            ending = replace(ending, reason=ending.reason + identity.answered(self.study_name, session.engine))
        shown.finish(str(ending))
        return ending

    def check_definition(self, definition: Definition | None, if_changed: str | None = None) -> None:
        """Raise StudyChanged where the study has results of another objective than this one.

        With if_changed="continue" it does not, and by default not where the study has run here already.
        """
        session = self._session
        session.sync()
        is_from_before = session.storage.directory is not None and not self._has_run
        choice = if_changed or ("fail" if is_from_before else "continue")
        identity.check_choice(choice)
        if choice == "new":
            raise InvalidInput(
                "if_changed='new' is for tune() and kilter run, which open a study by its name: here choose another "
                "study_name, or if_changed='continue'"
            )
        found = identity.differences(session.engine, definition)
        if found and identity.has_results(session.engine):
            if choice != "continue":
                raise identity.changed(self.study_name, session.engine, found, ["continue"])
            if found != self._continued:
                log.warning("%s: goes on with the results of another objective: %s", self.study_name, "; ".join(found))
            self._continued = found

    def _check_success(self) -> None:
        """Raise StudyAborted where trials of the latest run ended, and all of them failed."""
        tally = self._tally
        if not tally.is_fruitless:
            return
        identity.forgive(self._session)
        failed = f"all {tally.failed} trials of this run" if tally.failed > 1 else "the only trial of this run"
        raise StudyAborted(
            f"{self.study_name!r}: {failed} failed ({kinds(tally.failures)}), as in "
            f"{explained(self._history, tally.failures)}. Fix the objective and run again"
        )

    def stop(self) -> None:
        """Start no more trials in the optimize that is running; for callbacks and objectives."""
        self._stopped = True


class _Line:
    """What an asked trial talks through to its study, from whichever process it is in."""

    def __init__(self, session: Session, number: int, attempt: int) -> None:
        self._session, self._number, self._attempt = session, number, attempt

    def send(self, reports: tuple[Report, ...]) -> None:
        """Ship reports."""
        self._session.progress(Progress(self._number, self._attempt, reports))

    def judged(self) -> Verdict:
        """Ask the scheduler."""
        return self._session.verdict(self._number, self._attempt)

    def __reduce__(self) -> tuple[Callable[..., _Line], tuple[Any, ...]]:
        session = self._session
        if session.storage.directory is None:
            raise InvalidInput(
                f"trial {self._number} cannot be sent to another process, since its study is in memory: make it with "
                "storage='sqlite:///study.db', or send trial.params"
            )
        if not session.declared:
            raise InvalidInput(
                f"trial {self._number} cannot be sent to another process, where what it suggests would stay: give "
                "create_study a space, or send trial.params"
            )
        return _line, (_address(name_of(session.storage, session.study), session), self._number, self._attempt)


def _line(address: tuple[Any, ...], number: int, attempt: int) -> _Line:
    return _Line(_reopened(*address)._session, number, attempt)


def _address(name: str, session: Session) -> tuple[Any, ...]:
    """How to open a study again, elsewhere or a second time: with the same plug-ins, and the objects of its space."""
    engine = session.engine
    return name, session.storage, engine.sampler, engine.scheduler, engine.problem.space, session.settings


def _reopened(
    name: str, storage: Storage, sampler: Any, scheduler: Any, space: Space, settings: dict[str, Any]
) -> Study:
    study = load_study(study_name=name, storage=storage, sampler=sampler, scheduler=scheduler, **settings)
    study._session.owns_storage = True  # it was copied along
    study._session.engine.recall(space)
    return study


@answers_other_words
def create_study(
    *,
    storage: str | Storage | None = None,
    sampler: Any = None,
    scheduler: Any = None,
    pruner: Any = None,
    study_name: str | None = None,
    direction: Any = None,
    load_if_exists: bool = False,
    directions: Sequence[Any] | Mapping[str, Any] | None = None,
    space: SpaceLike = None,
    subject_to: Mapping[str, str] | None = None,
    fidelity: Fidelity | Sequence[Fidelity] | None = None,
    seed: int | None = None,
    keep_checkpoints: int = KEPT,
    lease: float | None = LEASE_SECONDS,
    clock: Callable[[], float] = time.time,
    _wanted: _Wanted | None = None,
) -> Study:
    """A new study, in memory where no storage is given.

    `directions` may be {metric: direction}; the objective then returns and reports named metrics. `subject_to` bounds
    metrics, as in {"latency_ms": "<= 20"}. With a `fidelity`, as in Fidelity("epochs", 1, 81), the objective takes an
    argument of that name and the scheduler says how much of it a trial is worth. Of the finished trials the best
    `keep_checkpoints` keep what they left in their checkpoint. Without a `space` the objective suggests its parameters.
    `pruner` is Optuna's word for `scheduler`. With `load_if_exists` an existing study goes on, its space widened where
    the new one allows; its seed, and its sampler and scheduler unless they are given, are those it was made with.
    Without a `seed`, that of the sampler counts. A study that contradicts what is asked for, but in which nothing ever
    succeeded, begins anew.
    Raises StudyExists, StudyChanged where objectives or constraints differ, SpaceChanged, UnknownName for an unknown
    sampler, InvalidInput for anything that cannot be.
    """
    if scheduler is not None and pruner is not None:
        raise InvalidInput("give scheduler= or pruner=, which mean the same, not both")
    store = open_storage(storage)
    declared = as_space(space)
    problem = Problem.of(declared, direction, directions, subject_to, fidelity)
    chosen = plugins.find("sampler", "auto" if sampler is None else sampler)
    planner = plugins.find("scheduler", "auto" if scheduler is None and pruner is None else scheduler or pruner)
    check_capable(chosen, problem)
    name = f"study-{secrets.token_hex(4)}" if study_name is None else _checked_name(study_name)
    event = Created(
        problem.to_json(),
        plugins.spec("sampler", chosen),
        plugins.spec("scheduler", planner),
        _checked_seed(getattr(chosen, "seed", None) if seed is None else seed),
        clock(),
    )
    names_objectives = directions is not None or direction is not None
    wanted = _wanted or _Wanted(names_objectives, subject_to is not None, fidelity is not None)
    while True:
        try:
            study = store.create(name, event)
            break
        except StudyExists:
            if not load_if_exists:
                raise StudyExists(
                    f"there is a study {name!r} in {store.url} already: choose another name, or load_if_exists=True"
                ) from None
        found = load_study(
            study_name=name,
            storage=store,
            sampler=sampler,
            scheduler=scheduler or pruner,
            keep_checkpoints=keep_checkpoints,
            lease=lease,
            clock=clock,
        )
        session = found._session
        try:
            _check_same(session, name, problem, wanted)
            if space is not None:
                _grow(session, name, declared)
            session.owns_storage = store is not storage
            return found
        except StudyChanged:
            if identity.has_results(session.engine) or session.engine.history.waiting:
                raise
        log.warning("%s: no trial of this study ever succeeded, and what it is of has changed: it begins anew", name)
        store.delete(session.study)
    engine = Engine(problem, chosen, planner, event.seed)
    session = Session(store, study, engine, clock, bool(len(declared)), lease, keep_checkpoints)
    session.owns_storage = store is not storage
    session.sync()
    return Study(name, session)


@answers_other_words
def load_study(
    *,
    study_name: str | None = None,
    storage: str | Storage | None = DEFAULT_STORAGE,
    sampler: Any = None,
    scheduler: Any = None,
    pruner: Any = None,
    space: SpaceLike = None,
    keep_checkpoints: int = KEPT,
    lease: float | None = LEASE_SECONDS,
    clock: Callable[[], float] = time.time,
) -> Study:
    """A study that exists; without a name, the only one in the storage.

    `space` is needed only where options are objects that no store can keep, or to widen the space. Sampler and
    scheduler are those that the study was made with, unless others are given. Raises
    StudyNotFound with the nearest name.
    """
    if scheduler is not None and pruner is not None:
        raise InvalidInput("give scheduler= or pruner=, which mean the same, not both")
    scheduler = pruner if scheduler is None else scheduler
    store = existing_storage(storage)
    rows = {row.name: row.id for row in store.studies()}
    if study_name is None:
        if not rows:
            raise StudyNotFound(f"{store.url} has no studies yet: tune(), create_study() or kilter run begins one")
        if len(rows) > 1:
            raise StudyNotFound(f"{store.url} has {len(rows)} studies: name one of {', '.join(rows)}")
        (study_name,) = rows
    if study_name not in rows:
        raise StudyNotFound.of("study", study_name, rows, f"(in {store.url})")
    study = rows[study_name]
    first = created(store, study)
    with named(store, study):
        engine = _replayed(store, study, first, sampler, scheduler)
    session = Session(store, study, engine, clock, _has_space(first), lease, keep_checkpoints)
    session.owns_storage = store is not storage
    session.sync()
    if space is not None:
        _grow(session, study_name, as_space(space))
    return Study(study_name, session)


def _replayed(store: Storage, study: int, created: Created, sampler: Any, scheduler: Any) -> Engine:
    """The engine of a study: from its snapshot where that fits, else from the beginning of its log."""
    kept = store.load_snapshot(study, snapshot.VERSION)
    if kept is not None:
        engine = _fresh(created, sampler, scheduler)
        try:
            snapshot.loads(engine, kept[1])
            return engine
        except (ValueError, KeyError, TypeError):
            pass  # a snapshot is an optimisation: where it does not fit, the log is replayed
    return _fresh(created, sampler, scheduler)


def _fresh(created: Created, sampler: Any, scheduler: Any) -> Engine:
    """An engine that has read nothing yet; None stands for the plug-in that the study was made with."""

    def chosen(kind: str, given: Any, kept: Mapping[str, Any]) -> Any:
        return plugins.from_spec(kind, kept) if given is None else plugins.find(kind, given)

    try:
        return Engine(
            Problem.from_json(created.problem),
            chosen("sampler", sampler, created.sampler),
            chosen("scheduler", scheduler, created.scheduler),
            created.seed,
        )
    except KilterError:
        raise
    except Exception as error:  # data of any shape, where the file is damaged
        raise LogDamaged.at(1, "created", None, f"it is not what kilter writes: {error!r}") from error


@dataclass(frozen=True)
class _Wanted:
    """What a study that exists must have in common with what is asked for."""

    objectives: bool = True
    constraints: bool = True
    fidelities: bool = True
    definition: Definition | None = None
    if_changed: str = "fail"
    can_begin: bool = False
    """Whether if_changed="new" is among the ways on."""
    trials: int | None = None
    """How many trials it is to have: one that has them all does not answer for a space that it was not asked about."""


def _check_same(session: Session, name: str, problem: Problem, wanted: _Wanted) -> None:
    """Raise StudyChanged where the study is of something else than what is asked for."""
    engine, known = session.engine, session.engine.problem
    found = []
    told = tuple(constraint for constraint in known.constraints if not constraint.metric.startswith(SET))
    for word, compares, now, was in (
        ("objectives", wanted.objectives, problem.objectives, known.objectives),
        ("constraints", wanted.constraints, problem.constraints, told),
        ("fidelities", wanted.fidelities, problem.fidelities, known.fidelities),
    ):
        if compares and tuple(now) != tuple(was):
            found.append(f"its {word} are {_listing(now)} and were {_listing(was)}")
    kind: type[StudyChanged] = StudyChanged
    grown: dict[str, Parameter] = {}
    if session.declared and len(problem.space):
        try:
            grown = known.space.growth(problem.space)
        except SpaceChanged as error:
            found.append(str(error))
            kind = SpaceChanged
    can_go_on = not found
    found += identity.differences(engine, wanted.definition)
    trials = len(engine.history) - engine.history.forgiven
    if grown and wanted.trials is not None and trials >= wanted.trials:
        found.append(f"its space has grown ({', '.join(grown)}) and it has its {wanted.trials} trials already")
    if found and not (can_go_on and (wanted.if_changed == "continue" or not identity.has_results(engine))):
        ways = (["continue"] if can_go_on else []) + (["new"] if wanted.can_begin else [])
        raise identity.changed(name, engine, found, ways, kind)


def _listing(things: Iterable[Objective | Constraint | Fidelity]) -> str:
    return ", ".join(map(_worded, things)) or "none"


def _worded(thing: Objective | Constraint | Fidelity) -> str:
    if isinstance(thing, Objective):
        return f"{thing.direction} {thing.name}"
    if isinstance(thing, Constraint):
        return f"{thing.metric} {thing.relation} {thing.bound:g}"
    return f"{thing.name} from {thing.low:g} to {thing.high:g}"


def _grow(session: Session, name: str, space: Space) -> None:
    engine = session.engine
    try:
        grown = engine.problem.space.growth(space) if session.declared else {}
    except SpaceChanged as error:
        raise identity.changed(name, engine, [str(error)], [], SpaceChanged) from None
    if grown:
        if engine.history.finished:
            log.warning("%s: its space has grown since it was made: %s", name, ", ".join(grown))
        session.write(SpaceExtended({name: p.to_json() for name, p in grown.items()}, session.clock()))
    engine.recall(space)


def _has_space(created: Created) -> bool:
    return bool(created.problem["space"]["parameters"])


def check_study(*, study_name: str, storage: str | Storage = DEFAULT_STORAGE, repair: bool = False) -> CheckedLog:
    """Whether the log of a study can be read to its end, and what of it is whole where it cannot.

    With `repair` a damaged log is replaced by what is whole of it, after a copy of the whole file. Raises
    StudyNotFound, StorageError where somebody is at work on the study or where nothing can be saved, and InvalidInput
    where the storage is no SQLite file.
    """
    from kilter.storage import repair as mending
    from kilter.storage.sqlite import SQLiteStorage

    store = existing_storage(storage)
    if not isinstance(store, SQLiteStorage):
        raise InvalidInput(f"{store.url} is no SQLite file: there is nothing in it to check")
    rows = {row.name: row.id for row in store.studies()}
    if study_name not in rows:
        raise StudyNotFound.of("study", study_name, rows, f"(in {store.url})")
    study = rows[study_name]
    with named(store, study):
        found = repaired(mending.rows(store, study), lambda created: _fresh(created, None, None))
    copy = None
    if repair and found.lost:
        leases = store.leases(study)
        gone = Watch().gone(leases, 0.0)
        if any(left > 0 and worker.id not in gone for worker, left in leases):
            raise StorageError(f"somebody is at work on {study_name!r}: end that run first (Ctrl-C), then repair")
        copy = mending.write(store, study, found)
    return CheckedLog(len(found.kept), found.lost, found.waiting, copy)


@dataclass(frozen=True)
class CheckedLog:
    """What check_study found."""

    whole: int
    """How many events there are, with those that a repair puts in."""
    lost: list[str]
    """What cannot be read or has no place, a line each; empty where the log is whole."""
    waiting: list[int]
    """The trials that have to run again, since their start is lost."""
    copy: str | None
    """The file as it was before it was repaired; None where it was not."""


def _checked_name(name: str) -> str:
    """The name of a new study; raises InvalidInput where it could not be stored."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name or not is_unicode(name):
        raise InvalidInput(
            f"study_name={shown(name)}: give text of 1 to {LONGEST_NAME} characters, without zeros and lone surrogates"
        )
    return name


def delete_study(*, study_name: str, storage: str | Storage = DEFAULT_STORAGE) -> None:
    """Remove a study with all its trials; raises StudyNotFound with the nearest name."""
    store = existing_storage(storage)
    rows = {row.name: row.id for row in store.studies()}
    if study_name not in rows:
        raise StudyNotFound.of("study", study_name, rows, f"(in {store.url})")
    store.delete(rows[study_name])


def get_all_study_names(storage: str | Storage = DEFAULT_STORAGE) -> list[str]:
    """The names of all studies in a storage."""
    return [] if missing_file(storage) else [row.name for row in open_storage(storage).studies()]


@answers_other_words
def tune(
    objective: Callable[..., Any],
    space: SpaceLike = None,
    *,
    minimize: str | Sequence[str] | bool | None = None,
    maximize: str | Sequence[str] | bool | None = None,
    subject_to: Mapping[str, str] | None = None,
    n_trials: int | None = None,
    timeout: float | None = None,
    workers: int = 1,
    gpus_per_trial: float = 0,
    resources: Resources | None = None,
    fidelity: Fidelity | Sequence[Fidelity] | None = None,
    sampler: Any = None,
    scheduler: Any = None,
    seed: int | None = 0,
    study_name: str | None = None,
    storage: str | Storage | None = DEFAULT_STORAGE,
    target: float | None = None,
    patience: int | None = None,
    cost: float | None = None,
    steps: int | None = None,
    gain: float | None = None,
    stoppers: Sequence[Stopper] = (),
    progress: str = "auto",
    callbacks: Sequence[Callable[[Study, FrozenTrial], None]] = (),
    observers: Sequence[Observer] = (),
    if_changed: str = "fail",
) -> Study:
    """Find the best configuration of an objective; runs again where it was left off when it is called again.

    `minimize` and `maximize` name metrics that the objective returns; without either the number that it returns is
    minimised, and with maximize=True it is maximised. More than one worker (-1 means one per core), a GPU or limits in
    `resources` run trials in processes of their own. Without a `space` the objective's annotations declare it, or the
    objective suggests it. The study's name is the objective's, unless one is given; those of lambdas, partials and
    objects end in characters that tell them apart.

    The study remembers what it is of: the objective's code, plain defaults and values that it reads, its space and
    metrics. The same goes on, and so does what only reads differently or never succeeded. Where anything else has
    changed, `if_changed` says what happens: "fail" raises StudyChanged, which names the difference; "continue" goes on
    with the old results; "new" begins another study beside it, whose name ends in -2 (or goes on with that).

    It ends at the first of these that is given and reached. Over all calls and workers: `n_trials`; `cost`, in seconds
    of trials; `steps`, the last step (epoch, say) that each trial reported, summed; `target`, a value of the first
    objective; `patience`, in finished trials without a better one; `gain`, where the next hour is expected to improve
    the only objective by less than this, or by less than the noise of the best result; `stoppers`, functions of
    (history, now) that return a reason or None. And `timeout` seconds of this call: the trials that run then are cut,
    and wait with their checkpoints for the next call to go on with them. Where only that ends the study the default
    sampler looks for improvement per second of a trial's duration. `observers` are told what happens, as trackers are.

    Raises StudyAborted where all trials of this call failed, after ten in a row that failed in the same way, and where
    the first two return what cannot be used: no number, or no metric of the name that was asked for.

    >>> study = tune(lambda x: (x - 2) ** 2, {"x": Choice([0, 1, 2, 3, 4])}, n_trials=30, storage=None, progress="none")
    >>> study.best_params
    {'x': 2}
    """
    limits = Limits(n_trials, timeout, cost, steps, target, patience, gain, unusable=MISTAKEN)
    if not limits.are_given and not stoppers:
        raise InvalidInput(
            "tune() needs to know when to stop: give n_trials=, timeout=, cost=, steps=, target=, patience=, gain= "
            "or stoppers="
        )
    if sampler is None and timeout is not None and n_trials is None:
        from kilter.samplers.auto import AutoSampler

        sampler = AutoSampler(per_second=True)
    _check_functions(callbacks=callbacks, observers=observers, stoppers=stoppers)
    asked, slots = resources or Resources(gpus=gpus_per_trial), _at_once("workers", workers)
    directions, declared = _directions(minimize, maximize), as_space(space)
    if space is None and callable(objective):
        declared = _declared_space(objective) or declared
    problem = Problem.of(declared, None, directions, subject_to, fidelity)
    check_objective(objective, problem, bool(len(declared)))  # before there is a study
    definition = definition_of(objective)
    study = open_study(
        definition,
        if_changed,
        n_trials,
        storage=storage,
        sampler=sampler,
        scheduler=scheduler,
        study_name=study_name or definition.name,
        directions=directions,
        space=declared,
        subject_to=subject_to,
        fidelity=fidelity,
        seed=seed,
    )
    if slots == 1 and asked == Resources():
        executor = study._threads(objective, 1)
    else:
        from kilter.executors.processes import Processes

        executor = Processes(objective, slots, asked, study.space)
    with study.observed(*observers):
        study.run(executor, limits, None, (BaseException,), callbacks, progress, stoppers, definition, "continue")
    study._check_success()
    return study


def _collect_garbage(study: Study, trial: FrozenTrial) -> None:
    gc.collect()


def open_study(
    definition: Definition, if_changed: str, n_trials: int | None = None, *, study_name: str, **asked: Any
) -> Study:
    """The study of this name that is of this objective, made where there is none, as `tune` opens it.

    `asked` are arguments of create_study. Where the study is of something else, `if_changed` says what happens: see
    `tune`; "new" takes the first of name-2, name-3, … that is free or of the same. `n_trials` is what it is to have in
    all. Raises StudyChanged.
    """
    identity.check_choice(if_changed)
    wanted = _Wanted(definition=definition, if_changed=if_changed, can_begin=True, trials=n_trials)
    store = open_storage(asked.pop("storage", None))
    for name in chain([study_name], (f"{study_name}-{k}" for k in count(2))):
        try:
            return create_study(study_name=name, storage=store, load_if_exists=True, _wanted=wanted, **asked)
        except StudyChanged:
            if if_changed != "new":
                raise
    raise InvalidInput(f"no name is left beside {study_name!r}")


def _ended_by(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped at once by the user; what ran goes on next time"
    if isinstance(error, SystemExit):
        return "terminated; what ran goes on next time"
    return f"ended by {type(error).__name__}"


def _holding(callbacks: Sequence[object]) -> list[Holding]:
    return [callback for callback in callbacks if isinstance(callback, Holding)]


def _by_gain(limits: Limits) -> list[Stopper]:
    """The stopper that a limit on the expected gain stands for."""
    if limits.gain is None:
        return []
    from kilter.analysis.gain import NotWorthIt  # loads SciPy

    return [NotWorthIt(limits.gain)]


def _directions(
    minimize: str | Sequence[str] | bool | None, maximize: str | Sequence[str] | bool | None
) -> dict[str, str] | None:
    """{metric: direction}; True stands for the only number that the objective returns."""
    named: dict[str, str] = {}
    for direction, metrics in (("minimize", minimize), ("maximize", maximize)):
        for metric in _metrics(direction, metrics):
            if metric in named:
                raise InvalidInput(f"the metric {metric!r} cannot be minimised and maximised at once")
            named[metric] = direction
    if True in (minimize, maximize) and len(named) > 1:
        raise InvalidInput("several objectives need names: minimize='loss', maximize=['accuracy', 'recall']")
    return named or None


def _metrics(direction: str, given: str | Sequence[str] | bool | None) -> Sequence[str]:
    if given is None or given is False:
        return ()
    if given is True:
        return (DEFAULT_METRIC,)
    metrics = [given] if isinstance(given, str) else given
    if not isinstance(metrics, (list, tuple)) or not all(isinstance(metric, str) for metric in metrics):
        raise InvalidInput(
            f"{direction}={given!r}: give the name of a metric that the objective returns, as in {direction}='loss', a "
            f"list of names, or {direction}=True for the number that it returns"
        )
    return metrics


def _declared_space(objective: Callable[..., Any]) -> Space | None:
    try:
        return Space.from_signature(objective)
    except InvalidInput:
        return None


def as_space(given: SpaceLike) -> Space:
    """A Space from a Space, a dict of parameters, or nothing."""
    if given is None:
        return Space()
    if isinstance(given, Space):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInput(f"space={given!r}: give a dict of parameters, as in {{'lr': kilter.Float(1e-5, 1e-1)}}")
    return Space(given)


def _check_functions(**given: Any) -> None:
    for word, functions in given.items():
        if callable(functions) or not isinstance(functions, Iterable):
            raise InvalidInput(f"{word}={functions!r}: give a list of functions, as in {word}=[…]")


def _at_once(word: str, given: Any) -> int:
    """How many trials run at once; -1 stands for one a core."""
    if isinstance(given, bool) or not hasattr(given, "__index__") or not (int(given) == -1 or int(given) >= 1):
        raise InvalidInput(f"{word}={given!r}: give a whole number from 1 on, or -1 for one a core")
    return (os.cpu_count() or 1) if int(given) == -1 else int(given)


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbits(32)
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:
        raise InvalidInput(f"seed={seed!r}: it must be a whole number from 0 on")
    return int(seed)
