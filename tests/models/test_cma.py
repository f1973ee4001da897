"""Laws of the updates: what they must not depend on, and what the margin promises."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from kilter.models import cma
from kilter.models.cma import Chances, Gaussian

SEEDS = st.integers(0, 2**32 - 1)


def generation(seed, d=4, popsize=9):
    stream = np.random.default_rng(seed)
    return stream.standard_normal((popsize, d)), np.arange(popsize), stream


def covariance(gaussian):
    root = gaussian.basis * gaussian.scales
    return gaussian.sigma**2 * root @ root.T


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 150), st.integers(2, 300))
def test_the_constants_make_sense(d, popsize):
    s = cma.strategy(d, popsize)
    assert (np.diff(s.weights) <= 0).all()
    assert s.weights[s.weights > 0].sum() == pytest.approx(1)
    assert min(s.c1, s.c_mu) > 0
    assert s.c1 + s.c_mu <= 1 + 1e-12
    assert 0 < s.c_sigma < 1
    assert 0 < s.c_path <= 1


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_rotated_problem_is_solved_in_the_same_way(seed):
    steps, ranks, stream = generation(seed)
    turn = np.linalg.qr(stream.standard_normal((4, 4)))[0]
    plain, turned = Gaussian.round(np.full(4, 0.5), 0.3), Gaussian.round(turn @ np.full(4, 0.5), 0.3)
    for _ in range(3):
        plain, turned = cma.updated(plain, steps, ranks), cma.updated(turned, steps @ turn.T, ranks)
    assert np.allclose(turn @ plain.mean, turned.mean)
    assert np.allclose(turn @ covariance(plain) @ turn.T, covariance(turned))


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_the_order_within_equal_ranks_does_not_count(seed):
    steps, _, _ = generation(seed)
    ranks = np.array([0, 1, 1, 1, 2, 3, 3, 4, 5])
    order = np.array([0, 3, 1, 2, 4, 6, 5, 7, 8])
    start = Gaussian.round(np.full(4, 0.5), 0.3)
    one, other = cma.updated(start, steps, ranks), cma.updated(start, steps[order], ranks)
    assert np.allclose(one.mean, other.mean)
    assert np.allclose(covariance(one), covariance(other))


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_white_steps_are_what_was_drawn(seed):
    steps, ranks, stream = generation(seed)
    gaussian = cma.updated(Gaussian.round(np.full(4, 0.5), 0.3), steps, ranks)
    z = stream.standard_normal((6, 4))
    drawn = gaussian.steps(z)
    assert np.allclose(gaussian.steps_to(gaussian.points(drawn)), drawn)
    assert np.allclose((gaussian.whitened(drawn) ** 2).sum(axis=1), (z**2).sum(axis=1))
    assert np.allclose(gaussian.deviations, np.sqrt(np.diag(covariance(gaussian))) / gaussian.sigma)


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.floats(0.01, 1e6))
def test_a_foreign_step_is_shortened_but_not_turned(seed, factor):
    steps, ranks, stream = generation(seed)
    gaussian = cma.updated(Gaussian.round(np.full(4, 0.5), 0.3), steps, ranks)
    step = factor * stream.standard_normal(4)
    cut = cma.clipped(step, gaussian)
    assert np.linalg.norm(gaussian.whitened(cut)) <= 2 + 8 / 6 + 1e-9
    assert cut @ step == pytest.approx(np.linalg.norm(cut) * np.linalg.norm(step))
    short = step * 0.5 / np.linalg.norm(gaussian.whitened(step))
    assert np.allclose(cma.clipped(short, gaussian), short)


def minimised(f, d, generations, popsize):
    stream = np.random.default_rng(1)
    gaussian = Gaussian.round(np.full(d, 0.5), 0.3)
    for _ in range(generations):
        steps = gaussian.steps(stream.standard_normal((popsize, d)))
        losses = np.array([f(x) for x in gaussian.points(steps)])
        gaussian = cma.updated(gaussian, steps[np.argsort(losses)], np.arange(popsize))
    return f(gaussian.mean)


def test_it_learns_a_rotated_ellipsoid():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    assert minimised(lambda x: float(10.0 ** np.arange(5) @ (turn @ (x - 0.3)) ** 2), 5, 250, 8) < 1e-10


def test_beyond_a_hundred_dimensions_it_learns_the_diagonal():
    weights = 10.0 ** (3 * np.arange(120) / 119)
    gaussian = Gaussian.round(np.zeros(120), 1.0)
    assert gaussian.basis.size == 0
    assert minimised(lambda x: float(weights @ (x - 0.3) ** 2), 120, 600, 18) < 1e-2


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 30), st.floats(-0.3, 1.3), st.floats(1e-9, 10), st.floats(0.001, 0.3), st.integers(1, 5))
def test_no_cell_is_out_of_reach(cells, mean, sigma, margin, rounds):
    """Whatever the distribution, after the correction the chance to leave the mean's cell is at least the margin."""
    borders = np.vstack([np.arange(1, cells) / cells])
    columns = np.array([1])
    gaussian = Gaussian.round(np.array([0.4, mean]), sigma)
    corrected = gaussian
    for _ in range(rounds):
        corrected = cma.with_margin(corrected, columns, borders, margin)
    assert corrected.mean[0] == 0.4 and corrected.stretch[0] == 1
    m, deviation = corrected.mean[1], sigma * corrected.stretch[1]
    cell = int((borders[0] < mean).sum())
    low = borders[0][cell - 1] if cell else -math.inf
    high = borders[0][cell] if cell < cells - 1 else math.inf
    assert low - 1e-6 <= m <= high + 1e-6
    below, above = ndtr((low - m) / deviation), ndtr((m - high) / deviation)
    assert below + above >= margin * (1 - 1e-6) - 1e-12
    if 0 < cell < cells - 1:
        assert min(below, above) >= margin / 2 * (1 - 1e-6) - 1e-12


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.lists(st.integers(2, 6), min_size=1, max_size=4), st.floats(0.01, 0.27))
def test_chances_stay_chances(seed, sizes, margin):
    stream = np.random.default_rng(seed)
    chances = Chances.even(sizes)
    for _ in range(20):
        options = np.array([chances.drawn(stream.random(len(sizes))) for _ in range(6)])
        assert (options < sizes).all()
        chances = cma.updated_chances(chances, options, np.arange(6), margin)
        for q, size in zip(chances.q, sizes):
            assert q.sum() == pytest.approx(1)
            assert (q[:size] >= margin / (size - 1) * (1 - 1e-9)).all()
            assert (q[size:] == 0).all()


def test_what_ranks_first_gains_chance():
    chances = Chances.even([3, 2])
    options = np.array([[2, 0], [2, 0], [2, 1], [0, 1], [1, 1], [0, 1]])
    after = cma.updated_chances(chances, options, np.arange(6), 0.1)
    assert after.q[0, 2] > 1 / 3 and after.q[1, 0] > 1 / 2


def test_ties_move_nothing():
    options = np.array([[0], [1], [0], [1]])
    after = cma.updated_chances(Chances.even([2]), options, np.zeros(4, dtype=int), 0.1)
    assert after.q.tolist() == [[0.5, 0.5]]


def test_quantiles_of_the_chances():
    chances = Chances.even([2, 4])
    assert chances.drawn(np.array([0.49, 0.51])).tolist() == [0, 2]
    assert chances.drawn(np.array([1.0, 1.0])).tolist() == [1, 3]
