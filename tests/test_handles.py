"""Handles on studies: what they hold and let go, copied, pickled, sent to other processes, closed and dropped."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

import kilter
from kilter.core.errors import InvalidInput, NotReady, StorageError
from kilter.core.events import TrialState
from kilter.core.limits import Limits
from kilter.executors.inline import Inline
from kilter.executors.processes import Processes
from kilter.samplers.random import RandomSampler
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.study import MaxTrialsCallback

SPACE = {"x": kilter.Float(0, 1)}


class Colour:
    """An object that no store can keep."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


def measured(x, colour):
    return {"loss": len(colour.name), "size": x}


@pytest.fixture(params=["memory", "stored"])
def storage(request, tmp_path):
    return None if request.param == "memory" else f"sqlite:///{tmp_path / 'k.db'}"


WAYS = [lambda study: pickle.loads(pickle.dumps(study)), copy.deepcopy, copy.copy]


# -- copies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy", "copy"])
def test_a_copy_is_the_same_study(storage, way):
    colours = {name: Colour(name) for name in ("red", "blue")}
    study = kilter.create_study(
        storage=storage,
        study_name="s",
        space={**SPACE, "colour": kilter.Choice(colours)},
        sampler=RandomSampler(),
        scheduler="asha",
        directions={"loss": "minimize", "size": "maximize"},
        subject_to={"size": "<= 3"},
        seed=3,
        keep_checkpoints=4,
    )
    study.set_user_attr("owner", "me")
    study.enqueue_trial({"x": 0.5})
    study.optimize(measured, n_trials=4, progress="none")
    other = way(study)
    assert (other.study_name, other.problem, other.user_attrs) == ("s", study.problem, {"owner": "me"})
    assert [repr(t) for t in other.trials] == [repr(t) for t in study.trials]
    assert (other.sampler, other._session.settings) == (study.sampler, study._session.settings)
    assert {c.name for c in other.space["colour"].values} == {"red", "blue"}
    other.optimize(measured, n_trials=2, progress="none")
    assert len(other.trials) == 6
    assert len(study.trials) == (4 if storage is None else 6)  # of a stored study there is one, with two handles
    study.optimize(measured, n_trials=2, progress="none")
    if storage is None:
        assert [(t.values, t.params["x"]) for t in other.trials] == [(t.values, t.params["x"]) for t in study.trials]


def test_studies_that_share_a_storage_in_memory_do_so_in_a_copy():
    storage = MemoryStorage()
    one, two = (kilter.create_study(storage=storage, study_name=name, space=SPACE, seed=0) for name in "ab")
    first, second = pickle.loads(pickle.dumps((one, two)))
    assert first._session.storage is second._session.storage is not storage
    first.ask()
    assert [len(study.trials) for study in (one, two, first, second)] == [0, 0, 1, 0]


def test_what_was_asked_can_be_told_in_a_copy(storage):
    study = kilter.create_study(storage=storage, study_name="s", space=SPACE, seed=0)
    trial = study.ask()
    other = copy.deepcopy(study)
    assert other.tell(trial.number, 1.0).value == 1.0
    assert study.tell(trial, 1.0).value == 1.0


def test_a_plug_in_that_cannot_be_pickled_says_so():
    class Local(RandomSampler):
        pass

    with pytest.raises((pickle.PicklingError, AttributeError), match="Local"):
        pickle.dumps(kilter.create_study(space=SPACE, sampler=Local()))


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "stored"])
def test_an_objective_may_mention_a_study_in_other_processes(tmp_path: Path, stored: bool) -> None:
    program = f"""
import kilter
study = kilter.create_study(storage={f"sqlite:///{tmp_path / 'k.db'}" if stored else None!r}, study_name="s", seed=0)
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
def objective(y):
    return y + study.best_value + len(study.trials)
other = kilter.tune(objective, {{"y": kilter.Float(0, 1)}}, n_trials=4, workers=2, storage=None, progress="none")
assert all(t.value == t.params["y"] + study.best_value + 3 for t in other.trials), other.trials
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_a_trial_that_was_asked_speaks_for_itself_in_another_process(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = kilter.create_study(storage=url, study_name="s", space=SPACE, sampler="random", scheduler="asha", seed=0)
    trial = study.ask()
    program = """
