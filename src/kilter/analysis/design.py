"""What an objective is the mean of: parts, which are folds, seeds or data sets, and the rows that each is fitted on.

An evaluation (kilter.evaluation) notes its design with the study. Of other objectives, which report folds by
themselves, it is inferred: so many folds of a cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from typing import Any, Union

import numpy as np

from kilter.core.attributes import EVALUATION
from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History

Name = Union[int, str]
"""Of a part: what `trial.report(…, fold=name)` says."""

SUMMARIES = ("mean", "worst", "rank", "quantile")
MEANS = ("mean", "rank")
"""Those that are a mean over data sets, of scores or of places."""


@dataclass(frozen=True)
class Part:
    """One evaluation of a configuration: a fit on some rows, scored on others."""

    name: Name
    data: str | None = None
    """The data set it is of, where there are several."""
    repeat: int = 0
    """Which repetition of the splits, or of the seeds, it belongs to."""
    train: int | None = None
    """How many rows the model is fitted on; None where that is not known, or there are no rows."""
    test: int | None = None
    """How many rows it is scored on."""
    digest: str | None = None
    """Of the data, the rows and the seeds, by which it is known again; None where nobody knows these."""

    def is_same(self, other: Part) -> bool:
        """Whether both are scores of the same rows, by all that is known of them."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return replace(self, digest=None) == replace(other, digest=None)


