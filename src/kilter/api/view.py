"""What can be read of a study: trials, the best of them, how far it is and where it is heading."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kilter.analysis.design import Design, design_of
from kilter.analysis.failures import why_no_best
from kilter.api.log import StudyLog
from kilter.core.attributes import UNTRIED
from kilter.core.errors import InvalidInput, NotReady, TrialNotFound, UnknownName
from kilter.core.events import SYSTEM, TrialState
from kilter.core.history import History
from kilter.core.interfaces import OnDisk
from kilter.core.limits import Limits
from kilter.core.problem import Problem, StudyDirection
from kilter.core.space import Space
from kilter.engine.asked import asked, goal, standing
from kilter.engine.replica import Replica
from kilter.frozen import BestTrials, FrozenTrial
from kilter.objective.place import Artifact, artifacts_noted
from kilter.objective.trial import Trial
from kilter.runtime.checkpoints import Checkpoints
from kilter.runtime.log import Log
from kilter.runtime.presence import at_work

if TYPE_CHECKING:
    import pandas

    from kilter.analysis.curves import Forecast
    from kilter.analysis.estimate import Estimate
    from kilter.analysis.gain import Gain
    from kilter.analysis.overtuning import Overtuning
    from kilter.analysis.portfolio import Portfolio
    from kilter.analysis.schedule import Schedule
    from kilter.analysis.transfer import Transfer
    from kilter.analysis.winner import Winner
    from kilter.api.plot import Plots
    from kilter.dashboard.serving import Serving

S = TypeVar("S", bound="StudyView")

METRIC_NAMES = "metric_names"
"""The system attribute that set_metric_names sets."""


class StudyView:
    """A study as it is read, which needs none of its plug-ins; read_study makes one. What changes it stands in Study.

    It reads what others write as it is asked.
    """

    def __init__(self, name: str, log: Log[Replica], checkpoints: Callable[[], Checkpoints]) -> None:
        self.study_name = name
        self._log = log
        self._checkpoints = checkpoints

    def close(self) -> None:
        """Let go of the study and, where kilter opened it, its file; it is of no further use then.

        A `with` statement does it at its end; a study that is dropped does so by itself.
        """
        if self._log.owns_storage:
            self._log.storage.close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        objectives = ", ".join(f"{o.direction} {o.name}" for o in self.problem.objectives)
        return f"<{type(self).__name__} {self.study_name!r}: {objectives}, {len(self.history)} trials>"

    def _repr_html_(self) -> str:
        """What a notebook shows: how far the study is, the best value over time, the best trials, and what failed."""
        from kilter.figures.notebook import study_html

        return study_html(self.study_name, self._read())

    @property
    def plot(self) -> Plots:
        """Its figures, as in `study.plot.history()`; they need Plotly, or Matplotlib: `study.plot("matplotlib")`."""
        from kilter.api.plot import Plots

        return Plots(self._read, self.seed, time.time, lambda: self.design)

    def _read(self) -> History:
        """The history with what others wrote."""
        self._log.sync()
        return self.history

    # -- what is known --------------------------------------------------------------------------------------------

    @property
    def problem(self) -> Problem:
        """Space, objectives and constraints, as they are now."""
        return self._log.replica.problem

    @property
    def space(self) -> Space:
        """The space, as it is now."""
        return self.problem.space

    @property
    def history(self) -> History:
        """All trials as columns, as this process knows them; `trials` looks first what others wrote."""
        return self._log.replica.history

    @property
    def log(self) -> StudyLog:
        """What happened to it, to be read and added to."""
        return StudyLog(self._log)

    @property
    def seed(self) -> int:
        """The seed from which its chance is derived."""
        return self._log.replica.seed

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

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What the user keeps with the study."""
        return {name: value for name, value in self._log.replica.attrs.items() if not name.startswith(SYSTEM)}

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What set_system_attr keeps with the study."""
        attrs = self._log.replica.attrs
        return {name[len(SYSTEM) :]: value for name, value in attrs.items() if name.startswith(SYSTEM)}

    @property
    def design(self) -> Design | None:
        """What its evaluation is made of: folds, seeds or data sets, as noted with the study or else as trials report.

        None where trials report no parts.
        """
        self._log.sync()
        return design_of(self.history, self._log.replica.attrs)

    @property
    def control(self) -> str:
        """Whether trials may begin: "running", "paused", or "stopped" until the next run begins."""
        self._log.sync()
        return self._log.replica.control

    @property
    def standing(self) -> str:
        """In one word how it stands: "running", "paused", "stopped", "stalled", "done" or "idle".

        "stalled" says that trials run and no worker is there, "done" that it has what its latest run was asked for.
        """
        self._log.sync()
        return standing(self._log.replica, len(at_work(self._log)))

    @property
    def goal(self) -> int | None:
        """How many trials it is to have, those that were added included; None where its latest run gave no total."""
        self._log.sync()
        return goal(self._log.replica)

    @property
    def asked(self) -> Limits:
        """What its latest run was asked for, without what was added since; no limits where nobody said."""
        self._log.sync()
        return asked(self._log.replica)

    @property
    def notes(self) -> dict[int | None, str]:
        """What was noted on trials, by number, and under None on the study."""
        self._log.sync()
        return self._log.replica.notes

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        self._log.sync()
        return self._log.replica.tags

    @property
    def transfer(self) -> Transfer:
        """The earlier studies that it learns from: how right each is, what it counts, and which trials are owed to it.

        Printed, it is a table; `teachers` has the same as values.

        >>> from kilter import create_study
        >>> print(create_study(seed=0).transfer)
        it learns from no earlier study
        """
        from kilter.analysis.transfer import transfer  # loads SciPy

        return transfer(self._read())

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials by number, those of other workers included."""
        return self.get_trials()

    def get_trials(self, deepcopy: bool = True, states: Iterable[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials in any of the states; `deepcopy` is accepted for Optuna's sake, views are never stale."""
        self._log.sync()
        history = self.history
        wanted = None if states is None else _states(states)
        return [FrozenTrial(t, history) for t in history if wanted is None or t.state in wanted]

    @property
    def best_trial(self) -> FrozenTrial:
        """The complete, feasible trial with the best observed value; raises NotReady where there is none."""
        if len(self.problem.objectives) > 1:
            raise InvalidInput("this study has several objectives, so no single best trial: read .best_trials")
        self._log.sync()
        number = self._log.replica.ledger.best_number
        if number is None:
            raise self._not_ready()
        return FrozenTrial(self.history[number], self.history)

    def winner(self) -> Winner:
        """The configuration to take, and why: under noise not the luckiest one, which is that of `best_trial`.

        Own results and those of neighbours are weighed by how much each can be trusted; what cannot be told apart is
        the same, and of that a configuration that is clearly cheaper is taken. The default configuration, where it was
        tried, is kept unless it is beaten beyond noise. Where results are exact it is the best trial's. Raises NotReady
        (a ValueError) where no trial is complete and feasible, and InvalidInput for several objectives.

        >>> from kilter import Float, create_study
        >>> study = create_study(space={"x": Float(0, 1)}, seed=0)
        >>> study.optimize(lambda x: (x - 0.3) ** 2, n_trials=10, progress="none")
        >>> study.winner().number == study.best_trial.number
        True
        """
        if len(self.problem.objectives) > 1:
            raise InvalidInput("this study has several objectives, so no single best trial: read .best_trials")
        from kilter.analysis.winner import winner  # loads SciPy

        found = winner(self.history, self.design, self.user_attrs.get(UNTRIED))
        if found is None:
            raise self._not_ready()
        return found

    def recommend(self) -> FrozenTrial:
        """The trial to take: the first one with the configuration of `winner`, which says why."""
        number = self.winner().number
        return FrozenTrial(self.history[number], self.history)

    def estimate(self) -> Estimate:
        """What the winner is expected to score on new data, with an interval: not the score that it was chosen by.

        Corrected for the luck of having been chosen out of so many. The interval is infinite where each configuration
        was scored on a single part, as one hold-out: `confirm` scores the leading ones on others. `gain` is what the
        default is expected to score worse, and `real` which share of the gain that was observed that is. Raises
        NotReady (a ValueError) where no trial is complete and feasible, and InvalidInput for several objectives.

        >>> from kilter import create_study
        >>> from kilter.evaluation.folds import over_folds
        >>> rows = [0.4, 0.6, 0.5, 0.3, 0.7]
        >>> def objective(trial):
        ...     x = trial.suggest_float("x", 0, 1)
        ...     return over_folds(trial, rows, lambda row: (x - row) ** 2)
        >>> study = create_study(seed=0)
        >>> study.optimize(objective, n_trials=20, progress="none")
        >>> told = study.estimate()
        >>> told.low < told.value < told.high
        True
        """
        if len(self.problem.objectives) > 1:
            raise InvalidInput("an estimate is about one objective, this study has several: read .best_trials")
        from kilter.analysis.estimate import estimate  # loads SciPy

        found = estimate(self.history, self.design)
        if found is None:
            raise self._not_ready()
        return found

    def expected_gain(self, seconds: float = 3600.0) -> Gain | None:
        """How much better the best result is expected to become in the next `seconds`, and the noise that it has.

        At the pace of the latest trials, with all their workers. None while too little is known, and with several
        objectives.
        """
        from kilter.analysis.gain import expected_gain  # loads SciPy

        self._log.sync()
        return expected_gain(self.history, self._log.replica.seed, seconds)

    def overtuning(self) -> Overtuning:
        """What the best observed value owes to luck, how that came, and after how many trials more did not pay.

        Raises NotReady (a ValueError) where no trial is complete and feasible.

        >>> import random
        >>> from kilter import Float, create_study
        >>> study = create_study(space={"x": Float(0, 1)}, sampler="random", seed=0)
        >>> study.optimize(lambda x: x**2 + random.Random(x).gauss(0, 0.5), n_trials=40, progress="none")
        >>> seen = study.overtuning()
        >>> seen.observed < seen.expected, seen.optimism > 0
        (True, True)
        """
        if len(self.problem.objectives) > 1:
            raise InvalidInput("this study has several objectives, and overtuning is of one: read .best_trials")
        from kilter.analysis.overtuning import overtuning  # loads SciPy

        found = overtuning(self._read(), self.design)
        if found is None:
            raise self._not_ready()
        return found

    def portfolio(self, n: int = 5) -> Portfolio:
        """The n configurations of which the best one is best on average over the data sets that the study tunes for.

        Chosen one after the other, from scores part by part, also those of trials that were stopped early; where the
        parts of an evaluation are not of data sets, each counts as one. `kilter.portfolio` chooses from several
        studies. Raises NotReady where trials report no parts, or fewer than three have one of them.

        >>> import kilter
        >>> def objective(trial, x):
        ...     for name, best in {"a": 0.1, "b": 0.2, "c": 0.9}.items():
        ...         trial.report(abs(x - best), instance=name)
        ...     return (abs(x - 0.1) + abs(x - 0.2) + abs(x - 0.9)) / 3
        >>> study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="sobol", seed=0)
        >>> study.optimize(objective, n_trials=30, progress="none")
        >>> sorted(round(each["x"], 1) for each in study.portfolio(2).configurations)
        [0.2, 0.9]
        """
        from kilter.analysis.portfolio import portfolio_of_data_sets  # loads SciPy

        return portfolio_of_data_sets(self._read(), self.design, n, self._log.replica.seed)

    def best_schedule(self) -> Schedule:
        """How the best member of a population was trained: its configurations, from which step to which.

        Of the best complete trial or, before there is one, of the best by its last report. `params_at(step)` replays
        it in a fresh run. Raises NotReady (a ValueError) where nothing was reported.
        """
        from kilter.analysis.schedule import best_schedule

        self._log.sync()
        return best_schedule(self.history)

    def forecast(self, trial: FrozenTrial | Trial | int, horizon: int | None = None) -> Forecast | None:
        """Where the reports of a trial are heading: value at the horizon, an 80 % interval, and the chance to be best.

        The horizon is by default the last step of the complete trials. None while too little was reported. Raises
        TrialNotFound for an unknown number.
        """
        from kilter.analysis.curves import forecast  # loads SciPy

        self._log.sync()
        return forecast(self.history, self._number(trial), horizon)

    def checkpoint_dir(self, trial: FrozenTrial | Trial | int) -> str | None:
        """The directory with what a trial has left in its checkpoint, as to load the best model from; None for nothing.

        Of the finished trials the best few keep theirs: `keep_checkpoints` of create_study. Raises TrialNotFound.

        >>> import os
        >>> from kilter import create_study
        >>> study = create_study(seed=0)
        >>> def objective(trial):
        ...     trial.save({"weights": [1.0, 2.0]})
        ...     return trial.suggest_float("x", 0, 1)
        >>> study.optimize(objective, n_trials=3, progress="none")
        >>> os.listdir(study.checkpoint_dir(study.best_trial))
        ['state.kilter']
        """
        self._log.sync()
        return self._checkpoints().latest(self.history[self._number(trial)])

    @property
    def artifacts(self) -> list[Artifact]:
        """The files that trials have kept with `trial.log_artifact`, in the order of the trials.

        Those of trials that are not among the best `keep_checkpoints` are in the log, and may be gone.
        """
        return [artifact for trial in self.trials for artifact in trial.artifacts]

    def fetch_artifact(
        self, trial: FrozenTrial | Trial | int, name: str, to: str | os.PathLike[str] | None = None
    ) -> str:
        """The path of a copy on this machine of a file that a trial has kept with `trial.log_artifact`.

        It is copied to `to`, a new file or an existing folder, or else is the study's own, to be read and left as it
        is. It has the bytes that the log has the SHA-256 of. Raises TrialNotFound, UnknownName with the nearest name,
        NotReady where the file was deleted since, StorageError where it is damaged, and InvalidInput where a file would
        be written over.
        """
        self._log.sync()
        number = self._number(trial)
        known = {artifact.name: artifact for artifact in artifacts_noted(number, self.history[number].attrs)}
        if name not in known:
            raise UnknownName.of("artifact", name, known, f"(of trial {number})")
        path = self._checkpoints().artifact(known[name])
        return path if to is None else _copied_to(path, to)

    def printed(self, trial: FrozenTrial | Trial | int) -> str:
        r"""What a trial printed, in all its attempts; of very much the beginning and the end. Raises TrialNotFound.

        Empty where it printed nothing, and where the study keeps it in a folder that was given to create_study as
        `checkpoints`, unless that is given here too: read_study(..., checkpoints=…).
        In worker processes and of commands that is all that arrived on stdout and stderr; in this process and its
        threads what went through Python's own streams.

        >>> from kilter import create_study
        >>> study = create_study(seed=0)
        >>> def objective(trial):
        ...     print("epoch 1")
        ...     return trial.suggest_float("x", 0, 1)
        >>> study.optimize(objective, n_trials=1, progress="none")
        epoch 1
        >>> study.printed(0)
        'epoch 1\n'
        """
        self._log.sync()
        path = self._checkpoints().store.log(self._number(trial))
        try:
            with open(path, encoding="utf-8", errors="replace", newline="") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def dashboard(
        self, *, host: str = "127.0.0.1", port: int = 8517, read_only: bool = False, token: str | None = None
    ) -> Serving:
        """Serve this study, and all others of its storage, to a browser: at `url` of what is returned, until `close`.

        It runs in a thread of this process, beside a notebook or a run, and reads a storage that is a file by a
        connection of its own. Where the `port` is taken the next free one is. On any other `host` than this machine's
        loopback it needs a token; `url` is then a link that works once. With `read_only` nothing can be changed there.

        >>> from kilter import Float, create_study
        >>> study = create_study(space={"x": Float(0, 1)}, seed=0)
        >>> dashboard = study.dashboard()
        >>> dashboard.url.startswith("http://127.0.0.1:")
        True
        >>> dashboard.close()
        """
        from kilter.dashboard.serving import served  # loads Starlette

        storage = self._log.storage
        page = f"#/{self._log.study}"
        given = storage.url if isinstance(storage, OnDisk) else storage
        return served(given, host=host, port=port, read_only=read_only, token=token, page=page).start()

    def report(self, path: str | os.PathLike[str], *, redact: bool = False) -> None:
        """Write the study as one HTML file: the pages of the dashboard, which work from the disk and by mail.

        With `redact` it leaves out attributes, notes, messages of failures, and names of workers, hosts and files;
        names of the study, its parameters, options and metrics stay. Raises InvalidInput where the file cannot be
        written.
        """
        from kilter.dashboard.report import report  # loads Starlette

        page = report(self._log.storage, self._log.study, time.time(), redact=redact)
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(page)
        except OSError as error:
            raise InvalidInput(f"cannot write {os.fspath(path)}: {error.strerror}") from None

    def _number(self, trial: FrozenTrial | Trial | int) -> int:
        number = getattr(trial, "number", trial)
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.history):
            raise TrialNotFound(f"no trial {number} in {self.study_name!r}: it has {len(self.history)} trials")
        return number

    def _not_ready(self) -> NotReady:
        """That there is no best trial, and why."""
        feasible = " and feasible" if self.problem.constraints else ""
        why = why_no_best(self.history)
        return NotReady(f"the study {self.study_name!r} has no complete{feasible} trial yet: {why}")

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """The Pareto front: complete, feasible trials that no other one beats in every objective."""
        return BestTrials(self._read())

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


def _states(given: Iterable[TrialState]) -> set[TrialState]:
    wanted = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for each in wanted:
        if not isinstance(each, TrialState):
            raise InvalidInput(f"states={given!r}: give a list, as in states=[kilter.TrialState.COMPLETE]")
    return set(wanted)


def _copied_to(path: str, to: str | os.PathLike[str]) -> str:
    """A new copy of a file, in a folder or as a file."""
    target = os.path.join(to, os.path.basename(path)) if os.path.isdir(to) else os.fspath(to)
    try:
        with open(path, "rb") as source, open(target, "xb") as copy:
            shutil.copyfileobj(source, copy)
    except FileExistsError:
        raise InvalidInput(f"to={target!r} is there already: give another path, or remove it") from None
    return target
