"""Worker processes: what they survive, what they are limited to, and what they leave behind."""

import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings

import psutil
import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import LOST, TrialState
from kilter.core.interfaces import Resources
from kilter.executors.machine import environments, shared_out
from kilter.executors.processes import Processes
from kilter.testing.executor import ExecutorSuite, task

posix = pytest.mark.skipif(os.name != "posix", reason="signals and groups")


class TestProcesses(ExecutorSuite):
    def executor(self, slots):
        return Processes(slots)


def outcome_of(objective, one=None, **arguments):
    executor = Processes(**arguments).start(objective)
    try:
        executor.submit(one or task())
        return ExecutorSuite().until_end(executor)[1]
    finally:
        executor.close()


def test_a_closure_is_sent():
    factor = 3
    assert outcome_of(lambda x: factor * x).metrics == {"loss": 1.5}


def test_what_cannot_be_sent_is_refused_before_any_trial():
    lock = threading.Lock()
    with pytest.raises(InvalidInput, match=r"lock.* object, in lock.*workers=1 or threads"):
        Processes().start(lambda x: lock and x)


def test_what_cannot_be_loaded_fails_the_trial_with_the_reason():
    class Unloadable:
        def __reduce__(self):
            return eval, ("1 / 0",)

    thing = Unloadable()
    failure = outcome_of(lambda x: thing and x).failure
    assert failure.kind == "ZeroDivisionError"


def test_a_module_that_is_not_there_is_named_with_the_remedy():
    class Elsewhere:
        def __reduce__(self):
            return __import__, ("a_module_of_the_other_machine",)

    thing = Elsewhere()
    failure = outcome_of(lambda x: thing and x).failure
    assert failure.kind == "ModuleNotFoundError"
    assert "No module named 'a_module_of_the_other_machine', which the objective needs" in failure.message
    assert "register_pickle_by_value" in failure.message


def test_a_trial_that_ends_its_process_fails_and_the_next_gets_a_fresh_one():
    def leave(trial):
        if trial.number == 0:
            os._exit(3)
        return 1.0

    executor = Processes().start(leave)
    executor.submit(task(0))
    outcome = ExecutorSuite().until_end(executor)[1]
    assert outcome.failure.kind == "died"
    assert "exit code 3" in outcome.failure.message
    executor.submit(task(1))
    assert ExecutorSuite().until_end(executor)[1].state is TrialState.COMPLETE
    executor.close()


def hang(trial):
    """Tells its process id, and never returns."""
    trial.report(float(os.getpid()), 0)
    trial.should_prune()
    threading.Event().wait()


@posix
def test_a_worker_killed_from_outside_loses_its_trial():
    executor = Processes().start(hang)
    executor.submit(task(may_be_stopped=True))
    progress = next(ExecutorSuite().messages(executor))
    os.kill(int(progress.reports[0].metrics["loss"]), signal.SIGKILL)
    outcome = ExecutorSuite().until_end(executor)[1]
    executor.close()
    assert outcome.failure.kind == LOST
    assert "SIGKILL" in outcome.failure.message


def test_tracebacks_and_warnings_name_the_file_that_the_objective_is_written_in(capfd):
    def warns(trial):
        warnings.warn("look here", stacklevel=1)
        raise ValueError

    script = {"__name__": "__main__", "warnings": warnings}  # of a script, functions are sent by value
    exec(compile(textwrap.dedent(inspect.getsource(warns)), __file__, "exec"), script)
    failure = outcome_of(script["warns"]).failure
    assert f'File "{__file__}", line 3, in warns' in failure.traceback
    assert f"{__file__}:2: UserWarning: look here" in capfd.readouterr().err


@posix
def test_an_idle_worker_killed_from_outside_is_replaced():
    executor = Processes().start(lambda x: x)
    for number in range(2):
        executor.submit(task(number))
        assert ExecutorSuite().until_end(executor)[1].state is TrialState.COMPLETE
        if number == 0:
            (pid,) = executor.pids
            os.kill(pid, signal.SIGKILL)
            while executor.pids:
                executor.wait(0.05)
    executor.close()


def test_a_time_limit_kills_the_trial_with_its_children():
    def hang_with_child(trial):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        trial.report(float(child.pid), 0)
        trial.should_prune()
        child.wait()
        return 1.0

    executor = Processes(1, Resources(seconds=3.0)).start(hang_with_child)
    executor.submit(task(may_be_stopped=True))
    progress, outcome = ExecutorSuite().until_end(executor)
    child = int(progress[0].reports[0].metrics["loss"])
    assert outcome.failure.kind == "timeout"
    assert "3 seconds" in outcome.failure.message
    executor.close()
    assert has_ended(child)


def test_a_memory_limit_kills_the_trial():
    def swell(trial):
        taken = bytearray(600 * 2**20)
        taken[::4096] = b"1" * len(taken[::4096])
        threading.Event().wait()
        return float(len(taken))

    outcome = outcome_of(swell, resources=Resources(memory=400 * 2**20))
    assert outcome.failure.kind == "memory"
    assert "limit is 400 MiB" in outcome.failure.message


