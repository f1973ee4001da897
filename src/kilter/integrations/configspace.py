"""Spaces of ConfigSpace 1.x, both ways.

    import kilter
    from kilter.integrations.configspace import from_kilter, to_kilter

    study = kilter.create_study(space=to_kilter(configuration_space))
    configuration = ConfigSpace.Configuration(configuration_space, values=study.ask().params)

What the other side cannot say exactly raises InvalidInput. Three things are said in other words: a grid of numbers
(`step`) is an ordinal of ConfigSpace; every hyperparameter of ConfigSpace has a default, so every parameter made from
one has; and a distribution becomes the nearest belief (`Prior`), since it says where to look and not what is legal.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput, needed
from kilter.core.numbers import Float, Int, Number
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import CONFIDENCES, Parameter, Plain, Prior, same
from kilter.core.space import Space
from kilter.integrations.conversion import Branch, believed, branch, confidence, refuse_compounds, shares

with needed("ConfigSpace", "kilter.integrations.configspace"):
    import ConfigSpace

MOST_LISTED = 1_000
"""A grid of more numbers is not listed as an ordinal, nor the part of a range that a condition asks for."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "EqualsCondition": operator.eq,
    "NotEqualsCondition": operator.ne,
    "LessThanCondition": operator.lt,
    "GreaterThanCondition": operator.gt,
    "ForbiddenEqualsClause": operator.eq,
    "ForbiddenLessThanClause": operator.lt,
    "ForbiddenLessThanEqualsClause": operator.le,
    "ForbiddenGreaterThanClause": operator.gt,
    "ForbiddenGreaterThanEqualsClause": operator.ge,
}
"""By name, since not every version has all of these classes."""


def to_kilter(space: Any) -> Space:
    """The kilter space with the same legal configurations as a ConfigurationSpace.

    Raises InvalidInput, with the hyperparameter and what to do, for conditions that are no conjunction ("a is 1 or b is
    2"), for comparisons with a continuous hyperparameter, and for forbidden relations between two hyperparameters.

    >>> given = ConfigSpace.ConfigurationSpace({"depth": (1, 8), "lr": (0.1, 1.0)})
    >>> to_kilter(given)
    Space({'depth': Int(1, 8, default=4), 'lr': Float(0.1, 1.0, default=0.55)})
    """
    if not isinstance(space, ConfigSpace.ConfigurationSpace):
        raise InvalidInput(f"to_kilter({space!r:.80}): give a ConfigSpace.ConfigurationSpace")
    parameters = {hyperparameter.name: _to_parameter(hyperparameter) for hyperparameter in space.values()}
    conditional = dict(parameters)
    for condition in space.conditions:
        name = condition.child.name
        alternatives = _alternatives(condition, parameters, f"the condition of {name!r}")
        if not alternatives:
            raise InvalidInput(f"the hyperparameter {name!r} is never active, for {condition!r} never holds: drop it")
        active = branch(alternatives)
        if active is None:
            raise InvalidInput(
                f"the hyperparameter {name!r} is active where {condition!r}, which is not a conjunction of values "
                "of its parents: give each of its branches a hyperparameter of its own"
            )
        conditional[name] = conditional[name].when(active)
    clauses = [b for c in space.forbidden_clauses for b in _alternatives(c, parameters, f"the forbidden clause {c!r}")]
    return Space(conditional, clauses)


def from_kilter(space: Space | Mapping[str, Parameter]) -> Any:
    """The ConfigurationSpace with the same legal configurations as a kilter space.

    Raises InvalidInput, with the parameter and what to do, for what ConfigSpace cannot hold: numbers that it rounds (to
    13 decimals), options that it takes for equal (1 and True), a prior of an Ordinal or a grid, grids of more than
    1,000 numbers, and clauses that forbid the defaults.

    >>> print(from_kilter({"depth": Int(1, 8, default=4)})["depth"])
    depth, Type: UniformInteger, Range: [1, 8], Default: 4
    """
    space = space if isinstance(space, Space) else Space(space)
    refuse_compounds(space, "ConfigSpace")
    made = ConfigSpace.ConfigurationSpace()
    defaults = _defaults(space)
    try:
        for name, parameter in space.parameters.items():
            made.add(_checked(name, parameter, _from_parameter(name, parameter, defaults)))
        for name, parameter in space.parameters.items():
            asked = [
                ConfigSpace.InCondition(made[name], made[c.parent], _values(space, c.parent, c.values))
                for c in parameter.conditions
            ]
            if asked:
                made.add(asked[0] if len(asked) == 1 else ConfigSpace.AndConjunction(*asked))
        for forbidden in space.forbidden:
            clauses = [ConfigSpace.ForbiddenInClause(made[n], _values(space, n, v)) for n, v in forbidden.items()]
            made.add(clauses[0] if len(clauses) == 1 else ConfigSpace.ForbiddenAndConjunction(*clauses))
    except InvalidInput:
        raise
    except Exception as error:  # ConfigSpace has many kinds, and says in each what it cannot hold
        why = f"{error}: {error.__cause__}" if error.__cause__ else error
        raise InvalidInput(f"ConfigSpace cannot hold this space: {why}") from error
    return made


