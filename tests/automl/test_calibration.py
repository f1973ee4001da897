"""Temperatures and thresholds: taken only where rows that they were not learned on gain."""

import numpy as np
import pytest

from kilter.automl.calibration import decided, temperature, tempered, threshold
from kilter.automl.metrics import metric_of
from kilter.automl.task import Task

BINARY = Task("binary", (0, 1))
FIFTHS = [np.arange(1000) % 5 == k for k in range(5)]


def rows(seed=0, share=0.5):
    """Probabilities that are right, and labels that are drawn by them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2 * share, 2 * (1 - share), 1000)
    return np.column_stack([1 - p, p]), (rng.random(1000) < p).astype(int)


def test_right_probabilities_stay_as_they_are():
    p, y = rows()
    assert temperature(p, y, FIFTHS) == 1
    assert tempered(p, 1.0) is p


@pytest.mark.parametrize("wrong", [0.4, 2.5])
def test_a_wrong_temperature_is_found(wrong):
    p, y = rows()
    found = temperature(tempered(p, wrong), y, FIFTHS)
    assert found == pytest.approx(1 / wrong, rel=0.15)
    assert np.allclose(tempered(tempered(p, 1.5), 1 / 1.5), p, atol=1e-3)


def test_a_threshold_is_moved_for_labels_alone_and_where_it_gains():
    p, y = rows(share=0.12)
    f1 = metric_of("f1", BINARY)
    found = threshold(p, y, f1, FIFTHS)
    assert 0.15 < found < 0.5
    assert f1.score(y, decided(p, found)) > f1.score(y, p)
    assert threshold(p, y, metric_of("roc_auc", BINARY), FIFTHS) == 0.5
    assert threshold(p[:40], y[:40], f1, [block[:40] for block in FIFTHS]) == 0.5


def test_decisions_follow_the_threshold_and_probabilities_keep_their_order():
    p, _ = rows()
    moved = decided(p, 0.3)
    assert (moved.argmax(axis=1) == (p[:, 1] > 0.3)).all()
    assert (np.argsort(moved[:, 1], kind="stable") == np.argsort(p[:, 1], kind="stable")).all()
    assert np.allclose(moved.sum(axis=1), 1)
