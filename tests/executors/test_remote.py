"""Slots on other machines, without a cluster's library: here a machine is a plain process that serves them.

The public suite of executors runs with the libraries, see tests.integrations.
"""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.managers import BaseManager

import psutil
import pytest
from tests.executors.test_processes import has_ended

from kilter.core.actions import Verdict
from kilter.core.errors import ClusterUnreachable
from kilter.core.events import LOST, TrialState
from kilter.core.interfaces import Resources
from kilter.executors import remote
from kilter.executors.payload import packed
from kilter.executors.remote import RunningRemote, Slot
from kilter.testing.executor import ExecutorSuite, task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and groups")
suite = ExecutorSuite()


class Machine(BaseManager):
    """A process that has slots, and gives each caller a thread."""


Machine.register("slot", Slot)
Machine.register("pid", os.getpid)


def new_machine():
    machine = Machine(ctx=get_context("spawn"))
    machine.start()
    return machine


def pid(machine):
    return int(str(machine.pid()))


class Machines:
    """A cluster of plain processes on this machine, which take slots in turn."""

    name = "test"

    def __init__(self, machines, *arguments):
        self.machines, self.arguments = machines, arguments
        self.threads = ThreadPoolExecutor(32)
        self.dropped = []

    def open(self, index):
        return self.threads.submit(self._open, index)

    def _open(self, index):
        return self.machines[index % len(self.machines)].slot(*self.arguments)

    def call(self, slot, method, *arguments):
        return self.threads.submit(slot._callmethod, method, arguments)

    def drop(self, slot):
        self.dropped.append(slot)

    def close(self):
        self.threads.shutdown(wait=False)


class OnMachines:
    def __init__(self, slots, machines, resources=None):
        self.slots, self.machines, self.resources = slots, machines, resources or Resources()

    def start(self, objective, space=None, draw=None):
        self.cluster = Machines(self.machines, packed(objective, space), self.resources)
        return RunningRemote(self.cluster, self.slots)


@pytest.fixture(scope="module")
def machine():
    machine = new_machine()
    yield machine
    machine.shutdown()


def hang(trial):
    """Tells its process id, and never returns."""
    if trial.number:
        return 1.0
    trial.report(float(os.getpid()), 0)
    trial.should_prune()
    threading.Event().wait()
    return None


def test_a_lost_machine_loses_its_trial_and_the_slot_opens_elsewhere(machine):
    machines = [new_machine()]
    executor = OnMachines(1, machines).start(hang)
    executor.submit(task(may_be_stopped=True))
    worker = int(next(suite.messages(executor)).reports[0].metrics["loss"])
    lost = pid(machines[0])
    machines[0] = machine
    os.kill(lost, signal.SIGKILL)
    outcome = suite.until_end(executor)[1]
    assert outcome.failure.kind == LOST
    assert "test worker was lost" in outcome.failure.message
    executor.submit(task(1))
    assert suite.until_end(executor)[1].state is TrialState.COMPLETE
    executor.close()
    assert has_ended(worker)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_machine_that_does_not_answer_is_given_up(monkeypatch, machine, is_stopped):
    frozen = new_machine()
    machines = [frozen]
    executor = OnMachines(1, machines).start(hang)
    process = psutil.Process(pid(frozen))

    def freeze(progress):
        process.suspend()
        machines[0] = machine
        for name, value in {"PATIENCE": 0.1, "SILENCE": 0.1, "GRACE": 0.1}.items():
            monkeypatch.setattr(remote, name, value)
        if is_stopped:
            executor.stop(0)
        return Verdict.CONTINUE

    executor.submit(task(may_be_stopped=True))
    try:
        outcome = suite.until_end(executor, freeze)[1]
        monkeypatch.undo()
        executor.submit(task(1))
        assert suite.until_end(executor)[1].state is TrialState.COMPLETE
        executor.close()
    finally:
        process.kill()
    assert outcome.failure.kind == ("stopped" if is_stopped else LOST)
    assert is_stopped or "did not answer" in outcome.failure.message


def test_what_a_trial_prints_comes_home(tmp_path, capfd, machine):
    def prints(trial):
        print("of", trial.number)
        os.system("echo of a child")
        return 1.0

    executor = OnMachines(1, [machine]).start(prints)
    for number in range(2):
        one = task(number)
        executor.submit(type(one)(**{**vars(one), "log": str(tmp_path / f"{number}" / "log")}))
        suite.until_end(executor)
    executor.close()
    assert [(tmp_path / f"{number}" / "log").read_text() for number in range(2)] == [
        "of 0\nof a child\n",
        "of 1\nof a child\n",
    ]
    assert "#1 of 1\n#1 of a child\n" in capfd.readouterr().err


def test_limits_hold_there(machine):
    def swell(trial):
        taken = bytearray(600 * 2**20)
        taken[::4096] = b"1" * len(taken[::4096])
        threading.Event().wait()

    for objective, limits, kind in (
        (hang, Resources(seconds=0.5), "timeout"),
        (swell, Resources(memory=400 * 2**20), "memory"),
    ):
        executor = OnMachines(1, [machine], limits).start(objective)
        executor.submit(task())
        assert suite.until_end(executor)[1].failure.kind == kind
        executor.close()


def test_where_no_slot_opens_the_run_ends_with_the_reason(monkeypatch, caplog, machine):
    monkeypatch.setattr(remote, "TRIES", 2)
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))
    executor = RunningRemote(Machines([machine], "not", "what", "a", "slot", "takes"), 3)
    executor.submit(task())
    with pytest.raises(ClusterUnreachable, match="no slot could be opened on test, 2 times in a row"):
        suite.until_end(executor)
    executor.close()


def test_no_trial_is_given_to_a_slot_that_was_lost_with_another(machine):
    machines = [new_machine()]
    executor = OnMachines(3, machines).start(hang)
    while executor.slots < 3:
        executor.wait(0.1)
    executor.submit(task(may_be_stopped=True))
    next(suite.messages(executor))
    lost = pid(machines[0])
    machines[0] = machine
    os.kill(lost, signal.SIGKILL)
    assert suite.until_end(executor)[1].failure.kind == LOST
    for number in range(1, 4):
        executor.submit(task(number))
    outcomes = [suite.until_end(executor)[1] for _ in range(3)]
    executor.close()
    assert [outcome.state for outcome in outcomes] == [TrialState.COMPLETE] * 3


def test_a_task_waits_for_a_slot_and_can_be_stopped_before(machine):
    executor = OnMachines(1, [machine]).start(hang)
    executor.submit(task(5))
    executor.stop(5)
    assert executor.wait(0)[0].failure.kind == "stopped"
    executor.submit(task(6))
    assert suite.until_end(executor)[1].state is TrialState.COMPLETE
    executor.close()


def test_a_stop_kills_the_worker_and_keeps_the_slot(machine):
    settings = OnMachines(1, [machine])
    executor = settings.start(hang)
    executor.submit(task(may_be_stopped=True))
    worker = int(next(suite.messages(executor)).reports[0].metrics["loss"])
    executor.stop(0)
    assert suite.until_end(executor)[1].failure.kind == "stopped"
    executor.close()
    assert has_ended(worker)
    assert not settings.cluster.dropped


def test_a_slot_that_nobody_refers_to_closes_itself():
    before = set(psutil.Process().children())
    slot = Slot(packed(hang, None))
    slot.step(task(may_be_stopped=True))
    (worker,) = set(psutil.Process().children()) - before
    del slot
    assert not worker.is_running()
