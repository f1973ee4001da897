"""How far the best observed trial flatters itself, how that came, and since when more trials have not paid.

Of many noisy values the best is mostly a lucky one, the more of them there are. What each configuration is worth
(analysis/merits.py) rests on all trials; so what looked best early is judged by what is known now.

    observed    (t,)  the best value so far, at each count of finished trials where another trial came to have it
    expected    (t,)  what that trial's configuration is worth, as far as is known now
    optimism          by how much the last one is observed to be better than it is expected to be
    paid until        the first of these counts whose choice is not worse than the winner, but for the standard error of
                      the difference: the bound by which the winner is chosen (analysis/winner.py)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kilter.analysis.convergence import convergence
from kilter.analysis.design import Design
from kilter.analysis.finding import chance
from kilter.analysis.merits import Merits, merits
from kilter.analysis.winner import winner
from kilter.core.history import History

EXACT = 0.01
"""Noise below this share of the variance of results is none where it was not measured: no landscape is quite as smooth
as a model."""
MANY = 10
"""Trials without a better choice of which it is said that they did not pay."""


@dataclass(frozen=True, eq=False)
class Course:
    """What looked best as trials ended, and what that is worth; values are in the objective's own unit.

    There is an entry where another trial became the best observed one, and one where the study stands now.
    """

    trials: np.ndarray
    """(t,), how many had finished."""
    numbers: np.ndarray
    """(t,), the best observed trial then."""
    observed: np.ndarray
    """(t,), its value."""
    expected: np.ndarray
    """(t,), what is expected of its configuration by all that is known now; NaN where that is not followed so far."""
    error: np.ndarray
    """(t,), the standard deviation of what is expected."""


@dataclass(frozen=True, eq=False)
class Overtuning:
    """What the best observed trial owes to luck, and what the search came to; in the objective's own unit."""

    best: int
    """The trial with the best observed value."""
    observed: float
    """Its value."""
    expected: float
    """What is expected of its configuration when it is measured anew in the same way: on parts of the same rows, say.
    What the winner scores on new data, trained on all rows, is `Study.estimate`."""
    optimism: float
    """By how much it is observed to be better than is expected; positive is too good, in either direction."""
    noise: float
    """The standard deviation of one trial's value around what its configuration is worth; 0 where results are exact."""
    is_measured: bool
    """Whether noise was seen, by parts or repeats; else the smoothness of the landscape is all that tells it."""
    choice: int
    """The winner: the trial to take."""
    default: int | None
    """The trial of the default configuration, where there is one."""
    worse_than_default: float | None
    """The probability that the best observed configuration is worse than the default; None without a default, and where
    both were scored on a single part, as one hold-out, which says nothing of luck."""
    paid_until: int
    """After so many trials more did not pay: what looked best then is as good as the winner, as far as can be told."""
    trials: int
    """How many have finished."""
    course: Course
    is_single: bool = False
    """Whether all that was seen is a single part, as one hold-out: nobody can say then how much of it is luck."""

    @property
    def stopped_paying(self) -> bool:
        """Whether a good many trials came after those that paid; not told from a single part."""
        return not self.is_single and self.trials - self.paid_until >= MANY

    def __str__(self) -> str:
        said = [f"Trial {self.best} scored best of {self.trials}: {self.observed:.5g}", self._luck()]
        if self.worse_than_default is not None and self.best != self.default:
            keep = ": keep the default" if self.choice == self.default else ""
            surely = f"with a probability of {chance(1 - self.worse_than_default)}{keep}"
            if self.noise == 0 and not self.is_measured:
                surely = "as far as these trials show"
            said.append(f"It beats the default, trial {self.default}, {surely}")
        if self.stopped_paying:
            first = "trial" if self.paid_until == 1 else f"{self.paid_until} trials"
            said.append(f"The first {first} found as good a choice as all {self.trials}, as far as can be told")
        return ". ".join(said) + "."

    def _luck(self) -> str:
        if self.is_single:
            return "How much of that is luck nobody can say from a single part: confirm the study on others"
        if self.noise == 0 and self.is_measured:
            return "Results are exact, so no luck is in that"
        if self.noise == 0:
            return "No luck shows in that, as far as trials can tell of which none was measured twice"
        luck = f"{self.optimism:.2g} of it is luck" if self.optimism > 0 else "none of it is luck"
        return f"Measured anew in the same way, {self.expected:.5g} is expected: {luck}"


def overtuning(history: History, design: Design | None = None) -> Overtuning | None:
    """What the best observed trial of a study with one objective owes to luck; None where nothing can be told yet.

    `Study.overtuning` is this for a study's user.
    """
    known, chosen = merits(history, design), winner(history, design)
    if known is None or chosen is None:
        return None
    is_measured = known.is_measured
    sign = history.problem.objectives[0].sign
    so_far = convergence(history)
    place = {number: i for i, each in enumerate(known.configurations) for number in each.trials}
    places = np.array([place.get(number, -1) for number in so_far.numbers.tolist()])
    expected, error = _of(known, places)
    best, default = int(places[-1]), next((i for i, each in enumerate(known.configurations) if each.is_default), None)
    return Overtuning(
        best=int(so_far.numbers[-1]),
        observed=float(so_far.best[-1]),
        expected=float(sign * expected[-1]),
        optimism=float(expected[-1] - sign * so_far.best[-1]),
        noise=known.noise if is_measured or known.noise**2 > EXACT * known.observed.var() else 0.0,
        is_measured=is_measured,
        choice=chosen.number,
        default=None if default is None else known.configurations[default].number,
        worse_than_default=None if default is None else (0.0 if default == best else known.shown(default, best)),
        paid_until=_paid_until(known, places, so_far.x, place[chosen.number]),
        trials=len(history.finished),
        course=Course(so_far.x.astype(int), so_far.numbers, so_far.best, sign * expected, error),
        is_single=not is_measured and all(len(each.parts) == 1 for each in known.configurations),
    )


def _of(known: Merits, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of configurations (t,) by their places; NaN where one has none, -1."""
    mean = np.where(places < 0, np.nan, known.mean[places])
    return mean, np.where(places < 0, np.nan, np.sqrt(np.diag(known.covariance)[places]))


def _paid_until(known: Merits, places: np.ndarray, counts: np.ndarray, chosen: int) -> int:
    """The first of the counts (t,) whose choice is within the standard error of its difference to the winner."""
    for place, count in zip(places.tolist(), counts.tolist()):
        if place >= 0 and known.mean[place] - known.mean[chosen] <= known.error(place, chosen):
            return int(count)
    return int(counts[-1])
