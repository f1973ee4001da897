"""What a winner is expected to score: near the truth whatever luck chose it, as sure as is right, in any unit."""

import numpy as np
import pytest
from hypothesis import given
from scipy.special import stdtrit
from tests.analysis.histories import histories, history_of

from kilter.analysis.design import Design, Part
from kilter.analysis.estimate import LEVEL, POWER, estimate
from kilter.analysis.finding import chance, share
from kilter.core.attributes import CONFIRMS, DEFAULT
from kilter.core.events import Report
from kilter.core.numbers import Float
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})
MAXIMIZE = Problem(SPACE, (Objective("score", "maximize"),))
FOLDS = 5


def true(config):
    return 0.8 - 0.2 * (config["x"] - 0.3) ** 2 - 0.1 * (config["y"] - 0.6) ** 2


def scored(seed, own=0.04, shared=0.04, trials=60, folds=FOLDS):
    """Configurations, the first one the default, and their scores on folds: own luck, and luck that all share."""
    stream = np.random.default_rng(seed)
    configs = [{"x": 0.9, "y": 0.1}] + [SPACE.draw(stream) for _ in range(trials - 1)]
    luck = own * stream.standard_normal((trials, folds)) + shared * stream.standard_normal(folds)
    return configs, np.array([[true(config)] for config in configs]) + luck


def study(configs, scores, problem=MAXIMIZE, **more):
    name = problem.objectives[0].name
    return history_of(
        [
            {
                "params": config,
                "value": float(row.mean()),
                "reports": [Report(0, {name: float(score)}, fold) for fold, score in enumerate(row)],
                "attrs": {DEFAULT: True} if number == 0 else {},
            }
            for number, (config, row) in enumerate(zip(configs, scores))
        ],
        problem,
    )


@pytest.fixture(scope="module")
def simulated():
    """Estimates of thirty studies, and the truth of what each one chose."""
    found = []
    for seed in range(30):
        configs, scores = scored(seed)
        told = estimate(study(configs, scores))
        found.append((told, true(configs[told.number]), true(configs[0])))
    return found


def test_the_luck_of_having_been_chosen_is_taken_back(simulated):
    off = np.array([told.value - truth for told, truth, _ in simulated])
    luck = np.array([told.observed - truth for told, truth, _ in simulated])
    error = off.std() / np.sqrt(len(off))
    assert luck.mean() > 3 * error
    assert abs(off.mean()) < min(2 * error, 0.5 * luck.mean())


def test_the_interval_holds_the_truth_as_often_as_it_says(simulated):
    held = np.mean([told.low <= truth <= told.high for told, truth, _ in simulated])
    assert held > LEVEL - 0.13
    # Nor is it so wide that it says nothing: luck that all share alone has a standard error of .018.
    assert np.median([told.high - told.low for told, *_ in simulated]) < 6 * 0.018


def test_the_share_of_the_gain_that_is_real(simulated):
    observed = np.mean([told.gain / told.real for told, *_ in simulated])
    real = np.mean([truth - default for _, truth, default in simulated])
    assert np.mean([told.gain for told, *_ in simulated]) == pytest.approx(real, rel=0.25)
    assert real < observed
    assert all(0 <= told.real <= 1 for told, *_ in simulated)


def test_losses_are_scores_turned_round():
    configs, scores = scored(0)
    up, down = estimate(study(configs, scores)), estimate(study(configs, -scores, Problem(SPACE)))
    assert (down.value, down.low, down.high) == pytest.approx((-up.value, -up.high, -up.low))
    assert (down.number, down.gain, down.real, down.default) == pytest.approx(
        (up.number, up.gain, up.real, -up.default)
    )


def test_another_unit_changes_the_unit_alone():
    configs, scores = scored(1)
    one, other = estimate(study(configs, scores)), estimate(study(configs, 50 + 100 * scores))
    assert (other.value, other.low, other.high) == pytest.approx([50 + 100 * v for v in (one.value, one.low, one.high)])
    assert (other.gain, other.real) == pytest.approx((100 * one.gain, one.real))


