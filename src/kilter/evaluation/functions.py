"""Functions as objectives: `train(train, test, *, lr, width)`, or for seeds alone `train(*, lr, seed)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.evaluation.data import Fit
from kilter.evaluation.folds import Score
from kilter.evaluation.objective import ByName, Evaluated, EvaluationObjective

GIVEN = ("seed", "trial")
"""Arguments that are no parameters of a configuration: functions get them where they take them."""


class FunctionObjective(EvaluationObjective):
    """Calls a function once for each part, and takes the number, or the metrics by name, that it returns."""

    def __init__(
        self, function: Callable[..., Any], evaluation: Evaluated, data: ByName, first: int | None = None
    ) -> None:
        if isinstance(function, type) and hasattr(function, "fit"):
            raise InvalidInput(f"{function.__name__} is a class: give an estimator, {function.__name__}()")
        if not callable(function):
            raise InvalidInput(
                f"{function!r:.60} is neither a function nor an estimator with fit, set_params and score"
            )
        name = getattr(function, "__name__", type(function).__name__)
        arguments = list(_signature(function).parameters.values())
        rows = arguments[: 2 if data else 0]
        if any(each.kind not in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in rows) or (
            data and len(rows) < 2
        ):
            raise InvalidInput(
                f"{name} needs two arguments in front, what to fit on and what to score on: def {name}(train, test, …)"
            )
        keywords = arguments[len(rows) :]
        takes_all = any(each.kind is each.VAR_KEYWORD for each in keywords)
        self._given = tuple(each for each in GIVEN if takes_all or each in {one.name for one in keywords})
        if takes_all:
            self._given = tuple(each for each in self._given if each != "trial")
        self.suggests = "trial" in self._given
        self._defaults = {
            each.name: each.default for each in keywords if each.default is not each.empty and each.name not in GIVEN
        }
        # By their names alone: the parts take the places in front.
        kept = [
            each if each.kind is each.VAR_KEYWORD else each.replace(kind=each.KEYWORD_ONLY)
            for each in keywords
            if each.name not in GIVEN and each.kind is not each.VAR_POSITIONAL
        ]
        kept.sort(key=lambda each: each.kind is each.VAR_KEYWORD)
        super().__init__(name, evaluation, data, first, inspect.Signature(kept), function, {})
        if "seed" not in self._given and any(fit.seeds != (None,) for fit in self.fits):
            raise InvalidInput(f"{name} takes no seed, so all of them would be alike: def {name}(…, seed)")

    def own_defaults(self) -> Mapping[str, Any]:
        """The defaults of its arguments."""
        return self._defaults

    def scored_once(self, params: Mapping[str, Any], fit: Fit, seed: int | None, trial: Any = None) -> Score:
        """What the function returns for one part."""
        data = self.data.get(fit.data)
        rows = [] if data is None else [data.on(fit.train).arrays, data.on(fit.test).arrays]
        given = {name: value for name, value in (("seed", seed or 0), ("trial", trial)) if name in self._given}
        found = self.calls(*rows, **{**given, **params})
        return {name: float(value) for name, value in found.items()} if isinstance(found, Mapping) else float(found)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:  # an annotation that means something to type checkers alone
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise InvalidInput(f"nothing says what arguments {function!r:.60} takes: wrap it in a function") from None
