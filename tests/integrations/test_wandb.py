"""What Weights & Biases has of a study: offline runs, read back from the files that they leave."""

from __future__ import annotations

import json
import pickle
import struct

import psutil
import pytest

import kilter
from kilter.core.errors import NotReady, TrialPruned

wandb = pytest.importorskip("wandb", reason="Weights & Biases is not installed: pip install '.[wandb]'")

from wandb.proto.wandb_internal_pb2 import Record  # noqa: E402

from kilter.integrations.wandb import WandbTracker  # noqa: E402

SPACE = {"x": kilter.Float(0, 1), "layer": kilter.Choice({"wide": (64, 64), "deep": (8, 8, 8)})}


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_MODE", "offline")


def records(data, block=32768):
    """The records of a W&B file: a header of 7 bytes, then LevelDB's log format, in blocks that no record crosses."""
    at, parts = 7, []
    while at < len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            yield b"".join(parts)
            parts = []


class Run:
    """An offline run as it would be synced."""

    def __init__(self, path):
        self.config, self.history, self.summary, self.exits = {}, [], {}, []
        for data in records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            self._take(record)

    def _take(self, record):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            self.id, self.name = record.run.run_id, record.run.display_name
            self.group, self.job_type, self.project = record.run.run_group, record.run.job_type, record.run.project
            self.config.update(values(record.run.config.update))
        elif kind == "config":
            self.config.update(values(record.config.update))
        elif kind == "history":
            self.history.append({k: v for k, v in values(record.history.item).items() if not k.startswith("_")})
        elif kind == "summary":
            self.summary.update(values(record.summary.update))
        elif kind == "exit":
            self.exits.append(record.exit.exit_code)


def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def runs_in(folder):
    """The local runs, once W&B's own process has written them and is gone."""
    service = [process for process in psutil.Process().children(recursive=True) if "wandb" in process.name()]
    wandb.teardown()
    assert not psutil.wait_procs(service, timeout=60)[1]
    return {run.id: run for run in map(Run, folder.glob("wandb/offline-run-*/*.wandb"))}


def objective(trial):
    trial.set_user_attr("seen", [trial.number])
    for step in range(3):
        trial.report({"loss": trial.params["x"] + step, "time": 0.5}, step)
    if trial.number == 1:
        raise ValueError("no good")
    if trial.number == 2:
        raise TrialPruned
    return {"loss": trial.params["x"], "time": 0.5}


def test_a_study_is_a_group_of_runs(tmp_path):
    study = kilter.create_study(space=SPACE, directions={"loss": "minimize"}, seed=1, study_name="digits")
    with study.observed(WandbTracker("pictures", directory=str(tmp_path))):
        study.optimize(objective, n_trials=4, n_jobs=2, progress="none")
        study.set_user_attr("team", "red")
    assert wandb.run is None
    runs = runs_in(tmp_path).values()
    assert {(run.group, run.project) for run in runs} == {("digits", "pictures")}
    (whole,) = [run for run in runs if run.job_type == "study"]
    trials = {run.summary["trial"]: run for run in runs if run.job_type == "trial"}
    assert sorted(trials) == ["0", "1", "2", "3"]
    assert whole.config["directions"] == '{"loss": "minimize"}'
    assert whole.name == "digits" and whole.summary["attrs.team"] == "red" and whole.exits == [0]
    assert whole.history[-1]["best/loss"] == whole.summary["best/loss"] == study.best_value
    for trial in study.trials:
        run = trials[str(trial.number)]
        assert run.id == f"{whole.id}-{trial.number}" and run.name == f"trial {trial.number}"
        plain = study.space.plain(trial.params)
        assert plain.items() <= run.config.items()
        curve = [{"step": step, "loss": trial.params["x"] + step, "time": 0.5} for step in range(3)]
        assert run.history[:3] == curve
        assert run.summary["state"] == trial.state.name
        assert run.summary["attrs.seen"] == [trial.number]
        assert run.exits == [int(trial.number == 1)]
    assert trials["0"].history[3:] == [{"step": 2, "loss": study.trials[0].params["x"]}]  # what no report had
    assert trials["1"].summary["failure"] == "ValueError: no good"


def test_a_paused_trial_goes_on_in_its_run(tmp_path):
    study = kilter.create_study(
        space={"x": kilter.Float(0, 1)},
        seed=1,
        study_name="later",
        scheduler="asha",
        fidelity=kilter.Fidelity("epochs", 1, 3),
    )
    with study.observed(WandbTracker("p", directory=str(tmp_path))):
        study.optimize(lambda x, epochs: x + 1 / epochs, n_trials=5, progress="none")
    found = {run.summary["trial"]: run for run in runs_in(tmp_path).values() if run.job_type == "trial"}
    assert len(found) == len(study.trials)
    for trial in study.trials:
        run = found[str(trial.number)]
        assert run.summary["state"] == trial.state.name and run.exits == [0]
        assert run.history == [
            {"step": r.step, "value": r.metrics["value"]} for r in study.history.reports.of(trial.number)
        ]
    assert {len(run.history) for run in found.values()} == {1, 2}


def test_a_study_that_goes_on_goes_on_in_runs_of_its_ids(tmp_path):
    ids = []
    for part in ("first", "second"):
        study = kilter.create_study(
            storage=f"sqlite:///{tmp_path}/s.db", study_name="s", space=SPACE, seed=1, load_if_exists=True
        )
        with study.observed(WandbTracker("p", directory=str(tmp_path / part))):
            study.optimize(lambda x: x, n_trials=1, progress="none")
        ids.append({run.id.removesuffix(f"-{len(ids)}") for run in runs_in(tmp_path / part).values()})
    assert ids[0] == ids[1] and len(ids[0]) == 1


def test_an_objective_logs_into_its_trials_run(tmp_path):
    study = kilter.create_study(space=SPACE, seed=1, study_name="into")
    tracker = WandbTracker("p", directory=str(tmp_path))

    def logging(trial):
        tracker.run(trial).log({"own": trial.number})
        return trial.params["x"]

    with study.observed(tracker):
        with pytest.raises(NotReady, match="use threads"):
            pickle.dumps(tracker)
        study.optimize(logging, n_trials=2, progress="none")
    found = {run.summary["trial"]: run for run in runs_in(tmp_path).values() if run.job_type == "trial"}
    assert [found[str(number)].history[0]["own"] for number in range(2)] == [0, 1]


def test_a_run_of_the_objectives_own(tmp_path):
    study, own = kilter.create_study(space=SPACE, seed=1, study_name="own"), []

    def with_a_run(x):
        with wandb.init(project="mine", dir=tmp_path, reinit="create_new") as run:
            own.append(run.id)
            run.log({"x": x})
        return x

    wandb.setup()  # old versions start a process for each of two threads that begin at once
    with study.observed(WandbTracker("p", directory=str(tmp_path))):
        study.optimize(with_a_run, n_trials=2, progress="none")
    found = runs_in(tmp_path)
    assert len(found) == 1 + 2 + 2
    assert [len(found[run].history) for run in own] == [1, 1]
