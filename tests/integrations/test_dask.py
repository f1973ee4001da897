"""Trials on a real cluster of Dask: processes of this machine, which are killed in the midst of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.executors.test_processes import has_ended

import kilter
from kilter import executors, plugins
from kilter.core.errors import ClusterUnreachable, InvalidInput
from kilter.core.events import LOST
from kilter.core.interfaces import Executor, Progress, Resources
from kilter.executors import remote
from kilter.testing.executor import ExecutorSuite, task

distributed = pytest.importorskip("distributed", reason="distributed is missing: pip install '.[dask]'")

from dask import config  # noqa: E402

from kilter.integrations.dask import LOOK, DaskCluster, DaskExecutor  # noqa: E402

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and groups"),
    pytest.mark.xdist_group("dask"),
]
suite = ExecutorSuite()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Of a cluster with two workers, each of two threads and one of what is called a seat."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            resources={"seat": 1},
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


class TestDask(ExecutorSuite):
    @pytest.fixture(autouse=True)
    def on_cluster(self, client: Any) -> None:
        self.client = client

    def executor(self, slots: int) -> Executor:
        return DaskExecutor(self.client, slots)


def hang(trial: Any) -> float:
    """Tells its process ids, and never returns."""
    if trial.number == 0 and trial.attempt == 1:
        trial.report(float(os.getpid()), 0)
        trial.report(float(os.getppid()), 1)
        trial.should_prune()
        threading.Event().wait()
    return 1.0


def test_a_killed_worker_of_dask_loses_its_trial_and_no_other(client: Any) -> None:
    executor = DaskExecutor(client, 2).start(hang)
    executor.submit(task(may_be_stopped=True))
    progress = next(suite.messages(executor))
    assert isinstance(progress, Progress)
    worker, machine = (int(report.metrics["loss"]) for report in progress.reports)
    os.kill(machine, signal.SIGKILL)
    outcome = suite.until_end(executor)[1]
    assert outcome.failure is not None
    assert outcome.failure.kind == LOST
    assert "Dask worker was lost" in outcome.failure.message
    assert has_ended(worker)
    executor.submit(task(1))
    assert suite.until_end(executor)[1].failure is None
    client.wait_for_workers(2, 30)  # its nanny starts it anew, and there is room for two again
    while executor.slots < 2:
        executor.wait(0.1)
    executor.close()
    while _slots(client):  # Dask tells its workers in a moment
        pass


class Slow:
    """An actor that takes its time."""

    def __init__(self, payload: bytes) -> None:
        pass

    async def step(self) -> None:
        await asyncio.sleep(60)


def test_a_call_ends_where_its_actor_is_lost_though_dask_would_wait(client: Any) -> None:
    cluster = DaskCluster(client, False, Slow, b"", {})
    slot = cluster.open(0).result(30)
    call = cluster.call(slot, "step")
    client.cancel([slot.future])
    with pytest.raises(ConnectionError, match="is gone"):
        call.result(20)
    cluster.close()


def test_a_trial_whose_worker_was_lost_goes_on_from_its_checkpoint(client: Any, tmp_path: Path) -> None:
    def steps(x: float, trial: Any) -> float:
        done = os.path.join(trial.checkpoint_dir, "steps")
        with open(done, "a") as file:
            file.write(str(trial.attempt))
        if trial.number == 2 and trial.attempt == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            threading.Event().wait()
        with open(done) as file:
            return float(file.read())

    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, storage=f"sqlite:///{tmp_path / 'k.db'}", seed=1)
    study.optimize(steps, n_trials=6, executor=DaskExecutor(client, 2), progress="none")
    assert [trial.value for trial in study.trials] == [1, 1, 12, 1, 1, 1]


def test_slots_are_as_many_as_there_are_threads_or_resources(client: Any) -> None:
    client.wait_for_workers(2, 30)
    for executor, count in (
        (DaskExecutor(client), 4),
        (DaskExecutor(client, worker_resources={"seat": 1}), 2),
        (DaskExecutor(client, worker_resources={"seat": 0.5}), 4),
    ):
        running = executor.start(hang)
        while running.slots < count:
            running.wait(0.1)
        assert running.wait(LOOK) == []  # in which no more are made
        assert running.slots == count
        running.close()


def _slots(client: Any) -> list[Any]:
    held = client.run(lambda dask_worker: [key for key in dask_worker.state.actors if "SlotActor" in str(key)])
    return [slot for slots in held.values() for slot in slots]


def test_limits_hold_there(client: Any) -> None:
    executor = DaskExecutor(client, 1, Resources(seconds=0.5)).start(hang)
    executor.submit(task(may_be_stopped=True))
    outcome = suite.until_end(executor)[1]
    executor.close()
    assert outcome.failure is not None
    assert outcome.failure.kind == "timeout"


SCRIPT = """
    import sys, threading
    import kilter
    from kilter.executors import remote
    from kilter.integrations.dask import DaskExecutor

    remote.PATIENCE = 1.0

    def objective(x, trial):
        if trial.number == 3 and trial.attempt == 1:
            trial.report(1.0, 0)
            trial.should_prune()
            threading.Event().wait()
        return x

    def told(study, trial):
        print(trial.number, flush=True)

    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="random", seed=3, storage=sys.argv[1],
                                study_name="s", load_if_exists=True)
    study.optimize(objective, limits=kilter.Limits(trials=8), executor=DaskExecutor(sys.argv[2], 2),
                   callbacks=[told], progress="none")
