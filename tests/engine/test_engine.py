"""The engine under any order of events, legal or not: a model that says what each should do, and what always holds."""

import copy
import math

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kilter.core.earlier import EarlierStudy
from kilter.core.errors import IncapableSampler, LogDamaged
from kilter.core.events import (
    CONTROLS,
    INTERRUPTED,
    LOST,
    Controlled,
    Created,
    Ended,
    Enqueued,
    Entry,
    Failure,
    Granted,
    Invalidated,
    Noted,
    Recalled,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.interfaces import Capabilities
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Prior
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.core.states import dumps_state
from kilter.engine.engine import Engine
from kilter.engine.lifecycle import ATTEMPTS
from kilter.samplers import EvolutionSampler, GridSampler, RandomSampler
from kilter.schedulers.fifo import FifoScheduler

SPACE = Space({"x": Float(0, 1), "n": Int(1, 5)})
STATES = [state for state in TrialState if state is not TrialState.PAUSED]  # test_pauses has those
FINISHED = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


def fresh(sampler=None, problem=None):
    chosen = sampler or EvolutionSampler(population=4, tournament=2)
    return Engine(problem or Problem(SPACE), chosen, FifoScheduler(), 5)


def fed(entries, **kwargs):
    engine = fresh(**kwargs)
    engine.handle(entries)
    return engine


def picture(engine):
    """All that an engine knows, as text that is equal where two engines are."""
    return replicated(engine) + repr([dumps_state(engine.sampler_state), dumps_state(engine.scheduler_state)])


def replicated(replica):
    """The same of a replica, which has no plug-ins."""
    history = replica.history
    arrays = {name: column.tolist() for name, column in history.reports.arrays().items()}
    reports = [history.reports.of(number) for number in range(len(history))]
    return repr(
        [
            list(history),
            [(name, list(getattr(history, name))) for name in ("waiting", "running", "paused", "finished")],
            [history.sampled, history.values.tolist(), history.matrix.tolist(), history.states.tolist()],
            [arrays, reports, vars(replica.ledger), replica.position, replica.attrs, replica.problem.to_json()],
            [replica.defined, history.forgiven, vars(replica.steering), history.violations.tolist()],
        ]
    )


NUMBERS = st.integers(-1, 6)
ATTEMPT_NUMBERS = st.integers(0, ATTEMPTS + 2)
METRICS = st.dictionaries(st.sampled_from(["value", "other"]), st.floats(), max_size=2)
FAILURES = st.none() | st.sampled_from([LOST, INTERRUPTED, "ValueError", "nan"]).map(Failure)


class AnyOrder(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.engine = fresh()
        self.entries = []
        self.trials = []  # the model: [state, attempt]
        self.kept = {}  # finished trials as they were when they ended

    def write(self, event, changes):
        entry = Entry(len(self.entries) + 1, event)
        known = len(self.engine.history)
        if event.number is not None and not 0 <= event.number < known + event.creates:
            with pytest.raises(LogDamaged, match=f"position {entry.position} .trial {event.number},"):
                fed([*self.entries, entry])
            assert not changes
            return
        before = picture(self.engine)
        self.entries.append(entry)
        self.engine.handle(self.entries[-1:])
        if not changes:
            self.engine.position -= 1
            assert picture(self.engine) == before
            self.engine.position += 1

    def model(self, number):
        return self.trials[number] if 0 <= number < len(self.trials) else None

    def near(self, data):
        """A number and an attempt, more often than not such that something is running there."""
        number = data.draw(NUMBERS)
        trial = self.model(number)
        usual = st.just(trial[1]) if trial else st.just(1)
        return number, trial, data.draw(usual | usual | ATTEMPT_NUMBERS)

    @rule(number=NUMBERS, next_one=st.booleans(), worker=st.sampled_from([None, "w1"]))
    def enqueue(self, number, next_one, worker):
        number = len(self.trials) if next_one and len(self.trials) < 7 else number
        legal = number == len(self.trials)
        if legal:
            self.trials.append([TrialState.WAITING, 0])
        self.write(Enqueued(number, {"x": 0.5}, 1.0, worker, {"a": 1}), legal)

    @rule(number=NUMBERS, attempt=ATTEMPT_NUMBERS, usual=st.booleans(), fresh=st.booleans(), x=st.floats(0, 1))
    def start(self, number, attempt, usual, fresh, x):
        trial = self.model(number)
        attempt = (trial[1] if trial else 0) + 1 if usual else attempt
        creates = number == len(self.trials) and attempt == 1 and fresh
        idle = trial is not None and trial[0] in (TrialState.WAITING, TrialState.PAUSED)
        legal = creates or (idle and attempt == trial[1] + 1)
        if creates:
            self.trials.append([TrialState.RUNNING, 1])
        elif legal:
            trial[:] = [TrialState.RUNNING, attempt]
        self.write(Started(number, attempt, {"x": x, "n": 2}, "w1", 0, 2.0, fresh), legal)

    @rule(data=st.data(), metrics=METRICS)
    def report(self, data, metrics):
        number, trial, attempt = self.near(data)
        legal = trial is not None and trial == [TrialState.RUNNING, attempt]
        self.write(Reported(number, attempt, (Report(3, metrics),), 2.5), legal)

    @rule(data=st.data(), state=st.sampled_from(STATES), metrics=METRICS, failure=FAILURES)
    def end(self, data, state, metrics, failure):
        number, trial, attempt = self.near(data)
        late, counts = data.draw(st.sampled_from([(False, False)] * 4 + [(True, False), (True, True)]))
        event = Ended(number, attempt, state, metrics, 3.0, (Report(9, metrics),), None, failure, late, counts)
        legal = trial == [TrialState.RUNNING, attempt] and state in (*FINISHED, TrialState.PAUSED) and not late
        is_open = trial is not None and trial[0] in (TrialState.RUNNING, TrialState.WAITING)
        if counts and is_open and 1 <= attempt <= trial[1] and state is TrialState.COMPLETE and failure is None:
            legal, trial[1] = True, attempt
        if legal:
            kind = failure.kind if failure else None
            again = kind == INTERRUPTED or (kind == LOST and attempt < ATTEMPTS)
            trial[0] = TrialState.WAITING if again else state
        self.write(event, legal)
        if legal and trial[0] in FINISHED:
            self.kept[number] = copy.deepcopy(self.engine.history[number])

    @rule(number=st.none() | st.integers(-1, 6))
    def note(self, number):
        known = self.model(number) if number is not None else True
        if number in self.kept:
            self.kept[number].attrs["note"] = len(self.entries)
        self.write(Noted(number, {"note": len(self.entries)}, 4.0), bool(known))

    @rule(data=st.data())
    def invalidate(self, data):
        number = data.draw(st.sampled_from(sorted(self.kept)) if self.kept else NUMBERS)
        trial = self.model(number)
        legal = trial is not None and trial[0] in FINISHED
        if legal:
            trial[0] = TrialState.FAIL
        self.write(Invalidated(number, "why", 6.0), legal)
        if legal:
            record, kept = self.engine.history[number], self.kept[number]
            assert (record.metrics, record.params, record.ended) == (kept.metrics, kept.params, kept.ended)
            assert record.invalid == "why" and record.failure is not None and record.forgiven
            self.kept[number] = copy.deepcopy(record)

    @rule(control=st.sampled_from(CONTROLS), cuts=st.booleans(), trials=st.integers(0, 3))
    def steer(self, control, cuts, trials):
        self.write(Controlled(control, 7.0, cuts), True)
        self.write(Granted(trials, 1.0, 7.0), True)

    @rule(high=st.integers(1, 4))
    def widen(self, high):
        self.write(SpaceExtended({"x": Float(0, high).to_json()}, 5.0), True)

    @invariant()
    def numbers_are_dense(self):
        assert [trial.number for trial in self.engine.history] == list(range(len(self.trials)))

    @invariant()
    def states_and_attempts_are_the_models(self):
        assert [[t.state, t.attempt] for t in self.engine.history] == self.trials

    @invariant()
    def sets_agree_with_states(self):
        history = self.engine.history
        by_state = {s: {t.number for t in history if t.state is s} for s in TrialState}
        assert set(history.running) == by_state[TrialState.RUNNING]
        assert set(history.waiting) == by_state[TrialState.WAITING]
        assert set(history.paused) == by_state[TrialState.PAUSED]
        assert len(history.finished) == len(set(history.finished))
        assert set(history.finished) == set().union(*(by_state[s] for s in FINISHED))
        groups = (history.running, history.waiting, history.paused)
        assert all(history[n] is t for group in groups for n, t in group.items())

    @invariant()
    def finished_trials_never_change(self):
        for number, kept in self.kept.items():
            assert repr(self.engine.history[number]) == repr(kept)

    @invariant()
    def what_was_invalidated_counts_nowhere(self):
        engine, history = self.engine, self.engine.history
        assert sum(engine.ledger.states.values()) == len(history.finished)
        counts = [n for n in history.finished if history[n].invalid is None and history.is_candidate(n)]
        assert engine.ledger.best_number == min(
            counts, key=lambda n: (history.values[n, 0], counts.index(n)), default=None
        )
        assert history.forgiven == sum(trial.forgiven for trial in history)

    @invariant()
    def lost_trials_end_after_their_attempts(self):
        for trial in self.engine.history:
            if trial.failure and trial.failure.kind == LOST and trial.attempt >= ATTEMPTS:
                assert trial.state is not TrialState.WAITING or trial.attempt > ATTEMPTS

    def teardown(self):
        other = fed(self.entries)
        assert picture(other) == picture(self.engine)
        number = len(other.history)
        assert other.propose(number) == self.engine.propose(number)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=120, stateful_step_count=30)


def log(*events):
    return [Entry(i, event) for i, event in enumerate(events, 1)]


def started(number, attempt=1, **params):
    return Started(number, attempt, params or {"x": 0.5, "n": 2}, "w1", 0, 1.0, attempt == 1)


def ended(number, attempt=1, value=1.0, state=TrialState.COMPLETE, **more):
    return Ended(number, attempt, state, {"value": value}, 2.0, **more)


def lost(number, attempt, kind=LOST):
    return ended(number, attempt, state=TrialState.FAIL, failure=Failure(kind))


def test_a_lost_trial_is_tried_three_times():
    events = []
    for attempt in range(1, ATTEMPTS + 1):
        events += [started(0, attempt), lost(0, attempt)]
        (trial,) = fed(log(*events)).history
        assert trial.state is (TrialState.WAITING if attempt < ATTEMPTS else TrialState.FAIL)
        assert trial.attempt == attempt
    assert fed(log(*events, started(0, ATTEMPTS + 1))).history.running == {}


def test_an_interrupted_trial_always_waits():
    events = []
    for attempt in range(1, 3 * ATTEMPTS):
        events += [started(0, attempt), lost(0, attempt, INTERRUPTED)]
    engine = fed(log(*events))
    assert list(engine.history.waiting) == [0]
    assert engine.claimable() is engine.history[0]


@pytest.mark.parametrize("again", [[], [started(0, 2)]], ids=["waits", "runs elsewhere"])
def test_a_late_result_ends_a_trial_that_has_none(again):
    late, more = ended(0, 1, value=3.0, late=True, counts=True), ended(0, 2, value=4.0)
    engine = fed(log(started(0), lost(0, 1), *again, late, more, ended(0, 2, late=True, counts=True)))
    (trial,) = engine.history
    assert (trial.state, trial.attempt, trial.metrics) == (TrialState.COMPLETE, 1, {"value": 3.0})
    assert engine.history.finished == [0]
    assert not engine.history.running
    assert not engine.history.waiting
    assert not engine.runs(0, 1)
    assert not engine.runs(0, 2)
    assert engine.ledger.best == 3.0


def test_a_late_end_that_is_no_first_result_is_ignored():
    for before, state, attempt in (
        ([started(0), lost(0, 1)], TrialState.PRUNED, 1),
        ([started(0), lost(0, 1)], TrialState.FAIL, 1),
        ([started(0), lost(0, 1)], TrialState.COMPLETE, 2),
        ([started(0), lost(0, 1), started(0, 2), ended(0, 2, state=TrialState.FAIL)], TrialState.COMPLETE, 1),
        ([Enqueued(0, {}, 0.0)], TrialState.COMPLETE, 0),
    ):
        expected = picture(fed(log(*before)))
        engine = fed(log(*before, ended(0, attempt, state=state, late=True, counts=True)))
        engine.position -= 1
        assert picture(engine) == expected


def test_a_late_end_of_an_older_log_is_ignored():
    """Also where the trial runs again, and where a worker calls its late end a usual one."""
    events = [started(0), lost(0, 1), started(0, 2)]
    expected = picture(fed(log(*events)))
    for late in (ended(0, 1, late=True), ended(0, 1), ended(0, 2, late=True)):
        engine = fed(log(*events, late))
        engine.position -= 1
        assert picture(engine) == expected


def test_the_first_end_counts():
    engine = fed(log(started(0), ended(0, value=1.0), ended(0, value=0.0)))
    assert engine.history[0].metrics == {"value": 1.0}
    assert engine.ledger.best == 1.0


def test_a_start_that_is_not_legal_makes_no_trial():
    assert len(fed(log(Started(0, 2, {}, "w1", 0, 1.0))).history) == 0


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([started(0), started(3)], r"position 2 \(trial 3, started\): the study has 1 trials by then"),
        ([started(0), started(-5)], r"position 2 \(trial -5, started\): the study has 1 trials by then"),
        ([started(0), ended(1)], r"position 2 \(trial 1, ended\): the study has 1 trials by then"),
        ([Noted(0, {}, 1.0)], r"position 1 \(trial 0, noted\): the study has 0 trials by then"),
    ],
)
def test_a_gap_in_the_numbers_is_said(events, said):
    with pytest.raises(LogDamaged, match=said):
        fed(log(*events))


