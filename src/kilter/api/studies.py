"""Studies by name: made, opened, listed and deleted."""

from __future__ import annotations

import inspect
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from kilter import plugins, replay
from kilter.api.arguments import (
    DEFAULT_STORAGE,
    HandleOptions,
    SpaceLike,
    as_space,
    check_checkpoints,
    check_notice,
    checked_seed,
    one_of,
)
from kilter.api.recalling import AUTO, Recalling
from kilter.api.study import Study
from kilter.api.view import StudyView
from kilter.api.wanted import Wanted, check_same, check_told, grow
from kilter.core.border import check_study_name
from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput, StudyChanged, StudyExists, StudyNotFound
from kilter.core.events import Created
from kilter.core.interfaces import CheckpointStore, Storage
from kilter.core.problem import Fidelity, Problem
from kilter.core.vocabulary import answering, answers_other_words
from kilter.engine.engine import Engine
from kilter.plugins import existing_storage, open_storage
from kilter.runtime import identity
from kilter.runtime.checkpoints import Checkpoints
from kilter.runtime.kept import store_of
from kilter.runtime.leases import LEASE_SECONDS
from kilter.runtime.log import created, id_of
from kilter.runtime.session import KEPT, Session
from kilter.storage.urls import missing_file

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("kilter")

HANDLE = {
    name: parameter.replace(kind=parameter.KEYWORD_ONLY, default=time.time if name == "clock" else parameter.default)
    for name, parameter in inspect.signature(Session).parameters.items()
    if name in HandleOptions.__annotations__
}
"""What `create_study` takes for the handle."""


@answering(HANDLE)
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
    transfer: str | Sequence[Any] | None = AUTO,
    tags: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
    scale: Mapping[str, float] | None = None,
    seed: int | None = None,
    **handle: Unpack[HandleOptions],
) -> Study:
    """A new study, in memory where no storage is given.

    `directions` may be {metric: direction}; the objective then returns and reports named metrics. `subject_to` bounds
    metrics, as in {"latency_ms": "<= 20"}. With a `fidelity`, as in Fidelity("epochs", 1, 81), the objective takes an
    argument of that name and the scheduler says how much of it a trial is worth. Of the finished trials the best
    `keep_checkpoints` keep what they left in their checkpoint: in `checkpoints`, a folder or a URL such as
    s3://team/digits, which is to be this study's alone, or in a CheckpointStore; by default in a folder beside the file
    of the storage, or in the user's folder for caches where that is elsewhere. Whoever opens the study without saying
    finds the folder or URL that was said first. Without a `space` the objective suggests its parameters. `pruner` is
    Optuna's word for `scheduler`. With `load_if_exists` an existing study goes on, its space widened where the new one
    allows; its seed, and its sampler and scheduler unless they are given, are those it was made with. Without a `seed`,
    that of the sampler counts. A study that contradicts what is asked for, but in which nothing ever succeeded, begins
    anew.

    By default, transfer="auto", a study with one objective learns from those in its storage that have the same metric
    and most of its parameters, which is said in one line; None leaves them out, as KILTER_TRANSFER=0 in the environment
    does. A list says whom to learn from: studies, names in the same storage, a kilter.Earlier, files that `kilter
    export` wrote as JSON, [(configuration, value), …], or [configuration, …], which are tried in their order. What they
    teach is written into the log of the new study, whatever becomes of them. `tags`, as {"model": "svm"}, keep studies
    apart that have another value of one name; `task`, as {"data": "wine", "rows": 178}, describes what may differ, and
    `scale`, as {"width": 1024}, how large what is tuned is.
    `notice` is for machines that may be taken away: once SIGTERM comes, trials get so many seconds to save and leave,
    and are handed back. They leave as those do that are pruned: `should_prune` says True.
    Raises StudyExists, StudyChanged where objectives or constraints differ, SpaceChanged, UnknownName for an unknown
    sampler, InvalidInput for anything that cannot be.
    """
    scheduler = one_of(scheduler, pruner)
    opened = open_storage(storage)
    wanted = Wanted(
        directions is not None or direction is not None,
        subject_to is not None,
        fidelity is not None,
        space is not None,
    )
    name = f"study-{secrets.token_hex(4)}" if study_name is None else check_study_name(study_name)
    session = _made(
        name,
        opened,
        Problem.of(as_space(space), direction, directions, subject_to, fidelity),
        wanted if load_if_exists else None,
        Recalling(transfer, tags, task, scale),
        sampler,
        scheduler,
        seed,
        handle,
    )
    session.owns_storage = opened is not storage
    session.note_place()
    return Study(name, session)


