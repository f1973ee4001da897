"""The honest score: what it corrects, how sure it is, and that nothing but rows decides."""

from dataclasses import replace

import numpy as np
import pytest

from kilter.automl.calibration import tempered
from kilter.automl.honesty import ScoreEstimate, blocks, error_of, estimate
from kilter.automl.metrics import LOG_LOSS, metric_of
from kilter.automl.task import Task
from kilter.automl.weights import greedy
from kilter.evaluation.folds import frozen_splits

BINARY = Task("binary", (0, 1))
AREA = metric_of("roc_auc", BINARY)
R2 = metric_of("r2", Task("regression"))


def nothing_to_find(seed, m=12, rows=120):
    """Labels that no candidate knows anything of."""
    rng = np.random.default_rng(seed)
    p = rng.random((m, rows))
    return rng.permutation(np.arange(rows) % 2), np.stack([1 - p, p], axis=2)


def test_what_the_choice_of_weights_added_is_taken_back():
    found = []
    for seed in range(12):
        y, pool = nothing_to_find(seed)
        folds = frozen_splits(len(y), 5, stratify=y)
        found.append(estimate(pool, greedy(pool, y, AREA), y, folds, AREA))
    assert np.mean([each.value + each.bias for each in found]) > 0.6
    assert abs(np.mean([each.value for each in found]) - 0.5) < 0.05
    assert sum(low <= 0.5 <= high for low, high in (each.interval for each in found)) >= 11


def test_it_is_a_function_of_its_arguments_and_names_what_it_rests_on():
    y, pool = nothing_to_find(1)
    folds = frozen_splits(len(y), 4)
    first, second = (estimate(pool, greedy(pool, y, AREA), y, folds, AREA, looked_at=30) for _ in range(2))
    assert first == second and (first.metric, first.rows, first.looked_at) == ("roc_auc", 120, 30)
    low, high = first.within()
    assert first.interval[0] < low < first.value < high < first.interval[1]
    assert "(corrected for the choice among 30)" in str(first) and "95 %" in str(first)


def test_a_hold_out_has_blocks_of_its_own_rows():
    y, pool = nothing_to_find(2)
    train, scored = np.arange(60), np.arange(60, 120)
    pool[:, :60] = np.nan
    found = estimate(pool, greedy(pool, y, AREA), y, [(train, scored)], AREA)
    assert found.rows == 60 and np.isfinite(found.value)
    assert len(blocks(scored, [(train, scored)])) == 5


def test_the_error_is_that_of_the_mean_where_the_score_is_one():
    rng = np.random.default_rng(0)
    y = rng.normal(size=4000)
    metric = metric_of("neg_mean_squared_error", Task("regression"))
    squares = (y - 0.1) ** 2
    found = estimate(np.full((1, 4000), 0.1), np.ones(1), y, frozen_splits(4000, 4), metric)
    assert str(found).startswith("neg_mean_squared_error -1.") and str(found).endswith("(corrected)")
    assert error_of(np.full(4000, 0.1), y, metric) == pytest.approx(squares.std() / np.sqrt(4000), rel=0.35)


def test_rows_that_belong_together_are_one():
    rng = np.random.default_rng(0)
    y = np.repeat(rng.normal(size=100), 10)
    noise = np.repeat(rng.normal(size=100), 10)
    alone, together = (error_of(y + noise, y, R2, groups=each) for each in (None, np.repeat(np.arange(100), 10)))
    assert together > 2 * alone


def test_of_one_row_nobody_knows_how_sure_it_is():
    assert error_of(np.ones(1), np.ones(1), R2) == np.inf


def test_the_mean_of_more_models_is_expected_to_be_better():
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    pool = (y + rng.normal(size=300) * 0.3)[None]
    values = [estimate(pool, np.ones(1), y, frozen_splits(300, k), R2).value for k in (3, 5, 10)]
    assert values[0] < values[1] < values[2]
    assert values[-1] - values[0] < 0.1 * (1 - values[0])


def test_a_score_of_labels_is_of_the_decisions_that_the_model_will_take():
    y, pool = nothing_to_find(3, m=1, rows=400)
    pool[0, :, 1] = np.clip(0.15 + 0.25 * y + 0.05 * pool[0, :, 1], 0, 1)  # right, and always below one half
    pool[0, :, 0] = 1 - pool[0, :, 1]
    f1 = metric_of("f1", BINARY)
    found = estimate(pool, np.ones(1), y, frozen_splits(400, 5), f1)
    assert f1.score(y, pool[0]) == 0
    assert found.value > 0.95
    assert estimate(pool, np.ones(1), y, frozen_splits(400, 5), f1, threshold=0.9).value <= 0


@pytest.mark.parametrize("value", [1.0, 0.99, 0.5, 0.0])
def test_an_interval_holds_its_value_and_nothing_above_perfect(value):
    found = ScoreEstimate("roc_auc", value, 0.02, 0.0, 1, 100, 1.0)
    low, high = found.interval
    assert low < value <= max(high, 1.0)
    assert high <= 1
    assert found.within(50)[0] < low < found.within()[0]
    assert "on as many new rows" in str(found)


def test_an_interval_goes_no_further_down_than_the_worst_score_there_is():
    wide = ScoreEstimate("roc_auc", 0.3, 0.4, 0.0, 1, 100, 1.0, 0.0)
    assert wide.interval[0] == wide.within()[0] == 0.0
    assert replace(wide, worst=None).interval[0] < 0
    assert [metric_of(name, BINARY).worst for name in ("roc_auc", "accuracy", "f1", "log_loss")] == [0, 0, 0, None]
    y, pool = nothing_to_find(3, rows=8)
    assert estimate(pool, greedy(pool, y, AREA), y, frozen_splits(8, 2), AREA).worst == 0.0


def test_two_rows_beside_the_commonest_class_do_not_say_how_sure_a_score_is():
    for rare, is_told in ((2, False), (3, True), (0, False)):
        y = (np.arange(60) < rare).astype(int)
        p = np.linspace(0.1, 0.9, 60)
        found = estimate(np.stack([[1 - p, p]]).transpose(0, 2, 1), np.ones(1), y, frozen_splits(60, 5), LOG_LOSS)
        assert ("nobody can say" in str(found)) == (not is_told)


def test_of_one_class_no_score_is_defined():
    pool = np.ones((1, 20, 1))
    found = estimate(pool, np.ones(1), np.zeros(20, int), frozen_splits(20, 4), metric_of("roc_auc", BINARY))
    assert np.isnan(found.value)
    assert "no score is defined" in str(found)


def test_of_a_hold_out_nothing_is_added():
    """There is no mean over folds."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    pool = (y + rng.normal(size=200) * 0.5)[None]
    hold_out = [(np.arange(0), np.arange(200))]
    found = estimate(pool, np.ones(1), y, hold_out, R2)
    assert found.value == pytest.approx(R2.score(y, pool[0]))
    assert found.bias == pytest.approx(0)


def test_models_that_are_too_sure_are_expected_to_gain_more_by_their_mean():
    rng = np.random.default_rng(0)
    p = rng.beta(0.2, 0.2, 600)
    y = (rng.random(600) < p).astype(int)
    right = np.column_stack([1 - p, p])
    folds = frozen_splits(600, 5)
    sure, fair = (estimate(tempered(right, t)[None], np.ones(1), y, folds, LOG_LOSS) for t in (0.5, 1.0))
    assert -sure.value < -0.9 * fair.value