def test_more_luck_in_common_makes_it_less_sure_and_nothing_else():
    configs, scores = scored(2, shared=0.0)
    tilted = scores + 0.1 * (np.arange(FOLDS) - 2)
    plain, wider = estimate(study(configs, scores)), estimate(study(configs, tilted))
    assert wider.value == pytest.approx(plain.value)
    assert wider.high - wider.low > 2 * (plain.high - plain.low)


@pytest.mark.parametrize(("repeats", "folds"), [(1, 5), (3, 5), (15, 1), (40, 1)])
def test_the_interval_holds_the_truth_however_often_the_same_rows_are_split_again(repeats, folds):
    """Seven of ten rows are right in truth: 80 draws of 100 rows, and parts that are tested on 20 of them."""
    stream, held = np.random.default_rng(0), 0
    parts = tuple(Part(i, repeat=i // folds, train=80, test=20) for i in range(repeats * folds))
    for _ in range(80):
        right = stream.random(100) < 0.7
        tested = [stream.permutation(100)[: 20 * folds].reshape(folds, 20) for _ in range(repeats)]
        scores = right[np.concatenate(tested)].mean(axis=1)[None]
        told = estimate(study([{"x": 0.5, "y": 0.5}], scores), Design(parts))
        held += told.low <= 0.7 <= told.high
    assert 0.8 < held / 80 < 0.99


@pytest.mark.parametrize("calls", [2, 5])
def test_the_interval_of_one_noisy_configuration_is_that_of_student(calls):
    stream, held = np.random.default_rng(0), 0
    for _ in range(80):
        trials = [{"params": {"x": 0.5, "y": 0.5}, "value": float(v)} for v in stream.standard_normal(calls)]
        told = estimate(history_of(trials, MAXIMIZE))
        held += told.low <= 0.0 <= told.high
    assert 0.8 < held / 80 < 0.99


def test_of_several_data_sets_it_is_no_luck_how_far_they_are_apart():
    """Each has two parts .2 apart: their means have the variance .02 / 2, and the mean of both half of that."""
    parts = tuple(Part(fold, data="ab"[fold // 2]) for fold in range(4))
    configs, scores = scored(3, own=0.0, shared=0.0, folds=4)
    told = estimate(study(configs, scores + [0.0, 0.2, 10.0, 10.2]), Design(parts))
    assert told.high - told.value == pytest.approx(stdtrit(2, 0.95) * np.sqrt(0.005), rel=1e-3)


@pytest.mark.parametrize(("train", "perfect", "rises"), [(4, 1.0, True), (8, 1.0, True), (4, None, False)])
def test_fitted_on_all_rows_it_comes_nearer_to_perfect(train, perfect, rises):
    """By as much for the winner as for the default, and the more, the fewer rows the parts were fitted on."""
    configs, scores = scored(6)
    plain, *told = (
        estimate(
            study(configs, scores), Design(tuple(Part(fold, train=train, test=1) for fold in range(FOLDS)), **more)
        )
        for more in ({}, {"perfect": perfect, "blind": -2.0})
    )
    left = (train / (train + 1)) ** POWER if rises else 1.0
    for name in ("value", "default"):
        assert 1 - getattr(told[0], name) == pytest.approx(left * (1 - getattr(plain, name)))
    assert told[0].high - told[0].low == pytest.approx(plain.high - plain.low)
    assert told[0].observed == plain.observed


@pytest.mark.parametrize("sign", [1, -1])
def test_where_little_was_learned_more_rows_teach_little(sign):
    """Nothing where no configuration is better than what sees no feature, and between the two by what it is better."""
    configs, scores = scored(6)
    problem, parts = MAXIMIZE if sign > 0 else Problem(SPACE), tuple(Part(fold, train=4, test=1) for fold in range(5))
    plain = estimate(study(configs, sign * scores, problem), Design(parts))
    for skill in (-1.0, 0.0, 0.01):
        design = Design(parts, perfect=sign * 2.0, blind=plain.value - sign * skill)
        told = estimate(study(configs, sign * scores, problem), design)
        assert sign * (told.value - plain.value) == pytest.approx(max(skill, 0.0) * (1 - 0.8**POWER))


def test_a_single_part_says_nothing_of_the_luck_of_its_rows():
    configs, scores = scored(4, folds=1)
    told = estimate(study(configs, scores))
    assert (told.low, told.high, told.parts, told.real, told.better) == (-np.inf, np.inf, 1, None, None)
    assert "confirm" in str(told) and "%" not in str(told)


def test_nothing_above_all_that_a_single_part_has_shown_is_expected():
    configs, scores = scored(4, folds=1)
    told = estimate(study(configs, scores), Design((Part(0, train=4, test=1),), perfect=1.0, blind=0.0))
    assert told.value == told.observed and not told.on_all_rows


def test_what_was_measured_once_has_no_interval():
    stream = np.random.default_rng(0)
    points = [SPACE.draw(stream) for _ in range(20)]
    told = estimate(history_of([{"params": point, "value": true(point)} for point in points], MAXIMIZE))
    assert (told.low, told.high) == (-np.inf, np.inf)
    assert "nothing was measured twice" in str(told) and "%" not in str(told)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_end_is_beyond_what_scores_can_be(sign):
    configs, scores = scored(4, shared=0.3)
    parts = tuple(Part(fold, train=4, test=1) for fold in range(FOLDS))
    problem = MAXIMIZE if sign > 0 else Problem(SPACE)
    free = estimate(study(configs, sign * scores, problem), Design(parts))
    told = estimate(study(configs, sign * scores, problem), Design(parts, perfect=sign * 1.0, worst=sign * 0.6))
    assert free.low < min(sign * 0.6, sign) and free.high > max(sign * 0.6, sign)
    assert (told.low, told.high) == (min(sign * 0.6, sign), max(sign * 0.6, sign))


def test_exact_results_are_what_they_are():
    configs = [{"x": x, "y": 0.5} for x in (0.1, 0.2, 0.2)]
    trials = [{"params": config, "value": true(config)} for config in configs]
    trials[2]["attrs"] = {CONFIRMS: 1}
    told = estimate(history_of(trials, MAXIMIZE))
    assert told.low == told.value == told.high == told.observed == true(configs[1])
    assert (told.default, told.gain, told.real, told.looked_at, told.parts) == (None, None, None, 2, 0)


def test_it_reads_well():
    configs, scores = scored(5)
    told = estimate(study(configs, scores))
    real = f"with a probability of {chance(told.better)}; that is {share(told.real)} of the gain that was observed"
    assert str(told).splitlines() == [
        f"to expect on new data: {told.value:.4g}, 90 % sure between {told.low:.4g} and {told.high:.4g}",
        f"trial {told.number} was chosen by {told.observed:.4g}, out of 60 configurations",
        f"the default is expected to score {told.default:.4g}, {told.gain:.2g} worse, {real}",
    ]
    assert told.method == "corrected for the selection from 60 configurations; scored on 5 parts"
    parts = tuple(Part(fold, train=4, test=1) for fold in range(FOLDS))
    told = estimate(study(configs, scores), Design(parts, perfect=1.0, blind=0.0))
    assert str(told).startswith("to expect on new data, fitted on all rows: ") and "fitted on all rows" in told.method


@given(histories())
def test_of_any_history(history):
    told = estimate(history)
    if told is not None and np.isfinite(told.value):  # two results of 1e308 have no mean
        assert told.low <= told.value <= told.high
        assert told.real is None or 0 <= told.real <= 1
        assert told.looked_at >= 1
        assert str(told)
