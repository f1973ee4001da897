"""A study in few numbers, for another one to learn from: what its trials came to, good ones and bad ones.

    kept     the best ones, and of the others as many as there is room for, evenly by rank: who knew the good ones
             alone would not know what is bad
    losses   of each configuration, the mean of its trials; smaller is better, in the study's own unit. A trial that
             was stopped after some of its parts counts with what it would have come to (models/parts.py)
    failed   the latest configurations that failed by themselves

It is bounded, since the study that learns keeps it in its log.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kilter.core.earlier import EarlierStudy, spread
from kilter.core.history import History, Record
from kilter.core.numbers import Float
from kilter.core.parameter import UNSET, Parameter, Plain, typed
from kilter.core.space import Config, Space
from kilter.models.results import Results, is_to_blame

KEPT = 48
"""Configurations with a loss."""

BEST = KEPT // 3
"""As many of them are the best."""

FAILED = 8
"""Configurations that failed."""

Key = frozenset[tuple[str, tuple[type, Plain]]]

DIGITS = 6
"""Of numbers in configurations; losses keep all of theirs, since of some the last ones tell which is better."""


def digest(name: str, history: History) -> EarlierStudy:
    """What a study with one objective teaches by its feasible trials at the whole of their resource.

    >>> import kilter
    >>> study = kilter.create_study(space={"x": kilter.Float(0, 1)}, direction="maximize")
    >>> study.optimize(lambda x: x, n_trials=3, progress="none")
    >>> digest("first", study.history).trials
    3
    """
    return whittled(name, _tried(history), _failed(history), len(history.finished), history.problem.space)


def whittled(
    name: str, tried: Sequence[tuple[Config, float]], failed: Sequence[Config], trials: int, space: Space
) -> EarlierStudy:
    """The digest of so many trials, of which these have a loss and these failed."""
    ranked = [tried[place] for place in np.argsort([loss for _, loss in tried], kind="stable")]
    kept = [ranked[place] for place in spread(len(ranked), BEST, KEPT)]
    configs, losses = tuple(_short(config, space) for config, _ in kept), tuple(loss for _, loss in kept)
    return EarlierStudy(name, configs, losses, tuple(_short(config, space) for config in failed[:FAILED]), trials)


def translated(study: EarlierStudy, renamed: Mapping[str, str], fixed: Config) -> EarlierStudy:
    """The same in other names, and with what was never varied at the values that it had."""

    def of(configs: Iterable[Mapping[str, Plain]]) -> tuple[Config, ...]:
        return tuple({**fixed, **{renamed.get(name, name): value for name, value in c.items()}} for c in configs)

    return replace(study, configs=of(study.configs), failed=of(study.failed))


def renaming(name: str, theirs: Space, ours: Space) -> str | None:
    """What to say where one parameter is left over on each side, and the two are alike but for the name.

    >>> from kilter import Float, Int
    >>> renaming("old", Space({"lr": Float(0, 1), "n": Int(1, 9)}), Space({"rate": Float(0, 1), "n": Int(1, 9)}))
    "'lr' of 'old' is like 'rate' here: if it is the same, say transfer=[kilter.Earlier('old', renamed={'lr': 'rate'})]"
    """
    old = [each for each in theirs.declared if each not in ours.declared]
    new = [each for each in ours.declared if each not in theirs.declared]
    if len(old) != 1 or len(new) != 1 or _bare(theirs.declared[old[0]]) != _bare(ours.declared[new[0]]):
        return None
    say = f"transfer=[kilter.Earlier({name!r}, renamed={{{old[0]!r}: {new[0]!r}}})]"
    return f"{old[0]!r} of {name!r} is like {new[0]!r} here: if it is the same, say {say}"


def _bare(parameter: Parameter) -> Parameter:
    """Its range or options alone."""
    return replace(parameter.under(()), default=UNSET, prior=None)


def _tried(history: History) -> list[tuple[Config, float]]:
    """Each configuration with the mean loss of its trials, in the order in which they were first tried."""
    losses: dict[Key, list[float]] = {}
    first: dict[Key, Config] = {}
    for number, loss in _losses(history).items():
        trial = history[number]
        if _is_whole(trial, history):
            first.setdefault(_key(trial), trial.params)
            losses.setdefault(_key(trial), []).append(loss)
    return [(first[key], float(np.mean(same))) for key, same in losses.items()]


def _losses(history: History) -> dict[int, float]:
    """By number of the feasible trials that came to their end, or of which is known what they would have come to."""
    if not history.reports.labels:  # nothing was stopped after some of its parts; a table of results takes long to make
        return {t.number: float(history.values[t.number, 0]) for t in history if history.is_candidate(t.number)}
    results = Results.of(history.at_rest())  # a sampler may be at work on those of the study itself
    rows = np.flatnonzero(results.feasible & np.isinf(results.reach))
    rows = rows[np.argsort(results.numbers[rows])]
    return dict(zip(results.numbers[rows].tolist(), results.values[rows, 0].tolist()))


def _key(trial: Record) -> Key:
    return frozenset((name, typed(value)) for name, value in trial.params.items())


def _is_whole(trial: Record, history: History) -> bool:
    """Whether a trial had all of each resource."""
    budget = trial.budget or {}
    return all(budget.get(each.name, each.high) >= each.high for each in history.problem.fidelities)


def _failed(history: History) -> list[Config]:
    """The latest configurations that failed by themselves."""
    ended = (history[number] for number in reversed(history.finished))
    found = {_key(trial): trial.params for trial in ended if is_to_blame(trial, history.values[trial.number])}
    return list(found.values())


def _short(config: Mapping[str, Plain], space: Space) -> Config:
    """With numbers shortened where they are still values of their parameters then."""
    return {name: _shortened(space.parameters.get(name), value) for name, value in config.items()}


def _shortened(parameter: Any, value: Plain) -> Plain:
    if not isinstance(parameter, Float) or not parameter.contains(value):
        return value
    short = float(f"{value:.{DIGITS}g}")
    return short if parameter.contains(short) else value


def doublings(theirs: Any, ours: Mapping[str, float] | None) -> dict[str, float]:
    """By how many doublings each size of a study is above that of the one that learns.

    >>> doublings({"width": 64, "depth": 2}, {"width": 512})
    {'width': -3.0}
    """
    known = theirs if isinstance(theirs, Mapping) else {}
    return {name: math.log2(known[name] / size) for name, size in (ours or {}).items() if name in known}
