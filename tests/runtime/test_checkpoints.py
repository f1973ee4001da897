import logging
import os
import pickle
import shutil
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Task
from kilter.core.problem import Constraint, Objective, Problem
from kilter.objective.checkpoint import FILE, load, save
from kilter.objective.place import Place, left
from kilter.runtime.checkpoints import Checkpoints
from kilter.runtime.folders import Folders

RUNNING, COMPLETE, PRUNED, FAIL, WAITING, PAUSED = (
    TrialState.RUNNING,
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAIL,
    TrialState.WAITING,
    TrialState.PAUSED,
)


class Study:
    """What the engine does to a history, by hand; each attempt writes its name into its checkpoint."""

    def __init__(self, root, *names, constraints=()):
        self.history = History(Problem(objectives=tuple(map(Objective, names or ["loss"])), constraints=constraints))
        self.checkpoints = Checkpoints(Folders(root))

    def start(self, number=None, parent=None, write=True):
        history = self.history
        if number is None:
            number = len(history)
            history.add(Record(number, WAITING, {}, parent=parent))
        trial = history[number]
        history.waiting.pop(number, None)
        history.paused.pop(number, None)
        trial.state, trial.attempt = RUNNING, trial.attempt + 1
        history.running[number] = trial
        return self.work(number) if write else trial

    def prepare(self, trial, checkpoints=None):
        """The directory that an attempt begins with, on its machine."""
        checkpoints = checkpoints or self.checkpoints
        found = {"store": checkpoints.store, "sources": checkpoints.prepare(trial, self.history)}
        return Place(Task(trial.number, trial.attempt, {}, Problem(), 0, None, True, **found)).directory

    def work(self, number):
        trial = self.history[number]
        directory = self.prepare(trial)
        os.makedirs(directory, exist_ok=True)
        save(directory, [*(load(directory) or []), (number, trial.attempt)])
        return trial

    def end(self, number, state, *values, **metrics):
        history = self.history
        trial = history[number]
        history.running.pop(number, None)
        trial.state = state
        if trial.is_finished:
            names = [objective.name for objective in history.problem.objectives]
            trial.metrics = {**dict(zip(names, values)), **metrics}
            history.settle(trial)
        else:
            {WAITING: history.waiting, PAUSED: history.paused}[state][number] = trial

    def on_disk(self):
        """{number: [attempt, …]}, nothing else lying about."""
        root = self.checkpoints.store.root
        return {int(number): sorted(map(int, os.listdir(os.path.join(root, number)))) for number in os.listdir(root)}

    def content(self, number, attempt):
        return load(os.path.join(self.checkpoints.store.root, str(number), str(attempt)))


class Archives:
    """Checkpoints as archives in one place, worked on in another: what a store that is far away amounts to."""

    def __init__(self, near, far):
        self.near, self.far = Folders(near), far
        far.mkdir()

    def is_empty(self):
        return not os.listdir(self.far)

    def attempts(self, number):
        found = [name.split(".")[0].split("-") for name in os.listdir(self.far)]
        return sorted(int(attempt) for trial, attempt in found if int(trial) == number)

    def begin(self, number, attempt, source=None):
        target = self.near.directory(number, attempt)
        if source is not None:
            shutil.unpack_archive(self._archive(*source), target)
        return target

    def directory(self, number, attempt):
        return self.begin(number, attempt, (number, attempt))

    def keep(self, number, attempt):
        if os.path.isdir(path := self.near.directory(number, attempt)):
            shutil.make_archive(str(self.far / f"{number}-{attempt}"), "zip", path)
            shutil.rmtree(path)

    def add(self, number, name, seal, path):
        self.near.add(number, name, seal, path)

    def artifact(self, number, name, seal):
        return self.near.artifact(number, name, seal)

    def drop(self, number, attempt=None):
        attempts = self.attempts(number) if attempt is None else [attempt]
        for each in attempts:
            self._archive(number, each).unlink()
        return bool(attempts)

    def sweep(self):
        self.near.sweep()

    def log(self, number):
        return self.near.log(number)

    def _archive(self, number, attempt):
        return self.far / f"{number}-{attempt}.zip"


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


