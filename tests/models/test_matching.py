"""How an earlier study is seen from a space: laws over any two spaces, and each change that a space can have."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.earlier import EarlierStudy
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.models.encoding import encoding_of
from kilter.models.matching import matched
from kilter.models.sources import completed
from kilter.testing.sampler import rich_space

OPTIONS = ["a", "b", 1, 2.5, True, None]


@st.composite
def parameters(draw):
    match draw(st.sampled_from(["float", "int", "choice", "ordinal", "boolean"])):
        case "float":
            low = draw(st.floats(0.01, 5.0))
            high = low + draw(st.floats(0.01, 20.0))
            step = draw(st.sampled_from([None, None, (high - low) / 3]))
            return Float(low, high, log=step is None and draw(st.booleans()), step=step)
        case "int":
            low = draw(st.integers(1, 9))
            return Int(low, low + draw(st.integers(0, 30)), log=draw(st.booleans()))
        case "choice":
            return Choice(draw(st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=4, unique_by=repr)))
        case "ordinal":
            return Ordinal(sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=4))))
    return Boolean()


@st.composite
def spaces(draw):
    """Up to four of five names, which any two spaces are likely to share; the later ones may have conditions."""
    space = {}
    for name in draw(st.lists(st.sampled_from("vwxyz"), min_size=1, max_size=4, unique=True)):
        parameter = draw(parameters())
        parents = [parent for parent, other in space.items() if other.labels]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            parameter = parameter.when({parent: [space[parent].values[0]]})
        space[name] = parameter
    return Space(space)


def study_of(space, count, seed=0, name="earlier"):
    stream = rng(seed, "study")
    configs = tuple(space.draw(stream) for _ in range(count))
    return EarlierStudy(name, configs, tuple(map(float, stream.random(count))), trials=count)


@settings(max_examples=150, deadline=None)
@given(spaces(), spaces(), st.integers(0, 9))
def test_of_any_two_spaces_rows_are_of_the_new_one(old, new, seed):
    study = study_of(old, 12, seed)
    seen = matched(study, new)
    encoding = encoding_of(new)
    assert seen.matrix.shape == (len(seen.kept), len(new))
    assert list(seen.losses) == [study.losses[i] for i in seen.kept]
    assert set(seen.matched) | set(seen.missing) == set(new.names)
    assert set(seen.extra).isdisjoint(seen.matched)
    for point in completed(encoding, seen.matrix):
        assert new.is_legal(encoding.config(point))


@settings(max_examples=100, deadline=None)
@given(spaces(), st.integers(0, 9))
def test_a_space_matches_itself_whole(space, seed):
    study = study_of(space, 8, seed)
    as_logged = EarlierStudy.from_json(json.loads(json.dumps(study.to_json())))
    seen = matched(as_logged, space)
    assert seen.kept == tuple(range(8)) and not seen.extra
    np.testing.assert_array_equal(seen.matrix, space.encode(study.configs))


ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers()))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*rich_space().names, "other"]), ANYTHING), max_size=5))
def test_whatever_a_study_says_is_taken_or_left(configs):
    seen = matched(EarlierStudy("odd", tuple(configs), (math.inf, *range(len(configs)))[: len(configs)]), rich_space())
    encoding = encoding_of(rich_space())
    assert (0 not in seen.kept and seen.reason is not None) or len(seen.kept) >= 3
    assert all(rich_space().is_legal(encoding.config(point)) for point in completed(encoding, seen.matrix))


def rows(configs, **space):
    """Each configuration's row in a space; None for those that are left out."""
    seen = matched(EarlierStudy("s", tuple(configs), tuple(map(float, range(len(configs))))), Space(space))
    found = dict(zip(seen.kept, seen.matrix.tolist()))
    return [found.get(i) for i in range(len(configs))]


