"""Each member keeps the contract; and what is special about one."""

import pytest

from kilter.automl.members import MEMBERS, member
from kilter.automl.testing import MemberSuite
from kilter.core.errors import UnknownName


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


def test_a_misspelt_member_is_an_error_that_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'lightgbm'"):
        member("lihgtgbm")


def test_names_are_those_that_members_give_themselves():
    assert all(name == each.name for name, each in MEMBERS.items())
