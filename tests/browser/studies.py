"""Studies to look at, made of real events, and the same each time: small, large, and in every way strange.

`STUDIES` has them by name; `build(storage, names)` writes them. A trial's worth follows from its configuration, so that
importance, effects and fronts have something to find.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kilter import Boolean, Choice, Float, Int, Ordinal, Simplex, Space, replay
from kilter.core.earlier import EarlierStudy
from kilter.core.events import (
    Created,
    Ended,
    Enqueued,
    Event,
    Failure,
    Noted,
    Recalled,
    Report,
    Reported,
    Started,
    TrialState,
)
from kilter.core.interfaces import Storage
from kilter.core.problem import Fidelity, Problem
from kilter.engine.engine import Engine
from kilter.plugins import find, spec
from kilter.runtime.log import Log

BEGAN = 1_760_000_000.0
"""When all of them began, in seconds since the epoch."""
WORKERS = ("host-a-1", "host-a-2", "host-b-1", "host-b-2")
SECONDS = 10.0
"""From one trial of a worker to its next."""
CHUNK = 20_000
"""Events written in one transaction."""

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
FAILURES = (
    Failure("RuntimeError", "CUDA out of memory: tried to allocate 2 GiB", 'File "/home/me/train.py", line 40, in fit'),
    Failure("ValueError", "lr=0.25 is too large", 'Traceback (most recent call last):\n  File "train.py", line 7'),
)
HOSTILE = "<img src=x onerror=alert(1)>\"'`&amp;\x1b[31m\u202egnp.exe"
"""A name that would be code in HTML, in an attribute, in a terminal, and reads backwards."""


def digits(rows: int = 6) -> Space:
    """What most of them tune: numbers on both scales, whole ones, options."""
    parameters: dict[str, Any] = {
        "lr": Float(1e-5, 1.0, log=True, default=1e-2),
        "width": Int(8, 512, log=True, default=64),
        "dropout": Float(0.0, 0.8),
        "activation": Choice(["relu", "gelu", "tanh"]),
        "norm": Boolean(),
        "batch": Ordinal([16, 32, 64, 128, 256]),
    }
    return Space(dict(list(parameters.items())[:rows]))


def worth(units: np.ndarray) -> np.ndarray:
    """What a configuration is worth, between about 0 and 1: the first parameters matter most; shape (n, d) to (n,)."""
    known = np.nan_to_num(units, nan=0.5)
    weights = 0.5 ** np.arange(known.shape[1])
    return 1.0 - ((known - 0.6) ** 2 @ weights) / weights.sum() * 2.0


@dataclass(frozen=True)
class Made:
    """How a study is made; `trial` may change what becomes of each trial."""

    trials: int
    problem: Problem = field(default_factory=lambda: Problem.of(digits(), directions={"accuracy": "maximize"}))
    steps: int = 0
    running: int = 0
    pruned: float = 0.0
    failed: float = 0.02
    others: Callable[[float, np.random.Generator], dict[str, float]] = lambda value, rng: {}
    """Further metrics, given the first."""
    value: Callable[[int, float], float] = lambda number, value: value
    parents: int = 0
    """Members of a population, of which each later trial continues one."""
    events: tuple[Event, ...] = ()
    """What else happened, at the end."""
    scheduler: str = "auto"
    sampler: str = "tpe"
    folds: int = 0
    earlier: tuple[str, ...] = ()
    """Names of studies that it learns from, of which its first trials have configurations; the last one misleads."""


def _problem(space: Mapping[str, Any] | Space, directions: Mapping[str, str] | None = None, **more: Any) -> Problem:
    space = space if isinstance(space, Space) else Space(space)
    return Problem.of(space, directions=directions or {"accuracy": "maximize"}, **more)


def _conditional() -> Space:
    kernels = {"rbf": {"gamma": Float(1e-4, 10, log=True)}, "linear": {}}
    svm = {"C": Float(1e-3, 1e3, log=True), "kernel": Choice(kernels)}
    forest = {"trees": Int(10, 1000, log=True), "depth": Int(1, 20)}
    return Space({"model": Choice({"svm": svm, "forest": forest}), "scale": Boolean(), "mix": Simplex(3)})


def _many(count: int) -> Space:
    return Space({f"layer{i // 10}.w{i % 10}": Float(0, 1) if i % 3 else Int(1, 9) for i in range(count)})


def _hostile() -> Space:
    return Space(
        {
            HOSTILE: Float(0, 1),
            "学習率 📈": Float(1e-5, 1, log=True),
            "__proto__": Choice(["</script><script>alert(2)</script>", "constructor", HOSTILE, "=1+1"]),
            "a" * 300: Int(1, 5),
        }
    )


def _front(count: int) -> Callable[[float, np.random.Generator], dict[str, float]]:
    def others(value: float, rng: np.random.Generator) -> dict[str, float]:
        return {name: float((1 + value) ** 3 * scale * rng.lognormal(0, 0.3)) for name, scale in SCALES[: count - 1]}

    return others


SCALES = (("latency_ms", 12.0), ("size_mb", 40.0))


def _strange(number: int, value: float) -> float:
    return {0: math.inf, 1: -math.inf, 2: 1e300, 3: -1e300, 4: 5e-324}.get(number % 12, value)


STUDIES: dict[str, Made] = {
    "empty": Made(0),
    "one": Made(1, failed=0.0),
    "three": Made(3, failed=0.0, running=1, steps=5),
    "two-hundred": Made(200, steps=12, pruned=0.5, running=3),
    "five-thousand": Made(5_000, _problem(digits()), steps=20, pruned=0.5, running=4),
    "conditional": Made(300, _problem(_conditional())),
    "two-objectives": Made(
        400, _problem(digits(), {"accuracy": "maximize", "latency_ms": "minimize"}), others=_front(2)
    ),
    "three-objectives": Made(
        400,
        _problem(digits(), {"accuracy": "maximize", "latency_ms": "minimize", "size_mb": "minimize"}),
        others=_front(3),
    ),
    "constraints": Made(300, _problem(digits(), subject_to={"latency_ms": "<= 30"}), others=_front(3)),
    "all-failed": Made(60, failed=1.0),
    "nan-and-inf": Made(120, value=_strange, failed=0.2),
    "many-parameters": Made(150, _problem(_many(300))),
    HOSTILE: Made(
        80,
        _problem(_hostile(), {HOSTILE: "minimize"}),
        failed=0.2,
        earlier=("cancer", HOSTILE),
        events=(Noted(None, {HOSTILE: HOSTILE}, BEGAN), Noted(3, {HOSTILE: {"__proto__": HOSTILE}}, BEGAN)),
    ),
    "population": Made(96, steps=4, parents=8, scheduler="pbt"),
    "folds": Made(120, folds=5),
    "fidelities": Made(
        250,
        _problem(digits(), fidelity=[Fidelity("epochs", 1, 81), Fidelity("rows", 0.1, 1.0)]),
        steps=81,
        pruned=0.7,
        scheduler="asha",
    ),
    "hundred-thousand": Made(
        100_000, _problem({**digits().parameters, **{f"x{i}": Float(0, 1) for i in range(4)}}), pruned=0.3, running=2
    ),
}
SMALL = tuple(name for name, made in STUDIES.items() if made.trials <= 5_000)
"""Those that are made in a moment; the largest takes half a minute."""


def build(storage: Storage, names: Iterable[str] = SMALL, until: float | None = None) -> dict[str, int]:
    """Write these studies; their ids by name. What is durable gets a snapshot where it has many trials.

    All began at one time or, with `until`, so that what runs does so at that time.
    """
    return {name: write(storage, name, STUDIES[name], until) for name in names}


def write(storage: Storage, name: str, made: Made, until: float | None = None) -> int:
    """Write one study; its id."""
    later = 0.0 if until is None else until - BEGAN - SECONDS * (2 + (made.trials + made.running) // len(WORKERS))
    sampler, scheduler = find("sampler", made.sampler), find("scheduler", made.scheduler)
    born = Created(made.problem.to_json(), spec("sampler", sampler), spec("scheduler", scheduler), 0, BEGAN + later)
    study = storage.create(name, born)
    chunk: list[Event] = [Recalled(_earlier(made), BEGAN)] if made.earlier else []
    position = 1
    for event in sorted(_events(made), key=lambda event: event.time):
        chunk.append(replace(event, time=event.time + later))
        if len(chunk) >= CHUNK:
            position = _append(storage, study, chunk, position)
            chunk = []
    position = _append(storage, study, [*chunk, *made.events], position)
    if storage.is_durable and position > 3 * CHUNK:
        _keep_snapshot(storage, study)
    return study


def _earlier(made: Made) -> tuple[EarlierStudy, ...]:
    """What is recalled: the configurations of its first trials, of which the last study says what the others do not."""
    space = made.problem.space
    units = _better_and_better(np.random.default_rng([7, made.trials]), made.trials, len(space))[:12]
    configs, losses = tuple(map(space.decode, units)), -worth(units)
    tried = {**dict.fromkeys(made.earlier, losses), made.earlier[-1]: -losses}
    odd = EarlierStudy("odd", ({"alpha": 0.5},) * 3, (1.0, 2.0, 3.0), trials=3)
    return (*(EarlierStudy(name, configs, tuple(mine.tolist()), trials=60) for name, mine in tried.items()), odd)


def _append(storage: Storage, study: int, events: list[Event], after: int) -> int:
    return after + len(storage.append(study, events, after).entries)


def _keep_snapshot(storage: Storage, study: int) -> None:
    """As the worker leaves it that wrote the study, with a sampler that remembers nothing."""
    log: Log[Engine] = replay.followed(study, storage, lambda first: replay.fresh(first, None, None))
    log.save_snapshot()


def _events(made: Made) -> Iterator[Event]:
    """One trial after the other on four workers, so not in the order of time."""
    rng = np.random.default_rng([7, made.trials])
    space, count = made.problem.space, made.trials + made.running
    units = _better_and_better(rng, count, len(space))
    values, dice, noise = worth(units), rng.random((count, 3)), rng.normal(0, 0.01, count)
    for number in range(count):
        begins = BEGAN + SECONDS * (number // len(WORKERS)) + number % len(WORKERS)
        parent = number - made.parents if made.parents and number >= made.parents else None
        params = space.decode(units[number])
        if number % 50 == 7:
            yield Enqueued(number, params, begins - 1.0)
        fresh, budget = number % 50 != 7, _budget(made.problem, dice[number, 2])
        worker = WORKERS[number % len(WORKERS)]
        yield Started(number, 1, params, worker, 1, begins, fresh, parent, budget)
        if number < made.trials:
            value = made.value(number, float(values[number] + noise[number]))
            yield from _finished(made, number, begins, value, dice[number], budget, rng)
        elif made.steps:
            yield Reported(number, 1, _curve(made, float(values[number]), 2), begins + 2.0)


def _better_and_better(rng: np.random.Generator, count: int, dimensions: int) -> np.ndarray:
    """Points that gather about a good one, as a sampler's do; shape (count, dimensions)."""
    pull = 0.7 * np.linspace(0, 1, count)[:, None]
    return np.clip((1 - pull) * rng.random((count, dimensions)) + pull * 0.6, 0.0, 1.0)


