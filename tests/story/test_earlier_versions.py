"""Studies that an earlier version wrote open, keep every trial, and go on with what that version would have tried."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from kilter import load_study

DATA = Path(__file__).parents[1] / "data"

spec = importlib.util.spec_from_file_location("record_studies", DATA / "record_studies.py")
recorded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorded)

SUGGESTIONS = json.loads(recorded.SUGGESTIONS.read_text(encoding="utf-8"))

ROUNDED = 1e-4
"""How far a value may be from the recorded one, where a model chose it: processors round differently."""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return shutil.copy(recorded.DATABASE, tmp_path_factory.mktemp("earlier") / "studies.db")


def test_every_recorded_study_is_asked():
    assert SUGGESTIONS.keys() == recorded.STUDIES.keys()


@pytest.mark.parametrize("name", recorded.STUDIES)
def test_it_goes_on_as_it_would_have(database, name):
    study = load_study(study_name=name, storage=f"sqlite:///{database}", clock=recorded.Clock(2_000_000.0), lease=None)
    assert {trial.state.is_finished() for trial in study.trials if trial.state.name != "PAUSED"} == {True}
    for found, wanted in zip(recorded.suggestions(study), SUGGESTIONS[name], strict=True):
        assert (found["number"], found["attempt"]) == (wanted["number"], wanted["attempt"])
        assert found["params"].keys() == wanted["params"].keys()
        for key, value in wanted["params"].items():
            is_close = isinstance(value, float)
            assert found["params"][key] == (pytest.approx(value, rel=ROUNDED, abs=ROUNDED) if is_close else value)
