"""Which studies of a storage a new one learns from by itself, and why not from the others.

    overlap   how many of the new study's parameters a study has as well, by name
    taken     those of the largest overlap, then the latest; of one task a few, for seeds of one experiment would leave
              no room for others

What is known from the beginning of a log is asked first: to read all of each would take long where there are many.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kilter.core.earlier import MOST, EarlierStudy
from kilter.core.errors import KilterError
from kilter.core.events import SCALE, TASK, Created
from kilter.core.interfaces import StudyRow
from kilter.core.problem import Problem
from kilter.engine.replica import Replica
from kilter.models.matching import matched
from kilter.transfer.digest import digest, doublings, renaming

ENOUGH = 10
"""Configurations with a value that a study needs to be taken."""

OF_ONE_TASK = 3
"""Studies of an equal task that are taken."""


@dataclass(frozen=True)
class Learner:
    """What counts of the study that learns."""

    problem: Problem
    tags: tuple[str, ...] = ()
    scale: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Selection:
    """What is taken of a storage, and whom it passes over."""

    taken: tuple[EarlierStudy, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()
    """Names of studies, each with the reason."""
    hints: tuple[str, ...] = ()
    """What seems to be called otherwise here."""


def selected(
    rows: Iterable[StudyRow],
    learner: Learner,
    begun: Callable[[StudyRow], Created],
    read: Callable[[StudyRow], Replica],
) -> Selection:
    """Of these studies those that teach the learner; `begun` and `read` tell how one began, and all of it."""
    if len(learner.problem.objectives) > 1:
        return Selection((), tuple((row.name, "only studies with one objective learn by themselves") for row in rows))
    passed: dict[str, str] = {}
    taken: list[EarlierStudy] = []
    hints: list[str] = []
    tasks: Counter[str] = Counter()
    for row in _ordered(rows, learner, begun, passed):
        if len(taken) == MOST:
            passed[row.name] = f"{MOST} others have more parameters in common with it, or are later"
            continue
        try:
            replica = read(row)
            earlier, task = _read(replica, row, learner)
            if task and tasks[task] == OF_ONE_TASK:
                raise _Passed(f"{OF_ONE_TASK} later ones of the same task are taken")
        except (_Passed, KilterError) as why:
            passed[row.name] = str(why)
            continue
        tasks[task] += 1
        taken.append(earlier)
        hint = renaming(row.name, replica.problem.space, learner.problem.space)
        hints += [hint] if hint else []
    return Selection(tuple(taken), tuple(passed.items()), tuple(hints))


class _Passed(Exception):
    """Why a study is passed over."""


def _ordered(
    rows: Iterable[StudyRow], learner: Learner, begun: Callable[[StudyRow], Created], passed: dict[str, str]
) -> Sequence[StudyRow]:
    """Those that the beginning of their logs does not rule out, in the order in which they are to be taken."""
    ours = _sorts(learner.problem.to_json()["space"])
    found: list[tuple[int, int, StudyRow]] = []
    for row in rows:
        try:
            problem = begun(row).problem
            theirs = _sorts(problem["space"])
            overlap = sum(theirs.get(name) == sort for name, sort in ours.items())
            _check_goal(problem["objectives"], learner.problem)
            if theirs and 2 * overlap < len(ours):
                raise _Passed(f"it has {overlap} of the {len(ours)} parameters, and half of them are needed")
        except (_Passed, KilterError) as why:
            passed[row.name] = str(why)
        else:
            found.append((-overlap, -row.id, row))
    return [row for *_, row in sorted(found, key=lambda each: each[:2])]


def _sorts(space: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a space as data, each with the sort of its values."""
    sorts = {"float": "number", "int": "number", "ordinal": "option", "choice": "option", "boolean": "option"}
    return {name: sorts.get(data["kind"], data["kind"]) for name, data in space["parameters"].items()}


def _check_goal(objectives: Sequence[Sequence[str]], ours: Problem) -> None:
    """Raise _Passed for a study that is to reach something else."""
    goal = ours.objectives[0]
    if [tuple(each) for each in objectives] != [(goal.name, goal.direction)]:
        theirs = ", ".join(f"{direction} {name}" for name, direction in objectives)
        raise _Passed(f"it is to {theirs}, and not to {goal.direction} {goal.name}")


def _read(replica: Replica, row: StudyRow, learner: Learner) -> tuple[EarlierStudy, str]:
    """What it teaches, and its task; raises _Passed."""
    known, mine = _named(replica.tags), _named(learner.tags)
    for name in known.keys() & mine.keys():
        if known[name] != mine[name]:
            raise _Passed(f"its tag is {name}={known[name]}, and not {name}={mine[name]}")
    earlier = digest(row.name, replica.history)
    space = learner.problem.space
    seen = None if learner.problem.is_open else matched(earlier, space)
    if seen is not None and earlier.configs and 2 * len(seen.matched) < len(space):
        raise _Passed(f"it has {len(seen.matched)} of the {len(space)} parameters, and half of them are needed")
    usable = len(earlier.configs if seen is None else seen.kept)
    if usable < ENOUGH:
        raise _Passed(f"it has {usable} trials that can be used here, and {ENOUGH} are needed")
    if seen is not None and seen.reason is not None:
        raise _Passed(seen.reason)
    task = replica.attrs.get(TASK)
    scaled = replace(earlier, doublings=doublings(replica.attrs.get(SCALE), learner.scale))
    return scaled, json.dumps(task, sort_keys=True) if task else ""


def _named(tags: Iterable[str]) -> dict[str, str]:
    """The tags that are a name and a value, as "model=svm"."""
    return {name: value for name, equals, value in (tag.partition("=") for tag in tags) if equals}
