import json
import os
import pickle
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.s3 import served

import kilter
from kilter.core.errors import InvalidInput, MissingLibrary, StorageUnreachable
from kilter.core.events import TrialState
from kilter.core.interfaces import Source, Task
from kilter.core.problem import Problem
from kilter.objective.checkpoint import load, save
from kilter.objective.contents import contents_of, seal_of
from kilter.objective.place import Place, left
from kilter.runtime import bucket
from kilter.runtime.bucket import Bucket

fsspec = pytest.importorskip("fsspec")


class Machines:
    """Machines that share what is at a URL and have nothing else in common."""

    def __init__(self, root):
        self.root = root
        self.url = f"file://{root}/there"

    def __call__(self, name):
        return Bucket(self.url, self.root / name)

    @property
    def there(self):
        """The files at the URL, by path."""
        root = self.root / "there"
        return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def machines(tmp_path):
    return Machines(tmp_path)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    monkeypatch.setattr(bucket, "PATIENCE", 0.0)


def write(store, number, attempt, files, source=None):
    """Work on an attempt, which then has just these files."""
    directory = store.begin(number, attempt, source)
    shutil.rmtree(directory, ignore_errors=True)
    for path, content in files.items():
        place = os.path.join(directory, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content)


def files_of(directory):
    found = {}
    for path in contents_of(directory):
        with open(os.path.join(directory, path), "rb") as file:
            found[path] = file.read()
    return found


def begun(store, attempt, *sources, number=0):
    """The directory that an attempt begins with."""
    return Place(Task(number, attempt, {}, Problem(), 0, None, True, store=store, sources=sources)).directory


