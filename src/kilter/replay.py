"""The engine of a study that exists, from its log: to go on with it, to open it elsewhere, to explain a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kilter import plugins
from kilter.core.errors import InvalidInput, KilterError, LogDamaged
from kilter.core.events import ELSEWHERE, Created
from kilter.core.history import Record
from kilter.core.interfaces import Explaining, Explanation, Storage
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.engine import snapshot
from kilter.engine.engine import Engine
from kilter.engine.replica import Replica
from kilter.guests import own
from kilter.runtime.log import Log, created, id_of, named, undisturbed
from kilter.runtime.session import Session

R = TypeVar("R", bound=Replica)

Address = tuple[str, Storage, Any, Any, Space, dict[str, Any]]
"""How a study is opened again: its name and storage, the plug-ins, the objects of its space, the handle's settings."""


def opened(name: str, storage: Storage, sampler: Any = None, scheduler: Any = None, **settings: Any) -> Session:
    """A session on a study that exists, with the settings of Session; raises StudyNotFound with the nearest name."""
    study = id_of(storage, name)
    engine = _replayed(storage, study, lambda first: fresh(first, sampler, scheduler))
    session = Session(storage, study, engine, **settings)
    session.sync()
    session.obeys_from = engine.position
    return session


def read(name: str, storage: Storage) -> Log[Replica]:
    """The log of a study that exists, with a replica that needs none of its plug-ins; raises StudyNotFound."""
    return followed(id_of(storage, name), storage, without_plugins)


def followed(study: int, storage: Storage, blank: Callable[[Created], R]) -> Log[R]:
    """The log of a study by its id, with what `blank` makes of how it came to be; raises StudyNotFound."""
    log = Log(storage, study, _replayed(storage, study, blank))
    log.sync()
    return log


def address(name: str, session: Session) -> Address:
    """How to open a study again, elsewhere or a second time: with the same plug-ins, and the objects of its space."""
    engine = session.engine
    return name, session.storage, engine.sampler, engine.scheduler, engine.problem.space, session.settings


def reopened(
    name: str, storage: Storage, sampler: Any, scheduler: Any, space: Space, settings: dict[str, Any]
) -> Session:
    """The session at an address, with a storage of its own, since that was copied along."""
    session = opened(name, storage, sampler, scheduler, **settings)
    session.owns_storage = True
    session.engine.recall(space)
    return session


def _replayed(storage: Storage, study: int, blank: Callable[[Created], R]) -> R:
    """What knows a study: from its snapshot where that fits, else from the beginning of its log."""
    first = created(storage, study)
    with named(storage, study), undisturbed():
        kept = storage.load_snapshot(study, snapshot.VERSION)
        if kept is not None:
            replica = blank(first)
            with suppress(ValueError, KeyError, TypeError):  # where it does not fit, the log is replayed
                snapshot.loads(replica, kept[1])
                return replica
        return blank(first)


def without_plugins(created: Created) -> Replica:
    """A replica that has read nothing yet."""
    return of_kind(Replica, created)


def of_kind(kind: Callable[[Problem, int], R], created: Created) -> R:
    """A replica of this kind, which has read nothing yet."""
    with _as_written():
        return kind(Problem.from_json(created.problem), created.seed)


def fresh(created: Created, sampler: Any, scheduler: Any) -> Engine:
    """An engine that has read nothing yet; None stands for the plug-in that the study was made with."""

    def chosen(kind: str, given: Any, kept: Mapping[str, Any]) -> Any:
        return plugins.from_spec(kind, kept) if given is None else plugins.find(kind, given)

    with _as_written():
        return Engine(
            Problem.from_json(created.problem),
            chosen("sampler", sampler, created.sampler),
            chosen("scheduler", scheduler, created.scheduler),
            created.seed,
        )


@contextmanager
def _as_written() -> Iterator[None]:
    """Where what the log begins with is data of any other shape, the file is damaged."""
    try:
        yield
    except KilterError:
        raise
    except Exception as error:
        raise LogDamaged.at(1, "created", None, f"it is not what kilter writes: {error!r}") from error


def replan(session: Session, sampler: Any, scheduler: Any) -> None:
    """Go on with another sampler or scheduler, which read the whole log."""
    known = session.engine.problem.space
    session.replica = fresh(created(session.storage, session.study), sampler, scheduler)
    session.sync()
    session.engine.recall(known)


def engine_at(
    study: int, storage: Storage, position: int | None = None, sampler: Any = None, scheduler: Any = None
) -> Engine:
    """An engine that has read the log up to a position, or to its end: to be asked, since nothing is written with it.

    Where no `sampler` and `scheduler` are given, they are those that the study was made with.
    """
    first = created(storage, study)
    engine = _replayed(storage, study, lambda _: fresh(first, sampler, scheduler))
    if position is not None and engine.position > position:
        engine = fresh(first, sampler, scheduler)
    with named(storage, study), undisturbed():
        engine.handle(storage.read(study, engine.position, None if position is None else position - engine.position))
    return engine


def explanation(session: Session, record: Record) -> Explanation:
    """Why the sampler chose the configuration of a trial; raises InvalidInput where it did not, or cannot say."""
    engine = session.engine
    return explained(session.study, session.storage, record, engine.sampler, engine.scheduler)


def explained(study: int, storage: Storage, record: Record, sampler: Any = None, scheduler: Any = None) -> Explanation:
    """The same for who only looks; without a `sampler` that of the study is asked."""
    number = record.number
    if not record.is_sampled or record.attempt == 0 or record.seen == ELSEWHERE:
        raise InvalidInput(
            f"trial {number} was chosen by a user or a scheduler, was run elsewhere, or has not started: there is "
            "nothing to explain"
        )
    blank = fresh(created(storage, study), sampler, scheduler)
    asked = explaining(blank)
    engine = engine_at(study, storage, record.seen, blank.sampler, blank.scheduler)
    return asked.explain(engine.sampler_state, engine.history, number, record.params)


def explaining(engine: Engine) -> Explaining:
    """The sampler of an engine, which can say why it chose what it chose; raises InvalidInput where it cannot."""
    sampler = own(engine.sampler)
    if not isinstance(sampler, Explaining):
        raise InvalidInput(f"{sampler!r} does not explain its choices: sampler='auto' and 'gp' do")
    return sampler
