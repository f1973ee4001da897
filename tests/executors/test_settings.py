"""Executors as settings: frozen, shown in full, found by name, and refused where one is meant that runs."""

import dataclasses

import pytest

import kilter
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Resources, RunsHere
from kilter.core.limits import Limits
from kilter.executors.command import Command, Program
from kilter.executors.inline import Inline
from kilter.executors.processes import Processes
from kilter.executors.threads import Threads
from kilter.integrations.batches import Batches

SETTINGS = [
    Inline(),
    Threads(3),
    Processes(2, Resources(gpus=0.5, memory=2**30), gpus=["0"]),
    Command(2, Resources(seconds=60), grace=1.0),
    Program(["train", "--lr", "{lr}"], env={"SEED": "{seed}"}, metric_patterns={"loss": r"loss=(\S+)"}),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: type(settings).__name__)
def test_settings_never_change_and_can_be_pasted_back(settings):
    assert eval(repr(settings)) == settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.slots = 9


def test_who_runs_trials_in_the_calling_thread_says_so():
    assert isinstance(Inline().start(abs), RunsHere)
    assert isinstance(Batches(lambda tasks: [], 2), RunsHere)
    assert not isinstance(Threads(2).start(abs), RunsHere)


@pytest.mark.parametrize("executor", [Inline(), "inline", Threads(2), "threads"])
def test_a_study_takes_an_executor_or_its_name(executor):
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0)
    study.optimize(lambda x: x, n_trials=3, executor=executor, progress="none")
    assert [trial.value for trial in study.trials] == [trial.params["x"] for trial in study.trials]


def test_a_program_is_optimized():
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0)
    study.optimize(Program(["echo", "{x}"]), n_trials=2, executor="command", progress="none")
    assert [trial.value for trial in study.trials] == [trial.params["x"] for trial in study.trials]


def test_what_runs_and_what_is_to_be_started_are_told_apart():
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0)
    with pytest.raises(InvalidInput, match=r"Threads\(slots=2\)\.start\(objective, study\.space\)"):
        study.run(Threads(2), Limits(trials=1), progress="none")
    with pytest.raises(InvalidInput, match=r"an object with start\(\)"):
        study.optimize(lambda x: x, n_trials=1, executor=Threads(2).start(abs), progress="none")
    with pytest.raises(InvalidInput, match="runs inline"):
        study.optimize(lambda x: x, n_trials=1, n_jobs=2, executor="inline", progress="none")
