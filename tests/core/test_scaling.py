"""Exponents of parameters: checked where they are given, kept by the log, and given up nowhere on the way."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter import Float, Int, Learnt, Space
from kilter.core.errors import InvalidInput
from kilter.core.kinds import parameter_from_json
from kilter.core.numbers import Number

finite = st.floats(-5, 5)
exponents = st.dictionaries(
    st.sampled_from(["width", "depth", "tokens"]), finite | st.builds(Learnt, finite, st.floats(0.01, 5)), min_size=1
)
numbers = st.sampled_from([Float(1e-5, 0.1, log=True), Int(1, 512, log=True), Float(1.0, 9.0, log=True, step=0.5)])


@given(numbers, exponents)
def test_exponents_survive_the_log_and_the_repr(number: Number, given: dict) -> None:
    scaled = number.scaling(given)
    assert parameter_from_json(scaled.to_json()) == scaled != number
    assert eval(repr(scaled)) == scaled
    assert scaled.exponents == given


@given(st.floats(1e-8, 1.0), st.floats(1.01, 1e6))
def test_a_doubling_moves_a_value_by_one_octave_of_the_range(low: float, ratio: float) -> None:
    number = Float(low, low * ratio, log=True)
    if ratio > 2.0:
        assert number.unit(2.0 * low) * number.octaves == pytest.approx(1.0, abs=1e-6)


def test_of_whole_numbers_too() -> None:
    number = Int(1, 1024, log=True)
    assert (number.unit(512) - number.unit(256)) * number.octaves == pytest.approx(1.0)
    assert Int(7, 7, log=True).octaves == 0.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Float(0, 1).scaling(width=-1.0), r"Float\(0.0, 1.0\) moves with width by a power: .* log=True"),
        (lambda: Float(1, 2, log=True).scaling(), r"at least one size"),
        (lambda: Float(1, 2, log=True).scaling(width="-1"), r"width='-1' .* an exponent is a finite number, or Learnt"),
        (lambda: Float(1, 2, log=True).scaling(width=math.nan), r"width=nan"),
        (lambda: Float(1, 2, log=True, exponents=3), r"name the sizes"),
        (lambda: Float(1, 2, log=True).scaling({1: 2.0}), r"1 is no name of a size"),
        (lambda: Learnt(math.inf), r"mean=inf of Learnt: give a finite number"),
        (lambda: Learnt(0.0, sd=0.0), r"sd=0.0 of Learnt: give a finite number above 0"),
    ],
)
def test_what_is_no_exponent_is_refused(make, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()


def test_a_range_that_grows_keeps_how_it_moves() -> None:
    scaled = Float(1e-4, 0.1, log=True).scaling(width=-1.0)
    assert scaled.merged(Float(1e-5, 1.0, log=True)) == Float(1e-5, 1.0, log=True).scaling(width=-1.0)


def test_in_a_table_of_a_file() -> None:
    from kilter.cli.dimensions import parameter

    given = {"log": [1e-5, 0.1], "exponents": {"width": [-0.7, 0.3], "tokens": 0.3}}
    expected = Float(1e-5, 0.1, log=True).scaling(width=Learnt(-0.7, sd=0.3), tokens=0.3)
    assert parameter("lr", given) == expected
    assert Space.from_json(Space({"lr": expected}).to_json())["lr"] == expected
