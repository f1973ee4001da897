"""Attributes by which trials and studies say what they measure; analyses read them, and users may set them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONFIRMS = "confirms"
"""Of a trial: the number of an earlier one, whose configuration it measures once more."""

KNOWN = "known_folds"
"""Of a trial: scores of parts that need not be computed again, as [[part, score], …]."""

DEFAULT = "default"
"""Of a trial: True where its configuration is what there would be without tuning."""

FAILED = "failed_part"
"""Of a trial: the part, a fold, a seed or a data set, on which it failed."""

ADOPTED = "adopted"
"""Of a trial: where it was run, as [name of a study, number there]."""

EVALUATION = "evaluation"
"""Of a study: how its objective is put together from parts, a `kilter.analysis.design.Design` as JSON."""

UNTRIED = "no_default"
"""Of a study: why what there would be without tuning is not among its trials, as text."""


def confirmed_by(attrs: Mapping[str, Any], number: int) -> int | None:
    """The earlier trial that a trial of this number measures once more; None where it measures none.

    A user may have set an attribute of that name, which says nothing then.

    >>> [confirmed_by({CONFIRMS: value}, 5) for value in (3, 5, "yes", True, -1)]
    [3, None, None, None, None]
    """
    earlier = attrs.get(CONFIRMS)
    return earlier if type(earlier) is int and 0 <= earlier < number else None


def known_parts(attrs: Mapping[str, Any]) -> list[tuple[int | str, Any]]:
    """The parts of a trial that need not be computed again, with their scores.

    >>> known_parts({KNOWN: [[0, 0.5], "abc", ["a", {"loss": 1.0}]]})
    [(0, 0.5), ('a', {'loss': 1.0})]
    """
    pairs = attrs.get(KNOWN)
    return [
        (pair[0], pair[1])
        for pair in (pairs if isinstance(pairs, (list, tuple)) else ())
        if isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], (int, str))
    ]
