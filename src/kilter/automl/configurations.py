"""How configurations of members stand in a study, so that samplers, the log and the dashboard see them.

    {"member": "lightgbm", "lightgbm.num_leaves": 31, …, "target": "log1p"}

`target` is there only where there is a choice of scales. What belongs to a member is active where it is the member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kilter.automl.members.member import Member
from kilter.automl.target import Scale
from kilter.automl.task import Task
from kilter.core.options import Choice
from kilter.core.parameter import Condition, Parameter
from kilter.core.space import Space

MEMBER, TARGET = "member", "target"


def space_of(members: Mapping[str, Member], task: Task, scales: Sequence[Scale]) -> Space:
    """The space of all that these members can be set to, on these scales of the target."""
    parameters: dict[str, Parameter] = {MEMBER: Choice(list(members))}
    for name, member in members.items():
        parameters |= {f"{name}.{key}": _within(name, each) for key, each in member.space(task).items()}
    if len(scales) > 1:
        parameters[TARGET] = Choice(list(scales), default=scales[0])
    return Space(parameters)


def _within(member: str, parameter: Parameter) -> Parameter:
    """The parameter, active where it is this member's turn and its own conditions hold."""
    own = tuple(Condition(f"{member}.{each.parent}", each.values) for each in parameter.conditions)
    return replace(parameter, conditions=own).when({MEMBER: member})


def configuration(member: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A member and its params, as the study has them.

    >>> configuration("linear", {"alpha": 1.0})
    {'member': 'linear', 'linear.alpha': 1.0}
    """
    return {MEMBER: member, **{f"{member}.{key}": value for key, value in params.items()}}


def member_of(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The member and its params.

    >>> member_of({"member": "linear", "linear.alpha": 1.0, "target": "log1p"})
    ('linear', {'alpha': 1.0})
    """
    name = config[MEMBER]
    return name, {key.removeprefix(f"{name}."): value for key, value in config.items() if key.startswith(f"{name}.")}


def on_scales(entries: Iterable[Mapping[str, Any]], scales: Sequence[Scale]) -> list[dict[str, Any]]:
    """The portfolio of a task: where there are several scales the first entry comes once on each of them."""
    first, *others = entries
    opening = [{**first, TARGET: scale} for scale in scales] if len(scales) > 1 else [dict(first)]
    return [*opening, *map(dict, others)]
