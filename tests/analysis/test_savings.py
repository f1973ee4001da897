"""What early stopping has saved, of trials whose lengths are known."""

import pytest

from kilter.analysis.savings import Savings
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Problem

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def history_of(*ends):
    """A history of trials that ended as (state, last step), ten seconds a step."""
    history = History(Problem())
    for number, (state, steps) in enumerate(ends):
        trial = Record(number, state, {}, started=0.0, ended=10.0 * steps)
        history.add(trial)
        if steps:
            history.reports.extend(number, (Report(steps, {}),))
        history.settle(trial)
    return history


def saved(*ends):
    return Savings.of(history_of(*ends))


def test_what_pruned_trials_had_left_is_saved():
    savings = saved((COMPLETE, 9), (PRUNED, 3), (COMPLETE, 9), (PRUNED, 1), (FAIL, 5), (PRUNED, 0))
    assert savings.steps == 14
    assert savings.seconds == 140
    assert savings.share == pytest.approx(14 / (14 + 27))


@pytest.mark.parametrize("ends", [[], [(COMPLETE, 9)], [(PRUNED, 3)], [(COMPLETE, 0), (PRUNED, 0)]])
def test_nothing_is_saved_where_nothing_is_known(ends):
    savings = saved(*ends)
    assert (savings.steps, savings.seconds, savings.share) == (0, 0, 0)


def test_each_trial_is_counted_once():
    history = history_of((COMPLETE, 9), (PRUNED, 3))
    assert {Savings.of(history).steps for _ in range(3)} == {6}
