"""What a trial prints is kept with it, whole and bounded, and shown in whole lines with the trial's number."""

import ctypes
import io
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.core.limits import Limits
from kilter.executors.command import Command, Program
from kilter.executors.output import LIMIT, Lines, Log, kept, whole_lines
from kilter.executors.processes import Processes

SPACE = {"x": kilter.Float(0, 1)}


def study_of(objective=None, executor=None, trials=3, **settings):
    study = kilter.create_study(space=SPACE, seed=1, sampler="random", **settings)
    if executor is None:
        study.optimize(objective, n_trials=trials, progress="none")
    else:
        study.run(executor, Limits(trials=trials), progress="none")
    return study


# -- the file -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, LIMIT), max_size=12), st.booleans())
def test_a_log_keeps_the_beginning_and_the_end_of_what_is_too_much(tmp_path_factory, sizes, reopened):
    path = tmp_path_factory.mktemp("log") / "deeper" / "7.log"
    log, everything = Log(str(path)), b""
    for i, size in enumerate(sizes):
        piece = bytes([65 + i]) * size
        everything += piece
        log.write(piece)
        if reopened:
            log.close()
            log = Log(str(path))
    log.close()
    there = path.read_bytes() if everything else b""
    assert len(there) <= LIMIT
    if len(everything) <= LIMIT:
        assert there == everything
    else:
        assert there.startswith(everything[: LIMIT // 4])
        assert there.endswith(everything[-LIMIT // 4 :])


def test_a_log_that_cannot_be_written_costs_no_trial(tmp_path):
    (tmp_path / "file").write_text("no folder")
    Log(str(tmp_path / "file" / "7.log")).write(b"lost")


@given(st.lists(st.text(alphabet="ab\r\n"), max_size=8))
def test_lines_do_not_depend_on_the_pieces(pieces):
    lines = Lines()
    shown = [line for piece in pieces for line in lines.feed(piece.encode())] + list(lines.rest())
    assert shown == whole_lines("".join(pieces))


def test_of_a_bar_the_last_state_is_shown_and_colours_are_not():
    assert whole_lines("a\r\n 50 %\r100 %\n\x1b[31mred\x1b[0m\nend") == ["a", "100 %", "red", "end"]


def test_a_bar_below_another_is_no_line_each_time_it_is_drawn():
    lines, drawn = Lines(), [b"\router 1", *(b"\n\rinner %d\x1b[A" % i for i in range(9)), b"\router 2\nend\n"]
    shown = [line for piece in drawn for line in lines.feed(piece)]
    assert [*shown, *lines.rest()] == ["outer 1", "outer 2", "end"]


# -- in this process ----------------------------------------------------------------------------------------------


SCRIPT = """
import logging, sys
import kilter
if sys.argv[2] != "none":
    logging.basicConfig(level=logging.INFO, **({"format": "<{message}>", "style": "{"} if sys.argv[2] == "own" else {}))
log = logging.getLogger("mine")
logging.getLogger("mine.deep").setLevel(logging.DEBUG)
def objective(x):
    log.info("hello")
    logging.getLogger("mine.deep").debug("deep")
    log.warning("careful")
    return x
study = kilter.tune(objective, {"x": kilter.Float(0, 1)}, n_trials=1, workers=int(sys.argv[1]), progress="none")
print(repr(study.printed(0)))
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("style", "lines"),
    [
        ("default", ["INFO:mine:hello", "DEBUG:mine.deep:deep", "WARNING:mine:careful"]),
        ("own", ["<hello>", "<deep>", "<careful>"]),
        ("none", ["careful"]),
    ],
)
def test_records_of_an_objective_are_shown_and_kept_as_the_script_has_configured_them(tmp_path, workers, style, lines):
    arguments = [sys.executable, "-c", SCRIPT, str(workers), style]
    ran = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True)
    prefix = "#0 " if workers > 1 else ""
    assert ran.stderr.splitlines() == [prefix + line for line in lines]
    assert ran.stdout == repr("".join(f"{line}\n" for line in lines)) + "\n"


def test_a_handler_writes_where_it_did_once_the_trial_is_over(capsys):
    log, before = logging.getLogger("of a test"), logging.StreamHandler(sys.stderr)
    log.addHandler(before)
    log.propagate = False
    made = []

    def objective(trial):
        log.warning("in trial %d", trial.number)
        made.append(logging.StreamHandler())
        return 1.0

    try:
        study = study_of(objective, trials=1)
        log.addHandler(made[0])
        study.optimize(objective, n_trials=1, progress="none")
    finally:
        log.handlers.clear()
    assert (before.stream, made[0].stream) == (sys.stderr, sys.stderr)
    assert [study.printed(0), study.printed(1)] == ["in trial 0\n", "in trial 1\n" * 2]
    assert capsys.readouterr().err == "in trial 0\n" + "in trial 1\n" * 2


def test_what_is_printed_in_this_process_is_printed_as_ever_and_kept(capsys):
    streams = sys.stdout, sys.stderr

    def prints(trial):
        print("trial", trial.number)
        helper = threading.Thread(target=lambda: sys.stderr.write("of a thread\n"))
        helper.start()
        helper.join()
        return 1.0

    study = study_of(prints)
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr() == ("trial 0\ntrial 1\ntrial 2\n", "of a thread\n" * 3)
    assert [study.printed(n) for n in range(3)] == [f"trial {n}\nof a thread\n" for n in range(3)]


def test_threads_have_their_own_output():
    barrier = threading.Barrier(3)

    def prints(trial):
        for i in range(20):
            barrier.wait(30)
            print(f"{trial.number}.{i}")
        return 1.0

    study = kilter.create_study(space=SPACE, sampler="random")
    study.optimize(prints, n_trials=3, n_jobs=3, progress="none")
    for number in range(3):
        assert study.printed(number) == "".join(f"{number}.{i}\n" for i in range(20))


def test_a_study_within_a_trial_keeps_what_is_its_own(tmp_path, capsys):
    with kept(str(tmp_path / "outer")):
        print("before")
        with kept(str(tmp_path / "inner")):
            print("within")
        print("after")
    assert (tmp_path / "outer").read_text() == "before\nafter\n"
    assert (tmp_path / "inner").read_text() == "within\n"
    assert capsys.readouterr().out == "before\nwithin\nafter\n"


def test_an_objective_may_handle_streams_as_it_likes(capsys):
    mine, original = io.StringIO(), sys.stdout

    def redirects(trial):
        before = sys.stdout
        if trial.number == 0:
            sys.stdout = mine
        print("of", trial.number)
        kept_back.append(before)
        sys.stdout = kept_back[0]
        return 1.0

    kept_back: list[object] = []
    try:
        study = study_of(redirects)
        assert [study.printed(n) for n in range(3)] == ["", "of 1\n", "of 2\n"]
    finally:
        sys.stdout = original
    assert mine.getvalue() == "of 0\n"
    assert capsys.readouterr().out == "of 1\nof 2\n"


def test_a_trial_that_prints_nothing_leaves_no_file(tmp_path):
    study = study_of(lambda x: x, storage=f"sqlite:///{tmp_path}/s.db")
    assert study.printed(0) == ""
    assert not os.path.exists(f"{tmp_path}/s.db.trials")


# -- in workers ---------------------------------------------------------------------------------------------------

EXPECTED = ["on stdout {}", "on stderr {}", "100 %", "of C", "of a child"]


def speaks(trial):
    """Prints in every way there is, and is killed in the first attempt of every second trial."""
    print("on stdout", trial.number)
    sys.stderr.write(f"on stderr {trial.number}\n 50 %\r100 %\n")
    ctypes.CDLL(None).puts(b"of C")
    subprocess.run(["echo", "of a child"], check=True)
    if trial.number % 2 and trial.attempt == 1:
        ctypes.CDLL(None).puts(b"the last word")
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_all_that_a_worker_prints_is_kept_and_shown_with_its_number_also_where_it_is_killed(capsys):
    study = study_of(executor=Processes(2).start(speaks), trials=4)
    shown = capsys.readouterr().err.splitlines()
    for number in range(4):
        once = [line.format(number) for line in EXPECTED]
        expected = [*once, "the last word", *once] if number % 2 else once
        assert whole_lines(study.printed(number)) == expected
        assert [line[3:] for line in shown if line.startswith(f"#{number} ")] == expected


def test_what_a_worker_prints_before_its_first_trial_is_of_none(capsys):
    class Loud:
        def __reduce__(self):
            return eval, ("print('loading')",)

    loud = Loud()
    study = study_of(executor=Processes().start(lambda x: loud is not study_of and x), trials=1)
    assert "loading\n" in capsys.readouterr().err
    assert study.printed(0) == ""


# -- of programs --------------------------------------------------------------------------------------------------


def test_what_a_program_prints_is_kept_also_where_it_fails(tmp_path):
    program = ["sh", "-c", "echo out $KILTER_TRIAL; echo err >&2; exit $KILTER_TRIAL"]
    study = study_of(executor=Command().start(Program(program, metric_patterns={"value": r"out (\d+)"})), trials=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]
    assert [sorted(study.printed(n).splitlines()) for n in range(2)] == [["err", "out 0"], ["err", "out 1"]]


def test_a_line_without_end_fills_neither_memory_nor_disk(tmp_path):
    program = [sys.executable, "-c", "print('x' * 8_000_000); print(1.5)"]
    study = study_of(executor=Command().start(program), trials=1, storage=f"sqlite:///{tmp_path}/s.db")
    assert study.best_value == 1.5
    sizes = [
        os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(f"{tmp_path}/s.db.trials") for name in names
    ]
    assert sizes
    assert max(sizes) <= LIMIT
