"""The calling thread as an executor: what stop() does to a trial that runs in it."""

import pytest

from kilter.core.errors import TrialPruned
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome, Progress
from kilter.executors import checkpoint
from kilter.executors.inline import Inline, Interrupted
from kilter.testing.executor import task


def outcome_of(objective, stop_at=None, judged=True, directory=None):
    """The outcome of a trial that is stopped when the report of a step, or the question after it, arrives."""
    seen = []

    def on_progress(progress):
        seen.extend(report.step for report in progress.reports)
        if stop_at is not None and stop_at in seen:
            executor.stop(0)
        if progress.reply is not None:
            progress.reply(0)

    executor = Inline(objective, on_progress=on_progress)
    executor.submit(task(0, judged=judged, directory=directory))
    (outcome,) = executor.wait(None)
    assert isinstance(outcome, Outcome)
    return outcome, seen


def is_stopped(outcome):
    return outcome.state is TrialState.FAIL and outcome.failure.kind == "stopped"


def test_a_question_is_answered_with_true_so_that_the_trial_can_save(tmp_path):
    def train(trial):
        for step in range(100):
            trial.report(0.0, step)
            if trial.should_prune():
                trial.save({"step": step})
                raise TrialPruned
        return 1.0

    outcome, seen = outcome_of(train, 3, directory=str(tmp_path))
    assert is_stopped(outcome)
    assert seen == [0, 1, 2, 3]
    assert checkpoint.load(str(tmp_path)) == {"step": 3}


def test_what_is_returned_all_the_same_is_a_result():
    def train(trial):
        trial.report(0.0, 0)
        return 5.0 if trial.should_prune() else 1.0

    outcome, _ = outcome_of(train, 0)
    assert (outcome.state, outcome.metrics) == (TrialState.COMPLETE, {"loss": 5.0})


def test_whoever_does_not_listen_is_ended_at_the_next_report():
    def train(trial):
        for step in range(100):
            try:
                trial.report(0.0, step)
                trial.should_prune()
            except Exception:
                pytest.fail("no Exception is to be swallowed")
        return 1.0

    outcome, seen = outcome_of(train, 3)
    assert is_stopped(outcome)
    assert seen[-1] == 4


def test_an_objective_is_broken_off_where_it_stands():
    cleaned = []

    def train(trial):
        try:
            executor.stop(0)  # as the handler of a signal would
        except Exception:
            pytest.fail("no Exception is to be swallowed")
        finally:
            cleaned.append(True)
        return 1.0

    executor = Inline(train)
    executor.submit(task(0))
    (outcome,) = executor.wait(None)
    assert is_stopped(outcome)
    assert cleaned == [True]


def test_what_takes_the_reports_is_never_broken_off():
    taken = []

    def on_progress(progress):
        executor.stop(0)
        taken.append(progress)  # as it would write them

    def train(trial):
        trial.report(0.0, 0)
        if trial.should_prune():
            raise TrialPruned
        return 1.0

    executor = Inline(train, on_progress=on_progress)
    executor.submit(task(0, judged=True))
    (outcome,) = executor.wait(None)
    assert is_stopped(outcome)
    assert [report.step for report in taken[0].reports] == [0]


def test_a_trial_pruned_before_it_was_stopped_is_pruned():
    def train(trial):
        trial.report(2.0, 0)
        raise TrialPruned

    assert outcome_of(train)[0].state is TrialState.PRUNED


def test_a_stop_ends_no_later_trial():
    executor = Inline(lambda trial: 1.0)
    executor.submit(task(0))
    executor.stop(0)
    (stopped,) = executor.wait(None)
    assert is_stopped(stopped)
    executor.submit(task(1))
    executor.stop(0)
    assert executor.wait(None)[0].state is TrialState.COMPLETE
    executor.stop(1)
    executor.submit(task(1, attempt=2))
    assert executor.wait(None)[0].state is TrialState.COMPLETE


def test_interrupted_is_no_exception():
    assert not issubclass(Interrupted, Exception)


def test_reports_wait_where_nobody_takes_them():
    def train(trial):
        trial.report(1.0, 0)
        return float(trial.should_prune())

    executor = Inline(train)
    executor.submit(task(0, judged=True))
    first, outcome = executor.wait(None)
    assert isinstance(first, Progress)
    assert outcome.metrics == {"loss": 0.0}