@dataclass(frozen=True)
class Design:
    """The parts of an evaluation in the order in which trials meet them, and what they are summed up to."""

    parts: tuple[Part, ...]
    summary: str = "mean"
    """Over data sets: "mean", "worst", "rank" or "quantile"."""
    level: float = 0.5
    """Of the quantile."""
    first: int | None = None
    """How many parts a trial of the search is scored on; None for all."""
    perfect: float | None = None
    """What a perfect model would score; None where nobody knows."""
    worst: float | None = None
    """What no model scores worse than; None where there is no end, or nobody knows."""
    is_reshuffled: bool = False
    """Whether each trial has rows of its own: parts of the same name then have nothing in common."""
    blind: float | None = None
    """What a model scores that sees no feature, as by the shares of the classes; None where nobody knows."""

    @property
    def names(self) -> tuple[Name, ...]:
        """Of all parts, in order."""
        return tuple(part.name for part in self.parts)

    @property
    def is_mean(self) -> bool:
        """Whether a value is a mean over data sets, of scores or of places, and parts tell how sure it is."""
        return self.summary in MEANS

    @property
    def overlap(self) -> float:
        """Test rows / training rows, by which scores of folds that share training rows err together (Nadeau and Bengio
        2003); 0 where nothing is known of rows, as of seeds and data sets.
        """
        known = [part for part in self.parts if part.train and part.test]
        return sum(part.test / part.train for part in known if part.train and part.test) / len(known) if known else 0.0

    def correlation(self, names: Sequence[Name]) -> np.ndarray:
        """Of the luck of scores on these parts, (p, p): other repetitions test the same rows again.

        Two parts of different repetitions have the share test / (test + train) of their rows in common, on average. So
        the mean over repeated cross-validations is as sure as one of them, and that over repeated hold-outs as Nadeau
        and Bengio (2003) have it. Parts of one repetition, of other data sets, and of no rows, as seeds, share none.
        """
        known = {part.name: part for part in self.parts}
        return np.array([[_in_common(known[one], known[other]) for other in names] for one in names]).reshape(
            len(names), len(names)
        )

    def weights(self, losses: np.ndarray) -> np.ndarray:
        """How much each data set counts in the summary of losses (c, d), by how these are ordered; NaN was not met.

        >>> Design((), "quantile", 0.75).weights(np.array([[3.0, 1.0, 2.0], [1.0, np.nan, 5.0]])).tolist()
        [[0.5, 0.0, 0.5], [0.25, 0.0, 0.75]]
        """
        known = np.isfinite(losses)
        counts = known.sum(axis=1, keepdims=True)
        if self.is_mean:
            return np.asarray(known / np.maximum(counts, 1))
        rank = np.argsort(np.argsort(np.where(known, losses, inf), axis=1, kind="stable"), axis=1)
        at = np.maximum(counts - 1, 0) * (1.0 if self.summary == "worst" else self.level)
        return np.asarray(known * np.clip(1.0 - np.abs(rank - at), 0.0, None))

    def bounded(self, losses: np.ndarray, sign: float) -> np.ndarray:
        """Losses, sign times scores, of which none is better than perfect, or worse than the worst."""
        least, most = (
            sorted([0.0, sign])  # places among others
            if self.summary == "rank"
            else [
                -inf if self.perfect is None else sign * self.perfect,
                inf if self.worst is None else sign * self.worst,
            ]
        )
        bounded: np.ndarray = np.clip(losses, least, most)
        return bounded

    def beside(self, noted: Design | None, label: str) -> Design:
        """The same for a study that has noted another: with its names for the parts that both have.

        Where others would be taken for parts of the study, since they are called the same, all that it does not know
        have names with the label.

        >>> Design((Part(0, digest="a"), Part(1, digest="b"))).beside(Design((Part(0, digest="c"),)), "new").names
        ('new/0', 'new/1')
        """
        if noted is None:
            return self
        if (noted.summary, noted.level) != (self.summary, self.level):
            raise InvalidInput(
                f"the study is of the {noted.summary} over its parts, and this evaluation of the {self.summary}: their "
                "values cannot be compared, so choose another study_name"
            )
        known = [next((one for one in noted.parts if one.is_same(part)), None) for part in self.parts]
        clashes = any(was is None and part.name in noted.names for part, was in zip(self.parts, known))
        later = 1 + max((part.repeat for part in noted.parts), default=0)
        parts = [
            replace(part, name=was.name, repeat=was.repeat)
            if was is not None
            else replace(part, name=f"{label}/{part.name}", repeat=part.repeat + later)
            if clashes
            else part
            for part, was in zip(self.parts, known)
        ]
        return replace(self, parts=tuple(parts))

    def extended(self, other: Design) -> Design:
        """With the parts of another that it does not have."""
        return replace(self, parts=(*self.parts, *(part for part in other.parts if part.name not in self.names)))

    def to_json(self) -> dict[str, Any]:
        """As a study notes it."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Design:
        """From what a study has noted; what a newer version says besides is passed over.

        Raises KeyError, TypeError or ValueError where it is something else, such as a user's own attribute.
        """
        parts = tuple(Part(**_known_to(Part, part)) for part in data["parts"])
        found = cls(**{**_known_to(cls, data), "parts": parts})
        if not parts or found.summary not in SUMMARIES or not all(isinstance(part.name, (int, str)) for part in parts):
            raise ValueError(f"{data!r:.60} is no design")
        return found


def noted_design(attrs: Mapping[str, Any]) -> Design | None:
    """The design that attributes of a study hold; None where there is none, or a user's own attribute of its name.

    >>> noted_design({EVALUATION: "five folds by patients"}) is None
    True
    """
    try:
        return Design.from_json(attrs[EVALUATION])
    except (KeyError, TypeError, ValueError):
        return None


def _known_to(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: data[field.name] for field in fields(kind) if field.name in data}


def _in_common(one: Part, other: Part) -> float:
    """The share of the rows that one is scored on which the other is scored on as well, as is to be expected."""
    if one == other:
        return 1.0
    if one.data != other.data or one.repeat == other.repeat or not (other.train and other.test):
        return 0.0
    return other.test / (other.train + other.test)


def design_of(history: History, attrs: Mapping[str, Any]) -> Design | None:
    """The design of a study with these attributes; None where its trials report no parts.

    >>> from kilter.core.problem import Problem
    >>> noted = Design((Part("a", train=80, test=20), Part("b", train=80, test=20)))
    >>> design_of(History(Problem()), {EVALUATION: noted.to_json()}).overlap
    0.25
    """
    noted = noted_design(attrs)
    if noted is not None:
        return noted
    name = history.problem.objectives[0].name
    complete = [trial.number for trial in history if trial.state is TrialState.COMPLETE]
    names = max((tuple(history.reports.folds(number, name)) for number in complete), key=len, default=())
    k = len(names)
    # Nobody knows how many rows there are: only the shares count.
    return Design(tuple(Part(fold, train=k - 1, test=1) if k > 1 else Part(fold) for fold in names)) if k else None
