"""An engine as bytes, so that opening a study need not replay its whole log. No pickle: JSON beside NumPy arrays.

A snapshot is an optimisation: where one is missing, of another version or does not load, the log is replayed. A replica
takes of it what needs no plug-in.
"""

from __future__ import annotations

import io
import json
import operator
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import starmap
from typing import Any

import numpy as np

from kilter.core.archive import Archive
from kilter.core.codec import plainly
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput
from kilter.core.events import Defined, Failure, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import Sampler, Scheduler
from kilter.core.problem import Problem
from kilter.core.states import dumps_state, loads_state
from kilter.engine.engine import Engine
from kilter.engine.replica import Replica

VERSION = "10"

FIELDS = tuple(field.name for field in fields(Record))
COLUMNS = tuple(name for name in FIELDS if name not in ("number", "attrs", "failure", "sampled_before"))
"""What is kept of every trial; attributes and failures, which few have, are kept by number."""

TYPES = {"trial": np.int32, "step": np.int64, "fold": np.int32}
"""The dtypes of the columns of reports; metrics are float64."""


def dumps(engine: Engine) -> bytes:
    """The engine's history and states; sampler and scheduler themselves are settings, which the log has.

    Raises InvalidInput where the state of one of them cannot be stored.
    """
    trials = engine.history.trials
    content: dict[str, Any] = {
        "sampler": repr(engine.sampler),
        "scheduler": repr(engine.scheduler),
        "problem": engine.problem_json,
        "earlier": [study.to_json() for study in engine.history.earlier],
        "attrs": engine.attrs,
        "defined": engine.defined and [engine.defined.definition, engine.defined.time],
        "ledger": vars(engine.ledger),
        "steering": vars(engine.steering),
        "sampler_state": _dumped(engine.sampler, engine.sampler_state),
        "scheduler_state": _dumped(engine.scheduler, engine.scheduler_state),
        "position": engine.position,
        "columns": {name: [getattr(trial, name) for trial in trials] for name in COLUMNS},
        "trial_attrs": {t.number: t.attrs for t in trials if t.attrs},
        "failures": {t.number: vars(t.failure) for t in trials if t.failure},
        "waiting": list(engine.history.waiting),
        "running": list(engine.history.running),
        "paused": list(engine.history.paused),
        "folds": engine.history.reports.labels,
        "finished": engine.history.finished,
    }
    reports = engine.history.reports.arrays()
    content["reports"] = list(reports)  # not names within the archive, which cannot say every name of a metric
    arrays: dict[str, Any] = {f"report {i}": column for i, column in enumerate(reports.values())}
    arrays["content"] = np.frombuffer(json.dumps(content, default=plainly).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _dumped(plugin: Sampler | Scheduler, state: Any) -> str:
    try:
        return dumps_state(state).decode()
    except InvalidInput as error:
        raise InvalidInput(f"{type(plugin).__name__}: {error}") from error


def loads(replica: Replica, data: bytes) -> None:
    """Bring a fresh replica, such as an engine, to where the snapshot was taken.

    Raises ValueError where it does not fit; the replica may be half filled then and is of no further use.
    """
    try:
        _load(replica, data)
    except Exception as error:  # zip, NumPy's header parser, JSON and what is built from it: damage can raise anything
        raise ValueError(f"the snapshot does not fit: {type(error).__name__}: {error}") from error


def _check_reports(reports: dict[str, np.ndarray], folds: Any, trials: int) -> None:
    if len({column.shape for column in reports.values()}) > 1 or reports["trial"].ndim != 1:
        raise ValueError("columns of reports of different lengths")
    if any(column.dtype != TYPES.get(name, np.float64) for name, column in reports.items()):
        raise ValueError("columns of reports of other types")
    if not isinstance(folds, list) or len(folds) != 1 + reports["fold"].max(initial=-1):
        raise ValueError("the folds of reports without their names")
    if len(reports["trial"]) and not 0 <= reports["trial"].min() <= reports["trial"].max() < trials:
        raise ValueError("reports of trials that are not there")


def _load(replica: Replica, data: bytes) -> None:
    with Archive(io.BytesIO(data)) as archive:
        content: dict[str, Any] = json.loads(archive.array("content.npy").tobytes())
        reports = {name: archive.array(f"report {i}.npy") for i, name in enumerate(content["reports"])}
    if isinstance(replica, Engine):
        _load_states(replica, content)
    _check_reports(reports, content["folds"], len(content["columns"]["state"]))
    history = replica.history
    history.problem = Problem.from_json(content["problem"])
    history.earlier = tuple(map(EarlierStudy.from_json, content["earlier"]))
    for trial in _records(content["columns"]):
        history.add(trial)
    for number, attrs in content["trial_attrs"].items():
        history[int(number)].attrs = attrs
    for number, failure in content["failures"].items():
        history[int(number)].failure = Failure(**failure)
    for number in (*content["waiting"], *content["running"], *content["paused"]):
        history.move(history[number], history[number].state)  # into their order
    for number in content["finished"]:
        history.settle(history[number])
    history.reports.restore(reports, content["folds"])
    for part in ("ledger", "steering"):
        known = vars(getattr(replica, part))
        if content[part].keys() != known.keys():
            raise ValueError(f"a {part} of {sorted(content[part])}")
        known.update(content[part])
    history.forgiven = sum(trial.forgiven for trial in history)
    replica.attrs = dict(content["attrs"].items())
    if content["defined"] is not None:
        definition, since = content["defined"]
        replica.defined = Defined(dict(definition.items()), float(since))
    replica.position = operator.index(content["position"])


def _records(columns: dict[str, list[Any]]) -> Iterator[Record]:
    count = len(columns["state"])
    columns["state"] = list(map(TrialState, columns["state"]))
    columns.update(number=list(range(count)), attrs=[{} for _ in range(count)], failure=[None] * count)
    columns["sampled_before"] = columns["attempt"]  # which the history sets anew
    return starmap(Record, zip(*(columns[name] for name in FIELDS), strict=True))


def _load_states(engine: Engine, content: Mapping[str, Any]) -> None:
    if (content["sampler"], content["scheduler"]) != (repr(engine.sampler), repr(engine.scheduler)):
        raise ValueError("the snapshot is of another sampler or scheduler")
    engine.sampler_state = loads_state(type(engine.sampler_state), content["sampler_state"])
    engine.scheduler_state = loads_state(type(engine.scheduler_state), content["scheduler_state"])
