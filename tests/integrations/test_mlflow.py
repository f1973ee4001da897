"""What MLflow has of a study, read back with its own client from a real store."""

from __future__ import annotations

import pickle
import threading

import pytest

import kilter
from kilter.core.errors import TrialPruned
from kilter.core.events import TrialState

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: pip install '.[mlflow]'")
pytest.importorskip("sqlalchemy", reason="MLflow's databases need it: pip install '.[mlflow]'")

from mlflow.tracking import MlflowClient  # noqa: E402

from kilter.integrations.mlflow import MLflowTracker  # noqa: E402

SPACE = {"x": kilter.Float(0, 1), "layer": kilter.Choice({"wide": (64, 64), "deep": (8, 8, 8)})}


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """One database for all tests: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def runs_of(uri, experiment):
    """The study's run, and those of the trials by number."""
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    trials = {int(run.data.tags["kilter.trial"]): run for run in found if "kilter.trial" in run.data.tags}
    (study,) = [run for run in found if "kilter.trial" not in run.data.tags]
    assert len(found) == 1 + len(trials)
    return study, trials


def points(uri, run, key):
    history = MlflowClient(uri).get_metric_history(run.info.run_id, key)
    return [(metric.step, metric.value) for metric in sorted(history, key=lambda metric: metric.timestamp)]


def objective(trial):
    trial.set_user_attr("seen", [trial.number])
    for step in range(3):
        trial.report({"loss": trial.params["x"] + step, "time": 0.5}, step)
    if trial.number == 1:
        raise ValueError("no good")
    if trial.number == 2:
        raise TrialPruned
    return {"loss": trial.params["x"], "time": 1.0}


def test_a_study_is_a_run_with_runs_of_trials(uri):
    study = kilter.create_study(space=SPACE, directions={"loss": "minimize"}, seed=1, study_name="digits")
    with study.observed(MLflowTracker(uri)):
        study.optimize(objective, n_trials=4, progress="none")
        study.set_user_attr("team", "red")
    parent, runs = runs_of(uri, "digits")
    assert parent.info.run_name == "digits" and parent.info.status == "FINISHED"
    assert parent.data.tags["team"] == "red"
    assert parent.data.tags["kilter.directions"] == '{"loss": "minimize"}' and "mlflow.user" in parent.data.tags
    assert parent.data.metrics["best/loss"] == study.best_value
    assert parent.data.tags["kilter.best_trial"] == str(study.best_trial.number)
    assert sorted(runs) == [0, 1, 2, 3]
    assert [runs[n].info.status for n in range(4)] == ["FINISHED", "FAILED", "KILLED", "FINISHED"]
    for trial in study.trials:
        run = runs[trial.number]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        plain = study.space.plain(trial.params)
        assert run.data.params == {"x": str(plain["x"]), "layer": plain["layer"]}
        assert points(uri, run, "loss")[:3] == [(step, trial.params["x"] + step) for step in range(3)]
        assert run.data.tags["seen"] == f"[{trial.number}]"
        assert run.data.tags["kilter.state"] == trial.state.name and run.data.tags["kilter.study"] == "digits"
        if trial.state is not TrialState.FAIL:
            assert run.data.metrics == trial.metrics  # the last ones that were logged are the result
        assert run.info.end_time >= run.info.start_time
    assert runs[1].data.tags["kilter.failure"] == "ValueError: no good"
    assert mlflow.active_run() is None