# Beginning an attempt.


def test_a_first_attempt_has_nothing_to_begin_with(study, tmp_path):
    trial = study.start(write=False)
    directory = study.prepare(trial)
    assert directory == str(tmp_path / "0" / "1")
    assert os.listdir(tmp_path) == []


def test_another_attempt_begins_with_a_copy_of_the_latest(study, tmp_path):
    study.start()
    (tmp_path / "0" / "1" / "deep").mkdir()
    (tmp_path / "0" / "1" / "deep" / "model.pt").write_text("weights")
    (tmp_path / "0" / "1" / f"{FILE}.abcd.tmp").write_text("half")
    study.end(0, PAUSED)
    study.start(0, write=False)
    study.end(0, WAITING)  # lost before it had a directory
    study.start(0)
    assert study.content(0, 3) == [(0, 1), (0, 3)]
    assert study.content(0, 1) == [(0, 1)]
    assert (tmp_path / "0" / "3" / "deep" / "model.pt").read_text() == "weights"
    assert sorted(os.listdir(tmp_path / "0" / "3")) == ["deep", FILE]


def test_a_repeated_prepare_changes_nothing(study):
    study.start()
    study.end(0, PAUSED)
    trial = study.start(0)
    study.prepare(trial)
    assert study.content(0, 2) == [(0, 1), (0, 2)]


@pytest.mark.parametrize("state", [RUNNING, PAUSED, WAITING, COMPLETE])
def test_a_fork_begins_with_the_latest_sealed_attempt_of_its_parent(study, state):
    study.start()
    study.end(0, PAUSED)
    study.start(0)
    if state is not RUNNING:
        study.end(0, state, 1.0)
    study.start(parent=0)
    sealed = [(0, 1)] if state is RUNNING else [(0, 1), (0, 2)]
    assert study.content(1, 1) == [*sealed, (1, 1)]


def test_a_fork_of_a_parent_without_a_sealed_attempt_starts_from_the_beginning(study):
    study.start()
    study.start(parent=0)
    assert study.content(1, 1) == [(1, 1)]


def test_a_fork_whose_first_attempt_was_lost_early_still_copies_its_parent(study):
    study.start()
    study.end(0, PAUSED)
    study.start(parent=0, write=False)
    study.end(1, WAITING)
    study.start(1)
    assert study.content(1, 2) == [(0, 1), (1, 2)]


def test_where_copying_fails_a_warning_says_so_and_the_trial_starts_over(study, monkeypatch, caplog):
    study.start()
    study.end(0, PAUSED)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", fail)
        study.start(0)
    assert study.content(0, 2) == [(0, 2)]
    assert "No space left" in caplog.text and "it goes on without that" in caplog.text
    assert study.on_disk() == {0: [1, 2]}


def test_a_crash_while_copying_leaves_no_half_copy(study, monkeypatch):
    study.start()
    study.end(0, PAUSED)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            study.start(0)
    study.end(0, WAITING)
    study.start(0)
    assert study.content(0, 3) == [(0, 1), (0, 3)]
    study.checkpoints.retain(study.history, 1)
    assert study.on_disk() == {0: [1, 3]}


def test_a_source_that_vanishes_while_it_is_copied_is_replaced_by_a_later_one(study, monkeypatch, caplog):
    study.start()
    study.end(0, PAUSED)
    study.start(0)
    study.start(parent=0, write=False)
    copytree = shutil.copytree

    def late(source, target, **options):
        monkeypatch.undo()
        assert source.endswith(os.path.join("0", "1"))
        study.end(0, COMPLETE, 1.0)
        study.checkpoints.retain(study.history, 1)  # keeps the second attempt only
        return copytree(source, target, **options)

    monkeypatch.setattr(shutil, "copytree", late)
    study.work(1)
    assert study.content(1, 1) == [(0, 1), (0, 2), (1, 1)]
    assert not caplog.records


