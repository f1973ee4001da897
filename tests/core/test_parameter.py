"""Laws of one parameter between value, plain and unit; then the cases that broke them or that users get wrong."""

from __future__ import annotations

import json
import math
import pickle
from enum import Enum, IntEnum

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.kinds import parameter_from_json
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Named, Ordinal
from kilter.core.parameter import UNSET, Condition, Prior, same
from kilter.core.subset import Subset
from kilter.testing.strategies import floats, ints, ordinals, parameters

UNITS = st.floats(0, 1)


def through_json(parameter):
    return parameter_from_json(json.loads(json.dumps(parameter.to_json(), allow_nan=False)))


# -- laws ---------------------------------------------------------------------------------------------------------


@given(parameters(), UNITS)
def test_a_value_from_the_cube_comes_back_from_the_cube(parameter, u):
    plain = parameter.from_unit(u)
    assert 0 <= parameter.unit(plain) <= 1
    assert same(parameter.from_unit(parameter.unit(plain)), plain)
    assert same(parameter.from_unit(float(parameter.units([plain])[0])), plain)


@given(parameters(), UNITS)
def test_every_drawn_value_is_legal_and_is_its_own_plain_form(parameter, u):
    for plain in (parameter.from_unit(u), parameter.from_uniform(u)):
        assert parameter.contains(plain)
        assert (
            same(parameter.plain(parameter.value(plain)), plain) or parameter.values.count(parameter.value(plain)) > 1
        )
        assert json.loads(json.dumps(plain)) == plain


@given(floats() | ints(), UNITS, UNITS)
def test_numbers_keep_their_bounds_and_their_order(parameter, u, v):
    low, high = parameter.from_unit(min(u, v)), parameter.from_unit(max(u, v))
    assert parameter.low <= low <= high <= parameter.high
    assert parameter.from_unit(-1) == parameter.from_unit(0)
    assert parameter.from_unit(2) == parameter.from_unit(1)


def shares_nothing_mutable(twin, original):
    """Whether nothing that can change belongs to both."""
    if isinstance(original, dict):
        return twin is not original and all(shares_nothing_mutable(twin[key], original[key]) for key in original)
    if isinstance(original, (list, tuple)):
        apart = twin is not original or isinstance(original, tuple)
        return apart and all(map(shares_nothing_mutable, twin, original))
    return twin is not original if isinstance(original, set) else twin is original


@given(parameters(kinds=("ordinal", "choice", "boolean")))
def test_options_come_back_as_the_objects_they_are_or_as_copies_of_what_can_change(parameter):
    for option, label in zip(parameter.values, parameter.labels):
        assert same(parameter.value(label), option)
        assert shares_nothing_mutable(parameter.value(label), option)
    if len({id(v) for v in parameter.values}) == len(parameter.values) and not isinstance(
        parameter.__dict__.get("options"), dict
    ):
        for option in parameter.values:
            assert same(parameter.value(parameter.plain(option)), option)


class Estimator:
    """An option without an equality of its own."""


def test_an_objective_that_changes_an_option_changes_no_other_trial_and_not_what_is_logged():
    made = Estimator()
    options = {"lists": [[64, 32], {"rate": [0.5]}], "mixed": ([made, np.zeros(2)], {1})}
    parameter = Choice(options)
    options["lists"].append("changed by who made it")
    for name in options:
        kept = parameter.value(name)
        assert parameter.plain(kept) == name
        taken = parameter.value(name)
        assert shares_nothing_mutable(taken, kept)
    assert parameter.value("mixed")[0][0] is made
    assert parameter.value("lists") == [[64, 32], {"rate": [0.5]}]


@given(parameters())
def test_json_brings_back_an_equal_parameter(parameter):
    again = through_json(parameter)
    assert again == parameter
    assert hash(again) == hash(parameter)


@given(parameters(objects=False), UNITS)
def test_json_brings_back_the_values_with_their_types(parameter, u):
    plain = parameter.from_unit(u)
    assert repr(through_json(parameter).value(plain)) == repr(parameter.value(plain))


@given(parameters())
def test_pickle_brings_back_an_equal_parameter(parameter):
    assert pickle.loads(cloudpickle.dumps(parameter)) == parameter


@given(parameters(), st.integers(1, 12))
def test_a_grid_is_legal_distinct_and_complete_where_it_fits(parameter, n):
    grid = parameter.grid(n)
    assert all(map(parameter.contains, grid))
    assert len({(type(v), v) for v in grid}) == len(grid) <= n
    if parameter.size <= n:
        assert len(grid) == parameter.size


