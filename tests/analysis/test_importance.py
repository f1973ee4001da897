"""Importance: shares of variance that are known, what does not matter, and histories that tell nothing."""

import importlib.util
import itertools
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter import Boolean, Choice, Float, Int, Simplex, Subset
from kilter.analysis.importance import METHODS, importance
from kilter.analysis.plain import plain
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
LOSS = (Objective("loss"),)


def history_of(space, function, trials, *, seed=0, noise=0.0, objectives=LOSS, state=lambda number: COMPLETE):
    """Trials at random, whose values are functions of their values; of several objectives a tuple."""
    space, stream = Space(space), np.random.default_rng(seed)
    history = History(Problem(space, objectives))
    for number, uniforms in enumerate(stream.random((trials, len(space)))):
        config = space.decode(uniforms)
        values = np.atleast_1d(function(**space.values(config))) + noise * stream.standard_normal()
        history.add(Record(number, state(number), config, started=0.0, ended=1.0))
        history[number].metrics = {o.name: float(value) for o, value in zip(objectives, values)}
        history.settle(history[number])
    return history


def shares(found):
    return {share.parameter: share.share for share in found.shares}


CUBE = {name: Float(0, 1) for name in ("a", "b", "c", "idle")}


def added(a, b, c, idle):
    """Its variances are as 9 : 4 : 1."""
    return 3 * a + 2 * b + c


@pytest.mark.parametrize("method", ["auto", "surrogate", "fanova"])
@pytest.mark.parametrize("trials", [100, 1000])
def test_the_shares_of_a_sum_are_those_of_its_variances(method, trials):
    found = importance(history_of(CUBE, added, trials), method=method)
    known = shares(found)
    assert list(known) == ["a", "b", "c", "idle"]
    for name, share in [("a", 9 / 14), ("b", 4 / 14), ("c", 1 / 14), ("idle", 0.0)]:
        assert known[name] == pytest.approx(share, abs=0.16 if trials == 100 else 0.07)
    assert all(share.low <= share.share <= share.high for share in found.shares)
    assert known["idle"] < 0.01
    assert found.explained > 0.8
    assert all(pair.share < 0.06 for pair in found.pairs)


