"""A sampler that thinks for long is asked before a slot is free, and what it chose can be worked out again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.events import ELSEWHERE, Enqueued, SpaceExtended, Started, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import Outcome
from kilter.core.limits import Limits
from kilter.core.numbers import Float
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.replay import engine_at, opened
from kilter.samplers.gp import GPSampler
from kilter.samplers.random import RandomSampler
from kilter.samplers.seeded import Seeded
from kilter.samplers.tpe import TPESampler
from kilter.storage.memory import MemoryStorage

SPACE = {"x": kilter.Float(0, 1), "kind": kilter.Choice(["a", "b"])}
SECONDS = 0.2


@dataclass(frozen=True)
class Slow(Seeded):
    """Chooses as another sampler without a state of its own does, in so many seconds."""

    sampler: Seeded = field(default_factory=RandomSampler)
    clock: VirtualClock = field(default_factory=VirtualClock)
    seconds: float = 0.0
    seed: int | None = None

    def ask(self, state, history, number):
        self.clock.advance(self.clock() + self.seconds)
        return self.sampler.ask(state, history, number)


GP = GPSampler(4)


def run(thinking, slots, trials=40, sampler=GP, stoppers=()):
    """The storage and the study of a run, and when its trials began and ended."""
    clock, storage, spans = VirtualClock(), MemoryStorage(), []

    def objective(values):
        length = SECONDS * (0.9 + 0.2 * ((len(spans) * 0.618) % 1.0))
        spans.append((clock(), clock() + length))
        return (values["x"] - 0.3) ** 2 + (values["kind"] == "a"), length

    slow = Slow(sampler, clock, thinking)
    study = kilter.create_study(space=SPACE, storage=storage, study_name="s", sampler=slow, seed=3, clock=clock)
    study.run(Simulated(slots, clock).start(objective), Limits(trials=trials), progress="none", stoppers=stoppers)
    return storage, study, spans


def made_ahead(storage):
    """The numbers of trials whose sampler had not read all that came before they began."""
    entries = storage.read(1)
    return [event.number for position, event in entries if isinstance(event, Started) and event.seen < position - 1]


def busy(spans, slots):
    spans = spans[2 * slots : -slots]  # at the beginning the slots are filled, at the end there is nothing to do
    low, high = spans[0][1], spans[-1][0]
    within = sum(max(0.0, min(end, high) - max(begin, low)) for begin, end in spans)
    return within / (slots * (high - low))


@pytest.mark.parametrize("slots", [4, 8])
def test_slots_need_not_wait_for_a_sampler_that_thinks_while_they_are_busy(slots):
    thinking = 0.6 * SECONDS / slots
    _, _, spans = run(thinking, slots, 200, RandomSampler())
    assert busy(spans, slots) > 0.93  # without, it is 0.86 and 0.89


def test_what_was_chosen_ahead_follows_from_the_log_up_to_where_the_sampler_had_read():
    storage, study, _ = run(0.6 * SECONDS / 8, 8, 26)
    ahead = made_ahead(storage)
    assert len(ahead) > 10
    for trial in study.trials:
        started = next(e for _, e in storage.read(1) if isinstance(e, Started) and e.number == trial.number)
        engine = engine_at(1, storage, started.seen, GP)
        assert engine.propose(trial.number) == started.params


@settings(max_examples=20)
@given(
    st.lists(
        st.sampled_from([*3 * ["ask ahead", "begin", "end"], "enqueue", "grow", "other"]), min_size=10, max_size=40
    )
)
def test_every_choice_follows_from_the_log_whatever_happens_in_between(steps):
    storage = MemoryStorage()
    study = kilter.create_study(space=SPACE, storage=storage, study_name="s", sampler=TPESampler(2), seed=3)
    session, running = study._session, []
    for step in [*steps, "begin"]:
        match step:
            case "ask ahead":
                session.ask_ahead(limit=20)
            case "begin":
                if isinstance(trial := session.begin(limit=20), Record):
                    running.append(trial.number)
            case "end" if running:
                number = running.pop(0)
                session.end(
                    Outcome(number, 1, TrialState.COMPLETE, {"value": session.engine.history[number].params["x"]})
                )
            case "enqueue":
                session.write(Enqueued(None, {"x": 0.5, "kind": "b"}, 1.0))
            case "grow":
                session.write(SpaceExtended({f"y{session.engine.position}": Float(0, 1).to_json()}, 1.0))
            case "other":
                session.add({"x": len(session.engine.history) / 100, "kind": "a"}, 1.0)
    for position, event in storage.read(1):
        if isinstance(event, Started) and event.fresh and event.seen != ELSEWHERE:
            assert event.seen < position
            assert engine_at(1, storage, event.seen).propose(event.number) == event.params


@pytest.mark.parametrize(("thinking", "slots"), [(0.1, 1), (0.1, 3), (0.0, 8), (0.001, 8)])
def test_few_slots_and_a_sampler_that_is_quick_are_served_one_by_one(thinking, slots):
    assert made_ahead(run(thinking, slots, sampler=RandomSampler())[0]) == []


def test_one_slot_has_the_same_study_however_long_the_sampler_thinks():
    slow, quick = (run(thinking, 1, 12)[1] for thinking in (0.1, 0.0))
    assert [trial.params for trial in slow.trials] == [trial.params for trial in quick.trials]


# -- what has happened since ------------------------------------------------------------------------------------------


@pytest.fixture
def session():
    study = kilter.create_study(space=SPACE, storage=MemoryStorage(), study_name="s", sampler="random", seed=3)
    return study._session


def test_a_trial_that_was_asked_for_ahead_begins_now_with_what_was_chosen_then(session):
    session.ask_ahead()
    chosen = session.engine.propose(0)
    seen, before = session.engine.position, session.clock()
    session.note(None, {"a": 1})
    trial = session.begin()
    assert (trial.params, trial.seen) == (chosen, seen)
    assert trial.started >= before
    assert session.begin().seen == session.engine.position - 1


def test_what_a_user_enqueued_since_goes_first(session):
    session.ask_ahead()
    session.write(Enqueued(None, {"x": 0.5, "kind": "a"}, 1.0))
    assert session.begin().params == {"x": 0.5, "kind": "a"}
    assert session.begin().seen == session.engine.position - 1


def test_where_others_are_faster_or_work_too_the_sampler_is_asked_when_a_slot_is_free(session):
    other = opened("s", session.storage, clock=session.clock)
    session.ask_ahead()
    taken = other.begin()
    trial = session.begin()  # without having read that: what was chosen ahead is refused, and not tried again
    assert (trial.number, trial.seen) == (1, session.engine.position - 1)
    session.ask_ahead()
    session.note(None, {"a": 1})
    assert session.begin().seen == session.engine.position - 1
    assert session.engine.history[0].params == taken.params


def test_who_is_refused_and_waits_leaves_the_chance_of_the_program_alone(session):
    opened("s", session.storage, clock=session.clock).begin()
    random.seed(7)  # as an objective may, for its own draws
    before = random.getstate()
    assert session.begin().number == 1  # without having read that number 0 is taken
    assert random.getstate() == before


def test_in_another_space_or_beyond_the_limit_it_is_forgotten(session):
    session.ask_ahead()
    session.write(SpaceExtended({"y": Float(0, 1).to_json()}, 1.0))
    assert "y" in session.begin().params
    session.ask_ahead()
    assert session.begin(is_new=False) is None
    session.ask_ahead(limit=1)
    assert session.begin(limit=1) is None


def test_after_a_run_it_is_asked_anew():
    storage, study, _ = run(
        0.6 * SECONDS / 8, 8, 1000, RandomSampler(), [lambda history, now: len(history.finished) == 30]
    )
    assert study._session.engine.history[len(study.trials) - 1].is_finished
    trial = study.ask()
    assert study._session.engine.history[trial.number].seen == len(storage.read(1)) - 1
