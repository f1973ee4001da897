"""The parts of one's own that CONTRIBUTING.md shows pass the public suites."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from kilter.testing.executor import ExecutorSuite
from kilter.testing.sampler import SamplerSuite
from kilter.testing.scheduler import SchedulerSuite

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
