"""study.plot: the figures of a study, each a method that reads it as it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kilter.core.errors import UnknownName
from kilter.core.history import History
from kilter.figures.figure import Figure
from kilter.figures.theme import THEMES

if TYPE_CHECKING:
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

    def __init__(self, history: Callable[[], History], backend: str = "plotly", theme: str = "light") -> None:
        self._history, self._backend, self._theme = history, backend, theme

    def __call__(self, backend: str = "plotly", theme: str = "light") -> Plots:
        """The same figures by another backend, plotly or matplotlib, on a light or dark page; raises UnknownName."""
        if backend not in BACKENDS:
            raise UnknownName.of("backend", backend, BACKENDS)
        if theme not in THEMES:
            raise UnknownName.of("theme", theme, THEMES)
        return Plots(self._history, backend, theme)

    def history(self, objective: str | int = 0) -> Any:
        """The value of each trial by its number, and the best so far; states by shape and colour."""
        from kilter.figures.history import history

        return self._drawn(history(read := self._history(), _target(read, objective)))

    def slice(self, params: Sequence[str] | None = None, objective: str | int = 0) -> Any:
        """A panel for each parameter with the values of the trials in which it is active."""
        from kilter.figures.slice import slices

        return self._drawn(slices(read := self._history(), params, _target(read, objective)))

    def parallel(self, params: Sequence[str] | None = None) -> Any:
        """A line for each trial across its values and its parameters; below an axis where it is not active."""
        from kilter.figures.parallel import parallel

        return self._drawn(parallel(self._history(), params))

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
