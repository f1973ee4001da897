"""What an attempt tells its study, and when: each report once and in order, and with a question in one message."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from kilter.core.actions import Verdict
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome, Task
from kilter.core.problem import Problem
from kilter.objective.attempt import Attempt
from kilter.objective.perform import perform
from kilter.objective.trial import Trial, attempt_of
from kilter.testing import strategies
from kilter.testing.executor import task


class Heard:
    """A line that keeps what was said, and gives these answers to questions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.said = []

    def report(self, reports):
        self.said.append(("reports", [report.step for report in reports]))

    def ask(self, reports):
        self.said.append(("asks", [report.step for report in reports]))
        return self.answers.pop(0) if self.answers else Verdict.CONTINUE

    @property
    def steps(self):
        return [step for _, steps in self.said for step in steps]


ACTS = st.lists(st.sampled_from(["report", "ask", "flush", "save"]), max_size=20)


@given(ACTS, st.booleans(), st.sampled_from([0.0, 1e-9, 60.0]))
def test_each_report_is_told_once_and_in_order(acts, may_be_stopped, flush_after):
    heard = Heard()

    def objective(trial):
        attempt_of(trial)._flush_after = flush_after
        for step, act in enumerate(acts):
            if act == "report":
                trial.report(1.0, step)
            elif act == "ask":
                assert not trial.should_prune()
            elif act == "flush":
                trial.flush()
            else:
                attempt_of(trial).settle_reports()
        return 1.0

    outcome = perform(objective, task(may_be_stopped=may_be_stopped), heard)
    assert outcome.state is TrialState.COMPLETE
    told = [*heard.steps, *(report.step for report in outcome.reports)]
    assert told == [step for step, act in enumerate(acts) if act == "report"]
    assert may_be_stopped or all(kind == "reports" for kind, _ in heard.said)


@given(st.integers(1, 9), st.sampled_from([1e-9, 60.0]))
def test_a_step_and_its_question_are_one_message_however_long_a_step_takes(steps, flush_after):
    heard = Heard()

    def objective(trial):
        attempt_of(trial)._flush_after = flush_after
        for step in range(steps):
            trial.report(1.0, step)
            trial.should_prune()
        return 1.0

    perform(objective, task(may_be_stopped=True), heard)
    assert heard.said == [("asks", [step]) for step in range(steps)]


@given(st.sampled_from(Verdict), st.booleans())
def test_who_leaves_ends_as_the_verdict_says_and_counts_by_the_last_report(verdict, by_callback):
    def objective(trial):
        trial.report(3.0, 0)
        trial.report(2.0, 1)
        if by_callback:
            assert trial.leaves() is trial.has_left is bool(verdict)
        return 1.0

    outcome = perform(objective, task(may_be_stopped=True), Heard(verdict))
    if by_callback and verdict:
        assert (outcome.state, outcome.metrics) == (verdict.ends_as, {"loss": 2.0})
    else:
        assert (outcome.state, outcome.metrics) == (TrialState.COMPLETE, {"loss": 1.0})


def test_the_three_ways_to_have_no_result():
    one = task(3, attempt=2)
    assert [Outcome.left(one, verdict, {"loss": 1.0}).state for verdict in (Verdict.STOP, Verdict.PAUSE)] == [
        TrialState.PRUNED,
        TrialState.PAUSED,
    ]
    stopped = Outcome.stopped(one)
    assert (stopped.number, stopped.attempt, stopped.state, stopped.failure.kind) == (3, 2, TrialState.FAIL, "stopped")


@given(strategies.spaces())
def test_a_task_is_the_same_wherever_it_is_sent(space):
    problem = Problem(space, is_open=not len(space))
    sent = Task(3, 1, {}, problem, 7, "/there", True, budget={"epochs": 3.0})
    arrived, again = pickle.loads(pickle.dumps([sent, sent])), pickle.loads(pickle.dumps(sent))
    assert arrived[0] == again
    assert again == Task(3, 1, {}, Problem.from_json(problem.to_json()), 7, "/there", True, budget={"epochs": 3.0})
    assert again.problem is arrived[0].problem, "the same problem is read once"


def test_a_trial_that_is_sent_keeps_no_report_back():
    heard = Heard()
    trial = Trial(Attempt(task(may_be_stopped=True), heard))
    trial.report(1.0, 0)
    there = pickle.loads(pickle.dumps(trial))
    line = attempt_of(there)._line
    there.report(2.0, 1)
    assert line.steps == [0, 1]
    assert heard.said == []