def test_a_gap_in_the_positions_is_said():
    first, _, third = log(started(0), ended(0), started(1))
    with pytest.raises(LogDamaged, match=r"position 3 \(trial 1, started\): it follows position 1"):
        fed([first, third])


def test_an_engine_that_could_not_read_on_reads_no_more():
    engine = fresh()
    for _ in range(2):
        with pytest.raises(LogDamaged, match="position 2"):
            engine.handle(log(started(0), Reported(0, 1, (Report(2**70, {"value": 1.0}),), 1.0))[engine.position :])
        assert engine.position == 1


def test_created_changes_nothing():
    engine = fed(log(Created(Problem(SPACE).to_json(), {}, {}, 5, 0.0)))
    assert (len(engine.history), engine.position) == (0, 1)


def test_the_first_that_is_recalled_counts():
    first, second = (Recalled((EarlierStudy(name, ({"x": 0.5},), (1.0,)),), 0.0) for name in "ab")
    assert fed(log(first, second)).history.earlier == first.studies


def test_numbers_that_an_older_log_reserves_are_anybodys():
    engine = fed(log(Enqueued(0, {}, 0.0, "w1"), Enqueued(1, {}, 0.0)))
    assert engine.claimable().number == 0
    assert engine.claimable(busy={0: 1}).number == 1
    assert engine.claimable(busy={0: 1, 1: 1}) is None


