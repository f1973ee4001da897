"""Trials on a Ray cluster of several nodes on this machine: the executors' contract, and what only a cluster has."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import psutil
import pytest

import kilter
from kilter.core.errors import InvalidInput
from kilter.core.events import LOST, Reported
from kilter.core.interfaces import Resources
from kilter.testing.executor import ExecutorSuite, task

ray = pytest.importorskip("ray", reason="ray is missing: pip install '.[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402
from ray.util.placement_group import placement_group, remove_placement_group  # noqa: E402

from kilter.integrations.ray import RayExecutor  # noqa: E402

pytestmark = pytest.mark.story
SPACE = {"x": kilter.Float(0, 1)}
suite = ExecutorSuite()
suite.patience = 120.0


@pytest.fixture(scope="module", autouse=True)
def cluster():
    place = tempfile.mkdtemp(prefix="kilter-ray-", dir="/tmp")  # the paths of sockets are to be short
    quick = {"prestart_worker_first_driver": False, "health_check_period_ms": 1000, "health_check_failure_threshold": 2}
    settings = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True, "_system_config": quick}
    there = {"num_cpus": 4, "num_gpus": 2, "resources": {"spot": 1}, "object_store_memory": 150 * 2**20}
    os.mkdir(os.path.join(place, "ray"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", place)  # where it also keeps which cluster is the machine's: not this one for others
        made = Cluster(True, head_node_args={**settings, **there})
        ray.init(made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()
        made.shutdown()
    shutil.rmtree(place, ignore_errors=True)


def objectives() -> set[int]:
    """The processes in which objectives run."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if any("kilter.executors.worker" in word for word in child.cmdline()):
                found.add(child.pid)
        except psutil.Error:
            pass
    return found


class TestRay(ExecutorSuite):
    patience = 120.0

    def executor(self, slots):
        return RayExecutor(slots)

    def processes(self):
        return objectives()

    # What a slot does by itself, wherever it is: on Dask and in processes the whole suite runs.
    test_whatever_is_raised_is_the_failure_of_the_trial = None
    test_a_forked_process_ends_with_its_code_and_is_no_second_worker = None
    test_a_budget_reaches_the_objective_and_its_result_is_a_report = None
    test_an_unjudged_trial_does_not_ask = None
    test_a_pruned_trial_counts_by_its_last_report = None
    test_what_is_no_number_fails = None


def optimized(executor: RayExecutor, objective: Any, n_trials: int = 1, **arguments: Any) -> kilter.Study:
    """A study of x in [0, 1] after so many trials on the executor."""
    study = kilter.create_study(space=SPACE, sampler="random", seed=0)
    study.optimize(objective, n_trials=n_trials, executor=executor, progress="none", **arguments)
    return study


def told(study: kilter.Study, name: str) -> list[Any]:
    return [trial.user_attrs[name] for trial in study.trials]


def test_settings_never_change_and_can_be_pasted_back():
    settings = RayExecutor(2, Resources(seconds=60), gpus=0.5, bundles=[{"CPU": 1}], strategy="SPREAD")
    assert settings.resources == Resources(gpus=0.5, seconds=60)
    assert eval(repr(settings)) == settings
    with pytest.raises(InvalidInput, match="STRICT_PACK"):
        RayExecutor(2, strategy="spread")


def test_a_study_takes_it_by_name():
    study = kilter.create_study(space=SPACE, seed=0)
    study.optimize(lambda x: x, n_trials=6, executor="ray", n_jobs=2, progress="none")
    assert [trial.value for trial in study.trials] == [trial.params["x"] for trial in study.trials]
    kilter.tune(lambda x: x, SPACE, n_trials=1, executor="ray", resources=Resources(seconds=60), storage=None)
    assert ray.is_initialized()  # it was before, so it is left alone


def test_slots_share_devices_and_those_without_room_wait():
    def tell(trial):
        trial.set_user_attr("device", os.environ["CUDA_VISIBLE_DEVICES"])
        return 1.0

    devices = told(optimized(RayExecutor(5, cpus=2, gpus=0.5), tell, 8), "device")
    assert len(devices) == 8
    assert set(devices) <= {"0", "1"}


def test_there_are_as_many_slots_as_the_cluster_has_room_for_and_none_is_left():
    running = RayExecutor(cpus=2, gpus=0.5).start(abs)
    while running.slots < 2:
        running.wait(1)
    actors = [each for each in psutil.Process().children(recursive=True) if each.name().startswith("ray::SlotActor")]
    running.close()
    gone, living = psutil.wait_procs(actors, 60)
    assert len(gone) == 2
    assert not living
    with pytest.raises(InvalidInput, match="give slots="):
        RayExecutor(cpus=0)


def test_a_placement_group_has_room_for_what_an_objective_starts():
    def train(trial):
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        from kilter.integrations.ray import current_group

        @ray.remote(num_cpus=0, num_gpus=1)
        def part():
            return os.environ["CUDA_VISIBLE_DEVICES"]

        beside = PlacementGroupSchedulingStrategy(current_group(), placement_group_bundle_index=1)
        both = [os.environ["CUDA_VISIBLE_DEVICES"], ray.get(part.options(scheduling_strategy=beside).remote())]
        trial.set_user_attr("devices", sorted(both))
        return 1.0

    executor = RayExecutor(1, gpus=1, bundles=[{"GPU": 1}], strategy="STRICT_PACK")
    assert told(optimized(executor, train), "devices") == [["0", "1"]]


