"""An earlier study seen from the space of the study that learns: parameters by their name, values as they are.

A value of a range that was wider, shifted, logarithmic or finer lies where it lies in the new one; a row with a value
that is no more of the space is left out, since a configuration moved to the border was never tried. A parameter that
has become a list of options of which the study tried none is another one, and the others go on. What the earlier
study did not know of an active parameter counts as its default, where it has one, and is unknown else; what the
new space does not know is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from typing import Any

import numpy as np

from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput
from kilter.core.numbers import Number
from kilter.core.parameter import Parameter, Plain
from kilter.core.space import Space
from kilter.models.results import LEAST

NEAR = 1e-5
"""A number this near a bound, as a share of it, is the bound: digests round theirs to six digits."""


@dataclass(frozen=True)
class Matched:
    """What of an earlier study is of a space."""

    matrix: np.ndarray
    """Its configurations in the unit cube, as History has them: NaN where unknown or inactive; (n, d)."""
    losses: np.ndarray
    """(n,), smaller is better; empty where they are only to be tried."""
    failed: np.ndarray
    """Configurations that failed, in the same form, (f, d)."""
    kept: tuple[int, ...]
    """Which of the study's configurations the rows are."""
    matched: tuple[str, ...]
    """The space's parameters that it knows values of."""
    missing: tuple[str, ...]
    """The space's parameters that it knows nothing of."""
    extra: tuple[str, ...]
    """Its own parameters that the space does not have, or has as something else."""
    reason: str | None
    """Why it cannot teach anything; None where it can."""


def matched(study: EarlierStudy, space: Space) -> Matched:
    """The rows of an earlier study that are of this space.

    >>> from kilter.core.numbers import Float
    >>> study = EarlierStudy("wine", ({"x": 0.5}, {"x": 2.0}, {"x": 0.0, "y": 1}), (0.3, 0.1, 0.2))
    >>> seen = matched(study, Space({"x": Float(0, 1), "z": Float(0, 1)}))
    >>> seen.matrix.tolist(), seen.missing, seen.extra, seen.reason
    ([[0.5, nan], [0.0, nan]], ('z',), ('y',), 'only 2 of its 3 trials are of this space, and 3 are needed')
    """
    tried = _without_clashes([*study.configs, *study.failed], space)
    tried, broken = tried[: len(study.configs)], tried[len(study.configs) :]
    configs = [config_in(config, space) for config in tried]
    losses = study.losses or (0.0,) * len(configs)
    kept = tuple(i for i, (config, loss) in enumerate(zip(configs, losses)) if config is not None and isfinite(loss))
    failed = [config for config in (config_in(config, space) for config in broken) if config is not None]
    names = {name for config in study.configs for name in config}
    known = {name for name, given in _known(tried, space)}
    return Matched(
        space.encode([configs[i] or {} for i in kept]),
        np.array([study.losses[i] for i in kept] if study.losses else []),
        space.encode(failed),
        kept,
        tuple(name for name in space if name in known),
        tuple(name for name in space if name not in known),
        tuple(sorted(names - known)),
        _reason(study, [losses[i] for i in kept], known, space),
    )


def config_in(config: Mapping[str, Plain], space: Space) -> dict[str, Plain] | None:
    """What a configuration says of the parameters that are active in a space; None where it is none of the space's."""
    taken: dict[str, Plain] = {}
    for name, parameter in space.parameters.items():
        if not space.is_active(name, taken):
            continue
        if name in config and _is_of_its_kind(config[name], parameter):
            try:
                taken[name] = _nearest(config[name], parameter)
            except InvalidInput:
                return None
        elif parameter.has_default:
            taken[name] = parameter.plain(parameter.default)
    return None if space.is_forbidden(taken) else taken


def _without_clashes(configs: Sequence[Mapping[str, Plain]], space: Space) -> Sequence[Mapping[str, Plain]]:
    """Configurations without what is a list of options here of which none was ever tried: it is something else now."""
    options = {name: each for name, each in space.parameters.items() if not isinstance(each, Number)}
    seen = {n for config in configs for n, value in config.items() if n in options and _is_option(value, options[n])}
    clashes = options.keys() - seen
    return [{name: value for name, value in config.items() if name not in clashes} for config in configs]


def _is_option(value: Any, parameter: Parameter) -> bool:
    try:
        return _is_of_its_kind(value, parameter) and parameter.contains(parameter.plain(value))
    except InvalidInput:
        return False


def _known(configs: Iterable[Mapping[str, Plain]], space: Space) -> Iterable[tuple[str, Plain]]:
    """Names and values of configurations that mean something in a space."""
    for config in configs:
        for name, value in config.items():
            if name in space.parameters and _is_of_its_kind(value, space.parameters[name]):
                yield name, value


def _is_of_its_kind(value: Any, parameter: Parameter) -> bool:
    """Whether a plain value could be one of a parameter's, if its range or its options were others."""
    if isinstance(parameter, Number):
        return _sort(value) is float
    return _sort(value) in map(_sort, parameter.labels)


def _sort(value: Any) -> type:
    """The type of a plain value; whole numbers and others are one."""
    return float if type(value) in (int, float) else type(value)


def _nearest(value: Any, parameter: Parameter) -> Plain:
    """A value as one of a parameter's: on its grid where it has one; raises InvalidInput where it is outside."""
    if not isinstance(parameter, Number):
        return parameter.plain(value)
    for bound in (parameter.low, parameter.high):
        if isclose(value, bound, rel_tol=NEAR):
            value = bound
    if parameter.step is None or not parameter.low <= value <= parameter.high:
        return parameter.plain(value)
    places = round((value - parameter.low) / parameter.step)
    return parameter.from_unit(parameter.unit(parameter.low + places * parameter.step))


def _reason(study: EarlierStudy, losses: list[float], known: set[str], space: Space) -> str | None:
    if not study.configs:
        return "none of its trials has a value that can be used"
    if not known:
        own = sorted({name for config in study.configs for name in config})
        return f"it has none of the parameters {_listed(space)}, but {_listed(own)}"
    if not study.losses:
        return None if losses else "none of its configurations is of this space"
    if len(losses) < LEAST:
        return f"only {len(losses)} of its {len(study.configs)} trials are of this space, and {LEAST} are needed"
    if max(losses) == min(losses):
        return "all its values are equal"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
