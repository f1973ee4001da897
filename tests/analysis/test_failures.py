"""What is said of failures: their kinds, the options that never succeeded, and why there is no best trial."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.analysis.failures import kinds, never_succeeded, why_no_best
from kilter.core.events import Failure, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Problem
from kilter.core.space import Space
from kilter.core.text import WIDTH

SPACE = Space({"model": kilter.Choice(["a", "b", "c"]), "deep": kilter.Boolean(), "x": kilter.Float(0, 1)})
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
TRACEBACK = """Traceback (most recent call last):
  File "/home/me/old.py", line 3, in load
KeyError: 1

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "{kilter}", line 319, in perform
  File "/home/me/lib/train.py", line 12, in train
  File "/opt/lib/python3.11/site-packages/torch/nn.py", line 7, in forward
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
ValueError: no
"""


def test_the_place_of_a_failure_is_the_last_call_in_the_users_own_code():
    traceback = TRACEBACK.format(kilter=kilter.__file__.replace("__init__", "objective/perform"))
    assert Failure("ValueError", "no", traceback).line == "ValueError: no (train.py:12)"
    assert Failure("ValueError", "no").line == "ValueError: no"
    assert Failure("timeout").line == "timeout"


@given(st.text(), st.text(), st.text())
def test_any_failure_is_one_line_that_a_terminal_may_be_shown(kind, message, traceback):
    failure = Failure(kind, message, f'File "{traceback}", line 1')
    assert failure.line.isprintable()
    assert len(failure.line) <= 2 * WIDTH + 10


@given(st.floats(), st.integers(), st.floats(), st.integers())
def test_failures_that_differ_in_numbers_are_of_one_sort(a, i, b, j):
    assert Failure("E", f"x={a}, at {i:#x}").sort == Failure("E", f"x={b}, at {j:#x}").sort
    assert Failure("E", f"x={a}").sort != Failure("E", f"y={a}").sort
    assert Failure("E", f"x={a}").sort != Failure("F", f"x={a}").sort


def test_kinds_are_counted_and_few_are_listed():
    assert kinds({"A": [1, 0], "B": [3, 4], "C": [2, 2]}) == "B ×3, C ×2, A ×1"
    assert kinds({"A": [1, 0], "B": [3, 4], "C": [2, 2], "D": [1, 9], "E": [1, 8]}) == "B ×3, C ×2, A ×1, 2 more kinds"


def history_of(*ends, problem=None):
    """Trials that ended as (state, params, kind of failure or metrics)."""
    history = History(problem or Problem(SPACE))
    for number, (state, params, what) in enumerate(ends):
        trial = Record(number, state, params)
        trial.failure = Failure(what) if isinstance(what, str) else None
        trial.metrics = what if isinstance(what, dict) else {}
        history.add(trial)
        history.settle(trial)
    return history


def test_options_that_never_succeeded_are_named():
    history = history_of(
        (COMPLETE, {"model": "a", "deep": False}, None),
        (FAIL, {"model": "b", "deep": False}, "ImportError"),
        (PRUNED, {"model": "a", "deep": True}, None),
        (FAIL, {"model": "b", "deep": True}, "ImportError"),
        (FAIL, {"model": "a", "deep": True}, "TypeError"),
        (FAIL, {"model": "b", "deep": True}, "MemoryError"),
        (FAIL, {"model": "c", "deep": True}, "lost"),
    )
    assert never_succeeded(history) == ["model=b never succeeded: 2 of 3 failed with ImportError"]


def test_where_nothing_succeeded_no_option_is_to_blame():
    assert never_succeeded(history_of((FAIL, {"model": "a"}, "E"), (FAIL, {"model": "b"}, "E"))) == []
    assert never_succeeded(history_of()) == []


def test_an_option_that_only_went_with_a_named_one_is_left_out():
    history = history_of(
        (COMPLETE, {"model": "a", "deep": False}, None),
        (FAIL, {"model": "b", "deep": True}, "E"),
        (FAIL, {"model": "b", "deep": True}, "E"),
        (FAIL, {"model": "b", "deep": False}, "E"),
    )
    assert never_succeeded(history) == ["model=b never succeeded: 3 of 3 failed with E"]


MS = Problem(SPACE, constraints=(Constraint("ms", "<=", 1.0), Constraint("kb", ">=", 5.0)))


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        ([], "none has ended"),
        ([(FAIL, {}, "E")], r"the only trial failed, as in E \(trial 0\)"),
        ([(FAIL, {}, "E"), (PRUNED, {}, None), (FAIL, {}, "F")], r"1 were pruned and 2 failed \(E ×1, F ×1\), as in E"),
        ([(PRUNED, {}, None)] * 2, "all 2 that ended were pruned"),
        ([(COMPLETE, {}, {"value": float("inf"), "ms": 0.0, "kb": 9.0})] * 3, "value is inf in all 3 trials"),
        (
            [(COMPLETE, {}, {"value": 1.0, "ms": ms, "kb": 9.0}) for ms in (3.0, 2.0, 4.0)],
            r"ms <= 1 was never met, nearest is ms = 2 \(trial 1\)",
        ),
        ([(COMPLETE, {}, {"value": 1.0, "ms": float("nan"), "kb": 9.0})], "ms <= 1 was never met: ms was never finite"),
        (
            [(COMPLETE, {}, {"value": 1.0, "ms": ms, "kb": kb}) for ms, kb in ((0.0, 1.0), (2.0, 9.0))],
            "no trial met ms <= 1 and kb >= 5 at once",
        ),
    ],
)
def test_why_there_is_no_best_trial(ends, why):
    assert re.match(why, why_no_best(history_of(*ends, problem=MS)))


def test_why_there_is_no_best_trial_repeats_nothing():
    assert why_no_best(history_of((FAIL, {}, "E"), problem=MS), lambda failure: True) == "the only trial failed (E ×1)"
