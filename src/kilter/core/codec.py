"""Events as JSON, and back.

An event becomes `(kind, body)`: number, attempt, time and the identity's key live in columns beside the body.
The kind is the third part of the event's identity, where it has one, so a late result has the kind "late".

    created    problem, sampler, scheduler, seed           reported   reports
    defined    definition, forgives? (true)                ended      state, metrics, reports?, params?, failure?
    extended   parameters                                  late       as ended, counts? (true)
    constrained   constraints
    recalled   studies
    enqueued   params, worker?, attrs?, judged?            dropped    reason
    started    params, worker, seen, fresh? (false),       noted      attrs
               parent?, budget?, granted? (true),          controlled control, cuts? (true)
               confirms?                                   invalidated   reason
    granted    trials, seconds

Reports are columns, `{"steps": [1, 2], "metrics": {"loss": [0.5, 0.4]}}`, or where they do not share their names
rows, `{"steps": [1, 2], "rows": [{"loss": 0.5}, {}]}`; with `"folds": [0, null]` where any is about one.

The body is strict JSON, so that SQL can read it: a metric that is not finite is the string "inf", "-inf" or "nan".
Elsewhere such a number is `{"$float": "inf"}`, and a dict that could be mistaken for a mark is `{"$dict": {…}}`. Marks
are rare, so encoding and decoding look for them only where the text has a trace of one.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from kilter.core import border
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput, StorageError
from kilter.core.events import (
    Constrained,
    Controlled,
    Created,
    Defined,
    Dropped,
    Ended,
    Enqueued,
    Event,
    Failure,
    Granted,
    Invalidated,
    Noted,
    Recalled,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.text import one_line, shortened

log = logging.getLogger("kilter")

STATES = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.WAITING: "waiting",
    TrialState.PAUSED: "paused",
}
"""The words for a state in a body, chosen for whoever reads the database with plain SQL."""


Row = tuple[str, int | None, int, float, str]
"""Kind, number, attempt, time and body of an event."""

HOT = (Started, Ended, Reported)
"""Events that come back as they are."""


def encode(event: Event) -> tuple[str, str]:
    """The kind of an event and its body, strict JSON; raises InvalidInput for what could not be read or folded again.

    >>> encode(Started(7, 0, {"lr": 0.1}, "w1", 12, time=0.0))
    ('started', '{"params":{"lr":0.1},"worker":"w1","seen":12}')
    """
    border.check(event)
    kind, body = _ROWS[type(event)](event)
    text = _text(kind, body)
    border.check_size(kind, text)
    return kind, text


def _text(kind: str, body: dict[str, Any]) -> str:
    try:
        text = _write(body)
        return text if '"$' not in text else _write(_marked_body(body))
    except ValueError:  # a number that is not finite
        return _write_marked(kind, body)
    except TypeError:
        _blame(kind, body)
        raise


def decode(kind: str, number: int | None, attempt: int, time: float, body: str) -> Event:
    """The event that `encode` made into this kind and body; raises StorageError where it is none.

    Reports at a step that no report can have, which early versions let in, are left out with a warning.

    >>> decode("started", 7, 0, 0.0, '{"params":{"lr":0.1},"worker":"w1","seen":12}')
    Started(number=7, attempt=0, params={'lr': 0.1}, worker='w1', seen=12, ...)
    """
    try:
        if type(attempt) is not int or not isinstance(time, (int, float)) or not isinstance(number, (int, type(None))):
            raise TypeError("number, attempt or time is none")
        data, _ = _scan(body, 0)
        if '"$' in body or 'inf"' in body or 'nan"' in body:
            data = _unmarked_body(data)
        return _EVENTS[kind](number, attempt, time, data)
    except (StopIteration, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StorageError(f"it cannot be read: {_fault(kind, error)}: {one_line(body, 80)}") from error


def row(event: Event) -> Row:
    """What a storage keeps of an event, of which `decode(*row)` makes it again: a line of JSON, or columns of a table.

    >>> row(Started(7, 1, {"lr": 0.1}, "w1", 12, time=0.0))
    ('started', 7, 1, 0.0, '{"params":{"lr":0.1},"worker":"w1","seen":12}')
    """
    kind, body = encode(event)
    _, attempt, _, _ = event.identity or (None, 0, "", 0)
    return kind, event.number, attempt, event.time, body


def stored(event: Event, row_of_it: Row | None = None) -> Event:
    """The event as a reader of the log will see it, for whoever writes it; `row_of_it` where that was made already.

    The many that are of numbers and text alone are so as they are. Those with attributes go through the codec: an array
    becomes a list, and a list that the user alters later stays.
    """
    if not isinstance(event, HOT):
        return decode(*(row_of_it or row(event)))
    if row_of_it is None:
        border.check(event)
    return event


def _fault(kind: object, error: Exception) -> str:
    if kind not in _EVENTS:
        return f"there is no kind of event {shortened(repr(kind), 40)}"
    if isinstance(error, RecursionError):
        return "its body is nested more deeply than the stack of this program has room for"
    return "its body is not what kilter writes"


# To rows: what each kind of event puts in its body.


def _created_row(event: Created) -> tuple[str, dict[str, Any]]:
    return "created", {
        "problem": dict(event.problem),
        "sampler": dict(event.sampler),
        "scheduler": dict(event.scheduler),
        "seed": event.seed,
    }


def _defined_row(event: Defined) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"definition": dict(event.definition)}
    if event.forgives:
        body["forgives"] = True
    return "defined", body


def _extended_row(event: SpaceExtended) -> tuple[str, dict[str, Any]]:
    return "extended", {"parameters": dict(event.parameters)}


def _constrained_row(event: Constrained) -> tuple[str, dict[str, Any]]:
    return "constrained", {"constraints": [list(constraint) for constraint in event.constraints]}


def _recalled_row(event: Recalled) -> tuple[str, dict[str, Any]]:
    return "recalled", {"studies": [study.to_json() for study in event.studies]}


CONFIRMS = "confirms"
"""The attribute that said up to kilter 0.1 that a trial is not judged."""


def _enqueued_row(event: Enqueued) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"params": dict(event.params)}
    if event.worker is not None:
        body["worker"] = event.worker
    if event.attrs:
        body["attrs"] = dict(event.attrs)
    if not event.judged or CONFIRMS in event.attrs:
        body["judged"] = event.judged
    return "enqueued", body


def _started_row(event: Started) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"params": dict(event.params), "worker": event.worker, "seen": event.seen}
    if not event.fresh:
        body["fresh"] = False
    if event.parent is not None:
        body["parent"] = event.parent
    if event.budget is not None:
        body["budget"] = dict(event.budget)
    if event.granted:
        body["granted"] = True
    if event.confirms is not None:
        body["confirms"] = event.confirms
    return "started", body


def _reported_row(event: Reported) -> tuple[str, dict[str, Any]]:
    return "reported", {"reports": _columns(event.reports)}


def _ended_row(event: Ended) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"state": STATES[event.state], "metrics": dict(event.metrics)}
    if event.reports:
        body["reports"] = _columns(event.reports)
    if event.params is not None:
        body["params"] = dict(event.params)
    if event.failure is not None:
        failure = event.failure
        body["failure"] = {"kind": failure.kind, "message": failure.message, "traceback": failure.traceback}
    if event.counts:
        body["counts"] = True
    return "late" if event.late else "ended", body


def _dropped_row(event: Dropped) -> tuple[str, dict[str, Any]]:
    return "dropped", {"reason": event.reason}


def _noted_row(event: Noted) -> tuple[str, dict[str, Any]]:
    return "noted", {"attrs": dict(event.attrs)}


def _controlled_row(event: Controlled) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"control": event.control}
    if event.cuts:
        body["cuts"] = True
    return "controlled", body


def _granted_row(event: Granted) -> tuple[str, dict[str, Any]]:
    return "granted", {"trials": event.trials, "seconds": event.seconds}


def _invalidated_row(event: Invalidated) -> tuple[str, dict[str, Any]]:
    return "invalidated", {"reason": event.reason}


def _columns(reports: Sequence[Report]) -> dict[str, Any]:
    steps = [report[0] for report in reports]
    rows = [report[1] for report in reports]
    folds = [report[2] for report in reports]
    data: dict[str, Any] = {"steps": steps}
    names = list(rows[0]) if rows else []
    if all([*row] == names for row in rows):  # the order too
        data["metrics"] = {name: [row[name] for row in rows] for name in names}
    else:
        data["rows"] = rows
    if any(fold is not None for fold in folds):
        data["folds"] = folds
    return data


_ROWS: dict[type, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    Created: _created_row,
    Defined: _defined_row,
    SpaceExtended: _extended_row,
    Constrained: _constrained_row,
    Recalled: _recalled_row,
    Enqueued: _enqueued_row,
    Started: _started_row,
    Reported: _reported_row,
    Ended: _ended_row,
    Dropped: _dropped_row,
    Noted: _noted_row,
    Controlled: _controlled_row,
    Granted: _granted_row,
    Invalidated: _invalidated_row,
}


# From rows.


def _created(number: None, attempt: int, time: float, data: dict[str, Any]) -> Created:
    return Created(data["problem"], data["sampler"], data["scheduler"], data["seed"], time)


def _defined(number: None, attempt: int, time: float, data: dict[str, Any]) -> Defined:
    return Defined(data["definition"], time, data.get("forgives", False))


def _extended(number: None, attempt: int, time: float, data: dict[str, Any]) -> SpaceExtended:
    return SpaceExtended(data["parameters"], time)


def _constrained(number: None, attempt: int, time: float, data: dict[str, Any]) -> Constrained:
    return Constrained(tuple((metric, way, bound) for metric, way, bound in data["constraints"]), time)


def _recalled(number: None, attempt: int, time: float, data: dict[str, Any]) -> Recalled:
    return Recalled(tuple(map(EarlierStudy.from_json, data["studies"])), time)


def _enqueued(number: int | None, attempt: int, time: float, data: dict[str, Any]) -> Enqueued:
    attrs = data.get("attrs", {})
    judged = data.get("judged", CONFIRMS not in attrs)
    return Enqueued(number, data["params"], time, data.get("worker"), attrs, judged)


def _started(number: int, attempt: int, time: float, data: dict[str, Any]) -> Started:
    get = data.get
    return Started(
        number,
        attempt,
        data["params"],
        data["worker"],
        data["seen"],
        time,
        get("fresh", True),
        get("parent"),
        get("budget"),
        get("granted", False),
        get("confirms"),
    )


def _reported(number: int, attempt: int, time: float, data: dict[str, Any]) -> Reported:
    return Reported(number, attempt, _reports(data["reports"]), time)


def _ended(number: int, attempt: int, time: float, data: dict[str, Any], late: bool = False) -> Ended:
    get = data.get
    reports, failure = get("reports"), get("failure")
    return Ended(
        number,
        attempt,
        _STATE_OF[data["state"]],
        data["metrics"],
        time,
        _reports(reports) if reports else (),
        get("params"),
        Failure(**failure) if failure else None,
        late,
        get("counts", False),
    )


def _dropped(number: int, attempt: int, time: float, data: dict[str, Any]) -> Dropped:
    return Dropped(number, attempt, data["reason"], time)


def _noted(number: int | None, attempt: int, time: float, data: dict[str, Any]) -> Noted:
    return Noted(number, data["attrs"], time)


def _controlled(number: None, attempt: int, time: float, data: dict[str, Any]) -> Controlled:
    return Controlled(data["control"], time, data.get("cuts", False))


def _granted(number: None, attempt: int, time: float, data: dict[str, Any]) -> Granted:
    return Granted(data["trials"], data["seconds"], time)


def _invalidated(number: int, attempt: int, time: float, data: dict[str, Any]) -> Invalidated:
    return Invalidated(number, data["reason"], time)


def _reports(data: dict[str, Any]) -> tuple[Report, ...]:
    steps = data["steps"]
    columns = data.get("metrics")
    rows: list[dict[str, float]]
    if columns is None:
        rows = data["rows"]
    elif len(columns) == 1:
        [(name, column)] = columns.items()
        rows = [{name: value} for value in column]
    elif columns:
        rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    else:
        rows = [{} for _ in steps]
    if len(rows) != len(steps):
        raise ValueError(f"{len(steps)} steps, {len(rows)} reports")
    folds = data.get("folds") or repeat(None, len(steps))
    reports = tuple(map(_make_report, zip(steps, rows, folds)))
    if len(reports) != len(steps):
        raise ValueError(f"{len(steps)} steps, {len(reports)} folds")
    if reports and not (min(steps) >= 0 and max(steps) < border.STEPS):
        return _with_sound_steps(reports)
    return reports


def _with_sound_steps(reports: tuple[Report, ...]) -> tuple[Report, ...]:
    sound = tuple(report for report in reports if border.is_step(report.step))
    log.warning("%d reports at a step that no report can have are left out", len(reports) - len(sound))
    return sound


_make_report: Callable[[Any], Report] = partial(tuple.__new__, Report)  # Report._make without its Python frame

_STATE_OF = {word: state for state, word in STATES.items()}

_EVENTS: dict[str, Callable[..., Event]] = {
    "created": _created,
    "defined": _defined,
    "extended": _extended,
    "constrained": _constrained,
    "recalled": _recalled,
    "enqueued": _enqueued,
    "started": _started,
    "reported": _reported,
    "ended": _ended,
    "late": partial(_ended, late=True),
    "dropped": _dropped,
    "noted": _noted,
    "controlled": _controlled,
    "granted": _granted,
    "invalidated": _invalidated,
}


# Plain JSON, and what of Python and numpy is let in.


def plainly(value: Any) -> Any:
    """The plain value that stands for one that JSON cannot hold; raises TypeError where there is none."""
    if isinstance(value, np.generic):
        plain = value.item()
        if not isinstance(plain, np.generic):
            return plain
    elif isinstance(value, np.ndarray):
        return value.tolist()
    elif isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


# ASCII, because SQLite takes no lone surrogates, which file names can bring along.
_write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=plainly).encode
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # loads() without its look at the arguments


def _write_marked(kind: str, body: dict[str, Any]) -> str:
    try:
        return _write(_marked_body(body))
    except (ValueError, TypeError):
        _blame(kind, body)
        raise


def _blame(kind: str, body: dict[str, Any]) -> None:
    """Raise InvalidInput that names the attribute, or else the part of the event, that is not JSON."""
    for part, content in body.items():
        for name, value in content.items() if isinstance(content, dict) else [("", content)]:
            try:
                _write(_marked(value))
            except (TypeError, ValueError) as error:
                what = f"the attribute {name!r}" if part == "attrs" else f"{part} {name!r} of an event {kind!r}"
                raise InvalidInput(f"{what} cannot be stored: {error}. {border.REMEDY}") from error


# Marks, for what JSON cannot say.


def _marked_body(body: dict[str, Any]) -> dict[str, Any]:
    return {part: _MARK.get(part, _marked)(content) for part, content in body.items()}


def _unmarked_body(data: dict[str, Any]) -> dict[str, Any]:
    return {part: _UNMARK.get(part, _unmarked)(content) for part, content in data.items()}


def _mark_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _metric_text(value) for name, value in metrics.items()}


def _unmark_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) if isinstance(value, str) else value for name, value in metrics.items()}


def _map_reports(reports: dict[str, Any], each: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The same reports with `each` applied to every row of metrics."""
    if "rows" in reports:
        return {**reports, "rows": [each(row) for row in reports["rows"]]}
    columns = {name: [each({name: value})[name] for value in column] for name, column in reports["metrics"].items()}
    return {**reports, "metrics": columns}


def _metric_text(value: Any) -> Any:
    return value if math.isfinite(value) else str(float(value))


def _marked(value: Any) -> Any:
    """The value with marks where JSON has no word."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, (list, tuple)):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        marked = {key: _marked(item) for key, item in value.items()}
        return {"$dict": marked} if any(isinstance(key, str) and key.startswith("$") for key in marked) else marked
    return _marked(plainly(value))


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return float(value["$float"])
    return {key: _unmarked(item) for key, item in value.get("$dict", value).items()}


_MARK: dict[str, Callable[[Any], Any]] = {
    "metrics": _mark_metrics,
    "reports": partial(_map_reports, each=_mark_metrics),
}
_UNMARK: dict[str, Callable[[Any], Any]] = {
    "metrics": _unmark_metrics,
    "reports": partial(_map_reports, each=_unmark_metrics),
}
