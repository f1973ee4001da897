"""study.plot: the figures of a study, each a method that reads it as it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kilter.core.errors import UnknownName
from kilter.core.history import History
from kilter.figures.figure import Figure
from kilter.figures.theme import THEMES

if TYPE_CHECKING:
    from kilter.analysis.design import Design
    from kilter.figures.trials import Target

BACKENDS = ("plotly", "matplotlib")


class Plots:
    """Figures of a study, drawn by Plotly; `study.plot("matplotlib")` has them drawn by Matplotlib.

    Values that are far off most of the others are marked at the edge. `objective` is a name or a place from 0.

    >>> import kilter
    >>> study = kilter.create_study(seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5, progress="none")
    >>> study.plot.history().layout.title.text
    'Optimization history'
    """

    def __init__(
        self,
        history: Callable[[], History],
        seed: int,
        now: Callable[[], float],
        design: Callable[[], Design | None],
        backend: str = "plotly",
        theme: str = "light",
    ) -> None:
        self._history, self._seed, self._now, self._design = history, seed, now, design
        self._backend, self._theme = backend, theme

    def __call__(self, backend: str = "plotly", theme: str = "light") -> Plots:
        """The same figures by another backend, plotly or matplotlib, on a light or dark page; raises UnknownName."""
        if backend not in BACKENDS:
            raise UnknownName.of("backend", backend, BACKENDS)
        if theme not in THEMES:
            raise UnknownName.of("theme", theme, THEMES)
        return Plots(self._history, self._seed, self._now, self._design, backend, theme)

    def history(self, objective: str | int = 0) -> Any:
        """The value of each trial by its number, and the best so far; states by shape and colour."""
        from kilter.figures.history import history

        return self._drawn(history(read := self._history(), _target(read, objective)))

    def importance(self, params: Sequence[str] | None = None, method: str = "auto") -> Any:
        """The share of the variance that each parameter explains on its own, for each objective, with an interval.

        The methods are those of kilter.analysis.importance: auto, surrogate, fanova and pedanova.
        """
        from kilter.figures.importance import importances, weights
        from kilter.figures.trials import complete, objective

        read = self._history()
        targets = [objective(read, place) for place in range(len(read.problem.objectives))]
        found = weights(read, targets, params, method, self._seed)
        return self._drawn(importances(found, len(complete(read, targets[0]))))

    def slice(self, params: Sequence[str] | None = None, objective: str | int = 0) -> Any:
        """A panel for each parameter with the values of the trials in which it is active."""
        from kilter.figures.slice import slices

        return self._drawn(slices(read := self._history(), params, _target(read, objective)))

    def parallel(self, params: Sequence[str] | None = None) -> Any:
        """A line for each trial across its values and its parameters; below an axis where it is not active."""
        from kilter.figures.parallel import parallel

        return self._drawn(parallel(self._history(), params))

    def contour(self, params: Sequence[str] | None = None, objective: str | int = 0) -> Any:
        """Each pair of parameters, over the mean of the values around; without names the four that matter most."""
        from kilter.figures.pairs import contour

        return self._drawn(contour(read := self._history(), params, _target(read, objective)))

    def ranks(self, params: Sequence[str] | None = None, objective: str | int = 0) -> Any:
        """Each pair of parameters, coloured by the share of trials that are better."""
        from kilter.figures.pairs import ranks

        return self._drawn(ranks(read := self._history(), params, _target(read, objective)))

    def edf(self, objective: str | int = 0) -> Any:
        """The share of complete trials with a value up to x."""
        from kilter.figures.edf import edf

        return self._drawn(edf([("trials", read := self._history(), _target(read, objective))]))

    def curves(self, metric: str | None = None, top: int = 5) -> Any:
        """What trials reported by step: bands of all, and the best ones."""
        from kilter.figures.curves import curves

        return self._drawn(curves(self._history(), metric, top))

    def rungs(self) -> Any:
        """Where trials were stopped early: at each rung those that went on beside those that did not."""
        from kilter.figures.rungs import rungs

        return self._drawn(rungs(self._history()))

    def pareto(self) -> Any:
        """Each pair of objectives with the front among all trials, and its knee."""
        from kilter.figures.pareto import pareto

        return self._drawn(pareto(self._history()))

    def hypervolume(self, reference: Sequence[float] | None = None) -> Any:
        """How the volume that the front dominates grew, from a reference in the objectives' units."""
        from kilter.figures.hypervolume import hypervolume

        return self._drawn(hypervolume(self._history(), reference))

    def timeline(self, recent: int | None = None) -> Any:
        """Which worker ran which trial when; of the last `recent` trials, where that is given."""
        from kilter.figures.timeline import timeline

        return self._drawn(timeline(self._history(), self._now(), recent))

    def lineage(self) -> Any:
        """How trials of a population came from one another, and what the best one was trained with."""
        from kilter.figures.lineage import lineage

        return self._drawn(lineage(self._history()))

    def improvement(self) -> Any:
        """The gain that the next hour was expected to bring, at growing counts of trials, beside the noise."""
        from kilter.figures.improvement import improvement

        return self._drawn(improvement(self._history(), self._seed))

    def overtuning(self) -> Any:
        """The best value so far beside what is expected of its configuration: what lies between them is luck."""
        from kilter.figures.overtuning import course

        return self._drawn(course(self._history(), self._design()))

    def _drawn(self, figure: Figure) -> Any:
        if self._backend == "matplotlib":
            from kilter.figures.matplotlib import draw
        else:
            from kilter.figures.plotly import draw
        return draw(figure, self._theme)


def _target(history: History, objective: str | int) -> Target:
    from kilter.figures.trials import objective as values

    names = history.problem.objective_names
    if objective in names:
        return values(history, names.index(str(objective)))
    if isinstance(objective, int) and 0 <= objective < len(names):
        return values(history, objective)
    raise UnknownName.of("objective", objective, names)
