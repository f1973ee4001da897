"""Each member keeps the contract; and what is special about one."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from kilter import Int
from kilter.automl.members import MEMBERS, member
from kilter.automl.testing import MemberSuite
from kilter.core.errors import InvalidInput, UnknownName


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


class Neighbours(BaseEstimator):
    """The nearest rows, of values and of classes."""

    def __init__(self, k=15):
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
    member = member(("neighbours", Neighbours(), {"k": Int(1, 30)}))

    def test_a_loaded_model_is_the_same(self, fitted):
        with pytest.raises(InvalidInput, match="'neighbours' is an estimator of your own"):
            fitted.state()


def test_a_misspelt_member_is_an_error_that_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'lightgbm'"):
        member("lihgtgbm")


def test_names_are_those_that_members_give_themselves():
    assert all(name == each.name for name, each in MEMBERS.items())
