"""The default: a Gaussian process over the whole space, a Parzen estimator in between, evolution where neither reaches.

    sobol    the first trials
    gp       four of five trials: learns most from few
    tpe      every fifth: costs a tenth, does not mind steps and outliers, keeps parallel workers apart; it does not see
             where trials fail, and rests while many do
    nsga2    five objectives and more, where the improvement of a hypervolume has no cheap form
    cmaes    nine of ten after the first 250, in spaces that are mostly numbers

docs/decisions/0008 has the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilter.core.history import History
from kilter.core.interfaces import Capabilities, Explanation
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.core.vocabulary import answers_other_settings
from kilter.models.controls import Controls, is_control
from kilter.models.encoding import encoding_of
from kilter.models.readings import Readings
from kilter.models.results import Results
from kilter.models.tried import Tried, listed
from kilter.samplers.cmaes import CmaEsSampler
from kilter.samplers.nsga2 import NSGA2Sampler
from kilter.samplers.opening import INITIAL, explained, is_early, opening, when_exhausted
from kilter.samplers.refold import refolded
from kilter.samplers.seeded import Seeded, State
from kilter.samplers.tpe import TPESampler

PARZEN = 0.2
"""The share of suggestions by the Parzen arm; anything from 0.15 to 0.5 does about as well."""
FAILING = 0.1
"""Where a larger share of trials fails the Parzen arm rests: beside a border half of what it draws lies beyond."""
MANY = 250
"""Trials from which on an evolution strategy takes over: it follows narrow valleys that a capped model cannot see..."""
MODELLED = 10
"""... and every tenth trial the other arms look where it does not."""
MOST_OBJECTIVES = 4
"""Of more objectives the improvement of a hypervolume has no cheap form."""


@answers_other_settings
@dataclass(frozen=True)
class AutoSampler(Seeded):
    """Chooses the method by what is known. `seed` replaces the study's.

    With `per_second` it looks for improvement per second of a trial's duration: for studies that end by the clock.
    """

    per_second: bool = False
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(recalls=True)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """Sobol points first, then the process or the density; None where a finite space has been tried out."""
        arm, _ = _arm(state, history, number)
        if arm == "sobol":
            return opening(state.seed, history, number) or when_exhausted(state.seed, history, number)
        if arm == "tpe":
            return TPESampler(INITIAL).ask(state, history, number)
        if arm == "nsga2":
            config = NSGA2Sampler().ask(refolded(NSGA2Sampler(), state.seed, history), history, number)
            if config is not None and not Tried.of(history).has(config):
                return config
            return opening(state.seed, history, number) or when_exhausted(state.seed, history, number)
        if arm == "cmaes":
            # The other arms crowd round the best point: taken in, they would have the search converge there.
            evolved = refolded(
                CmaEsSampler(), state.seed, history, lambda n: history.sampled_before(n) >= MANY and n % MODELLED == 0
            )
            return CmaEsSampler().ask(evolved, history, number)
        from kilter.samplers import gp  # loads SciPy, which the first trials need not wait for

        return gp.GPSampler(per_second=self.per_second).ask(state, history, number)

    def explain(self, state: State, history: History, number: int, config: Config) -> Explanation:
        """Which arm chose it, why that one, and what the model expected."""
        arm, reason = _arm(state, history, number)
        if is_early(history, number):
            return explained(history, number)
        if arm in ("sobol", "nsga2"):
            return Explanation(arm, reason)
        from kilter.models.surrogate import Surrogate
        from kilter.samplers import gp

        surrogate = Surrogate.of(history, state.seed, number, self.per_second)
        return gp.explained_by(surrogate, history.problem, config, arm, reason)


def _arm(state: State, history: History, number: int) -> tuple[str, str]:
    """The arm of a trial, and the reason."""
    problem = history.problem
    if is_early(history, number):
        return "sobol", "too little is known for a model, so the space is covered evenly"
    if len(problem.objectives) > MOST_OBJECTIVES:
        return "nsga2", f"a hypervolume of more than {MOST_OBJECTIVES} objectives is too expensive to model"
    if is_control(number) and Readings.of(history) is not None and Controls.of(history).are_spared:
        return "gp", "every fifth trial rests on whole trainings alone, in case early results mislead"
    is_many = history.sampled_before(number) >= MANY and number % MODELLED > 0
    if is_many and len(problem.objectives) == 1 and _suits_evolution(problem.space):
        return "cmaes", f"after {MANY} trials most come from an evolution strategy that starts at the best one"
    results = Results.of(history)
    if rng(state.seed, "arm", number).random() < PARZEN and results.failed.mean() <= FAILING:
        if int(results.usable.sum()) < INITIAL:
            return "sobol", "too few trials have values for a density, so the space is covered evenly"
        return "tpe", "every fifth trial, by chance, is like the best ones and unlike the others"
    return "gp", "the largest expected improvement over the best so far"


def _suits_evolution(space: Space) -> bool:
    """Whether most parameters are numbers, none is conditional, and there are points enough not to try any twice."""
    encoding = encoding_of(space)
    return encoding.is_flat and 2 * len(encoding.numbers) > encoding.d and listed(space) is None
