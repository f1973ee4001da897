"""Temperatures and thresholds: learned out of fold, taken where they gain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kilter.automl.calibration import BELIEVED, OF_MEAN, Calibration, calibrated, decided, tempered
from kilter.automl.metrics import LOG_LOSS, metric_of
from kilter.automl.task import Task

BINARY = Task("binary", (0, 1))


def rows(seed=0, share=0.5, n=1000):
    """Probabilities that are right, and labels that are drawn by them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2 * share, 2 * (1 - share), n)
    return np.column_stack([1 - p, p]), (rng.random(n) < p).astype(int)


def test_right_probabilities_stay_nearly_as_they_are():
    p, y = rows()
    assert calibrated(p, y, LOG_LOSS).temperature == pytest.approx(1, abs=0.1)
    assert tempered(p, 1.0) is p


def test_unsure_ones_become_surer():
    p, y = rows()
    found = calibrated(tempered(p, 2.0), y, LOG_LOSS)
    assert found.temperature == pytest.approx(0.5 ** (len(y) / (len(y) + BELIEVED)), rel=0.15)


def test_of_few_rows_little_is_believed():
    p, y = rows(n=20)
    assert calibrated(tempered(p, 2.0), y, LOG_LOSS).temperature > 0.7


def test_the_mean_of_models_may_be_surer_than_each():
    p, y = rows()
    one, mean = (calibrated(tempered(p, 2.0), y, LOG_LOSS, models=models).temperature for models in (1, 5))
    assert mean == one * OF_MEAN


def test_single_models_that_are_too_sure_are_cured_by_their_mean():
    p, y = rows()
    one, mean = (calibrated(tempered(p, 0.5), y, LOG_LOSS, models=models).temperature for models in (1, 5))
    assert one > 1.5
    assert mean == OF_MEAN


@given(some.integers(0, 1000), some.floats(0.2, 5))
def test_a_temperature_keeps_sums_and_order(seed, temperature):
    p = np.random.default_rng(seed).dirichlet(np.ones(3), 20)
    moved = tempered(p, temperature)
    assert np.allclose(moved.sum(axis=1), 1)
    assert (moved.argmax(axis=1) == p.argmax(axis=1)).all()


def test_rows_of_weight_zero_teach_nothing():
    p, y = rows()
    weight = np.repeat([1.0, 0.0], 500)
    wrong = np.where(weight == 1, y, 1 - y)
    assert calibrated(tempered(p, 2.0), wrong, LOG_LOSS, weight).temperature < 0.7


def test_a_threshold_is_moved_for_labels_alone_and_where_it_gains():
    p, y = rows(share=0.12)
    f1 = metric_of("f1", BINARY)
    found = calibrated(p, y, f1)
    assert 0.15 < found.threshold < 0.45
    assert f1.score(y, found.scored(p, f1)) > f1.score(y, p) + 0.02
    assert calibrated(p, y, metric_of("roc_auc", BINARY)).threshold == 0.5
    assert calibrated(p[:40], y[:40], f1).threshold == 0.5
    assert calibrated(p, y, metric_of("accuracy", BINARY)).threshold == 0.5


def test_decisions_follow_the_threshold_and_probabilities_keep_their_order():
    p, _ = rows()
    moved = decided(p, 0.3)
    assert (moved.argmax(axis=1) == (p[:, 1] > 0.3)).all()
    assert (np.argsort(moved[:, 1], kind="stable") == np.argsort(p[:, 1], kind="stable")).all()
    assert np.allclose(moved.sum(axis=1), 1)


def test_values_are_left_alone():
    y = np.arange(5.0)
    r2 = metric_of("r2", Task("regression"))
    assert calibrated(y, y, r2, models=5) == Calibration()
    assert Calibration().scored(y, r2) is y
