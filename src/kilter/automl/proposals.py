"""What is tried: the portfolio, in its order, and then what a sampler makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from kilter import plugins
from kilter.automl.configurations import TARGET
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Sampler
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config

DRAWS = 32
"""So many configurations are drawn where what the sampler wants takes too long."""


def always(config: Config) -> bool:
    """Everything fits where time is not limited."""
    return True


@dataclass(frozen=True)
class PortfolioSampler:
    """The configurations of `portfolio`, then those of the sampler named `beyond`, or none.

    Entries that name no scale of the target get the one on which the first configuration scored best. Those that do
    not fit into the time are passed over: `fits` says so, and knows the clock; two workers have one each.

    >>> PortfolioSampler([{"member": "linear", "linear.alpha": 1.0}]).beyond
    ''
    """

    portfolio: Sequence[Mapping[str, Any]]
    beyond: str = ""
    fits: Callable[[Config], bool] = always

    @property
    def capabilities(self) -> Capabilities:
        """Those of the sampler that goes on."""
        return Capabilities() if self._beyond is None else self._beyond.capabilities

    @cached_property
    def _beyond(self) -> Sampler | None:
        return plugins.find("sampler", self.beyond) if self.beyond else None

    def start(self, problem: Problem, seed: int) -> Any:
        """The state of the sampler that goes on."""
        return plugins.State() if self._beyond is None else self._beyond.start(problem, seed)

    def ask(self, state: Any, history: History, number: int) -> Config | None:
        """The first entry that nobody has begun and that fits; when all have had their turn, the other sampler's."""
        listed = self.next(history, number)
        if listed is not None or self._beyond is None:
            return listed
        stream = rng(len(self.portfolio), "fits", number)
        drawn = (history.problem.space.draw(stream) for _ in range(DRAWS))
        known = [trial.params for trial in history.trials[:number]]
        for config in chain([self._beyond.ask(state, history, number)], drawn):
            if config is not None and config not in known and self.fits(config):
                return config
        return None

    def next(self, history: History, number: int | None = None) -> Config | None:
        """The entry for the trial of that number, by default the next one; None when all have had their turn.

        Where not even one would fit the first has it all the same: members end in time.
        """
        begun = [trial.params for trial in history.trials[:number]]
        left = (entry for entry in self.portfolio if not any(entry.items() <= params.items() for params in begun))
        fitting = next(filter(self.fits, (completed(entry, history) for entry in left)), None)
        return completed(self.portfolio[0], history) if fitting is None and not begun else fitting

    def tell(self, state: Any, trial: Record, problem: Problem) -> None:
        """The other sampler learns from all trials."""
        if self._beyond is not None:
            self._beyond.tell(state, trial, problem)


def completed(entry: Mapping[str, Any], history: History) -> Config:
    """The whole configuration of an entry, with the members' defaults, and the better scale where it names none."""
    space = history.problem.space
    if TARGET in space and TARGET not in entry and (scale := best_scale(history)):
        entry = {**entry, TARGET: scale}
    return space.plain(entry)


def best_scale(history: History) -> Any:
    """The scale of the target on which the configuration that was tried on all scored best; None before any did."""
    complete = [trial for trial in history if trial.state is TrialState.COMPLETE and TARGET in trial.params]
    if not complete:
        return None
    first = {name: value for name, value in complete[0].params.items() if name != TARGET}
    alike = [trial for trial in complete if first.items() <= trial.params.items()]
    return min(alike, key=lambda trial: (trial.standing(history.problem), trial.number)).params[TARGET]
