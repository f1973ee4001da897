"""The parameters under the names that Optuna's users know from its distributions."""

from __future__ import annotations

import json

from kilter.core.errors import InvalidInput
from kilter.core.kinds import parameter_from_json
from kilter.core.names import refusing
from kilter.core.numbers import Float as FloatDistribution
from kilter.core.numbers import Int as IntDistribution
from kilter.core.options import Choice as CategoricalDistribution
from kilter.core.parameter import Parameter as BaseDistribution

__all__ = [
    "BaseDistribution",
    "CategoricalDistribution",
    "DiscreteUniformDistribution",
    "FloatDistribution",
    "IntDistribution",
    "IntLogUniformDistribution",
    "IntUniformDistribution",
    "LogUniformDistribution",
    "UniformDistribution",
    "check_distribution_compatibility",
    "distribution_to_json",
    "json_to_distribution",
]


def UniformDistribution(low: float, high: float) -> FloatDistribution:  # noqa: N802
    """Optuna's older word for Float(low, high)."""
    return FloatDistribution(low, high)


def LogUniformDistribution(low: float, high: float) -> FloatDistribution:  # noqa: N802
    """Optuna's older word for Float(low, high, log=True)."""
    return FloatDistribution(low, high, log=True)


def DiscreteUniformDistribution(low: float, high: float, q: float) -> FloatDistribution:  # noqa: N802
    """Optuna's older word for Float(low, high, step=q)."""
    return FloatDistribution(low, high, step=q)


def IntUniformDistribution(low: int, high: int, step: int = 1) -> IntDistribution:  # noqa: N802
    """Optuna's older word for Int(low, high, step=step)."""
    return IntDistribution(low, high, step=step)


def IntLogUniformDistribution(low: int, high: int, step: int = 1) -> IntDistribution:  # noqa: N802
    """Optuna's older word for Int(low, high, log=True)."""
    return IntDistribution(low, high, log=True, step=step)


def distribution_to_json(dist: BaseDistribution) -> str:
    """A parameter as JSON text, in kilter's own form.

    >>> json_to_distribution(distribution_to_json(FloatDistribution(0, 1)))
    Float(0.0, 1.0)
    """
    return json.dumps(dist.to_json())


def json_to_distribution(json_str: str) -> BaseDistribution:
    """The parameter that `distribution_to_json` wrote; raises InvalidInput for other text."""
    try:
        return parameter_from_json(json.loads(json_str))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{json_str[:80]!r} is not a parameter that distribution_to_json() wrote") from error


def check_distribution_compatibility(dist_old: BaseDistribution, dist_new: BaseDistribution) -> None:
    """Raise InvalidInput where a study cannot have first the one and then the other under one name."""
    dist_old.merged(dist_new)


__getattr__ = refusing(
    __name__,
    {
        "CategoricalChoiceType": "options may be any objects; see kilter.Choice",
        "DISTRIBUTION_CLASSES": "the parameters are kilter.Float, Int, Ordinal, Choice and Boolean",
    },
)


def __dir__() -> list[str]:
    return list(__all__)
