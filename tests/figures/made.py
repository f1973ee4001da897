"""Histories for figures to draw, made without running anything."""

from __future__ import annotations

import numpy as np

from kilter import Boolean, Choice, Float, Int, Ordinal, Space
from kilter.core.events import Failure, Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Objective, Problem

BROKEN = r"$\frac{$"
"""A formula of which Matplotlib could make nothing."""
HOSTILE = (
    "<script>alert(1)</script>",
    "a&b",
    "$x$ %{y}",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred",
    "_hidden",
    BROKEN,
)

SPACE = Space(
    {
        "lr": Float(1e-5, 1e-1, log=True),
        "depth": Int(1, 8),
        "model": Choice({"svm": {"C": Float(1e-3, 1e3, log=True)}, HOSTILE[0]: {"leaf": Int(1, 500, log=True)}}),
        HOSTILE[2]: Choice(list(HOSTILE)),
        "size": Ordinal([16, 32, 64]),
        "bias": Boolean(),
    }
)


def history(trials: int, objectives: int = 1, space: Space = SPACE, constrained: bool = False) -> History:
    """Trials in every state, a few of them far off, infinite or without a value, with reports and workers."""
    stream = np.random.default_rng(0)
    goals = (Objective("loss"), Objective(HOSTILE[0], "maximize"), Objective("cost"))[:objectives]
    constraints = (Constraint("cost", "<=", 1.2),) if constrained else ()
    made = History(Problem(space, goals, constraints))
    states = stream.choice([1, 1, 1, 1, 2, 3, 0, 5], size=trials)
    for number in range(trials):
        state = TrialState(int(states[number]))
        params = space.sample(seed=number)
        plain = space.plain(params)
        value = abs(np.log10(plain.get("lr", 1e-3)) + 3) + 0.1 * plain.get("depth", 1) + 0.1 * stream.standard_normal()
        far = {0: 1e7, 1: np.inf}.get(int(stream.integers(30)), 0.0)
        metrics = {
            "loss": value + far,
            HOSTILE[0]: np.sqrt(abs(value)) + 0.5 * stream.random(),
            "cost": float(stream.random() * 1.5),
        }
        add(made, Record(number, TrialState.RUNNING, plain), state, metrics if state in (1, 2) else {})
    return made


def add(made: History, record: Record, state: TrialState, metrics: dict[str, float]) -> None:
    """One more trial, with three reports, by one of four workers, ended as the state says."""
    number = record.number
    record.worker, record.attempt, record.started = f"host-{number % 4}-{HOSTILE[3]}", 1, 1.7e9 + 10 * number
    made.add(record)
    reports = tuple(Report(step, {"loss": 3.0 / step + number % 7}) for step in (1, 2, 3))
    made.reports.extend(number, reports)
    if state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        record.ended, record.metrics = record.started + 30.0, metrics
        record.failure = Failure("ValueError", HOSTILE[0]) if state is TrialState.FAIL else None
        made.move(record, state)
        made.settle(record)
    else:
        made.move(record, state)


def wide(parameters: int) -> Space:
    """A space of so many parameters."""
    kinds = (Float(0, 1), Int(1, 10), Choice(["a", "b"]))
    return Space({f"p{i}": kinds[i % 3] for i in range(parameters)})


def population(members: int, generations: int) -> History:
    """A population of which each generation but the first goes on from the better half of the one before."""
    made, space = History(Problem(SPACE)), SPACE
    for number in range(members * generations):
        generation, place = divmod(number, members)
        parent = (generation - 1) * members + place // 2 if generation else None
        made.add(record := Record(number, TrialState.RUNNING, space.plain(space.sample(seed=number)), 1, parent=parent))
        step, value = generation + 1, 10.0 - generation + 0.3 * place
        made.reports.extend(number, (Report(step, {"value": value}),))
        record.started, record.ended, record.metrics = 1.7e9 + number, 1.7e9 + number + 1, {"value": value}
        made.move(record, TrialState.COMPLETE)
        made.settle(record)
    return made