@given(ordinals() | parameters(kinds=("choice", "boolean")))
def test_all_options_lie_in_the_cube_in_order(parameter):
    units = [parameter.unit(label) for label in parameter.labels]
    assert units == sorted(units)
    assert [parameter.from_unit(u) for u in units] == list(parameter.labels)


@given(parameters())
def test_merged_with_itself_is_the_same(parameter):
    assert parameter.merged(parameter) == parameter
    assert parameter.covers(parameter)


@given(st.data(), st.sampled_from(["float", "int", "choice"]))
def test_merged_holds_the_values_of_both_in_either_order(data, kind):
    a, b = (data.draw(parameters(kinds=(kind,), objects=False)) for _ in range(2))
    try:
        joined = a.merged(b)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            b.merged(a)
        return
    other = b.merged(a)
    assert joined.size == other.size
    assert joined.covers(a) and joined.covers(b) and joined.covers(other) and other.covers(joined)


def test_merged_knows_defaults_and_priors_by_their_names():
    known = Choice([Named("relu"), Named("tanh")], default=Named("tanh"), prior=Prior(Named("relu"), "high"))
    relu, tanh = (lambda x: max(x, 0)), math.tanh
    for joined in (
        known.merged(Choice({"relu": relu, "tanh": tanh})),
        Choice({"relu": relu, "tanh": tanh}).merged(known),
    ):
        assert joined.default is tanh and joined.prior == Prior(relu, "high")


def test_one_name_stands_for_one_option():
    for one, other in (({"small": 64}, {"small": 128}), ({"small": 128}, {"small": 64})):
        with pytest.raises(InvalidInput, match="'small' is both"):
            Choice(one).merged(Choice(other))
    with pytest.raises(InvalidInput, match="'off' and 'none' name the same option"):
        Choice({"off": None, "none": None})


def test_options_may_all_have_empty_sub_spaces():
    assert Choice({"svm": {}, "forest": {}}).values == ("svm", "forest")


# -- cases: numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "value", "remedy"),
    [
        (lambda: Float(2, 1), "Float(2, 1)", "did you mean (1, 2)"),
        (lambda: Int(9, 3), "Int(9, 3)", "did you mean (3, 9)"),
        (lambda: Float(math.nan, 1), "nan", "finite number"),
        (lambda: Float(0, math.inf), "inf", "finite number"),
        (lambda: Int(0, 10**400), "10000", "finite number"),
        (lambda: Float("0", 1), "'0'", "finite number"),
        (lambda: Int(True, 3), "True", "finite number"),
        (lambda: Int(0.5, 3), "0.5", "use Float"),
        (lambda: Float(0, 1, log=True), "Float(0, 1)", "small positive low"),
        (lambda: Int(-3, 5, log=True), "Int(-3, 5)", "drop log"),
        (lambda: Float(-1e308, 1e308), "1e+308", "narrow"),
        (lambda: Float(0, 1, step=0), "step=0", "above 0"),
        (lambda: Float(0, 1, step=10**400), "10000", "above 0"),
        (lambda: Float(0, 1e308, step=1e-10), "1e-10", "drop step"),
        (lambda: Float(1e9, 1e9 + 1, step=1e-9), "1e-09", "drop step"),
        (lambda: Int(0, 5, step=1.5), "1.5", "whole number"),
        (lambda: Int(0, 2**52), str(2**52), "narrow"),
        (lambda: Float(0, 1, default=2), "2", "give another default"),
        (lambda: Int(0, 3, default=True), "True", "give another default"),
        (lambda: Float(0, 1, default=10**400), "10000", "give another default"),
        (lambda: Float(0, 1, prior=2), "2", "give another prior"),
        (lambda: Choice(["a"], default="b"), "'b'", "give another default"),
        (lambda: Choice([]), "Choice([])", "at least one value"),
        (lambda: Choice({}), "Choice([])", "at least one value"),
        (lambda: Ordinal([]), "Ordinal([])", "at least one value"),
        (lambda: Choice("abc"), "'abc'", "give a list"),
        (lambda: Choice({"a", "b"}), "'a'", "give a list"),
        (lambda: Choice(["a", "a"]), "'a'", "list each once"),
        (lambda: Ordinal([1, 2, 1]), "1", "list each once"),
        (lambda: Subset(["a", "a"]), "'a'", "list each once"),
        (lambda: Choice([lambda: 0]), "lambda", "Choice({'name'"),
        (lambda: Choice({1: "x"}), "1", "must be text"),
        (lambda: Choice({"a": "b", "b": "a"}), "'b'", "rename"),
        (lambda: Choice({"a": {"x": Float(0, 1)}, "b": 3}), "'b'", "{} for none"),
        (lambda: Prior(1, "sure"), "'sure'", "low, medium, high"),
        (lambda: Float(0, 1).when(), "when()", ".when(optimizer='sgd')"),
        (lambda: Float(0, 1).when(a=[]), "a=[]", "at least one value"),
    ],
)
def test_a_parameter_that_cannot_be_says_so_with_a_remedy(make, value, remedy):
    with pytest.raises(InvalidInput) as caught:
        make()
    assert value in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, "0.5", None, True, 10**400, np.True_, [0.5]])
