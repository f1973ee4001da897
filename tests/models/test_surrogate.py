"""What was observed and what is believed of it: columns, purity of the memory, bounded cost, values of every kind."""

import math
import warnings

import numpy as np
import pytest

from kilter.core.events import INTERRUPTED, LOST, Enqueued, Failure, SpaceExtended, Started, TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.models import fits
from kilter.models.encoding import Encoding
from kilter.models.evidence import CAP, SingleFidelity, evidence_of
from kilter.models.fits import COLD, WARM, step_below
from kilter.models.results import LEAST, Results
from kilter.models.surrogate import Surrogate
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log, rich_space, size_of

FLAT = Space({"x": Float(0, 1), "y": Float(0, 1)})
SPACES = {"flat": FLAT, "rich": rich_space(), "options": Space({"c": Choice(list(range(5))), "b": Boolean()})}


VALUE = (Objective("value"),)


def logged(values, space=FLAT, seed=7, constraints=(), objectives=VALUE):
    """A log of random trials, each ended with the given metrics; None is an error, text a kind of failure."""
    log = Log(RandomSampler(), Problem(space, objectives, constraints), seed)
    for value in values:
        number, config = log.start()
        value = value(config) if callable(value) else value
        if value is None or isinstance(value, str):
            log.end(number, {}, TrialState.FAIL, Failure(value or "ValueError"))
        else:
            log.end(number, value if isinstance(value, dict) else {"value": float(value)})
    return log


def history_of(*arguments, **settings):
    return logged(*arguments, **settings).engine.history


def bowl(config):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2


def grid(encoding, count=40, seed=0):
    return encoding.from_uniforms(np.random.default_rng(seed).random((count, encoding.d)))


# What was results.


def test_columns_are_in_the_order_in_which_trials_ended():
    log = Log(RandomSampler(), Problem(FLAT, (Objective("value", "maximize"),), (Constraint("m", ">=", 3.0),)))
    configs = [log.start()[1] for _ in range(3)]
    for number in (2, 0, 1):
        log.end(number, {"value": float(number), "m": float(number)})
    results = Results.of(log.engine.history)
    assert results.numbers.tolist() == [2, 0, 1]
    assert results.values[:, 0].tolist() == [-2.0, -0.0, -1.0]
    assert results.constraints[:, 0].tolist() == [1.0, 3.0, 2.0]
    assert results.violation.tolist() == log.engine.history.violations[[2, 0, 1]].tolist()
    assert results.seconds.tolist() == [0.5, 0.5, 0.5]
    assert results.points[:, 0].tolist() == pytest.approx([configs[i]["x"] for i in (2, 0, 1)])
    assert results.best(99).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("value", "usable", "failed"),
    [
        (1.0, True, False),
        (None, False, True),
        (LOST, False, False),
        (INTERRUPTED, False, False),
        (math.nan, False, True),
        (math.inf, False, True),
        (-math.inf, False, True),
    ],
)
def test_who_is_to_blame(value, usable, failed):
    log = Log(RandomSampler(), Problem(FLAT))
    log.run(1, lambda _: {"value": 0.0})
    number, _ = log.start()
    if value is None or isinstance(value, str):
        for attempt in range(3):  # what was lost is tried again, in the end given up
            log.end(number, {}, TrialState.FAIL, Failure(value or "ValueError"))
            if number in log.engine.history.waiting:
                params = log.engine.history[number].params
                log.write(Started(number, attempt + 2, params, "w", log.engine.position, 0.0, fresh=False))
    else:
        log.end(number, {"value": value})
    results = Results.of(log.engine.history)
    if results.count == 2:
        assert (results.usable[1], results.failed[1]) == (usable, failed)
    else:
        assert value in (LOST, INTERRUPTED)


def test_a_failure_is_no_result_even_with_a_value():
    log = logged([1.0])
    number, _ = log.start()
    log.end(number, {"value": -5.0}, TrialState.FAIL, Failure("ValueError"))
    results = Results.of(log.engine.history)
    assert (results.usable.tolist(), results.failed.tolist()) == ([True, False], [False, True])


