"""kilter doctor, as a person and as a program read it."""

from __future__ import annotations

import json
import socket
import sqlite3

import pytest
from tests.cli.conftest import URL, kilter, ok

from kilter import Float, create_study
from kilter.cli import group
from kilter.core.interfaces import Worker
from kilter.plugins import open_storage

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"


def made(name: str) -> None:
    study = create_study(study_name=name, storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    study.optimize(lambda x: x, n_trials=3, progress="none")
    study.close()


def test_what_is_well_is_said_in_a_few_lines() -> None:
    made("digits")
    text = ok("doctor")
    assert "nothing is wrong" in text and "digits (idle)" in text and "SQLite 3." in text and "a write takes" in text
    assert ok("doctor", URL, "-s", "digits") and ok("doctor", "--storage", URL)
    assert open_storage(URL).leases(1) == []


def test_what_is_wrong_is_said_with_what_to_do_and_told_by_the_exit_code() -> None:
    made("digits")
    create_study(study_name="other", storage=URL).close()
    storage = open_storage(URL)
    storage.renew(1, Worker("gpu-3.1", "node7/0-0", 12, 0.0), -90.0)
    with sqlite3.connect("kilter.db") as connection:
        connection.execute("UPDATE event SET body = '{' WHERE position = 1 AND study = 2")
    result = kilter("doctor", "--json")
    assert result.exit_code == group.STORAGE
    found = json.loads(result.stdout)
    assert [finding["kind"] for finding in found["findings"]] == ["unreadable"]
    assert "kilter check" in found["findings"][0]["action"]
    digits, other = found["studies"]
    assert (other["standing"], digits["standing"]) == ("unreadable", "idle")
    (worker,) = digits["workers"]
    assert (worker["name"], worker["host"], worker["alive"]) == ("gpu-3", "node7", False)
    assert "act   other cannot be read" in kilter("doctor").stdout
    assert kilter("doctor", "-s", "digit").exit_code == group.NOT_FOUND


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_it_shows_nothing_that_a_terminal_obeys(words: list[str]) -> None:
    made(f"s{EVIL}")
    storage = open_storage(URL)
    storage.renew(1, Worker(f"{EVIL}.1", f"{EVIL}/0-0", 12, 0.0), 60.0)
    create_study(study_name="s2", storage=URL).ask()
    assert all(c.isprintable() or c == "\n" for c in kilter("doctor", *words).stdout)


def test_there_must_be_a_storage() -> None:
    assert kilter("doctor").exit_code == group.STORAGE
    assert kilter("doctor", "memory://").exit_code == 0


def test_a_storage_is_named_once_and_before_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    made("digits")
    for verb in ("doctor", "serve", "dashboard"):
        result = kilter(verb, URL, "--storage", "postgresql://ada:s3cret@db/tuning")
        assert result.exit_code == group.USAGE and "two storages are named" in result.stderr
        assert "postgresql://ada:***@db/tuning" in result.stderr and "s3cret" not in result.stderr
    monkeypatch.setenv("KILTER_STORAGE", "sqlite:///other.db")
    assert "digits (idle)" in ok("doctor", URL)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        assert f"port {port} is busy" in kilter("serve", URL, "--port", port).stderr
