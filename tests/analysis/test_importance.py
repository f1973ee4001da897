"""Importance: shares of variance that are known, what does not matter, and histories that tell nothing."""

import json
import math
import warnings

import numpy as np
import pytest

from kilter import Choice, Float
from kilter.analysis.importance import METHODS, importance
from kilter.analysis.plain import plain
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
