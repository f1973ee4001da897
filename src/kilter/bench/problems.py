"""Functions with known optima, by name: `PROBLEMS` holds a maker each, `find` those that patterns pick.

    f(x)   x is an array of shape (d,), its parameters are called x1 … xd
    all are minimised, except where the metric is called accuracy

Optima that lie at the centre, in a corner or at the border are shifted, so that no sampler finds them by its first
guess. The formulas are those of Surjanovic and Bingham's Virtual Library of Simulation Experiments, of Hansen et al.
2009 (BBOB), of Zitzler, Deb and Thiele 2000 (ZDT) and of Deb et al. 2005 (DTLZ).
"""

from __future__ import annotations

import fnmatch
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from kilter.bench.problem import BenchProblem, Values
from kilter.bench.wrappers import conditional, delayed, discretised, failing, noisy, shifted
from kilter.core.errors import UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Parameter
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Space

Function = Callable[[np.ndarray], float]

ROUGHNESS = 10.0
"""Amplitude of Rastrigin's cosines, as usual."""


def _names(dimensions: int) -> list[str]:
    return [f"x{i + 1}" for i in range(dimensions)]


def _vector(values: Values) -> np.ndarray:
    """x1 … xd, in whatever order a space lists them."""
    return np.array([values[f"x{i + 1}"] for i in range(len(values))], dtype=float)


def _continuous(
    name: str, f: Function, bounds: Sequence[tuple[float, float]], optimum: Sequence[float], best: float
) -> BenchProblem:
    """A function of a vector; its optimum lies where it lies."""
    names = _names(len(bounds))
    space = Space({known: Float(low, high) for known, (low, high) in zip(names, bounds)})
    return BenchProblem(
        name,
        Problem(space),
        lambda values: {"value": float(f(_vector(values)))},
        best,
        dict(zip(names, map(float, optimum))),
        tags=frozenset({"continuous"}),
    )


def _off_centre(problem: BenchProblem, seed: int) -> BenchProblem:
    """The problem under its own name with its optimum moved, to a place of its own."""
    moved = shifted(problem, seed + zlib.crc32(problem.name.encode()))
    return replace(moved, name=problem.name, tags=problem.tags)


# -- one objective, continuous --------------------------------------------------------------------------------------


def sphere(dimensions: int = 4, seed: int = 0) -> BenchProblem:
    """Σ x², the easiest bowl."""
    bounds = [(-5.12, 5.12)] * dimensions
    return _off_centre(
        _continuous(f"sphere-{dimensions}", lambda x: float(x @ x), bounds, [0.0] * dimensions, 0.0), seed
    )


def ellipsoid(dimensions: int = 6, seed: int = 0) -> BenchProblem:
    """A bowl of condition 10⁴, rotated, so that no axis is worth searching alone."""
    rotation, scales = _rotation(dimensions, seed), _scales(dimensions, 1e4)
    bounds = [(-5.0, 5.0)] * dimensions

    def f(x: np.ndarray) -> float:
        return float(scales @ (rotation @ x) ** 2)

    return _off_centre(_continuous(f"ellipsoid-{dimensions}", f, bounds, [0.0] * dimensions, 0.0), seed)


def step_ellipsoid(dimensions: int = 5, seed: int = 0) -> BenchProblem:
    """Plateaus on a rotated bowl of condition 100: no gradient anywhere (BBOB f7, without its penalty)."""
    first, second = _rotation(dimensions, seed), _rotation(dimensions, seed + 1)
    scales = _scales(dimensions, 100.0)
    bounds = [(-5.0, 5.0)] * dimensions

    def f(x: np.ndarray) -> float:
        z = np.sqrt(_scales(dimensions, 10.0)) * (first @ x)
        rounded = np.where(np.abs(z) > 0.5, np.floor(0.5 + z), np.floor(0.5 + 10 * z) / 10)
        return 0.1 * max(float(abs(z[0])) / 1e4, float(scales @ (second @ rounded) ** 2))

    return _off_centre(_continuous(f"step-ellipsoid-{dimensions}", f, bounds, [0.0] * dimensions, 0.0), seed)


