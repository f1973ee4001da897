"""Virtual time: messages come in the order of their times, and no time passes."""

import pytest

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput, TrialPruned
from kilter.core.events import Report, TrialState
from kilter.core.interfaces import Outcome, Progress
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.testing.executor import task


def test_the_shortest_trial_ends_first():
    clock = VirtualClock()
    executor = Simulated(3, clock).start(lambda config: (config["x"], 1000 * (1 - config["x"])))
    for number, x in enumerate([0.1, 0.9, 0.5]):
        executor.submit(task(number, x=x))
    seen = [(executor.wait(None)[0].number, round(clock())) for _ in range(3)]
    assert seen == [(1, 100), (2, 500), (0, 900)]
    assert executor.wait(None) == []


def test_ties_go_by_number():
    executor = Simulated(3, VirtualClock()).start(lambda config: (1.0, 5.0))
    for number in (2, 0, 1):
        executor.submit(task(number))
    assert [executor.wait(None)[0].number for _ in range(3)] == [0, 1, 2]


def curve(config):
    for step in range(3):
        yield step, config["x"] - step, 10.0


def test_reports_come_at_their_times_and_the_last_is_the_result():
    clock = VirtualClock()
    executor = Simulated(1, clock).start(curve)
    executor.submit(task(x=1.0))
    for step in range(3):
        (message,) = executor.wait(None)
        assert isinstance(message, Progress)
        assert message.reports[0] == Report(step, {"loss": 1.0 - step})
        assert message.reply is None
        assert clock() == 10.0 * (step + 1)
    (outcome,) = executor.wait(None)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.metrics == {"loss": -1.0}


def test_an_answer_prunes():
    clock = VirtualClock()
    executor = Simulated(1, clock).start(curve)
    executor.submit(task(may_be_stopped=True, x=1.0))
    for verdict in (Verdict.CONTINUE, Verdict.STOP):
        executor.wait(None)[0].reply(verdict)
    (outcome,) = executor.wait(None)
    assert outcome.state is TrialState.PRUNED
    assert outcome.metrics == {"loss": 0.0}
    assert clock() == 20.0


def test_a_timeout_is_virtual():
    clock = VirtualClock()
    executor = Simulated(1, clock).start(lambda config: (1.0, 100.0))
    executor.submit(task())
    assert executor.wait(30) == []
    assert clock() == 30
    assert isinstance(executor.wait(100)[0], Outcome)
    assert clock() == 100


def test_stop_ends_a_trial_now():
    clock = VirtualClock()
    executor = Simulated(1, clock).start(lambda config: (1.0, 100.0))
    executor.submit(task(0))
    executor.wait(30)
    executor.stop(0)
    executor.stop(0)
    (outcome,) = executor.wait(None)
    assert outcome.failure.kind == "stopped"
    assert clock() == 30
    assert executor.wait(None) == []
    executor.submit(task(1))
    assert executor.wait(None)[0].state is TrialState.COMPLETE
    assert clock() == 130


def fails(config):
    raise ArithmeticError("no")


def prunes(config):
    yield 0, 2.0, 1.0
    raise TrialPruned


@pytest.mark.parametrize(
    ("objective", "state", "kind"),
    [
        (fails, TrialState.FAIL, "ArithmeticError"),
        (prunes, TrialState.PRUNED, None),
        (lambda config: (float("nan"), 1.0), TrialState.FAIL, "nan"),
        (lambda config: 1.0, TrialState.FAIL, "return"),
    ],
)
def test_how_an_objective_may_end(objective, state, kind):
    executor = Simulated(1, VirtualClock()).start(objective)
    executor.submit(task())
    while isinstance(message := executor.wait(None)[0], Progress):
        pass
    assert message.state is state
    assert (message.failure and message.failure.kind) == kind


def test_no_more_than_the_slots():
    executor = Simulated(1, VirtualClock()).start(fails)
    executor.submit(task(0))
    with pytest.raises(InvalidInput, match="slots are taken"):
        executor.submit(task(1))
    executor.close()
    assert executor.wait(None) == []
