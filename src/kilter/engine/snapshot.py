"""An engine as bytes, so that opening a study need not replay its whole log. No pickle: JSON beside NumPy arrays.

A snapshot is an optimisation: where one is missing, of another version or does not load, the log is replayed.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from kilter.core.codec import dumps_state, loads_state
from kilter.core.events import Failure, TrialState
from kilter.core.history import Trial
from kilter.core.problem import Problem
from kilter.engine.engine import Engine

VERSION = "1"

COLUMNS = ("state", "params", "attempt", "worker", "metrics", "created", "enqueued", "started", "ended", "seen")
"""What every trial has; attributes and failures, which few have, are kept by number."""


def dumps(engine: Engine) -> bytes:
    """The engine's history and states; sampler and scheduler themselves are settings, which the log has."""
    trials = engine.history.trials
    content = {
        "sampler": repr(engine.sampler),
        "problem": engine.problem_json,
        "attrs": engine.attrs,
        "ledger": vars(engine.ledger),
        "sampler_state": dumps_state(engine.sampler_state).decode(),
        "scheduler_state": dumps_state(engine.scheduler_state).decode(),
        "position": engine.position,
        "columns": {name: [getattr(trial, name) for trial in trials] for name in COLUMNS},
        "trial_attrs": {t.number: t.attrs for t in trials if t.attrs},
        "failures": {t.number: vars(t.failure) for t in trials if t.failure},
        "waiting": list(engine.history.waiting),
        "running": list(engine.history.running),
        "finished": engine.history.finished,
    }
    arrays = {f"report {name}": column for name, column in engine.history.reports.arrays().items()}
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
    np.savez(buffer, content=text, **arrays)
    return buffer.getvalue()


def loads(engine: Engine, data: bytes) -> None:
    """Bring a fresh engine to where the snapshot was taken; raises ValueError or KeyError where it does not fit."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        content: dict[str, Any] = json.loads(arrays["content"].tobytes())
        if content["sampler"] != repr(engine.sampler):
            raise ValueError("the snapshot is of another sampler")
        reports = {name[len("report ") :]: arrays[name] for name in arrays.files if name != "content"}
    sampler_state = loads_state(type(engine.sampler_state), content["sampler_state"])
    scheduler_state = loads_state(type(engine.scheduler_state), content["scheduler_state"])
    history = engine.history
    history.problem = Problem.from_json(content["problem"])
    columns = content["columns"]
    columns["state"] = list(map(TrialState, columns["state"]))
    for number, row in enumerate(zip(*(columns[name] for name in COLUMNS))):
        history.add(Trial(number, **dict(zip(COLUMNS, row))))
    for number, attrs in content["trial_attrs"].items():
        history[int(number)].attrs = attrs
    for number, failure in content["failures"].items():
        history[int(number)].failure = Failure(**failure)
    history.waiting = {number: history[number] for number in content["waiting"]}
    history.running = {number: history[number] for number in content["running"]}
    for number in content["finished"]:
        history.settle(history[number])
    history.reports.restore(reports)
    vars(engine.ledger).update(content["ledger"])
    engine.attrs = content["attrs"]
    engine.sampler_state, engine.scheduler_state = sampler_state, scheduler_state
    engine.position = content["position"]
