"""No program outlives us, however we end."""

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from kilter.executors.command import Command
from kilter.testing.executor import ExecutorSuite, task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="groups and signals")

SCRIPT = """
import kilter
from kilter.core.limits import Limits
from kilter.executors.command import Command

study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="random", direction="minimize")
program = "sleep 3600 & echo $$ $! >> pids; wait"
study.run(Command(2).start(["sh", "-c", program]), Limits(trials=2), progress="none")
"""


def has_ended(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(holds):
    """Wait until it holds, in small pauses."""
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    pytest.fail("it did not come to pass in half a minute")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_programs_and_their_children_end_with_us(number, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment)
    pids = tmp_path / "pids"
    until(lambda: pids.exists() and len(pids.read_text().split()) == 4)
    process.send_signal(number)
    assert process.wait() == (-number if number == signal.SIGKILL else 128 + number)
    until(lambda: all(has_ended(int(pid)) for pid in pids.read_text().split()))


def test_a_watcher_goes_with_its_executor():
    before = psutil.Process().children()  # a server that other tests use may be among them
    executor = Command().start(["echo", "1"])
    executor.submit(task())
    ExecutorSuite().until_end(executor)
    watchers = [child for child in psutil.Process().children() if child not in before]
    assert watchers
    executor.close()
    assert all(has_ended(watcher.pid) for watcher in watchers)
