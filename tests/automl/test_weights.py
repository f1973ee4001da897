"""Weights: laws of greedy addition."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from kilter.automl.metrics import metric_of
from kilter.automl.task import Task
from kilter.automl.weights import MOST, greedy, leading, mixed, smaller

BINARY, VALUES = Task("binary", (0, 1)), Task("regression")
AREA, R2 = metric_of("roc_auc", BINARY), metric_of("r2", VALUES)


def candidates(task, m, rows, seed):
    """y and predictions of m candidates, each with noise of its own."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=rows)
    seen = truth + rng.normal(size=(m, rows)) * rng.uniform(0.3, 2, (m, 1))
    if task.is_regression:
        return truth, seen
    p = 1 / (1 + np.exp(-seen))
    y = (truth > 0).astype(int)
    y[:2] = 0, 1
    return y, np.stack([1 - p, p], axis=2)


@settings(max_examples=25)
@given(some.sampled_from([BINARY, VALUES]), some.integers(1, 6), some.integers(8, 40), some.integers(0, 10_000))
def test_weights_sum_to_one_and_score_no_worse_than_the_best_alone(task, m, rows, seed):
    y, pool = candidates(task, m, rows, seed)
    metric = R2 if task.is_regression else AREA
    w = greedy(pool, y, metric, ["a", "b"] * (m // 2) + ["a"] * (m % 2))
    assert w.shape == (m,) and (w >= 0).all() and w.sum() == pytest.approx(1)
    assert metric.score(y, mixed(w, pool)) >= max(metric.score(y, each) for each in pool) - 1e-12
    assert (w == greedy(pool, y, metric, ["a", "b"] * (m // 2) + ["a"] * (m % 2))).all()


def test_the_order_of_candidates_changes_nothing_else():
    y, pool = candidates(VALUES, 5, 50, 1)
    order = np.array([3, 1, 4, 0, 2])
    assert np.allclose(greedy(pool[order], y, R2), greedy(pool, y, R2)[order])


def test_rows_without_predictions_are_left_out():
    y, pool = candidates(VALUES, 3, 40, 2)
    holed = np.concatenate([pool, np.full((3, 5), np.nan)], axis=1)
    assert (greedy(holed, np.append(y, [9.0] * 5), R2) == greedy(pool, y, R2)).all()


def test_rows_of_weight_zero_count_for_nothing():
    y, pool = candidates(BINARY, 4, 60, 3)
    weight = np.repeat([1.0, 0.0], 30)
    assert (greedy(pool, y, AREA, weight=weight) == greedy(pool[:, :30], y[:30], AREA)).all()


def test_each_family_has_its_best_one_among_the_leading():
    scores, families = np.array([0.9, 0.8, 0.7, 0.1]), np.array(["tree", "tree", "tree", "line"])
    assert leading(scores, families, 3).tolist() == [0, 1, 3]
    assert leading(scores, families, 1).tolist() == [0, 3]


def test_where_no_score_is_defined_the_first_has_all_weight():
    pool = np.full((3, 6, 2), 0.5)
    assert greedy(pool, np.zeros(6, int), AREA).tolist() == [1, 0, 0]


@settings(max_examples=10)
@given(some.integers(2, 6), some.integers(0, 10_000))
def test_ever_smaller_ensembles_end_with_one_and_use_no_candidate_again(m, seed):
    y, pool = candidates(BINARY, m, 60, seed)
    found = list(smaller(pool, greedy(pool, y, AREA), y, AREA))
    used = [set(np.flatnonzero(each)) for each in found]
    assert all(later < earlier for earlier, later in itertools.pairwise(used))
    assert len(used[-1]) == 1
    assert all(each.sum() == pytest.approx(1) for each in found)


def test_what_costs_much_goes_first():
    y, pool = candidates(VALUES, 4, 200, 5)
    weights = greedy(pool, y, R2)
    dear = int(np.argmax(weights))
    costs = np.where(np.arange(4) == dear, 1e9, 1.0)
    assert list(smaller(pool, weights, y, R2))[1][dear] > 0
    assert list(smaller(pool, weights, y, R2, costs))[1][dear] == 0


def test_of_many_candidates_the_best_ones_are_weighed():
    rng = np.random.default_rng(6)
    y, error = rng.normal(size=(2, 60))
    pool = np.array([*[y + error] * MOST, y - 1.1 * error])  # the last one would make all of them perfect
    assert greedy(pool, y, R2)[-1] == 0
    assert greedy(pool[1:], y, R2)[-1] > 0
    assert greedy(pool, y, R2, ["tree"] * MOST + ["line"])[-1] > 0


def test_for_metrics_of_labels_the_log_loss_decides():
    y, pool = candidates(BINARY, 4, 60, 7)
    both = (greedy(pool, y, metric_of(name, BINARY)) for name in ("f1", "log_loss"))
    assert np.array_equal(*both)