X = [{"x": 0.1}, {"x": 1.0}, {"x": 10.0}]


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (Float(0.1, 10.0, log=True), [[0.0], [0.5], [1.0]]),
        (Float(0.1, 100.0, log=True), [[0.0], [1 / 3], [2 / 3]]),
        (Float(0.5, 1.5), [None, [0.5], None]),
        (Int(0, 9), [[0.05], [0.15], None]),
        (Int(1, 10, step=3), [None, [0.125], [0.875]]),
        (Float(0.0, 10.0, step=2.5), [[0.1], [0.1], [0.9]]),
        (Float(0.1000001, 9.9999999), [[0.0], pytest.approx([0.0909], abs=1e-3), [1.0]]),
        (Ordinal([1, 10]), [None, [0.25], [0.75]]),
        (Choice(["a", "b"]), [[None], [None], [None]]),
    ],
    ids=["log", "wider", "narrower", "whole", "other step", "grid", "rounded bounds", "listed", "other kind"],
)
def test_a_number_lies_where_its_value_does(parameter, expected):
    found = [row and [None if math.isnan(u) else u for u in row] for row in rows(X, x=parameter)]
    assert found == [row if row is None or row == [None] else pytest.approx(row) for row in expected]


def test_options_are_known_by_what_they_are_not_by_their_place():
    configs = [{"c": "a"}, {"c": "b"}, {"c": "gone"}, {"c": 1}]
    assert rows(configs, c=Choice(["new", "b", "a"]))[:3] == [[pytest.approx(5 / 6)], [0.5], None]


def test_a_parameter_that_is_something_else_now_is_unknown_and_the_others_teach():
    configs = tuple({"lr": 0.01 * n + 0.003, "n": n} for n in range(1, 6))
    seen = matched(
        EarlierStudy("old", configs, tuple(map(float, range(5)))), Space({"lr": Choice([0.1, 1.0]), "n": Int(1, 9)})
    )
    assert (seen.matched, seen.missing, seen.extra, seen.reason) == (("n",), ("lr",), ("lr",), None)
    assert len(seen.kept) == 5
    assert np.isnan(seen.matrix[:, 0]).all()


def test_what_is_new_has_its_default_or_is_unknown():
    row = rows([{"x": 0.5}], x=Float(0, 1), y=Float(0, 1, default=0.25), z=Float(0, 1))[0]
    assert row[:2] == [0.5, 0.25] and math.isnan(row[2])


def test_what_moved_under_a_condition_counts_where_that_holds():
    configs = [{"x": 0.5, "c": "on"}, {"x": 7.0, "c": "off"}, {"x": 0.5}]
    found = rows(configs, c=Choice(["on", "off"]), x=Float(0, 1).when(c="on"))
    assert found[0] == [0.25, 0.5] and math.isnan(found[1][1]) and all(map(math.isnan, found[2]))


def test_a_forbidden_configuration_is_left_out():
    space = Space({"c": Choice(["on", "off"]), "b": Boolean()}, forbidden=[{"c": "on", "b": True}])
    study = EarlierStudy("s", ({"c": "on", "b": True}, {"c": "off", "b": True}), (0.0, 1.0), ({"c": "on", "b": True},))
    seen = matched(study, space)
    assert seen.kept == (1,) and len(seen.failed) == 0


@pytest.mark.parametrize(
    ("configs", "losses", "reason"),
    [
        ([{"a": 1}] * 4, (1.0, 2.0, 3.0, 4.0), "it has none of the parameters x, but a"),
        ([{"x": 0.1}, {"x": 5.0}], (1.0, 2.0), "only 1 of its 2 trials are of this space, and 3 are needed"),
        ([{"x": 0.1}] * 3, (1.0, math.nan, 2.0), "only 2 of its 3 trials are of this space, and 3 are needed"),
        ([{"x": 0.1}] * 3, (1.0, 1.0, 1.0), "all its values are equal"),
        ([{"x": 5.0}], (), "none of its configurations is of this space"),
        ([{"x": 0.5}], (), None),
        ([], (), "none of its trials has a value that can be used"),
    ],
)
def test_why_a_study_is_passed_over(configs, losses, reason):
    assert matched(EarlierStudy("s", tuple(configs), losses), Space({"x": Float(0, 1)})).reason == reason