def _made(
    name: str,
    storage: Storage,
    problem: Problem,
    wanted: Wanted | None,
    recalling: Recalling,
    sampler: Any,
    scheduler: Any,
    seed: int | None,
    settings: Mapping[str, Any],
) -> Session:
    """On a new study, or on the one of this name where that is `wanted` and has what is."""
    settings = {"clock": time.time, **settings}
    check_checkpoints(settings.get("keep_checkpoints", KEPT), settings.get("checkpoints"))
    check_notice(settings.get("notice", 0.0))
    chosen = plugins.find("sampler", "auto" if sampler is None else sampler)
    planner = plugins.find("scheduler", "auto" if scheduler is None else scheduler)
    begun = checked_seed(getattr(chosen, "seed", None) if seed is None else seed)
    blank = Engine(problem, chosen, planner, begun)
    event = Created(
        problem.to_json(),
        plugins.spec("sampler", chosen),
        plugins.spec("scheduler", planner),
        begun,
        settings["clock"](),
    )
    learns = chosen.capabilities.recalls
    while True:
        try:
            is_new = all(row.name != name for row in storage.studies())
            first = recalling.events(name, problem, storage, learns, event.time) if is_new else []
            study = storage.create(name, event)
            break
        except StudyExists:
            if wanted is None:
                raise StudyExists(
                    f"there is a study {name!r} in {storage.url} already: choose another name, or load_if_exists=True"
                ) from None
        session = replay.opened(name, storage, sampler, scheduler, **settings)
        try:
            check_same(session, name, problem, wanted)
            check_told(name, recalling.differences(session.engine, storage, name), wanted)
            if wanted.space:
                grow(session, name, problem.space)
            history = session.engine.history
            if recalling.is_explicit and not (history.trials or history.earlier):  # who made it came no further
                session.write(*recalling.events(name, problem, storage, learns, event.time))
            _say_what_differs(session, name, seed, sampler=sampler and chosen, scheduler=scheduler and planner)
            return session
        except StudyChanged:
            if identity.has_results(session.engine) or session.engine.history.waiting:
                raise
        log.warning("%s: no trial of this study ever succeeded, and what it is of has changed: it begins anew", name)
        storage.delete(session.study)
    session = Session(storage, study, blank, **settings)
    session.sync()
    if first:
        session.write(*first)
    return session


def _say_what_differs(session: Session, name: str, seed: int | None, **plugs: Any) -> None:
    """Tell of a seed that an existing study does not take up, and of plug-ins that are not those it was made with."""
    first = created(session.storage, session.study)
    if seed and seed != first.seed:  # 0 is what tune and the command line give where the user gives none
        log.warning("%s: it keeps its seed %d, seed=%d is not used: that is for a new study", name, first.seed, seed)
    for kind, plugin in plugs.items():
        kept = getattr(first, kind)
        if plugin is not None and plugins.spec(kind, plugin) != kept:
            log.warning("%s: it goes on with another %s, %r; it was made with %r", name, kind, plugin, kept["name"])


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
    checkpoints: str | os.PathLike[str] | CheckpointStore | None = None,
    lease: float | None = LEASE_SECONDS,
    worker: str | None = None,
    notice: float = 0.0,
    clock: Callable[[], float] = time.time,
) -> Study:
    """A study that exists; without a name, the only one in the storage.

    `space` is needed only where options are objects that no log can keep, or to widen the space. Sampler and scheduler
    are those that the study was made with, unless others are given. `checkpoints` says where they are, if that is not
    where the study says. `worker` is a name for this process among the workers: what one of that name ran on this
    machine before goes on at once, also where nobody can look for it, as in a container that was started again. Raises
    StudyNotFound with the nearest name.
    """
    scheduler = one_of(scheduler, pruner)
    check_checkpoints(keep_checkpoints, checkpoints)
    check_notice(notice)
    opened = existing_storage(storage)
    name = only_study(opened) if study_name is None else study_name
    session = replay.opened(
        name,
        opened,
        sampler,
        scheduler,
        keep_checkpoints=keep_checkpoints,
        checkpoints=checkpoints,
        lease=lease,
        worker=worker,
        notice=notice,
        clock=clock,
    )
    session.owns_storage = opened is not storage
    session.note_place()
    if space is not None:
        grow(session, name, as_space(space))
    return Study(name, session)


