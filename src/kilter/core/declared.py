"""What a user declared, made plain: sub-spaces flat, parents before their children, conditions in plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kilter.core.compound import Compound
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.kinds import KINDS
from kilter.core.parameter import Condition, Parameter, Plain, intersected
from kilter.core.text import shortened


def flattened(declared: Mapping[str, Any], conditions: tuple[Condition, ...] = ()) -> dict[str, Parameter]:
    """Sub-spaces of choices made plain: their parameters, each with the condition that its option is taken."""
    flat: dict[str, Parameter] = {}
    for name, parameter in declared.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"the parameter name {name!r} must be text")
        if isinstance(parameter, (list, tuple)):
            raise InvalidInput(
                f"{name}={parameter!r} is not a parameter: use Choice({list(parameter)!r}) for options, or "
                "Float(low, high) or Int(low, high) for a range"
            )
        if not isinstance(parameter, Parameter):
            names = [kind.__name__ for kind in KINDS.values()]
            raise InvalidInput(
                f"{name}={parameter!r} is not a parameter: use {' or '.join(', '.join(names).rsplit(', ', 1))}, "
                f"for a constant Choice([{parameter!r}])"
            )
        branches = parameter.branches
        if branches:
            parameter = replace(parameter, options=list(parameter.values))  # type: ignore[call-arg]
        _add(flat, name, replace(parameter, conditions=conditions + parameter.conditions))
        for option, branch in branches.items():
            for child, spec in flattened(branch, (*conditions, Condition(name, (option,)))).items():
                _add(flat, child, spec)
    return flat


def _add(flat: dict[str, Parameter], name: str, parameter: Parameter) -> None:
    """One more declaration; the same parameter under two options of a choice is one that is active under both."""
    if name not in flat:
        flat[name] = parameter
        return
    known = flat[name]
    if replace(known, conditions=()) != replace(parameter, conditions=()):
        raise InvalidInput(
            f"the name {name!r} is declared twice, as {known!r} and {parameter!r}: give them different names"
        )
    flat[name] = known.merged(parameter)


def expanded(declared: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """What was declared with compounds as their parts."""
    parts: dict[str, Parameter] = {}
    for name, parameter in declared.items():
        own = parameter.expanded(name) if isinstance(parameter, Compound) else {name: parameter}
        for part in own.keys() & (parts.keys() | declared.keys() - {name}):
            raise InvalidInput(f"{part!r} is the name of a parameter and of a part of {name!r}: rename one of them")
        parts |= own
    return parts


def parts_alone(name: str, compound: Compound, where: str, form: str) -> InvalidInput:
    """The error for a compound that is named where only a dimension can be; `form` shows how to name a part."""
    what = f"{where} names {name!r}, which is a {type(compound).__name__} and has no single value to compare"
    if not compound.is_unique and form.startswith("."):
        return InvalidInput(f"{what}, nor can its parts be asked for: use a parameter of its own for the condition")
    parts = ", ".join(map(repr, compound.names(name)))
    return InvalidInput(
        f"{what}: name one of its parts ({shortened(parts, 200)}), as in {form % compound.names(name)[0]}"
    )


def parents_first(declared: Mapping[str, Parameter]) -> list[str]:
    """The names with every parent before its children, otherwise as declared."""
    owner = {part: name for name, parameter in declared.items() for part in expanded({name: parameter})}
    order: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in path:
            raise InvalidInput(f"conditions run in a circle: {' → '.join([*path[path.index(name) :], name])}")
        path.append(name)
        for condition in declared[name].conditions:
            compound = declared.get(condition.parent)
            if isinstance(compound, Compound):
                raise parts_alone(condition.parent, compound, f"the condition of {name!r}", ".when({%r: ...})")
            if condition.parent not in owner:
                raise UnknownName.of("parameter", condition.parent, owner, f"{name!r} is conditional on it.")
            parent = declared[owner[condition.parent]]
            if not parent.is_unique:
                raise InvalidInput(
                    f"{name!r} is conditional on {condition.parent!r}, a part of {parent!r}: several forms of that "
                    "stand for one value, so one part alone says nothing; use a parameter of its own"
                )
            visit(owner[condition.parent])
        path.pop()
        order.append(name)

    for name in declared:
        visit(name)
    return order


def with_plain_conditions(name: str, parameter: Parameter, known: Mapping[str, Parameter]) -> Parameter:
    """The parameter with the values of its conditions plain, each once; `known` are all parameters by name."""
    plain = []
    for condition in parameter.conditions:
        parent = known[condition.parent]
        if parent.is_continuous:
            raise InvalidInput(
                f"{name!r} is conditional on {condition.parent!r}, a Float, which hits no exact value: "
                "give it a step, or use a Choice"
            )
        try:
            values = in_order(parent, condition.values)
        except InvalidInput as error:
            raise InvalidInput(
                f"{name!r} is conditional on {condition.parent}={list(condition.values)!r}: {error}"
            ) from None
        plain.append(Condition(condition.parent, values))
    conditions = intersected(tuple(plain))
    for condition in conditions:
        if not condition.values:
            raise InvalidInput(f"{name!r} is never active: its conditions on {condition.parent!r} exclude each other")
    return replace(parameter, conditions=conditions)


def in_order(parameter: Parameter, values: Iterable[Any]) -> tuple[Plain, ...]:
    """Values as plain ones, each once, in the order of the parameter: however they were listed, they are the same."""
    plains = sorted((parameter.plain(value) for value in values), key=parameter.unit)
    return tuple({(type(plain), plain): plain for plain in plains}.values())
