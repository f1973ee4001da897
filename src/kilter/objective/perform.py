"""How any executor calls an objective on a task, and says how it ended."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn, Union

from kilter.core.errors import TrialPruned
from kilter.core.events import MISUSE, Failure, TrialState
from kilter.core.interfaces import Draw, Line, Outcome, Task
from kilter.core.problem import Problem
from kilter.objective.attempt import Attempt
from kilter.objective.failures import Interruption, failure_of, is_misuse, release
from kilter.objective.trial import Trial


def perform(
    objective: Callable[..., Any],
    task: Task,
    line: Line,
    draw: Draw | None = None,
) -> Outcome:
    """Call the objective on a task and say how it ended: whatever it raises is the trial's failure.

    Two things leave this function: an Interruption, and a KeyboardInterrupt, of which only the caller knows whether it
    came from outside. `line` leads to the study, and `draw` chooses what nobody has chosen before.
    """
    problem = task.problem
    attempt = Attempt(task, line, draw)
    trial = Trial(attempt)
    try:
        result = _returned(lambda: _call(objective, trial, problem))
        if attempt.has_left:
            raise TrialPruned
        return attempt.outcome(TrialState.COMPLETE, problem.metrics(result))
    except (KeyboardInterrupt, Interruption):
        raise
    except TrialPruned as error:
        release(error)
        return attempt.left()
    except BaseException as error:  # bound to no variable that outlives this block: it would keep its own frame alive
        failure = failure_of(error)
        if is_misuse(error):
            failure = Failure(MISUSE, f"{failure.kind}: {failure.message}", failure.traceback)
        return attempt.outcome(TrialState.FAIL, {}, failure, error)


def _returned(call: Callable[[], Any]) -> Any:
    """What the objective returns or raises in this process; one that it forked ends here, and is no second worker."""
    process = os.getpid()
    try:
        result = call()
    except BaseException as error:
        if os.getpid() != process:
            _end_fork(error)
        raise
    if os.getpid() != process:
        _end_fork(None)
    return result


def _end_fork(error: BaseException | None) -> NoReturn:
    """End a forked process as Python ends one: say what it raised, and exit with the code that belongs to that."""
    code = 0 if error is None else 1
    try:
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            code = error.code or 0
        elif isinstance(error, SystemExit):
            sys.stderr.write(f"{error.code}\n")
        elif error is not None:
            traceback.print_exception(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def _call(objective: Callable[..., Any], trial: Trial, problem: Problem) -> Any:
    """Call with keywords, or the trial first where nothing is declared or the one needed argument is no parameter."""
    names, takes_all, alone, has_place = _signature(objective)
    params = {**trial.params, **trial.budget}
    arguments = dict(params) if takes_all else {name: params[name] for name in names if name in params}
    if "trial" in names:
        arguments["trial"] = trial
    elif (alone is not None and alone not in problem.space and alone not in params) or (has_place and problem.is_open):
        return objective(trial, **arguments)
    return objective(**arguments)


Signature = tuple[tuple[str, ...], bool, Union[str, None], bool]
"""Names that can be keywords; whether any can; the only needed one; whether there is a place for the trial in front."""


def _signature(objective: Callable[..., Any]) -> Signature:
    try:
        return _read_signature(objective)
    except TypeError:  # an objective that cannot be hashed
        return _read_signature.__wrapped__(objective)


@lru_cache(maxsize=256)
def _read_signature(objective: Callable[..., Any]) -> Signature:
    arguments = list(inspect.signature(objective).parameters.values())
    places = [a for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)]
    needed = [a.name for a in places if a.default is a.empty]
    return (
        tuple(a.name for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)),
        any(a.kind is a.VAR_KEYWORD for a in arguments),
        needed[0] if len(needed) == 1 else None,
        bool(places) or any(a.kind is a.VAR_POSITIONAL for a in arguments),
    )