def test_workers_that_prepare_one_attempt_at_once_agree(study, tmp_path, caplog):
    study.start()
    study.end(0, PAUSED)
    trial = study.start(0, write=False)
    ready = threading.Barrier(4)

    def work():
        ready.wait()
        study.prepare(trial, Checkpoints(Folders(tmp_path)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert study.on_disk() == {0: [1, 2]}
    assert study.content(0, 2) == [(0, 1)]
    assert not caplog.records


def test_a_file_in_place_of_an_attempt_is_passed_over(study, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "1").write_text("of an older layout")
    trial = study.start(write=False)
    trial.attempt = 2
    assert study.prepare(trial) == str(tmp_path / "0" / "2")


def test_a_store_that_is_far_away_does_the_same(tmp_path):
    study = Study(tmp_path)
    study.checkpoints = Checkpoints(Archives(tmp_path / "near", tmp_path / "far"))
    study.start()
    left(study.checkpoints.store, 0, 1)
    study.end(0, PAUSED)
    study.start(0)
    study.start(parent=0)
    for number, attempt in ((0, 2), (1, 1)):
        left(study.checkpoints.store, number, attempt)
        study.end(number, COMPLETE, float(number))
        study.checkpoints.retain(study.history, 1)
    assert load(study.checkpoints.latest(study.history[0])) == [(0, 1), (0, 2)]
    assert load(study.checkpoints.latest(study.history[1])) == [(0, 1), (1, 1)]
    assert study.checkpoints.retain(study.history, 1) == [1]
    assert os.listdir(tmp_path / "far") == ["0-2.zip"]


# Retention.


def kept_by_the_rule(history, keep):
    """Numbers of the finished trials that the rule keeps, for one objective."""
    good = [t for t in history if t.state is COMPLETE and history.problem.is_feasible(t.metrics)]
    good = [t for t in good if np.isfinite(history.values[t.number, 0])]
    return sorted(t.number for t in sorted(good, key=lambda t: (history.values[t.number, 0], t.number))[:keep])


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["start", "fork", "resume", "resume", "end", "end", "end", "restart"]),
        st.integers(0, 30),
        st.sampled_from([COMPLETE, COMPLETE, PRUNED, FAIL, WAITING, PAUSED, PAUSED]),
        st.one_of(st.integers(0, 5).map(float), st.just(float("inf"))),
        st.sampled_from([0.0, 2.0]),
    ),
    min_size=10,
    max_size=40,
)


@given(moves=MOVES, keep=st.integers(0, 4))
@settings(max_examples=60)
def test_retention_keeps_what_the_rule_says(tmp_path_factory, moves, keep):
    root = tmp_path_factory.mktemp("root")
    study = Study(root, constraints=(Constraint.parse("size", "<= 1"),))
    history, wrote, gone = study.history, {}, []
    for move, pick, state, value, size in moves:
        ready = [*history.paused, *history.waiting]
        if move == "restart":
            study.checkpoints = Checkpoints(Folders(root))  # another process goes on
        elif move == "end" and history.running:
            number = [*history.running][pick % len(history.running)]
            study.end(number, state, value, size=size)
            gone += study.checkpoints.retain(history, keep)
        elif move == "resume" and ready:
            number = ready[pick % len(ready)]
            study.start(number)
            wrote[number] = [*wrote[number], (number, history[number].attempt)]
            assert study.content(number, history[number].attempt) == wrote[number]
        elif move == "fork" and (parents := [*history.running.values(), *history.paused.values()]):
            parent = parents[pick % len(parents)]
            study.start(parent=parent.number)
            sealed = wrote[parent.number] if parent.state is PAUSED else wrote[parent.number][:-1]
            sealed = sealed if parent.state is PAUSED or parent.attempt > 1 else []
            wrote[len(history) - 1] = [*sealed, (len(history) - 1, 1)]
            assert study.content(len(history) - 1, 1) == wrote[len(history) - 1]
        elif move == "start":
            study.start()
            wrote[len(history) - 1] = [(len(history) - 1, 1)]
    # Two more rounds at rest: the first sees the last one end, the second deletes.
    gone += study.checkpoints.retain(history, keep) + study.checkpoints.retain(history, keep)
    disk = study.on_disk()
    assert sorted(n for n in disk if history[n].is_finished) == kept_by_the_rule(history, keep)
    assert sorted(gone) == [n for n in range(len(history)) if n not in disk]
    for trial in history:
        if not trial.is_finished:
            assert disk[trial.number] == [*range(max(1, trial.attempt - 1), trial.attempt + 1)]
        elif trial.number in disk:
            assert disk[trial.number] == [trial.attempt]
            assert study.content(trial.number, trial.attempt) == wrote[trial.number]


