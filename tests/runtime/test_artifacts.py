import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput, NotReady, StorageError, UnknownName
from kilter.core.events import Noted
from kilter.objective.contents import seal_of_file

pytest.importorskip("fsspec")

PARTS = st.text("abé .-", min_size=1, max_size=5).filter(lambda part: set(part) - {"."})
SOUND = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def study_at(tmp_path, place="there", **options):
    where = {"there": f"file://{tmp_path}/there", "folder": tmp_path / "folder", None: None}[place]
    return kilter.create_study(seed=0, checkpoints=where, **options)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def logged(study, path, name=None, n_trials=1):
    """Trials that keep this file and are as good as their number is small."""

    def objective(trial):
        trial.suggest_float("x", 0, 1)
        trial.log_artifact(path, name)
        return trial.number

    study.optimize(objective, n_trials=n_trials, progress="none")


@settings(max_examples=30, deadline=None)
@given(SOUND, st.binary(max_size=100), st.sampled_from(["there", "folder", None]))
def test_what_was_logged_is_fetched(tmp_path_factory, name, content, place):
    tmp_path = tmp_path_factory.mktemp("artifacts")
    path = tmp_path / "file"
    path.write_bytes(content)
    study = study_at(tmp_path, place)
    logged(study, path, name)
    path.write_bytes(b"overwritten")
    [artifact] = study.artifacts
    assert (artifact.trial, artifact.name, artifact.size) == (0, name, len(content))
    copy = study.fetch_artifact(0, name, tmp_path / "copy")
    assert seal_of_file(copy) == (artifact.size, artifact.sha256)
    with open(study.fetch_artifact(0, name), "rb") as file:
        assert file.read() == content


@pytest.mark.parametrize("place", ["there", "folder"])
def test_another_machine_fetches_them_and_a_trial_need_not_save_anything_else(tmp_path, monkeypatch, place):
    url = f"sqlite:///{tmp_path}/k.db"
    folder = tmp_path / "plots"
    (folder / "more").mkdir(parents=True)
    (folder / "roc.svg").write_text("<svg/>")
    (folder / "more" / "pr.svg").write_text("<svg></svg>")
    study = study_at(tmp_path, place, storage=url, study_name="s", keep_checkpoints=1)
    logged(study, folder, n_trials=4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with study_at(tmp_path, place, storage=url, study_name="s", load_if_exists=True) as again:
        assert [artifact.name for artifact in again.best_trial.artifacts] == ["plots/more/pr.svg", "plots/roc.svg"]
        with open(again.fetch_artifact(again.best_trial, "plots/roc.svg")) as file:
            assert file.read() == "<svg/>"
        with pytest.raises(NotReady, match="only the best"):
            again.fetch_artifact(1, "plots/roc.svg")
        with pytest.raises(UnknownName, match=r"plots/roc\.svg"):
            again.fetch_artifact(0, "plots/rok.svg")


def test_of_two_of_one_name_the_later_counts(tmp_path):
    def objective(trial):
        for text in ("first", "second"):
            (tmp_path / "notes.txt").write_text(text)
            trial.log_artifact(tmp_path / "notes.txt")
        return trial.suggest_float("x", 0, 1)

    study = study_at(tmp_path)
    study.optimize(objective, n_trials=1, progress="none")
    [artifact] = study.artifacts
    with open(study.fetch_artifact(0, artifact.name)) as file:
        assert file.read() == "second"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "c:/evil", "..", "", "a\\b", "a\0b"])
def test_names_that_lead_elsewhere_are_refused_and_those_in_a_log_are_not_followed(tmp_path, name):
    path = tmp_path / "file"
    path.write_bytes(b"1")
    study = study_at(tmp_path, "folder")
    logged(study, path)
    with pytest.raises(InvalidInput, match="no name"):
        study.optimize(lambda trial: trial.log_artifact(path, name), n_trials=1, progress="none")
    seal = seal_of_file(path)._asdict()
    study.log.write(Noted(0, {f"system: artifact {name}": seal}, 0.0))
    with pytest.raises(StorageError, match="damaged"):
        study.fetch_artifact(0, name)


