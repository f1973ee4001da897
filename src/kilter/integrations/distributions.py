"""scikit-learn's `param_distributions` as a space, and configurations of that space as candidates.

    candidates = Candidates.of({"C": loguniform(1e-3, 1e3), "kernel": ["rbf", "poly"]})
    candidates.params({"C": 0.1, "kernel": "rbf"})          # what an estimator's set_params takes

What may stand there, by parameter of the estimator:

    a parameter of kilter      itself, conditions included
    uniform, loguniform, randint of scipy.stats               the Float or Int that it is
    any other of a few whole numbers    an Ordinal of them, with a Prior at the median
    any other with `ppf`       a Float, the quantile; the value is that quantile of the distribution
    any other with `rvs`       an Int, the seed of a draw: it can be drawn again, but nothing can be learned of it
    a list                     an Ordinal where it is of at least three numbers that rise or fall, else a Choice;
                               a value that it has more than once counts once, with a warning

Several dicts are branches of one Choice; a parameter is active in the dict that it stands in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Union

import numpy as np

from kilter.core.declared import expanded
from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice, Ordinal
from kilter.core.parameter import Condition, Parameter, Prior
from kilter.core.space import Config, Space
from kilter.core.text import shown
from kilter.integrations.conversion import confidence
from kilter.runtime.notices import notice
from kilter.spaces.knowledge import known_of

BRANCH = "which dict"
"""The parameter that says which of several dicts a candidate is drawn from; no estimator sees it."""

TAIL = 1e-6
"""Quantiles of a distribution without an end go no nearer to it than this."""

FEW = 100
"""Whole numbers up to which a distribution becomes a list, since many quantiles would be the same candidate."""

SEEDS = 2**31 - 1
"""Draws of a distribution that can do nothing but draw."""

Value = tuple[Callable[[Any], Any], Union[Callable[[Any], Any], None]]
"""What makes the estimator's value of the space's, and the way back where there is one."""


@dataclass(frozen=True)
class Candidates:
    """A space, and how its configurations read as parameters of an estimator.

    >>> candidates = Candidates.of([{"C": [1, 10]}, {"kernel": ["poly"], "degree": [2, 3]}])
    >>> candidates.params({"which dict": 1, "kernel (1)": "poly", "degree (1)": 3})
    {'degree': 3, 'kernel': 'poly'}
    >>> candidates.config({"C": 10, "kernel": "rbf", "degree": 3})
    {'which dict': 0, 'C (0)': 10}
    """

    space: Space
    names: dict[str, str]
    """The estimator's name of each parameter of the space, but the branch."""
    values: dict[str, Value] = field(default_factory=dict)
    """Of the parameters whose values are not the estimator's own."""
    can_be_drawn: bool = False
    """Whether scikit-learn's ParameterSampler could draw from what was given."""

    @classmethod
    def of(cls, given: Space | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Candidates:
        """What a dict, several dicts or a Space describe; raises InvalidInput for what stands for no values."""
        if isinstance(given, Space):
            return cls(given, {name: name for name in given.names})
        dicts = [given] if isinstance(given, Mapping) else list(given)
        if not dicts or not all(isinstance(one, Mapping) for one in dicts):
            raise InvalidInput(f"param_distributions={given!r}: give a dict of parameters, or a list of such dicts")
        if len(dicts) == 1 and dicts[0]:
            return cls._of_one(dicts[0])
        declared: dict[str, Parameter] = {BRANCH: Choice(list(range(len(dicts))))}
        names: dict[str, str] = {}
        values: dict[str, Value] = {}
        for i, one in enumerate(dicts):
            if not one:
                continue
            part = cls._of_one(one)
            known = part.space.declared
            renamed = {name: f"{name} ({i})" for name in known}
            parents = dict(zip(expanded(known), expanded({renamed[name]: p for name, p in known.items()})))
            for name, parameter in known.items():
                conditions = [Condition(parents[c.parent], c.values) for c in parameter.conditions]
                declared[renamed[name]] = replace(parameter, conditions=(Condition(BRANCH, (i,)), *conditions))
            names.update({renamed[name]: of for name, of in part.names.items()})
            values.update({renamed[name]: value for name, value in part.values.items()})
        return cls(Space(declared), names, values, not _has_parameters(dicts))

    @classmethod
    def _of_one(cls, given: Mapping[str, Any]) -> Candidates:
        declared: dict[str, Parameter] = {}
        values: dict[str, Value] = {}
        for name, described in given.items():
            try:
                declared[name], value = _dimension(described)
            except InvalidInput as error:
                raise InvalidInput(f"param_distributions[{name!r}]: {error}") from None
            if value is not None:
                values[name] = value
        space = Space(declared, known=known_of(given))
        return cls(space, {name: name for name in space.declared}, values, not _has_parameters([given]))

    def params(self, config: Config) -> dict[str, Any]:
        """The estimator's parameters of a configuration, by name."""
        values = {
            self.names[name]: self.values[name][0](value) if name in self.values else value
            for name, value in self.space.values(config).items()
            if name in self.names
        }
        return dict(sorted(values.items()))

    def config(self, params: Mapping[str, Any]) -> Config | None:
        """The configuration whose candidate an estimator with these parameters is; None where none is that."""
        for branch in self.space[BRANCH].grid(len(self.names) + 1) if BRANCH in self.space else [None]:
            config: Config = {} if branch is None else {BRANCH: branch}
            try:
                for name, of in self.names.items():
                    if self.space.is_active(name, config):
                        config |= self._config(name, params[of])
            except (InvalidInput, KeyError):
                continue
            return None if self.space.is_forbidden(config) else config
        return None

    def _config(self, name: str, value: Any) -> Config:
        """A value of the estimator's in the log's form; estimators are the same where they read the same."""
        parameter = self.space[name]
        if name in self.values:
            back = self.values[name][1]
            if back is None or not _is_number(value):
                raise InvalidInput(f"which value of {name!r} gives {value!r} is not known")
            value = min(max(float(back(value)), parameter.low), parameter.high)  # type: ignore[attr-defined]
        for plain, known in zip(parameter.labels, parameter.values):
            if type(known) is type(value) and hasattr(value, "get_params") and repr(known) == repr(value):
                return {name: plain}
        return self.space.plain_of({name: value})


def _has_parameters(dicts: Iterable[Mapping[str, Any]]) -> bool:
    return any(isinstance(described, Parameter) for one in dicts for described in one.values())


def _dimension(described: Any) -> tuple[Parameter, Value | None]:
    """The parameter that was described, and how its values become the estimator's."""
    if isinstance(described, Parameter):
        return described, None
    if hasattr(described, "rvs"):
        return _drawn(described)
    if isinstance(described, (str, bytes)) or not isinstance(described, Iterable):
        raise InvalidInput(
            f"{described!r} is not a list, distribution or parameter: for a constant, give a list of one value; for a "
            "range, kilter.Float(low, high) or kilter.Int(low, high)"
        )
    values = list(described)
    if len(values) == 3 and all(map(_is_number, values[:2])) and values[2] in ("uniform", "log-uniform"):
        low, high, kind = values
        number = Int if isinstance(low, int) and isinstance(high, int) else Float
        raise InvalidInput(f"{described!r} would be a list: the range is kilter.{number(low, high, log='log' in kind)}")
    if isinstance(described, tuple) and len(values) == 2 and all(map(_is_number, values)) and values[0] < values[1]:
        number = Int if all(isinstance(value, int) for value in values) else Float
        raise InvalidInput(
            f"{described!r} may be a range or two values: write kilter.{number(*values)} or {list(described)!r}"
        )
    return _listed(values), None


def _drawn(distribution: Any) -> tuple[Parameter, Value | None]:
    """A distribution of SciPy, or anything that can draw."""
    if not hasattr(distribution, "ppf"):
        return Int(0, SEEDS), (lambda seed: distribution.rvs(random_state=np.random.RandomState(seed)), None)
    low, high = (float(end) for end in distribution.support())
    kind = getattr(distribution, "dist", distribution)  # of a frozen one; others stand for themselves
    name = getattr(kind, "name", "")
    if name == "randint":
        return Int(int(low), int(high)), None
    if name == "uniform":
        return Float(low, high), None
    if name in ("loguniform", "reciprocal") and math.isclose(distribution.ppf(0.5) ** 2, low * high):  # not shifted
        return Float(low, high, log=True), None
    if hasattr(kind, "pmf"):
        numbers = np.arange(distribution.ppf(TAIL), distribution.ppf(1 - TAIL) + 1)
        values = numbers[distribution.pmf(numbers) > 0].astype(int).tolist() if len(numbers) <= FEW else []
        if values:
            spread = float(distribution.std()) / max(values[-1] - values[0], 1)
            return Ordinal(values, prior=Prior(int(distribution.median()), confidence(spread))), None
    ends = 0.0 if math.isfinite(low) else TAIL, 1.0 if math.isfinite(high) else 1 - TAIL
    number = int if hasattr(kind, "pmf") else float
    return Float(*ends), (lambda quantile: number(distribution.ppf(quantile)), distribution.cdf)


def _listed(values: list[Any]) -> Parameter:
    """A list of values; those that have no name of their own in the log go by what they read like."""
    values = _distinct(values)
    if len(values) >= 3 and all(map(_is_number, values)):
        steps = np.diff(np.asarray(values, dtype=float))
        if (steps > 0).all() or (steps < 0).all():
            return Ordinal(values)
    try:
        return Choice(values)
    except InvalidInput:
        if not values:
            raise
    names: dict[str, Any] = {}
    for i, value in enumerate(values):
        text = re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)))[:80]
        names[text if text not in names else f"{text} #{i}"] = value
    return Choice(names)


def _distinct(values: list[Any]) -> list[Any]:
    """The values without those that stand there again, which are a weight where candidates are drawn at random."""
    found: list[Any] = []
    for value in values:
        if not any(value is known or _is_plain_twin(value, known) for known in found):
            found.append(value)
    if len(found) < len(values):
        notice(
            f"param_distributions: {shown(values)} has values more than once; each counts once, as this search "
            "learns by itself which to try more often"
        )
    return found


def _is_plain_twin(value: Any, known: Any) -> bool:
    """Whether two values of one plain type are equal: 1, 1.0 and True are three options."""
    return type(value) is type(known) and isinstance(value, (str, int, float, np.generic)) and bool(value == known)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