def test_what_is_enqueued_whole_is_taken_as_it_is():
    engine = fed(log(Enqueued(0, {"x": 0.125, "n": 5, "unknown": "z"}, 0.0)))
    assert engine.propose(0) == {"x": 0.125, "n": 5, "unknown": "z"}


def test_what_is_missing_comes_from_the_sampler():
    """Value for value, with priors too: the prior must not be applied twice."""
    space = Space({"x": Float(0, 1, prior=Prior(0.9, "high")), "n": Int(1, 5), "c": Choice(["a", "b"])})
    engine = fed(log(Enqueued(0, {"n": 5, "unknown": 1}, 0.0)), sampler=RandomSampler(), problem=Problem(space))
    asked = engine.sampler.ask(engine.sampler_state, engine.history, 0)
    assert engine.propose(0) == {**asked, "n": 5, "unknown": 1}


def test_completions_are_allowed():
    space = Space({"a": Choice([1, 2]), "b": Choice([1, 2, 3])}, forbidden=[{"a": 1, "b": [1, 2]}])
    events = [Enqueued(n, {"a": 1}, 0.0) for n in range(20)]
    engine = fed(log(*events), problem=Problem(space))
    assert all(engine.propose(n) == {"a": 1, "b": 3} for n in range(20))


def test_completions_are_new_while_any_are_left():
    space = Space({"a": Choice([1, 2]), "b": Choice([1, 2, 3, 4, 5])})
    events = []
    for number in range(6):
        events.append(Enqueued(number, {"a": 1}, 0.0))
        config = fed(log(*events), problem=Problem(space)).propose(number)
        events.append(Started(number, 1, config, "w1", 0, 0.0, fresh=False))
    assert sorted(event.params["b"] for event in events[1:-1:2]) == [1, 2, 3, 4, 5]
    assert config["a"] == 1


