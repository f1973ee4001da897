"""Where a study keeps what its trials save: as long as the study, and known to whoever opens it."""

from __future__ import annotations

import os

import pytest

import kilter
from kilter.core.errors import InvalidInput
from kilter.runtime.folders import Folders

SPACE = {"x": kilter.Float(0, 1)}


def saving(x, trial):
    """Count how often it was begun; the first attempt at the first trial is broken off after it has saved."""
    begun = (trial.load() or 0) + 1
    trial.save(begun)
    if trial.number == 0 and begun == 1:
        raise KeyboardInterrupt
    return float(begun)


def begun(**settings):
    """A study whose first trial was broken off."""
    with (
        kilter.create_study(study_name="s", space=SPACE, seed=0, **settings) as study,
        pytest.raises(KeyboardInterrupt),
    ):
        study.optimize(saving, n_trials=1, progress="none")


def gone_on(storage, **settings):
    """The value of the trial that was broken off, 2 where it went on from what it had saved."""
    with kilter.load_study(storage=storage, **settings) as study:
        study.optimize(saving, n_trials=1, progress="none")
        return study.trials[0].value


def test_what_is_saved_for_a_database_outlives_its_process_and_is_said_to_be_on_this_machine(postgresql_url, caplog):
    begun(storage=postgresql_url)
    assert gone_on(postgresql_url) == 2
    with kilter.read_study(storage=postgresql_url) as seen:
        kept = seen.checkpoint_dir(0)
    assert kept.startswith(os.environ["XDG_CACHE_HOME"]) and os.listdir(kept) == ["state.kilter"]
    told = [text for text in caplog.messages if "on this machine alone" in text]
    assert len(told) == 2 and "checkpoints=" in told[0]  # once by each that worked on it
    kilter.delete_study(study_name="s", storage=postgresql_url)
    begun(storage=postgresql_url)
    with kilter.read_study(storage=postgresql_url) as seen:
        assert seen.checkpoint_dir(0) != kept  # another study of that name


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_whoever_opens_a_study_finds_where_it_was_told_to_keep_things(scheme, tmp_path, monkeypatch, caplog):
    storage = f"sqlite:///{tmp_path}/k.db"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    begun(storage=storage, checkpoints=f"{scheme}{tmp_path}/there" if scheme else "there")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert gone_on(storage) == 2
    with kilter.read_study(storage=storage) as seen:
        assert seen.checkpoint_dir(0) is not None
        assert seen.system_attrs["checkpoints"] == f"{scheme}{tmp_path}/there"
    assert not os.path.exists(f"{tmp_path}/k.db.trials") or scheme
    assert not caplog.messages
    kilter.load_study(storage=storage, checkpoints="another").close()
    assert len(caplog.messages) == 1 and "as was said first" in caplog.messages[0]


def test_where_the_place_is_not_a_study_is_read_all_the_same(tmp_path):
    storage = f"sqlite:///{tmp_path}/k.db"
    begun(storage=storage, checkpoints=tmp_path / "there")
    os.rename(tmp_path / "there", tmp_path / "away")
    with kilter.read_study(storage=storage) as seen:
        assert seen.printed(0) == "" and seen.checkpoint_dir(0) is None
    assert not os.path.exists(tmp_path / "there")
    (tmp_path / "there").write_text("a file")
    study = kilter.load_study(storage=storage, checkpoints=tmp_path / "there")
    with study, pytest.raises(InvalidInput, match="there, which cannot be written to"):
        study.optimize(saving, n_trials=1, progress="none")


def test_a_log_does_not_have_other_folders_written_to(tmp_path, caplog):
    storage, mine = f"sqlite:///{tmp_path}/k.db", tmp_path / "mine"
    (mine / "0" / "1").mkdir(parents=True)
    (mine / "x.tmp").mkdir()
    with kilter.create_study(storage=storage, study_name="s", space=SPACE, seed=0) as study:
        study.set_system_attr("checkpoints", str(mine))
    with kilter.load_study(storage=storage, keep_checkpoints=0) as study:
        study.optimize(lambda x, trial: trial.save(1) or x, n_trials=3, progress="none")
    assert sorted(os.listdir(mine)) == ["0", "x.tmp"]
    assert "not marked as this study's" in caplog.text
    with kilter.load_study(storage=storage, checkpoints=mine) as study:  # its user may
        study.optimize(lambda x, trial: trial.save(1) or x, n_trials=1, progress="none")
    assert Folders(mine).owner and (mine / "3").is_dir()


def test_credentials_are_not_noted(tmp_path, caplog):
    storage = f"sqlite:///{tmp_path}/k.db"
    url = "memory://ada:secret@there"
    kilter.create_study(storage=storage, study_name="s", checkpoints=url).close()
    with kilter.read_study(storage=storage) as seen:
        assert seen.system_attrs == {}
    assert "credentials" in caplog.text and "secret" not in caplog.text


def test_a_copy_has_no_part_in_the_checkpoints_of_its_original(tmp_path):
    storage = f"sqlite:///{tmp_path}/k.db"
    begun(storage=storage, checkpoints=tmp_path / "there")
    kilter.copy_study(from_study_name="s", from_storage=storage, to_storage=storage, to_study_name="t")
    with kilter.read_study(storage=storage, study_name="t") as copy:
        assert copy.system_attrs == {} and copy.checkpoint_dir(0) is None
