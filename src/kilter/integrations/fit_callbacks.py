"""What scikit-learn's callbacks of `fit` are told by a search, the same as by scikit-learn's own searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any


class FitCallbacks:
    """Tells scikit-learn's callbacks what `fit` does, as its own searches do; before 1.9 there are none to tell."""

    def __init__(self, search: Any, X: Any, y: Any, params: Mapping[str, Any]) -> None:  # noqa: N803
        self._search = search
        weights = params.get("sample_weight")
        self._given = {"X": X, "y": y, "metadata": None if weights is None else {"sample_weight": weights}}
        self._root = None
        if hasattr(search, "_init_callback_context"):
            self._root = search._init_callback_context(max_subtasks=1 + (search.refit is not False))
            self._root.call_on_fit_task_begin(estimator=search, **self._given)

    @contextmanager
    def searching(self, fits: int) -> Iterator[Callable[[], dict[str, Any]]]:
        """Around the search: a function for what the next fit is to be told, of so many."""
        if self._root is None:
            yield dict
            return
        context = self._root.subcontext(task_name="search", max_subtasks=fits, sequential_subtasks=False)
        context.call_on_fit_task_begin(estimator=self._search)
        more: Iterator[dict[str, Any]] = repeat({})
        if context._callbacks:  # made ahead, since they must not change while one is on its way to another process
            more = iter([
                {
                    "caller": self._search,
                    "callback_ctx": context.subcontext(task_name="candidate-split-evaluation", task_id=i),
                }
                for i in range(fits)
            ])  # fmt: skip
        yield lambda: next(more, {})
        context.call_on_fit_task_end(estimator=self._search)

    @contextmanager
    def refitting(self, best: Any) -> Iterator[None]:
        """Around the fit on all rows."""
        if self._root is None:
            yield
            return
        context = self._root.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(best):
            context.call_on_fit_task_begin(estimator=self._search, **self._given)
            yield
        context.call_on_fit_task_end(estimator=self._search, **self._given)

    def end(self) -> None:
        """The whole fit is done."""
        if self._root is not None:
            self._root.call_on_fit_task_end(estimator=self._search, **self._given)
