"""What is compared: kilter without and with earlier studies, what people do by hand, and Optuna's ways.

A method is made of (space, earlier studies, seed); `ask()` gives parameters, `tell(value)` takes what they came to.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import kilter
from kilter import Space
from kilter.core.parameter import Parameter

if TYPE_CHECKING:
    from earlier import Earlier, Params


class Method(Protocol):
    """One run."""

    def ask(self) -> Params: ...
    def tell(self, value: float) -> None: ...


def fitting(space: Space, params: Params) -> Params:
    """What a naive start makes of a configuration of another space: what is missing stands at its middle."""
    found: Params = {}
    for name, parameter in space.parameters.items():
        if space.is_active(name, found):
            found[name] = params.get(name, parameter.from_unit(0.5))
    return found


def best_of_each(space: Space, earlier: Sequence[Earlier]) -> list[Params]:
    """The best configuration of each earlier study, each once."""
    found: list[Params] = []
    for study in earlier:
        best = fitting(space, min(study.trials, key=lambda trial: trial[1])[0])
        if best not in found:
            found.append(best)
    return found


class Kilter:
    """The default sampler, told nothing of other studies."""

    def __init__(self, space: Space, earlier: Sequence[Earlier], seed: int) -> None:
        self.study = kilter.create_study(space=space, seed=seed, **self.given(earlier))
        for params in self.first(space, earlier):
            self.study.enqueue_trial(params)

    def given(self, earlier: Sequence[Earlier]) -> dict[str, Any]:
        """What the study is created with."""
        return {"transfer": None}

    def first(self, space: Space, earlier: Sequence[Earlier]) -> list[Params]:
        """What is put in the queue."""
        return []

    def ask(self) -> Params:
        self.trial = self.study.ask()
        return dict(self.trial.params)

    def tell(self, value: float) -> None:
        self.study.tell(self.trial, value)


class KilterTransfer(Kilter):
    """transfer= with the studies."""

    def given(self, earlier: Sequence[Earlier]) -> dict[str, Any]:
        return {"transfer": [self.study_of(each) for each in earlier]}

    def study_of(self, earlier: Earlier) -> kilter.Study:
        study = kilter.create_study(study_name=earlier.name, space=earlier.space, transfer=None)
        for params, value in earlier.trials:
            study.add_trial(kilter.create_trial(params=params, value=value))
        return study


class KilterEnqueue(Kilter):
    """What people do by hand: the best of each earlier study first."""

    def first(self, space: Space, earlier: Sequence[Earlier]) -> list[Params]:
        return best_of_each(space, earlier)


class Optuna:
    """Its default sampler, told nothing of other studies."""

    def __init__(self, space: Space, earlier: Sequence[Earlier], seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self.space, self.optuna = space, optuna
        self.study = optuna.create_study(sampler=self.sampler(earlier, seed))
        self.start(earlier)

    def sampler(self, earlier: Sequence[Earlier], seed: int) -> Any:
        return self.optuna.samplers.TPESampler(seed=seed)

    def start(self, earlier: Sequence[Earlier]) -> None:
        """Nothing."""

    def ask(self) -> Params:
        self.trial = self.study.ask()
        found: Params = {}
        for name, parameter in self.space.parameters.items():
            if self.space.is_active(name, found):
                found[name] = suggested(self.trial, name, parameter)
        return found

    def tell(self, value: float) -> None:
        self.study.tell(self.trial, value)

    def trials(self, study: Earlier) -> list[Any]:
        """Of an earlier study, as its own."""
        known = {name: distribution(parameter) for name, parameter in self.space.parameters.items()}
        found = []
        for params, value in study.trials:
            params = fitting(self.space, params)
            distributions = {name: known[name] for name in params}
            found.append(self.optuna.trial.create_trial(params=params, distributions=distributions, value=value))
        return found


class OptunaEnqueue(Optuna):
    """The best of each earlier study first."""

    def start(self, earlier: Sequence[Earlier]) -> None:
        for params in best_of_each(self.space, earlier):
            self.study.enqueue_trial(params)


class OptunaAdd(Optuna):
    """All trials of all earlier studies, as if they were of this one."""

    def start(self, earlier: Sequence[Earlier]) -> None:
        for study in earlier:
            self.study.add_trials(self.trials(study))


def suggested(trial: Any, name: str, parameter: Parameter) -> Any:
    """By Optuna."""
    if isinstance(parameter, kilter.Choice):
        return trial.suggest_categorical(name, parameter.labels)
    suggest = trial.suggest_int if isinstance(parameter, kilter.Int) else trial.suggest_float
    return suggest(name, parameter.low, parameter.high, log=parameter.log)


def distribution(parameter: Parameter) -> Any:
    """Of Optuna's."""
    from optuna import distributions

    if isinstance(parameter, kilter.Choice):
        return distributions.CategoricalDistribution(parameter.labels)
    if isinstance(parameter, kilter.Int):
        return distributions.IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.log)


METHODS: dict[str, Callable[[Space, Sequence[Earlier], int], Method]] = {
    "kilter": Kilter,
    "kilter-transfer": KilterTransfer,
    "kilter-enqueue": KilterEnqueue,
    "optuna": Optuna,
    "optuna-enqueue": OptunaEnqueue,
    "optuna-add": OptunaAdd,
}
BLIND = ("kilter", "optuna")
"""Run once for all scenarios."""


def missing(name: str) -> bool:
    """Whether a method sits out, since its library is not installed."""
    return name.startswith("optuna") and importlib.util.find_spec("optuna") is None
