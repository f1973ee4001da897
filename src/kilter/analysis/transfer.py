"""What a study has of earlier ones: who teaches it, how far each has been right, and which trials it owes to them.

used        trials of an earlier study that are of this study's space (models/matching.py)
agreement   1 - 2 × the share of pairs of trials that it ranks in the wrong order: 1 always right, 0 as chance is
weight      how much it counts now (models/sources.py)
owed        trials that took a configuration of its, as the opening does (samplers/opening.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilter.core.errors import NAME
from kilter.core.events import ELSEWHERE
from kilter.core.history import History, Record
from kilter.core.text import one_line

if TYPE_CHECKING:
    from kilter.models.sources import Sources


@dataclass(frozen=True)
class Teacher:
    """One earlier study."""

    name: str
    trials: int
    """How many finished trials it had."""
    used: int
    """How many of its configurations are of this space, of those that were kept of it."""
    matched: tuple[str, ...]
    """The parameters that it knows values of."""
    missing: tuple[str, ...]
    """The parameters that it knows nothing of."""
    extra: tuple[str, ...]
    """Its own that this study does not have."""
    reason: str | None
    """Why it teaches nothing; None where it does."""
    agreement: float | None
    """From -1 to 1; None while no two results can be compared, and where it has no values of its own."""
    weight: float | None
    """From 0 to 1; None where it has no values of its own."""
    owed: tuple[int, ...]
    """The trials that took a configuration of its."""
    same: bool = False
    """Whether it is of the same task, so that its values count as this study's."""

    @property
    def parameters(self) -> str:
        """What it knows of the space, in a few words."""
        return f"{len(self.matched)} of {len(self.matched) + len(self.missing)}"

    @property
    def standing(self) -> str:
        """What becomes of it, in a few words."""
        if self.reason is not None:
            return f"passed over: {one_line(self.reason)}"
        if self.weight is None:
            return "tried in its order"
        if self.agreement is None:
            return "nothing to compare yet"
        return "teaches" if self.weight > 0 else "no better than chance"


@dataclass(frozen=True)
class Transfer:
    """What a study has of earlier ones; no teachers where it learns from none."""

    teachers: tuple[Teacher, ...]
    owed: tuple[int, ...]
    """The trials that took a configuration of any of them."""
    trials: int
    """How many trials there are in all, those that run included."""
    tilts: tuple[str, ...] = ()
    """How parameters move with the size of what is trained, and why it is not known, in words."""

    @property
    def sentence(self) -> str:
        """To whom trials are owed, in a line; "" where that is nobody.

        >>> one = Teacher("cancer", 60, 48, ("x",), (), (), None, 0.8, 0.6, (0, 2))
        >>> Transfer((one,), (0, 2), 40).sentence
        '2 of 40 trials owed to cancer'
        """
        return sentence(self.owed, [(teacher.name, teacher.owed) for teacher in self.teachers], self.trials)

    def __str__(self) -> str:
        if not self.teachers:
            return "it learns from no earlier study"
        head = ("study", "trials used", "parameters", "agreement", "weight", "trials owed", "")
        rows = [head, *(self._cells(teacher) for teacher in self.teachers)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *self.tilts, self.sentence]).rstrip()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from kilter.core import html

        head = ["study", "trials used", "parameters", "agreement", "weight", "trials owed", ""]
        return html.table(head, [list(self._cells(teacher)) for teacher in self.teachers])

    @staticmethod
    def _cells(teacher: Teacher) -> tuple[str, ...]:
        return (
            one_line(teacher.name, NAME),
            f"{teacher.used} of {teacher.trials}",
            teacher.parameters,
            "" if teacher.agreement is None else f"{teacher.agreement:+.2f}",
            "" if teacher.weight is None else f"{teacher.weight:.2f}",
            str(len(teacher.owed)),
            teacher.standing,
        )


def transfer(history: History) -> Transfer:
    """Who teaches this study, and what became of it.

    >>> from kilter.core.earlier import EarlierStudy
    >>> from kilter.core.numbers import Float
    >>> from kilter.core.problem import Problem
    >>> from kilter.core.space import Space
    >>> history = History(Problem(Space({"x": Float(0, 1)})))
    >>> history.earlier = (EarlierStudy("wine", ({"x": 0.2}, {"x": 0.5}, {"x": 0.9}), (0.3, 0.1, 0.2), trials=3),)
    >>> print(transfer(history))
    study  trials used  parameters  agreement  weight  trials owed
    wine   3 of 3       1 of 1                 0.16    0            nothing to compare yet
    """
    if not history.earlier:
        return Transfer((), (), len(history))
    sources = _sources(history)
    owed = _owed(history, sources)
    judged = _judged(history, sources)
    teachers = [
        Teacher(
            study.name,
            max(study.trials, len(study.configs)),
            len(seen.kept),
            seen.matched,
            seen.missing,
            seen.extra,
            seen.reason,
            agreement,
            weight,
            mine,
            study.same,
        )
        for (study, seen), (agreement, weight), mine in zip(sources.matched, judged, owed)
    ]
    return Transfer(tuple(teachers), _all(owed), len(history), tuple(map(one_line, sources.scaling.tilts)))


def owed_text(history: History) -> str:
    """How many trials are owed to whom, in a line, without a look at how right they were; "" where that is nobody."""
    if not history.earlier:
        return ""
    owed = _owed(history, _sources(history))
    return sentence(_all(owed), [(study.name, mine) for study, mine in zip(history.earlier, owed)], len(history))


def sentence(owed: Sequence[int], of_each: Sequence[tuple[str, Sequence[int]]], trials: int) -> str:
    """The line for trials that are owed, to whom most are owed first."""
    names = [name for name, mine in sorted(of_each, key=lambda one: -len(one[1])) if mine]
    who = ", ".join(one_line(name, NAME) for name in names)
    return f"{len(owed)} of {trials} trials owed to {who}" if owed else ""


def _sources(history: History) -> Sources:
    from kilter.models.sources import Sources  # loads SciPy

    return Sources.of(history)


def _judged(history: History, sources: Sources) -> list[tuple[float | None, float | None]]:
    """The agreement of each earlier study, and what it counts; None where it has no values."""
    from kilter.models.results import Results

    if not sources.teaching:
        return [(None, None)] * len(sources.matched)
    results = Results.of(history)
    wrong, pairs = sources.agreement(results)
    agreements = (1.0 - 2.0 * wrong).tolist() if pairs else [None] * len(wrong)
    places = [id(source.seen) for source in sources.teaching]
    told = dict(zip(places, zip(agreements, sources.weights(results).tolist())))
    return [told.get(id(seen), (None, None)) for _, seen in sources.matched]


def _owed(history: History, sources: Sources) -> list[tuple[int, ...]]:
    """The trials of the opening that each earlier study has, or expects more of than the others do."""
    owed: list[list[int]] = [[] for _ in history.earlier]
    for trial in _chosen(history)[: sources.most]:
        place = sources.encoding.points(history.matrix[trial.number : trial.number + 1])[0]
        whose = set(map(id, sources.owed(place)))
        for study, (moved, _), mine in zip(history.earlier, sources.matched, owed):
            if not whose.isdisjoint((id(study), id(moved))):
                mine.append(trial.number)
    return [tuple(numbers) for numbers in owed]


def _chosen(history: History) -> list[Record]:
    """Trials whose configuration the sampler chose, in their order, without the defaults."""
    chosen = [trial for trial in history if trial.is_sampled and trial.seen != ELSEWHERE]
    return chosen[1:] if chosen and history.problem.space.defaults else chosen


def _all(owed: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sorted({number for numbers in owed for number in numbers}))
