"""The kinds of parameters there are: the table that a log's words for them are looked up in.

A new kind is a class in a file of its own, and its line here; one in another package adds it when it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Condition, Parameter, Prior
from kilter.core.simplex import Simplex
from kilter.core.subset import Subset

KINDS: dict[str, type[Parameter]] = {
    "float": Float,
    "int": Int,
    "ordinal": Ordinal,
    "choice": Choice,
    "boolean": Boolean,
    "simplex": Simplex,
    "subset": Subset,
}


def parameter_from_json(data: Mapping[str, Any]) -> Parameter:
    """The parameter that `to_json` wrote; objects that are not JSON come back as Named.

    >>> parameter_from_json(Int(1, 8, default=2).to_json())
    Int(1, 8, default=2)
    """
    conditions = tuple(Condition(parent, tuple(values)) for parent, values in data.get("when", ()))
    kind = data.get("kind")
    if kind not in KINDS:
        known = f"this version knows {', '.join(KINDS)}; import the package that has any other"
        raise InvalidInput(f"a parameter of kind {kind!r}: {known}")
    parameter = KINDS[kind].from_json(data)
    if "default" in data:
        parameter = replace(parameter, default=parameter.value(data["default"]))
    if "prior" in data:
        value, confidence = data["prior"]
        parameter = replace(parameter, prior=Prior(parameter.value(value), confidence))
    return replace(parameter, conditions=conditions)
