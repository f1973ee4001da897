"""A session carries out what a scheduler plans, on every executor: start, resume, fork, stop, wait."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass, field

import pytest

import kilter
from kilter import plugins
from kilter.core.actions import Fork, Pause, Resume, Start, Stop, Wait
from kilter.core.errors import NotReady
from kilter.core.interfaces import Scheduler
from kilter.core.limits import Limits
from kilter.core.problem import Fidelity
from kilter.executors.inline import Inline
from kilter.executors.processes import Processes
from kilter.executors.threads import Threads

EPOCHS = Fidelity("epochs", 1, 9)
SPACE = {"x": kilter.Float(0, 1)}


@dataclass
class State:
    """The trials that are paused, by the budget they had."""

    rungs: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Halving(Scheduler):
    """Three trials at a third of the budget; the best goes on, the others are dropped."""

    def start(self, problem, seed):
        return State()

    def plan(self, state, history):
        done = [t for t in history if t.attempt and t.number not in history.running]
        if len(history) % 3 or not done or all(t.is_finished for t in done):
            return Wait() if len(history) % 3 == 0 and history.running else Start({"epochs": 3})
        if history.running:
            return Wait()
        best, *others = sorted(history.paused.values(), key=lambda t: t.metrics["value"])
        return Stop("another is better", others[0].number) if others else Resume(best.number)


@dataclass(frozen=True)
class Stepwise(Scheduler):
    """Pauses a trial at each third step, and lets it go on; then forks from it once."""

    def start(self, problem, seed):
        return State()

    def judge(self, state, trial, history):
        step = history.reports.furthest[trial.number]
        before = 0 if trial.attempt == 1 and trial.parent is None else 1
        return Pause("a third") if step % 3 == 0 and step > 3 * before * (trial.attempt - 1) else None

    def plan(self, state, history):
        if history.paused:
            return Resume(min(history.paused))
        if len(history) == 1 and history[0].is_finished:
            return Fork(0, {"x": 0.125})
        return Start()


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    table = {"halving": f"{__name__}:Halving", "stepwise": f"{__name__}:Stepwise"}
    monkeypatch.setitem(plugins.TABLES, "scheduler", {**plugins.SCHEDULERS, **table})


def train(x, epochs, trial):
    """Remembers in its checkpoint how far it has come; the best x is 0."""
    done = trial.load() or {"epochs": 0, "trained": []}
    trained = done["trained"] + [epochs - done["epochs"]]
    trial.save({"epochs": epochs, "trained": trained})
    trial.set_user_attr("trained", trained)
    return x + 1 / epochs


EXECUTORS = {
    "inline": lambda objective, study: Inline().start(objective),
    "threads": lambda objective, study: Threads(2).start(objective),
    "processes": lambda objective, study: Processes(2).start(objective, study.space),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("storage", [None, "sqlite"])
def test_the_best_of_three_goes_on_where_it_stood(tmp_path, executor, storage):
    url = storage and f"sqlite:///{tmp_path / 'k.db'}"
    study = kilter.create_study(
        storage=url, space=SPACE, fidelity=EPOCHS, sampler="random", scheduler=Halving(), seed=1
    )
    ending = study.run(EXECUTORS[executor](train, study), Limits(trials=6), progress="none")
    assert str(ending) == "the study has its 6 trials"
    trials = study.trials
    assert [t.state.name for t in trials].count("COMPLETE") == 2
    assert [t.state.name for t in trials].count("PRUNED") == 4
    for number in (0, 3):
        three = trials[number : number + 3]
        best = min(three, key=lambda t: t.params["x"])
        assert best.user_attrs["trained"] == [3, 6]
        assert (best.attempt, best.budget) == (2, {"epochs": 9})
        assert best.intermediate_values == {3: best.params["x"] + 1 / 3, 9: best.value}
        assert all(t.user_attrs["trained"] == [3] for t in three if t is not best)


def test_ask_and_tell_are_the_same_loop():
    study = kilter.create_study(space=SPACE, fidelity=EPOCHS, sampler="random", scheduler=Halving(), seed=1)
    other = kilter.create_study(space=SPACE, fidelity=EPOCHS, sampler="random", scheduler=Halving(), seed=1)
    for _ in range(8):  # six trials, of which two are begun twice
        trial = study.ask()
        study.tell(trial, train(**trial.params, **trial.budget, trial=trial))
    other.run(Inline().start(train), Limits(trials=6), progress="none")
    assert [(t.state, t.params, t.value, t.reports) for t in study.trials] == [
        (t.state, t.params, t.value, t.reports) for t in other.trials
    ]


def test_asking_while_the_scheduler_waits():
    study = kilter.create_study(space=SPACE, fidelity=EPOCHS, sampler="random", scheduler=Halving(), seed=1)
    asked = [study.ask() for _ in range(3)]
    with pytest.raises(NotReady, match="waits for a running trial"):
        study.ask()
    for trial in asked:
        study.tell(trial, 1.0)
    assert study.ask().number == 0


def stepwise(trial):
    """Twelve steps, kept one by one."""
    step = trial.load() or 0
    while step < 12:
        step += 1
        trial.save(step)
        trial.report(trial.params["x"] / step, step)
        if trial.should_prune():
            raise kilter.TrialPruned
    return trial.params["x"] / step


@pytest.mark.parametrize("executor", EXECUTORS)
def test_pauses_between_steps_and_a_fork(executor):
    study = kilter.create_study(space=SPACE, sampler="random", scheduler=Stepwise(), seed=1)
    study.run(EXECUTORS[executor](stepwise, study), Limits(trials=1), progress="none")
    study.run(EXECUTORS[executor](stepwise, study), Limits(trials=2), progress="none")
    first, fork = study.trials
    assert list(first.reports) == list(range(1, 13))
    assert first.attempt == 5
    assert (fork.parent, fork.params) == (0, {"x": 0.125})
    assert list(fork.reports) == []  # it began where its parent ended
    assert fork.value == 0.125 / 12


def test_a_call_ends_with_trials_that_are_done():
    """n_trials counts trials, not attempts, and a trial that pauses while another slot is idle goes on."""
    study = kilter.create_study(space=SPACE, sampler="random", scheduler=Stepwise(), seed=1)
    study.optimize(stepwise, n_trials=1, n_jobs=2, progress="none")
    assert [(t.state.name, t.attempt) for t in study.trials] == [("COMPLETE", 5)]


def test_a_damaged_checkpoint_starts_the_trial_anew(tmp_path):
    """Nothing else breaks: the trial is trained from the beginning, with a warning."""
    study = kilter.create_study(space=SPACE, fidelity=EPOCHS, sampler="random", scheduler=Halving(), seed=1)
    for _ in range(3):
        trial = study.ask()
        study.tell(trial, train(**trial.params, **trial.budget, trial=trial))
    best = study.ask()
    for file in (tmp_path / best.checkpoint_dir).iterdir():
        file.write_bytes(b"\x00" + file.read_bytes()[:40])
    with pytest.warns(UserWarning, match="checkpoint"):
        study.tell(best, train(**best.params, **best.budget, trial=best))
    assert study.trials[best.number].user_attrs["trained"] == [9]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert study.ask().number == 3


def test_a_missing_checkpoint_starts_the_trial_anew(caplog, tmp_path):
    options = {"fidelity": EPOCHS, "sampler": "random", "scheduler": Halving(), "checkpoints": tmp_path / "kept"}
    study = kilter.create_study(space=SPACE, seed=1, **options)
    for _ in range(3):
        trial = study.ask()
        study.tell(trial, train(**trial.params, **trial.budget, trial=trial))
    shutil.rmtree(tmp_path / "kept")
    best = study.ask()
    assert f"trial {best.number} goes on without a checkpoint, from the beginning" in caplog.text
    study.tell(best, train(**best.params, **best.budget, trial=best))
    assert study.trials[best.number].user_attrs["trained"] == [9]


def test_a_trial_that_goes_on_after_a_pause_is_missed_its_checkpoint(caplog):
    study = kilter.create_study(space=SPACE, sampler="random", scheduler=Stepwise(), seed=1)

    def forgetful(x, trial):
        for step in range(1, 7):
            trial.report(x, step)
            if trial.should_prune():
                raise kilter.TrialPruned
        return x

    study.optimize(forgetful, n_trials=1, progress="none")
    assert caplog.text.count("trial 0 goes on without a checkpoint, from the beginning") == 1


def test_an_objective_that_keeps_nothing_may_begin_anew_without_a_word(caplog):
    study = kilter.create_study(space=SPACE, fidelity=EPOCHS, sampler="random", scheduler=Halving(), seed=1)
    study.optimize(lambda x, epochs: x / epochs, n_trials=4, progress="none")
    assert any(trial.attempt > 1 for trial in study.trials)
    assert caplog.text == ""


def test_without_a_scheduler_that_knows_budgets_everything_is_trained_in_full():
    study = kilter.create_study(space=SPACE, fidelity=EPOCHS, sampler="random", scheduler="fifo", seed=1)
    study.optimize(train, n_trials=3, progress="none")
    assert [t.budget for t in study.trials] == [{"epochs": 9}] * 3
    assert [list(t.intermediate_values) for t in study.trials] == [[9]] * 3
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 3


@dataclass(frozen=True)
class Patient(Scheduler):
    """Judges, and lets everything go on."""

    def start(self, problem, seed):
        return State()


@dataclass(frozen=True)
class Strict(Scheduler):
    """Stops everything at its second report."""

    def start(self, problem, seed):
        return State()

    def judge(self, state, trial, history):
        return Stop("strict") if len(history.reports.of(trial.number)) > 1 else None


def folds(trial):
    for fold, score in enumerate([1.0, 4.0, 9.0]):
        trial.report(score, fold=fold)
        if trial.should_prune():
            raise kilter.TrialPruned
    return 3.0


def test_a_trial_that_left_a_race_counts_by_the_mean_of_its_folds():
    study = kilter.create_study(space=SPACE, sampler="random", scheduler=Strict(), seed=1)
    study.optimize(folds, n_trials=1, progress="none")
    (trial,) = study.trials
    assert (trial.state.name, trial.value, trial.folds) == ("PRUNED", 2.5, {0: 1.0, 1: 4.0})


def test_a_confirmation_is_not_judged():
    study = kilter.create_study(space=SPACE, sampler="random", scheduler=Strict(), seed=1)
    study.enqueue_trial({"x": 0.5}, judged=False)
    study.optimize(folds, n_trials=1, progress="none")
    assert study.trials[0].state.name == "COMPLETE"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_report_is_in_the_log_before_the_checkpoint(tmp_path, executor):
    """So a trial that is killed after it saved has told all that the saved state contains."""
    url = f"sqlite:///{tmp_path / 'k.db'}"

    def objective(trial):
        for step in (1, 2):
            trial.report(step / 2, step)
            trial.save(step)
            (record,) = kilter.load_study(storage=url, scheduler="fifo").trials
            assert list(record.reports) == list(range(1, step + 1))
            assert not trial.should_prune()
        return 0.0

    study = kilter.create_study(storage=url, space=SPACE, sampler="random", scheduler=Patient(), seed=1)
    study.run(EXECUTORS[executor](objective, study), Limits(trials=1), progress="none")
    (trial,) = study.trials
    assert trial.failure is None
