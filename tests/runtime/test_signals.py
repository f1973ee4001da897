"""An alarm rings in its time and at no other, and leaves the user's own timers and handlers as they were."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from kilter.runtime.signals import Alarm, Interrupts

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interval timers")


class Rang(BaseException):
    """What an alarm raises here."""


def ring():
    raise Rang


def wait_for_signals():
    """Until something is raised."""
    while True:
        threading.Event().wait(0.01)


@pytest.fixture(autouse=True)
def _as_before():
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


@pytest.fixture
def theirs():
    """A handler that notes its calls."""
    calls = []
    signal.signal(signal.SIGALRM, lambda number, frame: calls.append(number))
    yield calls
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.fixture
def no_handlers():
    """What a process begins with; some libraries, once imported or started here, have handlers of their own."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, previous):
        signal.signal(number, handler)


def test_it_breaks_into_what_runs():
    with pytest.raises(Rang), Alarm(lambda: 0.0, ring):
        wait_for_signals()


def test_it_does_not_ring_before_its_time_or_after_the_block():
    asked = []

    def left():
        asked.append(1)
        return 1e-4 if len(asked) < 4 else 0.0  # a clock that is behind the machine's

    with pytest.raises(Rang), Alarm(left, ring):
        wait_for_signals()
    assert len(asked) == 4
    with Alarm(lambda: 1e-4, ring):
        pass
    threading.Event().wait(0.03)


def test_it_rings_once():
    rung = []
    with Alarm(lambda: 0.0, lambda: rung.append(True)):
        threading.Event().wait(0.05)
    assert rung == [True]


def test_a_timer_of_the_user_goes_off_in_between(theirs):
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    with Alarm(lambda: 60.0, ring):
        while not theirs:
            threading.Event().wait(0.01)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 1
    assert theirs == [signal.SIGALRM]


def test_a_timer_of_the_user_goes_on_afterwards(theirs):
    handler = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 100.0, 7.0)
    with pytest.raises(Rang), Alarm(lambda: 0.0, ring):
        wait_for_signals()
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 90 < left <= 100
    assert interval == pytest.approx(7.0)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert not theirs


def test_what_the_objective_sets_stays(theirs):
    with Alarm(lambda: 60.0, ring):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 50.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_IGN
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 40


def test_outside_the_main_thread_it_does_nothing():
    rung = []

    def run():
        with Alarm(lambda: 0.0, lambda: rung.append(True)):
            threading.Event().wait(0.03)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert rung == []


TWICE = """
import os, signal, time
import kilter
def objective(x):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
kilter.tune(objective, {"x": kilter.Float(0, 1)}, n_trials=5, storage=None, progress="plain")
"""


def test_a_second_interrupt_ends_in_one_traceback_without_where_it_broke_in():
    ran = subprocess.run([sys.executable, "-c", TWICE], check=False, capture_output=True, text=True)
    told, _, trace = ran.stderr.partition("Traceback (most recent call last):\n")
    assert "stopped at once by the user" in told
    assert "Traceback" not in trace
    assert "in objective" not in trace
    assert trace.endswith("KeyboardInterrupt\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_process_that_the_objective_forks_is_ended_by_a_signal_as_if_we_were_not_there(no_handlers):
    """As multiprocessing ends the workers of a pool; with our handler in them it would wait for them for ever."""
    with Interrupts(interruptible=True) as interrupts:
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            with contextlib.suppress(BaseException):
                os.write(write, b"x")
                signal.pause()
            os._exit(0)  # with our handler it comes here
        os.read(read, 1)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM
    assert interrupts.terminated is None