def test_a_finished_trial_stays_for_one_more_round_and_for_forks_that_have_not_copied(study):
    study.start()
    study.end(0, PRUNED, 1.0)
    assert study.checkpoints.retain(study.history, 1) == []
    study.start(parent=0, write=False)
    for state in (RUNNING, WAITING, PAUSED):
        study.history[1].state = state
        assert study.checkpoints.retain(study.history, 1) == []
    study.history[1].state = RUNNING
    study.work(1)
    assert study.checkpoints.retain(study.history, 1) == [0]
    assert study.content(1, 1) == [(0, 1), (1, 1)]


def test_of_several_objectives_the_front_comes_first(tmp_path):
    study = Study(tmp_path, "loss", "time")
    for i, values in enumerate([(3.0, 3.0), (1.0, 5.0), (2.0, 6.0), (4.0, 1.0), (5.0, 0.5), (0.0, float("inf"))]):
        study.start()
        study.end(i, COMPLETE, *values)
    for _ in range(2):
        study.checkpoints.retain(study.history, 3)
    assert sorted(study.on_disk()) == [0, 1, 3]  # 2 is beaten by 1, and 4 is on the front but last by its loss
    study.start()
    study.end(6, COMPLETE, 2.5, 2.5)  # beats 0
    for _ in range(2):
        study.checkpoints.retain(study.history, 3)
    assert sorted(study.on_disk()) == [1, 3, 6]


@given(
    ends=st.lists(st.tuples(*[st.integers(0, 6).map(float)] * 2), max_size=20),
    keep=st.integers(0, 5),
)
@settings(max_examples=30)
def test_one_after_another_the_worst_of_the_kept_ones_and_the_new_one_leaves(tmp_path_factory, ends, keep):
    study = Study(tmp_path_factory.mktemp("root"), "loss", "time")
    kept = []
    for i, values in enumerate(ends):
        study.start()
        study.end(i, COMPLETE, *values)
        study.checkpoints.retain(study.history, keep)
        rows = study.history.values
        kept.append(i)
        beaten = {a: any((rows[b] <= rows[a]).all() and (rows[b] < rows[a]).any() for b in kept) for a in kept}
        kept = sorted(kept, key=lambda a: (beaten[a], rows[a, 0], a))[:keep]
    study.checkpoints.retain(study.history, keep)
    assert sorted(study.on_disk()) == sorted(kept)


@pytest.mark.parametrize("is_killed", [False, True])
def test_older_attempts_of_an_unfinished_trial_go(study, tmp_path, is_killed):
    study.start()
    study.start()
    study.end(1, FAIL)
    study.checkpoints.retain(study.history, 1)
    for _ in range(3):
        study.end(0, PAUSED)
        study.start(0)
    if is_killed:
        study.checkpoints = Checkpoints(Folders(tmp_path))
    study.checkpoints.retain(study.history, 1)
    assert study.on_disk()[0] == [3, 4]


