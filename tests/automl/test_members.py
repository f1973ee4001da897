"""Each member keeps the contract; and what is special about one."""

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier

from kilter import Int
from kilter.automl.members import MEMBERS, member
from kilter.automl.members.forest import Forest
from kilter.automl.members.lightgbm import LightGBM
from kilter.automl.members.member import Shape
from kilter.automl.members.mlp import MLP
from kilter.automl.testing import TASKS, MemberSuite, part, rows, unlimited
from kilter.core.errors import InvalidInput, MissingLibrary, UnknownName


class TestLightGBM(MemberSuite):
    member = member("lightgbm")
    params = {"num_leaves": 7}


class TestMLP(MemberSuite):
    member = member("mlp")
    params = {"width": 32, "epochs": 40}


class TestRectifiedMLP(MemberSuite):
    member = member("mlp")
    params = {"width": 32, "epochs": 40, "activation": "relu"}


class TestLinear(MemberSuite):
    member = member("linear")


class TestCatBoost(MemberSuite):
    member = member("catboost")
    params = {"depth": 3, "learning_rate": 0.3}


class TestXGBoost(MemberSuite):
    member = member("xgboost")
    params = {"max_depth": 3, "learning_rate": 0.3}


class TestForest(MemberSuite):
    member = member("forest")
    params = {"n_estimators": 30}


class TestRandomForest(MemberSuite):
    member = member("forest")
    params = {"n_estimators": 20, "extra_trees": False}
    tasks = ("multiclass",)


class Neighbours(BaseEstimator):
    """The nearest rows, of values and of classes."""

    def __init__(self, k=25):
        self.k = k

    def fit(self, x, y, sample_weight=None):
        self.classes_, self.seen_ = np.unique(y), (x, y, np.ones(len(y)) if sample_weight is None else sample_weight)
        return self

    def _near(self, x, y):
        seen, _, weight = self.seen_
        near = np.argsort(((x[:, None] - seen) ** 2).sum(axis=2), axis=1, kind="stable")[:, : self.k]
        return (y[near] * weight[near][..., None]).sum(axis=1) / weight[near].sum(axis=1)[:, None]

    def predict(self, x):
        return self._near(x, self.seen_[1][:, None])[:, 0]

    def predict_proba(self, x):
        return self._near(x, self.seen_[1][:, None] == self.classes_)


class TestOwn(MemberSuite):
    member = member(("neighbours", Neighbours(), {"k": Int(1, 40)}))

    def test_a_loaded_model_is_the_same(self, fitted):
        with pytest.raises(InvalidInput, match="'neighbours' is an estimator of your own"):
            fitted.state()


def test_a_forest_predicts_what_scikit_learns_does():
    data = rows(TASKS["multiclass"], 200)
    fitted = Forest().fit({"n_estimators": 25}, data, data, TASKS["multiclass"], 3, unlimited)
    settings = {"n_estimators": 25, "min_samples_leaf": 2, "max_features": 0.5, "random_state": 3}
    theirs = ExtraTreesClassifier(**settings).fit(data.matrix.values, data.y)
    np.testing.assert_allclose(fitted.predict(data.matrix), theirs.predict_proba(data.matrix.values), rtol=1e-12)


class InContextNeighbours(Neighbours):
    """What tabicl documents of its classes, with neighbours in place of a network."""

    def __init__(self, model_path, allow_auto_download, n_jobs, device, random_state, n_estimators):
        assert (allow_auto_download, device) == (False, "cpu")
        super().__init__(25 if model_path == "weights.ckpt" else 1)


@pytest.fixture
def library(monkeypatch):
    known = SimpleNamespace(TabICLClassifier=InContextNeighbours, TabICLRegressor=InContextNeighbours)
    monkeypatch.setitem(sys.modules, "tabicl", known)


