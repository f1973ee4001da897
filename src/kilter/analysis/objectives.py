"""Which objective is meant."""

from __future__ import annotations

from kilter.core.errors import UnknownName
from kilter.core.problem import Problem


def place(problem: Problem, objective: int | str) -> int:
    """The place of an objective, given as that or by name; raises UnknownName where there is none such.

    >>> place(Problem.of(Problem().space, directions={"loss": "minimize", "size": "minimize"}), "size")
    1
    """
    names = problem.objective_names
    if isinstance(objective, str):
        if objective not in names:
            raise UnknownName.of("objective", objective, names)
        return names.index(objective)
    if not 0 <= objective < len(names):
        raise UnknownName(f"there is no objective {objective}: counted from 0, this study has {len(names)}")
    return objective
