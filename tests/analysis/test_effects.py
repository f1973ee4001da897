"""Partial dependence of the surrogate and how far it is to be trusted, on functions whose effects are known."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter import Choice, Float, Int, Simplex
from kilter.analysis.effects import effect, interaction
from kilter.analysis.plain import plain
from kilter.analysis.quality import quality
from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space

LOSS = (Objective("loss"),)
SPACE = {
    "rate": Float(1e-4, 1, log=True),
    "layers": Int(1, 4),
    "kind": Choice(["x", "y"]),
    "inner": Float(0, 1).when(kind="y"),
}


def history_of(space, function, trials, *, seed=0, noise=0.0, objectives=LOSS, uniforms=None):
    """Trials at random, or at given places of the cube."""
    space, stream = Space(space), np.random.default_rng(seed)
    history = History(Problem(space, objectives))
    for number, row in enumerate(stream.random((trials, len(space))) if uniforms is None else uniforms):
        config = space.decode(row)
        value = function(**space.values(config)) + noise * stream.standard_normal()
        history.add(Record(number, TrialState.COMPLETE, config, started=0.0, ended=1.0))
        history[number].metrics = {objectives[0].name: float(value)}
        history.settle(history[number])
    return history


def plant(rate, layers, kind, inner=0.0):
    return math.log10(rate) + (layers - 2) ** 2 + (2.0 if kind == "x" else 4 * inner)


@pytest.fixture(scope="module")
def known():
    return history_of(SPACE, plant, 150)


@pytest.mark.parametrize(
    ("name", "rises", "tolerance"),
    [("rate", [0, 4], 0.3), ("layers", [1, 0, 1, 4], 0.5), ("kind", [0, 0], 0.5), ("inner", [0, 4], 0.4)],
)
def test_an_effect_is_that_of_the_function(known, name, rises, tolerance):
    found = effect(known, name)
    ends = found.mean if len(rises) == len(found.grid) else found.mean[[0, -1]]
    assert ends - ends.min() == pytest.approx(rises, abs=tolerance)
    assert ((found.low <= found.mean) & (found.mean <= found.high)).all()
    assert (found.is_log, found.is_option) == (name == "rate", name == "kind")
    assert found.trials == (150 if name != "inner" else sum(trial.params["kind"] == "y" for trial in known))
    assert found.grid[0] == {"rate": 1e-4, "layers": 1, "kind": "x", "inner": 0.0}[name]
    json.dumps(plain(found), allow_nan=False)


def test_what_is_maximised_keeps_its_unit():
    space = {"x": Float(0, 1)}
    up = effect(history_of(space, lambda x: 100 + x, 30, objectives=(Objective("loss", "maximize"),)), "x")
    down = effect(history_of(space, lambda x: 100 + x, 30), "x")
    assert up.mean[[0, -1]] == pytest.approx([100, 101], abs=0.05)
    assert down.mean[[0, -1]] == pytest.approx([100, 101], abs=0.05)
    assert (up.low <= up.high).all()


def test_where_no_trial_was_nothing_is_known():
    uniforms = np.random.default_rng(0).random((40, 2)) * [0.4, 1.0]
    found = effect(history_of({"x": Float(0, 1), "y": Float(0, 1)}, lambda x, y: x + y, 40, uniforms=uniforms), "x")
    near, far = np.array(found.grid) < 0.35, np.array(found.grid) > 0.5
    assert found.support[near].min() > 0
    assert found.support[far].max() == 0
    width = found.high - found.low
    assert width[far].mean() > 5 * width[near].mean()


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_interval_of_an_effect_holds_it(noise):
    held = []
    for seed in range(8):
        found = effect(history_of({"x": Float(0, 1)}, lambda x: math.sin(6 * x), 40, seed=seed, noise=noise), "x")
        truth = np.sin(6 * np.array(found.grid))
        held.append((found.low - 0.01 <= truth) & (truth <= found.high + 0.01))
    assert np.mean(held) > 0.6


def test_two_that_interact_and_two_that_do_not():
    space = {name: Float(0, 1) for name in "abc"}
    history = history_of(space, lambda a, b, c: 4 * (a - 0.5) * (b - 0.5) + c, 150)
    together, apart = interaction(history, "a", "b"), interaction(history, "a", "c")
    assert together.strength > 0.9
    assert apart.strength < 0.1
    assert together.mean.shape == together.support.shape == tuple(map(len, together.grids))
    corners = together.mean[[0, 0, -1, -1], [0, -1, 0, -1]] - together.mean.mean()
    assert corners == pytest.approx([1, -1, -1, 1], abs=0.35)
    assert together.support.sum() > 0


def test_parameters_that_are_not_active_together_and_names_that_are_none(known):
    space = {"kind": Choice(["x", "y"]), "x": Float(0, 1).when(kind="x"), "y": Float(0, 1).when(kind="y")}
    never = history_of(space, lambda kind, x=0.0, y=0.0: x + y, 30)
    with pytest.raises(NotReady, match="'x' and 'y'"):
        interaction(never, "x", "y")
    with pytest.raises(UnknownName, match="did you mean 'rate'"):
        effect(known, "rat")
    with pytest.raises(InvalidInput, match="itself"):
        interaction(known, "rate", "rate")


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_before_three_trials_there_is_no_model(trials):
    history = history_of(SPACE, plant, trials)
    for ask in (lambda: effect(history, "rate"), lambda: quality(history)):
        with pytest.raises(NotReady, match="a model takes 3"):
            ask()


@pytest.mark.parametrize("function", [lambda **_: 1.0, lambda rate, **_: 1e300 * rate, lambda rate, **_: rate])
def test_odd_values_have_effects_and_a_quality(function):
    history = history_of(SPACE, function, 20)
    for result in (
        effect(history, "rate"),
        effect(history, "kind"),
        interaction(history, "rate", "kind"),
        quality(history),
    ):
        json.dumps(plain(result), allow_nan=False)
    assert np.isfinite(effect(history, "rate").mean).all()


def test_of_very_many_options_some_are_looked_at():
    space = {"a": Choice(list(range(60))), "b": Choice(list(range(60)))}
    history = history_of(space, lambda a, b: a % 2, 120)
    found = interaction(history, "a", "b")
    assert max(map(len, found.grids)) == 12
    one = effect(history, "a")
    assert len(one.grid) == 24
    assert one.support.tolist() == [sum(t.params["a"] == option for t in sample(history)) for option in one.grid]


def sample(history):
    """The trials that the surrogate rests on."""
    return [history[number] for number in quality(history).numbers]


def test_a_part_of_a_compound_has_an_effect():
    found = effect(history_of({"w": Simplex(3)}, lambda w: w[0], 40), "w.1")
    assert found.mean[0] < found.mean[-1]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_the_same_trials_tell_the_same(seed):
    first, second = (effect(history_of(SPACE, plant, 25, seed=seed), "rate", seed=seed) for _ in range(2))
    assert plain(first) == plain(second)


# -- quality ------------------------------------------------------------------------------------------------------


def test_leaving_one_out_is_what_it_says():
    """The formula is that of a process that has not seen the trial."""
    from kilter.analysis.beliefs import believed
    from kilter.models.gp import Posterior

    history = history_of({"x": Float(0, 1), "y": Float(0, 1)}, lambda x, y: x * y, 25, noise=0.05)
    model, found = believed(history), quality(history)
    whole = model.belief.posterior
    for left in (0, 7, 24):
        rows = np.delete(np.arange(25), left)
        without = Posterior(whole.layout, whole.theta, whole.features[rows], whole.y[rows])
        mean, variance = without.predict(whole.features[[left]])
        assert found.predicted[left] == pytest.approx(model.own(mean)[0], abs=1e-6)
        sd = math.sqrt(variance[0] + whole.noise)
        assert found.deviation[left] == pytest.approx((whole.y[left] - mean[0]) / sd, abs=1e-4)


def test_a_model_is_good_where_there_is_something_to_learn_and_says_where_there_is_not():
    smooth = quality(history_of({"x": Float(0, 1), "y": Float(0, 1)}, lambda x, y: x + y * y, 60))
    noise = quality(history_of({"x": Float(0, 1), "y": Float(0, 1)}, lambda x, y: 0.0, 60, noise=1.0))
    assert smooth.r2 > 0.99
    assert smooth.rank_correlation > 0.99
    assert smooth.noise < 0.01
    assert noise.r2 < 0.1
    assert 0.65 < noise.coverage < 0.95
    assert noise.noise > 0.5
    assert (noise.low < noise.high).all()
    assert noise.observed.shape == noise.predicted.shape == noise.numbers.shape == (60,)


def test_of_equal_values_nothing_can_be_predicted():
    found = quality(history_of({"x": Float(0, 1)}, lambda x: 1.0, 10))
    assert math.isnan(found.r2)
    assert math.isnan(found.rank_correlation)
