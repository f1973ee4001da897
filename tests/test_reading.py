"""Looking at a study needs nothing of what it was made with, and leaves nothing behind."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

import kilter
from kilter.cli import main
from kilter.core.errors import KilterError, StudyNotFound
from kilter.core.events import Created
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage

SPACE = {"x": kilter.Float(-1, 1), "layers": kilter.Int(1, 3)}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def value(trial):
    trial.report(trial.params["x"], step=1)
    print(f"layers {trial.params['layers']}")
    if trial.number == 4:
        raise ValueError("no")
    trial.save({"x": trial.params["x"]})
    return trial.params["x"] ** 2


def made(url, **settings):
    study = kilter.create_study(study_name="digits", storage=url, space=SPACE, sampler="random", seed=1, **settings)
    study.set_user_attr("owner", "me")
    study.optimize(value, n_trials=8, progress="none")
    study.enqueue_trial({"x": 0.5})
    return study


READ = (
    *("study_name", "problem", "space", "seed", "directions", "metric_names", "user_attrs", "system_attrs"),
    *("best_value", "best_params"),
)


def test_it_has_what_the_study_has(url):
    study = made(url)
    with kilter.read_study(study_name="digits", storage=url) as view:
        for name in READ:
            assert getattr(view, name) == getattr(study, name), name
        assert list(view.history) == list(study.history)
        assert view.trials == study.trials
        assert view.best_trial == study.best_trial
        assert view.log.read() == study.log.read()
        assert view.printed(2) == study.printed(2) != ""
        assert view.checkpoint_dir(view.best_trial) == study.checkpoint_dir(study.best_trial) is not None
        assert repr(view) == "<StudyView 'digits': minimize value, 9 trials>"


def test_it_keeps_up_with_who_is_at_work(url):
    study = made(url)
    view = kilter.read_study(storage=url)
    study.optimize(value, n_trials=3, progress="none")
    assert view.trials == study.trials


def test_it_writes_nothing_and_holds_no_lease(url):
    study = made(url)
    study.close()
    store = SQLiteStorage(url.removeprefix("sqlite:///"))
    before = store.read(1), store.leases(1)
    assert len(kilter.read_study(storage=url).get_trials()) == 9
    assert (store.read(1), store.leases(1)) == before


def test_a_study_in_memory_is_read_through_its_storage():
    storage = MemoryStorage()
    study = kilter.create_study(study_name="digits", storage=storage, space=SPACE, seed=1)
    study.optimize(value, n_trials=3, progress="none")
    view = kilter.read_study(storage=storage)
    view.close()  # which is the storage's owner's to close
    assert view.best_value == study.best_value


def test_studies_that_are_not_there(url):
    with pytest.raises(StudyNotFound, match="there is no file"):
        kilter.read_study(storage=url)
    made(url)
    with pytest.raises(StudyNotFound, match="digits"):
        kilter.read_study(study_name="digit", storage=url)


def made_elsewhere(url):
    """A study whose scheduler has a setting that the one here does not know."""
    entries = made(url).log.read()
    store = SQLiteStorage(url.removeprefix("sqlite:///"))
    store.delete(1)
    first = replace(entries[0].event, scheduler={"name": "asha", "settings": {"later": 1}})
    assert isinstance(first, Created)
    study = store.create("digits", first)
    store.append(study, [event for _, event in entries[1:]])
    store.close()


@pytest.mark.parametrize(
    "words",
    [
        *(["status"], ["trials"], ["trial", "3"], ["trial", "best"], ["trial", "2", "--json"], ["best"], ["export"]),
        *(["best", "--recommended"], ["export", "--format", "jsonl"], ["ls"]),
    ],
    ids=" ".join,
)
def test_every_verb_that_looks_needs_no_plugin(url, words):
    made_elsewhere(url)
    with pytest.raises(KilterError):
        kilter.load_study(study_name="digits", storage=url)
    result = CliRunner().invoke(main, [*words, "--storage", url])
    assert result.exit_code == 0, result.stderr
    assert result.stdout
    assert "later" not in result.stderr


def test_one_that_cannot_be_read_does_not_hide_the_others(url):
    made_elsewhere(url)
    listed = CliRunner().invoke(main, ["ls", "--json", "--storage", url])
    assert [row["trials"] for row in json.loads(listed.stdout)] == [9]
