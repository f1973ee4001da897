"""Hypothesis strategies for parameters, spaces, configurations and problems; needs `pip install hypothesis`.

    @given(st.data(), strategies.spaces())
    def test_my_sampler_is_legal(data, space):
        config = data.draw(strategies.configs(space))

They reach for the ends on purpose: bounds at the limits of a float, ranges of one value, 1 beside True beside 1.0,
conditions on conditions, clauses that forbid nearly everything. Every space that they yield has a legal configuration.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import numpy as np

from kilter.core.compound import Compound
from kilter.core.declared import expanded
from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import CONFIDENCES, Parameter, Prior
from kilter.core.problem import Constraint, Fidelity, Objective, Problem
from kilter.core.simplex import Simplex
from kilter.core.space import Config, Space
from kilter.core.subset import Subset

try:
    from hypothesis import strategies as st
except ImportError:
    raise ImportError("kilter.testing.strategies draws with Hypothesis: pip install hypothesis") from None

KINDS = ("float", "int", "ordinal", "choice", "boolean")
"""The kinds of a single dimension; spaces have "compound" ones, too."""

LARGEST = sys.float_info.max / 2
"""A range from -LARGEST to LARGEST is as wide as a float can say."""

LETTERS = "ab1 .'\"\\{}é☃\0"
"""Few, so that names meet; among them all that a format could trip over."""

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(LETTERS, max_size=5))
OPTIONS = st.one_of(
    SCALARS,
    st.tuples(SCALARS, SCALARS),
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.text(LETTERS, max_size=2), SCALARS, max_size=2),
    st.sampled_from([1, True, 1.0, 0, False, 0.0, (1,), (True,), (1.0,), None, "None"]),
)
OBJECTS = st.sampled_from([int, dict, len, math.sin, Space, sorted, np.int64(3), np.float32(0.1), np.True_])
"""Functions, classes and NumPy scalars, which a store knows by name or by their Python value alone."""


@cache
def parameters(kinds: tuple[str, ...] = KINDS, objects: bool = True) -> st.SearchStrategy[Parameter]:
    """Parameters without conditions, some with a default or a prior.

    With objects=False the options of a Choice are only such that JSON brings back.
    """
    kind = st.sampled_from(kinds)
    bare = kind.flatmap(lambda k: _objects_too(k, objects))
    return bare.flatmap(_with_default_and_prior)


@st.composite
def spaces(
    draw: Callable[..., Any],
    max_parameters: int = 6,
    objects: bool = False,
    kinds: tuple[str, ...] = (*KINDS, "compound"),
) -> Space:
    """Spaces with conditions nested to any depth, choices that carry sub-spaces, and forbidden clauses."""
    names = (f"p{i}" for i in count())
    declared: dict[str, Parameter] = {}
    for _ in range(draw(st.integers(0, max_parameters))):
        parameter = draw(parameters(kinds, objects))
        asked = expanded({name: p for name, p in declared.items() if p.is_unique})
        parents = [name for name, parent in asked.items() if not parent.is_continuous]
        for parent in draw(st.lists(st.sampled_from(parents), unique=True, max_size=2)) if parents else ():
            parameter = parameter.when({parent: draw(_some_values(asked[parent]))})
        declared[next(names)] = parameter
    if draw(st.booleans()):
        declared[next(names)] = draw(_carriers(names, kinds, depth=2))
    space = Space(declared)
    forbidden = draw(st.lists(_clauses(space), max_size=2)) if len(space) else []
    limited = Space(declared, forbidden)
    try:
        limited.draw(np.random.default_rng(0))
    except InvalidInput:
        return space
    return limited


@st.composite
def configs(draw: Callable[..., Any], space: Space) -> Config:
    """Legal configurations of a space, the ends of each range among them."""
    row = draw(st.lists(st.floats(0, 1), min_size=len(space), max_size=len(space)))
    config = space.decode(row)
    return space.draw(np.random.default_rng(draw(st.integers(0, 2**32)))) if space.is_forbidden(config) else config


@st.composite
def problems(draw: Callable[..., Any], max_parameters: int = 4) -> Problem:
    """Problems with one to three objectives, constraints on them or on other metrics, and perhaps fidelities."""
    metrics = draw(st.lists(st.text(LETTERS, min_size=1, max_size=5), min_size=1, max_size=5, unique=True))
    objectives = draw(st.integers(1, min(3, len(metrics))))
    ways = st.sampled_from(["minimize", "maximize"])
    bounds = st.floats(allow_nan=False, allow_infinity=False)
    constraint = st.builds(Constraint, st.sampled_from(metrics), st.sampled_from(["<=", ">="]), bounds)
    fidelity = st.tuples(st.floats(1e-3, 10), st.floats(1, 1e3), st.floats(1.5, 5))
    return Problem(
        draw(spaces(max_parameters)),
        tuple(Objective(name, draw(ways)) for name in metrics[:objectives]),
        tuple(draw(st.lists(constraint, max_size=2))),
        tuple(Fidelity(f"~{i}", f[0], f[0] * f[1], f[2]) for i, f in enumerate(draw(st.lists(fidelity, max_size=2)))),
        draw(st.booleans()),
    )


@st.composite
def floats(draw: Callable[..., Any]) -> Float:
    """Float parameters: linear or log, with a step or without, from a single value to all that a float can hold."""
    log = draw(st.booleans())
    bound = st.floats(math.ulp(0.0) if log else -LARGEST, LARGEST) | st.floats(0.1 if log else -10, 10)
    low, high = sorted([draw(bound), draw(bound)])
    step = None
    if draw(st.booleans()):
        finest = max(abs(low), abs(high)) * 1e-12 or 0.1
        step = draw(st.sampled_from([0.1, 0.25, 1 / 3, 1.0]) | st.floats(finest, max(finest, high - low, 1.0)))
        step = max(step, finest)
    return Float(low, high, log=log, step=step)


@st.composite
def ints(draw: Callable[..., Any]) -> Int:
    """Int parameters: linear or log, with any step, narrow or as wide as allowed, far from zero too."""
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -20, 20) | st.integers(1 if log else -(2**60), 2**60))
    high = low + draw(st.integers(0, 30) | st.integers(0, 2**50 - 1))
    return Int(low, high, log=log, step=draw(st.just(1) | st.integers(1, 100)))


@cache
def ordinals() -> st.SearchStrategy[Ordinal]:
    """Ordinal parameters over any values that JSON brings back."""
    return _option_lists(OPTIONS).map(Ordinal)


def choices(options: st.SearchStrategy[Any] = OPTIONS) -> st.SearchStrategy[Choice]:
    """Choice parameters, with a list of options or with names for them."""
    named = st.dictionaries(st.text(LETTERS, min_size=1, max_size=4), options, min_size=1, max_size=4).filter(_builds)
    return _option_lists(options).map(Choice) | named.map(Choice)


def compounds() -> st.SearchStrategy[Compound]:
    """Parameters of several parts, of which one form or several stand for a value; few parts, to be fast."""
    return parameters(("compound",))  # type: ignore[return-value]


@st.composite
def _subsets(draw: Callable[..., Any]) -> Subset:
    items = draw(st.lists(st.text(LETTERS, max_size=3) | st.integers(0, 9), min_size=1, max_size=4, unique_by=str))
    ends = sorted(draw(st.tuples(st.integers(0, len(items)), st.integers(0, len(items)))))
    return Subset(items, count=draw(st.sampled_from([None, ends[1], tuple(ends)])))


@cache
def _objects_too(kind: str, objects: bool) -> st.SearchStrategy[Parameter]:
    if kind == "choice":
        return choices(OPTIONS | OBJECTS if objects else OPTIONS)
    if kind == "compound":
        return st.builds(Simplex, st.integers(2, 4)) | _subsets()
    return {"float": floats(), "int": ints(), "ordinal": ordinals(), "boolean": st.just(Boolean())}[kind]


def _option_lists(options: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(options, min_size=1, max_size=5).filter(_builds)


def _builds(options: Any) -> bool:
    """Whether no two of the options have the same name."""
    try:
        Choice(options)
    except InvalidInput:
        return False
    return True


def _values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Values of a parameter, as the user writes them."""
    if isinstance(parameter, Compound):
        parts = {name: st.floats(0, 1).map(part.from_unit) for name, part in parameter.parts().items()}
        return st.fixed_dictionaries(parts).map(parameter.assemble)
    return st.floats(0, 1).map(lambda u: parameter.value(parameter.from_unit(u)))


