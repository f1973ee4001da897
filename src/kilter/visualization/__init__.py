"""Optuna's plots by its names and arguments, drawn by Plotly; `kilter.visualization.matplotlib` has them for papers.

`study.plot.history()` and its like draw the same figures in fewer words.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any, ParamSpec

from kilter.core.names import refusal
from kilter.figures.figure import Figure
from kilter.figures.plotly import draw, is_there
from kilter.visualization import described

P = ParamSpec("P")

__all__ = [
    "is_available",
    "plot_contour",
    "plot_edf",
    "plot_hypervolume_history",
    "plot_intermediate_values",
    "plot_optimization_history",
    "plot_parallel_coordinate",
    "plot_param_importances",
    "plot_pareto_front",
    "plot_rank",
    "plot_slice",
    "plot_terminator_improvement",
    "plot_timeline",
]


def _drawn(describe: Callable[P, Figure]) -> Callable[P, Any]:
    """The function with the same arguments that returns a plotly.graph_objects.Figure."""

    @wraps(describe)
    def plot(*args: P.args, **kwargs: P.kwargs) -> Any:
        return draw(describe(*args, **kwargs))

    return plot


plot_contour = _drawn(described.contour)
plot_edf = _drawn(described.edf)
plot_hypervolume_history = _drawn(described.hypervolume_history)
plot_intermediate_values = _drawn(described.intermediate_values)
plot_optimization_history = _drawn(described.optimization_history)
plot_parallel_coordinate = _drawn(described.parallel_coordinate)
plot_param_importances = _drawn(described.param_importances)
plot_pareto_front = _drawn(described.pareto_front)
plot_rank = _drawn(described.rank)
plot_slice = _drawn(described.slice)
plot_terminator_improvement = _drawn(described.terminator_improvement)
plot_timeline = _drawn(described.timeline)


def is_available() -> bool:
    """Whether plots can be drawn: whether Plotly is installed."""
    return is_there()


def __getattr__(name: str) -> ModuleType:
    if name == "matplotlib":
        return import_module("kilter.visualization.matplotlib")
    raise refusal(__name__, name, "")


def __dir__() -> list[str]:
    return list(__all__)
