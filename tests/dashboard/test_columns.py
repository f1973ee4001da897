"""Columns: what a browser knows after any number of deltas is what it would be told at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dashboard.decoding import decoded

from kilter import Boolean, Choice, Float, Int, create_study
from kilter.core.events import (
    Ended,
    Enqueued,
    Event,
    Failure,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.interfaces import Storage
from kilter.dashboard.reading import Reading, Study
from kilter.storage.memory import MemoryStorage

SPACE = {
    "lr": Float(1e-5, 1, log=True),
    "depth": Int(1, 9),
    "model": Choice({"svm": {"C": Float(0, 1)}, "forest": {}}),
    "norm": Boolean(),
}


def made(space=SPACE, **settings) -> tuple[Storage, Study]:
    storage = MemoryStorage()
    create_study(storage=storage, study_name="s", space=space, seed=0, **settings)
    return storage, Reading(storage).study(1)


def write(storage: Storage, *events: Event) -> None:
    assert not storage.append(1, events).refused


def started(number: int, params=None, attempt: int = 1, **more) -> Started:
    params = params or {"lr": 0.1, "depth": 3, "model": "forest", "norm": True}
    return Started(number, attempt, params, "w", 1, 5.0, **more)


def ended(number: int, value: float, **more) -> Ended:
    return Ended(number, 1, TrialState.COMPLETE, {"value": value}, 9.0, **more)


def test_what_a_trial_is_stands_in_its_row():
    storage, study = made()
    write(storage, started(0, {"lr": 0.5, "depth": 7, "model": "svm", "C": 0.25, "norm": False}), ended(0, 0.125))
    write(storage, started(1))
    study.sync()
    told = decoded(study.columns())
    numbers = {key: column[0] for key, column in told.columns.items()}
    assert numbers["state"] == TrialState.COMPLETE and told.columns["state"][1] == TrialState.RUNNING
    assert numbers["param:lr"] == 0.5 and numbers["param:depth"] == 7 and numbers["param:C"] == 0.25
    assert told.option("param:model", 0) == "svm" and told.option("param:norm", 0) == "false"
    assert math.isnan(told.columns["param:C"][1]) and math.isnan(told.columns["value:value"][1])
    assert numbers["value:value"] == 0.125 and numbers["seconds"] == 4.0
    assert told.header["origin"] + numbers["started"] == pytest.approx(5.0, abs=200)
    assert told.option("worker", 0) == "w"


def test_an_option_that_is_not_active_has_none():
    storage, study = made({"a": Boolean(), "b": Choice(["x", "y"]).when(a=True)})
    write(storage, started(0, {"a": False}))
    study.sync()
    assert decoded(study.columns()).option("param:b", 0) is None


def test_values_beyond_the_numbers_of_a_browser_are_infinite():
    storage, study = made()
    write(storage, started(0), ended(0, 1e300), started(1, {"norm": True}), ended(1, -math.inf))
    study.sync()
    assert decoded(study.columns()).columns["value:value"].tolist() == [math.inf, -math.inf]


def test_a_maximum_is_told_in_its_own_direction():
    storage, study = made(direction="maximize")
    write(storage, started(0), ended(0, 3.0))
    study.sync()
    assert decoded(study.columns()).columns["value:value"][0] == 3.0


def test_sorts_of_failures_are_options_and_the_first_is_none():
    storage, study = made()
    for number in range(4):
        failure = Failure("ValueError", f"lr={number} is <b>bad</b>" if number % 2 else "no")
        end = Ended(number, 1, TrialState.FAIL, {}, 9.0, failure=failure)
        write(storage, started(number, {"depth": number + 1}), end)
    write(storage, started(4, {"depth": 9}))
    study.sync()
    told = decoded(study.columns())
    assert told.option("failure", 1) == told.option("failure", 3) == "ValueError: lr=# is <b>bad</b>"
    assert told.columns["failure"][4] == 0 and told.option("failure", 4) == ""


def test_a_space_that_grew_is_told_anew():
    storage, study = made()
    write(storage, started(0))
    study.sync()
    before = study.revision
    write(storage, SpaceExtended({"extra": Float(0, 1).to_json()}, 6.0), started(1, {"extra": 0.5}))
    study.sync()
    told = decoded(study.columns(before))
    assert told.rows is None and told.columns["param:extra"][1] == 0.5


def test_a_delta_has_the_rows_that_changed_and_no_others():
    storage, study = made()
    for number in range(20):
        write(storage, started(number, {"depth": number % 9 + 1}), ended(number, number))
    study.sync()
    study.columns()
    at = study.revision
    write(storage, Noted(3, {"a": 1}, 9.0), started(20), Reported(20, 1, (Report(7, {"loss": 0.5}),), 6.0))
    study.sync()
    told = decoded(study.columns(at))
    assert told.rows is not None and told.rows.tolist() == [3, 20]
    assert told.columns["step"].tolist() == [-1, 7]


@pytest.mark.parametrize("after", [0, 10**9])
def test_who_knows_nothing_of_this_log_is_told_everything(after: int):
    storage, study = made()
    write(storage, started(0))
    study.sync()
    study.columns()
    write(storage, started(1))
    study.sync()
    assert decoded(study.columns(after)).rows is None


KINDS = ["start", "end", "fail", "report", "note", "enqueue", "read"]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)))


def event_of(kind: str, number: int, trials: int) -> Event:
    if kind == "start":
        parent = number if trials > number else None
        return started(trials, {"depth": number % 9 + 1, "norm": bool(number % 2)}, parent=parent)
    if kind == "enqueue":
        return Enqueued(None, {"depth": 2}, 6.0)
    if kind == "note":
        return Noted(number % trials, {"x": number}, 6.0)
    if kind == "report":
        return Reported(number % trials, 1, (Report(number, {"loss": 0.5}),), 6.0)
    if kind == "fail":
        return Ended(number % trials, 1, TrialState.FAIL, {}, 9.0, failure=Failure("E", f"way {'abc'[number % 3]}"))
    return (
        ended(number % trials, float(number))
        if number % 2
        else Ended(number % trials, 1, TrialState.COMPLETE, {"value": 1.0, "size": 2.0}, 9.0)
    )


@given(STEPS)
@settings(deadline=None, max_examples=60)
def test_deltas_add_up_to_the_whole(steps):
    storage, study = made()
    known = decoded(study.columns())
    trials = 0
    for kind, number in steps:
        if kind != "read":
            if trials or kind in ("start", "enqueue"):
                refused = storage.append(1, [event_of(kind, number, trials)]).refused
                trials += not refused and kind in ("start", "enqueue")
            continue
        study.sync()
        told = decoded(study.columns(known.header["revision"]))
        known.columns, known.header = told.laid_over(known), told.header
    study.sync()
    told = decoded(study.columns(known.header["revision"]))
    after = told.laid_over(known)
    whole = decoded(Reading(storage).study(1).columns())
    assert whole.rows is None and whole.header["revision"] == told.header["revision"]
    for key, column in whole.columns.items():
        np.testing.assert_array_equal(after[key], column, key)
