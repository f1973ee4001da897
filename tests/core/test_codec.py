"""Events and states go to JSON and come back equal."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.codec import decode, encode
from kilter.core.definition import Definition
from kilter.core.errors import InvalidInput, StorageError
from kilter.core.events import (
    CONTROLS,
    Constrained,
    Controlled,
    Created,
    Defined,
    Dropped,
    Ended,
    Enqueued,
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
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice

PARAMETERS = [Float(0, 1).to_json(), Int(1, 9, log=True).to_json(), Choice(["a", None, 1.5]).to_json()]
words = st.text(st.characters(), max_size=8) | st.sampled_from(["inf", "nan", "$float", "$dict", "$", 'x"$', "metrics"])
numbers = st.floats(allow_nan=False) | st.integers(-(2**63), 2**63)
plains = st.none() | st.booleans() | numbers | words
values = st.recursive(plains, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
attrs = st.dictionaries(words, values, max_size=3)
configs = st.dictionaries(words, plains, max_size=4)
metrics = st.dictionaries(words, st.floats(allow_nan=False), max_size=3)
steps = st.integers(0, 10**6)
times = st.floats(0, 4e9)
trials = st.integers(0, 10**6)
attempts = st.integers(1, 3)


@st.composite
def columns(draw):
    names = draw(st.lists(words, max_size=3, unique=True))
    rows = st.fixed_dictionaries({name: st.floats(allow_nan=False) for name in names})
    return tuple(Report(step, draw(rows), draw(folds)) for step in draw(st.lists(steps, max_size=5)))


folds = st.none() | st.integers(-5, 5) | words
reports = columns() | st.lists(st.builds(Report, steps, metrics, folds), max_size=4).map(tuple)
failures = st.none() | st.builds(Failure, words, words, words)
constraints = st.tuples(words, st.sampled_from(["<=", ">="]), st.floats(allow_nan=False, allow_infinity=False))
events = st.one_of(
    st.builds(Created, attrs, attrs, attrs, st.integers(), times),
    st.builds(SpaceExtended, st.dictionaries(words, st.sampled_from(PARAMETERS), max_size=3), times),
    st.builds(Constrained, st.lists(constraints, max_size=2).map(tuple), times),
    st.builds(Enqueued, trials, configs, times, st.none() | words, attrs, st.booleans()),
    st.builds(
        Started,
        *(trials, attempts, configs, words, trials, times, st.booleans(), st.none() | trials, st.none() | metrics),
        st.booleans(),
    ),
    st.builds(Reported, trials, attempts, reports.filter(len), times),
    st.builds(
        Ended,
        trials,
        attempts,
        st.sampled_from(TrialState),
        metrics,
        times,
        reports,
        st.none() | configs,
        failures,
        st.booleans(),
    ),
    st.builds(Dropped, trials, attempts, words, times),
    st.builds(Noted, st.none() | trials, attrs, times),
    st.builds(Controlled, st.sampled_from(CONTROLS), times, st.booleans()),
    st.builds(Granted, trials, times, times),
    st.builds(Invalidated, trials, words, times),
    st.builds(Defined, st.builds(Definition, words, words).map(Definition.to_json), times, st.booleans()),
)


def there_and_back(event):
    kind, body = encode(event)
    json.loads(body, parse_constant=pytest.fail)
    body.encode("ascii")
    if event.identity:
        assert kind == event.identity[2]
    return decode(kind, event.number, getattr(event, "attempt", 0), event.time, body)


@given(events)
def test_events_come_back_equal(event):
    back = there_and_back(event)
    assert back == event
    assert repr(back) == repr(event)  # 1, 1.0 and True apart


@pytest.mark.parametrize(
    ("attrs", "judged"), [("", True), (',"attrs":{"confirms":3}', False), (',"judged":false', False)]
)
def test_old_logs_say_by_an_attribute_who_is_not_judged(attrs, judged):
    assert decode("enqueued", 0, 0, 1.0, f'{{"params":{{"x":1}}{attrs}}}').judged is judged
    named = Enqueued(0, {}, 1.0, attrs={"confirms": 3})
    assert there_and_back(named) == named


def test_nan_survives_in_each_place():
    reports = (Report(0, {"loss": math.nan}), Report(1, {"loss": -math.inf}))
    for uneven in (reports, (*reports, Report(2, {}))):
        end = Ended(0, 1, TrialState.FAIL, {"loss": math.nan, "nan": 1.0}, 1.0, uneven, {"p": math.inf})
        assert repr(there_and_back(end)) == repr(end)
        assert '"loss":"nan"' in encode(end)[1]


def test_reports_are_columns():
    _, body = encode(Reported(0, 1, (Report(1, {"loss": 0.5}), Report(2, {"loss": math.inf})), 1.0))
    assert body == '{"reports":{"steps":[1,2],"metrics":{"loss":[0.5,"inf"]}}}'


def test_numpy_is_let_in():
    end = Ended(0, 1, TrialState.COMPLETE, {"a": np.float32(0.5), "b": np.float64("inf")}, 1.0)
    assert there_and_back(end).metrics == {"a": 0.5, "b": math.inf}
    note = Noted(0, {"n": np.int64(3), "a": np.array([[1.0, np.nan]]), "t": (1, np.True_)}, 1.0)
    assert repr(there_and_back(note).attrs) == "{'n': 3, 'a': [[1.0, nan]], 't': [1, True]}"


@pytest.mark.parametrize("bad", [object(), {1, 2}, b"x", {"deep": [math.inf, object()]}, {(1, 2): 3}, 1j])
def test_what_is_not_json_is_named(bad):
    for event in (Noted(0, {"ok": 1, "model": bad}, 1.0), Enqueued(0, {}, 1.0, attrs={"model": bad})):
        with pytest.raises(InvalidInput, match="attribute 'model'"):
            encode(event)


def test_a_list_that_holds_itself_is_named():
    loop = []
    loop.append(loop)
    with pytest.raises(InvalidInput, match=r"'loop'.*holds itself"):
        encode(Noted(0, {"loop": loop}, 1.0))


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"params":{}}', "null"])
def test_a_damaged_body_is_a_storage_error(body):
    with pytest.raises(StorageError, match="cannot be read"):
        decode("started", 0, 1, 0.0, body)
    with pytest.raises(StorageError, match="cannot be read"):
        decode("nonsense", 0, 1, 0.0, "{}")
