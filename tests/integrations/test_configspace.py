"""Spaces of ConfigSpace and kilter allow the same configurations, or the conversion says why it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import CONFIDENCES, Parameter, Prior
from kilter.core.space import Space
from kilter.testing import strategies

ConfigSpace = pytest.importorskip("ConfigSpace", reason="ConfigSpace is missing: pip install '.[configspace]'")

from kilter.integrations.configspace import from_kilter, to_kilter  # noqa: E402

OPTIONS = [["a", "b"], [1, 2.5, "x"], [None, 3], [(1, 2), (3,)], [int, float], [True, False], ["only"]]
BELIEFS = st.sampled_from(sorted(CONFIDENCES))
TAME: st.SearchStrategy[Parameter] = st.one_of(
    st.builds(Float, st.integers(1, 999).map(lambda n: n / 1000), st.integers(2, 90), log=st.booleans()),
    st.builds(Float, st.just(-1), st.integers(0, 9), step=st.sampled_from([0.1, 0.25, 1])),
    st.builds(Int, st.integers(1, 5), st.integers(5, 2000), log=st.booleans(), step=st.sampled_from([1, 1, 4])),
    st.sampled_from(OPTIONS).map(Choice),
    st.sampled_from(OPTIONS).map(Ordinal),
    st.just(Boolean()),
    st.builds(Boolean, prior=st.builds(Prior, st.booleans(), BELIEFS)),
    st.builds(Choice, st.just(["a", "b", "c"]), prior=st.builds(Prior, st.sampled_from("abc"), BELIEFS)),
    st.builds(Float, st.just(0), st.just(10), prior=st.builds(Prior, st.integers(0, 10), BELIEFS)),
    st.builds(Float, st.just(0.001), st.just(10), log=st.just(True), prior=st.builds(Prior, st.just(0.1), BELIEFS)),
    st.builds(Int, st.just(-5), st.just(10), default=st.integers(-5, 10), prior=st.builds(Prior, st.just(3), BELIEFS)),
)
"""What ConfigSpace can hold."""


@st.composite
def tame_spaces(draw: Callable[..., Any]) -> Space:
    """Spaces that can be converted, with conditions on conditions and forbidden clauses."""
    declared: dict[str, Parameter] = {}
    for name in "pqrstu"[: draw(st.integers(1, 6))]:
        parameter = draw(TAME)
        parents = [n for n, p in declared.items() if p.size <= 20]
        for parent in draw(st.lists(st.sampled_from(parents), unique=True, max_size=2)) if parents else ():
            parameter = parameter.when({parent: draw(some_values(declared[parent]))})
        declared[name] = parameter
    listed = [name for name, p in declared.items() if p.size <= 3000]
    clauses = st.lists(st.sampled_from(listed), min_size=1, max_size=2, unique=True) if listed else st.just([])
    named = [clause for clause in draw(st.lists(clauses, max_size=2)) if clause]
    space = Space(declared, [{n: draw(some_values(declared[n])) for n in clause} for clause in named])
    assume(not (named and space.defaults))  # ConfigSpace wants its defaults allowed: a test of its own
    return space


def some_values(parameter: Parameter) -> st.SearchStrategy[list[Any]]:
    value = st.floats(0, 1).map(lambda u: parameter.value(parameter.from_unit(u)))
    return st.lists(value, min_size=1, max_size=3)


def drawn(space: Space, n: int = 20) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    try:
        return [space.values(space.draw(rng)) for _ in range(n)]
    except InvalidInput:
        assume(False)  # the clauses forbid nearly everything
        raise


def sampled(space: Any, n: int = 20) -> list[dict[str, Any]]:
    """What it draws and calls legal: it may draw a parameter whose parent is not active, which it then refuses."""
    space.seed(0)
    return [dict(drawn) for drawn in space.sample_configuration(n) if is_legal(drawn)]


def is_legal(configuration: Any) -> bool:
    try:
        configuration.check_valid_configuration()
    except ConfigSpace.exceptions.InactiveHyperparameterSetError:
        return False
    return True


def beliefs(space: Space) -> dict[str, Any]:
    return {name: p.prior for name, p in space.parameters.items()}


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(tame_spaces())
def test_there_and_back_allows_the_same(space: Space) -> None:
    theirs = drawn(space) and from_kilter(space)
    back = to_kilter(theirs)
    assert set(back.names) == set(space.names)
    for values in drawn(space):
        assert back.values(back.plain(values)) == values
        ConfigSpace.Configuration(theirs, values=values).check_valid_configuration()
    for values in drawn(back):
        assert space.values(space.plain(values)) == values
    for values in sampled(theirs):
        assert set(space.plain(values)) == set(values)
    for name, parameter in space.parameters.items():
        assert back[name].size == parameter.size
        assert {c.parent: set(map(repr, space[c.parent].grid(99))) for c in parameter.conditions}.keys() == {
            c.parent for c in back[name].conditions
        }
        if parameter.has_default:
            assert back[name].default == parameter.default
        if parameter.prior is not None and not is_idle(parameter):
            assert back[name].prior == parameter.prior
    assert len(back.forbidden) == len(space.forbidden)


def is_idle(parameter: Parameter) -> bool:
    """Whether the prior changes nothing: the first of two options, half of the time."""
    return isinstance(parameter, Choice) and parameter.size * (1 - CONFIDENCES[parameter.prior.confidence]) == 1


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(strategies.spaces(max_parameters=2))
def test_whatever_the_space_it_is_refused_or_kept(space: Space) -> None:
    try:
        theirs = from_kilter(space)
    except InvalidInput:
        return
    for values in drawn(space, 5):
        ConfigSpace.Configuration(theirs, values=values).check_valid_configuration()
    for values in sampled(theirs, 5):
        assert set(space.plain(values)) == set(values)


def given_space() -> Any:
    space = ConfigSpace.ConfigurationSpace()
    space.add(
        ConfigSpace.UniformFloatHyperparameter("lr", 1e-5, 1e-1, log=True, default_value=1e-3),
        ConfigSpace.NormalFloatHyperparameter("x", mu=2, sigma=1.25, lower=0, upper=10),
        ConfigSpace.NormalIntegerHyperparameter("n", mu=20, sigma=50, lower=1, upper=100),
        ConfigSpace.BetaFloatHyperparameter("b", alpha=3, beta=2, lower=0, upper=1),
        ConfigSpace.BetaIntegerHyperparameter("bi", alpha=1, beta=1, lower=1, upper=9),
        ConfigSpace.CategoricalHyperparameter("act", ["relu", "gelu", "tanh"], weights=[7, 2, 1]),
        ConfigSpace.OrdinalHyperparameter("size", [16, 32, 64], default_value=32),
        ConfigSpace.CategoricalHyperparameter("flag", [True, False]),
        ConfigSpace.UniformIntegerHyperparameter("layers", 1, 8),
        ConfigSpace.Constant("k", 3),
    )
    return space


def test_every_kind_of_hyperparameter() -> None:
    assert to_kilter(given_space()).parameters == {
        "lr": Float(1e-5, 1e-1, log=True, default=1e-3),
        "x": Float(0, 10, default=2, prior=Prior(2, "high")),
        "n": Int(1, 100, default=20, prior=Prior(20, "low")),
        "b": Float(0, 1, default=round(2 / 3, 13), prior=Prior(2 / 3, "medium")),
        "bi": Int(1, 9, default=5),
        "act": Choice(["relu", "gelu", "tanh"], default="relu", prior=Prior("relu", "medium")),
        "size": Ordinal([16, 32, 64], default=32),
        "flag": Boolean(default=True),
        "layers": Int(1, 8, default=4),
        "k": Choice([3], default=3),
    }


CONDITIONS = {
    "equals": (lambda s: ConfigSpace.EqualsCondition(s["x"], s["act"], "relu"), {"act": ("relu",)}),
    "not": (lambda s: ConfigSpace.NotEqualsCondition(s["x"], s["act"], "relu"), {"act": ("gelu", "tanh")}),
    "in": (lambda s: ConfigSpace.InCondition(s["x"], s["act"], ["relu", "tanh"]), {"act": ("relu", "tanh")}),
    "above": (lambda s: ConfigSpace.GreaterThanCondition(s["x"], s["layers"], 5), {"layers": (6, 7, 8)}),
    "below": (lambda s: ConfigSpace.LessThanCondition(s["x"], s["size"], 64), {"size": (16, 32)}),
    "and": (
        lambda s: ConfigSpace.AndConjunction(
            ConfigSpace.EqualsCondition(s["x"], s["flag"], True), ConfigSpace.LessThanCondition(s["x"], s["layers"], 3)
        ),
        {"flag": (True,), "layers": (1, 2)},
    ),
    "or": (
        lambda s: ConfigSpace.OrConjunction(
            ConfigSpace.EqualsCondition(s["x"], s["layers"], 1),
            ConfigSpace.GreaterThanCondition(s["x"], s["layers"], 6),
        ),
        {"layers": (1, 7, 8)},
    ),
}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_conditions(kind: str) -> None:
    make, expected = CONDITIONS[kind]
    space = given_space()
    space.add(make(space))
    ours = to_kilter(space)
    assert {c.parent: c.values for c in ours["x"].conditions} == expected
    for values in sampled(space, 50):
        assert set(ours.plain(values)) == set(values)


def test_a_disjunction_over_parents_is_refused() -> None:
    space = given_space()
    space.add(
        ConfigSpace.OrConjunction(
            ConfigSpace.EqualsCondition(space["x"], space["flag"], True),
            ConfigSpace.EqualsCondition(space["x"], space["layers"], 1),
        )
    )
    with pytest.raises(InvalidInput, match=r"'x' is active where.*of its own"):
        to_kilter(space)


def test_pairs_of_values_are_refused() -> None:
    """Active for (True, 1) and (False, 2), but neither for (True, 2) nor for (False, 1)."""
    space = given_space()
    equals = ConfigSpace.EqualsCondition
    pairs = [
        ConfigSpace.AndConjunction(equals(space["x"], space["flag"], flag), equals(space["x"], space["layers"], layers))
        for flag, layers in [(True, 1), (False, 2)]
    ]
    space.add(ConfigSpace.OrConjunction(*pairs))
    with pytest.raises(InvalidInput, match="not a conjunction"):
        to_kilter(space)


def test_a_condition_that_never_holds_is_refused() -> None:
    space = given_space()
    space.add(ConfigSpace.LessThanCondition(space["x"], space["layers"], 1))
    with pytest.raises(InvalidInput, match="'x' is never active"):
        to_kilter(space)


def test_a_comparison_with_a_continuous_parent_is_refused() -> None:
    space = given_space()
    space.add(ConfigSpace.LessThanCondition(space["layers"], space["lr"], 0.01))
    with pytest.raises(InvalidInput, match="condition of 'layers' compares 'lr'"):
        to_kilter(space)


def test_forbidden_clauses() -> None:
    space = given_space()
    space.add(
        ConfigSpace.ForbiddenAndConjunction(
            ConfigSpace.ForbiddenEqualsClause(space["act"], "gelu"),
            ConfigSpace.ForbiddenInClause(space["size"], [16, 64]),
        ),
        ConfigSpace.ForbiddenEqualsClause(space["layers"], 8),
    )
    assert to_kilter(space).forbidden == ({"act": ("gelu",), "size": (16, 64)}, {"layers": (8,)})


def test_a_relation_is_refused() -> None:
    space = given_space()
    space.add(ConfigSpace.ForbiddenGreaterThanRelation(space["layers"], space["bi"]))
    with pytest.raises(InvalidInput, match="relates two hyperparameters"):
        to_kilter(space)


def test_forbidden_comparisons() -> None:
    made = getattr(ConfigSpace, "ForbiddenGreaterThanEqualsClause", None)
    if made is None:
        pytest.skip("this version has no forbidden comparisons")
    space = given_space()
    space.add(made(space["layers"], 7))
    assert to_kilter(space).forbidden == ({"layers": (7, 8)},)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"lr": Float(1.23456789123e-5, 1, log=True)}, "rounds the bounds"),
        ({"lr": Float(0, 1, default=0.12345678912345)}, "rounds the default"),
        ({"lr": Float(0, 1, step=1e-4)}, "'lr' has 10001 values"),
        ({"o": Ordinal([1, 2, 4], prior=Prior(2))}, "prior of 'o'"),
        ({"c": Choice([1, True])}, "cannot hold"),
        ({"lr": Float(50, 100, log=True, prior=Prior(70, "high"))}, "prior of 'lr'"),
    ],
)
def test_what_cannot_be_held_is_said(parameters: dict[str, Parameter], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        from_kilter(parameters)


def test_whole_steps_stay_whole() -> None:
    """A Float with the step 1.0 has a grid as well."""
    assert sampled(from_kilter({"x": Float(0, 1, step=1)}), 2)[0]["x"] in (0.0, 1.0)


def test_defaults_that_are_forbidden() -> None:
    parameters = {"a": Int(1, 3), "b": Int(1, 3)}
    theirs = from_kilter(Space(parameters, [{"a": 2, "b": 2}]))  # where ConfigSpace would begin
    theirs.get_default_configuration().check_valid_configuration()
    given_both = {name: Int(1, 3, default=2) for name in parameters}
    with pytest.raises(InvalidInput, match="forbidden by a clause"):
        from_kilter(Space(given_both, [{"a": 2, "b": 2}]))


def test_it_takes_nothing_else() -> None:
    with pytest.raises(InvalidInput, match="ConfigurationSpace"):
        to_kilter({"a": (1, 2)})
