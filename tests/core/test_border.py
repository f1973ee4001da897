"""Whatever the border of the log lets in can be read again and folded; what it does not let in is an InvalidInput."""

import enum
import math
import sys
import threading
from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kilter.core import border, codec
from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput
from kilter.core.events import (
    Controlled,
    Created,
    Defined,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Failure,
    Granted,
    Invalidated,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.numbers import Float
from kilter.core.options import Choice
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.engine.engine import Engine
from kilter.samplers import RandomSampler
from kilter.schedulers.median import MedianScheduler


class Colour(enum.IntEnum):
    RED = 1


def nested(depth, kind=list):
    value = 1.5
    for _ in range(depth):
        value = [value] if kind is list else {"$": value}
    return value


LOOP: list = []
LOOP.append(LOOP)
WIDE: list = [1]
for _ in range(50):
    WIDE = [WIDE, WIDE]  # 2**50 entries, in 50 lists

HOSTILE = [
    *(2**63, 2**63 - 1, -(2**63), -1, 2**31, 10**400, 10**5000, 1e30, math.inf, -math.inf, math.nan, True, None),
    *(1 + 1j, np.complex128(1 + 1j), np.float32(0.5), np.int64(3), np.longdouble(1), np.bool_(True), Fraction(1, 3)),
    *("", "\0", "\ud800", "\ud83d\ude00", "x" * 1000, "$float", "inf", b"bytes", Colour.RED, TrialState.COMPLETE),
    *(nested(10), nested(64), nested(65), nested(150), nested(63, dict), LOOP),
    *(
        {},
        {1: 2},
        {1: 2, "1": 3},
        {True: 1, "true": 2},
        {math.nan: 1},
        {(1, 2): 3},
        {"$array": "x"},
        {"\ud83d\ude00": 1},
    ),
    *(np.zeros(3), np.array([1 + 1j]), np.array([nested(70)], dtype=object), np.broadcast_to(0.0, (10**7,))),
    *(object(), [object()], {1, 2}, OrderedDict(a=1), Float(0, 1).to_json(), {"kind": "float"}, {"kind": ["float"]}),
]
anything = st.sampled_from(HOSTILE) | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
names = st.sampled_from(["x", "value", "loss", "\ud83d\ude00", "\0", 3, None, (1,)])
tables = st.dictionaries(names, anything, max_size=2)
numbers = st.integers(0, 2) | st.sampled_from([-1, 2**31, 2**63, 1.0, True, "0", None])
attempts = st.just(1) | anything
times = st.just(1.0) | anything
reports = st.lists(
    st.builds(Report, st.integers(0, 5) | anything, st.dictionaries(names, st.floats() | anything), anything),
    max_size=3,
).map(tuple)
events = st.one_of(
    st.builds(Created, tables, tables, tables, anything, times),
    st.builds(SpaceExtended, tables, times),
    st.builds(Defined, st.just(Definition("f").to_json()) | tables, times, st.booleans()),
    st.builds(Enqueued, st.just(3) | numbers, tables, times, st.none() | anything, tables),
    st.builds(Started, st.just(3), st.just(1), tables, st.just("w") | anything, st.just(0) | anything, times),
    st.builds(
        Started,
        *(st.integers(1, 3) | numbers, attempts, tables, st.just("w"), st.just(0) | anything, times),
        *(st.booleans(), st.none() | anything, st.none() | tables),
    ),
    st.builds(Reported, st.just(0) | numbers, attempts, reports, times),
    st.builds(
        Ended,
        *(st.just(0) | numbers, attempts, st.sampled_from(TrialState) | anything, tables, times, reports),
        *(st.none() | tables, st.none() | st.builds(Failure, anything, anything, anything), st.booleans()),
    ),
    st.builds(Dropped, st.just(2) | numbers, attempts, st.just("why") | anything, times),
    st.builds(Noted, st.none() | numbers, tables, times),
    st.builds(Controlled, st.just("paused") | anything, times, st.booleans() | anything),
    st.builds(Granted, st.just(3) | numbers, st.just(1.0) | anything, times),
    st.builds(Invalidated, st.just(0) | numbers, st.just("why") | anything, times),
)


def an_engine():
    """With a trial that runs, one that waits and one that is paused, so that whatever can happen next is legal."""
    problem = Problem(Space({"x": Float(0, 1), "c": Choice(["a", "b"])}))
    engine = Engine(problem, RandomSampler(), MedianScheduler(), 0)
    begun = [
        Started(0, 1, {"x": 0.5, "c": "a"}, "w", 0, 0.0),
        Enqueued(1, {}, 0.0),
        Started(2, 1, {"x": 1.0}, "w", 0, 0.0),
    ]
    events = [*begun, Ended(2, 1, TrialState.PAUSED, {"value": 1.0}, 1.0)]
    engine.handle([Entry(i, event) for i, event in enumerate(events, 1)])
    return engine


@given(events)
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@example(Reported(0, 1, (Report(2**63, {"value": 1.0}),), 1.0))
@example(Reported(0, 1, (Report(2**63 - 1, {"value": 1.0}),), 1.0))
@example(Ended(0, 1, TrialState.COMPLETE, {"value": 10**400}, 1.0))
@example(Ended(0, 1, TrialState.COMPLETE, {"value": np.complex128(1 + 1j)}, 1.0))
@example(SpaceExtended({"x": {"kind": "choice"}}, 1.0))
@example(Started(0, 1, {"x": 10**400}, "w", 0, 1.0))
@example(Started(3, 1, {}, "w", 0, math.nan))
def test_what_is_let_in_can_be_read_and_folded(event):
    try:
        kind, body = codec.encode(event)
    except InvalidInput:
        return
    number = event.number
    back = codec.decode(kind, number, getattr(event, "attempt", 0), float(event.time), body)
    assert codec.encode(back) == (kind, body)
    if isinstance(event, Created) or (number is not None and number > 2 + event.creates):
        return
    engine = an_engine()
    engine.handle([Entry(engine.position + 1, back)])
    assert engine.damage is None
    _ = engine.history.values, engine.history.reports.metrics
    if 0 in engine.history.running:
        engine.judge(0)


@given(events)
def test_what_a_storage_in_memory_keeps_as_it_is_is_looked_at_too(event):
    try:
        border.check(event)
    except InvalidInput as error:
        assert len(str(error)) < 1_000


def deeper(frames, act):
    return deeper(frames - 1, act) if frames else act()


@pytest.mark.parametrize("kind", [list, dict])
def test_the_deepest_value_is_read_from_a_deep_stack(kind):
    kind_of_event, body = codec.encode(Noted(None, {"deep": nested(border.MAX_DEPTH, kind)}, 0.0))
    read, limit = [], sys.getrecursionlimit()

    def act():  # in a thread, whose stack begins at nothing
        read.append(deeper(500, lambda: codec.decode(kind_of_event, None, 0, 0.0, body)))

    sys.setrecursionlimit(1_000)
    try:
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
    assert read[0].attrs["deep"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Reported(7, 1, (Report(-1, {}),), 0.0), "trial 7: step=-1 of a report"),
        (Reported(7, 1, (), 0.0), "trial 7: an event without a report"),
        (Ended(7, 1, TrialState.FAIL, {"loss": None}, 0.0), "trial 7: the metric 'loss' is None"),
        (Noted(7, {"model": nested(65)}, 0.0), "the attribute 'model' cannot be stored: it holds itself, or"),
        (Noted(7, {"model": LOOP}, 0.0), "the attribute 'model' cannot be stored: it holds itself, or"),
        (Noted(7, {"model": WIDE}, 0.0), "the attribute 'model' cannot be stored: it has more than 1,048,576"),
        (Noted(7, {"model": nested(900)}, 0.0), "the attribute 'model' cannot be stored: it holds itself, or"),
        (Enqueued(7, {"x": nested(5_000)}, 0.0), "the parameter 'x' cannot be stored: it holds itself, or"),
        (Ended(7, 1, TrialState.FAIL, {"loss": WIDE}, 0.0), "the metric 'loss' is"),
        (Ended(7, 1, TrialState.FAIL, {"loss": nested(5_000)}, 0.0), "the metric 'loss' is"),
        (Noted(7, {"text": "x" * 2**24}, 0.0), "an event 'noted' of 16,777,[0-9]+ characters"),
        (Noted(7, {"key": 10**400}, 0.0), "the attribute 'key' cannot be stored: an integer of 1,329 bits"),
        (Started(2**31, 1, {}, "w", 0, 0.0), "the number of a trial is 2147483648"),
        (Started(0, 1, {}, "w", 0, 1.7e18), "the clock says 1.7e"),
    ],
)
def test_what_is_refused_is_named(event, said):
    with pytest.raises(InvalidInput, match=said):
        codec.encode(event)


def test_reports_at_steps_that_early_versions_let_in_are_left_out(caplog):
    body = '{"reports":{"steps":[1,9223372036854775808,-2,3],"metrics":{"loss":[0.5,0.25,0.125,1.0]}}}'
    back = codec.decode("reported", 0, 1, 0.0, body)
    assert back.reports == (Report(1, {"loss": 0.5}), Report(3, {"loss": 1.0}))
    assert "2 reports at a step that no report can have are left out" in caplog.text
    body = '{"state":"complete","metrics":{},"reports":{"steps":[9223372036854775808],"metrics":{"value":[0.25]}}}'
    engine = an_engine()
    engine.handle([Entry(5, codec.decode("ended", 0, 1, 2.0, body))])
    assert engine.history[0].state is TrialState.COMPLETE and engine.history.reports.count == 0
