"""What trials have kept, fetched as a user fetches it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.cli.conftest import kilter

from kilter import Float
from kilter.api import create_study

pytestmark = pytest.mark.usefixtures("_folder")


def made(checkpoints: str | None = None, name: str = "digits") -> None:
    Path("model.txt").write_text("weights")

    def objective(trial):
        trial.save({"step": 3})
        if trial.number == 0:
            trial.log_artifact("model.txt", "models/best.txt")
        return trial.suggest_float("x", 0, 1) + trial.number

    with create_study(storage="sqlite:///kilter.db", study_name=name, seed=0, checkpoints=checkpoints) as study:
        study.optimize(objective, n_trials=2, progress="none")


def test_a_trial_shows_its_artifacts_and_they_are_fetched_with_its_checkpoint():
    made()
    shown = kilter("trial", "best")
    assert "models/best.txt" in shown.stdout and "7 bytes" in shown.stdout
    fetched = kilter("fetch", "best", "--to", "here")
    assert fetched.exit_code == 0, fetched.stderr
    assert Path("here/artifacts/models/best.txt").read_text() == "weights"
    assert os.listdir("here/checkpoint") == ["state.kilter"]
    again = kilter("fetch", "best", "--to", "here")
    assert again.exit_code == 2 and "there already" in again.stderr
    other = json.loads(kilter("fetch", "digits", "1", "--json").stdout)
    assert other["folder"] == "trial-1" and [*other["files"]] == ["checkpoint/state.kilter"]


def test_a_file_that_would_be_a_folder_too_is_told_and_the_others_are_copied():
    Path("one.txt").write_text("one")
    Path("two.txt").write_text("two")

    def objective(trial):
        for name in ("a/b", "c"):
            trial.log_artifact("one.txt", name)
        trial.log_artifact("two.txt", "a/b/c.txt")
        return 1.0

    with create_study(storage="sqlite:///kilter.db", study_name="digits", seed=0) as study:
        study.optimize(objective, n_trials=1, progress="none")
    fetched = kilter("fetch", "0", "--to", "here")
    assert fetched.exit_code == 0 and "study.fetch_artifact(0, 'a/b/c.txt')" in fetched.stderr
    assert sorted(path.name for path in Path("here/artifacts").rglob("*") if path.is_file()) == ["b", "c"]


def test_what_is_kept_elsewhere_is_found_there_and_said_to_be_missing_where_it_is(monkeypatch):
    made(checkpoints="kept")
    lost = kilter("fetch", "0", "--checkpoints", "nowhere")
    assert lost.exit_code == 4 and "not in nowhere" in lost.stderr and "--checkpoints" in lost.stderr
    assert not Path("trial-0").exists() and not Path("nowhere").exists()
    empty = kilter("fetch", "1", "--checkpoints", "nowhere")
    assert empty.exit_code == 3 and "kept nothing here" in empty.stderr
    fetched = kilter("fetch", "0")
    assert fetched.exit_code == 0, fetched.stderr
    assert Path("trial-0/artifacts/models/best.txt").read_text() == "weights"
    monkeypatch.setenv("KILTER_CHECKPOINTS", "nowhere")
    assert kilter("fetch", "0", "--to", "again").exit_code == 4


def test_where_nothing_is_kept_a_script_can_tell():
    study = create_study(study_name="bare", storage="sqlite:///kilter.db", space={"x": Float(0, 1)}, seed=0)
    study.optimize(lambda x: x, n_trials=1, progress="none")
    found = kilter("fetch", "bare", "0")
    assert found.exit_code == 3 and "has kept nothing here" in found.stderr
    assert kilter("fetch", "bare", "0", "--json").exit_code == 3


def test_a_trial_that_is_not_there_is_said_to_be_so():
    made()
    missing = kilter("fetch", "7")
    assert missing.exit_code == 3 and "the last one is trial 1" in missing.stderr
    assert kilter("fetch", "x", "y").exit_code == 2
