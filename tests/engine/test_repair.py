"""What is whole of a damaged log is saved: whatever happens to some rows, trials without those stay as they were."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kilter.core import codec
from kilter.core.errors import LogDamaged
from kilter.core.events import (
    LOST,
    Created,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Failure,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.numbers import Float, Int
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.engine.engine import Engine
from kilter.engine.repair import Row, repaired
from kilter.engine.replica import Replica
from kilter.samplers import EvolutionSampler
from kilter.schedulers.median import MedianScheduler

SPACE = Space({"x": Float(0, 1), "n": Int(1, 5)})
SAMPLER = EvolutionSampler(population=4, tournament=2)
DONE, FAIL, PAUSED = TrialState.COMPLETE, TrialState.FAIL, TrialState.PAUSED


def start(number, attempt=1, **more):
    return Started(number, attempt, {"x": number / 10, "n": 2}, "w", 0, 1.0, **{"fresh": attempt == 1, **more})


def end(number, attempt=1, state=DONE, **more):
    return Ended(number, attempt, state, {"value": float(number)}, 2.0, **more)


LOG = [
    Created(Problem(SPACE).to_json(), {"name": "evolution"}, {"name": "median"}, 5, 0.0),
    start(0),
    end(0, reports=(Report(1, {"value": 0.5}),)),
    Enqueued(1, {"x": 0.5}, 1.0, attrs={"a": 1}),
    start(1, fresh=False),
    start(2),
    Reported(1, 1, (Report(1, {"value": 0.25}),), 1.0),
    end(2, state=FAIL, failure=Failure(LOST)),
    start(2, attempt=2),
    end(1),
    end(2, attempt=2),
    SpaceExtended({"z": Float(0, 1).to_json()}, 1.0),
    start(3),
    end(3, state=PAUSED),
    start(4),
    Noted(4, {"b": [1, 2]}, 1.0),
    end(4, params={"x": 0.75, "n": 1}),
    start(3, attempt=2),
    end(3, attempt=2, state=PAUSED),
    Dropped(3, 2, "behind", 2.0),
    Noted(None, {"of": "the study"}, 1.0),
    start(5),
    start(6),
    end(6, state=FAIL, failure=Failure("ValueError", "no")),
    end(5),
]


def rows_of(log):
    rows = []
    for position, event in enumerate(log, 1):
        kind, body = codec.encode(event)
        rows.append(Row(position, kind, event.number, getattr(event, "attempt", 0), event.time, body))
    return rows


def fresh(created):
    return Engine(Problem.from_json(created.problem), SAMPLER, MedianScheduler(), 5)


def folded(events):
    engine = fresh(events[0])
    engine.handle([Entry(i, event) for i, event in enumerate(events, 1)])
    return engine


def after(repair):
    """The engine of a repaired log, which a storage would take: no identity and no number is there twice."""
    events = [event for event, _ in repair.kept]
    identities = [event.identity for event in events if event.identity is not None]
    created = [event.number for event in events if event.creates]
    assert len(identities) == len(set(identities)) and len(created) == len(set(created))
    for event, row in repair.kept:
        assert row is None or row.event() == event
    return folded(events)


def picture(engine, number):
    trial = engine.history[number]
    reports = [(r.step, r.metrics, r.fold) for r in engine.history.reports.of(number)]
    return trial.state, trial.params, trial.metrics, trial.attempt, trial.attrs, trial.failure, reports


WHOLE = folded(LOG)
DAMAGE = st.sampled_from(
    [
        lambda row: None,
        lambda row: replace(row, body=None),
        lambda row: replace(row, body="{nonsense"),
        lambda row: replace(row, body="{}"),
        lambda row: replace(row, kind="sorted"),
        lambda row: replace(row, kind="started"),
        lambda row: replace(row, kind="noted"),
        lambda row: replace(row, number=-5),
        lambda row: replace(row, number=10**6),
        lambda row: replace(row, number=20),
        lambda row: replace(row, number=3),
        lambda row: replace(row, number="x"),
        lambda row: replace(row, attempt=7),
        lambda row: replace(row, attempt=10**9),
        lambda row: replace(row, attempt=None),
        lambda row: replace(row, time="x"),
    ]
)


@given(st.dictionaries(st.integers(1, len(LOG) - 1), DAMAGE, min_size=1, max_size=4))
@settings(max_examples=300)
@example({1: lambda row: replace(row, number=-5)})
@example({1: lambda row: replace(row, number=3), 2: lambda row: replace(row, number=3)})
def test_trials_without_damage_stay_as_they_were(damage):
    rows = rows_of(LOG)
    hit = {rows[at].number for at in damage}
    for at, act in damage.items():
        rows[at] = act(rows[at])
        hit.add(rows[at] and rows[at].number)
    repair = repaired([row for row in rows if row is not None], fresh)
    engine = after(repair)
    assert engine.damage is None
    for number in range(7):
        if number not in hit and number < len(engine.history):
            assert picture(engine, number) == picture(WHOLE, number)
    assert all(number < len(engine.history) for number in range(7) if number not in hit)
    assert set(repair.waiting) <= hit | set(range(7, 20))
    assert all(engine.history[number].state is TrialState.WAITING for number in repair.waiting)


def test_a_log_that_is_whole_is_kept_row_by_row():
    repair = repaired(rows_of(LOG), fresh)
    assert not repair.lost and not repair.waiting
    assert [row for _, row in repair.kept] == rows_of(LOG)


def lose(*positions):
    return repaired([row for row in rows_of(LOG) if row.position not in positions], fresh)


def test_a_trial_without_its_start_waits_to_run_again():
    repair = lose(2)
    assert repair.lost[0] == "positions 2 to 2: they are gone"
    assert repair.lost[1:] == ["position 3 (trial 0, ended): the start of its trial is lost"]
    assert repair.waiting == [0]
    assert list(after(repair).history.waiting) == [0]


def test_an_end_that_has_the_configuration_is_enough():
    engine = after(lose(15))
    assert picture(engine, 4)[:4] == (DONE, {"x": 0.75, "n": 1}, {"value": 4.0}, 1)


def test_a_second_attempt_whose_start_is_lost_has_the_configuration_of_the_first():
    engine = after(lose(9))
    assert picture(engine, 2) == picture(WHOLE, 2)


def test_a_result_after_an_attempt_whose_end_is_lost():
    for lost in (8, 14):
        number = 2 if lost == 8 else 3
        assert picture(after(lose(lost)), number)[:4] == picture(WHOLE, number)[:4]


def test_a_first_event_that_is_lost_cannot_be_saved():
    for rows in (rows_of(LOG)[1:], [], [replace(rows_of(LOG)[0], body="{"), *rows_of(LOG)[1:]]):
        with pytest.raises(LogDamaged):
            repaired(rows, fresh)


def test_an_event_that_cannot_be_taken_in_is_left_out():
    class Picky(Replica):
        def _over(self, trial):
            if trial.number == 2 and trial.is_finished:
                raise RuntimeError("not this one")

    def picky(created):
        return Picky(Problem.from_json(created.problem), 5)

    repair = repaired(rows_of(LOG), picky)
    assert repair.lost == ["position 11 (trial 2, ended): not this one"]
    assert len(repair.kept) == len(LOG) - 1
