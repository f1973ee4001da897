"""Which parameters matter: the share of the variance of what trials return that each explains on its own.

    f(x)      what a trial at x returns, as its trials tell it; see `METHODS` for the three ways to learn it
    a_j(v)    the mean of f where parameter j has the value v, over the values that all others had
    V_j       the variance of a_j(v), over the values that trials gave parameter j
    V         the variance of f, and of what no method can tell from noise
    share     V_j / V

Values far worse than most, as of trainings that diverged, count as the limit beyond which the sampler draws values in
(`models/transforms.py`), so that no few of them rule. A trial that was pruned counts as the worst of those values: that
it was stopped is what most of a study's trials say of a bad parameter.

So shares sum to at most 1: what is missing is interactions, and noise. A parameter that is active in a part of the
trials explains what it explains there, times that part; that there is such a part is counted to its parent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kilter.analysis import fanova, pedanova, sensitivity
from kilter.analysis.beliefs import believed, believed_of
from kilter.analysis.explanation import Explanation, Observed, mixed
from kilter.analysis.objectives import place
from kilter.core.declared import expanded
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.models.pareto import non_dominated_ranks
from kilter.models.results import LEAST, Results
from kilter.models.transforms import far_limit

MOST = 10_000
"""Trials that are looked at, at most."""

METHODS = {
    "surrogate": "the Gaussian process of the default sampler, which is the best where trials crowd near the optimum",
    "fanova": "a forest (Hutter, Hoos and Leyton-Brown 2014), which takes in more trials and any kind of step",
    "pedanova": "no model: how trials of each rank are spread (Watanabe, Bansal and Hutter 2023); of ranks alone",
}
AUTO = "auto"
"""Surrogate and forest, each by how well it says what trials return that it has not seen. No trial turns it over."""
BOTH = "surrogate and fanova"
"""What `Importance.method` is then."""

Target = Callable[[Record], float]


@dataclass(frozen=True)
class Share:
    """What one parameter explains on its own."""

    parameter: str
    """As it was declared; what the parts of a compound explain together is its own."""
    share: float
    low: float
    high: float
    """The share lies between `low` and `high` with a probability of about 0.8."""
    active: int
    """In how many of the trials looked at it had a value."""
    is_conditional: bool
    """Whether it is active in some configurations only."""


@dataclass(frozen=True)
class Pair:
    """What two parameters explain together beyond what each explains on its own."""

    parameters: tuple[str, str]
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """What each parameter explains, the most important first."""

    objective: str | None
    """None where another target was given, or with the front of several objectives."""
    method: str
    """"surrogate", "fanova", "pedanova", or "surrogate and fanova" for both, which is the default."""
    trials: int
    """How many trials there are to learn from."""
    sampled: int
    """How many of them were looked at, drawn by chance where that is not all."""
    explained: float | None
    """How much of the variance the model predicts in trials that it has not seen, at most 1; None without a model."""
    shares: tuple[Share, ...]
    pairs: tuple[Pair, ...]
    """Of the parameters that matter most, the strongest pair first; none by the method "pedanova"."""
    rest: float
    """What no parameter and no pair explains: noise, and what more of them do together. 1 while nothing is known."""


def importance(
    history: History,
    objective: int | str | None = 0,
    *,
    method: str = AUTO,
    target: Target | None = None,
    seed: int = 0,
    quantile: float | None = None,
) -> Importance:
    """The importance of each declared parameter for an objective, or for a `target`, a number for each complete trial.

    With `objective=None` and several objectives it is for coming near the front, by "pedanova". Trials that were pruned
    count as the worst, and values far worse than most no more than that; for a target, those that are complete count
    alone. "pedanova" asks for a trial's rank, or for its being among the best `quantile` of all where that is given.
    Before three trials have different values nothing is known, and the intervals say so. Raises UnknownName for another
    method or objective.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1), "y": Float(0, 1)}, seed=0, sampler="random")
    >>> study.optimize(lambda x, y: 3 * x + y, n_trials=50, progress="none")
    >>> [(share.parameter, round(share.share, 1)) for share in importance(study.history).shares]
    [('x', 0.9), ('y', 0.1)]
    """
    if method not in (AUTO, *METHODS):
        raise UnknownName.of("method", method, (AUTO, *METHODS))
    if objective is None and target is None:
        if method not in (AUTO, "pedanova"):
            raise InvalidInput(f"method={method!r} is about one number: say which objective, or give a target")
        method = "pedanova"
    sample = _wanted(history, objective, target, method == "pedanova")
    if method != "pedanova":
        sample = sample.bounded
    if len(sample.numbers) < LEAST or not (sample.varies and history.problem.space.names):
        found = Explanation.of_nothing(method if method != AUTO else BOTH, sample.observed(history, seed))
    else:
        found = _explained(history, sample, method, seed, quantile)
    return _gathered(found, sample, history.problem.space)


@dataclass(frozen=True, eq=False)
class _Sample:
    """Trials that ended, and what they count by."""

    objective: str | None
    column: int | None
    """The objective's place; None for other numbers than its own."""
    numbers: np.ndarray
    losses: np.ndarray
    """Smaller is better; inf for what was stopped."""

    @property
    def varies(self) -> bool:
        return bool((self.losses != self.losses[0]).any())

    @property
    def bounded(self) -> _Sample:
        """The same with no loss beyond the limit, and what was stopped as bad as the worst."""
        known = np.isfinite(self.losses)
        if not known.any():
            return replace(self, numbers=self.numbers[:0], losses=self.losses[:0])
        losses = np.minimum(self.losses, far_limit(self.losses[known]))
        losses = np.where(known, losses, losses[known].max())
        return self if np.array_equal(losses, self.losses) else replace(self, losses=losses, column=None)

    def observed(self, history: History, seed: int) -> Observed:
        """The trials as points, MOST at most."""
        numbers, losses, encoding = self.numbers, self.losses, Results.of(history).encoding
        if len(numbers) > MOST:
            rows = np.sort(rng(seed, "importance").choice(len(numbers), MOST, replace=False))
            numbers, losses = numbers[rows], losses[rows]
        points, known = encoding.known(history.matrix[numbers])
        return Observed(np.where(known, points, np.nan), encoding.is_option, losses, len(self.numbers))


