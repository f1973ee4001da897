"""All samplers against the suite, and the suite against samplers that are broken on purpose."""

from dataclasses import dataclass, field
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from kilter import plugins
from kilter.core.interfaces import Capabilities
from kilter.samplers import AutoSampler, EvolutionSampler, GridSampler, QMCSampler, RandomSampler
from kilter.testing import sampler as suite
from kilter.testing.sampler import SamplerSuite


class TestRandom(SamplerSuite):
    renews = True

    def sampler(self):
        return RandomSampler()


class TestGrid(SamplerSuite):
    exhausts = True

    def sampler(self):
        return GridSampler()


class TestSmallGrid(SamplerSuite):
    exhausts = True

    def sampler(self):
        return GridSampler(n=3)


class TestQMC(SamplerSuite):
    renews = True

    def sampler(self):
        return QMCSampler()


class TestEvolution(SamplerSuite):
    renews = True
    improves = True

    def sampler(self):
        return EvolutionSampler()


class TestAuto(SamplerSuite):
    renews = True
    exhausts = True
    improves = True

    def sampler(self):
        return AutoSampler()


# No sampler is left out.


@cache
def suites():
    """All that run the suite under tests/, each with its sampler."""
    found = []
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        if "(SamplerSuite)" in path.read_text():
            spec = spec_from_file_location(f"read_{path.stem}", path)
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            found += [(f"{path.name}::{name}", kind().sampler()) for name, kind in vars(module).items() if runs(kind)]
    return found


def runs(kind):
    return isinstance(kind, type) and kind.__name__.startswith("Test") and issubclass(kind, SamplerSuite)


@pytest.mark.parametrize("name", plugins.SAMPLERS)
def test_every_built_in_sampler_runs_the_suite_once(name):
    """With its usual settings; with others as often as anybody likes."""
    usual = plugins.find("sampler", name)
    assert len([where for where, sampler in suites() if sampler == usual]) == 1, suites()


def test_no_suite_runs_twice():
    samplers = [sampler for _, sampler in suites()]
    assert len(set(samplers)) == len(samplers)


# Samplers that are broken on purpose: each must be caught by the check beside it.


@dataclass
class Memory:
    seed: int
    told: list = field(default_factory=list)
    asked: int = 0


@dataclass(frozen=True)
class Learner(RandomSampler):
    """Random search with a memory; sound by itself."""

    def start(self, problem, seed):
        return Memory(seed)

    def ask(self, state, history, number):
        return history.problem.space.draw(np.random.default_rng([state.seed, number, len(state.told)]))

    def tell(self, state, trial, problem):
        state.told.append(trial.metrics.get("value", 0.0))


class CountsAsks(Learner):
    def ask(self, state, history, number):
        state.asked += 1
        return super().ask(state, history, number)


class HidesInTheState(Learner):
    def ask(self, state, history, number):
        state.hidden = number
        return super().ask(state, history, number)


class RemembersInItself(Learner):
    def ask(self, state, history, number):
        object.__setattr__(self, "asked", getattr(self, "asked", 0) + 1)
        return super().ask(state, history, number)


class HandsOutItsState(Learner):
    def ask(self, state, history, number):
        known = [t for t in state.told if isinstance(t, dict)]
        return known[-1] if known else super().ask(state, history, number)

    def tell(self, state, trial, problem):
        state.told.append(dict(trial.params))


class ChangesTheHistory(Learner):
    def ask(self, state, history, number):
        for trial in history:
            trial.attrs["seen"] = True
        return super().ask(state, history, number)


class ChangesTheTrial(Learner):
    def tell(self, state, trial, problem):
        trial.metrics.setdefault("value", 0.0)


class GlobalChance(Learner):
    def ask(self, state, history, number):
        return history.problem.space.draw(np.random.default_rng())


@dataclass(frozen=True)
class LearnsFromAsks(Learner):
    asks: list = field(default_factory=list, repr=False)

    def ask(self, state, history, number):
        self.asks.append(number)
        return history.problem.space.draw(np.random.default_rng(len(self.asks)))


class LosesItsState(Learner):
    def tell(self, state, trial, problem):
        state.extra = getattr(state, "extra", 0) + 1

    def ask(self, state, history, number):
        return history.problem.space.draw(np.random.default_rng([number, getattr(state, "extra", 0)]))


class StateIsNoData(Learner):
    def tell(self, state, trial, problem):
        state.told.append({trial.number}.union)


class IgnoresTheSeed(Learner):
    def ask(self, state, history, number):
        return history.problem.space.draw(np.random.default_rng(number))


class ForgetsClauses(Learner):
    def ask(self, state, history, number):
        return history.problem.space.from_uniforms(np.random.default_rng(number).random(len(history.problem.space)))


class ForgetsConditions(Learner):
    def ask(self, state, history, number):
        config = super().ask(state, history, number)
        return {**{n: p.from_unit(0.5) for n, p in history.problem.space.parameters.items()}, **config}


class ForgetsSteps(Learner):
    def ask(self, state, history, number):
        config = super().ask(state, history, number)
        return {n: v + 1e-3 if isinstance(v, float) else v for n, v in config.items()}


class GivesUp(Learner):
    def ask(self, state, history, number):
        return super().ask(state, history, number) if number < 25 else None


class DividesBySpread(Learner):
    def tell(self, state, trial, problem):
        super().tell(state, trial, problem)
        if len(state.told) > 5:
            assert max(state.told) > min(state.told)


class NeedsNumbers(Learner):
    def tell(self, state, trial, problem):
        state.told.append(int(trial.metrics.get("value", 0.0)))


