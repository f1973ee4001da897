"""Plug-ins of other packages: by the names of their entry points, like ours."""

from __future__ import annotations

import sys

import pytest

import kilter
from kilter import plugins
from kilter.core.errors import InvalidInput, UnknownName

POINTS = """\
[kilter.samplers]
middle = third_party_of_kilter:Middle

[kilter.schedulers]
hasty = third_party_of_kilter:Hasty

[kilter.executors]
backwards = third_party_of_kilter:Backwards

[kilter.storages]
shared = third_party_of_kilter:shared
"""

PACKAGE = """\
from dataclasses import dataclass

from kilter.core.actions import Stop, Verdict
from kilter.core.interfaces import Scheduler
from kilter.objective.perform import perform
from kilter.samplers.random import RandomSampler
from kilter.samplers.seeded import State
from kilter.storage.memory import MemoryStorage

STORAGES = {}


@dataclass(frozen=True)
class Middle(RandomSampler):
    offset: float = 0.0

    def ask(self, state, history, number):
        return {name: 0.5 + self.offset for name in history.problem.space.names}


@dataclass(frozen=True)
class Hasty(Scheduler):
    def start(self, problem, seed):
        return State(seed)

    def judge(self, state, trial, history):
        return Stop("at once")


@dataclass(frozen=True)
class Backwards:
    slots: int = 1

    def start(self, objective, space=None, draw=None):
        return RunningBackwards(objective, self.slots)


class RunningBackwards:
    # Gathers as many tasks as it has slots, and runs the latest first.

    def __init__(self, objective, slots):
        self.objective, self.slots, self.tasks = objective, slots, []

    def submit(self, task):
        self.tasks.append(task)

    def wait(self, timeout):
        held = [perform(self.objective, task, Quiet()) for task in reversed(self.tasks)]
        self.tasks.clear()
        return held

    def stop(self, number):
        pass

    def close(self):
        pass


class Quiet:
    def report(self, reports):
        pass

    def ask(self, reports):
        return Verdict.CONTINUE


def shared(url):
    return STORAGES.setdefault(url, MemoryStorage())
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path, monkeypatch):
    """A package with entry points, as pip leaves it."""
    info = tmp_path / "third_party_of_kilter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-of-kilter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "third_party_of_kilter.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("third_party_of_kilter", None)


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.report(x, 0)
    if trial.should_prune():
        raise kilter.TrialPruned
    return x


def test_a_study_of_another_packages_plug_ins_goes_on_with_them(tmp_path):
    url, space = f"sqlite:///{tmp_path}/k.db", {"x": kilter.Float(0, 1)}
    study = kilter.create_study(storage=url, sampler="middle", scheduler="hasty", space=space)
    study.optimize(objective, n_trials=1, progress="none")
    again = kilter.load_study(storage=url)
    assert (repr(again.sampler), repr(again.scheduler)) == (repr(study.sampler), repr(study.scheduler))
    again.optimize(objective, n_trials=1, progress="none", if_changed="continue")
    assert [(trial.params["x"], trial.state.name) for trial in again.trials] == [(0.5, "PRUNED")] * 2


@pytest.mark.parametrize("kind", ["sampler", "scheduler"])
def test_the_log_keeps_the_name_and_the_settings(kind):
    name = {"sampler": "middle", "scheduler": "hasty"}[kind]
    assert plugins.spec(kind, plugins.find(kind, name)) == {"name": name}
    kept = {"name": "middle", "settings": {"offset": 0.25}}
    assert plugins.spec("sampler", plugins.from_spec("sampler", kept)) == kept


def test_a_storage_is_found_by_its_scheme():
    study = kilter.create_study(storage="shared://team", study_name="a", seed=0)
    study.optimize(objective, n_trials=2, progress="none")
    assert len(kilter.load_study(storage="shared://team", study_name="a").trials) == 2
    assert kilter.get_all_study_names("shared://others") == []


def test_an_executor_is_found_by_its_name():
    study, ended = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0), []
    told = [lambda study, trial: ended.append(trial.number)]
    study.optimize(lambda x: x, n_trials=4, executor="backwards", n_jobs=2, callbacks=told, progress="none")
    assert ended == [1, 0, 3, 2]
    study.optimize(lambda x: x, n_trials=3, executor="threads", n_jobs=3, progress="none")
    with pytest.raises(InvalidInput, match="one trial at a time"):
        study.optimize(lambda x: x, n_trials=2, executor="inline", n_jobs=2)
    assert len(study.trials) == 7


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [("sampler", "midle", "middle"), ("scheduler", "asta", "asha"), ("executor", "backward", "backwards")],
)
def test_an_unknown_name_gets_the_nearest_of_all(kind, name, near):
    with pytest.raises(UnknownName, match=f"no {kind} '{name}': did you mean '{near}'"):
        plugins.find(kind, name)


def test_an_unknown_scheme_says_who_could_bring_it():
    with pytest.raises(
        UnknownName, match=r"no storage 'sharde': did you mean 'shared'\?.*entry point of kilter\.storages"
    ):
        plugins.open_storage("sharde://team")


@pytest.mark.parametrize("kind", plugins.TABLES)
def test_what_is_no_plug_in_is_refused(kind):
    for given in (3, object):
        with pytest.raises(InvalidInput, match=rf"{kind}=.*or an object with {plugins.METHODS[kind]}\(\)"):
            plugins.find(kind, given)


def test_a_sampler_that_was_written_for_fewer_arguments_hears_of_it_before_there_is_a_study():
    class Earlier(kilter.samplers.RandomSampler):
        def tell(self, state, trial):
            pass

    with pytest.raises(InvalidInput, match=r"Earlier.tell\(\) is to take \(state, trial, problem\)"):
        kilter.create_study(sampler=Earlier())
