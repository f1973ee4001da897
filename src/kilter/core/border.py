"""The border of the log: what an event may hold, looked at before it is written.

The log is append-only, so an event that cannot be read or folded would make all that follows it unreadable. Whatever
`check` lets through, `codec.decode` reads again, also deep within a program's stack, and an engine folds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput
from kilter.core.events import (
    CONTROLS,
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
from kilter.core.kinds import parameter_from_json
from kilter.core.text import is_unicode, shown

STEPS = 2**63
"""Steps are below this: columns of reports are 64 bits wide, and so are SQLite's integers."""

TRIALS = 2**31 - 1
"""Numbers of trials are below this: columns of reports name them in 32 bits."""

BITS = 1023
"""Bits of an integer: a larger one does not fit a float, which is what models and many readers of JSON make of it."""

MAX_DEPTH = 64
"""Containers within one another: reading one level takes up to three frames of a stack that has a thousand."""

MAX_ITEMS = 2**20
"""Entries of an array that is kept as a list."""

MAX_BODY = 2**24
"""Characters of an event without reports: whoever opens the study has each of them in memory."""

MAX_REPORTS = 2**28
"""Characters of an event with reports, of which a trial may have millions; SQLite itself stops at 10⁹."""

LONGEST_NAME = 1_000
"""Characters of a study's name; it is shown in lists, messages and names of folders."""

LAST_SECOND = 6.2e10
"""Seconds since the epoch that calendars know; milliseconds and nanoseconds are beyond it."""

NO_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")
"""Two surrogates side by side, which JSON would give back as one character."""

REMEDY = "Store numbers, text, lists and dicts of these; for anything else save a file and store its name"


def check(event: Event) -> None:
    """Raise InvalidInput where the event could not be folded, or not be read again.

    >>> check(Reported(3, 1, (Report(2**63, {"loss": 0.5}),), 0.0))
    Traceback (most recent call last):
    kilter.core.errors.InvalidInput: trial 3: step=9223372036854775808 of a report: it must be a whole number ...
    """
    if event.number is not None:
        _check_whole("the number of a trial", event.number, TRIALS)
    _check_time(event.time)
    _CHECKS[type(event)](event)


def check_size(kind: str, text: str) -> None:
    """Raise InvalidInput where the body of an event is longer than it may be."""
    most = MAX_REPORTS if kind in ("reported", "ended", "late") else MAX_BODY
    if len(text) > most:
        raise InvalidInput(
            f"an event {kind!r} of {len(text):,} characters cannot be stored, at most {most:,}: "
            "save what is large to a file and store its name"
        )


def is_step(value: Any) -> bool:
    """Whether the value can be the step of a report: a whole number from 0 on, below 2**63.

    >>> is_step(3), is_step(3.0), is_step(-1), is_step(1e30), is_step(float("nan")), is_step(True), is_step("3")
    (True, True, False, False, False, False, False)
    """
    try:
        return not isinstance(value, (bool, str)) and int(value) == value and 0 <= value < STEPS
    except (TypeError, ValueError, OverflowError):
        return False