ODD = {
    "none": lambda: history_of(CUBE, added, 0),
    "one": lambda: history_of(CUBE, added, 1),
    "two": lambda: history_of(CUBE, added, 2),
    "three": lambda: history_of(CUBE, added, 3),
    "equal": lambda: history_of(CUBE, lambda **_: 1.0, 20),
    "failed": lambda: history_of(CUBE, added, 20, state=lambda number: FAIL),
    "pruned": lambda: history_of(CUBE, added, 20, state=lambda number: PRUNED),
    "infinite": lambda: history_of(CUBE, lambda **_: math.inf, 20),
    "nan": lambda: history_of(CUBE, lambda **_: math.nan, 20),
    "some infinite": lambda: history_of(CUBE, lambda a, **_: math.inf if a < 0.5 else a, 20),
    "huge": lambda: history_of(CUBE, lambda a, **_: 1e308 if a < 0.5 else -1e308, 20),
    "no parameters": lambda: history_of({}, lambda: 1.0, 5),
    "no parameters, and noise": lambda: history_of({}, lambda: 1.0, 12, noise=1.0),
    "one value": lambda: history_of({"a": Float(0, 1), "b": Choice(["only"])}, lambda a, b: a, 20),
}


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("kind", ODD)
def test_whatever_there_is_has_shares(kind, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = importance(ODD[kind](), method=method)
    assert 0.0 <= sum(share.share for share in found.shares) <= 1.0 + 1e-9
    assert all(0.0 <= share.low <= share.share <= share.high <= 1.0 for share in found.shares)
    json.dumps(plain(found), allow_nan=False)
    if kind in ("none", "one", "two"):
        assert {(share.share, share.high) for share in found.shares} == {(0.0, 1.0)}
    if kind in ("equal", "one value"):
        assert min(share.high for share in found.shares) == 0.0


# -- what is known ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["surrogate", "fanova"])
def test_noise_is_nobodys_share(method):
    quiet = shares(importance(history_of(CUBE, added, 300), method=method))
    noisy = shares(importance(history_of(CUBE, added, 300, noise=1.08), method=method))
    assert noisy["a"] == pytest.approx(quiet["a"] / 2, abs=0.1)  # as much noise as variance: 14 / 12
    assert noisy["idle"] < 0.03


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_of_pure_noise_nothing_has_a_share(method):
    stream = np.random.default_rng(5)
    runs = [history_of(CUBE, lambda **_: stream.standard_normal(), 100, seed=seed) for seed in range(5)]
    found = [importance(history, method=method) for history in runs]
    assert np.mean([share.share for one in found for share in one.shares]) < 0.03
    assert np.mean([share.low < 0.02 for one in found for share in one.shares]) > 0.8
    assert all(one.explained is None or one.explained < 0.15 for one in found)


@pytest.mark.parametrize("method", ["surrogate", "fanova"])
def test_a_product_is_explained_by_the_pair_alone(method):
    found = importance(history_of(CUBE, lambda a, b, **_: (a - 0.5) * (b - 0.5), 600), method=method)
    assert found.pairs[0].parameters == ("a", "b")
    assert found.pairs[0].share > 0.7
    assert max(shares(found).values()) < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_a_conditional_parameter_counts_where_it_is_active(method):
    space = {
        "z": Float(0, 1),
        "kind": Choice(["x", "y"]),
        "x": Float(0, 1).when(kind="x"),
        "y": Float(0, 1).when(kind="y"),
    }
    history = history_of(space, lambda z, kind, x=0.0, y=0.0: (x if kind == "x" else 0.5) + z / 2, 500)
    found = {share.parameter: share for share in importance(history, method=method).shares}
    assert found["x"].share == pytest.approx(2 / 3 if method != "pedanova" else 0.57, abs=0.12)  # half of 1 / 12
    assert found["z"].share == pytest.approx(1 / 3 if method != "pedanova" else 0.27, abs=0.12)
    assert max(found["kind"].share, found["y"].share) < 0.06
    assert (found["x"].is_conditional, found["kind"].is_conditional) == (True, False)
    assert found["x"].active + found["y"].active == found["kind"].active


@pytest.mark.parametrize("method", METHODS)
def test_scales_and_options_are_those_of_the_space(method):
    space = {
        "rate": Float(1e-5, 1, log=True),
        "width": Int(1, 1000, log=True),
        "kind": Choice(list("abcdef")),
        "flag": Boolean(),
        "same": Choice(list("abcdef")),
    }
    worth = dict(zip("abcdef", (0.0, 2.0, 0.0, 2.0, 0.0, 2.0)))  # in no order
    history = history_of(
        space,
        lambda rate, width, kind, flag, same: math.log10(rate) / 5 * 12**0.5 + worth[kind] + 0.01 * flag,
        600,
    )
    found = shares(importance(history, method=method))
    assert found["rate"] == pytest.approx(0.5, abs=0.15)
    assert found["kind"] == pytest.approx(0.5 if method != "pedanova" else 0.35, abs=0.15)
    assert max(found[name] for name in ("width", "flag", "same")) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_a_compound_has_what_its_parts_explain(method):
    space = {"w": Simplex(3), "s": Subset(["p", "q", "r"]), "idle": Float(0, 1)}
    found = shares(importance(history_of(space, lambda w, s, idle: w[0] + ("q" in s), 400), method=method))
    assert set(found) == {"w", "s", "idle"}
    assert 0.9 > found["s"] > found["w"] > 0.05
    assert found["idle"] < 0.02


@pytest.mark.parametrize("method", ["surrogate", "fanova"])
def test_what_the_parts_of_a_compound_explain_together_is_its_own(method):
    space = {"s": Subset(["p", "q"]), "idle": Float(0, 1)}
    found = importance(history_of(space, lambda s, idle: len(s) % 2, 300), method=method)
    assert shares(found)["s"] > 0.8
    assert all(pair.share < 0.05 for pair in found.pairs)


@pytest.mark.parametrize("method", METHODS)
def test_very_many_options_have_a_share(method):
    space = {"a": Choice(list(range(60))), "b": Choice(list(range(60))), "c": Float(0, 1)}
    assert importance(history_of(space, lambda a, b, c: c, 150), method=method).shares[0].parameter == "c"


def test_what_was_stopped_is_worse_than_what_was_not():
    history = history_of(CUBE, lambda b, **_: b, 200)
    for trial in history:
        trial.state = PRUNED if trial.params["a"] > 0.3 else COMPLETE
    assert importance(history).shares[0].parameter == "a"
    found = shares(importance(history, method="pedanova", quantile=0.1))
    assert min(found["a"], found["b"]) > 0.1


def test_a_few_diverged_trials_do_not_rule():
    quiet = history_of(CUBE, added, 200)
    wild = history_of(CUBE, added, 200)
    for trial in (wild[3], wild[90]):
        trial.metrics["loss"] = 1e7
        wild.settle(trial)
    found = importance(wild)
    assert found.explained > 0.8
    assert shares(found) == pytest.approx(shares(importance(quiet)), abs=0.06)


def test_the_rest_is_told_and_an_interval_holds_what_later_trials_say():
    stream = np.random.default_rng(3)
    noisy = history_of(CUBE, lambda **values: added(**values) + 1.08 * stream.standard_normal(), 240)
    told = []
    for trials in (60, 90, 120, 240):
        part = History(noisy.problem)
        for trial in list(noisy)[:trials]:
            part.add(trial)
            part.settle(trial)
        found = importance(part)
        told.append({share.parameter: share for share in found.shares})
        sums = sum(share.share for share in found.shares) + sum(pair.share for pair in found.pairs)
        assert found.rest == pytest.approx(1.0 - sums)
        assert found.shares[0].parameter == "a"
        assert found.method == "surrogate and fanova"
    assert found.rest > 0.3
    held = [
        early[name].low <= later[name].share <= early[name].high
        for early, later in itertools.pairwise(told)
        for name in CUBE
    ]
    assert np.mean(held) >= 0.75


def test_of_several_objectives_one_or_the_front():
    objectives = (Objective("loss"), Objective("gain", "maximize"))
    history = history_of(CUBE, lambda a, b, c, idle: (a, b), 300, objectives=objectives)
    assert importance(history, 0).shares[0].parameter == "a"
    assert importance(history, "gain").shares[0].parameter == "b"
    front = importance(history, None)
    assert {share.parameter for share in front.shares[:2]} == {"a", "b"}
    assert (front.objective, front.method) == (None, "pedanova")
    assert importance(history, target=lambda trial: trial.params["c"]).shares[0].parameter == "c"
    with pytest.raises(InvalidInput, match="which objective"):
        importance(history, None, method="fanova")
    with pytest.raises(UnknownName, match="did you mean 'fanova'"):
        importance(history, method="fanov")


# -- laws ---------------------------------------------------------------------------------------------------------

KINDS = {
    "real": Float(-3, 5),
    "log": Float(1e-4, 1, log=True),
    "whole": Int(0, 7),
    "option": Choice(["a", "b", "c"]),
    "inner": Float(0, 1).when(option="b"),
}


def tangled(real, log, whole, option, inner=0.0):
    return real * whole + math.log10(log) + (inner if option == "b" else 0.3)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60), st.sampled_from(sorted(METHODS)))
