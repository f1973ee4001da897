"""What samplers share that compute everything from the history: their first trials, and where they end.

    defaults   the first trial, where the space has any
    list       where earlier studies are known: what they say is best, chosen anew after each result
    cover      points of the Sobol sequence, until enough is known to build on

The list goes for what most of the earlier studies gain by: of the best configurations of each, the one c with the
largest sum over studies t of w_t max(reached_t - r_t(c), 0), in the terms of models/sources.py, where reached_t is the
least r_t of all that was tried or runs. It ends where none of the studies ranks the trials so far above chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from kilter.core.events import ELSEWHERE
from kilter.core.history import History
from kilter.core.interfaces import Explanation
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.models.controls import CONTROLLED, is_control
from kilter.models.readings import Readings
from kilter.models.results import Results
from kilter.models.tried import Tried
from kilter.samplers.sobol import QMCSampler

if TYPE_CHECKING:
    import numpy as np

    from kilter.models.sources import Sources

INITIAL = 6
"""Trials before the first that builds on a Gaussian process, whatever the dimension is: more of them cost more."""
LISTED = 5
"""Trials on the word of earlier studies, at most: three are worse, and ten no better."""
HEARD = 3
"""Pairs of trials that have to be known before earlier studies are disbelieved."""
TRUSTED = 0.05
"""The least weight of an earlier study whose word is gone by."""


def is_early(history: History, number: int, initial: int = INITIAL) -> bool:
    """Whether too little is known to build on; controls build on what got to the largest step alone."""
    if is_control(number) and (readings := Readings.of(history)) is not None and readings.wholes < CONTROLLED:
        return True
    if not Results.of(history).suffices or listed(history, number) is not None:
        return True
    return not _have_begun(history, number, initial) and not _are_trusted(history)


def opening(seed: int, history: History, number: int) -> Config | None:
    """The defaults, the list, then Sobol points, or others where those were tried; None where none is left."""
    tried = Tried.of(history)
    pick = listed(history, number)
    if pick is not None:
        return tried.encoding.config(pick.point)
    config = QMCSampler().ask(QMCSampler().start(history.problem, seed), history, number)
    if config is not None and not tried.has(config):
        return config
    point = tried.by_chance(rng(seed, "opening", number))
    return None if point is None else tried.encoding.config(point)


def when_exhausted(seed: int, history: History, number: int) -> Config | None:
    """The answer where every known point has been tried: None, or any one again where the space may still grow."""
    return history.problem.space.draw(rng(seed, "again", number)) if history.problem.is_open else None


def explained(history: History, number: int) -> Explanation:
    """Why a trial was opened with."""
    pick = listed(history, number)
    if pick is not None:
        return Explanation("list", pick.reason, sources=pick.sources)
    if history.sampled_before(number) == 0 and history.problem.space.defaults:
        return Explanation("sobol", "the first trial takes the defaults")
    if history.earlier and _sources(history).teaching and not _are_trusted(history):
        wrong, pairs = _sources(history).agreement(Results.of(history))
        told = f"agreement {1.0 - 2.0 * wrong.min():.1f} at best over {pairs} pairs of trials"
        return Explanation(
            "sobol", f"the earlier studies rank trials no better than chance ({told}), so the space is covered evenly"
        )
    return Explanation("sobol", "too little is known for a model, so the space is covered evenly")


def _have_begun(history: History, number: int, count: int) -> bool:
    """Whether so many configurations were begun before a trial, chosen by the sampler or by a user."""
    if history.sampled_before(number) >= count:
        return True
    chosen = (trial for trial in islice(history.trials, number) if trial.parent is None and trial.judged)
    return sum(1 for _ in islice(chosen, count)) == count


@dataclass(frozen=True)
class Pick:
    """A point of the list, and why."""

    point: np.ndarray
    reason: str
    sources: tuple[tuple[str, float], ...] = ()
    """The earlier studies that it is of, with their weights."""


def listed(history: History, number: int) -> Pick | None:
    """What a trial takes from the list; None where it is none of the list's."""
    if not history.earlier or (number < len(history) and history[number].enqueued):
        return None
    if history.sampled_before(number) == 0 and history.problem.space.defaults:
        return None
    sources, place, tried = _sources(history), _place(history, number), Tried.of(history)
    if len(given := tried.allowed(sources.given)):
        return Pick(given[0], "the next of the configurations that the study was given to try first")
    most = len(sources.given) + min(LISTED, 2 * len(sources.teaching) + 1)
    if place >= most or not _are_trusted(history) or not len(candidates := tried.allowed(sources.candidates)):
        return None
    weights, regrets = sources.weights(Results.of(history)), sources.regrets(candidates)
    reached = sources.regrets(sources.encoding.whole(history.matrix)).min(axis=1, initial=1.0)
    gain = weights @ (reached[:, None] - regrets).clip(min=0.0)
    best = max(range(len(gain)), key=lambda c: (gain[c], -float(weights @ regrets[:, c])))
    return _told(sources, weights, candidates[best], regrets[:, best], place, most)


def _sources(history: History) -> Sources:
    from kilter.models.sources import Sources  # loads SciPy, which studies without earlier ones need not wait for

    return Sources.of(history)


def _place(history: History, number: int) -> int:
    """How many trials the sampler chose before this one, not counting the defaults."""
    own = [trial for trial in history.trials[:number] if trial.is_sampled and trial.seen != ELSEWHERE]
    return len(own) - bool(own and own[0].sampled_before == 0 and history.problem.space.defaults)


def _are_trusted(history: History) -> bool:
    """Whether some earlier study has values, and has not been found to rank trials no better than chance."""
    if not history.earlier or not _sources(history).teaching:
        return False
    sources, results = _sources(history), Results.of(history)
    return sources.agreement(results)[1] < HEARD or bool(sources.weights(results).max() > TRUSTED)


def _told(sources: Sources, weights: np.ndarray, point: np.ndarray, regrets: np.ndarray, place: int, most: int) -> Pick:
    names = [source.study.name for source in sources.teaching]
    best = [names[i] for i in regrets.argsort(kind="stable")[:2]]
    reason = f"{place + 1} of {most} that did best in {len(names)} earlier studies, {' and '.join(best)} above all"
    return Pick(point, reason, tuple((name, float(weight)) for name, weight in zip(names, weights)))
