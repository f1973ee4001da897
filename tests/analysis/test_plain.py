"""Results as JSON: everything that analyses hold comes out, and nothing that JSON cannot say."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.analysis.plain import plain
from kilter.core.events import TrialState
from kilter.core.problem import StudyDirection

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(TrialState))
RESULTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@dataclass(frozen=True)
class Inner:
    values: np.ndarray


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    states: dict


@given(RESULTS)
def test_whatever_comes_out_is_json_and_stays_as_it_is(result):
    data = plain(result)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert plain(data) == data


def test_dataclasses_arrays_and_states():
    result = Outer((Inner(np.array([[1.5, -math.inf]])), Inner(np.array([True, False]))), {TrialState.FAIL: np.int8(3)})
    assert plain(result) == {
        "inner": [{"values": [[1.5, "-Infinity"]]}, {"values": [True, False]}],
        "states": {"FAIL": 3},
    }
    assert plain([math.inf, math.nan, StudyDirection.MINIMIZE]) == ["Infinity", "NaN", "MINIMIZE"]
    assert [type(item) for item in plain([np.bool_(True), np.float32(2), TrialState.FAIL])] == [bool, float, str]
    assert plain(np.array([], dtype=float)) == plain(()) == []


def test_what_is_no_result_is_refused():
    with pytest.raises(TypeError, match="set"):
        plain({"a": {1, 2}})
