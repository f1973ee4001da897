"""A run obeys what the log says, in virtual time and in this thread; what was said before it is not meant for it."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter import replay
from kilter.core.errors import InvalidInput, NotReady, TrialNotFound
from kilter.core.events import TrialState
from kilter.core.limits import Limits
from kilter.engine.ending import EndKind
from kilter.executors.inline import Inline
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.runtime import steering
from kilter.runtime.loop import HEARING
from kilter.storage.memory import MemoryStorage

SPACE = {"x": kilter.Float(0, 1)}
COMPLETE, WAITING, FAIL = TrialState.COMPLETE, TrialState.WAITING, TrialState.FAIL


def made(**more):
    """A study in memory, and its log as somebody else has it."""
    storage = MemoryStorage()
    study = kilter.create_study(
        storage=storage, study_name="s", space=SPACE, sampler="random", scheduler="fifo", seed=1, **more
    )
    return study, replay.read("s", storage)


def states(study):
    return [trial.state for trial in study.trials]


class Said:
    """A clock in whose time somebody else says something."""

    def __init__(self):
        self.clock = VirtualClock()
        self.plans = []

    def __call__(self):
        now = self.clock()
        while self.plans and self.plans[0][0] <= now:
            self.plans.pop(0)[1]()
        return now

    def advance(self, to):
        self.clock.advance(to)

    def at(self, moment, say):
        self.plans = sorted([*self.plans, (self.clock() + moment, say)], key=lambda plan: plan[0])


def simulated(seconds=10.0, slots=2):
    """A study whose trials last so long, what runs it, and the log by which it is steered."""
    clock = Said()
    study, log = made(clock=clock)

    def objective(config):
        for step in range(10):
            yield step, config["x"], seconds / 10

    return study, log, clock, Simulated(slots, clock).start(objective)


# -- stopping -----------------------------------------------------------------------------------------------------


def test_a_stop_lets_what_runs_end_and_begins_nothing():
    study, log, clock, executor = simulated()
    clock.at(14.0, lambda: steering.stop(log, 0.0))
    ending = study.run(executor, Limits(trials=50), progress="none")
    assert (ending.kind, ending.reason) == (EndKind.STOPPED, "the study was stopped")
    assert states(study) == [COMPLETE] * 4


def test_a_stop_that_cuts_puts_what_runs_back_within_a_second_and_the_next_run_goes_on_with_it():
    study, log, clock, executor = simulated()
    clock.at(14.0, lambda: steering.stop(log, 0.0, cuts=True))
    ending = study.run(executor, Limits(trials=6), progress="none")
    assert ending.cut == (2, 3)
    assert clock() <= 14.0 + HEARING + 1.0  # a step of its objective
    assert states(study) == [COMPLETE] * 2 + [WAITING] * 2
    assert study.control == "stopped"
    study.run(executor, Limits(trials=6), progress="none")
    assert states(study) == [COMPLETE] * 6
    assert study.control == "running"


def test_a_run_hears_of_it_also_while_its_objective_says_nothing():
    clock = Said()
    study, log = made(clock=clock)
    clock.at(14.0, lambda: steering.stop(log, 0.0, cuts=True))
    executor = Simulated(2, clock).start(lambda config: (config["x"], 100.0))
    assert study.run(executor, Limits(trials=6), progress="none").cut == (0, 1)
    assert clock() <= 14.0 + HEARING + 0.5


def test_an_objective_in_this_thread_obeys_at_its_next_report():
    study, log = made()

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(5):
            if (trial.number, step) == (2, 3):
                steering.stop(log, 0.0, cuts=True)
            trial.report(x, step)
            trial.flush()
        return x

    study.optimize(objective, n_trials=9, progress="none")
    assert states(study) == [COMPLETE, COMPLETE, WAITING]
    assert study.trials[2].last_step == 3


def test_who_asks_is_told_of_a_stop_once():
    study, log = made()
    study.tell(study.ask(), 1.0)
    steering.stop(log, 0.0)
    study.set_user_attr("news", "are read by whoever writes")
    with pytest.raises(NotReady, match="was stopped"):
        study.ask()
    study.tell(study.ask(), 1.0)
    assert (states(study), study.control) == ([COMPLETE] * 2, "running")


def test_who_comes_after_a_stop_is_not_stopped():
    _, log = made()
    steering.stop(log, 0.0)
    later = kilter.load_study(storage=log.storage)
    later.optimize(lambda x: x, n_trials=2, progress="none")
    assert later.control == "running"
    kilter.load_study(storage=log.storage).ask()


# -- pausing ------------------------------------------------------------------------------------------------------


def test_a_paused_run_waits_and_goes_on():
    study, log, clock, executor = simulated()
    seen = []
    clock.at(14.0, lambda: steering.pause(log, 0.0))

    def nap(seconds):  # of the loop, while nothing runs
        seen.append((len(study.history.running), len(study.history)))
        steering.unpause(log, 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kilter.runtime.loop.time.sleep", nap)
        study.run(executor, Limits(trials=6), progress="none")
    assert seen == [(0, 4)]
    assert states(study) == [COMPLETE] * 6


def test_what_is_paused_and_stopped_stays_paused_for_the_runs_that_come():
    study, log = made()
    steering.pause(log, 0.0)
    steering.stop(log, 0.0)
    assert log.replica.control == "paused" and log.replica.steering.stopped
    steering.begin(log, 0.0)
    assert log.replica.control == study.control == "paused"
    assert steering.unpause(log, 0.0) and log.replica.control == "running"


def test_its_time_goes_on_and_it_can_be_stopped():
    study, log, clock, executor = simulated()
    steering.pause(log, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kilter.runtime.loop.time.sleep", lambda seconds: clock.advance(clock() + 30.0))
        assert study.run(executor, Limits(trials=6, seconds=60.0), progress="none").kind is EndKind.TIME
        patch.setattr("kilter.runtime.loop.time.sleep", lambda seconds: steering.stop(log, 0.0))
        assert study.run(executor, Limits(trials=6), progress="none").kind is EndKind.STOPPED
    assert states(study) == []


@pytest.mark.parametrize("progress", ["none", "plain", "live"])
def test_a_run_of_a_paused_study_says_so_at_once_and_how_it_goes_on(progress, capsys, caplog):
    study, log = made()
    steering.pause(log, 0.0)
    with caplog.at_level(logging.WARNING, "kilter"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("kilter.runtime.loop.time.sleep", lambda seconds: steering.unpause(log, 0.0))
        study.optimize(lambda x: x, n_trials=1, progress=progress)
    said = " ".join((capsys.readouterr().err + caplog.text).split())
    assert "s is paused, so no trial begins: study.unpause() lets it go on" in said
    assert "s goes on" in said


def test_who_asks_a_paused_study_is_told():
    _, log = made()
    steering.pause(log, 0.0)
    with pytest.raises(NotReady, match=r"is paused.*study.unpause"):
        kilter.load_study(storage=log.storage).ask()


def test_a_stored_study_is_let_go_on_from_a_shell(tmp_path):
    study = kilter.create_study(storage=f"sqlite:///{tmp_path / 'k.db'}", study_name="my study")
    study.pause()
    with pytest.raises(NotReady, match=r"kilter unpause 'my study' --storage sqlite:///.*k.db"):
        study.ask()


# -- adding -------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(
    added=st.lists(st.tuples(st.floats(0, 60), st.integers(1, 7)), max_size=3),
    totals=st.booleans(),
    slots=st.integers(1, 4),
)
def test_trials_that_are_added_to_a_run_are_run(added, totals, slots):
    study, log, clock, executor = simulated(slots=slots)
    for moment, trials in added:
        clock.at(moment, lambda trials=trials: steering.add_budget(log, 0.0, trials=trials))
    bounds = (Limits(trials=8), None) if totals else (Limits(), 8)
    study.run(executor, *bounds, progress="none")
    in_time = sum(trials for moment, trials in added if not any(plan[0] == moment for plan in clock.plans))
    assert len(study.trials) == 8 + in_time


def test_added_trials_stay_those_of_the_study_for_a_run_to_a_total_alone():
    study, log, _, executor = simulated()
    steering.add_budget(log, 0.0, trials=3)
    study.run(executor, Limits(), 2, progress="none")
    assert len(study.trials) == 2
    ending = study.run(executor, Limits(trials=4), progress="none")
    assert (len(study.trials), ending.reason) == (7, "the study has its 4 trials and 3 that were added")
    assert study.run(executor, Limits(trials=4), progress="none").kind is EndKind.LIMIT
    assert len(study.trials) == 7


def test_a_run_lasts_longer_by_the_seconds_that_are_added_to_it():
    study, log, clock, executor = simulated()
    steering.add_budget(log, 0.0, seconds=500.0)  # to the runs that there are: none
    clock.at(14.0, lambda: steering.add_budget(log, 0.0, seconds=20.0))
    began = clock()
    ending = study.run(executor, Limits(seconds=25.0), progress="none")
    assert ending.reason == "the time is up (45 s)"
    assert 45.0 <= clock() - began <= 45.1


# -- what is said of trials ---------------------------------------------------------------------------------------


def test_what_was_invalidated_is_run_in_its_place_and_can_be_retried():
    study, _ = made()
    study.optimize(lambda x: x, limits=Limits(trials=4), progress="none")
    best = study.best_trial
    assert study.invalidate(best, "unplugged") and not study.invalidate(best, "again")
    assert study.trials[best.number].failure.line == "invalidated: unplugged"
    assert study.retry(failed=True) == []
    study.optimize(lambda x: x, limits=Limits(trials=4), progress="none")
    assert states(study).count(COMPLETE) == 4
    assert study.retry(best.number) == [5]
    assert study.retry(best.number) == []
    study.optimize(lambda x: x, n_trials=1, progress="none")
    assert study.trials[5].params == best.params


def test_checkpoints_of_others_take_the_place_of_what_was_invalidated(tmp_path):
    study = kilter.create_study(space=SPACE, seed=1, keep_checkpoints=1, checkpoints=tmp_path)

    def objective(trial):
        trial.save({"x": 1})
        return {2: 0.1, 3: 0.5, 4: 0.4}.get(trial.number, 1.0)

    study.optimize(objective, n_trials=3, progress="none")
    study.invalidate(2, "wrong")
    study.optimize(objective, n_trials=3, progress="none")
    assert study.checkpoint_dir(4) is not None and study.checkpoint_dir(2) is None


def test_it_needs_no_plug_in_and_says_what_is_wrong():
    study, log = made()
    study.optimize(lambda x: x, n_trials=2, progress="none")
    running = study.ask()
    assert steering.enqueue(log, {"x": 0.25}, 0.0) == 3
    assert steering.pause(log, 0.0) and not steering.pause(log, 0.0)
    for wrong in (
        lambda: steering.invalidate(log, running.number, "why", 0.0),
        lambda: steering.invalidate(log, 0, " ", 0.0),
        lambda: steering.retry(log, [0], 0.0),
        lambda: steering.add_budget(log, 0.0),
        lambda: steering.add_budget(log, 0.0, trials=-1),
        lambda: steering.add_budget(log, 0.0, trials=1.5),
        lambda: steering.add_budget(log, 0.0, seconds=float("nan")),
        lambda: steering.add_budget(log, 0.0, seconds=10**400),
        lambda: steering.add_budget(log, 0.0, trials=10**5000),
        lambda: steering.tag(log, [""], 0.0),
        lambda: steering.tag(log, ["x" * (steering.LONGEST_TAG + 1)], 0.0),
        lambda: steering.note(log, None, "x" * (steering.LONGEST_TEXT + 1), 0.0),
        lambda: steering.invalidate(log, 0, "x" * (steering.LONGEST_TEXT + 1), 0.0),
        lambda: steering.invalidate(log, True, "why", 0.0),
        lambda: steering.retry(log, [True], 0.0),
        lambda: steering.note(log, None, 3, 0.0),
        lambda: steering.enqueue(log, {"x": 7.0}, 0.0),
    ):
        with pytest.raises(InvalidInput):
            wrong()
    assert not log.replica.attrs and not log.replica.tags and not log.replica.notes
    with pytest.raises(TrialNotFound, match="no trial 9"):
        steering.note(log, 9, "x", 0.0)


def test_notes_and_tags():
    study, log = made()
    study.optimize(lambda x: x, n_trials=1, progress="none")
    study.set_note("all of it")
    study.set_note("look", 0)
    study.add_tags("paper", "old")
    study.remove_tags("old", "never there")
    steering.tag(log, "two words", 0.0)
    assert (study.notes, study.tags) == ({None: "all of it", 0: "look"}, ["paper", "two words"])
    assert (study.trials[0].note, study.user_attrs, study.trials[0].user_attrs) == ("look", {}, {})
    study.set_note("", 0)
    assert study.notes == {None: "all of it"}


def test_an_executor_in_this_thread_is_looked_after_between_trials():
    study, log = made()
    study.run(
        Inline().start(lambda trial: steering.stop(log, 0.0) or trial.suggest_float("x", 0, 1)),
        Limits(trials=5),
        progress="none",
    )
    assert states(study) == [COMPLETE]
