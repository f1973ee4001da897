"""Objectives of ours that call another's code, and say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from kilter.core.problem import Problem


@runtime_checkable
class Composed(Protocol):
    """An objective that calls another's code with settings, such as one that an evaluation made."""

    calls: Any
    """The function, or the class, whose code a study remembers."""
    settings: Mapping[str, Any]
    """The values that a study remembers, by name."""

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput where it does not fit a problem."""