def test_a_float_refuses_what_is_no_number_in_its_range(value):
    with pytest.raises(InvalidInput):
        Float(0, 1).plain(value)


@pytest.mark.parametrize("value", [1.5, True, np.True_, 11, 10**400, "3", None, math.nan])
def test_an_int_refuses_what_is_no_whole_number_in_its_range(value):
    with pytest.raises(InvalidInput):
        Int(0, 10).plain(value)


def test_numpy_numbers_become_python_numbers():
    assert same(Int(np.int32(0), np.int64(9)).plain(np.int8(3)), 3)
    assert same(Float(np.float32(0), 1).plain(np.float64(0.25)), 0.25)
    assert type(Int(np.int32(0), 9).low) is int


@pytest.mark.parametrize("log", [False, True])
def test_a_wide_int_is_hit_exactly_where_logs_can_tell(log):
    parameter = Int(1, 10**10, log=log)
    for value in (1, 2, 3, 10**5 + 1, 10**10 - 1, 10**10):
        assert parameter.from_unit(parameter.unit(value)) == value


def test_a_step_reads_as_decimals_and_stops_below_high():
    assert Float(0, 1, step=0.3).grid(10) == [0.0, 0.3, 0.6, 0.9]
    assert Float(0.1, 0.5, step=0.1).grid(10) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert Float(0, 1e13, step=1).size == 10**13 + 1
    assert Int(1, 10, step=4, log=True).grid(5) == [1, 5, 9]


def test_a_third_is_within_its_own_bounds():
    parameter = Float(1 / 3, 1.0, step=1 / 3)
    assert all(map(parameter.contains, parameter.grid(9)))


def test_a_value_off_the_grid_is_not_legal():
    parameter = Float(0, 1, step=0.25)
    assert not parameter.contains(0.3)
    with pytest.raises(InvalidInput, match=r"0.3 is off the grid .* nearest is 0.25"):
        parameter.plain(0.3)
    assert not Float(0, 1, step=0.5).covers(Float(0.25, 1, step=0.5))
    assert not Int(0, 9, step=3).covers(Int(1, 9, step=3))


def test_zero_has_no_sign():
    assert Float(-0.0, 1) == Float(0, 1)
    assert math.copysign(1, Float(-1, 1).from_unit(0.5)) == 1


# -- cases: options -----------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 2


def test_one_true_and_one_point_zero_are_three_options():
    parameter = Choice([1, True, 1.0])
    assert [parameter.value(parameter.plain(v)) for v in (1, True, 1.0)] == [1, True, 1.0]
    assert [type(parameter.plain(v)) for v in (1, True, 1.0, np.int64(1), np.True_)] == [int, bool, float, int, bool]
    assert len(Choice([1, True, 1.0, "x"]).grid(3)) == 3


def test_tuples_differ_by_the_types_of_their_items():
    parameter = Choice([(1,), (True,), (1.0,)])
    assert [parameter.plain(eval(text)) for text in ("(1,)", "(True,)", "(1.0,)")] == ["(1,)", "(True,)", "(1.0,)"]


def test_a_boolean_takes_the_booleans_of_numpy_but_no_numbers():
    assert Boolean().plain(np.True_) is True
    with pytest.raises(InvalidInput):
        Boolean().plain(1)


def test_none_can_be_an_option_and_a_default():
    parameter = Choice([None, 1], default=None)
    assert parameter.has_default
    assert through_json(parameter).default is None
    assert not Choice([None, 1]).has_default


