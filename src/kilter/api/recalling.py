"""Whom a new study learns from: those that it is given, or what its storage has that is like it.

All of it is settled when the study is made. What was recalled is in its log from then on, so whatever becomes of the
others, whoever goes on with it, and on whichever machine, finds the same.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kilter import replay
from kilter.api.view import StudyView
from kilter.core.border import check
from kilter.core.earlier import MOST, EarlierStudy
from kilter.core.errors import NAME, InvalidInput, UnknownName
from kilter.core.events import SCALE, SYSTEM, TAG, TASK, Event, Noted, Recalled
from kilter.core.interfaces import Storage
from kilter.core.numbers import Number
from kilter.core.problem import Problem
from kilter.core.text import one_line, shown
from kilter.engine.replica import Replica
from kilter.runtime.log import created
from kilter.runtime.notices import notice
from kilter.spaces.knowledge import knowledge_of

if TYPE_CHECKING:
    from kilter.transfer.given import Earlier
    from kilter.transfer.library import Selection

log = logging.getLogger("kilter")

AUTO = "auto"
SWITCH = "KILTER_TRANSFER"
"""The variable of the environment that is one of OFF where no study is to learn by itself."""
OFF = ("0", "false", "off", "no", "none")

NAMED = 5
"""Studies that the line on a new study names."""


@dataclass(frozen=True)
class Recalling:
    """What a study is told of earlier ones and of its own task; `create_study` says what each is."""

    transfer: Any = AUTO
    tags: Mapping[str, Any] | None = None
    task: Mapping[str, Any] | None = None
    scale: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        given = self.transfer
        if not (given is None or given == AUTO or (isinstance(given, Sequence) and not isinstance(given, str))):
            raise InvalidInput(f'transfer={shown(given, 60)}: give "auto", None or a list of studies')
        _check_words("tags", self.tags)
        _check_words("task", self.task)
        _check_words("scale", self.scale)
        for name, size in (self.scale or {}).items():
            if isinstance(size, (bool, str)) or not size > 0:
                raise InvalidInput(f"scale={{{name!r}: {shown(size, 40)}}}: give a size above 0")

    @property
    def is_explicit(self) -> bool:
        """Whether somebody said whom to learn from."""
        return bool(self.transfer) and self.transfer != AUTO

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags as the study has them."""
        return tuple(f"{name}={_word(value)}" for name, value in (self.tags or {}).items())

    @property
    def attrs(self) -> dict[str, Any]:
        """What describes the study, as attributes."""
        described = {TASK: self.task, SCALE: self.scale}
        found: dict[str, Any] = {f"{TAG}{tag}": True for tag in self.tag_names}
        return found | {name: dict(value) for name, value in described.items() if value}

    def events(self, name: str, problem: Problem, storage: Storage, learns: bool, now: float) -> list[Event]:
        """What a new study begins with, which is not there yet; `learns` where its sampler can."""
        self._check_sizes(problem)
        studies = self._recalled(name, problem, storage, learns)
        noted: list[Event] = [Noted(None, self.attrs, now)] if self.attrs else []
        made = noted + ([Recalled(studies, now)] if studies else [])
        for event in made:
            check(event)  # before there is a study that would be left behind
        return made

    def differences(self, replica: Replica, storage: Storage, name: str) -> list[str]:
        """What is asked for and not so in a study that exists, in words; whoever makes it may come to that yet."""
        found = []
        if self.transfer != AUTO and (replica.history.trials or replica.history.earlier):
            known = {study.name for study in replica.history.earlier if study.weight == 1.0}
            named = list(self._given(storage, name))
            asked = {each.name for each in named}
            if known != asked and not (known < asked and len(known) == MOST):
                found.append(f"it was begun with what {_listed(known)} taught, and transfer= names {_listed(asked)}")
            same = {study.name for study in replica.history.earlier if study.same}
            wanted = {each.name for each in named if each.asked.same}
            if known == asked and same != wanted:
                found.append(f"it was begun with same=True for {_listed(same)}, now for {_listed(wanted)}")
        for what, given in ((TASK, self.task), (SCALE, self.scale)):
            was = replica.attrs.get(what)
            if given is not None and was is not None and dict(given) != was:
                word = what[len(SYSTEM) :]
                found.append(f"its {word} is {shown(dict(given), 80)} and was {shown(was, 80)}")
        return found

    def _check_sizes(self, problem: Problem) -> None:
        """Raises UnknownName where a parameter moves with a size that the scale does not have."""
        for name, parameter in problem.space.parameters.items():
            for size in parameter.exponents if isinstance(parameter, Number) and self.scale else ():
                if size not in (self.scale or {}):
                    raise UnknownName.of("size", size, self.scale or {}, f"{name} moves with it: give it in scale=")

    def _recalled(self, name: str, problem: Problem, storage: Storage, learns: bool) -> tuple[EarlierStudy, ...]:
        if not self.transfer:
            return ()
        if self.transfer != AUTO:
            if not learns:
                notice("the sampler learns nothing from earlier studies, so transfer= changes nothing")
            given = [each.digest(self, problem) for each in self._given(storage, name)]
            return _largest(_different(given), problem)
        if not learns or os.environ.get(SWITCH, "").strip().lower() in OFF:
            return ()
        found = library(problem, storage, self)
        taken = found.taken
        for hint in found.hints:
            log.warning("%s: %s", name, hint)
        if taken:
            names = ", ".join(one_line(study.name, NAME) for study in taken[:NAMED])
            more = f" and {len(taken) - NAMED} more" if len(taken) > NAMED else ""
            count = f"{len(taken)} earlier studies" if len(taken) > 1 else "an earlier study"
            log.warning(
                "%s: starts from %s of this space: %s%s (transfer=None leaves them out)", name, count, names, more
            )
        return taken or self._known(name, problem)

    def _known(self, name: str, problem: Problem) -> tuple[EarlierStudy, ...]:
        """What ships of a ready-made space; who has studies of their own knows better."""
        known = knowledge_of(problem.space) if len(problem.objectives) == 1 else ()
        for each in known:
            log.info("%s: after the defaults come %d settings by %s", name, len(each.configs), each.name)
        return known

    def _given(self, storage: Storage, name: str) -> Iterator[_Given]:
        from kilter.transfer.given import is_row

        listed: Sequence[Any] = self.transfer or ()
        if listed and all(map(is_row, listed)):
            listed = [listed]
        rows = 0
        for each in listed:
            found = _of(each, storage, name)
            rows += found.is_rows
            yield replace(found, name=f"{found.name} {rows}") if found.is_rows and rows > 1 else found