def rosenbrock(dimensions: int = 4) -> BenchProblem:
    """A narrow bent valley to (1, …, 1)."""

    def f(x: np.ndarray) -> float:
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    return _continuous(f"rosenbrock-{dimensions}", f, [(-2.048, 2.048)] * dimensions, [1.0] * dimensions, 0.0)


def rastrigin(dimensions: int = 5, seed: int = 0) -> BenchProblem:
    """A bowl with a grid of local minima."""

    def f(x: np.ndarray) -> float:
        return float((x * x + ROUGHNESS * (1 - np.cos(2 * np.pi * x))).sum())

    bounds = [(-5.12, 5.12)] * dimensions
    return _off_centre(_continuous(f"rastrigin-{dimensions}", f, bounds, [0.0] * dimensions, 0.0), seed)


def ackley(dimensions: int = 6, seed: int = 0) -> BenchProblem:
    """Nearly flat and rough far out, a funnel in the middle."""

    def f(x: np.ndarray) -> float:
        funnel = -20 * math.exp(-0.2 * math.sqrt(float(x @ x) / dimensions))
        return funnel - math.exp(float(np.cos(2 * np.pi * x).mean())) + 20 + math.e

    bounds = [(-32.768, 32.768)] * dimensions
    return _off_centre(_continuous(f"ackley-{dimensions}", f, bounds, [0.0] * dimensions, 0.0), seed)


def levy(dimensions: int = 4, seed: int = 0) -> BenchProblem:
    """Waves across a bowl."""

    def f(x: np.ndarray) -> float:
        w = 1 + (x - 1) / 4
        inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
        last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
        return float(math.sin(math.pi * w[0]) ** 2 + inner + last)

    bounds = [(-10.0, 10.0)] * dimensions
    return _off_centre(_continuous(f"levy-{dimensions}", f, bounds, [1.0] * dimensions, 0.0), seed)


def schwefel(dimensions: int = 3) -> BenchProblem:
    """The second-best valley is far from the best."""

    def f(x: np.ndarray) -> float:
        return float((418.98288727243374 - x * np.sin(np.sqrt(np.abs(x)))).sum())

    return _continuous(f"schwefel-{dimensions}", f, [(-500.0, 500.0)] * dimensions, [420.96874690935] * dimensions, 0.0)


def griewank(dimensions: int = 6, seed: int = 0) -> BenchProblem:
    """A wide bowl under fine waves."""
    roots = np.sqrt(np.arange(1, dimensions + 1))

    def f(x: np.ndarray) -> float:
        return float(x @ x / 4000 - np.prod(np.cos(x / roots)) + 1)

    bounds = [(-600.0, 600.0)] * dimensions
    return _off_centre(_continuous(f"griewank-{dimensions}", f, bounds, [0.0] * dimensions, 0.0), seed)


def styblinski_tang(dimensions: int = 5) -> BenchProblem:
    """Two valleys along each axis, one of them deeper."""

    def f(x: np.ndarray) -> float:
        return float(0.5 * (x**4 - 16 * x**2 + 5 * x).sum())

    best = -39.16616570377142 * dimensions
    return _continuous(
        f"styblinski-tang-{dimensions}", f, [(-5.0, 5.0)] * dimensions, [-2.9035340151190754] * dimensions, best
    )


def branin() -> BenchProblem:
    """Three equal minima in two dimensions."""

    def f(x: np.ndarray) -> float:
        bent = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
        return float(bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10)

    return _continuous("branin", f, [(-5.0, 10.0), (0.0, 15.0)], [math.pi, 2.275], 10 / (8 * math.pi))


