"""Who is dead: what the leases say, and what the processes say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

import kilter
from kilter.core.errors import StorageError
from kilter.core.interfaces import Worker
from kilter.executors.simulated import VirtualClock
from kilter.runtime import log
from kilter.runtime.leases import LEASE_SECONDS, RENEWALS, Lease, Watch, _process, forerunners, this_host, this_worker
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.storage import created

APART = LEASE_SECONDS / RENEWALS


@pytest.fixture
def other():
    """A process of this host, and the worker that it is."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process, Worker("w", this_host(), process.pid, _process(process.pid)[0])
    process.kill()
    process.wait()


def test_a_process_that_lives_here_outlives_its_lease(other):
    _, worker = other
    watch = Watch()
    assert not any(watch.gone([(worker, -3600.0)], now) or watch.doubted for now in (0.0, APART, 100 * APART))
    storage, me, holder = MemoryStorage(), this_worker(), Holder()
    lease = Lease(holder, storage, storage.create("s", created()), me)
    assert not any(Watch().gone([(me, -3600.0)], now) for now in (0.0, 100 * APART))
    lease.release()
    assert Watch().gone([(me, 50.0)], 0.0) == {me.id}


def test_a_process_that_died_is_gone_at_once(other):
    process, worker = other
    assert Watch().gone([(worker, 50.0)], 0.0) == set()
    assert Watch().gone([(replace(worker, born=worker.born - 100), 50.0)], 0.0) == {"w"}  # its id was used again
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie is dead too
    assert Watch().gone([(worker, 50.0)], 0.0) == {"w"}
    process.wait()
    assert Watch().gone([(worker, 50.0)], 0.0) == {"w"}


def test_a_process_that_was_stopped_goes_by_its_lease(other):
    process, worker = other
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    watch = Watch()
    assert watch.gone([(worker, 5.0)], 0.0) == set()
    assert watch.gone([(worker, -5.0)], APART) == set()
    assert watch.gone([(worker, -5.0)], 2 * APART) == {"w"}
    process.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
    assert watch.gone([(worker, -5.0)], 3 * APART) == set()


def test_a_process_was_born_so_long_after_the_machine_whatever_the_clock_says_now(other):
    process, worker = other
    if psutil.LINUX:  # whose psutil takes the difference of two readings of the clock, in whole seconds
        told = psutil.Process(process.pid).create_time() - psutil.boot_time()
        assert worker.born == pytest.approx(told, abs=2.0)
    assert _process(process.pid) == (worker.born, False)


def test_who_had_our_process_id_before_us_is_gone():
    worker = this_worker()  # as the first process of a container that is started again
    assert Watch().gone([(replace(worker, id="before", born=worker.born - 100), 50.0)], 0.0) == {"before"}


def test_processes_of_another_container_are_not_looked_up_here():
    there = Worker("w", f"{this_host().partition('/')[0]}/00000000", 1, 0.0)
    watch = Watch()
    assert watch.gone([(there, 50.0)], 0.0) == set()
    assert watch.gone([(there, -1.0)], APART) == set()
    assert watch.gone([(there, -1.0)], 2 * APART) == {"w"}


def test_a_worker_with_a_name_follows_its_forerunner_on_this_machine():
    machine, _, mark = this_host().partition("/")
    worker = this_worker("gpu-3")
    assert (worker.name, worker.machine) == ("gpu-3", machine) and this_worker().name == ""
    others = [
        Worker(given, host, 1, 0.0)
        for given, host in {
            "gpu-3.0a": f"{machine}/0",  # the container before
            "gpu-3.0b": f"elsewhere/{mark}",
            "gpu-3.0c": this_host(),  # where processes tell
            "gpu-30.0d": f"{machine}/0",
            "0e": f"{machine}/0",
        }.items()
    ]
    assert forerunners(worker, others) == {"gpu-3.0a"}
    assert forerunners(this_worker(), others) == set()


def test_a_lease_of_another_host_is_found_run_out_twice():
    far, watch = Worker("w", "elsewhere", 1, 0.0), Watch()
    assert watch.gone([(far, -1.0)], 0.0) == set() and watch.doubted == {"w"}
    assert watch.gone([(far, 60.0)], APART) == set()  # the clock had jumped, and it has renewed since
    assert watch.doubted == set()
    assert watch.gone([(far, -1.0)], 2 * APART) == set()
    assert watch.gone([(far, -1.0)], 2.9 * APART) == set() and watch.doubted == {"w"}
    assert watch.gone([(far, -1.0)], 3 * APART) == {"w"} and watch.doubted == set()


def test_how_long_a_run_lasts_does_not_hang_on_the_time_of_day():
    clock = VirtualClock()
    assert kilter.create_study()._session.stopwatch is time.monotonic
    assert kilter.create_study(clock=clock)._session.stopwatch is clock


# -- one thread for all -------------------------------------------------------------------------------------------


class Holder:
    """Whoever a lease is for."""


class Renewed(MemoryStorage):
    """Says when a lease was renewed for the third time."""

    def __init__(self):
        super().__init__()
        self.counts = {}
        self.often = threading.Event()

    def renew(self, study, worker, seconds):
        super().renew(study, worker, seconds)
        self.counts[worker.id] = self.counts.get(worker.id, 0) + 1
        if min(self.counts.values()) >= 3 and len(self.counts) == 3:
            self.often.set()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "kilter-leases"]


