"""Which of several studies is better, by ranks and tests, and where their optima lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import FAIL, PRUNED, history_of

from kilter import Choice, Float
from kilter.analysis.comparison import GRID, compare
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space

UP = Problem(objectives=(Objective("acc", "maximize"),))
LOSSES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=4)


def run(*values, problem=None, seconds=1.0):
    trials = [{"value": v, "started": i * seconds, "ended": (i + 1) * seconds} for i, v in enumerate(values)]
    return history_of(trials, problem)


@st.composite
def studies(draw):
    """Two to four studies with equally many runs each, of a few trials."""
    count, seeds = draw(st.integers(2, 4)), draw(st.integers(1, 4))
    return {f"s{i}": [run(*draw(LOSSES)) for _ in range(seeds)] for i in range(count)}


@given(studies())
def test_ranks_sum_to_those_of_a_race(given):
    found = compare(given)
    k = len(given)
    sums = sum(contestant.ranks for contestant in found.contestants)
    assert sums == pytest.approx(np.full(len(found.budgets), k * (k + 1) / 2))
    assert [c.rank for c in found.contestants] == sorted(c.rank for c in found.contestants)
    for contestant in found.contestants:
        middle, low, high = contestant.band
        assert ((low <= middle) & (middle <= high) | np.isnan(high)).all()
        assert (np.diff(middle[np.isfinite(middle)]) <= 0).all(), "the best so far never gets worse"


def seen_from(label, duel):
    """Wins, losses, effect and difference of one side of a duel."""
    if duel.first == label:
        return duel.wins, duel.losses, duel.effect, duel.difference
    return duel.losses, duel.wins, 1 - duel.effect, None if duel.difference is None else -duel.difference


@given(studies())
def test_turning_two_studies_round_turns_the_answer_round(given):
    a, b, *_ = given
    one, other = (compare({x: given[x], y: given[y]}).duels[0] for x, y in ((a, b), (b, a)))
    assert seen_from(a, one) == seen_from(a, other)
    assert (one.ties, one.p, one.sign_p) == (other.ties, other.p, other.sign_p)


def test_ten_pairs_that_all_say_the_same():
    chance = np.random.default_rng(0)
    base = chance.random(10)
    found = compare(
        {"old": [run(b, b) for b in base], "new": [run(b, b - 0.01 - 0.001 * i) for i, b in enumerate(base)]}
    )
    duel = found.duels[0]
    assert (duel.first, duel.wins, duel.losses, duel.test) == ("new", 10, 0, "wilcoxon")
    assert duel.p == duel.sign_p == pytest.approx(2 / 2**10)
    assert duel.difference == pytest.approx(-0.0145)
    assert duel.effect == 1.0
    assert duel.verdict == "new is better than old (p = 0.002): new is better in 10 of 10 pairs"
    assert not any("cannot show" in told for told in found.assumptions)


def test_ranks_of_pairs_are_of_the_same_seed():
    found = compare({"a": [run(1), run(10)], "b": [run(2), run(11)]})
    assert [(c.label, c.rank) for c in found.contestants] == [("a", 1.0), ("b", 2.0)]
    unpaired = compare({"a": [run(1), run(10)], "b": [run(2), run(11), run(11)]})
    assert unpaired.contestants[0].rank == pytest.approx(1 + 1 / 6)


def test_directions_are_those_of_the_user():
    found = compare({"a": [run(0.5, 0.7, problem=UP)] * 2, "b": [run(0.9, 0.1, problem=UP), run(0.8, 0.0, problem=UP)]})
    best = found.contestants[0]
    assert (best.label, best.median, best.finals.tolist()) == ("b", pytest.approx(0.85), [0.9, 0.8])
    assert found.duels[0].difference == pytest.approx(0.15)
    assert best.band[:, -1].tolist() == pytest.approx([0.85, 0.825, 0.875])


def test_runs_are_compared_at_what_all_of_them_had():
    found = compare({"short": [run(3, 2)], "long": [run(3, 2.5, 1, 0)]})
    assert found.budget == 2
    assert [(c.label, c.finals.tolist(), c.ends.tolist()) for c in found.contestants] == [
        ("short", [2], [2]),
        ("long", [2.5], [0]),
    ]
    assert "Runs have from 2 to 4 trials" in " ".join(
        compare({"short": [run(3, 2)] * 2, "long": [run(3, 2.5, 1, 0)] * 2}).assumptions
    )
    assert found.duels[0].test == "none"
    assert found.assumptions == ("There is one run of each study: run more seeds before you believe in a difference.",)


def test_time_and_cost():
    fast, slow = run(5, 3, 1, 0.5, seconds=1.0), run(4, 2, 0, seconds=2.0)
    found = compare({"fast": [fast], "slow": [slow]}, against="time")
    assert (found.budget, len(found.budgets)) == (4.0, GRID)
    assert {c.label: c.finals.tolist() for c in found.contestants} == {"fast": [0.5], "slow": [2.0]}
    assert compare({"fast": [fast], "slow": [slow]}, against="cost").budget == 4.0


def test_a_run_that_found_nothing_is_the_worst():
    bound = Problem(constraints=(Constraint("value", ">=", 0.0),))
    broken = history_of([{"state": FAIL}, {"state": PRUNED}, {"value": -1.0}], bound)
    found = compare({"none": [broken] * 3, "some": [run(9.0, 8.0, problem=bound)] * 3})
    some, none = found.contestants
    assert (some.label, some.rank, none.rank) == ("some", 1.0, 2.0)
    assert np.isnan(none.finals).all() and np.isnan(none.median) and np.isnan(none.band).all()
    assert (found.duels[0].wins, found.duels[0].difference) == (3, None)
    equal = compare({"x": [broken] * 2, "y": [broken] * 2})
    assert (equal.contestants[0].rank, equal.duels[0].ties, equal.duels[0].p) == (1.5, 2, None)


def test_groups_of_different_sizes_are_not_paired():
    found = compare({"a": [run(i / 10) for i in range(8)], "b": [run(1 + i / 10) for i in range(6)]})
    duel = found.duels[0]
    assert not found.is_paired
    assert (duel.test, duel.wins, duel.effect, duel.sign_p) == ("mann-whitney", 48, 1.0, None)
    assert duel.p < 0.01
    assert "not paired" in found.assumptions[0]


def test_few_pairs_are_said_to_be_few():
    found = compare({"a": [run(float(i)) for i in range(5)], "b": [run(i + 1.0) for i in range(5)]})
    assert found.duels[0].p == pytest.approx(0.0625)
    assert "5 pairs cannot show p < 0.05" in " ".join(found.assumptions)
    assert "cannot be told apart" in found.duels[0].verdict


def test_many_duels_are_corrected_for():
    found = compare({name: [run(i + 10.0 * place) for i in range(6)] for place, name in enumerate("abc")})
    assert [duel.p for duel in found.duels] == pytest.approx([1 / 32] * 3)
    assert [duel.corrected for duel in found.duels] == pytest.approx([3 / 32] * 3)
    assert "Holm" in found.assumptions[-1]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InvalidInput, match="give two or more"):
        compare({"a": [run(1)]})
    with pytest.raises(InvalidInput, match="'b' has no run"):
        compare({"a": [run(1)], "b": []})
    with pytest.raises(InvalidInput, match="a is to minimize value, b is to maximize acc"):
        compare({"a": [run(1)], "b": [run(1, problem=UP)]})
    with pytest.raises(UnknownName):
        compare({"a": [run(1)], "b": [run(1)]}, against="money")
    with pytest.raises(UnknownName):
        compare({"a": [run(1)], "b": [run(1)]}, "loss")


def found_at(space, *params):
    return [
        history_of([{"value": 1.0, "params": p}, {"value": 9.0, "params": params[0]}], Problem(space)) for p in params
    ]


def test_the_optimum_of_common_parameters_drifts():
    one = Space({"lr": Float(1e-4, 1.0, log=True), "model": Choice(["a", "b"]), "mine": Float(0, 1)})
    other = Space({"lr": Float(1e-6, 1e-2, log=True), "model": Choice(["a", "c"])})
    found = compare(
        {
            "one": found_at(one, {"lr": 1e-1, "model": "a"}, {"lr": 1e-2, "model": "a"}, {"lr": 1.0, "model": "b"}),
            "other": found_at(
                other, {"lr": 1e-4, "model": "c"}, {"lr": 1e-4, "model": "c"}, {"lr": 1e-4, "model": "a"}
            ),
        }
    )
    drifts = {drift.name: drift for drift in found.parameters}
    assert set(drifts) == {"lr", "model"}
    lr, model = drifts["lr"], drifts["model"]
    assert (lr.shift, lr.spread) == (pytest.approx(0.5), pytest.approx(2 / 6))
    assert (lr.optima["one"].value, lr.optima["one"].low, lr.optima["one"].high) == (1e-1, 1e-2, 1.0)
    assert (model.optima["other"].value, model.optima["other"].share) == ("c", pytest.approx(2 / 3))
    assert model.shift == pytest.approx(2 / 3)
    assert [drift.name for drift in found.parameters] == ["model", "lr"]
