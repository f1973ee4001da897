"""Clocks that disagree show in the order of the log."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.analysis.clocks import Skew, skews
from kilter.core.events import LOST, Ended, Entry, Failure, Reported, Started, TrialState

WRITTEN = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0.001, 30), st.floats(0, 1)),  # who, how long after the one before, lag
    min_size=40,
    max_size=120,
)


def log(written, offsets):
    """The log of workers with clocks that are so much ahead, by what they write when."""
    events = [Started(worker, 1, {}, f"w{worker}", 0, 0.0) for worker in range(3)]
    now = 0.0
    for worker, pause, lag in written:
        now += pause + lag
        events.append(Reported(worker, 1, (), now - lag + offsets[worker]))
    return [Entry(position, event) for position, event in enumerate(events, 1)]


@settings(max_examples=40)
@given(WRITTEN, st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3))
def test_what_is_said_is_true(written, offsets):
    for skew in skews(log(written, offsets)):
        truth = offsets[int(skew.ahead[1])] - offsets[int(skew.behind[1])]
        assert skew.seconds <= truth + 1.001  # an event may have waited for a second before it was written


@settings(max_examples=40)
@given(WRITTEN)
def test_clocks_that_agree_are_not_accused(written):
    assert skews(log(written, [5.0, 5.0, 5.0])) == []


def test_a_clock_that_is_an_hour_off_is_found_by_the_name_of_its_machine():
    turns = [(k % 3, 1.0, 0.0) for k in range(60)]
    (found,) = skews(log(turns, [0.0, 0.0, -3600.0]), {"w0": "node1", "w1": "node1", "w2": "node2"})
    assert (found.ahead, found.behind) == ("node1", "node2")
    assert 3590 < found.seconds <= 3600


def test_what_others_find_out_is_not_told_by_a_worker_s_clock():
    entries = log([(k % 2, 1.0, 0.0) for k in range(40)], [0.0, 0.0, 0.0])
    for number in range(50, 90):
        entries.append(Entry(0, Started(number, 1, {}, "dead", 0, 0.0)))
        end = Ended(number, 1, TrialState.FAIL, {}, 9e9 * (number % 2), failure=Failure(LOST, "gone"))
        entries += [Entry(0, end), Entry(0, Reported(0, 1, (), 40.0))]
    assert skews(entries) == []


def test_too_few_turns_say_nothing():
    assert skews(log([(0, 1, 0), (1, 1, 0), (0, 1, 0)], [0.0, 1e6, 0.0])) == []
    assert skews([]) == []
    assert skews(log([(k % 2, 1.0, 0.0) for k in range(20)], [0.0, 9.0, 0.0])) == [Skew("w1", "w0", 8.0)]