def test_one_thread_renews_all_leases_and_ends_with_the_last():
    storage, holder = Renewed(), Holder()
    study = storage.create("s", created())
    leases = [Lease(holder, storage, study, replace(this_worker(), id=f"w{i}"), 0.04) for i in range(3)]
    assert len(threads()) == 1
    assert storage.often.wait(30)
    for lease in leases:
        assert len(threads()) == 1
        lease.release()
    assert not threads()
    assert storage.leases(study) == []
    counts = dict(storage.counts)
    lease.release()  # for the second time
    lease.renew()  # as the thread would that had begun to
    assert (storage.counts, storage.leases(study)) == (counts, [])


def test_a_lease_that_rests_is_given_back_when_it_would_be_renewed():
    storage, holder = MemoryStorage(), Holder()
    study = storage.create("s", created())
    lease = Lease(holder, storage, study, this_worker())
    lease.rest()
    assert lease.take_up()
    lease.renew()
    assert len(storage.leases(study)) == 1
    lease.rest()
    assert len(storage.leases(study)) == 1
    lease.renew()
    assert storage.leases(study) == []
    assert not lease.take_up()
    lease.release()
    assert not threads()


def test_the_thread_gives_back_what_rests_and_ends():
    storage, holder = MemoryStorage(), Holder()
    study = storage.create("s", created())
    lease = Lease(holder, storage, study, this_worker(), 0.04)
    (thread,) = threads()
    lease.rest()
    thread.join(30)
    assert not thread.is_alive()
    assert storage.leases(study) == []
    assert not lease.take_up()


def test_a_lease_whose_holder_is_garbage_is_given_back():
    storage, holder = MemoryStorage(), Holder()
    study = storage.create("s", created())
    Lease(holder, storage, study, this_worker())
    (thread,) = threads()
    assert len(storage.leases(study)) == 1
    del holder
    thread.join(30)
    assert not thread.is_alive()
    assert storage.leases(study) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_another_worker_and_leaves_its_parents_lease(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    study = kilter.create_study(storage=url, space={"x": kilter.Float(0, 1)}, sampler="random", seed=0)
    asked = study.ask()
    if not (child := os.fork()):
        try:
            study.tell(study.ask(), 1.0)
            study.close()
            os._exit(0 if not threads() else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert [worker.id for worker, _ in study._session.storage.leases(1)] == [study._session.presence.worker.id]
    study.tell(asked, 2.0)
    assert [(t.number, t.value, t.attempt) for t in study.trials] == [(0, 2.0, 1), (1, 1.0, 1)]
    storage = study._session.storage
    del study, asked
    others = [thread for thread in threads() if thread.join(30) or thread.is_alive()]
    assert (others, storage.leases(1)) == ([], [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("is_long", [False, True])
def test_a_fork_reads_a_study_that_another_thread_was_at_work_on(monkeypatch, is_long):
    """It waits for who is within the log or, where that takes long, goes on without."""
    monkeypatch.setattr(log, "PATIENCE", 0.05 if is_long else 30.0)
    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="random", seed=0)
    held, done = threading.Event(), threading.Event()

    def work():
        with study._session.lock:
            held.set()
            if is_long:
                done.wait(30)
            else:
                study.ask()

    thread = threading.Thread(target=work)
    thread.start()
    assert held.wait(30)
    if not (child := os.fork()):
        signal.alarm(20)
        os._exit(0 if len(study.trials) == (0 if is_long else 1) else 1)
    done.set()
    thread.join(30)
    assert os.waitpid(child, 0)[1] == 0
    study.tell(study.ask(), 1.0)


def test_a_program_that_ends_leaves_no_lease_that_rests(tmp_path):
    url = f"sqlite:///{tmp_path / 'k.db'}"
    program = f"""
import kilter
study = kilter.create_study(storage={url!r}, space={{"x": kilter.Float(0, 1)}}, sampler="random", seed=0)
for _ in range(3):
    study.tell(study.ask(), 1.0)
assert len(study._session.storage.leases(1)) == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert SQLiteStorage(tmp_path / "k.db").leases(1) == []


def test_a_lease_is_not_paid_for_each_trial(tmp_path):
    counted = []

    class Counts(SQLiteStorage):
        def renew(self, study, worker, seconds):
            counted.append(worker.id)
            super().renew(study, worker, seconds)

    with kilter.create_study(storage=Counts(tmp_path / "k.db"), space={"x": kilter.Float(0, 1)}, seed=0) as study:
        for _ in range(20):
            study.tell(study.ask(), 1.0)
    assert len(counted) <= 2  # one, and a renewal where the machine is very slow


class Failing(SQLiteStorage):
    """Fails while it is told to, as on a disk that is full for a while."""

    fails = False

    def _writing(self):
        if self.fails:
            raise StorageError("there is no space left")
        return super()._writing()


def test_a_trial_whose_end_could_not_be_written_goes_on_in_the_same_process(tmp_path):
    """Its worker could not give its lease back either, and the process lives on, as a notebook does."""
    storage = Failing(tmp_path / "s.db")

    def objective(x):
        storage.fails = True
        return x

    study = kilter.create_study(storage=storage, study_name="s", space={"x": kilter.Float(0, 1)}, seed=0)
    with pytest.raises(StorageError, match="no space left"):
        study.optimize(objective, n_trials=1, progress="none")
    study.close()
    storage.fails = False
    again = kilter.load_study(storage=str(storage.path), study_name="s")
    again.optimize(lambda x: x, n_trials=1, if_changed="continue", progress="none")
    assert [(t.state, t.attempt) for t in again.trials] == [(kilter.TrialState.COMPLETE, 2)]
    again.close()
    assert storage.leases(1) == []
    storage.close()
