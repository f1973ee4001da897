"""Laws of the updates: what they must not depend on, and what the margin promises."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
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


@settings(max_examples=50)
@given(st.integers(1, 150), st.integers(2, 300))
def test_the_constants_make_sense(d, popsize):
    s = cma.strategy(d, popsize)
    assert (np.diff(s.weights) <= 0).all()
    assert s.weights[s.weights > 0].sum() == pytest.approx(1)
    assert min(s.c1, s.c_mu) > 0
    assert s.c1 + s.c_mu <= 1 + 1e-12
    assert 0 < s.c_sigma < 1
    assert 0 < s.c_path <= 1


@settings(max_examples=50)
@given(SEEDS)
def test_a_rotated_problem_is_solved_in_the_same_way(seed):
    steps, ranks, stream = generation(seed)
    turn = np.linalg.qr(stream.standard_normal((4, 4)))[0]
    plain, turned = Gaussian.round(np.full(4, 0.5), 0.3), Gaussian.round(turn @ np.full(4, 0.5), 0.3)
    for _ in range(3):
        plain, turned = cma.updated(plain, steps, ranks), cma.updated(turned, steps @ turn.T, ranks)
    assert np.allclose(turn @ plain.mean, turned.mean)
    assert np.allclose(turn @ covariance(plain) @ turn.T, covariance(turned))


@settings(max_examples=50)
@given(SEEDS)
def test_the_order_within_equal_ranks_does_not_count(seed):
    steps, _, _ = generation(seed)
    ranks = np.array([0, 1, 1, 1, 2, 3, 3, 4, 5])
    order = np.array([0, 3, 1, 2, 4, 6, 5, 7, 8])
    start = Gaussian.round(np.full(4, 0.5), 0.3)
    one, other = cma.updated(start, steps, ranks), cma.updated(start, steps[order], ranks)
    assert np.allclose(one.mean, other.mean)
    assert np.allclose(covariance(one), covariance(other))


@settings(max_examples=50)
@given(SEEDS)
def test_white_steps_are_what_was_drawn(seed):
    steps, ranks, stream = generation(seed)
    gaussian = cma.updated(Gaussian.round(np.full(4, 0.5), 0.3), steps, ranks)
    z = stream.standard_normal((6, 4))
    drawn = gaussian.steps(z)
    assert np.allclose(gaussian.steps_to(gaussian.points(drawn)), drawn)
    assert np.allclose((gaussian.whitened(drawn) ** 2).sum(axis=1), (z**2).sum(axis=1))
    assert np.allclose(gaussian.deviations, np.sqrt(np.diag(covariance(gaussian))) / gaussian.sigma)


@settings(max_examples=50)
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


def leaving(gaussian, centres, column=1):
    """The chances that the coordinate leaves the cell of the mean, below and above."""
    borders = np.concatenate([[-math.inf], (centres[1:] + centres[:-1]) / 2, [math.inf]])
    m, deviation = gaussian.mean[column], gaussian.sigma * (gaussian.stretch * gaussian.deviations)[column]
    cell = int((borders[1:-1] < m).sum())
    return ndtr((borders[cell] - m) / deviation), ndtr((m - borders[cell + 1]) / deviation)


MEANS = st.floats(-0.3, 1.3)
SIGMAS = st.floats(1e-9, 10)
MARGINS = st.floats(0.001, 0.3)


@settings(max_examples=50)
@given(st.integers(2, 30), MEANS, SIGMAS, MARGINS, st.lists(st.booleans(), min_size=1, max_size=5))
def test_no_cell_is_out_of_reach(cells, mean, sigma, margin, successes):
    """Whatever the distribution, after the correction the chance to leave the mean's cell is at least the margin."""
    centres = (np.arange(cells) + 0.5) / cells
    corrected = Gaussian.round(np.array([0.4, mean]), sigma)
    for succeeded in successes:
        corrected = cma.with_margin(corrected, np.array([1]), centres[None], margin, np.array([succeeded]))
    assert corrected.mean[0] == 0.4 and corrected.stretch[0] == 1
    cell = int((np.arange(1, cells) / cells < mean).sum())
    assert abs(corrected.mean[1] - centres[cell]) <= 0.5 / cells + 1e-6 or cell in (0, cells - 1)
    below, above = leaving(corrected, centres)
    assert below + above >= margin * (1 - 1e-6) - 1e-12
    if 0 < cell < cells - 1:
        assert min(below, above) >= margin / 2 * (1 - 1e-6) - 1e-12


@settings(max_examples=100)
@given(st.integers(2, 12), MEANS, SIGMAS, MARGINS, st.floats(0.1, 10), st.floats(-0.5, 0.5))
@example(2, 1 / 3, 0.34375, 0.25, 1.0, 1 / 3)  # moved onto the very border
def test_a_cell_that_none_left_well_is_left_no_more_often(cells, mean, sigma, margin, growth, shift):
    centres = (np.arange(cells) + 0.5) / cells
    columns = np.array([1])
    before = cma.with_margin(
        Gaussian.round(np.array([0.4, mean]), sigma), columns, centres[None], margin, np.array([1])
    )
    moved = dataclasses.replace(before, sigma=sigma * growth, mean=before.mean + shift / cells)
    after = cma.with_margin(moved, columns, centres[None], margin, np.array([False]))
    assert sum(leaving(after, centres)) <= max(sum(leaving(before, centres)), margin) * (1 + 1e-6) + 1e-9


@settings(max_examples=100)
@given(SEEDS, st.integers(2, 12), st.floats(0.01, 1.0))
def test_good_points_in_other_cells_count_as_their_centres(seed, cells, sigma):
    steps, ranks, stream = generation(seed)
    gaussian = Gaussian.round(stream.random(4), sigma)
    columns, centres = np.array([1, 3]), np.tile((np.arange(cells) + 0.5) / cells, (2, 1))
    moved, succeeded = cma.centred(gaussian, steps, ranks, columns, centres)
    assert (moved[:, [0, 2]] == steps[:, [0, 2]]).all()
    assert (moved[4:] == steps[4:]).all()

    def cell_of(points):
        return np.clip(np.floor(points * cells), 0, cells - 1)

    old, new, home = gaussian.points(steps)[:4, columns], gaussian.points(moved)[:4, columns], gaussian.mean[columns]
    out = cell_of(old) != cell_of(home)
    assert np.allclose(new[out], (cell_of(old)[out] + 0.5) / cells)
    assert (cell_of(new) == cell_of(old)).all()
    assert (succeeded == out.any(axis=0)).all()
    weights = cma.strategy(4, 9).weights[:4]
    bias = weights @ np.where(out, new - old, 0)
    left = weights @ (new - old)
    assert (np.abs(left) <= np.abs(bias) + 1e-12).all()
    fixed = np.isclose(left, 0)  # else all that could move against the bias went as far as their centres
    stuck = np.isclose(new, (cell_of(new) + 0.5) / cells) | (
        np.sign((cell_of(old) + 0.5) / cells - old) == np.sign(bias)
    )
    assert (fixed | stuck.all(axis=0)).all()


@settings(max_examples=50)
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