def test_a_study_goes_on_in_its_runs(uri, tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    settings = {"storage": url, "study_name": "later", "seed": 1, "load_if_exists": True, "scheduler": "asha"}
    settings |= {"space": SPACE, "fidelity": kilter.Fidelity("epochs", 1, 9)}

    def train(x, epochs):
        return x + 1 / epochs

    for n_trials in (2, 8):
        study = kilter.create_study(**settings)
        if n_trials == 2:
            study.enqueue_trial({"x": 0.0, "layer": (64, 64)})  # paused here, and the first to go on there
        with study.observed(MLflowTracker(uri, "shared")):
            study.optimize(train, n_trials=n_trials, progress="none")
    parent, runs = runs_of(uri, "shared")
    trials = study.trials
    assert sorted(runs) == [trial.number for trial in trials]  # one each, although some had an attempt in both
    assert int(runs[0].data.tags["kilter.attempt"]) > 1
    status = {"COMPLETE": "FINISHED", "PAUSED": "SCHEDULED", "PRUNED": "KILLED"}
    assert {n: run.info.status for n, run in runs.items()} == {t.number: status[t.state.name] for t in trials}
    for trial in trials:
        reported = [(report.step, report.metrics["value"]) for report in study.history.reports.of(trial.number)]
        assert points(uri, runs[trial.number], "value") == reported
    bests = [value for _, value in points(uri, parent, "best/value")]
    assert bests == sorted(bests, reverse=True) and bests[-1] == study.best_value


def test_an_objective_that_suggests(uri):
    study = kilter.create_study(seed=3, study_name="suggested")

    def suggesting(trial):
        return trial.suggest_float("x", 0, 10 if trial.number < 2 else 1)  # MLflow lets no parameter be changed

    with study.observed(MLflowTracker(uri)):
        study.optimize(suggesting, n_trials=6, progress="none")
    _, runs = runs_of(uri, "suggested")
    assert {n: run.data.params for n, run in runs.items()} == {
        t.number: {"x": str(t.params["x"])} for t in study.trials
    }


def test_names_and_texts_that_mlflow_would_refuse(uri):
    study = kilter.create_study(study_name="odd", directions={"loss (%)": "minimize"}, seed=1)

    def odd(trial):
        trial.suggest_float("../lr=", 0, 1)
        trial.suggest_categorical("long", ["a" * 9000])
        for i in range(120):
            trial.set_user_attr(f"attr {i}", i)
        trial.report({"loss (%)": float("nan"), "a:b": float("inf")}, 0, fold="b/../c")
        return {"loss (%)": 1.0, **{f"m{i}": float(i) for i in range(1200)}}

    with study.observed(MLflowTracker(uri)):
        study.optimize(odd, n_trials=1, progress="none")
    _, runs = runs_of(uri, "odd")
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params["lr_"] == str(study.trials[0].params["../lr="])
    assert len(runs[0].data.params["long"]) == 5000
    assert runs[0].data.metrics["loss ___"] == 1.0 and runs[0].data.metrics["m1199"] == 1199.0
    assert runs[0].data.tags["attr 119"] == "119"


def test_an_objective_logs_into_its_trials_run(uri):
    tracker, ids = MLflowTracker(uri), []
    study = kilter.create_study(space=SPACE, seed=1, study_name="own")

    def logging(trial):
        copy = pickle.loads(pickle.dumps(tracker))  # as it goes to the process of a worker
        ids.append((tracker.run_id(trial), copy.run_id(trial)))
        MlflowClient(uri).log_metric(ids[-1][0], "own", trial.number)
        return trial.params["x"]

    with study.observed(tracker):
        study.optimize(logging, n_trials=2, progress="none")
        best = tracker.run_id(study.best_trial)
    _, runs = runs_of(uri, "own")
    assert ids == [(runs[number].info.run_id, runs[number].info.run_id) for number in range(2)]
    assert [runs[number].data.metrics["own"] for number in range(2)] == [0.0, 1.0]
    assert best == runs[study.best_trial.number].info.run_id


def test_workers_that_begin_at_once_agree_on_one_run(uri, tmp_path):
    url, both = f"sqlite:///{tmp_path}/s.db", threading.Barrier(2, timeout=60)

    class Rival(MLflowTracker):
        def _created(self, name, tags):
            if "kilter.candidate" in tags:
                both.wait()  # neither has seen the other's
            return super()._created(name, tags)

    first = kilter.create_study(space=SPACE, storage=url, study_name="raced", seed=1)
    second = kilter.load_study(storage=url, study_name="raced")
    with first.observed(Rival(uri)), second.observed(Rival(uri)):
        for study in (first, second):
            study.optimize(lambda x: x, n_trials=2, progress="none")
    parent, runs = runs_of(uri, "raced")
    assert sorted(runs) == [0, 1, 2, 3]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert parent.data.metrics["best/value"] == min(trial.value for trial in second.trials)


def test_a_store_that_is_away_costs_the_study_nothing(caplog):
    study = kilter.create_study(space=SPACE, seed=1)
    with study.observed(MLflowTracker("nonsense://away")):
        study.optimize(lambda x: x, n_trials=3, progress="none")
    assert len(study.trials) == 3
    assert "MLflowTracker failed and is told no more" in caplog.text