def test_each_slot_has_its_own_environment(monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def look(trial):
        trial.set_user_attr(
            "env", {k: os.environ.get(k) for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
        )
        return 1.0

    executor = Processes(2, Resources(cpus=2.5, gpus=1), gpus=["a", "b"]).start(look)
    executor.submit(task(0))
    executor.submit(task(1))
    seen = []
    for message in ExecutorSuite().messages(executor):
        seen.append(message.attrs["env"])
        if len(seen) == 2:
            break
    executor.close()
    assert {env["CUDA_VISIBLE_DEVICES"] for env in seen} == {"a", "b"}
    assert all(env["OMP_NUM_THREADS"] == "2" and env["MKL_NUM_THREADS"] == "7" for env in seen)


def test_devices_are_shared_out(monkeypatch):
    assert shared_out(4, 0.5, ["0", "1"]) == [["0"], ["1"], ["0"], ["1"]]
    assert shared_out(2, 2, list("0123")) == [["0", "1"], ["2", "3"]]
    with pytest.raises(InvalidInput, match=r"2 GPU \(0, 1\) is enough for 4 trials .* use workers=4"):
        shared_out(5, 0.5, ["0", "1"])
    with pytest.raises(InvalidInput, match="none was found"):
        shared_out(1, 1, [])
    with pytest.raises(InvalidInput, match="not enough for one trial of 2 GPU"):
        shared_out(1, 2, ["0"])
    with pytest.raises(InvalidInput, match="fraction of one device"):
        shared_out(1, 1.5, ["0", "1"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert [e["CUDA_VISIBLE_DEVICES"] for e in environments(2, Resources(gpus=1))] == ["4", "5"]


SCRIPT = """
import os, sys
from kilter.executors.processes import Processes
from kilter.testing.executor import ExecutorSuite, task
offset = 1.0
def objective(x): return x + offset
executor = Processes().start(objective)
executor.submit(task())
print(ExecutorSuite().until_end(executor)[1].metrics["loss"])
executor.close()
"""


def test_a_script_without_a_main_guard_works(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, timeout=60, check=False
    )
    assert done.stdout.decode().strip() == "1.5", done.stderr.decode()


BY_NAME = """
import functools, multiprocessing, pickle, sys
from concurrent.futures import ProcessPoolExecutor
from kilter.executors.processes import Processes
from kilter.testing.executor import ExecutorSuite, task

class Layer:
    size = 2

class Net(Layer):
    def __init__(self, x): self.x = x

def square(v):
    return v * v

@functools.lru_cache(maxsize=7)
def below(n):
    return n + below(n - 1) if n else 0

def missing():
    return 0

def saved(x):
    with open("net.pkl", "wb") as file:
        pickle.dump(Net(x), file)
    with open("net.pkl", "rb") as file:
        return pickle.load(file).x + pickle.loads(pickle.dumps(Layer)).size

def shared(x, method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.map(square, [3.0 * x])[0]

def futures(x):
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(square, 2.0).result()

cached = functools.lru_cache(lambda v: v + 1.0)

objectives = {
    "saved": saved,
    "cached": lambda x: cached(x) + below(4) + below.cache_parameters()["maxsize"],
    "fork": lambda x: shared(x, "fork"),
    "spawn": lambda x: shared(x, "spawn"),
    "futures": futures,
    "in vain": lambda x: getattr(sys.modules["__main__"], "missing")(),
}

def chosen(x, objectives=objectives):
    return objectives[sys.argv[1]](x)

if __name__ == "__main__":
    executor = Processes().start(chosen)
    executor.submit(task())
    outcome = ExecutorSuite().until_end(executor)[1]
    print(outcome.metrics.get("loss"), outcome.failure and outcome.failure.message)
    executor.close()
    if sys.argv[1] == "saved":
        with open("net.pkl", "rb") as file:
            print(type(pickle.load(file)) is Net)
"""

IN_VAIN = (
    "None module '__main__' has no attribute 'missing': a worker process has of the script what the objective uses; "
    "move it to a module, or use workers=1"
)


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("saved", "2.5 None\nTrue"),
        ("cached", "18.5 None"),
        pytest.param("fork", "2.25 None", marks=posix),
        ("spawn", "2.25 None"),
        ("futures", "4.0 None"),
        ("in vain", IN_VAIN),
    ],
)
def test_what_a_script_defines_is_found_under_its_name_in_a_worker(tmp_path, which, said):
    (tmp_path / "script.py").write_text(BY_NAME)
    command = [sys.executable, "-W", "ignore", "script.py", which]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=60, check=False)
    assert done.stdout.decode().replace("\r", "").strip() == said, done.stderr.decode()


ORPHANS = """
import os, time
from kilter.executors.processes import Processes
from kilter.testing.executor import ExecutorSuite, task
def objective(trial):
    trial.report(float(os.getpid()), 0)
    trial.should_prune()
    while True: time.sleep(60)
executor = Processes().start(objective)
executor.submit(task(may_be_stopped=True))
for message in ExecutorSuite().messages(executor):
    print(int(message.reports[0].metrics["loss"]), flush=True)
"""


@posix
def test_workers_end_when_the_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], env=environment(), stdout=subprocess.PIPE)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert has_ended(worker)


def has_ended(pid):
    """Whether a killed process goes; nobody may be there to collect it."""
    try:
        process = psutil.Process(pid)
        process.wait(timeout=20)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