# -- to kilter --------------------------------------------------------------------------------------------------------


def _to_parameter(given: Any) -> Parameter:
    """The parameter that a hyperparameter is, without its conditions."""
    try:
        if isinstance(given, ConfigSpace.Constant):
            return Choice([given.value], default=given.value)
        if isinstance(given, ConfigSpace.CategoricalHyperparameter):
            default = given.default_value
            is_boolean = len(given.choices) == 2 and all(isinstance(option, bool) for option in given.choices)
            kind: Choice | Boolean
            kind = Boolean(default=default) if is_boolean else Choice(list(given.choices), default=default)
            weights = {kind.plain(value): w for value, w in zip(given.choices, given.probabilities)}
            return believed(kind, [float(weights[label]) for label in kind.labels])
        if isinstance(given, ConfigSpace.OrdinalHyperparameter):
            return Ordinal(list(given.sequence), default=given.default_value)
        number = Int if isinstance(given.lower, int) else Float
        default = number(given.lower, given.upper).plain(given.default_value)  # some come as NumPy's
        return number(given.lower, given.upper, log=bool(given.log), default=default, prior=_prior(given, number))
    except InvalidInput as error:
        raise InvalidInput(f"the hyperparameter {given.name!r}: {error}") from None


def _prior(given: Any, number: type[Float] | type[Int]) -> Prior | None:
    """The belief that a normal or a beta distribution stands for; None for a uniform one."""
    low, high = (math.log(given.lower), math.log(given.upper)) if given.log else (given.lower, given.upper)
    if hasattr(given, "mu"):
        mode = min(max(given.mu, given.lower), given.upper)
        # In log scale ConfigSpace takes the standard deviation for a number counted from the lower bound.
        deviation = abs(math.log(given.lower + given.sigma)) if given.log else given.sigma
        spread = deviation / (high - low)
    elif hasattr(given, "alpha"):
        a, b = given.alpha, given.beta
        if a == b == 1:
            return None
        at = (a - 1) / (a + b - 2)
        mode = low + at * (high - low)
        mode = min(max(math.exp(mode) if given.log else mode, given.lower), given.upper)
        spread = math.sqrt(a * b / (a + b + 1)) / (a + b)
    else:
        return None
    return Prior(round(mode) if number is Int else float(mode), confidence(spread))


def _alternatives(node: Any, parameters: Mapping[str, Parameter], where: str) -> list[Branch]:
    """The branches in any of which a condition or a forbidden clause holds."""
    kind = type(node).__name__
    if kind.endswith("OrConjunction"):
        return [b for component in node.components for b in _alternatives(component, parameters, where)]
    if kind.endswith("AndConjunction"):
        whole: list[Branch] = [{}]
        for component in node.components:
            parts = _alternatives(component, parameters, where)
            joined = (_both(b, part) for b in whole for part in parts)
            whole = [b for b in joined if all(b.values())]
        return whole
    parent = getattr(node, "parent", None) or getattr(node, "hyperparameter", None)
    if parent is None or kind not in (*COMPARISONS, "InCondition", "ForbiddenInClause"):
        raise InvalidInput(
            f"{where} is a {kind}, which relates two hyperparameters: forbid the pairs of values one by one, "
            "or fail the trials that have them"
        )
    parameter = parameters[parent.name]
    if kind not in COMPARISONS:
        return [{parent.name: [parameter.plain(value) for value in node.values]}]
    compare = COMPARISONS[kind]
    value = parameter.plain(node.value)
    if compare is operator.eq:
        return [{parent.name: [value]}]
    if parameter.size > MOST_LISTED:
        raise InvalidInput(
            f"{where} compares {parent.name!r} with {node.value!r}, but a condition of kilter lists values, and "
            f"{parameter!r} has more than {MOST_LISTED}: make {parent.name!r} an ordinal, or a narrower integer"
        )
    at = parameter.unit(value)
    listed = [v for v in parameter.grid(MOST_LISTED) if compare(parameter.unit(v), at)]
    return [{parent.name: listed}] if listed else []


