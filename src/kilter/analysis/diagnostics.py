"""What is wrong with a study, or good to know, in words: each with what to do and the numbers it rests on.

A check is a function of a Subject that gives findings, and is silent where it has too few trials to say anything. They
lie in `analysis.checks`, by what they look at: failures, results, the space, the surrogate, and what time and budget
were spent on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kilter.analysis.checks import failures, model, overtuning, results, space, spending, transfer
from kilter.analysis.design import Design
from kilter.analysis.finding import SEVERITIES, Finding, Subject
from kilter.core.history import History

Check = Callable[[Subject], Iterable[Finding]]

MODELS: tuple[Check, ...] = (*overtuning.CHECKS, *model.CHECKS, *transfer.CHECKS)
"""Those that fit a model, which takes a moment."""
CHECKS: tuple[Check, ...] = (*failures.CHECKS, *results.CHECKS, *space.CHECKS, *MODELS, *spending.CHECKS)
"""In the order in which findings of one severity are told."""
QUICK: tuple[Check, ...] = tuple(check for check in CHECKS if check not in MODELS)
"""The others, for who looks again and again."""


def diagnose(
    history: History,
    now: float,
    *,
    budget: int | None = None,
    seed: int = 0,
    design: Design | None = None,
    checks: Sequence[Check] = CHECKS,
) -> tuple[Finding, ...]:
    """Everything that the checks find, what calls for action first.

    `now` is seconds since the epoch, `budget` how many trials the study gets in all, where that is known, and `design`
    what its evaluation is made of, where it is not to be inferred.

    >>> from kilter.core.events import Failure, TrialState
    >>> from kilter.core.history import Record
    >>> from kilter.core.problem import Problem
    >>> history = History(Problem())
    >>> for number in range(4):
    ...     history.add(Record(number, TrialState.FAIL, {}, failure=Failure("ValueError", f"bad x={number}")))
    ...     history.settle(history[number])
    >>> found = diagnose(history, now=0.0)
    >>> print(found[0].severity, found[0].kind, found[0].sentence, sep=": ")
    act: failures: All 4 trials that ended failed in one way: ValueError: bad x=3.
    """
    subject = Subject(history, now, budget, seed, design)
    found = [finding for check in checks for finding in check(subject)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
