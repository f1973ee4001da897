"""The front door in Optuna's words: `Study` asks, is told and optimizes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from kilter import plugins, replay
from kilter.api import adding, adopting
from kilter.api.arguments import at_once, check_functions, check_parameters, check_settings
from kilter.api.evaluated import Evaluated, as_confirmed
from kilter.api.running import Runner, holding, in_this_process
from kilter.api.view import METRIC_NAMES, StudyView
from kilter.core.actions import Verdict
from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput, NotReady, TrialNotFound
from kilter.core.events import SYSTEM, Report, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import Executor, Explanation, Observer, Progress, Running, Stopper
from kilter.core.limits import Limits
from kilter.core.parameter import Parameter
from kilter.core.text import shown
from kilter.core.vocabulary import answers_other_words
from kilter.engine.ending import Ending
from kilter.frozen import FrozenTrial, NewTrial
from kilter.guests import draw_of, finishing, joined, own
from kilter.objective.attempt import Attempt
from kilter.objective.definitions import definition_of
from kilter.objective.signature import check_objective
from kilter.objective.trial import Trial, attempt_of
from kilter.runtime import steering
from kilter.runtime.session import Session
from kilter.runtime.telling import begun, outcome_of

if TYPE_CHECKING:
    from kilter.evaluation.confirmation import Confirmation
    from kilter.transfer.given import Earlier


class Study(StudyView):
    """A user's handle on a study; make one with create_study, load_study or tune.

    >>> from kilter import create_study
    >>> study = create_study(direction="minimize", seed=1)
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=20, progress="none")
    >>> len(study.trials)
    20
    """

    def __init__(self, name: str, session: Session) -> None:
        super().__init__(name, session, lambda: session.checkpoints)
        self._session, self._runner = session, Runner(name, session)
        self._has_plugins()
        self._asked: dict[int, Attempt] = {}

    def close(self) -> None:
        """Let go of the study: its lease and, where kilter opened it, its file; it is of no further use then.

        Trials that were asked for and not told yet are free for other workers. A `with` statement does it at its end;
        a study that is dropped does so by itself.

        >>> from kilter import Float, create_study
        >>> with create_study(seed=0) as study:
        ...     study.tell(study.ask({"x": Float(0, 1)}), 0.5).value
        0.5
        """
        self._session.close()
        super().close()

    def __reduce__(self) -> tuple[Callable[..., Study], tuple[Any, ...]]:
        """A stored study is pickled and copied as its address, for a second handle on it; one in memory as its log."""
        return _reopened, replay.address(self.study_name, self._session)

    def __copy__(self) -> Study:
        return deepcopy(self)

    # -- what can be changed --------------------------------------------------------------------------------------

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
        with self._session.lock:
            replay.replan(self._session, sampler, scheduler)
            self._has_plugins()

    def _has_plugins(self) -> None:
        """Let samplers and schedulers that need the study know of it."""
        session = self._session
        joined(session.engine.sampler, self)
        joined(session.engine.scheduler, self)
        session.finishing = finishing(session.engine.sampler, self)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value with the study."""
        self._session.note(None, {key: value})

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value with the study, apart from what users keep; Optuna's older word."""
        self._session.note(None, {f"{SYSTEM}{key}": value})

    # -- steering: whoever works on the study, wherever that is, finds it in the log ----------------------------------

    def pause(self) -> bool:
        """Have no trial begin anywhere, while what runs goes on; False where the study is paused already.

        Its workers wait, and go on after `unpause()`; who starts one is told. See docs/how-to/steering.md.

        >>> from kilter import create_study
        >>> study = create_study(seed=0)
        >>> study.pause(), study.control, study.unpause(), study.control
        (True, 'paused', True, 'running')
        """
        return steering.pause(self._session, self._session.clock())

    def unpause(self) -> bool:
        """Have trials begin again; False where the study was not paused."""
        return steering.unpause(self._session, self._session.clock())

    def stop_workers(self, now: bool = False) -> None:
        """End the runs of this study, in all processes; a run that is started afterwards is not stopped by it.

        Trials that run come to their end or, with `now`, are cut and put back into the queue, for a later run to go on
        with. `stop()` ends only the run in this process.
        """
        steering.stop(self._session, self._session.clock(), cuts=now)

    def add_budget(self, n_trials: int = 0, timeout: float = 0.0) -> None:
        """Let the study have `n_trials` more than its runs were asked for, all workers together, or last longer.

        `timeout` is how many seconds longer the runs may last that have a timeout and are at work now. Raises
        InvalidInput where nothing is added.
        """
        steering.add_budget(self._session, self._session.clock(), trials=n_trials, seconds=timeout)

    def invalidate(self, trial: FrozenTrial | Trial | int, reason: str) -> bool:
        """Have the result of a finished trial count no more, for a reason; False where that was said before.

        It is not the best any more, no sampler, scheduler or model learns from it, and it uses up no `n_trials`. It
        stays in the log, as FAIL with the reason, and can be retried. Raises InvalidInput for a trial that has not
        finished, and TrialNotFound for an unknown number.

        >>> from kilter import create_study
        >>> study = create_study(seed=0)
        >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
        >>> best = study.best_trial.number
        >>> study.invalidate(best, "the sensor was unplugged"), study.trials[best].failure.line
        (True, 'invalidated: the sensor was unplugged')
        >>> study.best_trial.number == best
        False
        """
        self._session.sync()
        return steering.invalidate(self._session, self._number(trial), reason, self._session.clock())

    def set_note(self, text: str, trial: FrozenTrial | Trial | int | None = None) -> None:
        """Note a text on the study, or on one of its trials, in the place of what was noted before; "" removes it."""
        self._session.sync()
        number = None if trial is None else self._number(trial)
        steering.note(self._session, number, text, self._session.clock())

    def add_tags(self, *names: str) -> None:
        """Give the study tags, by which it is found among others."""
        steering.tag(self._session, names, self._session.clock())

    def remove_tags(self, *names: str) -> None:
        """Take tags away from the study; those that it does not have change nothing."""
        steering.tag(self._session, names, self._session.clock(), has=False)

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

    def explain(self, trial: FrozenTrial | Trial | int) -> Explanation:
        """Why the sampler chose the configuration of a trial: the arm, the reason, and what its model expected.

        The log is read again up to where the sampler stood then. Raises TrialNotFound for an unknown number, and
        InvalidInput where a user chose the configuration or the sampler cannot explain itself.
        """
        self._session.sync()
        return replay.explanation(self._session, self.history[self._number(trial)])

    # -- ask and tell ---------------------------------------------------------------------------------------------

    def ask(
        self,
        n: int | Mapping[str, Parameter] | None = None,
        *,
        fixed_distributions: Mapping[str, Parameter] | None = None,
    ) -> Any:
        """A trial to evaluate; with `n` a list of so many. A dict of parameters is suggested at once.

        The list is shorter where fewer can begin now. `fixed_distributions` is Optuna's word for that dict. Raises
        NotReady where the sampler has nothing left to try, or waits for a trial that runs.
        """
        if isinstance(n, Mapping):
            n, fixed_distributions = None, n
        if n is not None:
            if n < 1:
                raise InvalidInput(f"ask({n!r}): ask for at least one trial")
            trials = [self._ask()]
            with suppress(NotReady):  # for those that have begun somebody has to answer
                trials.extend(self._ask() for _ in range(n - 1))
            return trials
        check_parameters(fixed_distributions or {})
        trial = self._ask()
        for name, parameter in (fixed_distributions or {}).items():
            trial.suggest(name, parameter)
        return trial

    def _ask(self) -> Trial:
        session = self._session
        record = begun(session, self.study_name)
        line, draw = _Line(session, record.number, record.attempt), draw_of(session.engine.sampler)
        attempt = self._asked[record.number] = Attempt(session.task(record), line, draw)
        return Trial(attempt)

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
        attempt = self._asked.get(number)
        if attempt is None:
            session.sync()
            if isinstance(trial, Trial) and session.engine.runs(number, trial.attempt):
                attempt = attempt_of(trial)  # which another handle on the study, or another process, was given
        if not 0 <= number < len(self.history):
            raise TrialNotFound(f"no trial {number} in {self.study_name!r}: it has {len(self.history)} trials")
        record = self.history[number]
        if record.is_finished and skip_if_finished:
            return FrozenTrial(record, self.history)
        outcome = outcome_of(self.history, record, attempt, values, state)
        if outcome is not None:
            session.end(outcome)
        self._asked.pop(number, None)
        session.rest()
        return FrozenTrial(record, self.history)

    def enqueue_trial(
        self,
        params: Mapping[str, Any],
        user_attrs: Mapping[str, Any] | None = None,
        skip_if_exists: bool = False,
        *,
        judged: bool = True,
    ) -> int:
        """Have this (partial) configuration tried next; the sampler fills in what is missing. Returns its number.

        No scheduler stops one that is not `judged`. Raises InvalidInput for values that a known parameter cannot have.
        What is only found out when the trial runs, since the objective says what it asks for, is warned of: values
        that do not fit, and names it never asks for.
        """
        if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
            raise InvalidInput(
                f"enqueue_trial({shown(params)}): give one configuration as a dict of names and values, "
                "such as {'x': 0.5}; of several, one call for each"
            )
        self._session.sync()
        plain = steering.plain(self.problem, params)
        alike = [t.number for t in self.history if plain.items() <= t.params.items()] if skip_if_exists else []
        if alike:
            return int(alike[0])
        return steering.queue(self._session, plain, self._session.clock(), attrs=user_attrs, judged=judged)

    def add_trial(self, trial: FrozenTrial | NewTrial) -> None:
        """Add a trial that was run elsewhere, with its parameters where the space lacks them."""
        if trial.state is TrialState.WAITING:
            self.enqueue_trial(trial.params, trial.user_attrs)
            return
        adding.add(self._session, trial)

    def add_trials(self, trials: Iterable[FrozenTrial | NewTrial]) -> None:
        """Add several trials that were run elsewhere."""
        for trial in trials:
            self.add_trial(trial)

    def adopt(self, study: StudyView | str | Earlier) -> list[int]:
        """Add the results of another study of the same task as trials of this one; the numbers of the new trials.

        The study, or the name of one in the same storage, may have had another space: trials with a value that this
        space does not have are left out, what it does not have any more is dropped, and what came into it since has its
        default. What it was instead, and what is called otherwise, an `Earlier` says, as in
        `adopt(kilter.Earlier("first", fixed={"y": 0.1}, renamed={"rate": "x"}))`. Complete and pruned trials are added
        with their reports and times, each once however often this is called. Their values count as this study's own,
        in `best_trial` too. Raises InvalidInput for other objectives, where no trial is of this space, and for a new
        parameter of which nobody knows what it was.

        >>> from kilter import Float, create_study
        >>> old = create_study(study_name="first", space={"x": Float(0, 1)}, seed=0)
        >>> old.optimize(lambda x: (x - 0.3) ** 2, n_trials=3, progress="none")
        >>> new = create_study(space={"x": Float(0, 2), "y": Float(0, 1, default=0.5)}, seed=0)
        >>> new.adopt(old), new.adopt(old)
        ([0, 1, 2], [])
        >>> new.best_value == old.best_value, new.best_params["y"]
        (True, 0.5)
        """
        given = adopting.read(self.study_name if study is self else study, self._session.storage, self.study_name)
        self._session.sync()
        past = adopting.past_trials(self.study_name, self.history, given)
        return [adding.write(self._session, trial) for trial in past]

    def recover(self) -> list[int]:
        """Put the trials of vanished workers back in the queue, as any worker does now and then; their numbers."""
        return self._session.recover(at_once=True)

    def retry(self, trial: FrozenTrial | Trial | int | None = None, *, failed: bool = False) -> list[int]:
        """Queue a failed trial, or with `failed` all of them, to be run again; the numbers of the new trials.

        The new trials have the same configurations and stand in the place of the old ones, which stay in the log but
        use up no `n_trials`, and no sampler learns from them any more. The next run begins with them. Raises
        InvalidInput for a trial that has not failed, and TrialNotFound for an unknown number.

        >>> from kilter import create_study
        >>> study = create_study(seed=0)
        >>> study.optimize(lambda trial: 1 / trial.suggest_int("n", 0, 0), n_trials=1, progress="none")
        >>> study.retry(failed=True)
        [1]
        """
        self._session.sync()
        if (trial is None) is not failed:
            raise InvalidInput("retry() takes one trial, as in retry(3), or failed=True for all that failed")
        failures = [t.number for t in self.history.with_state(TrialState.FAIL) if not t.forgiven]
        numbers = failures if trial is None else [self._number(trial)]
        return steering.retry(self._session, numbers, self._session.clock())

    @contextmanager
    def observed(self, *observers: Observer) -> Iterator[None]:
        """Within this context observers, such as trackers of experiments, are told what happens to the study here.

        Each is a function of (study_name, event), called in a thread of its own; see kilter.core.interfaces.Observer.
        At the end it waits until they have taken in everything: Ctrl-C does without, as does a minute over one event.

        >>> from kilter import create_study
        >>> study, seen = create_study(seed=0), []
        >>> with study.observed(lambda study_name, event: seen.append(type(event).__name__)):
        ...     study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none")
        >>> seen
        ['Created', 'Defined', 'Started', 'SpaceExtended', 'Ended']
        """
        from kilter.runtime.observers import observed

        with observed(self.study_name, self._session, observers):
            yield

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
        executor: Executor | str | None = None,
        if_changed: str | None = None,
    ) -> None:
        """Run `n_trials` more trials, for at most `timeout` seconds, `n_jobs` at a time in threads, or on the executor.

        The objective is called with the trial or with the configuration as keywords, as its signature asks. An
        exception, sys.exit() included, fails its trial and the study goes on; catch=() raises it after it was stored.
        `gc_after_trial` collects garbage after each trial. `limits` bound the study as a whole; so do `stoppers`,
        functions of (history, now) that give a reason to stop, or None. The `executor` has settings of its own, as
        kilter.executors.Processes(4), or is a name, as "processes", and then runs `n_jobs` at a time.

        Once the timeout is over, should_prune says True, and trials that leave or are broken off wait, with their
        checkpoint, for the next run to go on with them. With one job an exception is raised in the objective where it
        stands (in the main thread, and where the platform has interval timers); a thread ends when it next asks or
        reports, so one that never does is waited for.

        A stored study is of one objective. Where `func` differs from it in its code, or in plain values that it reads,
        and there are results of the old one, `if_changed` says what happens: "fail" raises StudyChanged, "continue"
        goes on with them. By default a study that was loaded fails; one that has run here already goes on and says so.
        Raises StudyAborted where ten trials in a row fail in the same way; `Limits.failures` is another number.
        """
        check_settings(Limits, limits=limits)
        bounds = (limits or Limits()).with_(seconds=timeout)
        Limits(trials=n_trials)
        check_functions(callbacks=callbacks or (), stoppers=stoppers)
        jobs = at_once("n_jobs", n_jobs)
        definition = definition_of(func) if callable(func) else None
        if isinstance(func, Evaluated):
            func = func.beside(self.design)
            definition = as_confirmed(self._session, definition) if definition and func.confirms else definition
        if executor is None:
            self._runner.tell_untaken(check_objective(func, self.problem))
        found = in_this_process(jobs) if executor is None else plugins.find("executor", executor, jobs)
        if show_progress_bar is False:
            progress = "none"
        garbage: list[Any] = [lambda study, trial: gc.collect()] if gc_after_trial else []
        self.run(
            found.start(func, self.space, draw_of(self._session.engine.sampler)),
            bounds,
            n_trials,
            catch,
            [*garbage, *(callbacks or ())],
            progress,
            stoppers,
            definition,
            if_changed,
            evaluated=func if isinstance(func, Evaluated) else None,
        )

    def run(
        self,
        executor: Running,
        limits: Limits,
        calls: int | None = None,
        catch: type[BaseException] | Sequence[type[BaseException]] = (BaseException,),
        callbacks: Sequence[Callable[[Study, FrozenTrial], None]] = (),
        progress: str = "auto",
        stoppers: Sequence[Stopper] = (),
        definition: Definition | None = None,
        if_changed: str | None = None,
        *,
        joins: bool = False,
        evaluated: Evaluated | None = None,
    ) -> Ending:
        """Run trials on an executor that has started, within the limits, at most `calls` of them; how it ended.

        `study.run(Threads(4).start(objective, study.space), Limits(trials=20))` runs 20. Where the time was up it says
        which trials were cut: they wait, and the next run goes on with them. `optimize` and `tune` are this with the
        executor started for you. `definition` is what the executor runs: it raises StudyChanged where that is another
        objective than the study's, and `if_changed` is not "continue". A run that `joins` lends a hand, as that of
        `kilter worker`: it does not let a study go on that was stopped, and of what the study is asked for it changes
        no more than a total that is larger; without a total it ends at the one that others ask for. `evaluated` is an
        objective that an evaluation made, whose design is noted, and whose default is the first trial.
        """
        if not hasattr(executor, "submit"):
            raise InvalidInput(f"run({executor!r}): start it, as in {executor!r}.start(objective, study.space)")
        told = [self._told(callback) for callback in callbacks]
        held = holding(callbacks)
        return self._runner.run(
            executor, limits, calls, catch, told, held, progress, stoppers, definition, if_changed, joins, evaluated
        )

    @property
    def ending(self) -> Ending | None:
        """How the latest run by this handle ended; None before there was one, and where it was ended by an error.

        >>> from kilter import create_study
        >>> study = create_study(seed=0)
        >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, progress="none")
        >>> study.ending.kind.name
        'LIMIT'
        """
        return self._runner.ending

    def _told(self, callback: Callable[[Study, FrozenTrial], None]) -> Callable[[Record], None]:
        return lambda record: callback(self, FrozenTrial(record, self.history))

    def check_definition(self, definition: Definition | None, if_changed: str | None = None) -> None:
        """Raise StudyChanged where the study has results of another objective than this one.

        With if_changed="continue" it does not, and by default not where the study has run here already.
        """
        self._runner.check_definition(definition, if_changed)

    def _check_success(self) -> None:
        """Raise StudyAborted where trials of the latest run ended, and all of them failed."""
        self._runner.check_success()

    def stop(self) -> None:
        """Start no more trials in the optimize that is running; for callbacks and objectives."""
        self._runner.is_stopped = True