def _both(one: Branch, other: Branch) -> Branch:
    """The branch in which both hold."""
    joined = dict(one)
    for name, values in other.items():
        known = joined.get(name, values)
        joined[name] = [value for value in known if any(same(value, v) for v in values)]
    return joined


# -- from kilter ------------------------------------------------------------------------------------------------------


def _defaults(space: Space) -> dict[str, Plain]:
    """Plain defaults that are not forbidden together: ConfigSpace insists, and chooses without looking."""
    given = {name: space[name].plain(default) for name, default in space.defaults.items()}
    if not space.forbidden:
        return given
    try:
        return {**space.draw(np.random.default_rng(0), given), **given}
    except InvalidInput:
        raise InvalidInput(
            f"the defaults {space.defaults!r} are forbidden by a clause of the space, which ConfigSpace does not take: "
            "change one, or drop it"
        ) from None


def _from_parameter(name: str, parameter: Parameter, defaults: Mapping[str, Plain]) -> Any:
    """The hyperparameter that a parameter is, without its conditions."""
    default = {"default_value": parameter.value(defaults[name])} if name in defaults else {}
    if not parameter.is_ordered:
        weights = None if parameter.prior is None else shares(parameter)
        return ConfigSpace.CategoricalHyperparameter(name, parameter.values, weights=weights, **default)
    match parameter:
        case Number(size=1):
            return ConfigSpace.Constant(name, parameter.low)
        case Float(step=None):
            kind = "Float"
        case Int(step=1):
            kind = "Integer"
        case _:
            return _listed(name, parameter, default)
    if parameter.prior is None:
        uniform = getattr(ConfigSpace, f"Uniform{kind}Hyperparameter")
        return uniform(name, parameter.low, parameter.high, log=parameter.log, **default)
    normal = getattr(ConfigSpace, f"Normal{kind}Hyperparameter")
    mu, sigma = parameter.plain(parameter.prior.value), _deviation(name, parameter, parameter.prior)
    return normal(name, mu, sigma, parameter.low, parameter.high, log=parameter.log, **default)


def _listed(name: str, parameter: Parameter, default: dict[str, Any]) -> Any:
    """An ordinal of the values of a parameter that are in order."""
    if parameter.prior is not None:
        raise InvalidInput(f"the prior of {name!r}: ConfigSpace has none for values in order; drop it")
    if parameter.size > MOST_LISTED:
        raise InvalidInput(
            f"{name!r} has {parameter.size:.0f} values, more than the {MOST_LISTED} to list for ConfigSpace, which has "
            "no steps: drop the step, or make it coarser"
        )
    values = [parameter.value(plain) for plain in parameter.grid(MOST_LISTED)]
    return ConfigSpace.OrdinalHyperparameter(name, values, **default)


def _deviation(name: str, parameter: Number, prior: Prior) -> float:
    """The standard deviation of a prior as ConfigSpace wants it; see _prior."""
    share = CONFIDENCES[prior.confidence]
    if not parameter.log:
        return float(share * (parameter.high - parameter.low))
    sigma = (parameter.high / parameter.low) ** share - parameter.low
    if sigma <= 0:
        raise InvalidInput(
            f"the prior of {name!r}: ConfigSpace has no normal distribution for it in log scale; drop it, or log"
        )
    return float(sigma)


def _checked(name: str, parameter: Parameter, made: Any) -> Any:
    """The hyperparameter, where it holds just what the parameter does."""
    ends = (getattr(made, "lower", None), getattr(made, "upper", None))
    if ends != (None, None) and ends != (parameter.low, parameter.high):  # type: ignore[attr-defined]
        raise InvalidInput(f"{name}={parameter!r}: ConfigSpace rounds the bounds to {ends}; give them fewer digits")
    if parameter.has_default and not same(parameter.plain(made.default_value), parameter.plain(parameter.default)):
        raise InvalidInput(
            f"{name}={parameter!r}: ConfigSpace rounds the default to {made.default_value}; give it fewer digits"
        )
    for plain in parameter.grid(MOST_LISTED if parameter.labels else 2):
        value = parameter.value(plain)
        is_held = bool(made.legal_value(value))
        if is_held and math.isfinite(parameter.size):
            is_held = same(parameter.plain(made.to_value(made.to_vector(value))), plain)
        if not is_held:
            raise InvalidInput(f"{name}={parameter!r}: ConfigSpace does not bring {value!r} back; give it another form")
    return made


def _values(space: Space, name: str, plains: tuple[Plain, ...]) -> list[Any]:
    return [space[name].value(plain) for plain in plains]