@st.composite
def _with_default_and_prior(draw: Callable[..., Any], parameter: Parameter) -> Parameter:
    if draw(st.booleans()):
        parameter = replace(parameter, default=draw(_values(parameter)))
    if draw(st.booleans()):
        parameter = replace(
            parameter, prior=Prior(draw(_values(parameter)), draw(st.sampled_from(sorted(CONFIDENCES))))
        )
    return parameter


def _some_values(parameter: Parameter) -> st.SearchStrategy[list[Any]]:
    return st.lists(_values(parameter), min_size=1, max_size=3)


@st.composite
def _carriers(draw: Callable[..., Any], names: Any, kinds: tuple[str, ...], depth: int) -> Choice:
    """A choice whose options carry sub-spaces, some of which hold such a choice again."""
    options: dict[str, dict[str, Parameter]] = {}
    for option in draw(st.lists(st.sampled_from(["svm", "forest", "mlp"]), min_size=1, max_size=3, unique=True)):
        options[option] = {next(names): draw(parameters(kinds, objects=False)) for _ in range(draw(st.integers(0, 2)))}
        if depth and draw(st.booleans()):
            options[option][next(names)] = draw(_carriers(names, kinds, depth - 1))
    return Choice(options)


@st.composite
def _clauses(draw: Callable[..., Any], space: Space) -> dict[str, list[Any]]:
    names = draw(st.lists(st.sampled_from(space.names), min_size=1, max_size=2, unique=True))
    return {name: draw(_some_values(space[name])) for name in names}
