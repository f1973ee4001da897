"""What is found wrong with a study, and what is not: each finding where there is reason for it, and nowhere else."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tests.analysis.histories import COMPLETE, FAIL, PRUNED, RUNNING, history_of

from kilter import Boolean, Choice, Float, Int, Ordinal, create_study
from kilter.analysis.diagnostics import diagnose
from kilter.core.events import LOST, Failure
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space

NOW = 1e6
CHANCE = random.Random()


@pytest.fixture(autouse=True)
def chance_begins_anew():
    CHANCE.seed(0)


def found(history, kind, **settings):
    """The findings of a kind."""
    return [finding for finding in diagnose(history, NOW, **settings) if finding.kind == kind]


def only(history, kind, **settings):
    [finding] = found(history, kind, **settings)
    return finding


def searched(space, function, trials=100, **told):
    """A study of uniform draws."""
    space = Space(space)
    rows = [space.draw(np.random.default_rng(i)) for i in range(trials)]
    return history_of([{"params": row, **outcome(function, row), **told} for row in rows], Problem(space))


def outcome(function, row):
    try:
        return {"value": float(function(row))}
    except ArithmeticError as error:
        return {"state": FAIL, "failure": Failure(type(error).__name__, str(error))}


# -- bounds -------------------------------------------------------------------------------------------------------


def narrowed(space, at, trials=60, sign=1.0):
    """A search that comes nearer to a value of x, whatever it is, and is better the nearer it comes; y matters less."""
    problem = Problem(Space({**space, "y": Float(0, 1)}), (Objective("value", "minimize" if sign > 0 else "maximize"),))
    x = problem.space["x"]
    target = x.unit(at)
    rows = []
    for i in range(trials):
        y, width = CHANCE.random(), 1.0 if i < 10 else 0.5 ** (i / 4)
        plain = x.from_unit(float(np.clip(target + width * CHANCE.uniform(-1, 1), 0, 1)))
        loss = abs(x.unit(plain) - target) + (y - 0.5) ** 2
        rows.append({"params": {"x": plain, "y": y}, "value": sign * loss})
    return history_of(rows, problem)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("x", "at", "side", "action"),
    [
        (Float(1e-4, 1e-1, log=True), 1e-1, "upper", "Widen x to 1: the optimum may lie beyond."),
        (Float(1e-4, 1e-1, log=True), 1e-4, "lower", "Widen x to 1e-05: the optimum may lie beyond."),
        (Float(-2.0, 2.0), -2.0, "lower", "Widen x to -4: the optimum may lie beyond."),
        (Int(1, 64, log=True), 64, "upper", "Widen x to 260: the optimum may lie beyond."),
        (Int(16, 80), 16, "lower", "Widen x beyond 16, if such values make sense."),
        (Ordinal([8, 16, 32, 64, 128, 256]), 256, "upper", "Add values after 256 to x."),
        (Float(0.0, 1.0), 0.0, "lower", "Widen x beyond 0, if such values make sense."),
        (Int(1, 64, log=True), 1, "lower", "Widen x beyond 1, if such values make sense."),
        (Float(1230.0, 1234.0), 1234.0, "upper", "Widen x to 1236: the optimum may lie beyond."),
    ],
)
def test_the_best_at_a_bound(x, at, side, action, sign):
    finding = only(narrowed({"x": x}, at, sign=sign), "bound")
    assert (finding.parameters, finding.numbers["side"], finding.numbers["bound"]) == (("x",), side, at)
    assert finding.action == action
    assert finding.severity == ("look" if "if such" in action else "act")
    assert finding.numbers["at_bound"] >= finding.numbers["of"] / 2
    assert 0 < len(finding.trials) <= 5


@pytest.mark.parametrize("x", [Float(0.0, 1.0), Float(1e-6, 1.0, log=True), Int(1, 100), Ordinal(list(range(9)))])
def test_an_optimum_within_is_no_finding(x):
    assert not found(narrowed({"x": x}, x.from_unit(0.4)), "bound")


def test_many_trials_at_a_bound_are_no_sign_that_it_is_good_there():
    """As where a sampler likes corners, and results are noisy."""
    rows = []
    for _ in range(60):
        x, y = 1.0 if CHANCE.random() < 0.7 else CHANCE.random(), CHANCE.random()
        rows.append({"params": {"x": x, "y": y}, "value": (y - 0.5) ** 2 + CHANCE.gauss(0, 0.1)})
    history = history_of(rows, Problem(Space({"x": Float(0, 1), "y": Float(0, 1)})))
    best = np.argsort(history.values[:, 0])[:6]
    assert history.matrix[best[0], 0] == 1.0 and (history.matrix[best, 0] == 1.0).sum() >= 4
    assert not found(history, "bound")


def test_neither_few_values_nor_chance_nor_one_trial_is_a_bound():
    assert not found(narrowed({"x": Int(1, 3)}, 3, trials=12), "bound"), "a third of all trials lie there anyway"
    assert not found(narrowed({"x": Boolean()}, True), "bound")
    space = {f"x{i}": Float(0, 1) for i in range(20)}
    assert not found(searched(space, lambda row: row["x0"] * 0.0 + CHANCE.random()), "bound")
    single = history_of(
        [{"params": {"x": 1.0 if i == 0 else i / 40}, "value": float(i)} for i in range(30)],
        Problem(Space({"x": Float(0, 1)})),
    )
    assert not found(single, "bound")
    many = [{"params": {"x": 0.5}, "value": 0.0}, *[{"params": {"x": 1.0}, "value": float(i)} for i in range(1, 30)]]
    assert not found(history_of(many, Problem(Space({"x": Float(0, 1)}))), "bound"), "the best one is within"


# -- failures -----------------------------------------------------------------------------------------------------


def divided(row):
    if row["x"] > 0.8:
        raise ZeroDivisionError(f"division of {row['x']} by zero")
    return row["x"]


def test_failures_are_grouped_and_where_all_fail_is_found():
    finding = only(searched({"x": Float(0, 1), "y": Float(0, 1)}, divided), "failures")
    failed, ended = finding.numbers["failed"], finding.numbers["ended"]
    assert (ended, finding.severity, finding.parameters) == (100, "act", ("x",))
    assert failed == finding.numbers["region_trials"] > 10
    assert finding.numbers["region"].startswith("x >= 0.8")
    assert f"({failed} of 100)" in finding.sentence and "ZeroDivisionError" in finding.sentence
    assert "Narrow the space" in finding.action


def test_an_option_that_never_works():
    def broken(row):
        if row["model"] == "svm":
            raise OverflowError("too large")
        return row["x"]

    finding = only(searched({"x": Float(0, 1), "model": Choice(["svm", "tree", "knn"])}, broken), "failures")
    assert (finding.parameters, finding.numbers["region"]) == (("model",), "model=svm")


def test_chance_failures_have_no_region():
    def flaky(row):
        if CHANCE.random() < 0.3:
            raise ArithmeticError(f"case {CHANCE.random()}")
        return row["x0"]

    finding = only(searched({f"x{i}": Float(0, 1) for i in range(5)}, flaky), "failures")
    assert finding.parameters == () and "region" not in finding.numbers


def test_lost_workers_are_no_fault_of_a_configuration():
    rows = [{"params": {"x": i / 50}, "value": 1.0} for i in range(40)]
    rows += [{"params": {"x": i / 50}, "state": FAIL, "failure": Failure(LOST, "gone")} for i in range(40, 50)]
    finding = only(history_of(rows, Problem(Space({"x": Float(0, 1)}))), "failures")
    assert finding.parameters == ()
    assert "workers vanish" in finding.action


def test_rare_failures_are_not_told_and_several_sorts_are_told_apart():
    rows = [{"value": 1.0}] * 99
    assert not found(history_of([*rows, {"state": FAIL, "failure": Failure("E")}]), "failures")
    sorts = [
        Failure("E", "x=1"),
        Failure("E", "x=2"),
        Failure("E", "y=1"),
        Failure("F", "y=1"),
        Failure("F", "y=2"),
        Failure("E", "x=3"),
    ]
    told = found(history_of([*rows[:20], *({"state": FAIL, "failure": f} for f in sorts)]), "failures")
    assert [finding.numbers["failed"] for finding in told] == [3, 2]


def test_one_failure_of_three_is_worth_a_look():
    one = history_of([{"value": 1.0}, {"state": FAIL, "failure": Failure("E", "x")}, {"value": 2.0}])
    assert only(one, "failures").severity == "look"


def test_failures_that_are_forgiven_are_not_told():
    assert not found(history_of([*[{"state": FAIL, "forgiven": True}] * 9, {"value": 1.0}]), "failures")


# -- results ------------------------------------------------------------------------------------------------------


def test_nothing_feasible_tells_how_near_it_came():
    problem = Problem(constraints=(Constraint("ms", "<=", 20.0),))
    history = history_of([{"value": 1.0, "metrics": {"ms": 30.0 + i}} for i in range(5)], problem)
    finding = only(history, "infeasible")
    assert finding.sentence == "Nothing is feasible: ms <= 20 was never met, nearest is ms = 30 (trial 0)."
    assert (finding.severity, finding.trials) == ("act", (0,))
    some = [{"value": 1.0, "metrics": {"ms": 30.0}}] * 19 + [{"value": 1.0, "metrics": {"ms": 1.0}}]
    assert only(history_of(some, problem), "constraints").numbers["missed"] == 19
    assert not found(history_of(some, problem), "infeasible")


def test_values_that_are_not_finite():
    assert "value is inf in all 3" in only(history_of([{"value": np.inf}] * 3), "not finite").sentence
    finding = only(history_of([{"value": np.inf}] * 3 + [{"value": 1.0}] * 3), "not finite")
    assert (finding.severity, finding.numbers["count"]) == ("look", 3)


def test_all_pruned():
    assert only(history_of([{"state": PRUNED}] * 10), "no result").severity == "act"


def test_reports_that_oppose_values():
    rows = [{"value": i / 9, "reports": [(1, 1 - i / 9)]} for i in range(9)]
    assert only(history_of(rows), "opposed").severity == "act"
    assert not found(history_of([{"value": i / 9, "reports": [(1, i / 9)]} for i in range(9)]), "opposed")


def test_a_plateau():
    finding = only(history_of([{"value": 0.0}, *[{"value": 1.0}] * 60]), "plateau")
    assert (finding.numbers["since_best"], finding.trials) == (60, (0,))
    assert not found(history_of([{"value": 0.0}, *[{"value": 1.0}] * 40]), "plateau")
    assert not found(history_of([*[{"value": 1.0}] * 90, {"value": 0.0}, *[{"value": 1.0}] * 60]), "plateau")


def repeats(noise, trials=40):
    rows = [
        {"params": {"x": (i % 10) / 10}, "value": (i % 10) / 10 + noise * CHANCE.gauss(0, 1)} for i in range(trials)
    ]
    return history_of(rows, Problem(Space({"x": Float(0, 1)})))


def test_noise_beside_what_is_to_be_gained():
    finding = only(repeats(0.3), "noise")
    assert finding.numbers["deviation"] == pytest.approx(0.3, rel=0.4)
    assert finding.numbers["freedom"] == 30 and finding.numbers["alike"] >= 5
    assert not found(repeats(0.001), "noise")
    assert not found(repeats(0.0), "noise")
    assert not found(repeats(0.3, trials=12), "noise"), "two repeats say little of noise"


def test_repeats_of_a_configuration():
    finding = only(repeats(0.1), "duplicates")
    assert (finding.numbers["repeats"], finding.numbers["trials"], finding.severity) == (30, 40, "look")
    tiny = history_of([{"params": {"x": i % 3 + 1}, "value": 1.0} for i in range(9)], Problem(Space({"x": Int(1, 3)})))
    exhausted = only(tiny, "duplicates")
    assert exhausted.severity == "act" and "3 configurations" in exhausted.sentence
    measured = [{"params": {"x": 0.5}, "value": 1.0, "judged": i == 0} for i in range(9)]
    assert not found(history_of(measured, Problem(Space({"x": Float(0, 1)}))), "duplicates"), "that was asked for"
    stopped = [{"params": {"x": i // 2 / 9}, "value": 1.0, "state": COMPLETE if i % 2 else PRUNED} for i in range(18)]
    assert not found(history_of(stopped, Problem(Space({"x": Float(0, 1)}))), "duplicates"), "that went further"


# -- the surrogate ------------------------------------------------------------------------------------------------


def test_a_model_that_predicts_poorly():
    noise = only(searched({"x": Float(0, 1), "y": Float(0, 1)}, lambda row: CHANCE.gauss(0, 1), trials=60), "model")
    assert noise.numbers["r2"] < 0.2
    assert noise.severity == "look"
    assert not found(searched({"x": Float(0, 1)}, lambda row: row["x"] ** 2, trials=60), "model")
    assert not found(searched({"x": Float(0, 1)}, lambda row: CHANCE.gauss(0, 1), trials=20), "model"), "too few"
    assert not found(searched({"x": Float(0, 1)}, lambda row: 1.0, trials=60), "model"), "nothing to predict"


def test_parameters_that_do_not_matter():
    space = {name: Float(0, 1) for name in "xyab"}
    finding = only(searched(space, lambda row: 3 * row["x"] + row["y"] ** 2, trials=80), "irrelevant")
    assert (set(finding.parameters), finding.severity) == ({"a", "b"}, "note")
    assert "do not matter" in finding.sentence
    assert not found(searched({"x": Float(0, 1), "y": Float(0, 1)}, lambda row: row["x"] + row["y"]), "irrelevant")


def test_what_only_matters_together_matters():
    space = {name: Float(-1, 1) for name in "xyz"}
    told = found(searched(space, lambda row: row["x"] * row["y"] + row["z"], trials=100), "irrelevant")
    assert not {"x", "y"} & {name for finding in told for name in finding.parameters}


def test_where_more_than_pairs_matter_nothing_is_said_not_to():
    space = {name: Float(-1, 1) for name in "wxyz"}
    told = searched(space, lambda row: 2 * row["w"] * row["x"] * row["y"] + row["z"], trials=200)
    assert not found(told, "irrelevant")


def test_a_parameter_that_one_of_several_objectives_depends_on_matters():
    space = Space({name: Float(0, 1) for name in "xyz"})
    rows = [space.draw(np.random.default_rng(i)) for i in range(80)]
    problem = Problem(space, (Objective("one"), Objective("two", "maximize")))
    history = history_of([{"params": row, "values": (row["x"], row["y"] ** 2)} for row in rows], problem)
    assert only(history, "irrelevant").parameters == ("z",)


def test_what_is_left_to_gain_beside_noise():
    def measured(row):
        return (row["x"] - 0.5) ** 2 + CHANCE.gauss(0, 0.05)

    timed = {"started": 0.0, "ended": 600.0}
    finding = only(searched({"x": Float(0, 1)}, measured, trials=80, **timed), "gain")
    assert finding.numbers["gain"] < finding.numbers["noise"] < 0.2
    exact = searched({"x": Float(0, 1)}, lambda row: (row["x"] - 0.5) ** 2, trials=40, **timed)
    assert not found(exact, "gain")


# -- spending -----------------------------------------------------------------------------------------------------


def test_workers_that_wait():
    def study(gap):
        return history_of(
            [{"value": 1.0, "worker": "w", "started": i * (10 + gap), "ended": i * (10 + gap) + 10} for i in range(20)]
        )

    finding = only(study(20.0), "idle")
    assert finding.numbers["idle_seconds"] == 19 * 20.0
    assert finding.numbers["utilisation"] == pytest.approx(200 / 580)
    assert not found(study(1.0), "idle")


def learning(early, trials=30):
    """Complete trials whose value at step 2 is `early` of what it is in the end, and pruned ones that stopped there."""
    rows = []
    for _ in range(trials):
        final = CHANCE.random()
        rows.append({"value": final, "reports": [(2, early(final)), (9, final)]})
        rows.append({"state": PRUNED, "reports": [(2, 1.5)]})
    return history_of(rows)


def test_pruned_too_early():
    finding = only(learning(lambda final: CHANCE.random()), "pruned early")
    assert (finding.numbers["step"], finding.numbers["pruned"], finding.numbers["complete"]) == (2, 30, 30)
    assert finding.numbers["correlation"] < 0.4
    assert not found(learning(lambda final: final + 0.1 * CHANCE.random()), "pruned early")
    assert not found(learning(lambda final: CHANCE.random(), trials=5), "pruned early")


def test_what_early_stopping_saved():
    finding = only(learning(lambda final: final), "saved")
    assert finding.severity == "note"
    assert finding.numbers["share"] == pytest.approx(30 * 7 / (30 * 18))
    assert not found(history_of([{"value": 1.0}] * 20), "saved")


def test_a_trial_that_runs_much_longer_than_others():
    rows = [{"value": 1.0, "started": 0.0, "ended": 10.0}] * 9
    late = {"state": RUNNING, "started": NOW - 7300.0}
    assert (
        only(history_of([*rows, late]), "long").sentence == "Trial 9 has run for 2 h; nine of ten took less than 10 s."
    )
    assert not found(history_of([*rows, {"state": RUNNING, "started": NOW - 40.0}]), "long")


def test_a_budget_that_runs_low_while_the_search_gets_better():
    falling = history_of([{"value": -float(i)} for i in range(95)])
    assert only(falling, "budget", budget=100).numbers == {"left": 5, "budget": 100, "since_best": 0}
    assert not found(falling, "budget", budget=200)
    assert not found(falling, "budget")
    assert not found(history_of([{"value": float(i)} for i in range(95)]), "budget", budget=100)


# -- all of it ----------------------------------------------------------------------------------------------------


def test_a_sound_study_calls_for_no_action():
    study = create_study(space={"x": Float(0, 1), "y": Float(0, 1)}, seed=0)
    study.optimize(lambda x, y: (x - 0.3) ** 2 + (y - 0.6) ** 2, n_trials=40, progress="none")
    assert [f for f in diagnose(study.history, NOW) if f.severity == "act"] == []


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\x1b[31m\nb", "x" * 500])
def test_hostile_names_are_made_fit_to_be_shown(name):
    space = {name: Float(1e-4, 1.0, log=True)}
    problem = Problem(Space(space))
    rows = [{"params": {name: 1.0 if i % 2 else 1e-4 * (i + 1)}, "value": float(i % 2 == 0)} for i in range(60)]
    rows += [{"params": {name: 1e-4}, "state": FAIL, "failure": Failure(name, name)}] * 10
    told = diagnose(history_of(rows, problem), NOW)
    assert {"failures", "bound"} <= {finding.kind for finding in told}
    for finding in told:
        assert finding.sentence.isprintable() and len(finding.sentence) < 700
        assert finding.action.isprintable() and len(finding.action) < 400