@dataclass(frozen=True)
class _Given:
    """One thing that a user handed in."""

    name: str
    source: StudyView | str | PurePath | Sequence[Any]
    storage: Storage
    asked: Earlier

    @property
    def is_rows(self) -> bool:
        return isinstance(self.source, Sequence) and not isinstance(self.source, str)

    def digest(self, recalling: Recalling, problem: Problem) -> EarlierStudy:
        """What it teaches a study of this problem."""
        from kilter.transfer.digest import doublings
        from kilter.transfer.exported import exported
        from kilter.transfer.given import hint_of, of_rows, of_study

        source = self.source
        if isinstance(source, PurePath):
            return of_rows(self.name, exported(source, problem), problem, self.asked)
        if isinstance(source, StudyView):
            source.trials  # noqa: B018 - reads what others wrote
            replica: Replica = source._log.replica
        elif isinstance(source, str):
            replica = replay.read(source, self.storage).replica
        else:
            return of_rows(self.name, source, problem, self.asked)
        made = of_study(self.name, replica.history, problem, self.asked)
        if hint := hint_of(self.name, replica.history, problem, self.asked):
            log.warning("%s", hint)
        return replace(made, doublings=doublings(replica.attrs.get(SCALE), recalling.scale))


def library(
    problem: Problem, storage: Storage, described: Recalling | None = None, but: str | None = None
) -> Selection:
    """Which studies of a storage a new one of this problem learns from by itself, and whom it passes over, and why."""
    from kilter.transfer.library import Learner, selected

    described = described or Recalling()
    learner = Learner(problem, described.tag_names, described.scale)
    return selected(
        [row for row in storage.studies() if row.name != but],
        learner,
        lambda row: created(storage, row.id),
        lambda row: replay.followed(row.id, storage, replay.without_plugins).replica,
    )


