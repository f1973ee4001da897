"""How much each parameter matters, in Optuna's words.

get_param_importances(study)        # {"lr": 0.81, "layers": 0.19}

What is computed is in `kilter.analysis.importance`, whose `importance(study.history)` tells the uncertainty, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.core.events import TrialState
from kilter.frozen import FrozenTrial

if TYPE_CHECKING:
    from kilter.api import Study

__all__ = [
    "BaseImportanceEvaluator",
    "FanovaImportanceEvaluator",
    "MeanDecreaseImpurityImportanceEvaluator",
    "PedAnovaImportanceEvaluator",
    "get_param_importances",
]

Target = Callable[[FrozenTrial], float]


class BaseImportanceEvaluator:
    """What an evaluator is: subclass it to give `get_param_importances` one of your own."""

    def evaluate(
        self, study: Study, params: Sequence[str] | None = None, *, target: Target | None = None
    ) -> dict[str, float]:
        """The importance of each parameter, 0 or more."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PedAnovaImportanceEvaluator(BaseImportanceEvaluator):
    """What tells the best `target_quantile` of the trials from all others (Watanabe et al. 2023); no model is needed.

    Smaller values of a target are better. Raises InvalidInput for another region than that of all trials: give a
    `target` that is NaN outside yours.
    """

    target_quantile: float = 0.1
    region_quantile: float = 1.0
    evaluate_on_local: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.target_quantile < 1.0:
            raise InvalidInput(f"target_quantile={self.target_quantile!r}: give a share of the trials, as 0.1")
        if self.region_quantile != 1.0 or not self.evaluate_on_local:
            raise InvalidInput(f"{self!r}: it looks at all trials, where they are; leave the region out")

    def evaluate(
        self, study: Study, params: Sequence[str] | None = None, *, target: Target | None = None
    ) -> dict[str, float]:
        """The share of the variance of being among the best that each parameter explains on its own."""
        return _evaluated(study, params, target, "pedanova", None, self.target_quantile)


@dataclass(frozen=True, kw_only=True)
class FanovaImportanceEvaluator(BaseImportanceEvaluator):
    """The main effects of a functional analysis of variance by a forest (Hutter et al. 2014).

    `n_trees` and `max_depth` are accepted and not needed: trees grow until their leaves are small.
    """

    n_trees: int = 64
    max_depth: int = 64
    seed: int | None = None

    def evaluate(
        self, study: Study, params: Sequence[str] | None = None, *, target: Target | None = None
    ) -> dict[str, float]:
        """The share of the variance that each parameter explains on its own."""
        return _evaluated(study, params, target, "fanova", self.seed)


class MeanDecreaseImpurityImportanceEvaluator(FanovaImportanceEvaluator):
    """The same: what the cuts of a forest gain favours parameters of many values, so its main effects stand for it."""


def get_param_importances(
    study: Study,
    *,
    evaluator: BaseImportanceEvaluator | None = None,
    params: Sequence[str] | None = None,
    target: Target | None = None,
    normalize: bool = True,
) -> dict[str, float]:
    """The share of the variance that each parameter explains on its own, the largest first.

    Without an evaluator the sampler's own model is asked, or a forest where that predicts better, and, of several
    objectives, which parameters bring a trial near the front. `params` are, unless given, all that some complete trial
    has; `target` says what a trial counts by, where that is not its value. Normalized shares sum to 1.

    Raises NotReady before two trials are complete, InvalidInput for several objectives where an evaluator needs one
    number, UnknownName for a parameter that no complete trial has.

    >>> from kilter import create_study
    >>> study = create_study(seed=0, sampler="random")
    >>> study.optimize(lambda t: 3 * t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), 50, progress="none")
    >>> {name: round(share, 1) for name, share in get_param_importances(study).items()}
    {'x': 0.9, 'y': 0.1}
    """
    if evaluator is None:
        found = _evaluated(study, params, target, "auto", None)
    elif isinstance(evaluator, BaseImportanceEvaluator):
        found = evaluator.evaluate(study, params, target=target)
    else:
        raise InvalidInput(f"evaluator={evaluator!r}: give one of kilter.importance, as FanovaImportanceEvaluator()")
    total = sum(found.values())
    if normalize:
        found = {name: share / total if total > 0 else 1.0 / len(found) for name, share in found.items()}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _evaluated(
    study: Study,
    params: Sequence[str] | None,
    target: Target | None,
    method: str,
    seed: int | None,
    quantile: float | None = None,
) -> dict[str, float]:
    from kilter.analysis.importance import importance  # loads SciPy

    complete = study.get_trials(states=[TrialState.COMPLETE])
    if len(complete) < 2:
        raise NotReady(f"{study.study_name!r} has {len(complete)} complete trials: two at least can be compared")
    known = list(dict.fromkeys(name for trial in complete for name in trial.params))
    for name in known if params is None else params:
        if name not in known:
            raise UnknownName.of("parameter of complete trials", name, known)
    history = study.history
    if method == "fanova" and target is None and len(study.directions) > 1:
        raise InvalidInput("this study has several objectives: say which, target=lambda trial: trial.values[0]")
    found = importance(
        history,
        0 if len(study.directions) == 1 else None,
        method=method,
        target=None if target is None else lambda record: target(FrozenTrial(record, history)),
        seed=study.seed if seed is None else seed,
        quantile=quantile,
    )
    shares = {share.parameter: share.share for share in found.shares}
    return {name: shares[name] for name in (known if params is None else params)}


def __dir__() -> list[str]:
    return list(__all__)
