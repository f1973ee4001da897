"""Studies under the module name that Optuna's users import from, and what stands beside them there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kilter.api import DEFAULT_STORAGE, Study, create_study, delete_study, get_all_study_names, load_study
from kilter.core.errors import InvalidInput, NotReady, StudyExists, StudyNotFound
from kilter.core.events import Created, Event, Noted, TrialState
from kilter.core.history import History
from kilter.core.interfaces import Storage
from kilter.core.problem import StudyDirection
from kilter.frozen import FrozenTrial
from kilter.plugins import existing_storage, open_storage
from kilter.runtime.kept import PLACE
from kilter.storage.urls import missing_file

__all__ = [
    "MaxTrialsCallback",
    "Study",
    "StudyDirection",
    "StudySummary",
    "copy_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "get_all_study_summaries",
    "load_study",
]

CHUNK = 5_000
"""Events that are copied in one transaction."""


def __dir__() -> list[str]:
    return list(__all__)


class MaxTrialsCallback:
    """Stops a study that has `n_trials` trials in any of the states, those of other workers included.

    tune(n_trials=…) and optimize(limits=Limits(trials=…)) bound a study without a callback.
    """

    def __init__(self, n_trials: int, states: Iterable[TrialState] | None = (TrialState.COMPLETE,)) -> None:
        if n_trials < 0:
            raise InvalidInput(f"n_trials={n_trials!r} of MaxTrialsCallback: it must be a whole number from 0 on")
        self._n_trials = n_trials
        self._states = None if states is None else tuple(states)

    def holds(self, history: History) -> str | None:
        """Begin no trial that could be one too many: each that runs may yet be one of those that count."""
        if self._states is None:
            count = len(history)
        else:
            running = 0 if TrialState.RUNNING in self._states else len(history.running)
            count = len(history.with_state(*self._states)) + running
        return f"the study has its {self._n_trials} trials" if count >= self._n_trials else None

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Look at the study after a trial has ended."""
        if len(study.get_trials(deepcopy=False, states=self._states)) >= self._n_trials:
            study.stop()


@dataclass(frozen=True)
class StudySummary:
    """What a study is and how far it has come; `best_trial` is None before there is one, and of several objectives."""

    study_name: str
    directions: list[StudyDirection]
    n_trials: int
    datetime_start: datetime | None
    best_trial: FrozenTrial | None = None
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def direction(self) -> StudyDirection:
        """The direction of the only objective."""
        if len(self.directions) > 1:
            raise InvalidInput("this study has several objectives: read .directions")
        return self.directions[0]


def get_all_study_summaries(
    storage: str | Storage = DEFAULT_STORAGE, include_best_trial: bool = True
) -> list[StudySummary]:
    """A summary of each study in a storage.

    >>> from kilter.storages import InMemoryStorage
    >>> storage = InMemoryStorage()
    >>> study = create_study(study_name="first", storage=storage, direction="maximize")
    >>> [(summary.study_name, summary.n_trials) for summary in get_all_study_summaries(storage)]
    [('first', 0)]
    """
    if missing_file(storage):
        return []
    opened = open_storage(storage)
    return [_summary(load_study(study_name=row.name, storage=opened), include_best_trial) for row in opened.studies()]


def _summary(study: Study, include_best_trial: bool) -> StudySummary:
    trials = study.trials
    starts = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    best = None
    if include_best_trial and len(study.directions) == 1:
        try:
            best = study.best_trial
        except NotReady:
            pass
    return StudySummary(
        study.study_name,
        study.directions,
        len(trials),
        min(starts, default=None),
        best,
        study.user_attrs,
        study.system_attrs,
    )


def copy_study(
    *,
    from_study_name: str,
    from_storage: str | Storage,
    to_storage: str | Storage,
    to_study_name: str | None = None,
) -> None:
    """Copy a study with all that its log has; what trials left in checkpoints stays where it is.

    A trial that runs goes back to the queue when the copy goes on. Raises StudyNotFound, and StudyExists where the name
    is taken.

    >>> from kilter.storages import InMemoryStorage
    >>> ours, theirs = InMemoryStorage(), InMemoryStorage()
    >>> study = create_study(study_name="first", storage=ours, seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
    >>> copy_study(from_study_name="first", from_storage=ours, to_storage=theirs)
    >>> load_study(study_name="first", storage=theirs).best_value == study.best_value
    True
    """
    source = existing_storage(from_storage)
    rows = {row.name: row.id for row in source.studies()}
    if from_study_name not in rows:
        raise StudyNotFound.of("study", from_study_name, rows, f"(in {source.url})")
    target = open_storage(to_storage)
    created, *events = [entry.event for entry in source.read(rows[from_study_name])]
    assert isinstance(created, Created)  # it is the first of every log
    name = to_study_name or from_study_name
    try:
        copy = target.create(name, created)
    except StudyExists:
        raise StudyExists(
            f"there is a study {name!r} in {target.url} already: give the copy another name, to_study_name="
        ) from None
    for start in range(0, len(events), CHUNK):
        target.append(copy, list(map(_without_place, events[start : start + CHUNK])), start + 1)


def _without_place(event: Event) -> Event:
    """A copy has no part in the checkpoints of its original; each event keeps its position."""
    return replace(event, attrs={}) if isinstance(event, Noted) and PLACE in event.attrs else event
