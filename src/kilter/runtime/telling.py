"""A trial that is asked for, and what is told of it, read into what the log keeps."""

from __future__ import annotations

from typing import Any

from kilter.core.actions import Wait
from kilter.core.errors import InvalidInput, NotANumber, NotReady
from kilter.core.events import Failure, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Outcome
from kilter.objective.attempt import Attempt
from kilter.runtime.session import Session, check_objects
from kilter.runtime.steering import begin, paused_text

Told = tuple[dict[str, float], TrialState, "Failure | None"]


def begun(session: Session, name: str) -> Record:
    """The next trial, begun for this process; raises NotReady where there is none, or none yet."""
    if not session.engine.problem.is_open:  # else the objective brings the objects
        check_objects(session.engine)
    steering = session.engine.steering
    if steering.stopped > session.obeys_from:
        session.obeys_from = session.engine.position
        raise NotReady(f"{name!r} was stopped: who asks again goes on with it")
    begin(session, session.clock())
    record = session.begin()
    if not isinstance(record, Record):
        session.leave()
    if record is None:
        raise NotReady(f"{name!r} has nothing left to try")
    if isinstance(record, Wait) and steering.is_paused:
        raise NotReady(paused_text(session))
    if isinstance(record, Wait):
        raise NotReady(f"the scheduler of {name!r} waits for a running trial to end: tell a result first")
    return record


def outcome_of(
    history: History, record: Record, attempt: Attempt | None, values: Any, state: TrialState | None
) -> Outcome | None:
    """The outcome of a trial that is told here; None where exactly this was told before.

    `attempt` stands behind what ask() gave out, where it is known here. Raises InvalidInput for what does not fit the
    objectives.
    """
    if attempt is not None and attempt.has_left and state is None:
        state, values = TrialState.PRUNED, None
    if attempt is not None and state is TrialState.PRUNED and values is None:
        return attempt.left(_last_reported(history, record))
    metrics, state, failure = meaning(history, record, values, state)
    if attempt is not None:  # also one that was given up
        return attempt.outcome(state, metrics, failure)
    if record.is_finished:
        if (record.state, record.metrics) == (state, metrics):
            return None
        raise InvalidInput(f"trial {record.number} has ended already, as {record.state.name}: ask for a new one")
    if record.state is TrialState.WAITING:
        raise InvalidInput(f"trial {record.number} has not been started: ask() hands it out")
    return Outcome(record.number, record.attempt, state, metrics, failure=failure)


def meaning(history: History, record: Record, values: Any, state: TrialState | None) -> Told:
    """What is told of a trial: its metrics, its state and why it failed; raises InvalidInput."""
    if state is TrialState.FAIL:
        return {}, state, Failure("told", "told as failed")
    if state is TrialState.PRUNED and values is None:
        return _last_reported(history, record), state, None
    if state not in (None, TrialState.COMPLETE, TrialState.PRUNED):
        raise InvalidInput(f"state={state!r}: a trial is told as COMPLETE, PRUNED or FAIL")
    if values is None:
        raise InvalidInput(f"tell({record.number}) needs values, or state=TrialState.FAIL")
    try:
        return history.problem.metrics(values), state or TrialState.COMPLETE, None
    except InvalidInput as error:
        if state is None and isinstance(error, NotANumber):
            return {}, TrialState.FAIL, Failure("nan", str(error))
        raise


def _last_reported(history: History, record: Record) -> dict[str, float]:
    reports = history.reports.of(record.number)
    return dict(reports[-1].metrics) if reports else {}