def test_shares_are_shares_and_looking_changes_nothing(seed, trials, method):
    history = history_of(KINDS, tangled, trials, seed=seed, noise=0.2)
    found = importance(history, method=method, seed=seed)
    assert sum(share.share for share in found.shares) <= 1.0 + 1e-9
    assert all(0.0 <= share.low <= share.share + 1e-12 <= share.high + 2e-12 for share in found.shares)
    assert plain(importance(history, method=method, seed=seed)) == plain(found)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([lambda y: math.exp(y / 10), lambda y: y**3, lambda y: 5 * y - 2]))
def test_ranks_alone_count_and_no_order_of_trials(seed, monotone):
    trials = history_of(KINDS, tangled, 50, seed=seed)
    other = History(trials.problem)
    for number, old in enumerate(np.random.default_rng(seed).permutation(50)):
        other.add(Record(number, COMPLETE, trials[old].params))
        other[number].metrics = {"loss": monotone(trials[old].metrics["loss"])}
        other.settle(other[number])
    first, second = (importance(history, method="pedanova") for history in (trials, other))
    for share, same in zip(first.shares, second.shares):
        assert share.parameter == same.parameter
        assert (share.share, share.low, share.high) == pytest.approx((same.share, same.low, same.high), abs=1e-9)


def test_a_sample_of_many_trials_is_stated():
    history = history_of({"a": Float(0, 1), "idle": Float(0, 1)}, lambda a, idle: a, 11_000)
    for method, sampled in [("pedanova", 10_000), ("fanova", 3_000), ("surrogate", 320)]:
        found = importance(history, method=method)
        assert (found.trials, found.sampled) == (11_000, sampled)
        assert shares(found)["a"] > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_the_intervals_hold_the_truth_most_of_the_time(method):
    held = []
    for seed in range(12):
        found = importance(history_of(CUBE, added, 80, seed=seed, noise=0.2), method=method, seed=seed)
        known = {share.parameter: share for share in found.shares}
        truth = {"a": 9 / 14, "idle": 0.0} if method != "pedanova" else {"a": 0.53, "idle": 0.0}
        held += [known[name].low - 0.01 <= share <= known[name].high + 0.01 for name, share in truth.items()]
    assert np.mean(held) >= 0.7


# -- beside Optuna ------------------------------------------------------------------------------------------------


def test_the_same_studies_have_the_importances_that_optuna_finds():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    history = history_of(CUBE, added, 300)
    theirs = optuna.create_study()
    floats = {name: optuna.distributions.FloatDistribution(0, 1) for name in CUBE}
    for trial in history:
        theirs.add_trial(
            optuna.trial.create_trial(params=trial.params, distributions=floats, value=trial.metrics["loss"])
        )
    quantile = importance(history, method="pedanova", quantile=0.1)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(theirs, evaluator=evaluator)
    total = sum(shares(quantile).values())
    for name, share in shares(quantile).items():
        assert share / total == pytest.approx(found[name], abs=0.12)
    assert list(found)[:2] == list(shares(quantile))[:2] == ["a", "b"]
    if importlib.util.find_spec("sklearn"):
        forest = optuna.importance.FanovaImportanceEvaluator(seed=0, n_trees=16)
        found = optuna.importance.get_param_importances(theirs, evaluator=forest)
        total = sum(shares(importance(history, method="fanova")).values())
        for name, share in shares(importance(history, method="fanova")).items():
            assert share / total == pytest.approx(found[name], abs=0.08)