def check_study_name(name: Any) -> str:
    """The name of a new study; raises InvalidInput where it could not be stored."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name or not is_unicode(name):
        raise InvalidInput(
            f"study_name={shown(name)}: give text of 1 to {LONGEST_NAME} characters, without zeros and lone surrogates"
        )
    return name


def as_step(value: Any) -> int:
    """The step of a report as an int; raises InvalidInput where it cannot be one."""
    if not is_step(value):
        raise InvalidInput(f"step={shown(value, 40)} of a report: it must be a whole number from 0 on, below 2**63")
    return int(value)


def as_real(value: Any) -> float:
    """The number as a float; raises InvalidInput for text, None, complex numbers, and whatever is no number.

    >>> as_real(np.float32(0.5))
    0.5
    >>> as_real(np.complex128(1 + 1j))
    Traceback (most recent call last):
    kilter.core.errors.InvalidInput: (1+1j) is not a real number: give one that a float can hold
    """
    is_complex = isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c"
    if value is None or is_complex or isinstance(value, (str, bytes)):
        raise InvalidInput(f"{shown(value, 40)} is not a real number: give one that a float can hold")
    try:
        return float(value)
    except Exception as error:  # a tensor of another library may raise anything
        raise InvalidInput(
            f"a {type(value).__name__} is not a real number ({error}): give one that a float can hold"
        ) from error


# What each kind of event holds.


def _check_created(event: Created) -> None:
    for part in (event.problem, event.sampler, event.scheduler):
        _check_tree("the study's settings", part)
    _check_tree("the seed", event.seed)


def _check_defined(event: Defined) -> None:
    _check_tree("what the study is of", event.definition)
    try:
        Definition.from_json(event.definition)
    except Exception as error:  # data of any shape
        raise InvalidInput(f"what the study is of cannot be stored: it is not a definition ({error!r})") from error


def _check_extended(event: SpaceExtended) -> None:
    for name, data in event.parameters.items():
        what = f"the parameter {shown(name, 60)}"
        _check_name(what, name)
        _check_tree(what, data)
        try:
            parameter_from_json(data)
        except InvalidInput:
            raise
        except Exception as error:  # data of any shape
            raise InvalidInput(
                f"{what} cannot be stored: it is not a parameter ({type(error).__name__}: {error})"
            ) from error


def _check_constrained(event: Constrained) -> None:
    for metric, relation, bound in event.constraints:
        _check_name("the metric of a constraint", metric)
        if relation not in ("<=", ">=") or not isinstance(bound, float) or not math.isfinite(bound):
            raise InvalidInput(f"the constraint {metric!r} {relation!r} {bound!r}: give <= or >= and a finite number")


def _check_recalled(event: Recalled) -> None:
    for study in event.studies:
        what = f"the earlier study {shown(study.name, 60)}"
        _check_name(what, study.name)
        for config in (*study.configs, *study.failed):
            _check_config(config)
        if study.losses and len(study.losses) != len(study.configs):
            raise _unfit(what, f"{len(study.losses)} values of {len(study.configs)} configurations")
        for number in (*study.losses, study.weight, *study.doublings.values()):
            if type(number) not in (float, int) or not math.isfinite(number):
                raise _unfit(what, f"{shown(number, 40)} is no finite number")
        _check_whole(f"the trials of {what}", study.trials, TRIALS)
        _check_tree(what, study.doublings)


def _check_enqueued(event: Enqueued) -> None:
    _check_config(event.params)
    _check_attrs(event.attrs)
    if event.worker is not None:
        _check_text("the worker", event.worker)
    if not isinstance(event.judged, bool):
        raise InvalidInput(f"judged={event.judged!r}: give True or False")


def _check_started(event: Started) -> None:
    _check_attempt(event)
    _check_config(event.params)
    _check_text("the worker", event.worker)
    _check_whole("seen", event.seen, STEPS)
    if event.parent is not None:
        _check_whole("the parent", event.parent, TRIALS)
    if event.confirms is not None:
        _check_whole("the trial that is confirmed", event.confirms, TRIALS)
    if event.budget is not None:
        _check_metrics(event.number, event.budget)


def _check_reported(event: Reported) -> None:
    _check_attempt(event)
    if not event.reports:
        raise InvalidInput(f"trial {event.number}: an event without a report: give at least one")
    _check_reports(event.number, event.reports)


def _check_ended(event: Ended) -> None:
    _check_attempt(event)
    if not isinstance(event.state, TrialState):
        raise InvalidInput(f"trial {event.number}: state={shown(event.state, 40)}: give a TrialState")
    _check_metrics(event.number, event.metrics)
    _check_reports(event.number, event.reports)
    if event.params is not None:
        _check_config(event.params)
    if event.failure is not None:
        _check_failure(event.failure)


def _check_dropped(event: Dropped) -> None:
    _check_attempt(event)
    _check_text("the reason", event.reason)


def _check_noted(event: Noted) -> None:
    _check_attrs(event.attrs)


def _check_controlled(event: Controlled) -> None:
    if event.control not in CONTROLS:
        raise InvalidInput(f"control={shown(event.control, 40)}: choose one of {', '.join(CONTROLS)}")
    if not isinstance(event.cuts, bool):
        raise InvalidInput(f"cuts={shown(event.cuts, 40)}: give True or False")


def _check_granted(event: Granted) -> None:
    _check_whole("the number of trials to add", event.trials, TRIALS)
    if type(event.seconds) not in (float, int) or not 0 <= event.seconds < LAST_SECOND:
        raise InvalidInput(f"the seconds to add are {shown(event.seconds, 40)}: give a finite number from 0 on")


def _check_invalidated(event: Invalidated) -> None:
    _check_text("the reason", event.reason)


_CHECKS: dict[type, Callable[[Any], None]] = {
    Created: _check_created,
    Defined: _check_defined,
    SpaceExtended: _check_extended,
    Constrained: _check_constrained,
    Recalled: _check_recalled,
    Enqueued: _check_enqueued,
    Started: _check_started,
    Reported: _check_reported,
    Ended: _check_ended,
    Dropped: _check_dropped,
    Noted: _check_noted,
    Controlled: _check_controlled,
    Granted: _check_granted,
    Invalidated: _check_invalidated,
}


# Parts of events.


def _check_whole(what: str, value: Any, end: int) -> None:
    if type(value) is not int or not 0 <= value < end:
        raise InvalidInput(f"{what} is {shown(value, 40)}: it must be a whole number from 0 on, below {end}")


def _check_attempt(event: Started | Reported | Ended | Dropped) -> None:
    _check_whole("the number of a trial", event.number, TRIALS)
    _check_whole(f"the attempt at trial {event.number}", event.attempt, STEPS)


def _check_time(value: Any) -> None:
    if type(value) not in (float, int) or not abs(value) < LAST_SECOND:
        raise InvalidInput(f"the clock says {shown(value, 40)}: times are in seconds since 1970, as time.time()")


def _check_text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is {shown(value, 40)}: it must be text")
    _check_characters(what, value)


def _check_characters(what: str, value: str) -> None:
    if not value.isascii() and NO_CHARACTER.search(value):
        raise _unfit(what, "it is not Unicode: two surrogates stand side by side")


def _check_failure(failure: Failure) -> None:
    for part in ("kind", "message", "traceback"):
        _check_text(f"the {part} of a failure", getattr(failure, part))


def _check_reports(number: int, reports: tuple[Report, ...]) -> None:
    for step, metrics, fold in reports:
        if type(step) is not int or not 0 <= step < STEPS:
            raise InvalidInput(
                f"trial {number}: step={shown(step, 40)} of a report: it must be a whole number from 0 on, below 2**63"
            )
        for name, value in metrics.items():
            if type(value) is not float or type(name) is not str:
                _check_metric(number, name, value)
        if fold is not None:
            if type(fold) not in (int, str):
                raise InvalidInput(
                    f"trial {number}: fold={shown(fold, 40)} of a report: it must be a whole number or text"
                )
            _check_tree(f"the fold {shown(fold, 40)}", fold)


def _check_metrics(number: int | None, metrics: Mapping[str, Any]) -> None:
    for name, value in metrics.items():
        if type(value) is not float or type(name) is not str:
            _check_metric(number, name, value)


def _check_metric(number: int | None, name: Any, value: Any) -> None:
    _check_name(f"trial {number}: the metric {shown(name, 60)}", name)
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, (int, float)) or (isinstance(plain, int) and plain.bit_length() > BITS):
        raise InvalidInput(
            f"trial {number}: the metric {shown(name, 60)} is {shown(value, 40)}: "
            "it must be a real number that a float can hold"
        )


def _check_config(params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        if type(name) is str and name.isascii() and _is_usual(value):
            continue
        what = f"the parameter {shown(name, 60)}"
        _check_name(what, name)
        _check_tree(what, value)


def _is_usual(value: Any) -> bool:
    """Whether a value is one of those that nearly all are, with nothing to look at."""
    kind = type(value)
    return kind is float or (kind is str and value.isascii()) or kind is bool or (kind is int and abs(value) < STEPS)


def _check_attrs(attrs: Mapping[str, Any]) -> None:
    for name, value in attrs.items():
        what = f"the attribute {shown(name, 60)}"
        _check_name(what, name)
        _check_tree(what, value)


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str):
        raise InvalidInput(f"{what} has a name that is not text: name it by a str")
    _check_characters(what, name)


def _check_tree(what: str, tree: Any) -> None:
    """Look at a value that becomes JSON; what is no JSON at all, the encoder says."""
    items, ahead = 0, [(tree, 0)]
    while ahead:
        value, depth = ahead.pop()
        items += 1
        if items > MAX_ITEMS:
            raise _unfit(what, f"it has more than {MAX_ITEMS:,} entries")
        if isinstance(value, str):
            _check_characters(what, value)
        elif isinstance(value, int):
            if value.bit_length() > BITS:
                raise _unfit(what, f"an integer of {value.bit_length():,} bits, at most {BITS:,}")
        elif isinstance(value, np.ndarray):
            if value.size > MAX_ITEMS:
                raise _unfit(what, f"an array of {value.size:,} numbers, at most {MAX_ITEMS:,}")
            if value.dtype.hasobject:
                ahead.append((value.tolist(), depth))
        elif isinstance(value, (list, tuple, Mapping)):
            if depth == MAX_DEPTH:
                raise _unfit(what, f"it holds itself, or has more than {MAX_DEPTH} lists and dicts within one another")
            if isinstance(value, Mapping):
                _check_keys(what, value)
                value = value.values()
            ahead += [(item, depth + 1) for item in value]


def _check_keys(what: str, tree: Mapping[Any, Any]) -> None:
    """Keys that are no text become text, as in any JSON: of that each needs one of its own."""
    for key in tree:
        if isinstance(key, str):
            _check_characters(what, key)
    others = [key for key in tree if not isinstance(key, str)]
    if not all(key is None or isinstance(key, (int, float)) for key in others):
        raise _unfit(what, "a key of a dict is neither text nor a number")
    if any(isinstance(key, float) and not math.isfinite(key) for key in others):
        raise _unfit(what, "a key of a dict is not a finite number")
    for key in others:
        _check_tree(what, key)
    if others and len({key if isinstance(key, str) else json.dumps(key) for key in tree}) < len(tree):
        raise _unfit(what, "two keys of a dict are the same as text")


def _unfit(what: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{what} cannot be stored: {reason}. {REMEDY}")
