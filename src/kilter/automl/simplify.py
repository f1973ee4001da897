"""Smaller ensembles: for what their user gives up in score, or for what predictions may take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kilter.automl import honesty, weights
from kilter.automl.budget import Budget
from kilter.automl.candidates import Candidate
from kilter.automl.fitting import Outcome
from kilter.automl.latency import Latency, measured
from kilter.automl.model import Model


def simplified(outcome: Outcome, loss: float) -> Outcome:
    """The smallest ensemble whose estimate is not lower by more than `loss`."""
    used = _used(outcome)
    kept = used
    for smaller in _ever_smaller(outcome, used):
        if _estimate(outcome, smaller) >= outcome.estimate.value - loss:
            kept = smaller
    return _of(outcome, kept)


def within(outcome: Outcome, frame: Any, milliseconds: float) -> Outcome:
    """The ensemble with so many members left out that it predicts 1,000 rows in these milliseconds.

    Left out first is what is missed least for the time that it takes. Where even a single one of those with weight is
    too slow, it is the best of all candidates that is fast enough, or the fastest, and a notice says so.
    frame: the rows of the fit before they were read.
    """
    used = _used(outcome)
    latency = measured(outcome.model, outcome.data.table, frame)
    costs = _costs(outcome.model, latency, used)
    for smaller in [used, *_ever_smaller(outcome, used, costs)]:
        if latency.of(_places(outcome.model, smaller), outcome.model) <= milliseconds:
            return outcome if smaller is used else _of(outcome, smaller)
    return _single(outcome, frame, milliseconds)


def _single(outcome: Outcome, frame: Any, milliseconds: float) -> Outcome:
    complete = [each for each in outcome.candidates if each.state == "complete"]
    found = []
    for each in sorted(complete, key=lambda each: (-each.score, each.number)):
        alone = _of(outcome, [each])
        took = measured(alone.model, outcome.data.table, frame).of([0], alone.model)
        if took <= milliseconds:
            return alone
        found.append((took, alone))
    took, fastest = min(found, key=lambda pair: pair[0])
    notice = (
        f"no model predicts 1,000 rows in {milliseconds:g} ms: the fastest one, which was taken, needs {took:.3g} ms"
    )
    return replace(fastest, notices=(*fastest.notices, notice))


def _used(outcome: Outcome) -> list[Candidate]:
    """The candidates that have weight."""
    return [each for each, weight in zip(outcome.candidates, outcome.weights, strict=True) if weight > 0]


def _ever_smaller(
    outcome: Outcome, used: Sequence[Candidate], costs: np.ndarray | None = None
) -> Iterator[list[Candidate]]:
    """Ensembles of one candidate less each time."""
    predictions, data = np.stack([each.out_of_fold for each in used]), outcome.data
    rows = np.flatnonzero(weights.seen(predictions))
    heavy = None if data.weight is None else data.weight[rows]
    begun = outcome.weights[outcome.weights > 0]
    path = weights.smaller(predictions[:, rows], begun, data.y[rows], data.metric, costs, heavy)
    next(path)
    for found in path:
        yield [each for each, weight in zip(used, found, strict=True) if weight > 0]


def _estimate(outcome: Outcome, some: Sequence[Candidate]) -> float:
    """What an ensemble of some candidates alone is worth."""
    predictions, data = np.stack([each.out_of_fold for each in some]), outcome.data
    families = [each.member for each in some]
    shares = weights.greedy(predictions, data.y, data.metric, families, data.weight)
    threshold = outcome.course.settings.threshold
    return honesty.estimate(
        predictions, shares, data.y, data.folds, data.metric, families, data.weight, data.groups, threshold=threshold
    ).value


def _of(outcome: Outcome, some: Sequence[Candidate]) -> Outcome:
    """The outcome with some of its candidates weighed anew, and all of them told of."""
    found = outcome.course.weighed(some, Budget())
    of_number = {each.number: weight for each, weight in zip(some, found.weights.tolist(), strict=True)}
    return replace(
        found,
        candidates=outcome.candidates,
        weights=np.array([of_number.get(each.number, 0.0) for each in outcome.candidates]),
        estimate=replace(found.estimate, looked_at=outcome.estimate.looked_at),
        seconds=outcome.seconds,
        notices=outcome.notices,
    )


def _places(model: Model, some: Sequence[Candidate]) -> list[int]:
    """Where candidates stand among the parts of a model: a part holds the very models of its candidate."""
    firsts = [id(part.fitted[0]) for part in model.parts]
    return [firsts.index(id(each.fitted[0])) for each in some]


def _costs(model: Model, latency: Latency, used: Sequence[Candidate]) -> np.ndarray:
    return np.array([latency.parts[place] for place in _places(model, used)])