def test_what_ray_sets_up_on_the_machines_is_there_for_the_objective():
    def tell(trial):
        trial.set_user_attr("word", os.environ["A_WORD"])
        return 1.0

    assert told(optimized(RayExecutor(1, runtime_env={"env_vars": {"A_WORD": "so"}}), tell), "word") == ["so"]


def test_large_data_is_put_once():
    data = os.urandom(24 * 2**20)

    def free():
        return ray.available_resources()["object_store_memory"]

    before = free()
    running = RayExecutor(2).start(lambda x: x + len(data))
    until = time.monotonic() + suite.patience
    while (running.slots < 2 or before - free() < 0.9 * len(data)) and time.monotonic() < until:
        running.wait(1)
    taken = before - free()
    running.close()
    assert 0.9 * len(data) <= taken < 1.5 * len(data)


def test_limits_are_those_of_processes():
    def swell(trial):
        taken = bytearray(600 * 2**20)
        taken[::4096] = b"1" * len(taken[::4096])
        signal.pause()

    study = optimized(RayExecutor(1, Resources(memory=300 * 2**20)), swell, catch=Exception)
    assert [trial.failure.kind for trial in study.trials] == ["memory"]


def hang(trial):
    """Tells the processes that it runs in, and never returns."""
    trial.report(float(os.getpid()), 0)
    trial.report(float(os.getppid()), 1)
    trial.should_prune()
    signal.pause()


def test_an_actor_that_is_killed_loses_its_trial_and_is_replaced():
    running = RayExecutor(1).start(lambda trial: hang(trial) if trial.number == 0 else 1.0)
    running.submit(task(0, may_be_stopped=True))
    objective, actor = (int(report.metrics["loss"]) for report in next(suite.messages(running)).reports)
    inner = psutil.Process(objective)
    os.kill(actor, signal.SIGKILL)
    outcome = suite.until_end(running)[1]
    assert outcome.failure.kind == LOST
    inner.wait(60)
    running.submit(task(1))
    assert suite.until_end(running)[1].metrics == {"loss": 1.0}
    running.close()


def test_a_trial_whose_node_is_lost_goes_on_from_its_checkpoint_elsewhere(cluster, tmp_path):
    cluster.add_node(num_cpus=1, resources={"spot": 1})
    held = placement_group([{"spot": 1, "node:__internal_head__": 0.001}])  # so it begins on the other one
    assert held.wait(60)

    def train(trial):
        saved = trial.load()
        if saved is None:
            trial.save({"epoch": 3})
            trial.report(float(psutil.Process(os.getppid()).ppid()), 3)
            trial.flush()
            signal.pause()
        return float(saved["epoch"])

    def lose(name, event):
        if isinstance(event, Reported):
            os.kill(int(event.reports[0].metrics["value"]), signal.SIGKILL)
            remove_placement_group(held)

    executor = RayExecutor(1, custom_resources={"spot": 1})
    storage = tmp_path / "study.db"
    study = kilter.tune(train, SPACE, n_trials=1, executor=executor, storage=storage, observers=[lose])
    assert study.trials[0].value == 3.0


SCRIPT = """
import os
import signal

import kilter
from kilter.integrations.ray import RayExecutor


def train(trial):
    saved = trial.load()
    if saved is None and trial.number == 1:
        trial.save({"epoch": 3})
        print("here is", os.getpid())
        trial.report(1.0, 3)
        trial.flush()
        signal.pause()
    return float((saved or {"epoch": 0})["epoch"])


executor = RayExecutor(1, address=ADDRESS)
study = kilter.tune(train, {"x": kilter.Float(0, 1)}, n_trials=3, executor=executor, storage="study.db")
print([trial.value for trial in study.trials])
"""


def test_after_the_driver_was_killed_the_same_script_goes_on(cluster, tmp_path):
    (tmp_path / "script.py").write_text(f"ADDRESS = {cluster.address!r}\n{SCRIPT}")
    run = [sys.executable, "script.py"]
    driver = subprocess.Popen(run, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    words = next(line.split() for line in driver.stderr if "here is" in line)
    objective = psutil.Process(int(words[-1]))
    driver.kill()
    driver.communicate()
    objective.wait(60)
    again = subprocess.run(run, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    assert again.stdout.splitlines()[-1] == "[0.0, 3.0, 0.0]"


def test_a_cluster_that_is_not_there_is_told_at_once(cluster, tmp_path):
    with pytest.raises(InvalidInput, match=f"connected to {cluster.address}"):
        RayExecutor(1, address="10.0.0.1:6379").start(abs)
    (tmp_path / "script.py").write_text("ADDRESS = '127.0.0.1:1'\n" + SCRIPT)
    run = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert "ClusterUnreachable: there is no Ray cluster to run on at 127.0.0.1:1: " in run.stderr