def six_hump(seed: int = 0) -> BenchProblem:
    """The six-hump camel: two equal minima of six."""

    def f(x: np.ndarray) -> float:
        a, b = x
        return float((4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (4 * b**2 - 4) * b**2)

    optimum = [0.08984200893527233, -0.712656403019058]
    return _off_centre(_continuous("six-hump", f, [(-3.0, 3.0), (-2.0, 2.0)], optimum, -1.0316284534898774), seed)


def double_funnel(dimensions: int = 2, seed: int = 0) -> BenchProblem:
    """Two rough funnels: the wider one leads to a worse minimum (BBOB f24, Lunacek's bi-Rastrigin, not rotated)."""
    deep = 2.5
    slope = 1 - 1 / (2 * math.sqrt(dimensions + 20) - 8.2)
    shallow = -math.sqrt((deep**2 - 1) / slope)

    def f(x: np.ndarray) -> float:
        funnels = min(((x - deep) ** 2).sum(), dimensions + slope * ((x - shallow) ** 2).sum())
        return float(funnels + ROUGHNESS * (1 - np.cos(2 * np.pi * (x - deep))).sum())

    bounds, optimum = [(-5.0, 5.0)] * dimensions, [deep] * dimensions
    return _off_centre(_continuous(f"double-funnel-{dimensions}", f, bounds, optimum, 0.0), seed)


def peaks(dimensions: int = 3, seed: int = 0) -> BenchProblem:
    """Twenty bumps of random places, widths and heights, the highest of them narrow (after BBOB f22, Gallagher's)."""
    stream = rng(seed, "peaks")
    centres = stream.uniform(0.1, 0.9, (20, dimensions))
    widths = stream.uniform(0.05, 0.2, (20, dimensions)) * math.sqrt(dimensions)
    heights = np.append(stream.uniform(0.3, 0.9, 19), 1.0)
    widths[-1] = 0.1 * math.sqrt(dimensions)

    def f(x: np.ndarray) -> float:
        return -float((heights * np.exp(-0.5 * (((x - centres) / widths) ** 2).sum(axis=1))).max())

    return _continuous(f"peaks-{dimensions}", f, [(0.0, 1.0)] * dimensions, centres[-1].tolist(), -1.0)


HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
WIDTHS_3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
CENTRES_3 = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
WIDTHS_6 = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
CENTRES_6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(dimensions: int) -> BenchProblem:
    """Four bumps in 3 or 6 dimensions."""
    widths, centres = (WIDTHS_3, CENTRES_3) if dimensions == 3 else (WIDTHS_6, CENTRES_6)
    if dimensions == 3:
        best, optimum = -3.862779787332663, [0.11458887133078, 0.55564889556221, 0.85254698387929]
    else:
        best = -3.3223680114155147
        optimum = [0.20168951064, 0.15001069460, 0.47687397459, 0.27533242852, 0.31165161724, 0.65730053300]

    def f(x: np.ndarray) -> float:
        return -float(HEIGHTS @ np.exp(-(widths * (x - centres) ** 2).sum(axis=1)))

    return _continuous(f"hartmann-{dimensions}", f, [(0.0, 1.0)] * dimensions, optimum, best)


# -- one objective, other kinds -------------------------------------------------------------------------------------


def mixed() -> BenchProblem:
    """Like training a network: log scales, whole numbers, choices and a flag; the best learning rate falls with depth.

    Each term is 0 at the optimum alone, and above it elsewhere.
    """
    penalty = {"relu": 0.25, "gelu": 0.0, "tanh": 0.5, "sigmoid": 0.9}
    space = Space(
        {
            "learning_rate": Float(1e-5, 1.0, log=True),
            "layers": Int(1, 8),
            "width": Int(16, 1024, log=True),
            "activation": Choice(list(penalty)),
            "dropout": Float(0.0, 0.9),
            "batch": Ordinal([16, 32, 64, 128, 256]),
            "normalise": Boolean(),
        }
    )

    def function(values: Values) -> dict[str, float]:
        rate = math.log10(values["learning_rate"]) + 2.3 + 0.3 * (values["layers"] - 3)
        size = math.log2(values["width"] / 300)
        loss = 0.4 * rate**2 + 0.08 * (values["layers"] - 3) ** 2 + 0.1 * size**2
        loss += 2.0 * (values["dropout"] - 0.18) ** 2 + 0.05 * abs(math.log2(values["batch"] / 64))
        loss += penalty[values["activation"]] * (1.0 if values["normalise"] else 2.0)
        return {"value": loss + (0.0 if values["normalise"] else 0.15)}

    optimum = {
        "learning_rate": 10**-2.3,
        "layers": 3,
        "width": 300,
        "activation": "gelu",
        "dropout": 0.18,
        "batch": 64,
        "normalise": True,
    }
    return BenchProblem("mixed", Problem(space), function, 0.0, optimum, tags=frozenset({"mixed"}))


def pipeline() -> BenchProblem:
    """A choice of model, each with settings of its own: the best one is narrow, and worse than another on average."""
    tree: dict[str, dict[str, Parameter]] = {
        "svm": {"C": Float(1e-3, 1e4, log=True), "gamma": Float(1e-5, 10.0, log=True)},
        "forest": {"trees": Int(10, 500, log=True), "features": Float(0.05, 1.0), "depth": Int(2, 20)},
        "linear": {"alpha": Float(1e-6, 10.0, log=True), "penalty": Choice(["l1", "l2"])},
    }
    space = Space({"scaler": Choice(["none", "standard", "rank"]), "model": Choice(tree)})
    handicap = {
        "svm": {"none": 0.12, "standard": 0.0, "rank": 0.03},
        "forest": {"none": 0.0, "standard": 0.0, "rank": 0.0},
        "linear": {"none": 0.06, "standard": 0.0, "rank": 0.02},
    }

    def function(values: Values) -> dict[str, float]:
        model = values["model"]
        if model == "svm":
            c, gamma = math.log10(values["C"]), math.log10(values["gamma"])
            loss = 0.3 * (1 - math.exp(-((c + gamma + 0.5) ** 2) - 0.15 * (c - gamma - 3.5) ** 2))
        elif model == "forest":
            loss = 0.08 + 0.02 * (2.7 - math.log10(values["trees"])) + 0.05 * (values["features"] - 0.3) ** 2
            loss += 0.0004 * (values["depth"] - 14) ** 2
        else:
            loss = 0.14 + 0.01 * (math.log10(values["alpha"]) + 2.5) ** 2 + (0.02 if values["penalty"] == "l1" else 0.0)
        return {"accuracy": 0.97 - loss - handicap[model][values["scaler"]]}

    optimum = {"scaler": "standard", "model": "svm", "C": 10**1.5, "gamma": 1e-2}
    problem = Problem(space, (Objective("accuracy", "maximize"),))
    return BenchProblem("pipeline", problem, function, 0.97, optimum, tags=frozenset({"mixed", "tree"}))


def table(parameters: int = 6, options: int = 4, seed: int = 0) -> BenchProblem:
    """Choices alone: random effects of each option and of each pair, its optimum found by looking at all."""
    stream = rng(seed, "table")
    labels = [f"option-{i}" for i in range(options)]
    effects = stream.standard_normal((parameters, options))
    pairs = {(i, j): 0.7 * stream.standard_normal((options, options)) for i in range(parameters) for j in range(i)}
    total = np.zeros((options,) * parameters)
    axes = np.indices(total.shape)
    for i in range(parameters):
        total += effects[i][axes[i]]
        for j in range(i):
            total += pairs[i, j][axes[i], axes[j]]
    names = [f"c{i + 1}" for i in range(parameters)]
    place = np.unravel_index(int(np.argmin(total)), total.shape)

    def function(values: Values) -> dict[str, float]:
        return {"value": float(total[tuple(labels.index(values[name]) for name in names)])}

    return BenchProblem(
        "table",
        Problem(Space({name: Choice(labels) for name in names})),
        function,
        float(total.min()),
        {name: labels[i] for name, i in zip(names, place)},
        tags=frozenset({"categorical"}),
    )


# -- constraints ----------------------------------------------------------------------------------------------------


def pressure_vessel() -> BenchProblem:
    """The cost of a vessel of steel plates, whose thicknesses come in sixteenths of an inch (Sandgren 1990).

    The optimum is on the borders of two of its three constraints.
    """
    plate = Float(0.0625, 6.1875, step=0.0625)
    space = Space({"shell": plate, "head": plate, "radius": Float(10.0, 200.0), "length": Float(10.0, 200.0)})

    def function(values: Values) -> dict[str, float]:
        shell, head, radius, length = (values[name] for name in ("shell", "head", "radius", "length"))
        cost = 0.6224 * shell * radius * length + 1.7781 * head * radius**2
        return {
            "cost": cost + 3.1661 * shell**2 * length + 19.84 * shell**2 * radius,
            "shell_lacks": 0.0193 * radius - shell,
            "head_lacks": 0.00954 * radius - head,
            "volume": math.pi * radius**2 * length + 4 / 3 * math.pi * radius**3,
        }

    # On the borders of two constraints, a hair inside.
    radius = 0.8125 / 0.0193 * (1 - 1e-12)
    length = (1_296_000 - 4 / 3 * math.pi * radius**3) / (math.pi * radius**2) * (1 + 1e-12)
    optimum = {"shell": 0.8125, "head": 0.4375, "radius": radius, "length": length}
    bounds = (
        Constraint("shell_lacks", "<=", 0.0),
        Constraint("head_lacks", "<=", 0.0),
        Constraint("volume", ">=", 1_296_000.0),
    )
    problem = Problem(space, (Objective("cost"),), bounds)
    best = function(optimum)["cost"]
    return BenchProblem("pressure-vessel", problem, function, best, optimum, tags=frozenset({"mixed", "constrained"}))


def cut_sphere(dimensions: int = 4) -> BenchProblem:
    """The point of a half-space next to the origin: the unconstrained optimum is not allowed."""
    weights, bound = np.arange(1.0, dimensions + 1), 5.0
    names = _names(dimensions)

    def function(values: Values) -> dict[str, float]:
        x = _vector(values)
        return {"value": float(x @ x), "load": float(weights @ x)}

    nearest = bound * weights / (weights @ weights)
    nearest *= 1 + 1e-12  # inside, whatever the rounding
    return BenchProblem(
        f"cut-sphere-{dimensions}",
        Problem(Space(dict.fromkeys(names, Float(-3.0, 5.0))), constraints=(Constraint("load", ">=", bound),)),
        function,
        float(bound**2 / (weights @ weights)),
        dict(zip(names, nearest.tolist())),
        tags=frozenset({"continuous", "constrained"}),
    )


# -- several objectives ---------------------------------------------------------------------------------------------

REFERENCE_ZDT = (1.1, 6.0)
"""Just beyond the first objective's range, and where random configurations of six parameters have the second."""

HYPERVOLUME_ZDT = {1: 1.1 * 6 - 1 / 3, 2: 1.1 * 6 - 2 / 3, 3: 6.721763}
"""Below `REFERENCE_ZDT`: the box less the area under 1 - √f and 1 - f²; for ZDT3 by a sum over 4 million points."""


def zdt(number: int, dimensions: int = 6, seed: int = 0) -> BenchProblem:
    """A convex (1), a concave (2) or a broken (3) front; all but the first parameter have one best value."""

    def f(x: np.ndarray) -> list[float]:
        first = float(x[0])
        g = 1 + 9 * float(x[1:].mean())
        ratio = first / g
        if number == 2:
            return [first, g * (1 - ratio**2)]
        waves = ratio * math.sin(10 * math.pi * first) if number == 3 else 0.0
        return [first, g * (1 - math.sqrt(ratio) - waves)]

    optimum = dict.fromkeys(_names(dimensions)[1:], 0.0)
    best = HYPERVOLUME_ZDT[number]
    return _off_centre(_front(f"zdt{number}", f, [(0.0, 1.0)] * dimensions, optimum, REFERENCE_ZDT, best), seed)


def dtlz2(dimensions: int = 6, seed: int = 0) -> BenchProblem:
    """Three objectives, the front an eighth of the unit sphere."""
    reference = (1.5, 1.5, 1.5)

    def f(x: np.ndarray) -> list[float]:
        g = 1 + float(((x[2:] - 0.5) ** 2).sum())
        a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
        return [g * math.cos(a) * math.cos(b), g * math.cos(a) * math.sin(b), g * math.sin(a)]

    optimum = dict.fromkeys(_names(dimensions)[2:], 0.5)
    best = math.prod(reference) - math.pi / 6
    return _off_centre(_front("dtlz2", f, [(0.0, 1.0)] * dimensions, optimum, reference, best), seed)


def kursawe() -> BenchProblem:
    """A front in four pieces, one of them a point, and no parameter with one best value.

    Its hypervolume is the largest that a search of 40 million points found.
    """

    def f(x: np.ndarray) -> list[float]:
        first = -10 * np.exp(-0.2 * np.sqrt(x[:-1] ** 2 + x[1:] ** 2)).sum()
        return [float(first), float((np.abs(x) ** 0.8 + 5 * np.sin(x**3)).sum())]

    return _front("kursawe", f, [(-5.0, 5.0)] * 3, {}, (-5.0, 10.0), 285.995)


def _front(
    name: str,
    f: Callable[[np.ndarray], Sequence[float]],
    bounds: Sequence[tuple[float, float]],
    optimum: dict[str, float],
    reference: tuple[float, ...],
    best: float,
) -> BenchProblem:
    objectives = tuple(Objective(f"value_{i}") for i in range(len(reference)))
    space = Space({known: Float(low, high) for known, (low, high) in zip(_names(len(bounds)), bounds)})
    return BenchProblem(
        name,
        Problem(space, objectives),
        lambda values: {objective.name: value for objective, value in zip(objectives, f(_vector(values)))},
        best,
        optimum,
        reference,
        tags=frozenset({"continuous", "multi-objective"}),
    )


def _rotation(dimensions: int, seed: int) -> np.ndarray:
    """An orthogonal matrix (d, d) drawn once."""
    rotation, triangle = np.linalg.qr(rng(seed, "rotation").standard_normal((dimensions, dimensions)))
    return rotation * np.sign(np.diag(triangle))


def _scales(dimensions: int, condition: float) -> np.ndarray:
    """Weights from 1 to `condition`, evenly spread in their logarithm; shape (d,)."""
    return condition ** np.linspace(0, 1, dimensions)


# -- by name --------------------------------------------------------------------------------------------------------


PROBLEMS: dict[str, Callable[[], BenchProblem]] = {
    "sphere-4": sphere,
    "ellipsoid-6": ellipsoid,
    "step-ellipsoid-5": step_ellipsoid,
    "rosenbrock-4": rosenbrock,
    "rastrigin-5": rastrigin,
    "ackley-6": ackley,
    "levy-4": levy,
    "schwefel-3": schwefel,
    "griewank-6": griewank,
    "styblinski-tang-5": styblinski_tang,
    "double-funnel-2": double_funnel,
    "peaks-3": peaks,
    "branin": branin,
    "six-hump": six_hump,
    "hartmann-3": partial(hartmann, 3),
    "hartmann-6": partial(hartmann, 6),
    "mixed": mixed,
    "pipeline": pipeline,
    "table": table,
    "pressure-vessel": pressure_vessel,
    "cut-sphere-4": cut_sphere,
    "zdt1": partial(zdt, 1),
    "zdt2": partial(zdt, 2),
    "zdt3": partial(zdt, 3),
    "dtlz2": dtlz2,
    "kursawe": kursawe,
    "hartmann-6+noisy": lambda: noisy(hartmann(6), 0.2),
    "double-funnel-2+noisy": lambda: noisy(double_funnel(), 10.0),
    "rastrigin-5+noisy": lambda: noisy(rastrigin(), relative=0.3),
    "peaks-3+noisy": lambda: noisy(peaks(), 0.1, relative=0.3),
    "mixed+noisy": lambda: noisy(mixed(), 0.1),
    "branin+failing": lambda: failing(branin(), region=lambda values: values["x1"] < 0),
    "ackley-6+conditional": lambda: conditional(ackley()),
    "rastrigin-5+discretised": lambda: discretised(rastrigin(), 12),
    "mixed+delayed": lambda: delayed(mixed(), lambda values: values["width"]),
}
"""A maker of each problem, some of them wrapped; the key is its name."""


def find(patterns: Iterable[str]) -> list[BenchProblem]:
    """The problems whose names match any of the shell patterns, in the order of the table.

    Raises UnknownName, with the nearest name, for a pattern that matches none.

    >>> [problem.name for problem in find(["hart*-3", "zdt[12]"])]
    ['hartmann-3', 'zdt1', 'zdt2']
    """
    wanted: set[str] = set()
    for pattern in patterns:
        matches = fnmatch.filter(PROBLEMS, pattern)
        if not matches:
            raise UnknownName.of("problem", pattern, PROBLEMS)
        wanted.update(matches)
    return [make() for name, make in PROBLEMS.items() if name in wanted]
