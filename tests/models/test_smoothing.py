"""What the processes believe, against the formulas written out with full matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from kilter.models import smoothing
from kilter.models.smoothing import EXACT, JITTER, LENGTHS, NOISES, TRUST, UNKNOWN, Measured, belief


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
@given(st.integers(0, 2**32), st.integers(2, 9), st.integers(1, 3), st.sampled_from([UNKNOWN, Measured(0.3, 5.0)]))
def test_means_covariances_and_weights(seed, n, d, measured):
    stream = np.random.default_rng(seed)
    points, y, relative = stream.random((n, d)), stream.standard_normal(n), stream.uniform(0.2, 1.0, n)
    scores, means, covariances, noises = [], [], [], []
    for alike in (kernel(points, length) for length in LENGTHS for kernel in (rough, smooth)):
        for noise in NOISES:
            own = (1 - noise) * alike
            covariance = own + (noise + JITTER) * np.diag(relative)
            told = measured.freedom * measured.variance / noise
            scale = (y @ np.linalg.solve(covariance, y) + told) / (n + measured.freedom)
            means.append(own @ np.linalg.solve(covariance, y))
            covariances.append(scale * (own - own @ np.linalg.solve(covariance, own)))
            noises.append(scale * noise)
            density = left_out(scale * covariance, y)
            if measured.freedom:
                seen = chi2.logpdf(measured.freedom * measured.variance / (scale * noise), measured.freedom)
                density += seen - np.log(scale * noise)
            scores.append(TRUST * density - EXACT * noise)
    weights = np.exp(np.array(scores) - max(scores))
    weights /= weights.sum()
    mean = weights @ np.array(means)
    apart = np.array(means) - mean
    found = belief(points, y, float(d), relative, measured)
    assert found.mean == pytest.approx(mean, rel=1e-2, abs=1e-3)
    assert found.noise == pytest.approx(weights @ np.array(noises), rel=1e-2)
    covariance = np.einsum("q,qij->ij", weights, np.array(covariances)) + (weights * apart.T) @ apart
    assert found.covariance == pytest.approx(covariance, rel=1e-2, abs=1e-3)


def test_equal_points_are_believed_equal():
    points = np.array([[0.2], [0.2], [0.9], [0.4]])
    found = belief(points, np.array([-1.0, 1.0, 0.5, 0.2]), 1.0, np.ones(4))
    assert found.mean[0] == pytest.approx(found.mean[1], abs=1e-9)


def test_nothing_is_divided_by_zero_where_values_are_equal():
    found = belief(np.zeros((5, 2)), np.zeros(5), 2.0, np.ones(5))
    assert np.abs(found.mean).max() < smoothing.LEAST
    assert found.noise < 1e-9