def _of(given: Any, storage: Storage, name: str) -> _Given:
    """What is meant by one thing in the list; raises InvalidInput for what cannot teach."""
    from kilter.transfer.exported import ENDINGS
    from kilter.transfer.given import Earlier, is_row

    asked = given if isinstance(given, Earlier) else Earlier(given)
    source = asked.study
    if isinstance(source, StudyView):
        if source.study_name == name and source.log.url == storage.url and storage.is_durable:
            raise InvalidInput(f"transfer: {name!r} is the new study itself: leave it out")
        return _Given(source.study_name, source, storage, asked)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and source.endswith(ENDINGS)):
        path = PurePath(source)
        return _Given(path.stem, path, storage, asked)
    if isinstance(source, str):
        if source == name:
            raise InvalidInput(f"transfer: {name!r} is the new study itself: leave it out")
        return _Given(source, source, storage, asked)
    if isinstance(source, Sequence) and source and all(map(is_row, source)):
        return _Given("configurations", source, storage, asked)
    raise InvalidInput(
        f"transfer: {shown(source, 60)} is nothing to learn from: give a study, its name in {storage.url}, a file that "
        "`kilter export` wrote, [(configuration, value), …] or [configuration, …]"
    )


def _different(studies: list[EarlierStudy]) -> list[EarlierStudy]:
    """Each study once; raises InvalidInput where one is given in two ways."""
    found: list[EarlierStudy] = []
    for study in studies:
        twins = [each for each in found if (each.name, each.losses) == (study.name, study.losses)]
        if any(each != study for each in twins):
            raise InvalidInput(f"transfer: {one_line(study.name, NAME)!r} is given twice, in two ways: give it once")
        found += [] if twins else [study]
    return found


def _largest(studies: list[EarlierStudy], problem: Problem) -> tuple[EarlierStudy, ...]:
    """As many as a study keeps: those with the most parameters of its space."""
    if len(studies) <= MOST:
        return tuple(studies)
    notice(f"transfer has {len(studies)} studies: the {MOST} that share the most parameters are used")
    space = problem.space
    shared = [len({name for config in study.configs for name in config} & set(space.names)) for study in studies]
    first = sorted(range(len(studies)), key=lambda place: -shared[place])[:MOST]
    return tuple(studies[place] for place in sorted(first))


def _check_words(word: str, given: Any) -> None:
    """Raise InvalidInput for what is no dict of names with text and numbers."""
    if given is None:
        return
    if not isinstance(given, Mapping) or not all(isinstance(name, str) and name.strip() for name in given):
        example = '{"model": "svm"}' if word == "tags" else '{"data": "wine"}' if word == "task" else '{"width": 1024}'
        raise InvalidInput(f"{word}={shown(given, 60)}: give a dict of names, as in {word}={example}")
    for name, value in given.items():
        if not isinstance(value, (str, bool, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
            raise InvalidInput(f"{word}={{{name!r}: {shown(value, 40)}}}: give text or a finite number")
        if word == "tags" and "=" in name:
            raise InvalidInput(f"tags={{{name!r}: …}}: a name has no '='")


def _word(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(repr(one_line(name, NAME)) for name in names)) or "none"