@pytest.mark.usefixtures("library")
def test_a_network_in_context_keeps_its_rows_and_takes_weights_from_the_users_path_alone():
    task, tabicl = TASKS["binary"], member(("tabicl", "weights.ckpt"))
    data = rows(task, 100, view="dense")
    fitted = tabicl.fit({}, data, data, task, 0, unlimited)
    found = fitted.predict(data.matrix)
    state = fitted.state()
    assert "weights.ckpt" not in str(state.values)
    assert np.array_equal(tabicl.load(state).predict(data.matrix), found)
    assert not np.array_equal(member(("tabicl", "other.ckpt")).load(state).predict(data.matrix), found)


def test_a_network_in_context_needs_a_path_and_its_library():
    with pytest.raises(UnknownName, match="give it as"):
        member("tabpfn")
    data = rows(TASKS["binary"], 20)
    fitted = member(("tabpfn", "weights.ckpt")).fit({}, data, data, TASKS["binary"], 0, unlimited)
    with pytest.raises(MissingLibrary, match="pip install tabpfn"):
        fitted.predict(data.matrix)


@pytest.mark.parametrize("name", ["lightgbm", "mlp"])
def test_each_setting_is_documented_with_its_default(name):
    page = (Path(__file__).parents[2] / "docs/reference/members.md").read_text()
    table = page[page.index(f"| `{name}`", page.index("## Settings")) :].split("\n\n")[0]
    for setting, parameter in member(name).space(TASKS["binary"]).items():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{setting}` |"))
        told = row.split("|")[-2].strip().strip("`")
        default = parameter.default
        assert told in ("no", default) if isinstance(default, bool | str) else float(told) == default, row


def test_a_misspelt_member_is_an_error_that_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'lightgbm'"):
        member("lihgtgbm")


def test_names_are_those_that_members_give_themselves():
    assert all(name == each.name for name, each in MEMBERS.items())


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_trees_predicted_a_few_at_a_time_are_as_lightgbm_predicts_them(task):
    data = rows(task, 200)
    fitted = LightGBM().fit(
        {"num_leaves": 5}, part(data, np.arange(150)), part(data, np.arange(150, 200)), task, 0, unlimited
    )
    found = fitted.booster.predict(data.matrix.values)
    found = np.column_stack([1 - found, found]) if task.kind == "binary" else found
    assert fitted.rounds > 20
    np.testing.assert_allclose(fitted.predict(data.matrix), found, rtol=1e-10)


def test_boosting_ends_where_the_loss_has_stopped_falling():
    task, data, rounds = TASKS["regression"], rows(TASKS["regression"], 200), count()
    data.y[:] = np.random.default_rng(3).normal(size=200)
    train, valid = part(data, np.arange(150)), part(data, np.arange(150, 200))
    fitted = LightGBM().fit({}, train, valid, task, 0, lambda: 1e9 - next(rounds))
    assert fitted.rounds < 100
    assert next(rounds) < 500


@pytest.mark.parametrize("member", [LightGBM(), MLP()], ids=["lightgbm", "mlp"])
def test_what_makes_a_fit_longer_is_more_work(member):
    small = member.work({}, Shape(1000, 10, 2))
    assert member.work({}, Shape(1000, 100, 2)) > small
    assert member.work({}, Shape(1000, 10, 20)) > small
    assert (
        member.work({"learning_rate": 0.02} if member.name == "lightgbm" else {"epochs": 200}, Shape(1000, 10, 2))
        > small
    )


def test_a_forest_of_a_file_has_no_node_below_itself() -> None:
    data = rows(TASKS["binary"], 60, 0)
    state = member("forest").fit({"n_estimators": 1}, data, data, TASKS["binary"], 0, unlimited).state()
    state.arrays["right"][np.argmax(state.arrays["right"])] = 0
    with pytest.raises(InvalidInput, match="a node below itself"):
        member("forest").load(state)


def test_a_file_cannot_ask_for_any_number_of_classes() -> None:
    data = rows(TASKS["binary"], 60, 0)
    state = member("forest").fit({"n_estimators": 1}, data, data, TASKS["binary"], 0, unlimited).state()
    with pytest.raises(InvalidInput, match="a model of 1000000000000 classes"):
        member("forest").load(replace(state, values={**state.values, "classes": 10**12}))
