"""How a study stands by what its runs were asked for, as who looks at it from elsewhere is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.events import ASKED
from kilter.core.limits import BOUNDS, COUNTS, Limits
from kilter.engine.replica import Replica


def noted(limits: Limits) -> dict[str, Any]:
    """The bounds of a run as the attribute that tells others of them.

    >>> noted(Limits(trials=20, target=0.5))
    {'trials': 20, 'target': 0.5}
    """
    given = {name: value for name in BOUNDS if (value := getattr(limits, name)) is not None}
    return {name: int(value) if name in COUNTS else float(value) for name, value in given.items()}


def asked(replica: Replica) -> Limits:
    """The bounds that the latest run was asked for; none where nobody said."""
    given = replica.attrs.get(ASKED)
    if given is None:
        given = _of_a_program(replica.attrs.get("run"))
    try:
        return Limits(**{name: given[name] for name in BOUNDS if name in given})
    except (InvalidInput, TypeError):  # an attribute may be anything
        return Limits()


def _of_a_program(run: Any) -> dict[str, Any]:
    """The total that `kilter run` keeps with its program, which is all that there is in a log of before."""
    budget = run.get("budget") if isinstance(run, Mapping) else None
    if not isinstance(budget, Mapping):
        return {}
    return {"trials": budget.get("n_trials", budget.get("trials"))}


def goal(replica: Replica) -> int | None:
    """How many trials the study is to have in the end, with those that were added; None where nobody gave a total."""
    trials = asked(replica).trials
    return None if trials is None else trials + replica.steering.trials


def used(replica: Replica) -> int:
    """How many trials of the goal are used up: those that finished, but for failures that are forgiven."""
    return len(replica.history.finished) - replica.history.forgiven


def is_done(replica: Replica) -> bool:
    """Whether the study has what it was asked for."""
    wanted = goal(replica)
    if wanted is not None and used(replica) >= wanted:
        return True
    return replica.ledger.reached(asked(replica), replica.history) is not None


def standing(replica: Replica, workers: int) -> str:
    """In one word how a study stands where so many workers are there.

    "paused" and "stopped" are what a user said; otherwise it is "running", "stalled" where trials run and no worker is
    there, "done" where it has what it was asked for, and "idle".
    """
    if replica.control != "running":
        return replica.control
    if workers:
        return "running"
    if replica.history.running:
        return "stalled"
    return "done" if is_done(replica) else "idle"
