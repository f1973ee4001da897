"""The parameters under the names that Optuna's users know from its distributions."""

from kilter.core.parameter import Choice as CategoricalDistribution
from kilter.core.parameter import Float as FloatDistribution
from kilter.core.parameter import Int as IntDistribution

__all__ = ["CategoricalDistribution", "FloatDistribution", "IntDistribution"]


def __dir__() -> list[str]:
    return list(__all__)