NAMES = st.lists(
    st.text("ab é.", min_size=1, max_size=3).filter(lambda name: set(name) - {"."}), min_size=1, max_size=3
)
TREES = st.dictionaries(NAMES.map("/".join), st.binary(max_size=40), min_size=1, max_size=5).filter(
    lambda tree: not any(a != b and b.startswith(a + "/") for a in tree for b in tree)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_what_one_machine_keeps_another_begins_with(tmp_path_factory, versions):
    machines = Machines(tmp_path_factory.mktemp("machines"))
    one, other = machines("one"), machines("other")
    for version, files in enumerate(versions):
        write(one, 3, 1, files)
        one.keep(3, 1)
        assert other.attempts(3) == [1]
        assert files_of(other.directory(3, 1)) == files
        assert files_of(other.begin(4 + version, 1, (3, 1))) == files
    names = [name for name in machines.there if name.startswith("3/1")]
    assert len(names) == 1 + len({*files.values()})  # nothing of the versions before is left
    assert one.drop(3)
    assert not [name for name in machines.there if name.startswith("3/")]
    assert other.begin(9, 1, (3, 1)) is None and not other.drop(3)


def test_a_trial_that_stays_on_its_machine_fetches_nothing(machines, monkeypatch):
    here = machines("here")
    write(here, 0, 1, {"weights": b"w" * 1000, "log/a": b""})
    left(here, 0, 1)

    def fetched(*_):
        raise AssertionError("it is here already")

    monkeypatch.setattr(Bucket, "_receive", fetched)
    assert files_of(here.begin(0, 2, (0, 1))) == {"weights": b"w" * 1000, "log/a": b""}
    assert files_of(here.directory(0, 1)).keys() == {"weights", "log/a"}


def test_what_has_not_changed_is_not_sent_again(machines, monkeypatch):
    here = machines("here")
    write(here, 0, 1, {"large": b"l" * 1000, "small": b"1"})
    sent = []
    send = Bucket._send
    monkeypatch.setattr(Bucket, "_send", lambda *given: (sent.append(given[1]), send(*given)))
    here.keep(0, 1)
    write(here, 0, 1, {"large": b"l" * 1000, "small": b"2"})
    here.keep(0, 1)
    here.keep(0, 1)
    assert [os.path.basename(path) for path in sent] == ["large", "small", "small"]


class Killed(BaseException):
    """The machine is gone in the middle of a call."""


def test_a_machine_that_is_killed_at_any_call_leaves_what_was_kept_before_or_all_of_it(tmp_path, monkeypatch):
    before, after = {"a": b"1", "b": b"same"}, {"a": b"22", "b": b"same", "c": b"333"}
    calls = ("_send", "_write", "_remove")
    seen = set()
    for k in range(1, 8):
        machines = Machines(tmp_path / str(k))
        one = machines("one")
        write(one, 0, 1, before)
        one.keep(0, 1)
        write(one, 0, 1, after)
        left_calls = [k]

        def torn(method, store, *given, left_calls=left_calls, there=machines.root / "there"):
            left_calls[0] -= 1
            if left_calls[0] == 0:
                if method.__name__ != "_remove":  # half of it had arrived
                    method(store, *given)
                    path = there / given[1 if method.__name__ == "_send" else 0]
                    path.write_bytes(path.read_bytes()[:-1])
                raise Killed
            return method(store, *given)

        with monkeypatch.context() as patch:
            for name in calls:
                method = getattr(Bucket, name)
                patch.setattr(Bucket, name, lambda *given, method=method: torn(method, *given))
            try:
                one.keep(0, 1)
                is_killed = False
            except Killed:
                is_killed = True
        other = machines("other")
        found = files_of(begun(other, 2, Source(0, 1)))
        assert found in (before, after)
        assert found == after or is_killed
        seen.add((found == after, is_killed))
        again = machines("again")
        write(again, 0, 1, after)
        again.keep(0, 1)
        assert files_of(machines("third").directory(0, 1)) == after
    assert seen == {(False, True), (True, True), (True, False)}


def test_what_is_not_what_the_log_has_is_not_gone_on_from(machines, caplog):
    one, other = machines("one"), machines("other")
    for attempt in (1, 2):
        write(one, 0, attempt, {"state": f"{attempt}".encode()})
        one.keep(0, attempt)
    first, second = (seal_of(contents_of(one.begin(0, attempt))) for attempt in (1, 2))
    write(one, 0, 2, {"state": b"3"})  # by somebody else, later
    one.keep(0, 2)
    directory = begun(other, 3, Source(0, 2, second), Source(0, 1, first))
    assert files_of(directory) == {"state": b"1"}
    assert "attempt 2 of trial 0" in caplog.text and "SHA-256" in caplog.text


def test_what_came_damaged_is_not_gone_on_from(machines, caplog):
    one, other = machines("one"), machines("other")
    write(one, 0, 1, {"state": b"good"})
    one.keep(0, 1)
    [blob] = [path for name, path in machines.there.items() if name.startswith("0/1/")]
    blob.write_bytes(b"evil")
    assert not os.path.isdir(begun(other, 2, Source(0, 1)))
    assert "'state' came damaged" in caplog.text
    assert not [name for name in os.listdir(machines.root / "other") if name.endswith(".tmp")]


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\..\\evil", "c:evil", "", "a//b", "."])
def test_a_list_that_names_files_outside_of_the_directory_is_none(machines, path):
    one, other = machines("one"), machines("other")
    write(one, 0, 1, {"state": b"good"})
    one.keep(0, 1)
    place = machines.there["0/1-1.json"]
    [seal] = bucket._read_list(place.read_bytes()).values()
    place.write_text(bucket._listed({path: seal}))
    assert other.attempts(0) == [1]
    assert other.begin(0, 2, (0, 1)) is None
    assert not (machines.root / "evil").exists()


def test_a_list_that_was_damaged_is_none(machines):
    one, other = machines("one"), machines("other")
    for files in ({"state": b"1"}, {"state": b"2"}):
        write(one, 0, 1, files)
        one.keep(0, 1)
    place = machines.there["0/1-2.json"]
    place.write_bytes(place.read_bytes().replace(b"state", b"stale"))
    assert other.begin(0, 2, (0, 1)) is None


def test_a_folder_here_of_a_study_that_was_deleted_is_not_that_of_the_next(machines):
    here = machines("here")
    write(here, 0, 1, {"state": b"old"})
    here.keep(0, 1)
    shutil.rmtree(machines.root / "there")
    assert not os.path.isdir(machines("here").begin(0, 1))


def test_one_that_is_sent_elsewhere_need_not_ask_what_it_is_called(machines, monkeypatch):
    here = machines("here")
    directory = here.begin(0, 1)
    sent = pickle.dumps(here)
    monkeypatch.setattr(Bucket, "_read", None)
    assert pickle.loads(sent).begin(0, 1) == directory


def test_a_while_without_the_store_costs_a_warning(machines, monkeypatch, caplog):
    here = machines("here")
    write(here, 0, 1, {"state": b"1"})

    def unreachable(*_, **__):
        raise ConnectionResetError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(fsspec.implementations.local.LocalFileSystem, "ls", unreachable)
        place = Place(Task(0, 1, {}, Problem(), 0, None, True, store=here))
        place.keep()
        assert here.attempts(0) == []
    assert caplog.text.count("no route to host") == 2
    assert place.left().keys() == {"system: checkpoint 1"}
    assert here.attempts(0) == [1]


def test_what_is_saved_is_kept_while_the_trial_runs_but_not_at_each_step(machines, monkeypatch):
    here, other = machines("here"), machines("other")
    clock = [100.0]
    monkeypatch.setattr("kilter.objective.place.time.monotonic", lambda: clock[0])
    place = Place(Task(0, 1, {}, Problem(), 0, None, True, store=here))
    place.keep()  # at a report, before anything is saved
    os.makedirs(place.directory)
    found = []
    for step, seconds in enumerate((100.0, 100.5, 101.5)):
        clock[0] = seconds
        save(place.directory, step)
        place.keep()
        found.append(load(other.directory(0, 1)))
    assert found == [0, 0, 2]


def test_urls_that_cannot_be_are_refused_before_there_is_a_study(monkeypatch, tmp_path):
    with pytest.raises(InvalidInput, match="nosuch"):
        kilter.create_study(checkpoints="nosuch://ada:secret@there/x")
    with pytest.raises(InvalidInput) as refused:
        kilter.create_study(checkpoints="nosuch://ada:secret@there/x")
    assert "secret" not in str(refused.value)
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MissingLibrary, match="fsspec"):
        kilter.create_study(checkpoints=f"file://{tmp_path}")


