"""Distributions of Optuna's as parameters of ours and back, and what both keep beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import Parameter, same
from kilter.core.problem import SET
from kilter.core.space import Config, Space

CONSTRAINTS = "constraints"
"""Optuna's attribute for constraints: a list of numbers, or one number under `constraints:name`; met where <= 0."""
FIXED = "fixed_params"
"""Optuna's attribute for what a user enqueued."""
FINEST_STEP = 1e-7
"""Of the larger bound; finer ones are lost where Optuna looks whether a value is on the grid."""
LARGEST_INT = 2**53
WORKER = "optuna"


def to_kilter(distribution: BaseDistribution) -> Parameter:
    """The parameter that holds the values of a distribution.

    Choices of False and True, in this order, are a Boolean. Raises InvalidInput for choices of which two read alike,
    and for ranges that kilter's parameters do not have.

    >>> to_kilter(FloatDistribution(1e-5, 1e-1, log=True))
    Float(1e-05, 0.1, log=True)
    """
    if isinstance(distribution, FloatDistribution):
        return Float(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, IntDistribution):
        return Int(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        is_boolean = len(choices) == 2 and same(choices[0], False) and same(choices[1], True)
        return Boolean() if is_boolean else Choice(list(choices))
    raise InvalidInput(f"{distribution!r} is not a Float-, Int- or CategoricalDistribution of Optuna")


def from_kilter(parameter: Parameter) -> BaseDistribution:
    """The distribution that holds the values of a parameter.

    Of an Ordinal the order is lost; conditions, defaults and priors have no place in Optuna, where the objective says
    what is active. The upper end of a range with a step comes down to the last value. Raises InvalidInput for what
    Optuna cannot hold: a step on a logarithmic scale, without an end such as 1/3, or below 1e-7 of the larger bound,
    whole numbers above 2**53, and options other than None, bool, int, float and str.

    >>> from_kilter(Int(1, 10, step=4))
    IntDistribution(high=9, log=False, low=1, step=4)
    """
    match parameter:
        case Float(log=True, step=float()):
            raise _coarse(parameter)
        case Float():
            return _of_float(parameter)
        case Int(low=low, high=high, step=step):
            if parameter.log and step != 1:
                raise _coarse(parameter)
            if max(abs(low), abs(high)) > LARGEST_INT:
                raise InvalidInput(f"{parameter!r}: Optuna keeps whole numbers as floats, up to 2**53: narrow it")
            return IntDistribution(low, high - (high - low) % step, log=parameter.log, step=step)
        case Parameter(labels=(_, *_)):
            strange = [value for value in parameter.values if not is_scalar(value)]
            if strange:
                raise InvalidInput(
                    f"the option {strange[0]!r}: Optuna keeps None, bool, int, float and str only: use its name instead"
                )
            return CategoricalDistribution(parameter.values)
    raise InvalidInput(f"{parameter!r} is not a parameter: give a Float, Int, Ordinal, Choice or Boolean")


def _coarse(parameter: Parameter) -> InvalidInput:
    return InvalidInput(f"{parameter!r}: Optuna has no steps on a logarithmic scale: drop step or log")


def _of_float(parameter: Float) -> FloatDistribution:
    low, end, step = parameter.low, parameter.high, parameter.step
    if step is not None:
        end = parameter.from_unit(1.0)
        ends = (Decimal(str(end)) - Decimal(str(low))) % Decimal(str(step)) == 0
        if not ends or step < FINEST_STEP * max(abs(low), abs(end)):
            raise InvalidInput(
                f"{parameter!r}: Optuna counts steps in decimals, to 8 digits, and would not take {end}: "
                "give a coarser step, or one with few decimals"
            )
    return FloatDistribution(low, end, log=parameter.log, step=step)


def is_scalar(value: Any) -> bool:
    """Whether Optuna can keep an option as it is."""
    return value is None or type(value) in (bool, int, float, str)


def growth(space: Space, met: Mapping[str, Parameter], config: Config) -> tuple[Space, dict[str, Parameter]]:
    """The space, grown by what a define-by-run trial met in this order, and by what it grew.

    A parameter belongs to the branch that it was met in (docs/decisions/0007). One that contradicts the space changes
    nothing.
    """
    grown: dict[str, Parameter] = {}
    seen: Config = {}
    for name, parameter in met.items():
        known = space.parameters.get(name)
        if known is None or not known.covers(parameter) or not space.is_active(name, seen):
            placed = space.met(name, parameter, seen)
            try:
                space = space.extended({name: placed})
                grown[name] = placed
            except InvalidInput:
                pass
        seen[name] = config[name]
    return space, grown


def constraints_of(system_attrs: Mapping[str, Any]) -> dict[str, float]:
    """Optuna's constraints by name; those of a list are named by their place."""
    found = {str(i): float(value) for i, value in enumerate(system_attrs.get(CONSTRAINTS) or ())}
    for key, value in system_attrs.items():
        if key.startswith(f"{CONSTRAINTS}:"):
            found[key[len(CONSTRAINTS) + 1 :]] = float(value)
    return found


def metric(constraint: str) -> str:
    """The metric that a constraint of Optuna's is on."""
    return f"{SET}{constraint}"


def seconds(time: datetime | None) -> float:
    """A time as the log has it."""
    return time.timestamp() if time is not None else 0.0