import pickle, sys
trial = pickle.loads(sys.stdin.buffer.read())
assert trial.suggest_float("x", 0, 1) == trial.params["x"]
trial.report(0.25, 1)
assert not trial.should_prune()  # nobody went beyond this step: it may be the last
trial.report(0.5, 2)
assert trial.should_prune()  # the first to come to a rung is to be compared with others
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, input=pickle.dumps(trial), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert study.trials[0].intermediate_values == {1: 0.25, 2: 0.5}
    assert study.tell(trial, 1.0).params == trial.params


def test_a_trial_is_told_with_what_it_gathered_wherever_it_is_told(tmp_path):
    study = kilter.create_study(storage=tmp_path / "k.db", study_name="s", space=SPACE, sampler="random", seed=0)
    sent = pickle.loads(pickle.dumps(study.ask()))
    sent.set_user_attr("where", "there")
    other = kilter.load_study(storage=tmp_path / "k.db")
    assert other.tell(sent, 0.5).user_attrs == {"where": "there"}
    with pytest.raises(InvalidInput, match="has ended already"):
        other.tell(sent, 0.25)
    assert study.trials[0].value == 0.5


def test_a_trial_that_cannot_be_sent_says_why(tmp_path):
    asked = kilter.create_study(space=SPACE, seed=0).ask()
    with pytest.raises(InvalidInput, match=r"its study is in memory: make it with storage="):
        pickle.dumps(asked)
    asked = kilter.create_study(storage=tmp_path / "k.db", seed=0).ask()
    with pytest.raises(InvalidInput, match=r"give create_study a space"):
        pickle.dumps(asked)


# -- what a handle holds ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Studies that other tests have dropped in cycles of their own are gone, with the thread for their leases."""
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "kilter-leases":
            thread.join(30)


def held() -> tuple[int, int]:
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return threading.active_count(), len(os.listdir(folder))


def gone(study: kilter.Study) -> list[weakref.ref[object]]:
    return [weakref.ref(thing) for thing in (study, study._session, study._session.storage, study._session.engine)]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody counts descriptors here")
def test_many_studies_of_ask_and_tell_hold_no_more_than_one(tmp_path):
    gc.disable()  # nothing waits for the collector
    try:
        before = held()
        for i in range(10):
            study = kilter.create_study(storage=tmp_path / "k.db", study_name=f"s{i}", space=SPACE, sampler="random")
            study.tell(study.ask(), 1.0)
            study.optimize(lambda x: x, n_trials=2, progress="none")
            assert threading.active_count() == before[0]
            assert study._session.storage.leases(study._session.study) == []
        del study
        assert held() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_that_is_dropped_is_gone(tmp_path, jobs):
    gc.disable()
    try:
        study = kilter.create_study(storage=tmp_path / "k.db", space=SPACE, sampler="random")
        study.optimize(lambda x: x, n_trials=3, n_jobs=jobs, progress="none")
        things = gone(study)
        del study
        assert [thing() for thing in things] == [None] * 4
    finally:
        gc.enable()


def test_a_study_that_is_dropped_gives_its_lease_back(tmp_path):
    study = kilter.create_study(storage=tmp_path / "k.db", study_name="s", space=SPACE, sampler="random")
    trial = study.ask()
    (thread,) = [t for t in threading.enumerate() if t.name == "kilter-leases"]
    session = weakref.ref(study._session)
    del study
    assert session() is not None  # the trial speaks through it
    del trial
    thread.join(30)
    assert session() is None
    other = kilter.load_study(storage=tmp_path / "k.db")
    assert (other.ask().number, other.trials[0].attempt) == (0, 2)


def test_a_lease_is_held_while_anything_that_was_asked_is_open(tmp_path):
    study = kilter.create_study(storage=tmp_path / "k.db", study_name="s", space=SPACE, sampler="random")
    leases = lambda: study._session.storage.leases(1)  # noqa: E731
    one, two = study.ask(), study.ask()
    study.tell(one, 1.0)
    study.optimize(lambda x: x, n_trials=1, progress="none")
    assert len(leases()) == 1
    study.tell(two, 1.0)
    assert len(leases()) == 1  # for a while: often the next trial is asked for at once
    study._session.presence._lease.renew()  # as its thread does when the while is over
    assert leases() == []
    study.tell(study.ask(), 1.0)
    study.close()
    assert [thread.name for thread in threading.enumerate() if thread.name == "kilter-leases"] == []
    kilter.create_study(storage=tmp_path / "k.db", study_name="g", space={"c": kilter.Boolean()}, sampler="grid")
    grid = kilter.load_study(storage=tmp_path / "k.db", study_name="g")
    grid.optimize(lambda c: 1.0, n_trials=9, progress="none")
    with pytest.raises(NotReady, match="nothing left"):
        grid.ask()
    assert grid._session.storage.leases(2) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody counts descriptors here")
