"""What samplers share that compute everything from the history: their first trials, and where they end.

    defaults   the first trial, where the space has any
    list       where earlier studies are known: what they say is best, chosen anew after each result
    contrast   after the first of the list, a point that is not expected to be good, to see who is right
    look       every third trial after the list: the best known of an option that hardly any trial had, or a Sobol
               point, until enough trials are far from what is on the list
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
FAR = 0.6
"""A trial that earlier studies expect to lose so much, of what lies between the best and the middle of theirs, tells
whether they are right: good ones alone do not. Where they mislead, that costs one trial instead of five."""
FAR_ONES = 4
"""So many trials at least are to be ones that earlier studies expect to be bad: a model that has seen good ones alone
stays where those are. With six it is no better."""
OFTEN = 2
"""And so many at least are to have each option of a choice that is always active: one may do badly by chance."""
EVERY = 3
"""Until then, after the list, every so many-th trial looks elsewhere."""
LATEST = 24
"""Trials after which none is for the sake of what earlier studies say."""
TRUSTED = 0.05
"""The least weight of an earlier study whose word is gone by."""


def is_early(history: History, number: int, initial: int = INITIAL) -> bool:
    """Whether too little is known to build on; controls build on what got to the largest step alone."""
    if is_control(number) and (readings := Readings.of(history)) is not None and readings.wholes < CONTROLLED:
        return True
    return first(history, number, initial) is not None or not Results.of(history).suffices


def opening(seed: int, history: History, number: int) -> Config | None:
    """The defaults, the list, then Sobol points, or others where those were tried; None where none is left."""
    tried = Tried.of(history)
    pick = first(history, number)
    if pick is not None and pick.point is not None:
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
    pick = first(history, number) or COVER
    return Explanation("sobol" if pick.point is None else pick.arm, pick.reason, sources=pick.sources)


@dataclass(frozen=True)
class First:
    """What one of the first trials is for, and where; anywhere that is not covered yet without a point."""

    reason: str
    point: np.ndarray | None = None
    sources: tuple[tuple[str, float], ...] = ()
    """The earlier studies whose word it is, with their weights."""
    arm: str = "list"
    """What a point is called that earlier studies know of."""


COVER = First("too little is known for a model, so the space is covered evenly")
DEFAULTS = First("the first trial takes the defaults")
CONTRAST = First("something to compare with what did best in earlier studies")
LOOK = First("a look at what earlier studies call bad, of which little is known here")
DISBELIEF = First("no earlier study ranks the trials so far better than chance, so the space is covered evenly")


def first(history: History, number: int, initial: int = INITIAL) -> First | None:
    """What a trial is for that opens the study; None where the opening is over."""
    if history.sampled_before(number) == 0 and not _has_defaults(history, number):
        return DEFAULTS
    is_open = not _have_begun(history, number, initial)
    if history.earlier and not (number < len(history) and history[number].enqueued):
        sources = _sources(history)
        if len(given := Tried.of(history).allowed(sources.given)):
            owed = tuple((study.name, study.weight) for study in sources.owed(given[0]))
            return First(sources.why(given[0]), given[0], owed)
        if sources.teaching:
            return _heard(history, sources, _place(history, number), is_open)
    return COVER if is_open else None


def _heard(history: History, sources: Sources, place: int, is_open: bool) -> First | None:
    """What a trial is for where earlier studies have values; so many were chosen before it."""
    if place >= LATEST:
        return None
    weights = sources.weights(Results.of(history))
    if not weights.max() > TRUSTED:
        return DISBELIEF if is_open else None
    begun = sources.regrets(sources.encoding.whole(history.matrix))
    far = int((weights @ begun >= FAR * weights.sum()).sum())
    if place >= sources.most:
        if place % EVERY != EVERY - 1:
            return None
        return _neglected(history, sources, weights) or (LOOK if far < FAR_ONES else None)
    new = Tried.of(history).are_new(sources.candidates)
    if not new.any():
        return None
    if begun.size and not far and not sources.scaling.studies:  # a large model is not trained for a comparison
        return CONTRAST
    regrets = sources.candidate_regrets[:, new]
    gain = weights @ (begun.min(axis=1, initial=1.0)[:, None] - regrets).clip(min=0.0)
    best = max(range(len(gain)), key=lambda c: (gain[c], -float(weights @ regrets[:, c])))
    return _told(sources, weights, sources.candidates[new][best], regrets[:, best], place)


def _neglected(history: History, sources: Sources, weights: np.ndarray) -> First | None:
    """The best that earlier studies know of the option that the fewest trials had; None where none is neglected."""
    encoding = sources.encoding
    choices = set(encoding.choices.tolist()) - {child for child, _ in encoding.conditions}
    if not choices:
        return None
    new = Tried.of(history).are_new(sources.known)
    begun, known, expected = encoding.whole(history.matrix), sources.known[new], weights @ sources.known_regrets[:, new]
    found = []
    for j in choices:
        for option in range(encoding.options[j]):
            rows = (known[:, j] == option).nonzero()[0]
            if len(rows) and (count := int((begun[:, j] == option).sum())) < OFTEN:
                best = int(rows[expected[rows].argmin()])
                found.append((count, float(expected[best]), best))
    if not found:
        return None
    return First(
        "the best that earlier studies know of an option that few trials had", known[min(found)[2]], arm="look"
    )


def _has_defaults(history: History, number: int) -> bool:
    """Whether there are none, or a user has asked for them in a trial before this one."""
    defaults = history.problem.space.defaults
    return not defaults or any(trial.params == defaults for trial in islice(history.trials, number))


def _have_begun(history: History, number: int, count: int) -> bool:
    """Whether so many configurations were begun before a trial, chosen by the sampler or by a user."""
    if history.sampled_before(number) >= count:
        return True
    chosen = (trial for trial in islice(history.trials, number) if trial.parent is None and trial.judged)
    return sum(1 for _ in islice(chosen, count)) == count


def _sources(history: History) -> Sources:
    from kilter.models.sources import Sources  # loads SciPy, which studies without earlier ones need not wait for

    return Sources.of(history)


def _place(history: History, number: int) -> int:
    """How many trials the sampler has chosen before this one, not counting the defaults."""
    chosen = (trial for trial in islice(history.trials, number) if trial.is_sampled and trial.seen != ELSEWHERE)
    own = [*islice(chosen, LATEST + 1)]  # of more nobody asks
    return len(own) - bool(own and own[0].sampled_before == 0 and history.problem.space.defaults)


def _told(sources: Sources, weights: np.ndarray, point: np.ndarray, regrets: np.ndarray, place: int) -> First:
    names = [source.study.name for source in sources.teaching]
    best = [names[i] for i in regrets.argsort(kind="stable")[:2]]
    of = f"{len(names)} earlier studies" if len(names) > 1 else "an earlier study"
    reason = f"{place + 1} of {sources.most} that should do well by {of}, by {' and '.join(best)} above all"
    return First(reason, point, tuple((name, float(weight)) for name, weight in zip(names, weights)))