def test_a_url_that_cannot_be_reached_is_said_before_anything_begins(tmp_path):
    (tmp_path / "there").write_text("a file in the place of a folder")
    study = kilter.create_study(checkpoints=f"file://{tmp_path}/there", seed=0)
    with pytest.raises(StorageUnreachable, match="there"):
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none")
    assert study.trials == []


def test_what_an_objective_left_running_may_write_on_and_is_taken_as_it_is(machines, caplog):
    here = machines("here")
    write(here, 0, 1, {"events": b"1", "state": b"good"})
    seal = seal_of(contents_of(here.begin(0, 1)))
    write(here, 0, 1, {"events": b"12", "state": b"good"})
    here.keep(0, 1)
    assert files_of(begun(here, 2, Source(0, 1, seal)))["events"] == b"12"
    assert "has grown" in caplog.text


def test_folders_of_trials_that_others_have_dropped_go(machines, monkeypatch):
    here, other = machines("here"), machines("other")
    for number in (0, 1, 2):
        write(here, number, 1, {"state": b"1"})
        here.keep(number, 1)
    other.drop(0)
    other.drop(1)
    assert not here.drop(0) or not os.path.isdir(here.begin(0, 1))
    os.utime(os.path.dirname(here.begin(1, 1)), (0, 0))
    os.utime(os.path.dirname(here.begin(2, 1)), (0, 0))
    monkeypatch.setattr(bucket, "_SWEPT", set())
    machines("here").begin(9, 1)
    assert not os.path.isdir(here.begin(1, 1)) and os.path.isdir(here.begin(2, 1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes as POSIX has them")
def test_pipes_and_links_to_nothing_are_left_out(machines):
    here = machines("here")
    write(here, 0, 1, {"state": b"1"})
    os.mkfifo(os.path.join(here.begin(0, 1), "pipe"))
    os.symlink("nothing", os.path.join(here.begin(0, 1), "link"))
    here.keep(0, 1)
    for machine in ("other", "here"):
        assert files_of(machines(machine).begin(0, 2, (0, 1))) == {"state": b"1"}


def test_a_study_keeps_its_checkpoints_at_a_url(tmp_path, monkeypatch):
    def objective(trial, epochs):
        kept = [*(trial.load() or []), epochs]
        trial.save(kept)
        return trial.suggest_float("x", 0, 1) / len(kept)

    url, there = f"sqlite:///{tmp_path}/k.db", f"file://{tmp_path}/there"
    fidelity = kilter.Fidelity("epochs", 1, 9)
    settings = {"fidelity": fidelity, "scheduler": "asha", "seed": 0, "checkpoints": there, "keep_checkpoints": 1}
    for machine in range(3):  # one after the other
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(machine)))
        study = kilter.create_study(storage=url, study_name="s", load_if_exists=True, **settings)
        study.optimize(objective, n_trials=6, progress="none")
    best = study.best_trial
    with kilter.read_study(storage=url, checkpoints=there) as seen:
        assert len(load(seen.checkpoint_dir(best))) == best.attempt
    longest = max(study.trials, key=lambda trial: (trial.state is TrialState.COMPLETE, trial.attempt))
    assert longest.attempt > 1
    seal = best.system_attrs[f"checkpoint {best.attempt}"]
    assert seal["sha256"] == seal_of(contents_of(study.checkpoint_dir(best))).sha256
    lists = [name for name in os.listdir(tmp_path / "there" / str(best.number)) if name.endswith(".json")]
    assert json.loads((tmp_path / "there" / str(best.number) / lists[-1]).read_text())["sha256"] == seal["sha256"]


def test_on_s3(tmp_path, monkeypatch):
    pytest.importorskip("s3fs")
    with served() as server:
        for name, value in {"ENDPOINT_URL": server.url, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        one, other = (Bucket("s3://team/digits", tmp_path / name) for name in ("one", "other"))
        assert one.is_empty()
        files = {"weights é": b"w" * 1000, "log/0+1 %41": b"", "log/1": b""}
        write(one, 0, 1, files)
        one.keep(0, 1)
        assert other.attempts(0) == [1] and not other.is_empty()
        assert files_of(other.begin(1, 1, (0, 1))) == files
        server.fails = 2  # a while later it is there again
        monkeypatch.setattr(bucket, "PATIENCE", 30.0)
        write(one, 0, 1, {"weights é": b"v"})
        one.keep(0, 1)
        assert files_of(other.directory(0, 1)) == {"weights é": b"v"}
        assert [name for name in server.objects if name.startswith("team/digits/0/1")] == [
            f"team/digits/0/1/{contents_of(one.begin(0, 1))['weights é'].sha256}",
            "team/digits/0/1-2.json",
        ]
        assert one.drop(0) and [*server.objects] == ["team/digits/kilter.json"]
        assert other.begin(2, 1, (0, 1)) is None
