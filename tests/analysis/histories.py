"""Histories made by hand, and any history that Hypothesis thinks of."""

from __future__ import annotations

import math
import random

import numpy as np
from hypothesis import strategies as st

from kilter.core.events import INTERRUPTED, LOST, RETRIES, Failure, Report, TrialState
from kilter.core.history import History, Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice, Ordinal
from kilter.core.problem import Constraint, Fidelity, Objective, Problem
from kilter.core.space import Space

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING, PAUSED = TrialState.RUNNING, TrialState.WAITING, TrialState.PAUSED


def history_of(trials, problem=None):
    """Of dicts with the fields of a Record, and `reports` as (step, value) or Report; complete where no state is given.

    A `value` is the metric of the first objective, and `values` are those of all of them.
    """
    history = History(problem or Problem())
    names = history.problem.objective_names
    for number, told in enumerate(trials):
        told = dict(told)
        reports = tuple(r if isinstance(r, Report) else Report(r[0], {names[0]: r[1]}) for r in told.pop("reports", ()))
        values = told.pop("values", (told.pop("value"),) if "value" in told else ())
        metrics = {**dict(zip(names, values)), **told.pop("metrics", {})}
        state = told.pop("state", COMPLETE)
        history.add(Record(number, state, told.pop("params", {}), told.pop("attempt", 1), metrics=metrics, **told))
        if reports:
            history.reports.extend(number, reports)
        if state.is_finished():
            history.settle(history[number])
    return history


SPACE = Space(
    {
        "lr": Float(1e-4, 1.0, log=True),
        "depth": Int(1, 9),
        "size": Ordinal(["s", "m", "l"]),
        "model": Choice({"a": {}, "b": {"c": Float(0, 1)}}),
    }
)
SPACES = [Space(), SPACE, Space({"x": Float(0, 1)})]
CONSTRAINTS = [(), (Constraint("ms", "<=", 1.0),), (Constraint("o0", ">=", 0.0),)]
FIDELITIES = [(), (Fidelity("epochs", 1, 9),), (Fidelity("epochs", 1, 9), Fidelity("rows", 0.1, 1))]
ODD = [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, 1.0, 1.0]


@st.composite
def histories(draw, most=12):
    """Any trials in any state, with reports of folds and of the whole, NaN and infinity, parents, retries, no times.

    What trials hold is a matter of one seed, so that a history costs little.
    """
    chance = random.Random(draw(st.integers(0, 10**6)))
    objectives = [
        Objective(f"o{i}", chance.choice(["minimize", "maximize"])) for i in range(chance.choice([1, 1, 2, 3, 4]))
    ]
    problem = Problem(chance.choice(SPACES), tuple(objectives), chance.choice(CONSTRAINTS), chance.choice(FIDELITIES))
    return history_of([_trial(chance, problem, number) for number in range(draw(st.integers(0, most)))], problem)


def _trial(chance, problem, number):
    state = chance.choice([COMPLETE, *TrialState])
    is_old = state is WAITING or chance.random() < 0.2
    started = None if is_old else chance.uniform(0, 1e4)
    return {
        "state": state,
        "params": problem.space.draw(np.random.default_rng(chance.randrange(5))),
        "attempt": chance.randrange(state is not WAITING, 4),
        "worker": chance.choice([None, "a", "b"]),
        "metrics": {name: _number(chance) for name in [*problem.objective_names, "ms"] if chance.random() < 0.8},
        "failure": chance.choice([None, Failure("E", "x=1"), Failure(LOST), Failure(INTERRUPTED)])
        if state is FAIL
        else None,
        "attrs": chance.choice([{}, {}, {RETRIES: 0}, {RETRIES: "no"}]),
        "started": started,
        "ended": None if started is None or state is RUNNING else started + chance.uniform(0, 1e4),
        "parent": chance.randrange(number) if number and chance.random() < 0.3 else None,
        "budget": chance.choice([None, problem.full_budget]) if problem.fidelities else None,
        "reports": [
            Report(chance.randrange(10), {"o0": _number(chance)}, chance.choice([None, None, 0, "b"]))
            for _ in range(chance.randrange(5))
        ],
        "losses": chance.randrange(3),
    }


def _number(chance):
    return chance.choice(ODD) if chance.random() < 0.3 else chance.uniform(-3, 3)