def _budget(problem: Problem, dice: float) -> dict[str, float] | None:
    if not problem.fidelities:
        return None
    return problem.budget((1.0, 1 / 3, 1 / 9, 1 / 27)[min(int(dice**0.5 * 4), 3)])


def _finished(
    made: Made,
    number: int,
    begins: float,
    value: float,
    dice: np.ndarray,
    budget: Mapping[str, float] | None,
    rng: np.random.Generator,
) -> Iterator[Event]:
    lasts = 2.0 + 7.0 * float(dice[1])
    if dice[0] < made.failed:
        failure = FAILURES[number % len(FAILURES)]
        yield Ended(number, 1, FAIL, {}, begins + lasts, failure=failure)
        return
    is_pruned = dice[0] < made.failed + made.pruned and made.steps > 0
    steps = int(made.steps * (0.2 + 0.6 * dice[2])) + 1 if is_pruned else made.steps
    if budget and not is_pruned:
        steps = int(budget[made.problem.fidelities[0].name])
    reports = _curve(made, value, min(steps, made.steps)) + _scores(made, value, rng)
    first = made.problem.objectives[0].name
    last = reports[-1].metrics[first] if is_pruned else value
    metrics = {first: last, **made.others(value, rng)}
    metrics = {name: metrics.get(name, last) for name in dict.fromkeys([*metrics, *made.problem.metric_names])}
    yield Ended(number, 1, PRUNED if is_pruned else COMPLETE, metrics, begins + lasts, reports)


def _curve(made: Made, value: float, steps: int) -> tuple[Report, ...]:
    name = made.problem.objectives[0].name
    return tuple(
        Report(step, {name: value * (1 - 0.6 * 0.8**step), "loss": 2.0 * 0.9**step}) for step in range(1, steps + 1)
    )


def _scores(made: Made, value: float, rng: np.random.Generator) -> tuple[Report, ...]:
    name = made.problem.objectives[0].name
    return tuple(Report(0, {name: value + float(rng.normal(0, 0.02))}, fold) for fold in range(made.folds))