@pytest.mark.parametrize(("state", "value", "size"), [(COMPLETE, 0, 2), (COMPLETE, np.inf, 0), (PRUNED, 0, 0)])
def test_what_is_not_complete_feasible_and_finite_goes(tmp_path, state, value, size):
    study = Study(tmp_path, constraints=(Constraint.parse("size", "<= 1"),))
    study.start()
    study.end(0, COMPLETE, 1.0, size=0.0)
    study.start()
    study.end(1, state, value, size=size)
    for _ in range(2):
        study.checkpoints.retain(study.history, 5)
    assert study.on_disk() == {0: [1]}


def test_what_was_deleted_is_said_in_one_line(study, caplog):
    for i in range(3):
        study.start()
        study.end(i, COMPLETE, float(i))
    with caplog.at_level(logging.INFO, "kilter"):
        assert study.checkpoints.retain(study.history, 1) == []
        assert study.checkpoints.retain(study.history, 1) == [1, 2]
        assert study.checkpoints.retain(study.history, 1) == []
    assert caplog.messages == ["deleted the checkpoints of trials 1, 2, not among the best 1"]


def test_a_round_looks_at_what_is_new_only(study, monkeypatch):
    looks = []
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: looks.append(path) or isdir(path))
    for i in range(300):
        study.start(write=False)
        study.end(i, COMPLETE, float(-i))
        study.checkpoints.retain(study.history, 2)
    assert len(looks) < 3 * 300


def test_what_cannot_be_deleted_is_a_warning_once(study, monkeypatch, caplog):
    study.start()
    study.end(0, FAIL)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        assert [study.checkpoints.retain(study.history, 1) for _ in range(3)] == [[], [], []]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert study.on_disk() == {0: [1]}


def test_what_a_killed_worker_was_deleting_is_swept(study, tmp_path):
    (tmp_path / "7.abcd.tmp" / "1").mkdir(parents=True)
    study.checkpoints.retain(study.history, 1)
    assert study.on_disk() == {}


def test_threads_that_end_trials_at_once_delete_each_checkpoint_once(study):
    for i in range(40):
        study.start()
        study.end(i, COMPLETE, float(i % 7))
    gone = []
    threads = [
        threading.Thread(target=lambda: gone.extend(study.checkpoints.retain(study.history, 5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted([*gone, *study.on_disk()]) == [*range(40)]
    assert sorted(study.on_disk()) == kept_by_the_rule(study.history, 5)


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_user_says_where_checkpoints_are(tmp_path, is_folder):
    def objective(trial, epochs):
        kept = [*(trial.load() or []), epochs]
        trial.save(kept)
        return trial.suggest_float("x", 0, 1) / len(kept)

    place = tmp_path / "here" if is_folder else Archives(tmp_path / "near", tmp_path / "far")
    url = f"sqlite:///{tmp_path}/k.db"
    fidelity = kilter.Fidelity("epochs", 1, 9)
    study = kilter.create_study(
        storage=url, study_name="s", fidelity=fidelity, scheduler="asha", seed=0, checkpoints=place, keep_checkpoints=1
    )
    study.optimize(objective, n_trials=9, progress="none")
    again = kilter.load_study(storage=url, checkpoints=place)
    longest = max(again.trials, key=lambda trial: (trial.state is COMPLETE, trial.attempt))
    assert longest.attempt > 1
    kept = load(again.checkpoint_dir(again.best_trial))
    assert len(kept) == again.best_trial.attempt
    with kilter.read_study(storage=url, checkpoints=place) as seen:
        assert load(seen.checkpoint_dir(seen.best_trial)) == kept
    assert not (tmp_path / "k.db.trials").exists()
    assert pickle.loads(pickle.dumps(study))._session.settings["checkpoints"] is not None