@pytest.mark.parametrize("seal", [{"size": 4, "sha256": "../" * 5}, {"size": "x", "sha256": "0" * 64}, {}, 5])
def test_what_is_no_seal_in_a_log_is_passed_over(tmp_path, seal):
    study = study_at(tmp_path)
    logged(study, __file__, "a")
    study.log.write(Noted(0, {"system: artifact b": seal, "system: checkpoint 1": seal}, 0.0))
    assert [artifact.name for artifact in study.artifacts] == ["a"]
    with pytest.raises(UnknownName, match="'b'"):
        study.fetch_artifact(0, "b")


def test_what_was_damaged_is_had_once_it_is_whole_again(tmp_path):
    study = study_at(tmp_path)
    (tmp_path / "model").write_bytes(b"good")
    logged(study, tmp_path / "model")
    [kept], [near] = ((tmp_path / place).rglob("artifacts/*/model") for place in ("there", "cache"))
    near.unlink()
    kept.write_bytes(b"evil")
    with pytest.raises(StorageError, match="SHA-256"):
        study.fetch_artifact(0, "model")
    assert [*near.parent.iterdir()] == []
    kept.write_bytes(b"good")
    for _ in range(2):
        with open(study.fetch_artifact(0, "model"), "rb") as file:
            assert file.read() == b"good"
        near.write_bytes(b"evil")


@pytest.mark.parametrize("name", ["é" * 101, f"d/{'n' * 300}", "model/x"])
def test_a_name_that_no_file_can_have_beside_the_others(tmp_path, name):
    path = tmp_path / "model"
    path.write_bytes(b"1")
    study = study_at(tmp_path, "folder")

    def objective(trial):
        trial.log_artifact(path)
        trial.log_artifact(path, name)

    with pytest.raises(InvalidInput, match=r"log_artifact: .* name"):
        study.optimize(objective, n_trials=1, progress="none")


@pytest.mark.parametrize("place", ["there", "folder"])
def test_what_is_damaged_is_not_handed_out(tmp_path, monkeypatch, place):
    path = tmp_path / "model"
    path.write_bytes(b"good")
    url = f"sqlite:///{tmp_path}/k.db"
    logged(study_at(tmp_path, place, storage=url, study_name="s"), path)
    [kept] = (tmp_path / place).rglob("artifacts/*/model")
    kept.write_bytes(b"evil")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    study = study_at(tmp_path, place, storage=url, study_name="s", load_if_exists=True)
    with pytest.raises(StorageError, match="SHA-256"):
        study.fetch_artifact(0, "model")


def test_nothing_is_written_over_and_nothing_that_is_not_there_is_kept(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"good")
    study = study_at(tmp_path)
    logged(study, path)
    with pytest.raises(InvalidInput, match="there already"):
        study.fetch_artifact(0, "model", path)
    (tmp_path / "models").mkdir()
    assert study.fetch_artifact(0, "model", tmp_path / "models") == str(tmp_path / "models" / "model")
    with pytest.raises(InvalidInput, match="no such file"):
        study.optimize(lambda trial: trial.log_artifact(tmp_path / "nothing"), n_trials=1, progress="none")


def test_an_attempt_that_was_broken_off_leaves_its_checkpoint_with_a_seal(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"1")

    def objective(trial):
        trial.log_artifact(path, f"attempt-{trial.attempt}")
        trial.save(trial.attempt)
        if trial.attempt == 1:
            raise KeyboardInterrupt
        return trial.suggest_float("x", 0, 1)

    study = study_at(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=1, progress="none")
    study.optimize(objective, n_trials=1, progress="none")
    [trial] = study.trials
    assert [artifact.name for artifact in trial.artifacts][-1] == "attempt-2"
    assert {"checkpoint 1", "checkpoint 2"} <= trial.system_attrs.keys()


def test_worker_processes_log_too(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"1")
    study = study_at(tmp_path)

    def objective(trial):
        trial.log_artifact(path)
        trial.save([1, 2])
        return trial.suggest_float("x", 0, 1)

    study.optimize(objective, n_trials=2, executor=kilter.executors.Processes(2), progress="none")
    assert [artifact.trial for artifact in study.artifacts] == [0, 1]
    assert os.listdir(study.checkpoint_dir(1)) == ["state.kilter"]
