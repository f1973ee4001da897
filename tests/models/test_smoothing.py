"""What the processes believe, against the formulas written out with full matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.models import smoothing
from kilter.models.smoothing import EXACT, JITTER, LENGTHS, NOISES, TRUST, processes


def rough(points, length):
    return np.exp(-np.abs(points[:, None] - points).sum(axis=2) / (2 * length * points.shape[1]))


def smooth(points, length):
    r = np.sqrt(5 * ((points[:, None] - points) ** 2).sum(axis=2) / (length**2 * points.shape[1]))
    return (1 + r + r * r / 3) * np.exp(-r)


def left_out(covariance, y):
    """The logarithm of the density of each value given all others, summed."""
    total = 0.0
    for i in range(len(y)):
        rest = np.delete(np.arange(len(y)), i)
        along = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, i])
        mean, variance = along @ y[rest], covariance[i, i] - along @ covariance[rest, i]
        total -= 0.5 * (np.log(variance) + (y[i] - mean) ** 2 / variance)
    return total


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(2, 9), st.integers(1, 3))
def test_means_and_weights(seed, n, d):
    stream = np.random.default_rng(seed)
    points, views = stream.random((n, d)), stream.standard_normal((2, n))
    weights, opinions = processes(points, views, float(d))
    for y, weight, opinion in zip(views, weights, opinions, strict=True):
        scores, means = [], []
        for alike in (kernel(points, length) for length in LENGTHS for kernel in (rough, smooth)):
            for noise in NOISES:
                covariance = (1 - noise) * alike + (noise + JITTER) * np.eye(n)
                scale = y @ np.linalg.solve(covariance, y) / n
                means.append((1 - noise) * alike @ np.linalg.solve(covariance, y))
                scores.append(TRUST * left_out(scale * covariance, y) - EXACT * noise)
        assert opinion == pytest.approx(np.array(means), rel=1e-4, abs=1e-4)
        expected = np.exp(np.array(scores) - max(scores))
        assert weight == pytest.approx(expected / expected.sum(), rel=1e-2, abs=1e-4)


def test_equal_points_are_believed_equal():
    points = np.array([[0.2], [0.2], [0.9], [0.4]])
    _, opinions = processes(points, np.array([[-1.0, 1.0, 0.5, 0.2]]), 1.0)
    assert opinions[0, :, 0] == pytest.approx(opinions[0, :, 1], abs=1e-9)


def test_nothing_is_divided_by_zero_where_values_are_equal():
    weights, opinions = processes(np.zeros((5, 2)), np.zeros((1, 5)), 2.0)
    assert weights.sum() == pytest.approx(1.0)
    assert np.abs(opinions).max() < smoothing.LEAST
