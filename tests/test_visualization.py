"""The plotting half of a script for Optuna runs here: the same names, arguments and meaning, by both backends."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import kilter as optuna
from kilter import visualization
from kilter.core.errors import InvalidInput, UnknownName
from kilter.visualization import matplotlib as for_papers

plotly = pytest.importorskip("plotly.graph_objects")
mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")

PLOTS = [name for name in visualization.__all__ if name.startswith("plot_")]
SIMPLE = [name for name in PLOTS if name not in ("plot_pareto_front", "plot_hypervolume_history")]


def objective(trial: Any) -> float:
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    width = trial.suggest_int("width", 1, 64) if kind == "b" else 8
    for step in range(10):
        trial.report(abs(rate - 1e-3) + width / 64 + 1 / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    if width == 13:
        raise ValueError("unlucky")
    return abs(rate - 1e-3) + width / 64 + 0.1


@pytest.fixture(scope="module")
def study() -> Any:
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), study_name="one")
    made.optimize(objective, n_trials=40, progress="none")
    return made


@pytest.fixture(scope="module")
def pair() -> Any:
    made = optuna.create_study(directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=1))
    made.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=30, progress="none")
    return made


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("module", [visualization, for_papers], ids=["plotly", "matplotlib"])
def test_arguments_are_those_of_optunas(name: str, module: Any) -> None:
    pytest.importorskip("optuna")
    import optuna.visualization as theirs
    import optuna.visualization.matplotlib as theirs_for_papers

    other = getattr(theirs if module is visualization else theirs_for_papers, name)
    ours, known = inspect.signature(getattr(module, name)).parameters, inspect.signature(other).parameters
    assert list(ours) == list(known)
    for argument, parameter in known.items():
        assert (ours[argument].kind, ours[argument].default) == (parameter.kind, parameter.default), argument


def test_every_plot_of_optunas_is_here() -> None:
    theirs = pytest.importorskip("optuna.visualization")
    there = {name for name in theirs.__all__ if name.startswith("plot_")}
    assert there == set(PLOTS)
    assert for_papers.__all__ == visualization.__all__


def test_they_say_whether_they_can_be_drawn() -> None:
    assert visualization.is_available() is True
    assert for_papers.is_available() is True


@pytest.mark.parametrize("name", SIMPLE)
def test_a_plot_of_a_study_is_a_figure(name: str, study: Any) -> None:
    drawn = getattr(visualization, name)(study)
    assert isinstance(drawn, plotly.Figure)
    assert drawn.data
    assert drawn.to_json()


@pytest.mark.parametrize("name", SIMPLE)
def test_a_plot_for_papers_is_on_axes_of_the_current_figure(name: str, study: Any) -> None:
    from matplotlib import pyplot as plt
    from matplotlib.axes import Axes

    drawn = getattr(for_papers, name)(study)
    first = drawn if isinstance(drawn, Axes) else drawn[0]
    assert isinstance(first, Axes)
    assert first.figure is plt.gcf()
    plt.close("all")


def test_targets_params_and_several_studies(study: Any, pair: Any) -> None:
    longest = {"target": lambda trial: trial.duration.total_seconds(), "target_name": "seconds"}
    assert visualization.plot_slice(study, ["rate", "kind"], **longest).layout.yaxis.title.text == "seconds"
    assert len(visualization.plot_rank(study, params=["rate", "kind"], **longest).data) == 1
    assert visualization.plot_contour(study, params=["rate", "width"]).data
    (strands,) = visualization.plot_parallel_coordinate(pair).data
    assert [axis.label for axis in strands.dimensions] == ["value_0", "value_1", "x", "y"]
    assert len(visualization.plot_edf([study, study]).data) == 2
    names = {trace.name for trace in visualization.plot_optimization_history([study, study], error_bar=True).data}
    assert "mean" in names
    assert visualization.plot_optimization_history(pair, target=lambda trial: trial.values[1]).data
    assert visualization.plot_timeline(study, n_recent_trials=3).data


def test_importances_with_and_without_an_evaluator(study: Any, pair: Any) -> None:
    bars, beside = visualization.plot_param_importances(study).data
    assert len(beside.text) == 3
    assert set(visualization.plot_param_importances(study).layout.yaxis.ticktext) == {"rate", "kind", "width"}
    assert bars.error_x.array is not None
    some = visualization.plot_param_importances(
        study, optuna.importance.FanovaImportanceEvaluator(seed=1), ["rate", "kind"]
    )
    assert len(some.data[0].x) == 2 and some.data[0].error_x.array is None
    assert [trace.name for trace in visualization.plot_param_importances(pair).data] == ["value_0", "value_1"]
    seconds = visualization.plot_param_importances(study, target=lambda t: t.duration.total_seconds(), target_name="s")
    assert seconds.data[0].name == "s"


def test_trade_offs(pair: Any) -> None:
    fewer = visualization.plot_pareto_front(pair, target_names=["cost", "gain"], include_dominated_trials=False)
    assert fewer.layout.xaxis.title.text == "cost" and "dominated" not in {trace.name for trace in fewer.data}
    assert len(visualization.plot_pareto_front(pair, targets=lambda t: (t.params["x"], t.params["y"], 1.0)).data) >= 3
    never = visualization.plot_pareto_front(pair, constraints_func=lambda trial: [1.0])
    assert {trace.name for trace in never.data if len(trace.x)} == {"infeasible"}
    grown = visualization.plot_hypervolume_history(pair, [1.0, 0.0]).data[0].y
    assert list(grown) == sorted(grown) and 0 < grown[-1] <= 1


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda one, two: visualization.plot_slice(two), InvalidInput, "target="),
        (lambda one, two: visualization.plot_pareto_front(one), InvalidInput, "targets="),
        (lambda one, two: visualization.plot_pareto_front(two, target_names=["a"]), InvalidInput, "2 names"),
        (lambda one, two: visualization.plot_hypervolume_history(one, [1.0]), InvalidInput, "two or more"),
        (lambda one, two: visualization.plot_hypervolume_history(two, [1.0]), InvalidInput, "2 numbers"),
        (lambda one, two: visualization.plot_timeline(one, 0), InvalidInput, "above 0"),
        (lambda one, two: visualization.plot_slice(one, ["rat"]), UnknownName, "'rate'"),
        (lambda one, two: visualization.plot_slice(one, "rate"), InvalidInput, "give a list"),
        (lambda one, two: visualization.plot_param_importances(one, params=["rat"]), UnknownName, "'rate'"),
        (lambda one, two: visualization.plot_contour(one, ["rate"]), InvalidInput, "two parameters"),
        (lambda one, two: visualization.plot_terminator_improvement(two), InvalidInput, "several objectives"),
    ],
)
def test_what_cannot_be_drawn_says_why(wrong: Any, error: type[Exception], told: str, study: Any, pair: Any) -> None:
    with pytest.raises(error, match=told) as caught:
        wrong(study, pair)
    assert isinstance(caught.value, ValueError)