class _Line:
    """What an asked trial talks through to its study, from whichever process it is in."""

    def __init__(self, session: Session, number: int, attempt: int) -> None:
        self._session, self._number, self._attempt = session, number, attempt

    def report(self, reports: tuple[Report, ...]) -> None:
        """Tell of reports; see Line."""
        self._session.progress(Progress(self._number, self._attempt, reports))

    def ask(self, reports: tuple[Report, ...]) -> Verdict:
        """Tell of reports and ask; see Line."""
        if reports:
            self.report(reports)
        return self._session.verdict(self._number, self._attempt)

    def __reduce__(self) -> tuple[Callable[..., _Line], tuple[Any, ...]]:
        session = self._session
        if not session.storage.is_durable:
            raise InvalidInput(
                f"trial {self._number} cannot be sent to another process, since its study is in memory: make it with "
                "storage='sqlite:///study.db', or send trial.params"
            )
        if session.engine.problem.is_open:
            raise InvalidInput(
                f"trial {self._number} cannot be sent to another process, where what it suggests would stay: give "
                "create_study a space, or send trial.params"
            )
        return _line, (replay.address(session.name, session), self._number, self._attempt)


def _line(address: tuple[Any, ...], number: int, attempt: int) -> _Line:
    return _Line(_reopened(*address)._session, number, attempt)


def _reopened(*address: Any) -> Study:
    return Study(address[0], replay.reopened(*address))
