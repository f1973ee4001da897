"""When to stop a study, in Optuna's words; `kilter.Limits(gain=…)` and `optimize(stoppers=…)` do without them.

study.optimize(objective, callbacks=[TerminatorCallback()])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput, NotReady
from kilter.core.names import refusing

if TYPE_CHECKING:
    from kilter.api import Study
    from kilter.frozen import FrozenTrial

__all__ = [
    "BestValueStagnationEvaluator",
    "CrossValidationErrorEvaluator",
    "StaticErrorEvaluator",
    "Terminator",
    "TerminatorCallback",
    "report_cross_validation_scores",
]


class StaticErrorEvaluator:
    """An improvement smaller than `constant` does not count."""

    def __init__(self, constant: float) -> None:
        self.constant = constant


class CrossValidationErrorEvaluator:
    """An improvement that is lost in the noise of trials does not count, which folds tell; see Terminator."""


class BestValueStagnationEvaluator:
    """After so many trials without a better one no improvement is expected any more."""

    def __init__(self, max_stagnation_trials: int = 30) -> None:
        if max_stagnation_trials < 0:
            raise InvalidInput(f"max_stagnation_trials={max_stagnation_trials!r}: give a whole number from 0 on")
        self.max_stagnation_trials = max_stagnation_trials


class Terminator:
    """Whether a study has little left to gain.

    It is over where the next hour is expected to improve the best result by less than a quarter of the noise of a
    trial, by `study.expected_gain`; see kilter.analysis.gain. Folds that the objective reports tell that noise, else
    the model.
    StaticErrorEvaluator says a tolerance beside it, and with BestValueStagnationEvaluator the trials are counted
    instead. Never before `min_n_trials` have finished. Raises InvalidInput for other evaluators.
    """

    def __init__(
        self,
        improvement_evaluator: BestValueStagnationEvaluator | None = None,
        error_evaluator: StaticErrorEvaluator | CrossValidationErrorEvaluator | None = None,
        min_n_trials: int = 20,
    ) -> None:
        from kilter.analysis.gain import NotWorthIt  # loads SciPy

        for given, known in (
            (improvement_evaluator, BestValueStagnationEvaluator),
            (error_evaluator, (StaticErrorEvaluator, CrossValidationErrorEvaluator)),
        ):
            if given is not None and not isinstance(given, known):
                raise InvalidInput(f"Terminator: {given!r} is not known here: leave it out, or use stoppers=[…]")
        if min_n_trials < 1:
            raise InvalidInput(f"min_n_trials={min_n_trials!r}: give a whole number from 1 on")
        self._patience = improvement_evaluator
        self._min_n_trials = min_n_trials
        self._tolerance = error_evaluator.constant if isinstance(error_evaluator, StaticErrorEvaluator) else 0.0
        self._worth = NotWorthIt(self._tolerance)

    def should_terminate(self, study: Study) -> bool:
        """Whether it is over."""
        if len(study.history.finished) < self._min_n_trials:
            return False
        if self._patience is not None:
            return _since_best(study) >= self._patience.max_stagnation_trials
        return self._worth(study.history, 0.0) is not None


def _since_best(study: Study) -> int:
    """How many trials have finished after the best one."""
    finished = list(study.history.finished)
    try:
        return len(finished) - 1 - finished.index(study.best_trial.number)
    except NotReady:
        return len(finished)


class TerminatorCallback:
    """A callback for `optimize` that stops the study where its terminator says so."""

    def __init__(self, terminator: Any = None) -> None:
        self._terminator = Terminator() if terminator is None else terminator

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Look after a trial."""
        if self._terminator.should_terminate(study):
            study.stop()


def report_cross_validation_scores(trial: Any, scores: Sequence[float]) -> None:
    """Report the score of each fold of a trial, as `trial.report(score, fold=i)`. Raises InvalidInput for one score."""
    if len(scores) < 2:
        raise InvalidInput(f"scores={scores!r}: an error can be told from at least two folds")
    for fold, score in enumerate(scores):
        trial.report(float(score), fold=fold)


_STOPPERS = "write a function of (history, now) that returns a reason or None, optimize(stoppers=[…])"
_GAIN = "Terminator() needs no evaluator: it asks study.expected_gain()"
__getattr__ = refusing(
    __name__,
    {
        "BaseErrorEvaluator": _STOPPERS,
        "BaseImprovementEvaluator": _STOPPERS,
        "BaseTerminator": _STOPPERS,
        "EMMREvaluator": _GAIN,
        "MedianErrorEvaluator": _GAIN,
        "RegretBoundEvaluator": _GAIN,
    },
)


def __dir__() -> list[str]:
    return list(__all__)
