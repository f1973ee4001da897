"""The one rule for which configuration is chosen: expected to be best, beyond doubt, and else what there was before.

Of many noisy values the best is mostly a lucky draw. Merits (analysis/merits.py) say what each configuration is truly
expected to score. From them the winner is found in three steps (docs/decisions/0042):

    leader   the one that looked best, unless another one is expected to be better by more than a share of the doubt
    tied     those that are expected within one standard error of it; of these one that takes at most half of its time
    default  is kept unless the leader is better with a probability that is beyond noise

Where results are exact the winner is the configuration that looked best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from kilter.analysis.design import Design
from kilter.analysis.finding import chance
from kilter.analysis.merits import Merits, merits
from kilter.core.history import History
from kilter.core.parameter import Plain
from kilter.core.text import one_line

CAUTION = 0.5
"""How much of the doubt about a gain over the best observed one counts against it, over the root of the number of
configurations: a tenth of a standard error after 25 of them. Few leave room for many explanations."""
CAUTION_ON_PARTS = 0.5
"""The same in standard errors, where scores on parts tell luck from truth: neighbours then have little to add."""
TIE = 1.0
"""Standard errors within which expected losses are the same."""
CHEAPER = 0.5
"""A tied configuration that takes at most this share of the leader's seconds is taken instead; less may be chance."""
DEAR = 1.0
"""Seconds from which on a leader is worth replacing; below, times are mostly those of the machine."""
BEYOND = 0.75
"""The probability to beat the default from which on it is beaten: three to one. With more the default is kept where it
is truly worse, which costs more than it saves; with less it is left where it is better."""
BEYOND_ON_PARTS = 0.6
"""The same where parts tell luck, whose doubt counts what no part shows, and is cautious enough by itself."""

LONG = 200
"""Characters, at most, of why the default was not tried."""


@dataclass(frozen=True)
class Winner:
    """Which configuration is chosen, and why."""

    number: int
    """The trial that tried it first."""
    params: Mapping[str, Plain]
    is_default: bool
    """Whether it is what there would be without tuning."""
    default: int | None
    """The trial of the default configuration; None where none is complete."""
    better: float | None
    """The probability that the best configuration truly beats the default; None without a default, and where both were
    scored on a single part, as one hold-out, since nothing shows how much of that is luck."""
    tied: tuple[int, ...]
    """Trials of configurations within one standard error of the one that is expected to be best, itself included."""
    observed: int
    """The trial that looked best, of those that were measured most."""
    reason: str
    """In one sentence."""

    def __str__(self) -> str:
        return self.reason


def winner(history: History, design: Design | None = None, untried: str | None = None) -> Winner | None:
    """The winner of a study; None with several objectives, and before a trial is complete and feasible.

    `untried` says why the default was not tried, where somebody has noted that: the reason then tells it.

    >>> from kilter import Float, Space
    >>> from kilter.core.problem import Problem
    >>> winner(History(Problem(Space({"x": Float(0, 1)})))) is None
    True
    """
    known = merits(history, design)
    if known is None:
        return None
    found = _winner(known, _seconds(history, known))
    if found.default is not None or untried is None:
        return found
    return replace(found, reason=f"{found.reason}; no default was tried to compare it with: {one_line(untried, LONG)}")


def _winner(known: Merits, seconds: np.ndarray) -> Winner:
    numbers = [each.number for each in known.configurations]
    seen = _seen(known)
    best = _leader(known, seen)
    tied = np.flatnonzero(_full(known) & (known.mean - known.mean[best] <= TIE * known.errors(best)))
    default = next((i for i, each in enumerate(known.configurations) if each.is_default), None)
    better = None if default is None else known.shown(best, default)
    choice = _cheap(known, best, tied, seconds)
    if default is not None and better is not None and better < _beyond(known, best):
        choice = default
    told, leader, looked = [f"trial {numbers[i]}" for i in (choice, best, seen)]
    beats = _beats(default, better, known)
    kept, as_good = choice == default, bool(known.observed[best] <= known.observed[seen])
    return Winner(
        numbers[choice],
        known.configurations[choice].params,
        kept,
        None if default is None else numbers[default],
        better,
        tuple(numbers[i] for i in tied),
        numbers[seen],
        _kept(leader, better, choice == best, _beyond(known, best))
        if kept
        else _reason(told, leader, looked, as_good) + beats,
    )


def _full(known: Merits) -> np.ndarray:
    """Which configurations were scored on all that any of its parts leads to, (c,): others were cheap looks.

    These are no choice where another was scored on the same parts and more.
    """
    met = [frozenset(each.parts) for each in known.configurations]
    least = {some for some in set(met) if any(some < more for more in set(met))}
    return np.array([some not in least for some in met])


def _seen(known: Merits) -> int:
    """The best observed of those that were measured most."""
    counts = np.where(_full(known), [len(each.trials) for each in known.configurations], 0)
    return int(np.argmin(np.where(counts == counts.max(), known.observed, np.inf)))


def _leader(known: Merits, seen: int) -> int:
    """Of what is gained over the best observed configuration, with caution, the most."""
    caution = CAUTION_ON_PARTS if known.configurations[seen].parts else CAUTION / np.sqrt(len(known.mean))
    doubt = caution * known.errors(seen)
    score = np.where(_full(known), known.mean[seen] - known.mean - doubt, -np.inf)
    score[seen] = 0.0
    return int(np.argmax(score))


def _cheap(known: Merits, best: int, tied: np.ndarray, seconds: np.ndarray) -> int:
    """Of the tied that are clearly cheaper than the leader the one that is expected to be best, else the leader."""
    cheap = tied[seconds[tied] <= CHEAPER * seconds[best]]
    return int(cheap[np.argmin(known.mean[cheap])]) if len(cheap) and seconds[best] >= DEAR else best


def _seconds(history: History, known: Merits) -> np.ndarray:
    """How long the first trial of each took; NaN where that is not known."""
    return np.array([history[each.number].seconds for each in known.configurations])


def _beyond(known: Merits, best: int) -> float:
    return BEYOND_ON_PARTS if len(known.configurations[best].parts) > 1 else BEYOND


def _kept(best: str, better: float | None, is_best: bool, beyond: float) -> str:
    if is_best or better is None:
        return "keep the default: nothing that was tried is better"
    beats = f"beats it with a probability of only {chance(better)}"
    return f"keep the default: {best}, the best of what was tried, {beats}, less than {chance(beyond)}"


def _beats(default: int | None, better: float | None, known: Merits) -> str:
    if default is None:
        return ""
    if known.noise == 0:
        return ", and it beats the default" + (
            "" if known.is_measured else ", as far as trials show that were run once"
        )
    if better is None:
        return "; whether it truly beats the default nobody can say from a single part: confirm the study on others"
    return f", and it beats the default with a probability of {chance(better)}"


def _reason(choice: str, best: str, seen: str, as_good: bool) -> str:
    if choice != best:
        return f"{choice} takes at most half of the time of {best}, which cannot be told from it by its results"
    if best != seen and as_good:
        return f"{choice} looked best, as {seen} did, and trials like it say that it is better"
    if best != seen:
        return f"{choice} did not look best, as {seen} did, but trials like it say that it is better"
    return f"{choice} looked best, and nothing speaks against it"
