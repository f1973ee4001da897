"""What there is to say of the earlier studies that a study learns from."""

from __future__ import annotations

from collections.abc import Iterator

from kilter.analysis.finding import LOOK, NAME, NOTE, Finding, Subject
from kilter.analysis.transfer import Teacher, transfer
from kilter.core.text import one_line

ENOUGH = 10
"""Complete trials before earlier studies are called misleading."""


def misleading(subject: Subject) -> Iterator[Finding]:
    """Earlier studies none of which ranks the trials better than chance."""
    if not subject.history.earlier or len(subject.best) < ENOUGH:
        return
    asked = [teacher for teacher in transfer(subject.history).teachers if teacher.agreement is not None]
    if not asked or any(teacher.weight for teacher in asked):
        return
    best = max(asked, key=lambda teacher: teacher.agreement or 0.0)
    yield Finding(
        "transfer",
        NOTE,
        f"The earlier studies rank these trials no better than chance: {one_line(best.name, NAME)} does best, "
        f"with an agreement of {best.agreement:.2f}. They count no more.",
        "Keep what is of another task apart: give the studies tags, or transfer=None.",
        {"agreement": {teacher.name: teacher.agreement for teacher in asked}, "trials": len(subject.best)},
        trials=tuple(sorted({number for teacher in asked for number in teacher.owed})),
    )


def passed_over(subject: Subject) -> Iterator[Finding]:
    """Earlier studies that teach nothing, though the study was to learn from them."""
    if not subject.history.earlier:
        return
    for teacher in transfer(subject.history).teachers:
        if teacher.reason is not None:
            yield Finding(
                "transfer",
                LOOK,
                f"The earlier study {one_line(teacher.name, NAME)} teaches nothing: {one_line(teacher.reason)}.",
                _way_out(teacher),
                {"used": teacher.used, "trials": teacher.trials},
            )


def _way_out(teacher: Teacher) -> str:
    if not teacher.matched and teacher.extra:
        return "Say which of its parameters is which: kilter.Earlier(…, renamed={…}) in transfer=."
    return "Leave it out, or widen the space to where it has been."


CHECKS = (misleading, passed_over)
