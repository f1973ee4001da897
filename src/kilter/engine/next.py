"""What a worker writes next: one question to an engine, one answer, nothing done.

A trial that lost its worker goes on first; else it is what the scheduler plans, with a configuration from the queue or
from the sampler. Who asks writes the answer into the log, and asks again where the log refuses it: another worker was
faster, and the engine knows more now.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import replace

from kilter.core.actions import Budget, Fork, Repeat, Resume, Start, Stop, Wait
from kilter.core.events import LOST, Dropped, Ended, Failure, Started, TrialState
from kilter.core.history import History, Record
from kilter.core.parameter import Plain
from kilter.core.problem import Problem
from kilter.engine.engine import Engine


def next_event(
    engine: Engine,
    worker: str,
    now: float,
    *,
    busy: Container[int] = (),
    limit: int | None = None,
    is_new: bool = True,
    may_add: bool = False,
) -> Started | Dropped | Wait | None:
    """What a free worker writes now; Wait where something that runs has to end first, None where nothing is left.

    `busy` are trials that it still runs an earlier attempt at, `limit` bounds the number of trials, and with `is_new`
    False only those go on that have begun. With `may_add` trials that a user has added begin beyond these bounds. In a
    study that is paused it waits for whatever it would begin.
    """
    history = engine.history
    waiting = engine.claimable(busy)
    if engine.steering.is_paused:
        is_left = history.waiting or history.paused or _claim(engine, None, limit, is_new, may_add) is not None
        return Wait(PAUSED) if is_left else None
    if waiting is not None and waiting.attempt:
        return _started(engine, worker, now, waiting, waiting.params, waiting.budget)
    action = engine.plan()
    match action:
        case Wait():
            return action if history.running else None
        case Stop():
            assert action.number is not None, f"{engine.scheduler!r} plans to stop a trial, but does not say which"
            return Dropped(action.number, history[action.number].attempt, action.reason, now)
        case Resume():
            paused = history[action.number]
            return _started(engine, worker, now, paused, paused.params, action.budget)
    queued = waiting if isinstance(action, Start) else None
    granted = _claim(engine, queued, limit, is_new, may_add)
    if granted is None:
        return None
    if isinstance(action, Fork):
        return _started(engine, worker, now, None, action.params, action.budget, action.parent, granted)
    if isinstance(action, Repeat):
        params = history[action.number].params
        return _started(engine, worker, now, None, params, None, granted=granted, confirms=action.number)
    config = engine.propose(len(history) if queued is None else queued.number)
    # What no scheduler stops goes to its end at once, whatever the budget of those that they may stop.
    budget = action.budget if queued is None or queued.judged else None
    return None if config is None else _started(engine, worker, now, queued, config, budget, granted=granted)


PAUSED = "the study is paused"


def _claim(engine: Engine, queued: Record | None, limit: int | None, is_new: bool, may_add: bool) -> bool | None:
    """Whether a first attempt uses up one of the trials that a user has added; None where it may not begin."""
    steering = engine.steering
    if is_new and (queued is not None or limit is None or len(engine.history) - steering.begun < limit):
        return False
    return True if may_add and steering.left > 0 else None


def _started(
    engine: Engine,
    worker: str,
    now: float,
    trial: Record | None,
    params: Mapping[str, Plain],
    budget: Budget | None,
    parent: int | None = None,
    granted: bool = False,
    confirms: int | None = None,
) -> Started:
    """The start of the next attempt at a trial or, with None, of the first one at a new trial."""
    return Started(
        number=len(engine.history) if trial is None else trial.number,
        attempt=1 if trial is None else trial.attempt + 1,
        params=params,
        worker=worker,
        seen=engine.position,
        time=now,
        fresh=trial is None,
        parent=parent,
        budget=_whole(budget, engine.problem),
        granted=granted,
        confirms=confirms,
    )


def _whole(planned: Budget | None, problem: Problem) -> Budget | None:
    """How far an attempt goes: along each fidelity as planned, else to its end."""
    full = problem.full_budget
    return {**full, **(planned or {})} if full else None


def is_drawn(start: Started, history: History) -> bool:
    """Whether the sampler had a say in the configuration: what a user or a scheduler wants again is done again."""
    if start.fresh:
        return start.parent is None and start.confirms is None
    return history[start.number].params != start.params


def under_next_number(
    start: Started, engine: Engine, limit: int | None = None, busy: Container[int] = ()
) -> Started | None:
    """The start of a new trial, which was refused or was made ahead, under the number that is next now.

    None where it would not do for that: another trial goes first, or has just this configuration.
    """
    if engine.claimable(busy) is not None:
        return None
    history, plan = engine.history, engine.plan()
    if engine.steering.is_paused or _claim(engine, None, limit, not start.granted, start.granted) is not start.granted:
        return None
    if not (start.fresh and is_drawn(start, history) and isinstance(plan, Start)):
        return None
    if _whole(plan.budget, engine.problem) != start.budget:
        return None
    others = [*history.running.values(), *history.trials[start.number :]]
    if any(trial.params == start.params for trial in others):
        return None
    return replace(start, number=len(history))


def ends_of_lost(history: History, alive: Collection[str], now: float) -> list[Ended]:
    """The ends of the attempts that run on workers which are not alive."""
    lost = [trial for trial in history.running.values() if trial.worker not in alive]
    return [Ended(t.number, t.attempt, TrialState.FAIL, {}, now, failure=_lost(t)) for t in lost]


def _lost(trial: Record) -> Failure:
    return Failure(LOST, f"the worker {trial.worker} vanished while it ran attempt {trial.attempt}")
