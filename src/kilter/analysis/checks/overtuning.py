"""What luck did to the best value, whether the default is better, and since when trials did not pay."""

from __future__ import annotations

from collections.abc import Iterator

from kilter.analysis.finding import LOOK, NAME, NOTE, Finding, Subject, chance, times
from kilter.analysis.overtuning import Overtuning, overtuning
from kilter.core.text import one_line

FEWEST = 20
"""Complete trials before anything is said."""
LUCKY = 0.5
"""Optimism is worth a word from this share of a trial's noise on."""
LONG = (30, 0.5)
"""So many trials that brought nothing, and this share of all, are worth a word."""


def lucky(subject: Subject) -> Iterator[Finding]:
    """The best observed value is better than what is expected of its configuration."""
    seen = _seen(subject)
    if seen is None or seen.is_single or seen.noise == 0 or seen.optimism < LUCKY * seen.noise:
        return
    name = one_line(subject.history.problem.objectives[0].name, NAME)
    yield Finding(
        "optimism",
        NOTE,
        f"Of the best {name}, {seen.observed:.4g}, {seen.optimism:.2g} is luck: "
        f"measured anew {seen.expected:.4g} is expected.",
        "Report study.estimate(), and take study.recommend().",
        {"optimism": seen.optimism, "observed": seen.observed, "expected": seen.expected, "noise": seen.noise},
        (),
        (seen.best,),
    )


def behind_default(subject: Subject) -> Iterator[Finding]:
    """The best observed configuration does not beat the default beyond noise, so the winner is the default."""
    seen = _seen(subject)
    if seen is None or seen.default is None or seen.best == seen.default:
        return
    if seen.choice != seen.default or seen.worse_than_default is None:
        return
    better = 1.0 - seen.worse_than_default
    yield Finding(
        "default",
        LOOK,
        f"Trial {seen.best}, the best, beats the default, trial {seen.default}, with a probability of only "
        f"{chance(better)}: keep the default.",
        "Take study.recommend(), or measure both again: study.confirm.",
        {"probability": seen.worse_than_default, "default": seen.default},
        (),
        (seen.best, seen.default),
    )


def unpaid(subject: Subject) -> Iterator[Finding]:
    """More trials stopped paying: what looked best long ago is as good as the choice now."""
    seen = _seen(subject)
    if seen is None or seen.is_single or seen.noise == 0:
        return
    since = seen.trials - seen.paid_until
    if since < max(LONG[0], LONG[1] * seen.trials):
        return
    yield Finding(
        "unpaid",
        NOTE,
        f"More trials stopped paying after {times(seen.paid_until, 'trial')}: the {since} since then brought no choice "
        "that is clearly better.",
        "Measure more exactly, by more folds or seeds, or stop here: Limits(gain=0) stops where noise hides any gain.",
        {"paid_until": seen.paid_until, "trials": seen.trials, "noise": seen.noise},
        (),
        (seen.choice,),
    )


def _seen(subject: Subject) -> Overtuning | None:
    if not subject.is_single or len(subject.best) < FEWEST:
        return None
    return overtuning(subject.history, subject.design)


CHECKS = (behind_default, lucky, unpaid)
