"""How much each parameter matters, in Optuna's words.

get_param_importances(study)        # {"lr": 0.81, "layers": 0.19}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from kilter.core.declared import expanded
from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.core.events import TrialState
from kilter.core.names import refusing
from kilter.frozen import FrozenTrial
from kilter.search_space import intersection_search_space

if TYPE_CHECKING:
    from kilter.api import Study

__all__ = ["FanovaImportanceEvaluator", "get_param_importances"]


@dataclass(frozen=True)
class FanovaImportanceEvaluator:
    """The main effects of a functional analysis of variance, by a forest of `n_trees`: the only evaluator, and default.

    `max_depth` is accepted and not needed: trees grow until their leaves agree.
    """

    n_trees: int = 64
    max_depth: int = 64
    seed: int | None = None


def get_param_importances(
    study: Study,
    *,
    evaluator: FanovaImportanceEvaluator | None = None,
    params: Sequence[str] | None = None,
    target: Callable[[FrozenTrial], float] | None = None,
    normalize: bool = True,
) -> dict[str, float]:
    """The share of the variance that each parameter explains on its own, the largest first; of compounds their parts'.

    Of the parameters that all complete trials have, or of `params`; `target` says what a trial counts by, where that is
    not its value. Needs scikit-learn. Raises NotReady before two trials are complete, InvalidInput for several
    objectives without a target, UnknownName for a parameter that not all complete trials have.
    """
    evaluator = evaluator or FanovaImportanceEvaluator()
    if not isinstance(evaluator, FanovaImportanceEvaluator):
        raise InvalidInput(f"evaluator={evaluator!r}: there is FanovaImportanceEvaluator() only; leave it out")
    if target is None and len(study.directions) > 1:
        raise InvalidInput("this study has several objectives: say which, target=lambda trial: trial.values[0]")
    from kilter.analysis.importance import main_effects  # loads NumPy's friends

    trials = study.get_trials(states=[TrialState.COMPLETE])
    values = [_value(trial) if target is None else float(target(trial)) for trial in trials]
    rows = [(trial, value) for trial, value in zip(trials, values) if isfinite(value)]
    if len(rows) < 2:
        raise NotReady(f"{study.study_name!r} has {len(rows)} complete trials: two at least can be compared")
    shared = intersection_search_space(trial for trial, _ in rows)
    names = list(shared) if params is None else list(params)
    for name in names:
        if name not in shared:
            raise UnknownName.of("parameter of all complete trials", name, shared)
    space = study.space
    numbers = [trial.number for trial, _ in rows]
    owners = [name for name in names for _ in expanded({name: space[name]})]
    columns = [space.names.index(part) for name in names for part in expanded({name: space[name]})]
    x = study.history.matrix[numbers][:, columns]
    seed = study.seed if evaluator.seed is None else evaluator.seed
    if not names:
        return {}
    import numpy as np

    effects = main_effects(x, np.array([value for _, value in rows]), seed, evaluator.n_trees)
    total = float(effects.sum())
    if normalize and total > 0:
        effects = effects / total
    shares = dict.fromkeys(names, 0.0)
    for name, effect in zip(owners, effects.tolist()):
        shares[name] += effect
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))


def _value(trial: FrozenTrial) -> float:
    value: Any = trial.value
    return float("nan") if value is None else float(value)


_ONE = "get_param_importances(study) has one way, FanovaImportanceEvaluator(), and needs no evaluator"
__getattr__ = refusing(
    __name__,
    {
        "BaseImportanceEvaluator": _ONE,
        "MeanDecreaseImpurityImportanceEvaluator": _ONE,
        "PedAnovaImportanceEvaluator": _ONE,
    },
)


def __dir__() -> list[str]:
    return list(__all__)
