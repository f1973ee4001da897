"""The calling thread as an executor: what stop() does to a trial that runs in it."""

import pytest

from kilter.core.errors import TrialPruned
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome, Progress
from kilter.executors.inline import Inline
from kilter.objective import checkpoint
from kilter.objective.failures import Interrupted
from kilter.testing.executor import ExecutorSuite, task


class TestInline(ExecutorSuite):
    def executor(self, slots):
        return Inline()

    # What the suite does beside a running trial is tested below: nobody but the trial runs in this thread.
    test_a_question_brings_the_reports_and_takes_the_answer = None
    test_stop_ends_a_running_trial_and_frees_its_slot = None
    test_many_tasks_over_few_slots_are_neither_lost_nor_doubled = None
    test_close_ends_what_runs_and_leaves_no_process = None


def inline(objective, on_progress=None):
    running = Inline().start(objective)
    running.on_progress = on_progress
    return running


def outcome_of(objective, stop_at=None, judged=True, directory=None):
    """The outcome of a trial that is stopped when the report of a step, or the question after it, arrives."""
    seen = []

    def on_progress(progress):
        seen.extend(report.step for report in progress.reports)
        if stop_at is not None and stop_at in seen:
            executor.stop(0)
        if progress.reply is not None:
            progress.reply(0)

    executor = inline(objective, on_progress=on_progress)
    executor.submit(task(0, may_be_stopped=judged, directory=directory))
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

    executor = inline(train)
    executor.submit(task(0))
    (outcome,) = executor.wait(None)
    assert is_stopped(outcome)
    assert cleaned == [True]


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(lambda: KeyboardInterrupt(), id="C code that finds a signal says KeyboardInterrupt"),
        pytest.param(lambda: RuntimeError("the library gave up"), id="a library wraps it"),
        pytest.param(lambda: None, id="it is swallowed"),
    ],
)
@pytest.mark.parametrize("by_report", [False, True])
def test_what_was_broken_off_has_no_result_whatever_it_makes_of_that(ending, by_report):
    def train(trial):
        try:
            if by_report:
                trial.report(0.0, 0)
                trial.flush()
            else:
                executor.stop(0)
        except BaseException:
            error = ending()
            if error is not None:
                raise error from None
        return 1.0

    executor = inline(train, on_progress=lambda progress: executor.stop(0))
    executor.submit(task(0))
    *_, outcome = executor.wait(None)
    assert is_stopped(outcome)


def test_a_keyboard_interrupt_of_the_users_leaves_the_executor():
    def train(trial):
        raise KeyboardInterrupt

    executor = inline(train)
    executor.submit(task(0))
    with pytest.raises(KeyboardInterrupt):
        executor.wait(None)


def test_a_trial_that_was_told_may_save_for_as_long_as_it_takes():
    def train(trial):
        trial.report(0.0, 0)
        assert trial.should_prune()
        executor.stop(0)  # as an alarm that rings again would
        raise TrialPruned

    executor = inline(train, on_progress=lambda progress: executor.stop(0))
    executor.submit(task(0, may_be_stopped=True))
    (outcome,) = executor.wait(None)
    assert is_stopped(outcome)


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

    executor = inline(train, on_progress=on_progress)
    executor.submit(task(0, may_be_stopped=True))
    (outcome,) = executor.wait(None)
    assert is_stopped(outcome)
    assert [report.step for report in taken[0].reports] == [0]


def test_a_trial_pruned_before_it_was_stopped_is_pruned():
    def train(trial):
        trial.report(2.0, 0)
        raise TrialPruned

    assert outcome_of(train)[0].state is TrialState.PRUNED


def test_a_stop_ends_no_later_trial():
    executor = inline(lambda trial: 1.0)
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

    executor = inline(train)
    executor.submit(task(0, may_be_stopped=True))
    first, outcome = executor.wait(None)
    assert isinstance(first, Progress)
    assert outcome.metrics == {"loss": 0.0}