def test_a_user_who_leaves_nothing_allowed_is_taken_at_their_word():
    space = Space({"a": Choice([1, 2]), "b": Choice([1, 2])}, forbidden=[{"a": 1, "b": [1, 2]}])
    engine = fed(log(Enqueued(0, {"a": 1}, 0.0)), problem=Problem(space))
    assert engine.propose(0)["a"] == 1


def test_a_trial_that_is_tried_again_keeps_its_configuration():
    engine = fed(log(started(0, x=0.25, n=4), lost(0, 1)))
    assert engine.propose(0) == {"x": 0.25, "n": 4}


def test_the_end_may_replace_the_configuration():
    engine = fed(log(started(0), ended(0, params={"x": 0.75, "n": 1})))
    assert engine.history[0].params == {"x": 0.75, "n": 1}
    assert engine.history.matrix[0, 0] == 0.75


def test_failed_and_nan_values():
    problem = Problem(SPACE, (Objective("a"), Objective("b", "maximize")))
    engine = fed(
        log(started(0), Ended(0, 1, TrialState.COMPLETE, {"b": 2.0}, 3.0), started(1), lost(1, 1, "E")), problem=problem
    )
    np.testing.assert_array_equal(engine.history.values, [[math.nan, -2.0], [math.nan, math.nan]])


def test_a_sampler_that_is_not_able_is_refused_early():
    class Modest(GridSampler):
        capabilities = Capabilities(conditions=False, objectives=1, constraints=False, infinite=False)

    finite, parent = Space({"a": Int(0, 3)}), Choice(["u", "v"])
    conditional = Space({"p": parent, "a": Int(0, 3).when(p="u")})
    Engine(Problem(finite), Modest(), FifoScheduler(), 0)
    for problem, words in [
        (Problem(finite, (Objective("a"), Objective("b"))), "objective"),
        (Problem(finite, constraints=(Constraint("m", "<=", 1.0),)), "constraint"),
        (Problem(conditional), "conditional"),
        (Problem(SPACE), "continuous"),
    ]:
        with pytest.raises(IncapableSampler, match=words):
            Engine(problem, Modest(), FifoScheduler(), 0)