@answers_other_words
def read_study(
    *,
    study_name: str | None = None,
    storage: str | Storage | None = DEFAULT_STORAGE,
    checkpoints: str | os.PathLike[str] | CheckpointStore | None = None,
) -> StudyView:
    """A study to look at; without a name, the only one in the storage.

    It needs no sampler, scheduler or objective, so it also opens where those of the study are not installed, writes
    nothing, and has of a Study what is read: `trials`, `best_trial`, `history`, `user_attrs`, `log` and the rest. It
    keeps up with those who are at work on the study. `checkpoints` as for load_study. Raises StudyNotFound with the
    nearest name.

    >>> import tempfile
    >>> from kilter import create_study
    >>> url = f"sqlite:///{tempfile.mkdtemp()}/studies.db"
    >>> study = create_study(study_name="digits", storage=url, seed=0)
    >>> with read_study(study_name="digits", storage=url) as digits:
    ...     study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
    ...     len(digits.trials), digits.best_value == study.best_value
    (3, True)
    """
    opened = existing_storage(storage)
    log = replay.read(only_study(opened) if study_name is None else study_name, opened)
    log.owns_storage = opened is not storage
    return StudyView(log.name, log, lambda: Checkpoints(store_of(checkpoints, log)))


def only_study(storage: Storage) -> str:
    """The name of the only study in a storage; raises StudyNotFound where there are more or none."""
    names = [row.name for row in storage.studies()]
    if not names:
        raise StudyNotFound(f"{storage.url} has no studies yet: tune(), create_study() or kilter run begins one")
    if len(names) > 1:
        raise StudyNotFound(f"{storage.url} has {len(names)} studies: name one of {', '.join(names)}")
    return names[0]


def open_study(
    definition: Definition,
    problem: Problem,
    if_changed: str,
    n_trials: int | None = None,
    *,
    study_name: str,
    storage: str | Storage | None = None,
    transfer: str | Sequence[Any] | None = AUTO,
    tags: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
    scale: Mapping[str, float] | None = None,
    sampler: Any = None,
    scheduler: Any = None,
    seed: int | None = None,
    **settings: Any,
) -> Study:
    """The study of this name that is of this objective, made where there is none, as `tune` opens it.

    Where the study is of something else, `if_changed` says what happens: see `tune`; "new" takes the first of name-2,
    name-3, … that is free or of the same. `n_trials` is what it is to have in all. All other arguments are those of
    create_study. Raises StudyChanged.
    """
    identity.check_choice(if_changed)
    wanted = Wanted(definition=definition, if_changed=if_changed, can_begin=True, trials=n_trials)
    recalling = Recalling(transfer, tags, task, scale)
    opened = open_storage(storage)
    for name in chain([check_study_name(study_name)], (f"{study_name}-{k}" for k in count(2))):
        try:
            session = _made(name, opened, problem, wanted, recalling, sampler, scheduler, seed, settings)
        except StudyChanged:
            if if_changed != "new":
                raise
        else:
            session.owns_storage = opened is not storage
            session.note_place()
            return Study(name, session)
    raise InvalidInput(f"no name is left beside {study_name!r}")


def delete_study(*, study_name: str, storage: str | Storage = DEFAULT_STORAGE) -> None:
    """Remove a study with all its trials; raises StudyNotFound with the nearest name."""
    opened = existing_storage(storage)
    opened.delete(id_of(opened, study_name))


def get_all_study_names(storage: str | Storage = DEFAULT_STORAGE) -> list[str]:
    """The names of all studies in a storage."""
    return [] if missing_file(storage) else [row.name for row in open_storage(storage).studies()]
