"""The parts of one's own that CONTRIBUTING.md shows pass the public suites."""

import pickle
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import strategies as st

import kilter
from kilter.testing.compound import CompoundSuite
from kilter.testing.executor import ExecutorSuite
from kilter.testing.sampler import SamplerSuite
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.storage import StorageSuite

EXAMPLES = Path(__file__).parents[1] / "examples/extending"


def example(name):
    """The module of an example."""
    spec = spec_from_file_location(f"extending_{name}", EXAMPLES / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


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
