"""What TensorBoard has of a study, read back with its own readers: event files, and the table of its HPARAMS tab."""

from __future__ import annotations

import os
import pickle

import pytest

import kilter
from kilter.core.errors import TrialPruned

pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install '.[tensorboard]'")

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

from kilter.integrations.tensorboard import TensorBoardTracker

SPACE = {
    "x": kilter.Float(0, 1),
    "layer": kilter.Choice({"wide": (64, 64), "deep": (8, 8, 8)}),
    "bias": kilter.Boolean(),
    "norm": kilter.Choice([None, "batch"]),
}


def objective(trial):
    trial.set_user_attr("seen", [trial.number])
    for step in range(3):
        trial.report(trial.params["x"] + step, step)
    if trial.number == 1:
        raise ValueError("no good")
    if trial.number == 2:
        raise TrialPruned
    return trial.params["x"]


def read(folder):
    return EventAccumulator(str(folder), {"scalars": 0, "tensors": 0}).Reload()


def in_time(points):
    """In the order of time: files that were begun in the same second are read in any order."""
    return sorted(points, key=lambda point: point.wall_time)


def curve(folder, tag="value"):
    return [(point.step, pytest.approx(point.value)) for point in in_time(read(folder).Scalars(tag))]


def words(folder, tag):
    return [point.tensor_proto.string_val[0].decode() for point in in_time(read(folder).Tensors(tag))]


def hparams(log_dir):
    """The sessions that the HPARAMS tab shows, and what it found of parameters and metrics."""
    multiplexer = EventMultiplexer({}, {"scalars": 0, "tensors": 0}).AddRunsFromDirectory(str(log_dir))
    multiplexer.Reload()
    context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(log_dir))))
    request = RequestContext()
    every = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING, api_pb2.STATUS_UNKNOWN]
    experiment = get_experiment.Handler(request, context, "", api_pb2.GetExperimentRequest()).run()
    columns = [api_pb2.ColParams(hparam=h.name) for h in experiment.hparam_infos]
    columns += [api_pb2.ColParams(metric=m.name) for m in experiment.metric_infos]
    asked = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=every, col_params=columns, start_index=0, slice_size=100, aggregation_type="AGGREGATION_AVG"
    )
    listed = list_session_groups.Handler(request, context, "", asked).run()
    return {group.sessions[0].name: group for group in listed.session_groups}, experiment


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    study = kilter.create_study(space=SPACE, seed=1, study_name="di/gits")
    with study.observed(TensorBoardTracker(folder)):
        study.optimize(objective, n_trials=4, progress="none")
        study.set_user_attr("team", "red")
    return study, folder


def test_each_trial_has_a_directory_with_its_curve(story):
    study, folder = story
    for trial in study.trials:
        at = folder / "di_gits" / f"trial-{trial.number:04d}"
        assert curve(at)[:3] == [(step, trial.params["x"] + step) for step in range(3)]
        assert words(at, "state")[-1] == trial.state.name
        assert words(at, "attrs/seen") == [f"[{trial.number}]"]
    assert curve(folder / "di_gits" / "trial-0000")[3:] == [(2, study.trials[0].value)]  # the result
    assert len(curve(folder / "di_gits" / "trial-0002")) == 3  # is a report, and not told twice
    assert words(folder / "di_gits" / "trial-0001", "failure") == ["ValueError: no good"]


def test_the_study_has_the_best_so_far(story):
    study, folder = story
    assert curve(folder / "di_gits", "best/value")[-1] == (study.best_trial.number, study.best_value)
    assert words(folder / "di_gits", "attrs/team") == ["red"]


