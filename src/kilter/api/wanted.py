"""Whether a study that exists is what is asked for, and how it grows into it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kilter.core.definition import Definition
from kilter.core.errors import SpaceChanged, StudyChanged
from kilter.core.events import SpaceExtended
from kilter.core.parameter import Parameter
from kilter.core.problem import SET, Constraint, Fidelity, Objective, Problem
from kilter.core.space import Space
from kilter.runtime import identity
from kilter.runtime.session import Session

log = logging.getLogger("kilter")


@dataclass(frozen=True)
class Wanted:
    """What a study that exists must have in common with what is asked for."""

    objectives: bool = True
    constraints: bool = True
    fidelities: bool = True
    space: bool = True
    definition: Definition | None = None
    if_changed: str = "fail"
    can_begin: bool = False
    """Whether if_changed="new" is among the ways on."""
    trials: int | None = None
    """How many trials it is to have: one that has them all does not answer for a space that it was not asked about."""


def check_same(session: Session, name: str, problem: Problem, wanted: Wanted) -> None:
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
    if not known.is_open and len(problem.space):
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
        ways = [identity.CONTINUE] * can_go_on + [identity.BEGIN] * wanted.can_begin + [identity.RENAME]
        raise identity.changed(session, found, ways, kind)


def check_told(name: str, differences: Sequence[str], wanted: Wanted) -> None:
    """Raise StudyChanged where a study was told other things when it began than it is told now."""
    if differences and wanted.if_changed != "continue":
        ways = ["give what it was begun with", *[identity.BEGIN] * wanted.can_begin, f"or {identity.RENAME}"]
        raise StudyChanged(f"the study {name!r}: {'; '.join(differences)}: {', '.join(ways)}")


def _listing(things: Iterable[Objective | Constraint | Fidelity]) -> str:
    return ", ".join(map(_worded, things)) or "none"


def _worded(thing: Objective | Constraint | Fidelity) -> str:
    if isinstance(thing, Objective):
        return f"{thing.direction} {thing.name}"
    if isinstance(thing, Constraint):
        return f"{thing.metric} {thing.relation} {thing.bound:g}"
    return f"{thing.name} from {thing.low:g} to {thing.high:g}"


def grow(session: Session, name: str, space: Space) -> None:
    """Widen the space of a study to one that is given again; raises SpaceChanged where it cannot."""
    engine = session.engine
    try:
        grown = {} if engine.problem.is_open else engine.problem.space.growth(space)
    except SpaceChanged as error:
        raise identity.changed(session, [str(error)], [identity.RENAME], SpaceChanged) from None
    if grown:
        if engine.history.finished:
            log.warning("%s: its space has grown since it was made: %s", name, ", ".join(grown))
        session.write(SpaceExtended({name: p.to_json() for name, p in grown.items()}, session.clock()))
    engine.recall(space)
