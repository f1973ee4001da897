"""What an objective sees of the study: its Trial, in the words of Optuna's."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from kilter.core import border
from kilter.core.errors import InvalidInput, NotHere
from kilter.core.events import SYSTEM, Report
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice, copied
from kilter.core.parameter import Parameter
from kilter.core.problem import Objective
from kilter.core.space import Space
from kilter.core.text import shown
from kilter.objective import checkpoint
from kilter.objective.attempt import Attempt

_ELSEWHERE = {
    "study": "it may run in another process than its study; name the study itself in the objective, study.trials",
    "relative_params": "read .params, which has what was suggested so far",
    "storage": "read what the study has, study.trials",
}
"""Names of Optuna's that a trial does not have, and what does it here."""


class Trial:
    """One attempt at a configuration, in the words of Optuna's Trial.

    `params` holds the Python values of the configuration: all of it where the space was declared, else those that were
    suggested so far.
    """

    def __init__(self, attempt: Attempt) -> None:
        task = attempt.task
        self.number = task.number
        self.attempt = task.attempt
        self.user_attrs = {name: value for name, value in task.attrs.items() if not name.startswith(SYSTEM)}
        self.system_attrs = {name[len(SYSTEM) :]: v for name, v in task.attrs.items() if name.startswith(SYSTEM)}
        self._attempt = attempt

    def __repr__(self) -> str:
        return f"Trial(number={self.number}, params={self.params!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of the configuration."""
        from kilter.core import html

        return html.table([], [("trial", self.number), *self.params.items()])

    def __getattr__(self, name: str) -> NoReturn:
        what = f"a trial has no attribute {name!r}"
        if name in _ELSEWHERE:
            raise NotHere(f"{what}: {_ELSEWHERE[name]}")
        raise AttributeError(what)

    def __deepcopy__(self, memo: dict[int, Any]) -> Trial:
        """Itself: a callback that is cloned with its estimator goes on speaking for this attempt."""
        return self

    @property
    def params(self) -> dict[str, Any]:
        """The configuration as Python values."""
        return {name: copied(value) for name, value in self._attempt.values.items()}

    @property
    def distributions(self) -> dict[str, Parameter]:
        """The parameters of the configuration."""
        return self._attempt.parameters

    @property
    def space(self) -> Space:
        """The space that the study has declared; one that its trials make up as they go is empty."""
        return self._attempt.problem.space

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What the study wants of the metrics, each with its name and direction."""
        return self._attempt.problem.objectives

    @property
    def last_report(self) -> Report | None:
        """The latest report, if any."""
        return self._attempt.last_report

    @property
    def checkpoint_dir(self) -> str:
        """A directory of this attempt's own, made on first use.

        An attempt after a pause, a retry or a fork finds in it a copy of what was left in the one before. What has been
        reported is in the log before the path is handed out: report a step before you save it, and a trial that is
        killed in between does the step again, as if nothing had happened. Where the study keeps its checkpoints at a
        URL, what is in the directory when the next report comes has to be whole: it may be sent there then.
        """
        self._attempt.settle_reports()
        directory = self._attempt.place.directory
        if directory is None:
            raise InvalidInput("this trial has no checkpoint directory: the study was asked without one")
        os.makedirs(directory, exist_ok=True)
        return directory

    @property
    def budget(self) -> dict[str, float]:
        """How far to go along each fidelity of the study; empty where it has none."""
        return dict(self._attempt.task.budget or {})

    @property
    def parent(self) -> int | None:
        """The trial whose checkpoint this one began with, if any."""
        return self._attempt.task.parent

    @property
    def datetime_start(self) -> datetime | None:
        """When this attempt began."""
        return None if self._attempt.task.started is None else datetime.fromtimestamp(self._attempt.task.started)

    def save(self, state: Any) -> None:
        """Keep the state of the training in the checkpoint: numbers, text, arrays, and lists and dicts of these.

        Report a step before you save it; see checkpoint_dir. Raises InvalidInput for anything else: write that to a
        file in `checkpoint_dir`.
        """
        checkpoint.save(self.checkpoint_dir, state)
        self._attempt.place.keep()

    def load(self) -> Any:
        """What `save` kept last, in this attempt, an earlier one, or in the trial that this one was forked from.

        None where there is nothing, or where it is damaged, which is warned of: the training then starts anew. A trial
        that was paused after its last step may be resumed with nothing left to do: keep the result in the state too.
        """
        directory = self._attempt.place.directory
        return None if directory is None else checkpoint.load(directory)

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a copy of a file with the trial, or of each file of a folder, such as a model, a plot or a table.

        It is there as soon as this returns, and lies where the checkpoints of the study are, for as long as the trial
        keeps its own: see `keep_checkpoints` of create_study. Bytes and SHA-256 are in the log. `name` is by default
        that of the file, and may have slashes; of two of one name the later counts. Raises InvalidInput for what is
        not there, and OSError where it cannot be kept.

        >>> import os, tempfile
        >>> from kilter import create_study
        >>> def objective(trial):
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         path = os.path.join(folder, "predictions.csv")
        ...         with open(path, "w") as file:
        ...             _ = file.write("0.1, 0.9")
        ...         trial.log_artifact(path, "test/predictions.csv")
        ...     return trial.suggest_float("x", 0, 1)
        >>> study = create_study(seed=0)
        >>> study.optimize(objective, n_trials=3, progress="none")
        >>> [artifact.name for artifact in study.best_trial.artifacts]
        ['test/predictions.csv']
        >>> open(study.fetch_artifact(study.best_trial, "test/predictions.csv")).read()
        '0.1, 0.9'
        """
        given = os.fspath(path)
        name = os.path.basename(os.path.normpath(given)) if name is None else name
        for attribute, seal in self._attempt.place.add(given, name).items():
            self._attempt.note(attribute, seal)

    # -- suggesting -----------------------------------------------------------------------------------------------

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number in [low, high]."""
        value: float = self._attempt.suggest(name, _declared(name, _float, low, high, step, log))
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number from low to high, both included."""
        value: int = self._attempt.suggest(name, _declared(name, _int, low, high, step, log))
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices, as the object it is."""
        return self._attempt.suggest(name, _declared(name, Choice, choices))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Optuna's older word for suggest_float."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Optuna's older word for suggest_float with log=True."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Optuna's older word for suggest_float with a step, `q`."""
        return self.suggest_float(name, low, high, step=q)

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """A value of any parameter, such as an Ordinal or one with a default or prior."""
        return self._attempt.suggest(name, parameter)

    # -- reporting ------------------------------------------------------------------------------------------------

    def report(
        self,
        value: Any,
        step: int | None = None,
        *,
        fold: int | str | None = None,
        instance: int | str | None = None,
        seed: int | str | None = None,
    ) -> None:
        """Tell metrics at a step, or of a fold: a number for a single objective, or a dict; NaN and inf are kept.

        `instance` and `seed` are other words for `fold`: whatever part the evaluation is the mean of. Parts are only
        ever compared with the same part of another trial. A second report of the same step and fold is ignored with a
        warning.
        """
        part = _part(fold, instance, seed)
        if step is None and part is not None:
            step = 0
        self._attempt.report(Report(border.as_step(step), self._named(value), part))

    def flush(self) -> None:
        """Have the study see now what was reported; else a report waits for a second, or for the end."""
        self._attempt.flush()

    def should_prune(self) -> bool:
        """Whether the scheduler would end or pause this trial now: then save what is to be kept and raise TrialPruned.

        A paused trial is called again later, with the same configuration and its checkpoint.
        """
        return self._attempt.should_leave()

    def leaves(self) -> bool:
        """Whether the scheduler would end or pause this trial now; if so it ends so, whatever the objective returns.

        For a callback that stops the training of a library: the library returns as usual, with what it has trained,
        and nothing has to be raised. Once it has said True it does so without asking again.
        """
        return self._attempt.leaves()

    @property
    def has_left(self) -> bool:
        """Whether leaves() has said True."""
        return self._attempt.has_left

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value beside the trial; raises InvalidInput for one that is not."""
        self._attempt.note(key, value)
        self.user_attrs[key] = value

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value beside the trial, apart from what users keep; Optuna's older word."""
        self._attempt.note(f"{SYSTEM}{key}", value)
        self.system_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Set a constraint of this trial, which it meets at 0 and below; where it is set twice the first counts.

        Samplers look for trials that meet all constraints, and only such a one is the best. A bound on a metric that
        the objective returns is declared instead, `subject_to={"latency_ms": "<= 20"}`. Raises InvalidInput for NaN.

        >>> from kilter import create_study
        >>> def objective(trial):
        ...     x = trial.suggest_float("x", 0, 1)
        ...     trial.set_constraint("large", 0.5 - x)
        ...     return x
        >>> study = create_study(seed=0)
        >>> study.optimize(objective, n_trials=20, progress="none")
        >>> 0.5 <= study.best_value < 0.6
        True
        """
        number = _number_of(key, value)
        if key in self._attempt.constraints:
            warnings.warn(f"trial {self.number} set the constraint {key!r} twice; the second is ignored", stacklevel=2)
            return
        self._attempt.constraints[key] = number

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints that were set, by name."""
        return dict(self._attempt.constraints)

    def _named(self, value: Any) -> dict[str, float]:
        several = len(self._attempt.problem.objectives) > 1
        if several and not isinstance(value, dict):
            raise InvalidInput(f"report({value!r}): with several objectives, report a dict of named metrics")
        try:
            if isinstance(value, dict):
                return {str(name): border.as_real(number) for name, number in value.items()}
            return {self._attempt.problem.objectives[0].name: border.as_real(value)}
        except ValueError:
            raise InvalidInput(f"report({shown(value)}): the value must be a number or a dict of metrics") from None


