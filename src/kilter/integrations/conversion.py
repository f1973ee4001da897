"""What the converters of other libraries' spaces share: conditions and beliefs, brought to those that kilter knows.

    branch([{"model": ["svm"]}, {"model": ["mlp"]}])        {"model": ["svm", "mlp"]}

A condition of kilter is a conjunction: each of some parents has one of some values. Other libraries have disjunctions,
of which many say the same. A belief of kilter is a likeliest value and one of three confidences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, Union

from kilter.core.errors import InvalidInput
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import CONFIDENCES, Parameter, Plain, Prior, same
from kilter.core.space import Space

Branch = dict[str, list[Plain]]
"""Values by parent: all of the parents have to have one of theirs."""

Unordered = TypeVar("Unordered", bound=Union[Choice, Boolean])

DEVIATIONS = 4.0
"""An unbounded normal distribution becomes a range of so many standard deviations to either side: all but 0.006 %."""

DRAWS = 512
"""Quantiles at which the shares of options are read off; the three confidences of a Choice are exact at them."""


def branch(alternatives: Sequence[Mapping[str, Sequence[Plain]]]) -> Branch | None:
    """The one branch that is active where any of the alternatives is; None where no single one says exactly that.

    >>> branch([{"a": [1], "b": [True]}, {"a": [2], "b": [True]}])
    {'a': [1, 2], 'b': [True]}
    >>> branch([{"a": [1]}, {"b": [True]}]) is None
    True
    """
    for wide in alternatives:
        if all(_implies(narrow, wide) for narrow in alternatives):
            return {name: list(values) for name, values in wide.items()}
    first = alternatives[0]
    if any(other.keys() != first.keys() for other in alternatives):
        return None
    differing = [n for n in first if not all(_within(o[n], first[n]) and _within(first[n], o[n]) for o in alternatives)]
    if len(differing) != 1:
        return None
    united: list[Plain] = []
    for other in alternatives:
        united += [value for value in other[differing[0]] if not _within([value], united)]
    return {name: united if name in differing else list(values) for name, values in first.items()}


def _implies(narrow: Mapping[str, Sequence[Plain]], wide: Mapping[str, Sequence[Plain]]) -> bool:
    """Whether `wide` is active wherever `narrow` is."""
    return all(name in narrow and _within(narrow[name], values) for name, values in wide.items())


def _within(values: Sequence[Plain], known: Sequence[Plain]) -> bool:
    return all(any(same(value, other) for other in known) for value in values)


def confidence(deviation: float) -> str:
    """The confidence nearest to a standard deviation in units of the range.

    >>> confidence(0.2), confidence(3.0)
    ('medium', 'low')
    """
    return min(CONFIDENCES, key=lambda name: abs(math.log(CONFIDENCES[name] / max(deviation, 1e-300))))


def refuse_compounds(space: Space, library: str) -> None:
    """Raise InvalidInput for a parameter of several parts, which spaces of the library have not."""
    for name, parameter in space.declared.items():
        if name not in space.parameters:
            raise InvalidInput(f"{name}={parameter!r}: {library} has no parameters of several parts: declare each part")


def shares(parameter: Parameter) -> list[float]:
    """How often each option is drawn, in order.

    >>> shares(Choice(["a", "b", "c"], prior=Prior("b", "medium")))
    [0.125, 0.75, 0.125]
    """
    drawn = [parameter.index(parameter.from_uniform((i + 0.5) / DRAWS)) for i in range(DRAWS)]
    return [drawn.count(i) / DRAWS for i in range(len(parameter.labels))]


def believed(parameter: Unordered, weights: Sequence[float]) -> Unordered:
    """The parameter with the prior whose draws come nearest to these weights; without one if that is as near.

    >>> believed(Choice(["a", "b"]), [3, 1]).prior
    Prior(value='a', confidence='medium')
    """
    likeliest = max(range(len(weights)), key=lambda i: weights[i])
    values = [Prior(parameter.values[likeliest], name) for name in CONFIDENCES]
    candidates = [parameter, *(replace(parameter, prior=prior) for prior in values)]
    share = weights[likeliest] / math.fsum(weights)
    return min(candidates, key=lambda candidate: round(abs(shares(candidate)[likeliest] - share), 9))
