"""Whether a stored study is of the objective at hand, and what happens where it is not.

A name and a file are no identity: the study remembers its objective (kilter.core.definition), and an objective that
differs never gets the old one's results for its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput, SpaceChanged, StudyChanged
from kilter.core.events import Defined, TrialState
from kilter.engine.engine import Engine
from kilter.runtime.session import Session

IF_CHANGED = ("fail", "continue", "new")
"""What to do with a study whose objective has changed since: stop, go on with its results, or begin another one."""

CONTINUE = "if_changed='continue' goes on with them"
BEGIN = "if_changed='new' begins a new study beside it"
RENAME = "choose another study_name"
JOIN = "or join another study, one that was made with it"
"""Ways on from there."""

LISTED = 3
"""Differences that a message names."""


def check_choice(if_changed: str) -> None:
    """Raise InvalidInput for a choice that there is not."""
    if if_changed not in IF_CHANGED:
        raise InvalidInput(f"if_changed={if_changed!r}: choose one of {', '.join(map(repr, IF_CHANGED))}")


def has_results(engine: Engine) -> bool:
    """Whether any trial has come to something: it is complete, pruned or paused, or it runs."""
    states = engine.ledger.states
    return bool(
        states.get(TrialState.COMPLETE.name, 0)
        or states.get(TrialState.PRUNED.name, 0)
        or engine.history.paused
        or engine.history.running
    )


def differences(engine: Engine, definition: Definition | None) -> list[str]:
    """What tells the objective at hand from the study's, in words; nothing where either is not known."""
    if definition is None or engine.defined is None:
        return []
    return Definition.from_json(engine.defined.definition).differences(definition)


def unlike(engine: Engine, definition: Definition | None) -> list[str]:
    """The code of which nobody can tell whether it is the study's, since the two were not read in the same way."""
    if definition is None or engine.defined is None:
        return []
    return Definition.from_json(engine.defined.definition).unlike(definition)


def changed(
    session: Session, found: Sequence[str], ways: Sequence[str], kind: type[StudyChanged] = StudyChanged
) -> StudyChanged:
    """The error for a study of another objective: what differs, since when, and the ways on that there are."""
    name, engine = session.name, session.engine
    listed = "; ".join(found[:LISTED]) + (f"; and {len(found) - LISTED} more" if len(found) > LISTED else "")
    count = len(engine.history) - engine.history.forgiven
    since = _date(engine.defined.time if engine.defined else engine.history[0].created) if count else "it was made"
    results = f"Its {count} results may not hold now" if count > 1 else "Its result may not hold now"
    removal = [f"or remove it: {session.command('rm')}"] if RENAME in ways and session.storage.is_durable else []
    what = "space" if kind is SpaceChanged else "objective"
    made = f"the study {name!r} was made with a different {what}: {listed}, since {since}"
    taking = [f"or have another study learn from it: transfer=[kilter.Earlier({name!r}, same=True)]"]
    return kind(f"{made}. {results}: {'; '.join([*ways, *removal, *(taking if kind is SpaceChanged else [])])}")


def define(session: Session, definition: Definition | None) -> None:
    """Have the study remember its objective.

    Failures of before a change are forgiven. So are all that there are where nothing ever succeeded: who runs such a
    study again has mended something, if only what no code shows.
    """
    if definition is None:
        return
    engine = session.engine
    failed = any(trial.state is TrialState.FAIL and not trial.forgiven for trial in engine.history)
    forgives = failed and (bool(differences(engine, definition)) or not has_results(engine))
    if forgives or engine.defined is None or engine.defined.definition != definition.to_json():
        session.write(Defined(definition.to_json(), session.clock(), forgives))


def name(session: Session, definition: Definition | None) -> None:
    """Have the study remember its objective where it knows of none; what is told of it otherwise stays."""
    if definition is not None and session.engine.defined is None:
        session.write(Defined(definition.to_json(), session.clock()))


def forgive(session: Session) -> None:
    """Have no failure so far count: the objective, or what it needs, is broken, and will be mended."""
    engine = session.engine
    if any(trial.state is TrialState.FAIL and not trial.forgiven for trial in engine.history):
        known = engine.defined.definition if engine.defined else Definition("").to_json()
        session.write(Defined(known, session.clock(), forgives=True))


def answered(session: Session) -> str:
    """What to add to the reason of a run that evaluated nothing: of when its results are, and what could be mended."""
    engine = session.engine
    ended = [trial.ended for trial in engine.history.trials if trial.ended is not None]
    if not ended:
        return ""
    failed = any(trial.state is TrialState.FAIL and not trial.forgiven for trial in engine.history)
    again = f" ({session.command('retry', '--failed')} runs failed trials again)" if failed else ""
    return f"; nothing was evaluated, the results are from {_date(max(ended))}{again}"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