def _part(fold: Any, instance: Any, seed: Any) -> int | str | None:
    """The one part that a report is about."""
    given = {"fold": fold, "instance": instance, "seed": seed}
    named = {name: part for name, part in given.items() if part is not None}
    if len(named) > 1:
        raise InvalidInput(f"a report is about one part, not {' and '.join(named)}: join them to one, as in fold='3/7'")
    for name, part in named.items():
        if isinstance(part, str):
            return part
        if isinstance(part, bool) or not hasattr(part, "__index__"):
            raise InvalidInput(f"{name}={part!r} of a report: it must be a whole number or text")
        return int(part)
    return None


def _number_of(key: str, value: Any) -> float:
    """The value of a constraint."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number) or not isinstance(key, str):
        raise InvalidInput(f"set_constraint({key!r}, {value!r}): give a name and a number, met at 0 and below")
    return number


def _declared(name: str, make: Callable[..., Any], *arguments: Any) -> Any:
    """The parameter that a suggestion declares, its name in front of what is wrong with it."""
    try:
        return make(*arguments)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from None


@lru_cache(maxsize=1024)
def _float(low: float, high: float, step: float | None, log: bool) -> Float:
    return Float(low, high, step=step, log=log)


@lru_cache(maxsize=1024)
def _int(low: int, high: int, step: int, log: bool) -> Int:
    return Int(low, high, step=step, log=log)


def attempt_of(trial: Trial) -> Attempt:
    """What stands behind a trial."""
    return trial._attempt
