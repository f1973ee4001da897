"""A trial that was run elsewhere is, once its events are folded, what is known of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kilter import Float
from kilter.core.events import Entry, Failure, Report, TrialState
from kilter.core.past import PastTrial
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space
from kilter.engine.replica import Replica

X = {"x": Float(0, 1)}
VALUES = st.floats(-1e9, 1e9)


@st.composite
def past_trials(draw: Any) -> PastTrial:
    state = draw(st.sampled_from(TrialState))
    ends = state.is_finished() or state is TrialState.PAUSED
    steps = sorted(draw(st.sets(st.integers(0, 99), max_size=4)))
    return PastTrial(
        state,
        {"x": draw(st.floats(0, 1))},
        10.0,
        12.0,
        {"value": draw(VALUES)} if ends else {},
        () if state is TrialState.WAITING else tuple(Report(step, {"value": draw(VALUES)}) for step in steps),
        Failure("told", "elsewhere") if state is TrialState.FAIL else None,
        draw(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)),
        draw(st.sampled_from([X, {}])),
    )


@given(st.lists(past_trials(), max_size=6))
def test_what_is_folded_is_what_was_known(trials: list[PastTrial]) -> None:
    replica = Replica(Problem(Space(), (Objective("value"),)), 0)
    events = [event for number, past in enumerate(trials) for event in past.events(number, "elsewhere")]
    replica.handle([Entry(position, event) for position, event in enumerate(events, 1)])
    for record, past in zip(replica.history, trials):
        told = (record.state, record.params, record.metrics, record.attrs, record.failure)
        assert told == (past.state, past.params, past.metrics, past.attrs, past.failure)
        assert tuple(replica.history.reports.of(record.number)) == past.reports
        if record.is_finished:
            assert record.seconds == past.ended - past.started
    assert ("x" in replica.problem.space) == any(past.grown for past in trials)