class NeedsMetrics(Learner):
    def tell(self, state, trial, problem):
        state.told.append(trial.metrics["value"])


class NeedsOneObjective(Learner):
    def tell(self, state, trial, problem):
        if trial.metrics and "failed" not in trial.metrics:
            state.told.append(trial.metrics["value"])


class NeedsConstraints(Learner):
    def start(self, problem, seed):
        state = super().start(problem, seed)
        state.told = [c.metric for c in problem.constraints]
        return state

    def tell(self, state, trial, problem):
        for metric in state.told:
            assert trial.metrics[metric] is not None


class OnePointAtATime(Learner):
    def ask(self, state, history, number):
        return history.problem.space.draw(np.random.default_rng([state.seed, len(state.told)]))


class RejectsRepeats(Learner):
    def ask(self, state, history, number):
        config = super().ask(state, history, number)
        assert not any(t.params == config for t in history) or history.problem.space.size == float("inf")
        return config


class DropsTheFirst(Learner):
    def ask(self, state, history, number):
        config = super().ask(state, history, number)
        return {n: v for n, v in config.items() if n != "new"}


@dataclass
class NotFrozen:
    capabilities = Capabilities()

    def start(self, problem, seed):
        return Memory(seed)


class Quadratic(Learner):
    def tell(self, state, trial, problem):
        super().tell(state, trial, problem)
        for value in state.told[:: max(1, len(state.told) // 50)] if len(state.told) < 2000 else state.told[::20]:
            abs(value)


class Hoards(Learner):
    def tell(self, state, trial, problem):
        state.told.append([0] * (trial.number // 20))


BROKEN = [
    (NotFrozen, "test_settings_are_frozen"),
    (CountsAsks, "test_ask_leaves_everything_as_it_is"),
    (HidesInTheState, "test_ask_leaves_everything_as_it_is"),
    (RemembersInItself, "test_ask_leaves_everything_as_it_is"),
    (HandsOutItsState, "test_ask_leaves_everything_as_it_is"),
    (ChangesTheHistory, "test_ask_leaves_everything_as_it_is"),
    (ChangesTheTrial, "test_tell_leaves_the_trial_as_it_is"),
    (GlobalChance, "test_replay_at_every_cut"),
    (LearnsFromAsks, "test_replay_at_every_cut"),
    (LosesItsState, "test_state_survives_the_codec"),
    (StateIsNoData, "test_state_survives_the_codec"),
    (IgnoresTheSeed, "test_the_seed_decides"),
    (GlobalChance, "test_the_seed_decides"),
    (ForgetsClauses, "test_every_suggestion_is_legal"),
    (ForgetsConditions, "test_every_suggestion_is_legal"),
    (ForgetsSteps, "test_every_suggestion_is_legal"),
    (GivesUp, "test_suggestions_go_on"),
    (RejectsRepeats, "test_suggestions_go_on"),
    (DividesBySpread, "test_constant_objective"),
    (NeedsNumbers, "test_constant_objective"),
    (NeedsMetrics, "test_nothing_completes"),
    (NeedsOneObjective, "test_several_objectives"),
    (NeedsConstraints, "test_constraints"),
    (OnePointAtATime, "test_pending_trials"),
    (DropsTheFirst, "test_the_space_grows"),
    (Quadratic, "test_many_tells_in_linear_time"),
    (Hoards, "test_many_tells_in_linear_time"),
    (RandomSampler, "test_better_than_random"),
    (Learner, "test_nothing_twice"),
    (Learner, "test_nothing_twice_in_drawn_spaces"),
]

CLAIMS = {"test_better_than_random", "test_nothing_twice", "test_nothing_twice_in_drawn_spaces"}
"""What a sampler may leave to others; random draws alone do."""

ARGUMENTS = {
    "test_every_suggestion_is_legal": [(suite.rich_space,)],
    "test_constant_objective": [(float("nan"),), (0.0,)],
    "test_nothing_completes": [(suite.TrialState.FAIL, {})],
    "test_nothing_twice": [(suite.finite_space, 0)],
}


def caught(sampler, check):
    class Broken(SamplerSuite):
        improves = renews = True

        def sampler(self):
            return sampler()

    for arguments in ARGUMENTS.get(check, [()]):
        try:
            getattr(Broken(), check)(*arguments)
        except Exception:
            return True
    return False


@pytest.mark.parametrize(("sampler", "check"), BROKEN, ids=lambda x: getattr(x, "__name__", x))
def test_the_suite_bites(sampler, check):
    assert caught(sampler, check)


@pytest.mark.parametrize("check", sorted({check for _, check in BROKEN} - CLAIMS))
def test_a_sound_sampler_passes(check):
    assert not caught(Learner, check)


def test_a_sampler_that_ignores_what_was_enqueued_is_the_engines_business():
    """The engine lays the user's values over the sampler's, so no sampler can break test_partly_chosen_trials so."""
    assert not caught(Learner, "test_partly_chosen_trials")


def test_every_check_has_a_saboteur():
    checks = {name for name in vars(SamplerSuite) if name.startswith("test_")}
    assert checks - {check for _, check in BROKEN} == {"test_partly_chosen_trials"}


def test_checks_beyond_the_capabilities_are_skipped():
    @dataclass(frozen=True)
    class Modest(Learner):
        capabilities = Capabilities(objectives=1)

    class Suite(SamplerSuite):
        def sampler(self):
            return Modest()

    with pytest.raises(pytest.skip.Exception):
        Suite().test_several_objectives()


def test_the_space_of_the_suite_has_everything():
    space = suite.rich_space()
    assert (space.is_flat, space.has_priors, len(space.forbidden)) == (False, True, 2)
