"""Studies at a glance, and analyses in words, from a shell."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from tests.cli.conftest import URL, document, kilter, ok

from kilter import Choice, Float, Limits, Study, create_study
from kilter.cli import group
from kilter.cli.watching import Watch, picture
from kilter.core.earlier import EarlierStudy
from kilter.core.events import Recalled
from kilter.plugins import open_storage

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"


def made(name: str, trials: int, seed: int = 0, good: float = 0.0, evil: str = "") -> Study:
    space = {f"left{evil}": Float(0, 1), f"act{evil}": Choice([f"a{evil}", "b"])}
    study = create_study(study_name=name, storage=URL, space=space, sampler="random", seed=seed)
    study.optimize(lambda **p: p[f"left{evil}"] - good, n_trials=trials, progress="none")
    return study


def seen(watch: Watch, width: int = 100, height: int | None = None) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as printed:
        console.print(picture(watch, width, height))
    return printed.get()


# -- kilter top ---------------------------------------------------------------------------------------------------


def test_top_shows_the_studies_that_move_and_names_the_others() -> None:
    made("three", 3)
    made("forty", 40)
    create_study(study_name="empty", storage=URL)
    text = ok("top")
    assert "three  minimize value" in text and "trials   40   40 done" in text
    assert "matters  left " in text
    assert "1 at rest: kilter ls" in text
    assert not any(line.endswith(" ") for line in text.splitlines())
    known = {one["study"]: one for one in document("top", URL)}
    assert set(known) == {"three", "forty", "empty"}
    assert known["three"]["summary"]["trials"] == 3


@pytest.mark.parametrize("width", [40, 60, 160])
def test_top_keeps_to_the_width_and_shows_nothing_that_a_terminal_obeys(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(f"s{EVIL * 3}", 30, evil=EVIL).set_note(EVIL)
    monkeypatch.setenv("COLUMNS", str(width))
    for text in (ok("top", "--once"), ok("top", "--json")):
        assert all(c.isprintable() or c == "\n" for c in text)
    assert all(len(line) <= width for line in ok("top", "--once").splitlines())


def test_a_damaged_study_does_not_hide_the_others() -> None:
    made("good", 3)
    storage = open_storage(URL)
    made("bad", 3)
    with sqlite3.connect("kilter.db") as connection:
        connection.execute("UPDATE event SET body = '{' WHERE position = 4 AND study = 2")
        connection.execute("DELETE FROM snapshot")
    watch = Watch(storage)
    watch.look()
    assert "good  minimize value" in seen(watch) and "bad: " in seen(watch)


def test_keys_choose_pause_and_stop() -> None:
    studies = [made(f"study-{k}", 2) for k in range(3)]
    watch = Watch(open_storage(URL))
    watch.look()
    assert "study-0: p pause" in seen(watch, height=60)
    assert watch.pressed("j") and watch.pressed("p")
    assert [study.control for study in studies] == ["running", "paused", "running"]
    assert "study-1 is paused; p lets it go on" in seen(watch, height=60)
    assert "study-1  minimize value   paused" in seen(watch, height=60)
    assert watch.pressed("p") and watch.pressed("k") and watch.pressed("k") and watch.pressed("s")
    assert studies[2].control == "running" and "s again ends all runs of study-2" in watch.said
    assert watch.pressed("s")
    assert [study.control for study in studies] == ["running", "running", "stopped"]
    assert watch.pressed("x") and not watch.pressed("q") and not watch.pressed("\x1b")


def test_where_not_all_fit_the_chosen_one_is_shown_first() -> None:
    for k in range(4):
        made(f"study-{k}", 2)
    watch = Watch(open_storage(URL))
    watch.look()
    watch.pressed("j")
    watch.pressed("j")
    text = seen(watch, height=13)
    assert "study-0  " not in text and "study-2  " in text and "more at work: j and k show them" in text
    assert len(text.rstrip("\n").splitlines()) <= 13


def test_nobody_at_work() -> None:
    create_study(study_name="empty", storage=URL)
    assert "nobody is at work here" in ok("top")
    watch = Watch(open_storage(URL))
    watch.look()
    assert watch.pressed("p") and watch.pressed("j")


@pytest.mark.story
@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_top_on_a_terminal_goes_on_until_q_and_gives_the_terminal_back() -> None:
    import pty
    import termios

    made("digits", 3)
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen([sys.executable, "-m", "kilter.cli", "top", URL], stdin=theirs, stdout=theirs)
    shown = b""
    while b"digits" not in shown:
        shown += os.read(ours, 65536)
    os.write(ours, b"q")
    assert process.wait(timeout=20) == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


# -- analyses in words --------------------------------------------------------------------------------------------


def test_importance() -> None:
    made("digits", 60)
    assert ok("importance").splitlines()[1].startswith("left")
    found = document("importance", "digits", "--method", "pedanova")
    assert (found["study"], found["method"], found["shares"][0]["parameter"]) == ("digits", "pedanova", "left")
    assert "did you mean 'fanova'" in kilter("importance", "--method", "fanov").stderr
    assert kilter("importance", "--objective", "nothing").exit_code == group.USAGE
    made("few", 3)
    assert "run more trials" in ok("importance", "few")


def test_diagnose() -> None:
    study = create_study(study_name="digits", storage=URL, space={"x": Float(0, 1)}, seed=0)

    def broken(x: float) -> float:
        raise ValueError(EVIL)

    study.optimize(broken, n_trials=4, progress="none", catch=[ValueError])
    text = ok("diagnose")
    assert text.startswith("act   ") and "→" in text and "ValueError" in text
    assert document("diagnose")["findings"][0]["severity"] == "act"
    create_study(study_name="empty", storage=URL)
    assert "nothing to say of 0 trials" in ok("diagnose", "empty")


def test_compare_single_studies_and_groups_of_them() -> None:
    for k in range(3):
        made(f"good-{k}", 10, seed=k, good=1.0)
        made(f"bad-{k}", 12, seed=k)
    text = ok("compare", "bad=bad-*", "good=good-0,good-1,good-2")
    lines = text.splitlines()
    assert lines[0] == "minimize value, after 10 trials"
    assert [line.split()[0] for line in lines[2:4]] == ["good", "bad"]
    assert "better in 3 of 3" in text
    found = document("compare", "good-0", "bad-0", "--against", "cost")
    assert found["studies"] == {"good-0": ["good-0"], "bad-0": ["bad-0"]}
    assert {each["label"] for each in found["contestants"]} == {"good-0", "bad-0"}  # which is ahead hangs on the clock
    assert "did you mean 'good-" in kilter("compare", "good-O", "bad-0").stderr
    assert kilter("compare", "good-0").exit_code == group.USAGE


def test_hostile_names_are_shown_as_text() -> None:
    made(f"s{EVIL}", 30, evil=EVIL)
    made("other", 3, evil=EVIL)
    for words in (["importance", f"s{EVIL}"], ["diagnose", f"s{EVIL}"], ["compare", f"s{EVIL}", "other"]):
        for extra in ([], ["--json"]):
            text = ok(*words, *extra)
            assert all(c.isprintable() or c == "\n" for c in text), words


def test_a_run_that_was_given_a_total_says_how_many_are_left_and_when_it_is_done():
    study = create_study(study_name="digits", storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    study.optimize(lambda x: x, limits=Limits(trials=6), progress="none")
    assert "6/6" in seen(_looked()) and "done" in seen(_looked())
    assert "digits, done" in ok("status") and "6 of 6" in ok("status") and "done" in ok("ls")
    ok("budget", "digits", "-n", "4")
    assert "6/10" in seen(_looked()) and "6 of 10" in ok("status") and "done" not in ok("ls")
    assert (document("status")["goal"], document("status")["standing"]) == (10, "idle")
    assert document("top")[0]["goal"] == 10


def _looked() -> Watch:
    watch = Watch(open_storage(URL))
    watch.look()
    return watch


def test_a_narrow_block_has_all_counts():
    study = create_study(study_name="n", storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)

    def fails(x: float) -> float:
        if x > 0.5:
            raise FloatingPointError("x")
        return x

    study.optimize(fails, limits=Limits(trials=12), progress="none")
    study.ask()
    lines = seen(_looked(), width=60).splitlines()
    text = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 60
    assert (
        "(FloatingPointError ×" in text
        and "failed in one way: FloatingPointError: x" in text
        and "1 running" in text
        and "/min" in text
    )
    assert any(line.startswith("pace") for line in lines)


def test_the_best_as_arguments_is_exact_in_a_pipe_and_visible_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    from kilter.cli.verbs import best

    monkeypatch.setattr(best.sys.stdout, "isatty", lambda: False, raising=False)
    assert best._rendered("args", {"a": EVIL}) == f"--a {shlex.quote(EVIL)}\n"
    monkeypatch.setattr(best.sys.stdout, "isatty", lambda: True, raising=False)
    assert best._rendered("args", {"a": "it's"}) == """--a 'it'"'"'s'\n"""
    shown = best._rendered("args", {"a": f"it's \\ {EVIL}"})
    assert shown[:-1].isprintable()
    echo, utf8 = f"printf %s {shown.split(' ', 1)[1]}", {"LC_ALL": "C.UTF-8"}
    read = subprocess.run(["bash", "-c", echo], capture_output=True, check=True, env=utf8)
    assert read.stdout.decode() == f"it's \\ {EVIL}"


def test_a_portfolio_of_studies_by_pattern() -> None:
    for name, x in (("svm-a", 0.1), ("svm-b", 0.8)):
        study = create_study(study_name=name, storage=URL, space={"x": Float(0, 1)}, sampler="sobol", seed=0)
        study.optimize(lambda trial, x=x: (trial.params["x"] - x) ** 2, n_trials=8, progress="none")
    text = ok("portfolio", "svm-*", "-n", "2")
    assert text.startswith("2 configurations for 2 tasks") and "2. x=" in text
    assert document("portfolio", "svm-*", "-n", "1")["tasks"] == ["svm-a", "svm-b"]
    assert kilter("portfolio", "svm-*", "-n", "0").exit_code == group.USAGE
    assert kilter("portfolio", "mlp-*").exit_code == group.NOT_FOUND


def test_what_a_study_learns_from_earlier_ones() -> None:
    configs = tuple({"x": i / 8} for i in range(9))
    earlier = EarlierStudy(f"wine{EVIL}", configs, tuple((config["x"] - 0.4) ** 2 for config in configs), trials=30)
    study = create_study(study_name="new", storage=URL, space={"x": Float(0, 1)}, seed=0)
    assert ok("transfer", "new").startswith("it learns from no earlier study")
    study.log.write(Recalled((earlier, replace(earlier, name="odd", configs=({"y": 1},) * 9)), 0.0))
    study.optimize(lambda trial: (trial.params["x"] - 0.5) ** 2, n_trials=6, progress="none")
    text = ok("transfer", "new")
    assert "\x1b" not in text and "9 of 30" in text and "passed over: it has none of" in text
    assert "of 6 trials owed to wine" in text
    found = document("transfer", "new")
    assert [teacher["used"] for teacher in found["teachers"]] == [9, 9]
    assert found["owed"] and found["sentence"].startswith(f"{len(found['owed'])} of 6 trials owed to")


def test_whom_a_study_would_learn_from_is_said_before_it_begins() -> None:
    space = {"x": Float(0, 1)}
    for name, metric in (("cancer", "loss"), ("other", "accuracy")):
        study = create_study(study_name=name, storage=URL, space=space, directions={metric: "minimize"}, seed=0)
        study.optimize(lambda trial: trial.params["x"], n_trials=12, progress="none")
    with open("wine.toml", "w", encoding="utf-8") as file:
        file.write(f'study = "wine"\nstorage = "{URL}"\n[space]\nx = {{ float = [0.0, 1.0] }}\n')
        file.write('[objective]\nminimize = "loss"\n[command]\nargv = ["true", "{x}"]\n')
    text = ok("transfer", "wine.toml")
    assert "cancer" in text and "1 of 1" in text and "nothing to compare yet" in text
    assert "other is passed over: it is to minimize accuracy, and not to minimize loss" in text
    assert document("transfer", "wine.toml")["would_learn_from"] == ["cancer"]
    create_study(study_name="alone", storage=URL, space=space, directions={"loss": "minimize"}, transfer=None)
    assert "one like it would learn now from cancer" in ok("transfer", "alone")
