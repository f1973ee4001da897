"""Observers are told what this process writes, in order, and can neither stop nor slow a study."""

from __future__ import annotations

import os
import threading

import pytest

import kilter
from kilter.core.events import Created, Ended, Enqueued, Noted, Reported, Started, TrialState
from kilter.executors.processes import Processes
from kilter.runtime.observers import ObserverThread, drain

SPACE = {"x": kilter.Float(0, 1)}


class Seen:
    """An observer that keeps what it is told, by which thread, and whether it was closed."""

    def __init__(self):
        self.events = []
        self.names = set()
        self.threads = set()
        self.closed_after = None

    def __call__(self, study_name, event):
        self.events.append(event)
        self.names.add(study_name)
        self.threads.add((os.getpid(), threading.current_thread()))

    def close(self):
        assert self.closed_after is None
        self.closed_after = len(self.events)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def made(**settings):
    return kilter.create_study(space=SPACE, seed=1, sampler="random", **settings)


def log_of(study):
    return [entry.event for entry in study.log.read()]


def objective(trial):
    for step in range(3):
        trial.report(trial.params["x"] + step, step)
    trial.set_user_attr("half", trial.params["x"] / 2)
    if trial.number == 1:
        raise ValueError("the second one fails")
    return trial.params["x"]


@pytest.mark.parametrize("stored", [False, True])
def test_an_observer_is_told_the_log_in_its_order(stored, tmp_path):
    study, seen = made(storage=f"sqlite:///{tmp_path}/s.db" if stored else None, study_name="told"), Seen()
    with study.observed(seen):
        study.enqueue_trial({"x": 0.5}, {"why": "a guess"})
        study.optimize(objective, n_trials=4, progress="none")
        study.set_user_attr("done", True)
    assert seen.events == log_of(study)
    assert {Created, Enqueued, Started, Ended, Noted} <= set(map(type, seen.events))
    assert seen.of(Enqueued)[0].number == 0  # as the storage numbered it
    assert seen.names == {"told"}


def test_it_is_told_in_one_thread_of_its_own_and_closed_at_the_end():
    study, seen, other = made(), Seen(), Seen()
    with study.observed(seen, other):
        study.optimize(objective, n_trials=4, n_jobs=2, progress="none")
    ((_, mine),), ((_, theirs),) = seen.threads, other.threads
    assert mine is not threading.main_thread() and mine is not theirs
    assert seen.closed_after == len(seen.events)
    assert other.events == seen.events == log_of(study)
    assert not mine.is_alive() and not theirs.is_alive()