def test_an_unknown_constraint_is_worst_and_infinite_sums_are_no_warning():
    constraints = (Constraint("a", "<=", 0.0), Constraint("b", "<=", 0.0))
    metrics = [
        {"value": 1.0, "a": 1e308, "b": 1e308},
        {"value": 0.0, "a": 0.0, "b": math.nan},
        {"value": 9.0, "a": -1, "b": 0},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = Results.of(history_of(metrics, constraints=constraints))
        assert results.violation.tolist() == [math.inf, math.inf, 0.0]
        assert results.best(99)[0] == 2


def test_ranking_by_fronts():
    metrics = [{"a": 1.0, "b": 1.0}, {"a": 0.0, "b": 2.0}, {"a": 2.0, "b": 2.0}, {"a": math.nan, "b": 0.0}]
    results = Results.of(history_of(metrics, objectives=(Objective("a"), Objective("b"))))
    assert results.best(99).tolist() == [0, 1, 2]


def test_rows_only_join_and_are_encoded_once(monkeypatch):
    """Also where an equal space of another study has been encoded before."""
    first, second = (logged([bowl] * 100, Space(dict(FLAT.parameters))) for _ in range(2))
    Results.of(first.engine.history)
    before = Results.of(second.engine.history).points.copy()
    encoded = []
    known = Encoding.known
    monkeypatch.setattr(Encoding, "known", lambda self, matrix: encoded.append(len(matrix)) or known(self, matrix))
    second.run(1, lambda c: {"value": bowl(c)})
    results = Results.of(second.engine.history)
    assert encoded == [1]
    assert np.array_equal(results.points[:100], before)
    assert results.count == 101


def test_an_interrupt_loses_no_row(monkeypatch):
    history = history_of([bowl] * 70)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Encoding, "features", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Results.of(history)
    results = Results.of(history)
    assert results.numbers.tolist() == list(range(70))
    assert np.array_equal(results.points, Results.of(history.under(history.problem)).points)


@pytest.mark.parametrize("space", sorted(SPACES))
def test_the_first_rows_are_what_was_known_then(space):
    """A model of them is the one of that time, to the last bit."""
    log = logged([lambda c: {"value": size_of(c)}] * 30, SPACES[space])
    everything = Results.of(log.engine.history)
    for count in (5, 17, 30):
        then, first = logged([lambda c: {"value": size_of(c)}] * count, SPACES[space]), everything.until(count)
        fresh = Results.of(then.engine.history)
        for name in ("numbers", "values", "violation", "failed", "points", "features", "usable", "feasible"):
            assert np.array_equal(getattr(first, name), getattr(fresh, name)), name
        assert np.array_equal(first.best(9), fresh.best(9))
        one, other = (
            Surrogate(SingleFidelity(results, np.empty((0, results.encoding.d)), np.random.default_rng(0)))
            for results in (first, fresh)
        )
        assert np.array_equal(one.score(grid(one.encoding)), other.score(grid(other.encoding)))
    assert everything.count == 30


def test_a_space_that_grows_moves_all_points():
    log = logged([bowl] * 5)
    before = Results.of(log.engine.history).points
    wider = {"x": Float(0, 2), "new": Choice(["p", "q"], default="q")}
    log.write(SpaceExtended({name: parameter.to_json() for name, parameter in wider.items()}, 0.0))
    after = Results.of(log.engine.history)
    assert after.points[:, 0] == pytest.approx(before[:, 0] / 2)
    assert after.points[:, 2].tolist() == [1.0] * 5
    assert after.features.shape == (5, 4)
    Surrogate.of(log.engine.history, 1, 5)


# Purity of the memory.


@pytest.mark.parametrize("space", ["flat", "rich"])
def test_what_was_fitted_is_remembered_never_needed(space):
    """A history that was modelled at every step and one that is replayed give the same scores to the last bit."""
    constraints = (Constraint("value", "<=", 30.0),)
    log = Log(RandomSampler(), Problem(SPACES[space], constraints=constraints))
    for step in range(40):
        number, config = log.start()
        if step % 7 == 3:
            log.end(number, {"value": math.nan})
        elif step % 10 != 9:
            log.end(number, {"value": size_of(config)})
        history = log.engine.history
        if Results.of(history).suffices:
            remembering = Surrogate.of(history, 7, step)
            if step % 6 == 0:
                fresh = Surrogate.of(log.replayed(len(log.entries)).history, 7, step)
                points = grid(remembering.encoding)
                assert np.array_equal(remembering.score(points), fresh.score(points))
                assert np.array_equal(remembering.best_points, fresh.best_points)


def test_fits_are_few(monkeypatch):
    """Those from the start are made at counts that grow geometrically, others seldom more."""
    counts = {"cold": 0, "warm": 0}

    def counted(name, original):
        def one_more(*arguments):
            counts[name] += 1
            return original(*arguments)

        return one_more

    monkeypatch.setattr(fits, "fitted", counted("cold", fits.fitted))
    monkeypatch.setattr(fits.Fits, "_warm", counted("warm", fits.Fits._warm))
    log = logged([bowl] * LEAST)
    for number in range(LEAST, 150):
        log.run(1, lambda c: {"value": bowl(c)})
        Surrogate.of(log.engine.history, 7, number)
    assert 0 < counts["cold"] <= np.log(150 / LEAST) / np.log(COLD) + 6
    assert 0 < counts["warm"] <= 64 + np.log(150 / 64) / np.log(WARM) + 6


def test_steps_of_counts():
    assert [step_below(n, 1.25) for n in (3, 4, 5, 8, 9, 10, 11)] == [3, 4, 5, 8, 8, 10, 10]
    assert all(step_below(n, WARM) <= n for n in range(3, 500))


# Running trials.


def test_running_trials_are_imagined_and_change_where_to_go():
    log = logged([bowl] * 12)
    points = grid(Results.of(log.engine.history).encoding, 200)
    before = Surrogate.of(log.engine.history, 7, 12)
    best = points[np.argmax(before.score(points))]
    config = before.encoding.config(best)
    log.write(Enqueued(12, config, 0.0))
    log.write(Started(12, 1, config, "w", log.engine.position, 0.0, fresh=False))
    after = Surrogate.of(log.engine.history, 7, 13)
    assert after.score(best[None])[0] < before.score(best[None])[0] - 1.0
    features = after.encoding.features(points)
    means = [s.objectives[0].posterior.predict(features) for s in (before, after)]
    assert means[1][0] == pytest.approx(means[0][0], abs=1e-5)
    assert (means[1][1] <= means[0][1] + 1e-9).all()


# Cost.


def test_rows_are_capped_and_hold_the_best():
    space = Space({name: Float(0, 1) for name in "xyzuvw"})
    log = logged([lambda c: (c["x"] - 0.3) ** 2 + c["y"]] * (CAP + 120), space)
    surrogate = Surrogate.of(log.engine.history, 7, CAP + 120)
    for belief in surrogate.beliefs:
        assert len(belief.posterior.y) == CAP
    rows = evidence_of(log.engine.history, 7, CAP + 120).rows
    assert set(surrogate.results.best(99)[: CAP // 4]) <= set(rows)
    assert rows.tolist() == sorted(rows)
    assert len(surrogate.best_points) == CAP


# Improvement on another point than the best.


def test_improvement_against_a_point_is_on_what_is_expected_there():
    surrogate = Surrogate.of(history_of([bowl] * 15), 7, 15)
    points = grid(surrogate.encoding)
    poor = points[np.argmax(surrogate.objectives[0].posterior.predict(surrogate.encoding.features(points))[0])]
    before = surrogate.score(points)
    assert (surrogate.against(poor).score(points) > before).all()
    assert surrogate.against(surrogate.best_points[0]).score(points) == pytest.approx(before, rel=0.05, abs=0.2)
    assert np.array_equal(surrogate.score(points), before), "the surrogate itself is as it was"


# Failures, constraints, several objectives.


def probability(belief, surrogate, points):
    from kilter.models.acquisition import log_probability_below

    bound = float(belief.output(np.zeros(1))[0])
    return np.exp(log_probability_below(bound, *belief.posterior.predict(surrogate.encoding.features(points)))[0])


def test_failures_are_expected_where_there_were_some():
    history = history_of([lambda c: None if c["x"] > 0.5 else bowl(c)] * 40)
    surrogate = Surrogate.of(history, 7, 40)
    points = np.array([[0.1, 0.5], [0.9, 0.5]])
    success = probability(surrogate.failure, surrogate, points)
    assert success[0] > 0.9
    assert success[1] < 0.1
    assert np.isfinite(surrogate.score(points)).all()
    assert Surrogate.of(history_of([bowl] * 5), 7, 5).failure is None


def test_labels_are_taken_at_their_word_unless_failures_are_scattered():
    """A border is a step, however smooth the process; what fails by chance says nothing of its neighbours."""
    border = history_of([lambda c: None if c["x"] > 0.5 else bowl(c)] * 40)
    assert Surrogate.of(border, 7, 40).failure.posterior.noise == pytest.approx(fits.FAILURE_NOISE)
    chance = np.random.default_rng(0)
    scattered = history_of([lambda c: None if chance.random() < 0.3 else bowl(c)] * 80)
    surrogate = Surrogate.of(scattered, 7, 80)
    assert surrogate.failure.posterior.noise > fits.SCATTERED
    success = probability(surrogate.failure, surrogate, grid(surrogate.encoding))
    assert success.max() - success.min() < 0.6


def test_constraints_are_learnt_and_feasibility_comes_first():
    constraints = (Constraint("m", ">=", 0.7),)
    metrics = lambda c: {"value": bowl(c), "m": c["x"]}  # noqa: E731
    history = history_of([metrics] * 25, constraints=constraints)
    surrogate = Surrogate.of(history, 7, 25)
    met = probability(surrogate.constraints[0], surrogate, np.array([[0.95, 0.5], [0.2, 0.5]]))
    assert met[0] > 0.9
    assert met[1] < 0.1
    assert surrogate.has_feasible
    nowhere = history_of([lambda c: {"value": bowl(c), "m": c["x"] - 1.0}] * 25, constraints=constraints)
    surrogate = Surrogate.of(nowhere, 7, 25)
    assert not surrogate.has_feasible
    scores = surrogate.score(np.array([[0.99, 0.1], [0.99, 0.9], [0.3, 0.6]]))
    assert scores[:2].min() > scores[2]  # the last has the best value
    assert scores.min() > -1e8  # what is left of the variance beside the data is rounding, and must not decide


def test_the_last_bits_of_a_belief_do_not_decide():
    """Where nothing is feasible and nothing noisy, values a bit off change nothing."""
    constraints = (Constraint("m", ">=", 0.7),)
    points = grid(Surrogate.of(history_of([lambda c: {"value": 0.0, "m": c["x"]}] * 8), 7, 8).encoding)

    def scores(off):
        metrics = lambda c: {"value": bowl(c), "m": c["x"] - 1.0 + off * math.sin(1e6 * c["y"])}  # noqa: E731
        return Surrogate.of(history_of([metrics] * 25, constraints=constraints), 7, 25).score(points)

    assert scores(1e-13) == pytest.approx(scores(0.0), rel=1e-2)


@pytest.mark.parametrize("m", [math.nan, math.inf, -math.inf])
def test_a_constraint_that_is_never_known(m):
    history = history_of([lambda c: {"value": bowl(c), "m": m}] * 8, constraints=(Constraint("m", "<=", 1.0),))
    surrogate = Surrogate.of(history, 7, 8)
    assert np.isfinite(surrogate.score(grid(surrogate.encoding))).all()


@pytest.mark.parametrize("kind", ["single", "failures", "constraints", "several", "prior", "infeasible"])
def test_the_slope_is_that_of_the_score(kind):
    from kilter.core.parameter import Prior

    settings = {
        "single": {},
        "failures": {},
        "constraints": {"constraints": (Constraint("m", "<=", 0.5),)},
        "infeasible": {"constraints": (Constraint("m", "<=", -1.0),)},
        "several": {"objectives": (Objective("value"), Objective("m", "maximize"))},
        "prior": {"space": Space({"x": Float(0, 1, prior=Prior(0.2)), "y": Float(0, 1)})},
    }[kind]

    def metrics(config):
        if kind == "failures" and config["y"] > 0.8:
            return None
        rough = 0.1 * math.sin(1e6 * (config["x"] + config["y"]))  # noise, without which differences cancel
        return {"value": bowl(config) + rough, "m": config["x"] + config["y"] ** 2 + rough}

    history = history_of([metrics] * 15, **settings)
    surrogate = Surrogate.of(history, 7, 15)
    points = 0.1 + 0.8 * np.random.default_rng(0).random((6, 2))
    value, gradient = surrogate.slope(points, surrogate.encoding.features(points))
    assert value == pytest.approx(surrogate.score(points))
    for j in range(2):
        step = 1e-5 * np.eye(2)[j]
        slope = (surrogate.score(points + step) - surrogate.score(points - step)) / 2e-5
        assert gradient[:, j] == pytest.approx(slope, rel=0.03, abs=0.01)


# Values of every kind.

AWKWARD = {
    "constant": [3.0] * 12,
    "zero": [0.0] * 5,
    "large": [1e300, -1e300] * 6,
    "largest": [1.7e308, -1.7e308, 1.0] * 4,
    "small": [i * 1e-300 for i in range(12)],
    "smallest": [5e-324 * i for i in range(12)],
    "far from zero": [1e15 + i for i in range(12)],
    "one ulp": [1.0, 1.0 + 2**-52] * 6,
    "outlier": [*map(float, range(11)), 1e9],
    "outlier below": [*map(float, range(11)), -1e9],
    "huge outlier": [*(i * 1e-9 for range_ in [range(11)] for i in range_), 1e300],
    "three": [1.0, 2.0, 3.0],
    "two apart": [0.0] * 11 + [1.0],
    "all failed but three": [1.0, None, math.nan, None, math.inf, 2.0, None, -math.inf, None, 0.5, None],
    "lost": [1.0, 2.0, 3.0, LOST, INTERRUPTED],
}


@pytest.mark.parametrize("space", sorted(SPACES))
@pytest.mark.parametrize("kind", sorted(AWKWARD))
def test_values_of_every_kind(kind, space):
    log = logged(AWKWARD[kind], SPACES[space])
    log.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        surrogate = Surrogate.of(log.engine.history, 7, 20)
        points = grid(surrogate.encoding)
        value, gradient = surrogate.slope(points, surrogate.encoding.features(points))
        assert np.isfinite(surrogate.score(points)).all()
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["constant", "large", "small", "one ulp", "outlier", "huge outlier", "far from zero"])
def test_constraints_of_every_kind(kind):
    rows = [{"value": float(i), "m": value} for i, value in enumerate(AWKWARD[kind])]
    for bound in (0.0, 1e300, -1e300, 1e-300):
        history = history_of(rows, constraints=(Constraint("m", "<=", bound), Constraint("m", ">=", bound)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            surrogate = Surrogate.of(history, 7, 20)
            value, gradient = surrogate.slope(
                grid(surrogate.encoding), surrogate.encoding.features(grid(surrogate.encoding))
            )
            assert np.isfinite(value).all()
            assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["constant", "large", "small", "outlier"])
def test_several_objectives_of_every_kind(kind):
    rows = [{"a": value, "b": float(i % 4)} for i, value in enumerate(AWKWARD[kind])]
    history = history_of(rows, objectives=(Objective("a"), Objective("b", "maximize")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        surrogate = Surrogate.of(history, 7, 20)
        value, gradient = surrogate.slope(
            grid(surrogate.encoding), surrogate.encoding.features(grid(surrogate.encoding))
        )
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


def test_repeated_points_and_fewer_points_than_dimensions():
    space = Space({f"x{i}": Float(0, 1) for i in range(12)} | {"n": Int(0, 3)})
    log = Log(RandomSampler(), Problem(space))
    config = space.draw(np.random.default_rng(0))
    for number in range(6):
        log.write(Enqueued(number, config, 0.0))
        log.write(Started(number, 1, config, "w", log.engine.position, 0.0, fresh=False))
        if number < 4:
            log.end(number, {"value": float(number % 2)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        surrogate = Surrogate.of(log.engine.history, 7, 6)
        assert np.isfinite(
            surrogate.slope(grid(surrogate.encoding), surrogate.encoding.features(grid(surrogate.encoding)))[1]
        ).all()


def test_it_is_ready_with_three_values():
    assert not Results.of(history_of([1.0, 2.0, None, math.nan])).suffices
    assert Results.of(history_of([1.0, 2.0, None, 3.0])).suffices
