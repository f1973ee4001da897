"""The live block on a real pseudo-terminal: what is printed meanwhile is there once, and the block is left once."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

import kilter

pty = pytest.importorskip("pty")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

SCRIPT = """
import ctypes, logging, subprocess, sys, time, warnings
import kilter

def objective(trial):
    number = trial.number
    for line in range(3):
        print("print", number, line)
    time.sleep(0.05)
    warnings.warn(f"careful {number}")
    logging.warning("logged %d", number)
    ctypes.CDLL(None).puts(b"from C %d" % number)
    subprocess.run(["echo", f"of a child {number}"])
    for percent in (0, 50, 100):
        sys.stderr.write(f"\\r{percent} % of {number}")
        time.sleep(0.05)
    sys.stderr.write("\\n")
    if number == 2:
        raise ValueError("wide " * 40)
    return trial.params["x"]

if __name__ == "__main__":
    run = RUN
    space = {"x": kilter.Float(0, 1)}
    if "n_jobs" in run:
        kilter.create_study(space=space, seed=0, study_name="digits").optimize(objective, n_trials=5, **run)
    else:
        kilter.tune(objective, space, n_trials=5, storage=None, study_name="digits", **run)
    print("the end")
"""

ONCE = ["print {n} 0", "print {n} 1", "print {n} 2", "careful {n}$", "logged {n}", "from C {n}", "of a child {n}"]
ONCE += ["100 % of {n}"]

LEAD = """
import fcntl, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Makes the terminal that of its session, so that it sends signals."""


class Screen:
    """A terminal as far as the block uses one: what has scrolled off or stands, line by line."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.row = self.column = 0

    def feed(self, text: str) -> None:
        for piece in re.findall(r"\x1b\[[0-?]*[ -/]*[@-~]|[\r\n]|[^\x1b\r\n]", text):
            self._obey(piece)

    def _obey(self, piece: str) -> None:
        if piece == "\r":
            self.column = 0
        elif piece == "\n":
            self.row += 1
            self.lines += [""] * (self.row - len(self.lines) + 1)
        elif piece.startswith("\x1b["):
            amount = int(re.sub(r"\D", "", piece) or 1)
            if piece.endswith("A"):
                self.row = max(self.row - amount, 0)
            elif piece.endswith("K"):
                self.lines[self.row] = ""
        else:
            if self.column == self.columns:
                self._obey("\r")
                self._obey("\n")
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + piece + line[self.column + 1 :]
            self.column += 1


@contextmanager
def on_terminal(script, tmp_path, columns):
    """A process that runs the script on a terminal of so many columns, and the other end of that terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    path = tmp_path / "script.py"
    path.write_text(script)
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", LEAD, str(path)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        with suppress(OSError):
            os.close(master)
        process.kill()
        process.wait()


def read(master, until=None, size=65536):
    """What is written to the terminal until all have left it, or until this is in it; so many bytes at a time."""
    raw = b""
    with suppress(OSError):  # all have left
        while until is None or until.encode() not in raw:
            raw += os.read(master, size)
    return raw.decode(errors="replace")


def standing(raw, columns):
    """The lines that stand on a terminal in the end, those included that have scrolled away."""
    screen = Screen(columns)
    screen.feed(raw)
    return "\n".join(line.rstrip() for line in screen.lines if line)


@pytest.mark.parametrize("run", [{"workers": 1}, {"workers": 3}, {"n_jobs": 3}])
@pytest.mark.parametrize("columns", [80, 60])
def test_all_that_is_printed_is_there_once_and_the_block_is_left_once(run, columns, tmp_path):
    with on_terminal(SCRIPT.replace("RUN", repr(run)), tmp_path, columns) as (process, master):
        text = standing(read(master), columns)
        assert process.wait() == 0, text
    for number in range(5):
        for line in ONCE:
            if "100 %" in line and "n_jobs" in run:
                continue  # the bars of several threads in one stream draw over each other
            pattern = line.format(n=number)
            assert len(re.findall(pattern, text, re.MULTILINE)) == 1, f"{pattern}\n{text}"
    assert text.count("minimize value") == 1, text
    assert text.count("ValueError: wide") == 1, text
    assert text.endswith("\nthe end"), text


ENDLESS = SCRIPT.replace("RUN", repr({"workers": 2})).replace("n_trials=5", "n_trials=10**6")
# A first Ctrl-C waits for those that run.
ENDLESS = ENDLESS.replace("    for percent", "    time.sleep(60 * (number > 2))\n    for percent")


def test_ctrl_c_leaves_the_block_whole(tmp_path):
    with on_terminal(ENDLESS, tmp_path, 60) as (process, master):
        raw = read(master, "of a child 3")
        os.write(master, b"\x03")
        raw += read(master, "Ctrl-C again", size=1)  # the rest of the picture is under way as the next Ctrl-C comes
        os.write(master, b"\x03")
        text = standing(raw + read(master), 60)
        assert process.wait() in (1, -signal.SIGINT, 130)
    assert text.count("minimize value") == 1, text
    assert text.count("Ctrl-C again stops them") == 1, text


DRAWN = """
import signal
from kilter.runtime.terminal import Terminal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is ignored, as in the background of a shell, is never waited for
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
terminal = Terminal(list)
terminal.file.write("drawn " * 1000)  # more than is handed on (4 KiB), less than waits to be (8 KiB)
terminal.file.flush()
open(FIFO, "w").close()
signal.sigwait([signal.SIGINT])
open(FIFO, "w").close()
terminal.stop()
"""


def test_ctrl_c_discards_nothing_that_was_drawn_and_the_terminal_is_given_back_as_it_was(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with on_terminal(DRAWN.replace("FIFO", repr(str(fifo))), tmp_path, 60) as (process, master):
        before = termios.tcgetattr(master)
        fifo.read_bytes()  # it has drawn
        os.write(master, b"\x03")
        fifo.read_bytes()  # it has been interrupted
        assert process.wait() == 0
        assert termios.tcgetattr(master) == before
        assert read(master).count("drawn ") == 1000


def test_a_terminal_that_is_closed_ends_the_run_in_order(tmp_path):
    script = ENDLESS.replace("storage=None", f"storage='sqlite:///{tmp_path}/s.db'")
    with on_terminal(script, tmp_path, 80) as (process, master):
        read(master, "of a child 3")
        os.close(master)
        assert process.wait() == 128 + signal.SIGHUP
    states = [trial.state.name for trial in kilter.load_study(storage=f"sqlite:///{tmp_path}/s.db").trials]
    assert "RUNNING" not in states


@pytest.mark.parametrize("end", ["os.abort()", "os.kill(os.getpid(), 9)"])
def test_the_last_words_of_a_process_that_dies_are_shown_and_so_is_the_cursor(end, tmp_path):
    script = SCRIPT.replace("RUN", repr({"workers": 1})).replace(
        "    if number == 2:", f"    import os; os.write(2, b'the last words'); {end}\n    if number == 2:"
    )
    with on_terminal(script, tmp_path, 80) as (process, master):
        raw = read(master)
        assert process.wait() < 0
    assert "the last words" in raw
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l")
    assert len(re.findall("print 0 0", raw)) == 1