def test_observers_that_raise_are_warned_of_and_told_no_more(caplog):
    told = []

    def raising(study_name, event):
        told.append(event)
        if isinstance(event, Started):
            raise OSError("the server is away")

    study, seen = made(), Seen()
    with study.observed(raising, seen):
        study.optimize(objective, n_trials=3, progress="none")
    assert len(told) == 3  # Created, Defined and the Started that it fell over
    assert "raising failed and is told no more: OSError: the server is away" in caplog.text
    assert [t.state for t in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert seen.events == log_of(study)


def test_leaving_by_sys_exit_is_warned_of_too(caplog):
    def leaving(study_name, event):
        raise SystemExit("no login")

    with made().observed(leaving):
        pass
    assert "leaving failed and is told no more: SystemExit: no login" in caplog.text


def test_one_that_fails_to_close_is_warned_of(caplog):
    class Sticky:
        def __call__(self, study_name, event): ...

        def close(self):
            raise OSError("the disk is full")

    with made().observed(Sticky()):
        pass
    assert "Sticky failed to close: OSError: the disk is full" in caplog.text


def test_those_that_hang_hold_nobody_up_and_are_given_up(caplog):
    release, told = threading.Event(), []

    def hanging(study_name, event):
        told.append(event)
        release.wait()

    study, seen = made(), Seen()
    hung = [ObserverThread("hung", hanging) for _ in range(2)]
    study._session.observers += hung
    with study.observed(seen):
        study.optimize(objective, n_trials=5, progress="none")  # ends although the first event is not taken in yet
    assert len(study.trials) == 5 and len(seen.of(Ended)) == 5
    drain(hung, patience=0.01)
    rest = len(seen.events) - 2  # all but Created, which these were not told, and the one that they are at
    assert caplog.messages.count(f"hanging took too long: {rest} events are not tracked") == 2
    release.set()
    for each in hung:
        each._thread.join()
    assert len(told) == 2  # as was said: what they had not been told by then is not tracked


def test_one_that_is_slow_is_waited_for_as_long_as_it_goes_on(monkeypatch, caplog):
    now, told, going, begun = [0.0], [], threading.Semaphore(0), threading.Semaphore(0)
    monkeypatch.setattr("kilter.runtime.observers.time.monotonic", lambda: now[0])

    def slow(study_name, event):
        begun.release()
        going.acquire()
        told.append(event)

    observed = ObserverThread("slow", slow)
    for _ in range(5):
        observed(Noted(None, {}, 0.0))
    begun.acquire()
    ended = observed._thread.join

    def join(seconds):
        """One event is taken in, and the next one begun."""
        now[0] += 40
        going.release()
        if now[0] < 200:
            begun.acquire()
        else:
            ended()

    monkeypatch.setattr(observed._thread, "join", join)
    drain([observed], patience=60)
    assert len(told) == 5 and "took too long" not in caplog.text
    assert "waiting for slow, which has yet to be told 3 events" in caplog.text


def test_ctrl_c_does_without_those_that_are_waited_for(caplog):
    class Impatient(ObserverThread):
        def wait(self, since, patience):
            raise KeyboardInterrupt

    release, seen = threading.Event(), Seen()
    hung = ObserverThread("hung", lambda *_: release.wait())
    hung(Noted(None, {}, 0.0))
    drain([Impatient("s", seen), hung])
    assert "<lambda> took too long" in caplog.text
    release.set()
    hung._thread.join()


def test_only_what_this_process_writes_is_told(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    ours, seen = made(storage=url, study_name="shared"), Seen()
    theirs = kilter.load_study(storage=url, study_name="shared")
    with ours.observed(seen):
        mine, other = ours.ask(), theirs.ask()
        theirs.tell(other, 1.0)
        ours.tell(mine, 2.0)
    assert [event.number for event in seen.of((Started, Ended))] == [mine.number, mine.number]
    assert {event.number for event in log_of(ours) if isinstance(event, Ended)} == {mine.number, other.number}


def test_what_the_storage_refuses_is_not_told():
    study, seen = made(), Seen()
    trial = study.ask()
    again = Started(trial.number, 1, trial.params, "another", 0, 0.0)
    with study.observed(seen):
        assert study.log.write(again) == [again]
        study.tell(trial, 1.0)
    assert not seen.of(Started) and len(seen.of(Ended)) == 1


def test_ask_and_tell_are_told_too():
    study, seen = made(), Seen()
    with study.observed(seen):
        for value in (3.0, 1.0):
            trial = study.ask()
            trial.report(value + 1, 0)
            trial.flush()
            study.tell(trial, value)
    assert [type(event) for event in seen.events] == [Created] + 2 * [Started, Reported, Ended]
    assert [event.metrics for event in seen.of(Ended)] == [{"value": 3.0}, {"value": 1.0}]


def test_outside_the_context_nothing_is_told():
    study, seen = made(), Seen()

    def ends():
        raise KeyError("of the user")

    with pytest.raises(KeyError), study.observed(seen):
        study.optimize(objective, n_trials=1, progress="none", callbacks=[lambda *_: ends()])
    study.optimize(objective, n_trials=1, progress="none")
    assert len(seen.of(Ended)) == 1 and seen.closed_after == len(seen.events)
    with study.observed(later := Seen()):
        study.optimize(objective, n_trials=1, progress="none")
    assert isinstance(later.events[0], Created) and [e.number for e in later.of(Ended)] == [2]


def test_what_worker_processes_report_is_told_here():
    study, seen = made(), Seen()
    with study.observed(seen):
        study.optimize(objective, n_trials=4, executor=Processes(2), progress="none")
    assert seen.events == log_of(study)
    assert {pid for pid, _ in seen.threads} == {os.getpid()}
    assert sum(len(e.reports) for e in seen.of((Reported, Ended))) == 12


def test_tune_tells_its_observers():
    seen = Seen()
    kilter.tune(lambda x: x, SPACE, n_trials=3, storage=None, progress="none", observers=[seen])
    assert len(seen.of(Ended)) == 3 and seen.closed_after == len(seen.events)
