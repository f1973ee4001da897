"""How the best value of a parameter moves with the size of what is trained: best value ∝ size ^ exponent.

There is an exponent for each name of a size, such as width, depth or tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any, Union

from kilter.core.errors import InvalidInput


@dataclass(frozen=True)
class Learnt:
    """An exponent that studies of smaller sizes tell: what you believe of it before, and how surely.

    `mean` is the likeliest exponent and `sd` its standard deviation. Raises InvalidInput where one is not finite, or
    `sd` is not above 0.

    >>> from kilter import Float
    >>> Float(1e-5, 1e-1, log=True).scaling(width=Learnt(-0.7, sd=0.3)).exponents
    {'width': Learnt(mean=-0.7, sd=0.3)}
    """

    mean: float = 0.0
    sd: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("mean", self.mean), ("sd", self.sd)):
            if not _is_finite(value) or (name == "sd" and value <= 0):
                more = " above 0" if name == "sd" else ""
                raise InvalidInput(f"{name}={value!r} of Learnt: give a finite number{more}")
            object.__setattr__(self, name, float(value))


Exponent = Union[float, Learnt]


def checked_exponents(given: Any, where: str) -> dict[str, Exponent]:
    """Exponents by the name of a size; raises InvalidInput for anything else."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f"exponents={given!r} of {where}: name the sizes, as in .scaling(width=-1.0)")
    return {_named(name, where): _exponent(name, value, where) for name, value in given.items()}


def exponents_to_json(exponents: Mapping[str, Exponent]) -> dict[str, Any]:
    """As JSON-serialisable data: a number where it is given, [mean, sd] where it is to be learnt."""
    return {name: [e.mean, e.sd] if isinstance(e, Learnt) else e for name, e in exponents.items()}


def _named(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"exponents of {where}: {name!r} is no name of a size; write width, tokens, …")
    return name


def _exponent(name: str, given: Any, where: str) -> Exponent:
    if isinstance(given, Learnt):
        return given
    if isinstance(given, (list, tuple)) and len(given) == 2:
        return Learnt(*given)
    if not _is_finite(given):
        raise InvalidInput(f"{name}={given!r} of {where}: an exponent is a finite number, or Learnt(mean, sd)")
    return float(given)


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