"""


def test_the_script_goes_on_where_it_was_killed_and_its_slots_are_gone(client: Any, tmp_path: Path) -> None:
    url, address = f"sqlite:///{tmp_path / 'k.db'}", client.scheduler.address
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    driver = subprocess.Popen([sys.executable, script, url, address], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    while int(driver.stdout.readline()) < 6:
        pass
    workers = [p for p in psutil.Process().children(recursive=True) if "kilter.executors.worker" in str(p.cmdline())]
    assert len(workers) == 2
    driver.kill()
    driver.wait()
    assert subprocess.run([sys.executable, script, url, address], check=False).returncode == 0
    study = kilter.load_study(storage=url, study_name="s")
    assert [trial.number for trial in study.trials] == list(range(8))
    assert {trial.state for trial in study.trials} == {kilter.TrialState.COMPLETE}
    assert study.trials[3].attempt == 2
    assert all(has_ended(worker.pid) for worker in workers)


def test_a_client_that_was_closed_ends_the_run_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))
    client = distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", set_as_default=False
    )
    executor = DaskExecutor(client, 1).start(hang)
    executor.submit(task(1))
    assert suite.until_end(executor)[1].failure is None
    client.close()
    executor.submit(task(2))
    outcome = suite.until_end(executor)[1]
    assert outcome.failure is not None
    assert outcome.failure.kind == LOST
    executor.submit(task(2, attempt=2))
    with pytest.raises(ClusterUnreachable, match="the client was closed"):
        suite.until_end(executor)
    executor.close()


def test_a_scheduler_that_does_not_answer_is_told() -> None:
    with (
        config.set({"distributed.comm.timeouts.connect": "0.1s"}),
        pytest.raises(ClusterUnreachable, match="no Dask scheduler answers at tcp://127"),
    ):
        DaskExecutor("tcp://127.0.0.1:1").start(hang)


def test_the_address_in_the_settings_of_dask_is_taken(client: Any) -> None:
    with config.set({"scheduler-address": client.scheduler.address}):
        executor = DaskExecutor(slots=1).start(hang)
        executor.submit(task(1))
        assert suite.until_end(executor)[1].failure is None
        assert _slots(client)
        executor.close()


def test_without_a_cluster_its_name_is_enough(tmp_path: Path) -> None:
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=1)
    study.optimize(lambda x: x, n_trials=5, n_jobs=2, executor="dask", progress="none")
    assert len(study.trials) == 5


def test_each_slot_of_a_worker_has_devices_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def device(trial: Any) -> float:
        return float(os.environ["CUDA_VISIBLE_DEVICES"])

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")  # which a worker in this process sees
    for _ in range(2):  # those of the first are free again
        executor = DaskExecutor(2, resources=Resources(gpus=1)).start(device)
        while executor.slots < 2:
            executor.wait(0.1)
        for number in range(2):
            executor.submit(task(number))
        assert {suite.until_end(executor)[1].metrics["loss"] for _ in range(2)} == {4, 7}
        executor.close()


def test_it_is_found_among_the_executors() -> None:
    assert executors.DaskExecutor is DaskExecutor
    assert plugins.find("executor", "dask", 3) == DaskExecutor(slots=3)


@pytest.mark.parametrize("arguments", [(3.5,), (0,), (None, 0), ({"a": 1},)])
def test_what_is_no_client_and_no_number_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"a whole number from 1 on|give a distributed\.Client"):
        DaskExecutor(*arguments)
