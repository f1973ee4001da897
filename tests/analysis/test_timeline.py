"""Who worked when: lanes without overlaps, all of the time accounted for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import FAIL, RUNNING, WAITING, histories, history_of

from kilter.analysis.timeline import timeline
from kilter.core.events import RETRIES

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9), st.sampled_from("abc")), max_size=20)


def ran(started, seconds, worker="a", **told):
    return {"started": float(started), "ended": float(started + seconds), "worker": worker, **told}


@given(SPANS)
def test_no_lane_does_two_things_at_once_and_there_are_no_more_than_needed(spans):
    found = timeline(history_of([ran(*span) for span in spans]), 100.0)
    assert sorted(found.numbers.tolist()) == list(range(len(spans)))
    for i, lane in enumerate(found.lanes):
        mine = found.lane == i
        assert (found.ends[mine][:-1] <= found.starts[mine][1:]).all()
        assert lane.trials == mine.sum()
        assert lane.busy == pytest.approx((found.ends - found.starts)[mine].sum())
    for worker in {span[2] for span in spans}:
        mine = [(a, a + b) for a, b, name in spans if name == worker]
        at_once = max(max(1, sum(a <= t < b for a, b in mine)) for t, _ in mine)
        assert sum(lane.worker == worker for lane in found.lanes) == at_once


@given(histories())
def test_all_time_is_accounted_for(history):
    found = timeline(history, 1e5)
    busy = sum(lane.busy for lane in found.lanes)
    assert busy == pytest.approx((found.ends - found.starts).sum())
    assert (found.running * np.diff(found.times)).sum() == pytest.approx(busy, rel=1e-6, abs=1e-6)
    assert found.utilisation is None or 0 <= found.utilisation <= 1
    assert (found.starts >= 0).all() and (found.ends <= found.until).all()


def test_a_known_timeline():
    trials = [
        ran(10, 10),
        ran(10, 5, "b"),
        ran(21, 4, "b"),
        ran(12, 3),
        {"state": RUNNING, "started": 22.0, "worker": "a"},
    ]
    found = timeline(history_of([*trials, {"state": WAITING, "attempt": 0}]), 30.0)
    assert (found.origin, found.until, found.workers) == (10.0, 20.0, 2)
    assert [(lane.worker, lane.slot, lane.busy, lane.idle) for lane in found.lanes] == [
        ("a", 0, 18.0, 2.0),
        ("b", 0, 9.0, 6.0),
        ("a", 1, 3.0, 0.0),
    ]
    assert found.utilisation == pytest.approx(30 / 38)
    assert found.ends[found.numbers == 4].tolist() == [20.0], "what runs goes on until now"


def test_a_break_between_runs_is_no_idle_time():
    day = 86400.0
    found = timeline(history_of([ran(0, 10), ran(40, 10), ran(day, 10)]), 2 * day)
    assert found.idle == 30.0
    long = timeline(history_of([ran(0, 100), ran(900, 100)]), day)
    assert long.idle == 800.0, "trials of 100 s may have 1,000 s between them"


def test_lost_attempts_and_retries_are_counted():
    trials = [ran(0, 1, state=FAIL), ran(2, 1, attrs={RETRIES: 0}), ran(3, 1, losses=2, attempt=3)]
    found = timeline(history_of(trials), 9.0)
    assert (found.lost, found.retried, found.attempts.tolist()) == (2, 1, [1, 1, 3])
    assert timeline(history_of([{"started": 1.0, "worker": None, "ended": 2.0}]), 3.0).lanes[0].worker == "elsewhere"
