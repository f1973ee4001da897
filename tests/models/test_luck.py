"""What scores on parts say, against the formulas with full matrices; luck is found where it was put."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.models.luck import belief_of_parts
from kilter.models.smoothing import kernels


def scored(seed, n=40, p=5, alike=True):
    """Points on a line, a bowl of a truth, and scores with luck on each part that neighbours have in common or not."""
    stream = np.random.default_rng(seed)
    points = np.sort(stream.random((n, 1)), axis=0)
    luck = list(kernels(points, 1.0))[2] if alike else np.eye(n)
    true = 6.0 * (points[:, 0] - 0.4) ** 2
    drawn = np.linalg.cholesky(luck) @ stream.standard_normal((n, p))
    return points, true, true[:, None] + stream.standard_normal(p) + 0.5 * drawn


def pulls(found, true):
    off, own = found.mean - true, np.diag(found.covariance)
    errors = np.sqrt(np.maximum(own[:, None] + own - 2.0 * found.covariance, 1e-12))
    upper = np.triu_indices(len(true), 1)
    return ((off[:, None] - off) / errors)[upper]


@pytest.mark.parametrize("alike", [True, False])
def test_as_sure_of_differences_as_is_right(alike):
    """Also where luck is alike for neighbours, which models of independent noise take for truth."""
    found = []
    for seed in range(12):
        points, true, scores = scored(seed, alike=alike)
        found.append(pulls(belief_of_parts(points, scores, 1.0), true))
    assert 0.7 < np.std(np.concatenate(found)) < 1.3


def test_parts_that_are_tested_on_the_same_rows_make_nothing_surer():
    """Five hold-outs that share a half of their luck, which others would take for parts of their own."""
    shared = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    known, others = [], []
    for seed in range(12):
        stream = np.random.default_rng(seed)
        points, true, _ = scored(seed)
        scores = true[:, None] + 0.5 * stream.standard_normal((40, 5)) @ np.linalg.cholesky(shared).T
        known.append(pulls(belief_of_parts(points, scores, 1.0, shared), true))
        others.append(pulls(belief_of_parts(points, scores, 1.0), true))
    assert 0.7 < np.std(np.concatenate(known)) < 1.3
    assert np.std(np.concatenate(others)) > 1.2 * np.std(np.concatenate(known))


def test_a_point_with_more_luck_than_the_better_half_is_known_less():
    """The last ones are worst and four times as noisy."""
    found = []
    for seed in range(12):
        points, true, scores = scored(seed, alike=False)
        worst = np.argsort(true)[-10:]
        scores[worst] += 3.0 * (scores - scores.mean(axis=0) - true[:, None] + true.mean())[worst]
        told = belief_of_parts(points, scores, 1.0)
        own, best = np.diag(told.covariance), int(np.argmin(true))
        error = np.sqrt(own[worst] + own[best] - 2.0 * told.covariance[worst, best])
        found.append((told.mean - true - told.mean[best] + true[best])[worst] / error)
    assert 0.7 < np.std(np.concatenate(found)) < 1.7


def test_neighbours_do_not_take_back_luck_that_they_share_but_do_where_they_do_not():
    gains = {}
    for alike in (True, False):
        left = []
        for seed in range(12):
            points, true, scores = scored(seed, alike=alike)
            found, seen = belief_of_parts(points, scores, 1.0), scores.mean(axis=1)
            left.append(np.std(found.mean - true) / np.std(seen - true))
        gains[alike] = np.mean(left)
    assert gains[False] < 0.7
    assert gains[True] > gains[False] + 0.1


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_how_hard_parts_are_changes_no_difference(seed, hard):
    points, _, scores = scored(seed % 1000, n=12, p=3)
    scores[4:, 1:] = np.nan
    plain, other = (belief_of_parts(points, each, 1.0) for each in (scores, scores + np.array(hard)))
    assert other.mean - other.mean[0] == pytest.approx(plain.mean - plain.mean[0], abs=0.05)


def test_noise_is_that_of_a_mean_over_the_parts():
    drawn = [scored(seed, alike=False) for seed in range(12)]
    noises = [belief_of_parts(points, scores, 1.0).noise for points, _, scores in drawn]
    assert np.mean(noises) == pytest.approx(0.25 / 5, rel=0.15)


def test_who_has_more_parts_is_known_better():
    points, _, scores = scored(1, alike=False)
    scores[::2, 1:] = np.nan
    own = np.diag(belief_of_parts(points, scores, 1.0).covariance)
    assert (own[1:-1:2] < own[2::2]).mean() > 0.7


def test_without_luck_there_is_no_noise():
    points, true, _ = scored(1)
    found = belief_of_parts(points, true[:, None] + np.array([0.0, 1.0, 2.0]), 1.0)
    assert found.noise < 1e-9
    assert found.mean - 1.0 == pytest.approx(true, abs=0.02)