def test_no_default_stays_itself_in_another_process():
    assert pickle.loads(cloudpickle.dumps(UNSET)) is UNSET
    assert not pickle.loads(cloudpickle.dumps(Float(0, 1))).has_default


def test_an_array_among_the_options_does_not_hide_the_others():
    array = np.arange(3)
    parameter = Choice({"array": array, "one": 1.0})
    assert parameter.plain(1) == "one"
    assert parameter.value(parameter.plain(array)) is array


def test_members_of_enums_go_by_their_name():
    parameter = Choice([Colour.RED, Level.HIGH])
    assert parameter.labels == ("Colour.RED", "Level.HIGH")
    assert parameter.value("Level.HIGH") is Level.HIGH
    assert through_json(parameter).values == (Named("Colour.RED"), Named("Level.HIGH"))


def test_functions_and_classes_go_by_their_name_and_come_back_as_named():
    parameter = Choice([len, dict])
    assert parameter.value("dict") is dict
    assert through_json(parameter) == parameter
    assert through_json(parameter).merged(parameter).values == (len, dict)
    assert through_json(Ordinal([len, dict])).merged(Ordinal([len, dict])).values == (len, dict)


def test_options_from_a_generator_are_kept():
    parameter = Choice(n for n in (1, 2))
    assert parameter.when(a=1).values == (1, 2)


def test_an_ordinal_of_numbers_lies_by_place_not_by_size():
    parameter = Ordinal([1, 10, 1000])
    assert [parameter.unit(v) for v in (1, 10, 1000)] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert Ordinal([1, 10]).merged(parameter).values == (1, 10, 1000)
    with pytest.raises(InvalidInput, match="order"):
        Ordinal([10, 1]).merged(parameter)


def test_named_and_unnamed_options_do_not_mix():
    with pytest.raises(InvalidInput, match="the option 1 has no name"):
        Choice([1, 2]).merged(Choice({"a": 5}))


def test_conditions_on_objects_compare_and_hash():
    a, b = Float(0, 1).when(act=len), Float(0, 1).when(act=len)
    assert a == b
    assert hash(a) == hash(b)
    assert Float(0, 1).when(a=1) != Float(0, 1).when(a=True)


def test_when_takes_a_value_a_list_or_a_tuple_that_is_one_value():
    assert Int(0, 1).when(a=[1, 2], b=(64, 32)).conditions == (Condition("a", (1, 2)), Condition("b", ((64, 32),)))


def test_merged_is_active_where_either_is():
    joined = Int(0, 1).when(a=1, b=1).merged(Int(0, 1).when(a=2))
    assert joined.conditions == (Condition("a", (1, 2)),)
    twice = Int(0, 1).when(a=[1, 2]).when(a=[2, 3])
    assert twice.merged(twice).conditions == (Condition("a", (2,)),)


@pytest.mark.parametrize(
    "parameter",
    [
        Float(1e-5, 0.1, log=True, default=0.01, prior=Prior(0.001, "high")),
        Int(1, 9, step=4).when(a=[1, True]),
        Ordinal([(1, 2), None]),
        Choice({"a": 1, "b": [2]}),
        Boolean(default=False),
    ],
)
def test_repr_can_be_pasted_back(parameter):
    assert eval(repr(parameter)) == parameter


@pytest.mark.parametrize("parameter", [Float(0, 1), Int(0, 1000), Ordinal(list(range(100)))])
def test_a_prior_gathers_draws_round_its_value(parameter):
    from dataclasses import replace

    believed = replace(parameter, prior=Prior(parameter.value(parameter.from_unit(0.8)), "high"))
    units = [believed.unit(believed.from_uniform(u)) for u in np.linspace(0, 1, 101)]
    assert np.mean(np.abs(np.array(units) - 0.8)) < 0.12
    assert units == sorted(units)


def test_a_prior_of_a_choice_is_the_share_of_draws():
    parameter = Choice(["a", "b", "c"], prior=Prior("b", "medium"))
    drawn = [parameter.from_uniform(u) for u in np.linspace(0, 1, 1000, endpoint=False)]
    assert [drawn.count(option) for option in "abc"] == [125, 750, 125]


def test_a_kind_from_a_later_version_is_refused():
    with pytest.raises(InvalidInput, match=r"'quaternion'.*this version knows"):
        parameter_from_json({"kind": "quaternion"})
