"""What the winner of a study will score on new data: not the score that it was chosen by, and how sure that is.

    m, C         what all configurations are expected to score, and their covariance (analysis/merits.py)
    w            the winner (analysis/winner.py)
    value        m[w]: the luck of having been chosen is taken back by what its own parts, its neighbours and the spread
                 of all others say of how much luck there was
    Y   (c, p)   scores of the leading configurations on the parts that all of them met
    shared       the variance of the mean of Y over the parts: luck that all of them have in common, since they were
                 scored on the same rows. It decides nothing between them, and no number of trials makes it less, nor
                 do repetitions of the splits. Of n trials without parts it is the noise in the mean of all, noise² / n
    interval     Student's t around the value, with C[w, w] + shared

A score of a part is of a model that was fitted on a share of the rows, and the final one is fitted on all. Where it is
known what a perfect model would score, and what one that sees no feature does, what is missing from the first is taken
to fall with a power of the rows, but by that share of what was learned beyond the second at most: where nothing was
learned more rows teach nothing. m is corrected by as much (docs/decisions/0044).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from kilter.analysis.configurations import Configuration, on_parts
from kilter.analysis.design import Design, design_of
from kilter.analysis.finding import chance, share
from kilter.analysis.merits import Merits, merits
from kilter.analysis.winner import winner
from kilter.core.history import History

LEVEL = 0.9
"""Of the interval."""
LEADING = 10
"""The configurations whose scores tell how much luck all have in common: of one alone it is known less well."""

POWER = 0.15
"""What is missing from a perfect score falls with this power of the rows that are fitted on: by a thirtieth from four
fifths of them to all. It is a rule of thumb, of a dozen small tasks (benchmarks/generalisation)."""


@dataclass(frozen=True)
class Estimate:
    """What the winner is expected to score on new data. Values are in the unit and direction of the objective."""

    number: int
    """The trial that tried the winner first."""
    value: float
    """The score to expect, corrected for the selection."""
    low: float
    high: float
    """The ends of the interval; infinite where a single part, as one hold-out, says nothing of the luck of its rows."""
    level: float
    """How probable it is that the interval holds the true score."""
    observed: float
    """What it was chosen by."""
    default: float | None
    """What the default is expected to score; None where it was not tried."""
    gain: float | None
    """How much better the winner is expected to be than the default: negative where it is expected to be worse."""
    real: float | None
    """The share of the observed gain over the default that is real, from 0 to 1; None where no gain was observed, and
    where a single part says nothing of luck."""
    looked_at: int
    """How many configurations were looked at, those that were stopped early included."""
    parts: int
    """How many folds, seeds or data sets the winner was scored on; 0 where its trials report none."""
    better: float | None = None
    """The probability that the winner is truly better than the default; None without one, and where a single part says
    nothing of luck."""
    on_all_rows: bool = False
    """Whether it is of a model that is fitted on all rows: then it may lie above the scores of parts, whose models
    have seen a share of them. Else, as where nobody knows what is perfect, it is of one fitted on as many as these."""

    @property
    def method(self) -> str:
        """What it rests on, in words."""
        seen = f"{self.parts} parts" if self.parts > 1 else "a single part" if self.parts else "its trials"
        rows = "; for a model that is fitted on all rows" if self.on_all_rows else ""
        return f"corrected for the selection from {self.looked_at} configurations; scored on {seen}{rows}"

    def __str__(self) -> str:
        chosen = f"trial {self.number} was chosen by {self.observed:.4g}, out of {self.looked_at} configurations"
        rows = ", fitted on all rows" if self.on_all_rows else ""
        return "\n".join([f"to expect on new data{rows}: {self.value:.4g}{self._within()}", chosen, *self._beside()])

    def _within(self) -> str:
        if isfinite(self.high - self.low):
            return f", {share(self.level)} sure between {self.low:.4g} and {self.high:.4g}"
        if self.parts == 1:
            return " or worse; how much worse nobody can say from a single part: confirm the study on others"
        return "; how sure that is nobody can say, since nothing was measured twice: see study.confirm"

    def _beside(self) -> list[str]:
        """A line on the default, where it is not the winner itself."""
        if self.default is None or not self.gain:
            return []
        how = f"{abs(self.gain):.2g} {'worse' if self.gain > 0 else 'better'}"
        if self.better is None and self.parts == 1:
            return [f"the default scored {how}; whether that is luck nobody can say from a single part"]
        surely = ""
        if self.better is not None and isfinite(self.high - self.low):
            surely = f", with a probability of {chance(self.better if self.gain > 0 else 1 - self.better)}"
        real = "" if self.real is None else f"; that is {share(self.real)} of the gain that was observed"
        return [f"the default is expected to score {self.default:.4g}, {how}{surely}{real}"]


def estimate(history: History, design: Design | None = None, number: int | None = None) -> Estimate | None:
    """The estimate of a study; None with several objectives, and before a trial is complete and feasible.

    Without a design that of the history is inferred. With the `number` of a complete trial it is the estimate of what
    that trial was the first to try, where somebody has chosen by another rule than the winner's; None where it is not
    among the best ones of a long study.

    >>> from kilter import Float, Space
    >>> from kilter.core.problem import Problem
    >>> estimate(History(Problem(Space({"x": Float(0, 1)})))) is None
    True
    """
    design = design_of(history, {}) if design is None else design
    known, chosen = merits(history, design), winner(history, design)
    if known is None or chosen is None:
        return None
    numbers = [each.number for each in known.configurations]
    number = chosen.number if number is None else number
    if number not in numbers:
        return None
    w = numbers.index(number)
    sign = history.problem.objectives[0].sign
    reach = _reach(*_error(known, w, design))
    is_single = not isfinite(reach) and len(known.configurations[w].parts) == 1
    # A single part has no say in what would be better than all that it has shown.
    expected = known.observed if is_single else _on_all_rows(known.mean, design, sign)
    ends = expected[w] + np.array([-reach, reach])
    if design is not None and isfinite(reach):
        expected, ends = design.bounded(expected, sign), design.bounded(ends, sign)
    low, high = sorted(sign * ends)
    d = None if chosen.default is None else numbers.index(chosen.default)
    gain = None if d is None else float(expected[d] - expected[w])
    return Estimate(
        numbers[w],
        sign * float(expected[w]),
        float(low),
        float(high),
        LEVEL,
        sign * float(known.observed[w]),
        None if d is None else sign * float(expected[d]),
        gain,
        None
        if d is None or gain is None or not isfinite(reach)
        else _real(gain, float(known.observed[d] - known.observed[w])),
        len({tuple(sorted(trial.params.items())) for trial in history if trial.is_finished}),
        len(known.configurations[w].parts),
        None if d is None else known.shown(w, d),
        not is_single and _corrects(design),
    )


def _on_all_rows(losses: np.ndarray, design: Design | None, sign: float) -> np.ndarray:
    """Losses of models that are fitted on all rows, from those on a part; as they are where too little is known."""
    if design is None or design.perfect is None or design.blind is None or not _corrects(design):
        return losses
    gained = 1.0 - float(np.mean(_shares(design))) ** POWER
    missing, skill = losses - sign * design.perfect, sign * design.blind - losses
    return np.asarray(losses - gained * np.maximum(np.minimum(missing, skill), 0.0))


def _corrects(design: Design | None) -> bool:
    """Whether enough is known to say what training on all rows gains."""
    known = design is not None and None not in (design.perfect, design.blind)
    return known and design is not None and design.summary != "rank" and bool(_shares(design))


def _shares(design: Design) -> list[float]:
    """Of all rows, those that a part is fitted on."""
    return [part.train / (part.train + part.test) for part in design.parts if part.train and part.test]


def _real(gain: float, observed: float) -> float | None:
    return min(max(gain / observed, 0.0), 1.0) if observed > 0 else None


def _error(known: Merits, w: int, design: Design | None) -> tuple[float, float]:
    """The standard error of what one configuration is expected to score on new data, and its degrees of freedom."""
    own = float(known.covariance[w, w])
    if design is None or design.is_reshuffled or not (design.is_mean or known.is_measured):
        trials = sum(len(each.trials) for each in known.configurations)
        return (sqrt(own + known.noise**2 / trials), trials - 1.0) if known.is_measured else (inf, 1.0)
    order = np.argsort(known.mean, kind="stable")[:LEADING]
    shared, freedom = _shared([known.configurations[i] for i in {w, *order.tolist()}], known.configurations[w], design)
    return sqrt(own + shared), freedom


def _shared(leading: Sequence[Configuration], chosen: Configuration, design: Design) -> tuple[float, float]:
    """The variance of the luck that all have in common, and its degrees of freedom; infinite of a single part.

    Of several data sets each has its own parts: how far data sets are apart is no luck. Each counts as it does in the
    summary of the chosen one.
    """
    parts = [part for part in design.parts if isfinite(chosen.parts.get(part.name, inf))]
    scores = on_parts(leading, [part.name for part in parts])
    scores = np.median(scores[np.isfinite(scores).all(axis=1)], axis=0)  # one that diverges says nothing of the others
    data = [np.array([part.data == each for part in parts]) for each in dict.fromkeys(part.data for part in parts)]
    if not parts or min(mine.sum() for mine in data) < 2:
        return inf, 1.0
    luck = design.correlation([part.name for part in parts])
    found = [_of_mean(scores[mine], luck[np.ix_(mine, mine)]) for mine in data]
    own = np.array([chosen.parts[part.name] for part in parts])
    weights = design.weights(np.array([[own[mine].mean() for mine in data]]))[0].tolist()
    counted = [(weight, *each) for weight, each in zip(weights, found) if weight > 0]
    return sum(w**2 * variance for w, variance, _ in counted), sum(freedom for _, _, freedom in counted)


def _of_mean(scores: np.ndarray, luck: np.ndarray) -> tuple[float, float]:
    """The variance of the mean of scores (p,) whose luck has this correlation (p, p), and its degrees of freedom.

    With scores of the variance s² the squares around their mean sum up to s² (p - 1' luck 1 / p), as is to be expected.
    """
    total = float(luck.sum()) / len(scores)
    freedom = len(scores) - total
    return float(np.var(scores)) * total / freedom, freedom


def _reach(error: float, freedom: float) -> float:
    from scipy.special import ndtri, stdtrit

    quantile = float(stdtrit(freedom, (1 + LEVEL) / 2)) if isfinite(freedom) else float(ndtri((1 + LEVEL) / 2))
    return quantile * error