def test_the_hparams_tab_has_a_row_for_each_trial(story):
    study, folder = story
    groups, experiment = hparams(folder)
    assert sorted(groups) == [f"di_gits/trial-{number:04d}" for number in range(4)]
    assert sorted(info.name for info in experiment.hparam_infos) == sorted(SPACE)
    for trial, (_, group) in zip(study.trials, sorted(groups.items())):
        plain = study.space.plain(trial.params)
        assert group.hparams["x"].number_value == plain["x"]
        assert group.hparams["bias"].bool_value == plain["bias"]
        assert group.hparams["layer"].string_value == plain["layer"]
        assert group.hparams["norm"].string_value == str(plain["norm"])
        session = group.sessions[0]
        assert session.status == (api_pb2.STATUS_FAILURE if trial.number == 1 else api_pb2.STATUS_SUCCESS)
        assert session.end_time_secs >= session.start_time_secs > 1e9
        if trial.number != 1:
            assert session.metric_values[0].value == pytest.approx(trial.value)


def test_a_study_goes_on_in_its_directories(tmp_path):
    settings = {"storage": f"sqlite:///{tmp_path}/s.db", "study_name": "later", "seed": 1, "load_if_exists": True}
    settings |= {"space": {"x": kilter.Float(0, 1)}, "fidelity": kilter.Fidelity("epochs", 1, 9), "scheduler": "asha"}

    def train(x, epochs):
        return x + 1 / epochs

    for _ in range(2):
        study = kilter.create_study(**settings)
        with study.observed(TensorBoardTracker(tmp_path / "runs")):
            study.optimize(train, n_trials=7, progress="none")
    at = tmp_path / "runs" / "later"
    for trial in study.trials:
        reported = [(report.step, report.metrics["value"]) for report in study.history.reports.of(trial.number)]
        assert curve(at / f"trial-{trial.number:04d}") == reported
        assert words(at / f"trial-{trial.number:04d}", "state")[-1] == trial.state.name
    assert len(hparams(tmp_path / "runs")[0]) == len(study.trials)


def test_a_study_that_goes_on_knows_its_best(tmp_path):
    settings = {"storage": f"sqlite:///{tmp_path}/s.db", "study_name": "s", "space": {"x": kilter.Float(0, 1)}}
    for values in ((0.75, 0.25), (0.5, 0.125)):
        study = kilter.create_study(**settings, load_if_exists=True)
        for value in values:
            study.enqueue_trial({"x": value})
        with study.observed(TensorBoardTracker(tmp_path / "runs")):
            study.optimize(lambda x: x, n_trials=2, progress="none")
    assert curve(tmp_path / "runs" / "s", "best/value") == [(0, 0.75), (1, 0.25), (3, 0.125)]


def test_what_was_told_is_there_to_see_while_the_study_runs(tmp_path):
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=3, study_name="live")
    tracker = TensorBoardTracker(tmp_path)
    with study.observed(tracker):
        trial = study.ask()
        trial.report(0.5, 7)
        trial.flush()
        at = tracker.directory(trial)
        assert pickle.loads(pickle.dumps(tracker)).directory(trial) == at
        tracker.awaited(lambda: (os.path.isdir(at) and "value" in read(at).Tags()["scalars"]) or None, 60, "is late")
        assert curve(at) == [(7, 0.5)]
        study.tell(trial, 0.25)
    assert words(tmp_path / "live", "directions") == ['{"value": "minimize"}']


def test_an_objective_that_suggests(tmp_path):
    study = kilter.create_study(seed=3, study_name="suggested")
    with study.observed(TensorBoardTracker(tmp_path)):
        study.optimize(lambda t: t.suggest_float("x", 0, 10 if t.number < 2 else 1), n_trials=5, progress="none")
    groups, _ = hparams(tmp_path)
    shown = [group.hparams["x"].number_value for _, group in sorted(groups.items())]
    assert shown == [trial.params["x"] for trial in study.trials]


def test_an_attribute_after_the_end(tmp_path):
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=3, study_name="late")
    source = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=4)
    trial = source.ask()
    trial.set_user_attr("from", "elsewhere")
    told = source.tell(trial, 0.5)
    with study.observed(TensorBoardTracker(tmp_path)):
        study.add_trial(told)
    assert words(tmp_path / "late" / "trial-0000", "attrs/from") == ["elsewhere"]