def test_a_study_can_be_closed(tmp_path):
    before = held()
    with kilter.create_study(storage=tmp_path / "k.db", study_name="s", space=SPACE, sampler="random") as study:
        study.ask()
        assert held() != before
    assert held() == before
    with pytest.raises(StorageError, match="closed"):
        study.trials  # it reads
    study.close()
    with kilter.load_study(storage=tmp_path / "k.db") as again:
        assert again.ask().attempt == 2  # what was asked of the other is free
    mine = SQLiteStorage(tmp_path / "k.db")
    with kilter.load_study(storage=mine) as third, kilter.create_study(space=SPACE) as fourth:
        assert len(third.trials) == 1
        fourth.ask()
    assert len(mine.studies()) == 1  # whoever brings a storage closes it
    mine.close()


# -- how many -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("states", [None, (TrialState.COMPLETE,), (TrialState.COMPLETE, TrialState.RUNNING)])
def test_a_callback_that_counts_trials_looks_before_one_begins(jobs, states):
    study = kilter.create_study(space=SPACE, sampler="random", seed=0)
    barrier = threading.Barrier(jobs)

    def objective(x):
        barrier.wait(30)  # so that as many run at once as may
        return x

    for _ in range(3):
        study.optimize(objective, n_trials=50, n_jobs=jobs, callbacks=[MaxTrialsCallback(6, states)], progress="none")
        assert len(study.trials) == 6


def test_a_callback_that_counts_what_is_complete_makes_up_for_what_failed():
    study = kilter.create_study(space=SPACE, sampler="random", seed=0)

    def objective(trial):
        if trial.number in (1, 4, 5):
            raise ValueError
        return 1.0

    study.optimize(objective, n_jobs=3, callbacks=[MaxTrialsCallback(6)], progress="none")
    assert [trial.state for trial in study.trials].count(TrialState.COMPLETE) == 6
    assert len(study.trials) == 9


@pytest.mark.parametrize(
    ("done", "asked", "says"),
    [
        (0, 0, "no trials were asked for"),
        (3, 0, "no trials were asked for"),
        (3, 2, "the study has 3 trials, and 2 were asked for"),
        (3, 3, "the study has its 3 trials"),
        (1, 3, "the study has its 3 trials"),
    ],
)
def test_the_total_is_said_as_it_is(done, asked, says):
    study = kilter.create_study(space=SPACE, sampler="random", seed=0)
    study.optimize(lambda x: x, n_trials=done, progress="none")
    executor = Inline().start(lambda x: x)
    assert study.run(executor, Limits(trials=asked), progress="none").reason.startswith(says)
    assert len(study.trials) == max(done, asked)


def test_processes_hold_a_study_by_its_address(tmp_path):
    study = kilter.create_study(storage=tmp_path / "k.db", study_name="s", space=SPACE, sampler="random", seed=0)
    Processes().start(lambda x: study.best_value).close()  # it is pickled when the executor is made


def test_a_seed_or_sampler_that_is_not_the_studys_is_told(tmp_path, caplog):
    def again(**given):
        caplog.clear()
        options = {"study_name": "s", "storage": str(tmp_path / "s.db"), "load_if_exists": True}
        kilter.create_study(**options, **given)
        return [record.getMessage() for record in caplog.records]

    assert again(seed=4, sampler="random") == []
    assert again(seed=4, sampler="random") == again() == again(seed=0) == []
    assert again(seed=77) == ["s: it keeps its seed 4, seed=77 is not used: that is for a new study"]
    (told,) = again(sampler="tpe", scheduler="auto")
    assert told.startswith("s: it goes on with another sampler, TPESampler(") and told.endswith("made with 'random'")
