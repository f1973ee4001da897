"""Tests on ranks beside SciPy's, and what holds of them whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kilter.analysis.ranktests import EXACT, holm, rank_sum, ranks, sign, signed_rank

DISTINCT = st.lists(st.integers(1, 10**6), min_size=1, max_size=12, unique=True)


@given(st.lists(st.integers(-5, 5), max_size=20))
def test_ranks_are_those_of_scipy(values):
    assert ranks(np.array(values, dtype=float)).tolist() == stats.rankdata(values).tolist()


@given(DISTINCT, st.randoms())
def test_wilcoxon_is_exact(sizes, chance):
    d = np.array([chance.choice([-1, 1]) * size for size in sizes], dtype=float)
    assert signed_rank(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, np.inf]), min_size=1, max_size=8))
def test_with_ties_it_is_the_share_of_sign_patterns_that_are_as_uneven(values):
    d = np.array(values)
    known = d[d != 0]
    if not len(known):
        assert signed_rank(d) is None
        return
    rank = stats.rankdata(np.abs(known))
    patterns = np.array(np.meshgrid(*[[0, 1]] * len(known))).reshape(len(known), -1).T @ rank
    seen, middle = rank[known > 0].sum(), rank.sum() / 2
    assert signed_rank(d) == pytest.approx((np.abs(patterns - middle) >= abs(seen - middle) - 1e-9).mean())


def test_many_pairs_are_nearly_normal():
    d = np.random.default_rng(0).standard_normal(EXACT + 1) + 0.2
    assert signed_rank(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=0.05)


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_turning_the_signs_changes_no_p(values):
    d = np.array(values)
    for test in (signed_rank, sign):
        p = test(d)
        assert p is None or 0 < p <= 1
        assert test(-d) == pytest.approx(p) if p is not None else test(-d) is None


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_is_binomial(wins, losses):
    d = np.array([1.0] * wins + [-1.0] * losses + [0.0])
    if wins + losses:
        assert sign(d) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    assert sign(np.array([1.0] * 900 + [-1.0] * 700)) == pytest.approx(stats.binomtest(700, 1600).pvalue, rel=0.05)


def test_groups_that_are_not_paired():
    assert rank_sum(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])) == pytest.approx(0.1)
    assert rank_sum(np.array([]), np.array([1.0])) is None


@given(st.lists(st.one_of(st.none(), st.floats(1e-6, 1)), max_size=6))
def test_holm_keeps_the_order_and_makes_no_p_smaller(p):
    corrected = holm(p)
    pairs = sorted((a, b) for a, b in zip(p, corrected) if a is not None)
    assert [b for _, b in pairs] == sorted(b for _, b in pairs)
    assert all(a <= b <= 1 for a, b in pairs)
    assert [b is None for b in corrected] == [a is None for a in p]
