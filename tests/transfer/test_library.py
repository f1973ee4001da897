"""Whom a new study learns from by itself, and that it stays so whatever becomes of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter import Choice, Float, Int
from kilter.api.recalling import library
from kilter.core.errors import StudyChanged
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.plugins import open_storage

SPACE = {"lr": Float(1e-4, 1, log=True), "depth": Int(1, 9)}


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("KILTER_TRANSFER")
    return f"sqlite:///{tmp_path}/studies.db"


def loss(**params: Any) -> float:
    return abs(params["lr"] - 0.1)


def made(url: str, name: str, *, n: int = 10, space: Any = SPACE, **options: Any) -> None:
    """A stored study with n trials."""
    settings = {"space": space, "storage": url, "study_name": name, "transfer": None, "seed": 0, "sampler": "random"}
    study = kilter.create_study(**{**settings, **options})
    for config in study.space.sample(n, seed=len(name)):
        values = [loss(**config)] * len(study.problem.objectives)
        study.add_trial(kilter.create_trial(params=config, values=values))


def taken(url: str, **options: Any) -> list[str]:
    return [each.name for each in new(url, **options).history.earlier]


def new(url: str, **options: Any) -> kilter.Study:
    return kilter.create_study(**{"space": SPACE, "storage": url, "seed": 0, **options})


def passed(url: str) -> dict[str, str]:
    return dict(library(Problem.of(Space(SPACE)), open_storage(url)).passed)


def test_those_that_are_alike_are_taken_and_it_is_said_in_one_line(url: str, caplog: pytest.LogCaptureFixture) -> None:
    made(url, "wine")
    made(url, "iris")
    study = new(url, study_name="new")
    assert [each.name for each in study.history.earlier] == ["iris", "wine"]
    said = "new: starts from 2 earlier studies of this space: iris, wine (transfer=None leaves them out)"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_what_seems_to_be_called_otherwise_is_said(url: str, caplog: pytest.LogCaptureFixture) -> None:
    made(url, "wine")
    study = new(url, study_name="new", space={"rate": Float(1e-4, 1, log=True), "depth": Int(1, 9)})
    assert [each.name for each in study.history.earlier] == ["wine"]
    say = "say transfer=[kilter.Earlier('wine', renamed={'lr': 'rate'})]"
    assert caplog.records[0].getMessage() == f"new: 'lr' of 'wine' is like 'rate' here: if it is the same, {say}"
    caplog.clear()
    new(url, space={"rate": Float(1e-4, 1), "depth": Int(1, 9)})
    assert len(caplog.records) == 1


def test_nobody_is_taken_where_that_is_switched_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made(url, "wine")
    assert taken(url, transfer=None) == []
    assert taken(url, sampler="random") == []
    for word in ("0", "false", "Off"):
        monkeypatch.setenv("KILTER_TRANSFER", word)
        assert taken(url) == []
    assert taken(url, transfer=["wine"]) == ["wine"]  # who names one means it


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n": 9}, "9 trials that can be used here, and 10 are needed"),
        ({"n": 0}, "0 trials that can be used here, and 10 are needed"),
        ({"direction": "maximize"}, "to maximize value, and not to minimize value"),
        ({"directions": {"error": "minimize"}}, "to minimize error, and not to minimize value"),
        ({"directions": ["minimize", "minimize"]}, "and not to minimize value"),
        ({"space": {"lr": SPACE["lr"], "a": Float(0, 1)}}, None),
        ({"space": {"lr": Float(1e-4, 1), "depth": Choice(["a", "b"])}}, None),
        ({"space": {"lr": Choice([0.1, 0.2, 0.5])}}, "0 of the 2 parameters"),
        ({"space": {"lr": Float(2, 3), "depth": SPACE["depth"]}}, "0 trials that can be used"),
    ],
)
def test_whom_it_passes_over_and_why(url: str, options: dict[str, Any], reason: str | None) -> None:
    made(url, "wine", **options)
    assert taken(url) == ([] if reason else ["wine"])
    assert reason is None or reason in passed(url)["wine"]


def test_a_damaged_study_is_passed_over(url: str) -> None:
    made(url, "wine")
    made(url, "iris")
    import sqlite3

    with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
        (name,) = next(file.execute("SELECT name FROM sqlite_master WHERE type='table' AND sql LIKE '%position%'"))
        columns = [row[1] for row in file.execute(f"PRAGMA table_info({name})")]
        assert {"study", "position"} <= set(columns), columns
        file.execute(f"DELETE FROM {name} WHERE study = 1 AND position = 3")
    assert taken(url) == ["iris"]
    assert "wine" in passed(url)


def test_another_value_of_a_tag_keeps_studies_apart(url: str) -> None:
    made(url, "svm", tags={"model": "svm", "data": "wine"})
    made(url, "mlp", tags={"model": "mlp"})
    made(url, "none")
    assert taken(url, tags={"model": "svm"}) == ["none", "svm"]
    assert taken(url) == ["none", "mlp", "svm"]


def test_of_one_task_three_are_taken_and_sixteen_in_all(url: str) -> None:
    for number in range(14):
        made(url, f"other {number}", task={"data": f"other {number}"})
    for number in range(5):
        made(url, f"wine {number}", task={"data": "wine"})
    assert taken(url) == ["wine 4", "wine 3", "wine 2", *(f"other {number}" for number in range(13, 0, -1))]


def test_more_parameters_in_common_come_first(url: str) -> None:
    made(url, "all")
    made(url, "half", space={"lr": SPACE["lr"]})
    assert taken(url) == ["all", "half"]


def test_a_study_that_suggests_its_parameters_learns_from_others_that_do(url: str) -> None:
    def objective(trial: kilter.Trial) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.3) ** 2

    for name in ("first", "second"):
        study = kilter.create_study(storage=url, study_name=name, seed=0)
        study.optimize(objective, n_trials=12, progress="none")
    assert [each.name for each in study.history.earlier] == ["first"]
    assert study.explain(1).arm == "list"


def test_sources_may_be_deleted_and_change(url: str) -> None:
    made(url, "wine")
    made(url, "iris")
    first, second = (new(url, study_name=name, transfer=["wine", "iris"]) for name in ("a", "b"))
    first.optimize(loss, n_trials=6, progress="none")
    second.optimize(loss, n_trials=3, progress="none")
    kilter.delete_study(study_name="iris", storage=url)
    made_again = kilter.load_study(study_name="wine", storage=url)
    made_again.add_trial(kilter.create_trial(params={"lr": 0.5, "depth": 1}, value=-9.0))
    again = new(url, study_name="b", transfer=["wine", "iris"], load_if_exists=True)
    again.optimize(loss, n_trials=3, progress="none")
    assert [t.params for t in again.trials] == [t.params for t in first.trials]
    assert [again.explain(n) for n in range(6)] == [first.explain(n) for n in range(6)]


def test_who_goes_on_names_the_same_or_nobody(url: str) -> None:
    made(url, "wine")
    made(url, "iris")
    new(url, study_name="a", transfer=["wine"], scale={"width": 8}).optimize(loss, n_trials=1, progress="none")
    go_on = {"study_name": "a", "load_if_exists": True}
    assert taken(url, **go_on) == taken(url, transfer=["wine"], **go_on) == ["wine"]
    for transfer, said in ((None, "names none"), (["iris"], "names 'iris'"), (["wine", "iris"], "'iris', 'wine'")):
        with pytest.raises(
            StudyChanged,
            match=f"begun with what 'wine' taught, and transfer= {said}".replace("transfer= '", "transfer= names '"),
        ):
            new(url, transfer=transfer, **go_on)
    with pytest.raises(StudyChanged, match="its scale is"):
        new(url, scale={"width": 9}, **go_on)
    goes_on = kilter.tune(
        loss, SPACE, n_trials=2, storage=url, study_name="a", transfer=None, if_changed="continue", progress="none"
    )
    assert len(goes_on.trials) == 2


def test_who_made_a_study_and_came_no_further_may_make_it_again(url: str) -> None:
    made(url, "wine")
    new(url, study_name="a", transfer=None)
    assert taken(url, study_name="a", transfer=["wine"], load_if_exists=True) == ["wine"]


def test_workers_that_begin_together_recall_the_same_once(url: str) -> None:
    made(url, "wine")
    found: list[Any] = []

    def begin() -> None:
        with new(url, study_name="a", load_if_exists=True, transfer=["wine"]) as study:
            for _ in range(2):
                trial = study.ask()
                study.tell(trial, loss(**trial.params))
            found.append(study.history.earlier)

    workers = [threading.Thread(target=begin) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = kilter.load_study(study_name="a", storage=url)
    recalled = [e.event for e in study.log.read() if type(e.event).__name__ == "Recalled"]
    assert recalled and len(study.trials) == 16
    assert all(earlier == recalled[0].studies for earlier in found) and len(found) == 8


def test_a_search_learns_from_others_of_its_estimator_where_it_has_a_storage(url: str) -> None:
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris, load_wine
    from sklearn.tree import DecisionTreeClassifier

    from kilter.integrations.sklearn import KilterSearchCV

    space = {"max_depth": Int(1, 9), "min_samples_leaf": Int(1, 20)}

    def fitted(data: Any, **options: Any) -> kilter.Study:
        search = KilterSearchCV(
            DecisionTreeClassifier(random_state=0), space, n_iter=10, cv=2, random_state=0, **options
        )
        return search.fit(*data(return_X_y=True)).study_

    first = fitted(load_iris, storage=url, study_name="iris")
    assert first.system_attrs["task"] == {"rows": 150, "features": 4, "classes": 3, "smallest": 0.333333}
    assert fitted(load_wine, storage=url, study_name="wine").history.earlier[0].name == "iris"
    assert fitted(load_wine).history.earlier == ()
    assert fitted(load_wine, transfer=[first]).history.earlier[0].name == "iris"
    assert fitted(load_wine, storage=url, study_name="f1", scoring="f1_macro").history.earlier == ()
