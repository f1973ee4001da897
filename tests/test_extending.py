"""The parts of one's own that CONTRIBUTING.md shows pass the public suites."""

import pickle
import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import kilter
from kilter.core.kinds import KINDS
from kilter.models.results import Results
from kilter.models.surrogate import Surrogate
from kilter.testing.compound import CompoundSuite
from kilter.testing.executor import ExecutorSuite
from kilter.testing.machine import StorageMachine
from kilter.testing.sampler import SamplerSuite
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.storage import StorageSuite

EXAMPLES = Path(__file__).parents[1] / "examples/extending"


@cache
def example(name):
    """The module of an example."""
    spec = spec_from_file_location(f"extending_{name}", EXAMPLES / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


def test_the_page_leads_to_each_example():
    page = (EXAMPLES.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"(examples/extending/{file.name})" in page for file in EXAMPLES.glob("*.py"))


class TestSampler(SamplerSuite):
    renews = True
    exhausts = True
    improves = True

    def sampler(self):
        return example("sampler").NearBestSampler()


class TestScheduler(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return example("scheduler").MarginScheduler()


class TestExecutor(ExecutorSuite):
    stops_at_once = False

    def executor(self, slots):
        return example("executor").PoolExecutor(slots)


class TestStorage(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path):
        return example("storage").JsonLines(tmp_path / "studies")

    def reopen(self, storage):
        return pickle.loads(pickle.dumps(storage))


class LinesMachine(StorageMachine):
    shares = False

    def open(self):
        return example("storage").JsonLines(self.folder / "studies")


TestLines = LinesMachine.TestCase
TestLines.settings = settings(max_examples=10)


def test_a_study_in_a_storage_of_ones_own_goes_on_where_it_was_left_off(tmp_path):
    def objective(trial):
        return trial.suggest_float("x", 0, 1)

    whole = kilter.create_study(seed=3)
    whole.optimize(objective, n_trials=12, progress="none")
    for _ in range(3):
        storage = example("storage").JsonLines(tmp_path)
        part = kilter.create_study(study_name="a", storage=storage, seed=3, load_if_exists=True)
        part.optimize(objective, n_trials=4, progress="none")
    assert [trial.params for trial in part.trials] == [trial.params for trial in whole.trials]


class TestParameter(CompoundSuite):
    compounds = st.builds(example("parameter").Interval, st.floats(-5, 0), st.floats(1, 5))

    @pytest.fixture(autouse=True)
    def _known(self, monkeypatch):
        """As this module has it, wherever else the example was imported."""
        monkeypatch.setitem(KINDS, "interval", example("parameter").Interval)


def test_a_model_learns_from_evidence_of_ones_own():
    study = kilter.create_study(space={"x": kilter.Float(0, 1), "y": kilter.Float(0, 1)}, sampler="random", seed=1)
    study.optimize(lambda x, y: (x - 0.3) ** 2 + y, n_trials=4, progress="none")
    points = np.random.default_rng(0).random((30, 2))
    earlier = 500 + 20 * ((points[:, 0] - 0.3) ** 2 + points[:, 1])
    at = np.array([[0.3, 0.05], [0.9, 0.9]])
    pooled = example("evidence").Pooled(Results.of(study.history), np.empty((0, 2)), points, earlier)
    good, bad = Surrogate(pooled).score(at)
    assert good > bad
    misled = example("evidence").Pooled(Results.of(study.history), np.empty((0, 2)), points, -earlier)
    good, bad = Surrogate(misled).score(at)
    assert good < bad
