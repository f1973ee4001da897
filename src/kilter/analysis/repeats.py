"""Which configuration to measure once more, where that decides more than trying another one: best-arm identification.

    m, C     (c,), (c, c)   what is believed of the configurations, analysis/merits.py; losses, smaller is better
    leader   l              the least m
    rival    r              by which most may be gained, the largest E max(m_l - m_r, 0): the top two of Qin, Klabjan
                            and Russo (2017, Advances in Neural Information Processing Systems 30)
    λ                       the variance of one more value
    σ_i      (c,)           C_i / √(C_ii + λ): one more value of i moves all m by σ_i Z, with Z normal
    gain_i                  min m - E min (m + σ_i Z), the knowledge gradient of Frazier, Powell and Dayanik (2009,
                            INFORMS Journal on Computing 21(4)); of both the one with more is measured

Neighbours of a leading configuration say as much about it as a repeat does, and one of them may be better itself. So
values are repeated only where noise is larger than what configurations are apart: then neighbours drown as well
(docs/decisions/0043). Where an evaluation has parts that were not met, the leading ones meet these in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from kilter.analysis.configurations import Configuration, configurations
from kilter.analysis.merits import Merits, merits
from kilter.core.attributes import confirmed_by
from kilter.core.events import TrialState
from kilter.core.history import History

LEADING = 64
"""A repeat is of one of so many configurations, those that are expected to be best."""
NORMAL = ndtri((np.arange(64) + 0.5) / 64)
"""Of Z."""
TINY, FAR = 1e-150, -30.0
"""The least error that is divided by, and errors from zero beyond which nothing is gained."""
FAILED = 2
"""By so many more repeats have failed than were complete where no other one is tried."""
SAME = 3
"""Configurations whose repeats came out the same, after which values count as exact where others have them as well."""


def to_repeat(history: History) -> int | None:
    """The trial whose configuration to measure once more; None where another configuration tells more.

    The first repeat of a study is of the leading configuration: it shows how noisy values are, or that they are exact,
    or what parts there are that were not met.

    >>> from kilter.core.problem import Problem
    >>> to_repeat(History(Problem())) is None
    True
    """
    if _fails(history):
        return None
    found = configurations(history)
    repeated = [each for each in found if len(each.trials) > 1]
    by_parts = _meet_parts(history, repeated)
    same = not by_parts and all(np.ptp(each.losses) == 0 for each in repeated)
    if same and _is_no_chance(repeated, found):
        return None
    known = merits(history)
    if known is None or not (same or by_parts or known.noise > known.mean.std()):
        return None
    # Those that failed when they were measured again would do so once more, and those that are being measured wait.
    out = {confirmed_by(trial.attrs, trial.number) for trial in history if trial.state is not TrialState.COMPLETE}
    out |= {each.number for each in repeated if by_parts or same}
    leading = np.argsort(known.mean, kind="stable")[:LEADING]
    places = [int(i) for i in leading if known.configurations[i].number not in out]
    if not places:
        return None
    return known.configurations[places[0] if same else _of_two(known, places)].number


def _fails(history: History) -> bool:
    """Whether what is measured again fails, as an objective may that has other parts to meet then."""
    states = [trial.state for trial in history if confirmed_by(trial.attrs, trial.number) is not None]
    return states.count(TrialState.FAIL) >= states.count(TrialState.COMPLETE) + FAILED


def _meet_parts(history: History, repeated: Sequence[Configuration]) -> bool:
    """Whether repeats meet parts that the search leaves: then one repeat of each configuration tells all of it."""
    name = history.problem.objectives[0].name
    return any(len(each.parts) > len(history.reports.folds(each.number, name)) for each in repeated)


def _is_no_chance(repeated: Sequence[Configuration], found: Sequence[Configuration]) -> bool:
    """Whether repeats that came out the same did so because values are exact, and not because they have few digits."""
    values = [each.losses[0] for each in found]
    return len(repeated) >= SAME or any(values.count(each.losses[0]) == 1 for each in repeated)


def _of_two(known: Merits, places: Sequence[int]) -> int:
    """The place of the leader or of its rival, of these: the one of which a value is expected to better the choice."""
    leader, rest = places[0], np.array(places[1:], dtype=int)
    if not len(rest):
        return leader
    error = np.maximum(known.errors(leader)[rest], TINY)
    z = np.maximum((known.mean[leader] - known.mean[rest]) / error, FAR)
    rival = int(rest[np.argmax(error * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)))])
    return leader if _gain(known, leader) >= _gain(known, rival) else rival


def _gain(known: Merits, place: int) -> float:
    """By how much one more value is expected to better the choice."""
    own = max(known.covariance[place, place], 0.0) + known.noise**2
    moves = known.covariance[place] / np.sqrt(max(own, TINY))
    return float(known.mean.min() - (known.mean + np.outer(NORMAL, moves)).min(axis=1).mean())
