from __future__ import annotations

import sys
from typing import Any

import pytest

import kilter
from kilter.core.errors import MissingLibrary, UnknownName

SPACE = {"x": kilter.Float(0, 1)}


def frame_of(objective: Any, *, n_trials: int = 3, **settings: Any) -> Any:
    pytest.importorskip("pandas")
    return kilter.tune(
        objective, SPACE, n_trials=n_trials, storage=None, progress="none", sampler="random", **settings
    ).trials_dataframe()


def test_a_plain_study_has_the_columns_of_optuna_alone() -> None:
    frame = frame_of(lambda x: x)
    assert list(frame.columns) == [
        *("number", "value", "datetime_start", "datetime_complete", "duration", "params_x", "state")
    ]


def test_all_metrics_and_failures_are_there() -> None:
    def scores(x: float) -> dict[str, float]:
        if x < 0.5:
            raise ValueError("too small")
        return {"accuracy": x, "std": x / 10}

    frame = frame_of(scores, maximize="accuracy", n_trials=12)
    complete = frame[frame.state == "COMPLETE"]
    assert (complete["metrics_accuracy"] == complete["value"]).all()
    assert complete["metrics_std"].tolist() == [x / 10 for x in complete["params_x"]]
    assert set(frame[frame.state == "FAIL"]["failure"]) == {"ValueError: too small"}


def test_folds_budgets_and_parents_are_there() -> None:
    def folds(x: float, trial: kilter.Trial) -> float:
        for fold in range(2):
            trial.report(x + fold, fold=fold)
        return x

    frame = frame_of(folds)
    assert (frame["folds_1"] - frame["folds_0"]).round(9).tolist() == [1, 1, 1]
    budgeted = frame_of(lambda x, epochs: x / epochs, fidelity=kilter.Fidelity("epochs", 1, 9), n_trials=6)
    assert set(budgeted["budget_epochs"]) <= {1, 3, 9}


def test_columns_can_be_chosen() -> None:
    pytest.importorskip("pandas")
    study = kilter.create_study(space=SPACE, directions={"a": "minimize", "b": "maximize"}, sampler="random")
    study.optimize(lambda x: (x, -x), n_trials=2, progress="none")
    assert {"values_a", "values_b"} <= set(study.trials_dataframe().columns)
    assert list(study.trials_dataframe(attrs=("metrics", "failure"))) == ["metrics_a", "metrics_b", "failure"]
    assert ("params", "x") in study.trials_dataframe(multi_index=True)
    with pytest.raises(UnknownName, match="did you mean 'params'"):
        study.trials_dataframe(attrs=("param",))


def test_without_pandas_the_remedy_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingLibrary, match="pip install pandas, or write a file with kilter export"):
        kilter.create_study().trials_dataframe()
