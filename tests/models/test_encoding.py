"""Laws of the representations that models see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Prior
from kilter.core.space import Space
from kilter.models.encoding import GRID, NEUTRAL, Encoding, encoding_of
from kilter.testing import strategies


def drawn(data, space, count=4):
    return [data.draw(strategies.configs(space)) for _ in range(count)]


def uniforms(data, d, count=6):
    """Places in the cube, its corners and centre among them."""
    u = st.sampled_from([0.0, 0.5, 1.0 - 2**-53]) | st.floats(0.0, 1.0, exclude_max=True)
    return np.array(data.draw(st.lists(st.lists(u, min_size=d, max_size=d), min_size=count, max_size=count)))


FEW = settings(max_examples=25)


# Laws.


@FEW
@given(st.data(), strategies.spaces())
def test_the_way_to_points_and_back_is_exact(data, space):
    encoding = Encoding(space)
    configs = drawn(data, space)
    points = encoding.points(space.encode(configs))
    assert [encoding.config(point) for point in points] == configs
    assert all(np.array_equal(encoding.point(config), point) for config, point in zip(configs, points))
    assert np.array_equal(encoding.whole(space.encode(configs)), points)
    assert np.array_equal(encoding.known(space.encode(configs))[1], encoding.active(points))


def test_a_parameter_without_a_value_is_not_known_and_its_row_not_whole():
    encoding = Encoding(Space({"c": Choice(["p", "q"]), "x": Float(0, 1).when(c="p"), "n": Int(1, 4)}))
    matrix = encoding.space.encode([{"c": "p", "x": 0.2, "n": 1}, {"c": "q", "n": 3}, {"c": "p", "x": 0.7, "n": 4}])
    matrix[0, 1] = matrix[2, 2] = np.nan
    assert encoding.known(matrix)[1].tolist() == [[True, False, True], [True, False, True], [True, True, False]]
    assert np.array_equal(encoding.whole(matrix), encoding.points(matrix)[1:2])


@FEW
@given(st.data(), strategies.spaces())
def test_activity_and_clauses_agree_with_the_space(data, space):
    encoding = Encoding(space)
    configs = drawn(data, space)
    from_configs = encoding.points(space.encode(configs))
    from_cube = encoding.from_uniforms(uniforms(data, len(space)))
    for points in (from_configs, from_cube):
        active, forbidden = encoding.active(points), encoding.is_forbidden(points)
        for i, point in enumerate(points):
            config = encoding.config(point)
            assert [name for name, on in zip(space.names, active[i]) if on] == list(config)
            assert forbidden[i] == space.is_forbidden(config)


@FEW
@given(st.data(), strategies.spaces())
def test_points_of_the_cube_are_what_the_space_draws_there(data, space):
    u = uniforms(data, len(space))
    encoding = Encoding(space)
    for point, row in zip(encoding.from_uniforms(u), u):
        config = encoding.config(point)
        folded = {part for name, compound in space.folded.items() for part in compound.names(name)}
        for (name, parameter), quantile in zip(space.parameters.items(), row):
            if name in config and name not in folded:  # exactly between two values either will do
                near = [
                    parameter.unit(parameter.from_uniform(min(max(float(quantile) + e, 0.0), 1.0)))
                    for e in (-1e-7, 0.0, 1e-7)
                ]
                assert np.abs(parameter.unit(config[name]) - np.array(near)).min() <= 1e-9


@FEW
@given(st.data(), strategies.spaces())
def test_snapping_and_fixing_twice_changes_nothing_more(data, space):
    encoding = Encoding(space)
    once = encoding.from_uniforms(uniforms(data, len(space)))
    assert np.array_equal(encoding.snapped(once)[encoding.active(once)], once[encoding.active(once)])
    assert np.array_equal(encoding.canonical(once), once)


@FEW
@given(st.data(), strategies.spaces())
def test_snapped_numbers_decode_to_themselves(data, space):
    """The value at a snapped place lies at that place, so a model and the objective speak of the same point."""
    encoding = Encoding(space)
    for point in encoding.from_uniforms(uniforms(data, len(space))):
        config = encoding.config(point)
        for j in encoding.grids:
            if space.names[j] in config:
                assert space[space.names[j]].unit(config[space.names[j]]) == point[j]


@FEW
@given(st.data(), strategies.spaces(kinds=("choice", "boolean", "int")))
def test_equal_configurations_have_equal_points_and_features(data, space):
    encoding = Encoding(space)
    config = data.draw(strategies.configs(space))
    u = uniforms(data, len(space), 2)
    rows = np.where(np.isnan(space.encode([config, config])), u, space.encode([config, config]))
    points = encoding.points(rows)  # whatever stands at inactive places
    assert np.array_equal(points[0], points[1])
    assert np.array_equal(*encoding.features(points))


@FEW
@given(st.data(), strategies.spaces())
def test_features_are_finite_and_have_the_declared_width(data, space):
    encoding = Encoding(space)
    points = encoding.from_uniforms(uniforms(data, len(space)))
    features = encoding.features(points)
    assert features.shape == (len(points), encoding.width)
    assert np.isfinite(features).all()
    assert ((features >= 0) & (features <= 1)).all()
    assert np.array_equal(features[:, encoding.number_features], points[:, encoding.numbers])
    assert len(encoding.owner) == encoding.width


@FEW
@given(st.integers(2, 6), st.integers(0, 5), st.integers(0, 5))
def test_two_options_are_one_apart(k, i, j):
    encoding = Encoding(Space({"c": Choice(list(range(k))), "b": Boolean()}))
    features = encoding.features(np.array([[i % k, 0.0], [j % k, 0.0]]))
    assert ((features[0] - features[1]) ** 2).sum() == pytest.approx(float(i % k != j % k))


@FEW
@given(st.data(), strategies.spaces())
def test_the_gradient_of_the_prior(data, space):
    encoding = Encoding(space)
    points = encoding.from_uniforms(0.01 + 0.98 * uniforms(data, len(space)))
    gradient = encoding.log_prior(points)[1]
    step = 1e-6
    parents = {j for _, parents in encoding.conditions for j, _ in parents}
    for j in set(encoding.numbers.tolist()) - parents:  # a parent that moves switches children off
        up, down = points.copy(), points.copy()
        up[:, j] += step
        down[:, j] -= step
        slope = (encoding.log_prior(up)[0] - encoding.log_prior(down)[0]) / (2 * step)
        assert slope == pytest.approx(gradient[:, j], abs=1e-4)
    assert not gradient[:, encoding.choices].any()


# Cases.


def test_a_prior_is_highest_at_what_is_believed_and_silent_where_inactive():
    space = Space(
        {
            "c": Choice(["a", "b", "c"], prior=Prior("b", "high")),
            "x": Float(0, 10, prior=Prior(2.0)).when(c="b"),
        }
    )
    encoding = Encoding(space)
    values = encoding.log_prior(encoding.from_uniforms(np.array([[0.9, 0.9], [0.1, 0.2], [0.1, 0.9]])))[0]
    assert encoding.has_priors
    believed = encoding.points(space.encode([{"c": "b", "x": 2.0}]))
    at = encoding.log_prior(believed)[0][0]
    assert at == pytest.approx(np.log(7 / 8))
    assert (values <= at).all()
    other = encoding.points(space.encode([{"c": "a"}]))
    assert encoding.log_prior(other)[0][0] == pytest.approx(np.log(1 / 16))
    assert not encoding.log_prior(other)[1].any()


@pytest.mark.parametrize("low", [1, 1000, 75843077042570, 2**60])
def test_borders_of_a_logarithmic_scale_however_far_from_zero(low):
    """Half-way between two values; of large numbers the logarithms hardly differ."""
    parameter = Int(low, low + 159, log=True)
    encoding = Encoding(Space({"n": parameter}))
    units = np.random.default_rng(0).random((500, 1))
    drawn = [encoding.config(point)["n"] for point in encoding.from_uniforms(units)]
    assert drawn == [parameter.from_unit(u) for u in units[:, 0].tolist()]


@pytest.mark.parametrize("values", [GRID, GRID + 1, 10**6, 2**40])
def test_conditions_and_clauses_on_integers_of_any_size(values):
    """Also beyond the size at which numbers count as continuous."""
    space = Space(
        {"n": Int(0, values - 1), "child": Float(0, 1).when(n=[3, 4])}, forbidden=[{"n": 5}, {"n": values - 1}]
    )
    encoding = Encoding(space)
    cells = np.array([2.2, 3.2, 4.7, 5.4, 6.1, values - 0.5]) / values
    points = encoding.from_uniforms(np.stack([cells, np.full(6, 0.25)], axis=1))
    assert encoding.active(points)[:, 1].tolist() == [False, True, True, False, False, False]
    assert encoding.is_forbidden(points).tolist() == [False, False, False, True, False, True]


def test_a_clause_on_a_continuous_number():
    encoding = Encoding(Space({"x": Float(0, 1), "y": Float(1e-3, 1e3, log=True)}, forbidden=[{"x": 0.0, "y": 1e3}]))
    points = encoding.from_uniforms(np.array([[0.0, 0.99], [0.0, 1 - 1e-16], [1e-15, 1 - 1e-15], [1e-6, 1 - 1e-15]]))
    expected = [encoding.space.is_forbidden(encoding.config(point)) for point in points]
    assert expected == [False, True, True, False]
    assert encoding.is_forbidden(points).tolist() == expected


def test_an_inactive_option_is_as_far_from_all_options():
    encoding = Encoding(Space({"on": Boolean(), "c": Choice(["a", "b", "c"]).when(on=True)}))
    points = encoding.from_uniforms(np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.5], [0.9, 0.9]]))
    features = encoding.features(points)[:, 2:]
    assert ((features[1:] - features[0]) ** 2).sum(axis=1) == pytest.approx(0.5)


def test_unknown_places_are_neutral():
    encoding = Encoding(Space({"x": Float(0, 1), "c": Choice(["a", "b", "c"])}))
    assert encoding.points(np.full((1, 2), np.nan)).tolist() == [[NEUTRAL, 1.0]]


def test_a_space_of_nothing_and_of_one_point():
    empty = Encoding(Space())
    assert empty.points(np.empty((2, 0))).shape == empty.features(np.empty((2, 0))).shape == (2, 0)
    assert empty.config(np.empty(0)) == {}
    one = Encoding(Space({"a": Int(3, 3), "b": Choice(["only"]), "c": Float(0.5, 0.5), "d": Ordinal([1])}))
    points = one.from_uniforms(np.random.default_rng(0).random((5, 4)))
    assert len(np.unique(points, axis=0)) == 1
    assert one.config(points[0]) == {"a": 3, "b": "only", "c": 0.5, "d": 1}


def test_an_encoding_is_made_once():
    assert encoding_of(Space({"x": Float(0, 1)})) is encoding_of(Space({"x": Float(0, 1)}))
