"""Wrappers that make one problem of another; they compose, and each keeps track of the optimum.

    noisy        normal noise on what the sampler sees              failing     NaN or an exception, by chance or region
    shifted      the optimum moved off the centre and the corners   delayed     evaluations take simulated seconds
    permuted     parameters and options listed in another order     discretised numbers on a grid that has the optimum
    conditional  a switch that takes parameters away

Those in the left column but `noisy` change the space alone: `best` stays, and their order among one another does not
matter to what can be reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kilter.bench.problem import BenchProblem, Metrics, Values
from kilter.core.errors import InvalidInput
from kilter.core.options import Choice, Ordinal
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng
from kilter.core.space import Space

if TYPE_CHECKING:
    import numpy as np

MARGIN = 0.1
"""How far a shifted optimum stays from the borders and from the centre, in units of the range."""

FULL, REDUCED = "full", "reduced"


def noisy(problem: BenchProblem, sd: float | Mapping[str, float] = 0.0, relative: float = 0.0) -> BenchProblem:
    """Normal noise on every evaluation: of standard deviation `sd`, in units of the objectives, one each in a mapping.

    With `relative`, noise besides that grows with the distance from the best value, of which it is that share; for a
    single objective whose best value is known. Constraints stay exact, and `noiseless` is what it was.

    >>> from kilter.bench.problems import PROBLEMS
    >>> problem = noisy(PROBLEMS["branin"](), relative=0.3)
    >>> round(problem.evaluate(problem.optimum, rng(0, "noise"))["value"], 6)  # there it is exact
    0.397887

    Raises InvalidInput for a negative or infinite amount, and for `relative` where no distance can be measured.
    """
    names = [objective.name for objective in problem.problem.objectives]
    spread = dict(sd) if isinstance(sd, Mapping) else dict.fromkeys(names, sd)
    if not set(spread) <= set(names) or not all(0 <= value < math.inf for value in spread.values()):
        raise InvalidInput(f"sd={sd!r}: give a finite number from 0 on for any of the objectives {names!r}")
    if not 0 <= relative < math.inf:
        raise InvalidInput(f"relative={relative!r}: give the share of the distance from the best value, from 0 on")
    best = problem.best
    if relative and (best is None or len(names) > 1):
        raise InvalidInput(f"relative={relative!r}: {problem.name} has no best value that noise could grow from")

    def observe(values: Values, stream: np.random.Generator) -> Metrics:
        metrics = problem.evaluate(values, stream)
        if relative and best is not None:
            from_best = abs(problem.noiseless(values)[names[0]] - best)
            metrics = {**metrics, names[0]: metrics[names[0]] + relative * from_best * stream.standard_normal()}
        return {**metrics, **{name: metrics[name] + spread[name] * stream.standard_normal() for name in spread}}

    return _named(problem, "noisy", observe=observe)


def failing(
    problem: BenchProblem,
    share: float = 0.0,
    region: Callable[[Values], bool] | None = None,
    nan: bool = False,
) -> BenchProblem:
    """Evaluations that fail: a `share` of them by chance, and all in a `region`; with `nan` instead of an exception.

    Raises InvalidInput where the region holds the optimum, which nobody could then reach.

    >>> from kilter.bench.problems import PROBLEMS
    >>> failing(PROBLEMS["branin"](), region=lambda values: values["x1"] < 0).name
    'branin+failing'
    """
    if not 0 <= share < 1:
        raise InvalidInput(f"share={share!r}: give the share of evaluations that fail, from 0 to below 1")
    if region is not None and problem.optimum is not None and region(problem.optimum):
        raise InvalidInput(f"the region of failing() holds the optimum of {problem.name}, {dict(problem.optimum)!r}")

    def observe(values: Values, stream: np.random.Generator) -> Metrics:
        if stream.random() < share or (region is not None and region(values)):
            if not nan:
                raise ArithmeticError(f"{problem.name} fails here")
            return dict.fromkeys(problem.problem.metric_names, math.nan)
        return problem.evaluate(values, stream)

    return _named(problem, "failing", observe=observe)


def delayed(problem: BenchProblem, cost: float | Callable[[Values], float]) -> BenchProblem:
    """Evaluations take `cost` simulated seconds, so that with several slots they end in another order."""
    seconds = cost if callable(cost) else lambda values: cost
    return _named(problem, "delayed", cost=seconds)


def shifted(problem: BenchProblem, seed: int = 0) -> BenchProblem:
    """The optimum moved along each continuous parameter, off the borders and the centre; reflected at the borders.

    Translation and reflection keep distances, so the problem is as hard as it was; what is pushed out at one border is
    seen in the mirror of the other. Parameters that `optimum` does not name stay, as those along a Pareto front should.

    Raises InvalidInput where the optimum is not known: it might be pushed out.
    """
    if problem.optimum is None:
        raise InvalidInput(f"shifted() needs an optimum that is known, which {problem.name} has not")
    space, stream = problem.problem.space, rng(seed, "shifted")
    shifts: dict[str, float] = {}
    moved = dict(problem.optimum)
    for name, parameter in space.parameters.items():
        if name in moved and parameter.is_continuous:
            shifts[name], place = _shift(parameter.unit(moved[name]), stream)
            moved[name] = parameter.from_unit(place)

    def back(values: Values) -> Values:
        return {name: _slid(space[name], v, shifts[name]) if name in shifts else v for name, v in values.items()}

    return _through(problem, "shifted", back, optimum=moved)


def _shift(place: float, stream: np.random.Generator) -> tuple[float, float]:
    """A shift of the unit interval, and where it takes what was at `place`: off the borders and the centre.

    A place in the lower half stays in reach of every shift upwards, directly or in the mirror; one above, downwards.
    """
    while True:
        shift = stream.uniform(0, 1) if place <= 0.5 else -stream.uniform(0, 1)
        images = (place + shift, shift - place, 2.0 + shift - place)
        for image in images:
            off_centre = abs(image - 0.5) >= MARGIN
            if MARGIN <= image <= 1 - MARGIN and off_centre and math.isclose(_folded(image - shift), place):
                return shift, image


def _folded(t: float) -> float:
    """A number reflected at 0 and 1 until it lies between them."""
    return 1.0 - abs(1.0 - t % 2.0)


def _slid(parameter: Parameter, value: Any, shift: float) -> Any:
    return parameter.from_unit(_folded(parameter.unit(value) - shift))


def permuted(problem: BenchProblem, seed: int = 0) -> BenchProblem:
    """Parameters and the options of each choice listed in another order, on which no sampler should rely."""
    space, stream = problem.problem.space, rng(seed, "permuted")
    names = [space.names[i] for i in stream.permutation(len(space))]
    mixed = {name: _reordered(space[name], stream) for name in names}
    return _named(problem, "permuted", problem=problem.problem.with_space(_with_clauses(mixed, space)))


def _reordered(parameter: Parameter, stream: np.random.Generator) -> Parameter:
    if not isinstance(parameter, Choice):
        return parameter
    options = list(parameter.options.items() if isinstance(parameter.options, Mapping) else parameter.options)
    options = [options[i] for i in stream.permutation(len(options))]
    return replace(parameter, options=dict(options) if isinstance(parameter.options, Mapping) else options)


def conditional(problem: BenchProblem, seed: int = 0, name: str = "switch") -> BenchProblem:
    """A choice `name`: under "full" all parameters count, under "reduced" half are inactive, at values drawn once.

    The optimum lies under "full". Which half, and its values, follow from the seed. Raises InvalidInput where the name
    is taken, or where there is no parameter to take away.
    """
    space, stream = problem.problem.space, rng(seed, "conditional")
    roots = [known for known in space.names if not space[known].conditions]
    if name in space or not roots:
        raise InvalidInput(f"conditional({problem.name}, name={name!r}): the space needs parameters, none of that name")
    chosen = {roots[i] for i in stream.permutation(len(roots))[: max(1, len(roots) // 2)]}
    row = stream.random(len(space))
    parameters: dict[str, Parameter] = {name: Choice([FULL, REDUCED])}
    for known, parameter in space.parameters.items():
        parameters[known] = parameter.when({name: FULL}) if known in chosen else parameter

    def back(values: Values) -> Values:
        given = {known: value for known, value in values.items() if known != name}
        if values[name] == FULL:
            return given
        return space.values(space.from_uniforms(row, {known: space[known].plain(v) for known, v in given.items()}))

    optimum = None if problem.optimum is None else {name: FULL, **problem.optimum}
    inner = problem.problem.with_space(_with_clauses(parameters, space))
    return _through(problem, "conditional", back, problem=inner, optimum=optimum)


def discretised(problem: BenchProblem, levels: int) -> BenchProblem:
    """Each continuous parameter becomes `levels` ordered values, evenly spread in its scale, the optimum among them.

    Raises InvalidInput for fewer than 2 levels, and for several objectives, whose front no grid would hold.
    """
    if levels < 2 or len(problem.problem.objectives) > 1:
        raise InvalidInput(
            f"discretised({problem.name}, {levels!r}): needs one objective, and at least 2 levels to tell apart"
        )
    space, optimum = problem.problem.space, problem.optimum
    parameters = {
        name: _on_grid(parameter, levels, None if optimum is None else optimum.get(name))
        if parameter.is_continuous
        else parameter
        for name, parameter in space.parameters.items()
    }
    best = problem.best if optimum is not None else None  # else the grid may miss it
    return _named(
        problem, "discretised", problem=problem.problem.with_space(_with_clauses(parameters, space)), best=best
    )


def _on_grid(parameter: Parameter, levels: int, optimum: float | None) -> Ordinal:
    place = 0.5 / levels if optimum is None else parameter.unit(optimum)
    nearest = min(int(place * levels), levels - 1)
    offset = place * levels - nearest  # in [0, 1], so that all lie in the range
    values: list[Any] = [parameter.from_unit((i + offset) / levels) for i in range(levels)]
    if optimum is not None:
        values[nearest] = optimum
    return Ordinal(values, conditions=parameter.conditions)


def _named(problem: BenchProblem, word: str, /, **changes: Any) -> BenchProblem:
    """The problem with some fields changed, and what was done to it in its name and tags."""
    return replace(problem, name=f"{problem.name}+{word}", tags=problem.tags | {word}, **changes)


def _through(inner: BenchProblem, word: str, back: Callable[[Values], Values], /, **changes: Any) -> BenchProblem:
    """The problem seen through a map from the new values to the old ones."""
    observe, cost = inner.observe, inner.cost
    return _named(
        inner,
        word,
        function=lambda values: inner.function(back(values)),
        observe=None if observe is None else lambda values, stream: observe(back(values), stream),
        cost=None if cost is None else lambda values: cost(back(values)),
        **changes,
    )


def _with_clauses(parameters: Mapping[str, Parameter], space: Space) -> Space:
    """A space of these parameters with the forbidden clauses of another."""
    return Space(parameters, [{name: list(values) for name, values in clause.items()} for clause in space.forbidden])
