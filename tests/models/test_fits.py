"""What was fitted is remembered, and never needed."""

import numpy as np

from kilter.core.memo import Memo
from kilter.models.fits import Fits
from kilter.models.gp import Layout

FEATURES = np.random.default_rng(3).random((12, 2))
Y = FEATURES[:, 0] * 4 - FEATURES[:, 1] + 2
LAYOUT = Layout(np.arange(2), np.arange(2), 2, 2.0)


def test_what_was_fitted_to_fewer_values_changes_nothing_of_what_more_of_them_say():
    def theta(memory, n):
        known = np.arange(len(Y)) < n
        return Fits(lambda rows: FEATURES[rows], LAYOUT, memory).shape("constraint 0", Y, known)

    memory = Memo()
    for n in range(len(Y) + 1):
        here, there = theta(memory, n), theta(Memo(), n)
        np.testing.assert_array_equal(here[0], there[0])
        assert here[1] == there[1]
