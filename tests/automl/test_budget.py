"""How much time a fit still has."""

import math

from kilter.automl.budget import CARE, RESERVED, Budget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_part_is_kept_for_the_end() -> None:
    clock = Clock()
    budget = Budget(10.0, clock)
    clock.now += 3.0
    assert math.isclose(budget.left(), 10 * (1 - RESERVED) - 3)


def test_nothing_may_begin_that_is_not_expected_to_end() -> None:
    budget = Budget(10.0, Clock())
    assert budget.allows(10 * (1 - RESERVED) / CARE - 0.01)
    assert not budget.allows(10 * (1 - RESERVED) / CARE + 0.01)


def test_an_allowance_is_a_share_of_what_is_left_when_it_is_given() -> None:
    clock = Clock()
    allowance = Budget(10.0, clock).share(0.5)
    clock.now += 1.0
    assert math.isclose(allowance(), 5 * (1 - RESERVED) - 1)


def test_without_a_limit_everything_may_begin() -> None:
    budget = Budget(math.inf, Clock())
    assert budget.allows(1e9) and budget.share(0.1)() == math.inf
