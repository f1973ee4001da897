"""What a study notes of an objective that is put together from parts, and its first trial: the default."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from kilter.analysis.configurations import default_of
from kilter.analysis.design import Design, design_of, noted_design
from kilter.core.attributes import DEFAULT, EVALUATION, UNTRIED
from kilter.core.definition import Definition
from kilter.core.events import Enqueued
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.runtime import steering
from kilter.runtime.session import Session

log = logging.getLogger("kilter")


BY = ("evaluation", "data", "first")
"""What a study remembers of an evaluation, among the values of its objective."""


@runtime_checkable
class Evaluated(Protocol):
    """An objective that an evaluation made, as kilter.evaluation.CrossValidation(5).objective(model, X, y)."""

    directions: Mapping[str, str] | None
    """Which way its metrics are better; None where it does not know."""

    @property
    def design(self) -> Design:
        """The parts that it is the mean of."""

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput where it does not fit a problem."""

    def beside(self, noted: Design | None) -> Evaluated:
        """The same for a study that has noted a design: parts of other rows have names that it does not have."""

    def defaults(self, space: Space) -> dict[str, Any] | None:
        """What there is without tuning; None where that is not in the space."""

    def outside(self, space: Space) -> tuple[str, str] | None:
        """Which value without tuning is not in the space, and what brings it in."""

    @property
    def confirms(self) -> bool:
        """Whether it measures configurations of a study again, maybe on other rows."""

    @property
    def is_inner(self) -> bool:
        """Whether it is of some rows of another, which tries the default by itself."""


def as_confirmed(session: Session, definition: Definition) -> Definition:
    """The definition of an objective that confirms: the study's, by whichever evaluation and on whichever rows."""
    if session.engine.defined is None:
        return definition
    known = Definition.from_json(session.engine.defined.definition)
    values = {name: value for name, value in definition.values.items() if name not in BY}
    values |= {name: value for name, value in known.values.items() if name in BY}
    return replace(definition, name=known.name, values=values)


def begin_evaluation(session: Session, objective: Evaluated) -> None:
    """Have the study know the design of its objective, and try first what there is without tuning, or say why not.

    Raises InvalidInput where the objective does not fit the study.
    """
    session.sync()
    problem, replica = session.engine.problem, session.engine
    objective.check(problem)
    noted = design_of(replica.history, replica.attrs)
    own = objective.design
    whole = own if noted is None else replace(own, parts=noted.extended(own).parts)
    design = json.loads(json.dumps(whole.to_json()))  # as the log holds it
    if replica.attrs.get(EVALUATION) != design:
        if EVALUATION in replica.attrs and noted_design(replica.attrs) is None:
            log.warning(
                "%s: its attribute %r, which was %.60r, now says what the objective is put together from: give yours "
                "another name",
                session.name,
                EVALUATION,
                replica.attrs[EVALUATION],
            )
        session.note(None, {EVALUATION: design})
    config = objective.defaults(problem.space)
    if default_of(replica.history) is not None:
        return
    if config is None:
        _note_untried(session, objective)
        return
    # With its number, so that of several processes that begin at once one writes it.
    plain = steering.plain(problem, config)
    session.write(Enqueued(len(replica.history), plain, session.clock(), attrs={DEFAULT: True}, judged=False))


def _note_untried(session: Session, objective: Evaluated) -> None:
    """Keep with the study why no default is tried, and tell it once where that can be mended."""
    space = session.engine.problem.space
    if not space.declared or UNTRIED in session.engine.attrs:
        return
    found = objective.outside(space)
    session.note(None, {UNTRIED: found[0] if found else "nothing says what all parameters are without tuning"})
    if found and not objective.is_inner:
        log.warning(
            "%s: no default is tried, so nothing is compared with what there is without tuning: %s. To have it, %s",
            session.name,
            *found,
        )