def _wanted(history: History, objective: int | str | None, target: Target | None, with_pruned: bool) -> _Sample:
    """The trials to look at, by number, and what they count by."""
    states = history.states
    complete = np.flatnonzero((states == TrialState.COMPLETE) & np.isfinite(history.values).all(axis=1))
    if target is not None:
        complete = np.flatnonzero(states == TrialState.COMPLETE)
        values = np.array([float(target(history[number])) for number in complete.tolist()])
        return _Sample(None, None, complete[np.isfinite(values)], values[np.isfinite(values)])
    if objective is None:
        violations = history.violations[complete]
        return _Sample(None, None, complete, non_dominated_ranks(history.values[complete], violations).astype(float))
    column = place(history.problem, objective)
    losses = history.values[complete, column]
    pruned = np.flatnonzero(states == TrialState.PRUNED)
    if with_pruned or len(complete) >= LEAST:
        complete, losses = np.append(complete, pruned), np.append(losses, np.full(len(pruned), np.inf))
    return _Sample(history.problem.objectives[column].name, column, complete, losses)


def _explained(history: History, sample: _Sample, method: str, seed: int, quantile: float | None) -> Explanation:
    if method == "pedanova":
        return pedanova.explained(sample.observed(history, seed), quantile)
    found = []
    if method in (AUTO, "surrogate"):
        if sample.column is None:
            model = believed_of(history, sample.numbers, sample.losses, seed)
        else:
            model = believed(history, sample.column, seed)
        found.append(sensitivity.explained(model, seed))
    if method in (AUTO, "fanova"):
        found.append(fanova.explained(sample.observed(history, seed), seed))
    return found[0] if len(found) == 1 else mixed(BOTH, found)


def _gathered(found: Explanation, sample: _Sample, space: Space) -> Importance:
    """The shares of declared parameters: those of a compound are its parts', with what these explain together."""
    owners = [name for name, parameter in space.declared.items() for _ in expanded({name: parameter})]
    names = [part for name, parameter in space.declared.items() for part in expanded({name: parameter})]
    order = [names.index(part) for part in space.names]
    owner = [owners[place] for place in order]
    inner = {pair: one for pair, one in found.pairs.items() if owner[pair[0]] == owner[pair[1]]}
    shares = []
    for name in space.declared:
        parts = [j for j, own in enumerate(owner) if own == name]
        terms = [(found.share[j], found.low[j], found.high[j]) for j in parts]
        terms += [one for (j, _), one in inner.items() if owner[j] == name]
        active = int(max((found.active[j] for j in parts), default=0))
        shares.append(Share(name, *_sum(terms), active, active < found.sampled or bool(space[name].conditions)))
    grouped: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for (j, k), one in found.pairs.items():
        if (j, k) not in inner:
            grouped.setdefault((owner[j], owner[k]), []).append(one)
    pairs = sorted((Pair(pair, *_sum(ones)) for pair, ones in grouped.items()), key=lambda pair: -pair.share)
    told = sum(share.share for share in shares) + sum(pair.share for pair in pairs)
    return Importance(
        objective=sample.objective,
        method=found.method,
        trials=len(sample.numbers),
        sampled=found.sampled,
        explained=found.fit,
        shares=tuple(sorted(shares, key=lambda share: -share.share)),
        pairs=tuple(pairs),
        rest=max(1.0 - told, 0.0),
    )


def _sum(terms: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The sum of shares that are known as far as (share, low, high) say, each by itself."""
    share, low, high = np.array(terms).reshape(-1, 3).T
    total = float(share.sum())
    below, above = (float(np.sqrt(((share - end) ** 2).sum())) for end in (low, high))
    return total, max(total - below, 0.0), min(total + above, 1.0)
