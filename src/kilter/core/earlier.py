"""What an earlier study teaches a later one: plain values that the later study keeps in its own log.

A digest is all that samplers ever see of another study, so that replays, resumed studies and other machines see the
same, whatever becomes of the study that it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kilter.core.parameter import Plain

MOST = 16
"""Studies that one learns from."""


@dataclass(frozen=True)
class EarlierStudy:
    """Some configurations of a study, and what they came to.

    Names and values are those of the study that learns: what it renamed, or knows to have been fixed, is done already.
    """

    name: str
    configs: tuple[Mapping[str, Plain], ...]
    """Plain values by name; of the learning study's parameters any may be missing, and others may be there."""
    losses: tuple[float, ...] = ()
    """One for each configuration, smaller is better; none at all where they are only to be tried, in this order."""
    failed: tuple[Mapping[str, Plain], ...] = ()
    """Configurations that failed."""
    trials: int = 0
    """How many finished trials it had in all."""
    same: bool = False
    """Whether it is of the same task, so that its values are comparable with those of the study that learns."""
    weight: float = 1.0
    """How much it counts beside others while nothing is known of the new task."""
    doublings: Mapping[str, float] = field(default_factory=dict)
    """By name of a scale, log2 of its size over that of the study that learns: below 0 where it is smaller."""

    def to_json(self) -> dict[str, Any]:
        """As data, without what is as by default."""
        data: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value or one.name in ("name", "configs"):
                data[one.name] = value
        if self.weight == 1.0:
            del data["weight"]
        for name in ("configs", "failed"):
            if name in data:
                data[name] = [dict(config) for config in data[name]]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EarlierStudy:
        """The digest that `to_json` made this of; raises TypeError or KeyError for anything else."""
        given = dict(data)
        for name in ("configs", "losses", "failed"):
            if name in given:
                given[name] = tuple(given[name])
        return cls(**given)


def spread(count: int, best: int, most: int) -> list[int]:
    """Which of `count` ranks stand for all of them, `most` of them at most: the best ones, the others evenly by rank.

    Who knew the good ones alone would not know what is bad.

    >>> spread(9, 2, 9), spread(200, 2, 6)
    ([0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 68, 133, 199])
    """
    if count <= most:
        return list(range(count))
    last, others = count - best - 1, most - best - 1
    return [*range(best), *(best + round(place * last / others) for place in range(others + 1))]
