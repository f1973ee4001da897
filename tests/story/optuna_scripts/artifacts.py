"""Files that belong to trials."""

import os

import kilter as optuna
from kilter.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta, upload_artifact

optuna.logging.set_verbosity(optuna.logging.WARNING)
os.makedirs("artifacts", exist_ok=True)
store = FileSystemArtifactStore(base_path="artifacts")


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    path = f"model-{trial.number}.txt"
    with open(path, "w") as file:
        file.write(f"{x}")
    name = upload_artifact(artifact_store=store, file_path=path, study_or_trial=trial)
    trial.set_user_attr("artifact_id", name)
    return x


storage = optuna.storages.RDBStorage("sqlite:///files.db")
study = optuna.create_study(study_name="files", storage=storage)
study.optimize(objective, n_trials=3)
for trial in study.trials:
    (meta,) = get_all_artifact_meta(trial, storage=storage)
    assert meta.filename == f"model-{trial.number}.txt" and meta.artifact_id == trial.user_attrs["artifact_id"]
name = study.best_trial.user_attrs["artifact_id"]
download_artifact(artifact_store=store, file_path="best.txt", artifact_id=name)
with open("best.txt") as file:
    assert float(file.read()) == study.best_value
