"""Many processes, one file: nobody dies, nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import kilter
from kilter.storage.sqlite import SQLiteStorage

WORKER = """
import sys, kilter
study = kilter.create_study(
    space={f"x{i}": kilter.Float(0, 1) for i in range(5)},
    sampler="random", seed=0, storage=sys.argv[1], study_name="shared", load_if_exists=True,
)
%s
"""


def together(url: str, body: str, count: int) -> None:
    """Run the body in so many processes that start in the same instant; all have to succeed."""
    command = [sys.executable, "-c", WORKER % body, url]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(count)]
    errors = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * count, "\n".join(errors)


def test_sixteen_workers_make_one_study_and_lose_and_double_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    body = "study.tell(study.ask(), 1.0)\nstudy.optimize(lambda **k: sum(k.values()), n_trials=39, progress='none')"
    together(url, body, 16)
    assert kilter.get_all_study_names(url) == ["shared"]
    study = kilter.load_study(storage=url)
    assert [trial.number for trial in study.trials] == list(range(640))
    assert {trial.state for trial in study.trials} == {kilter.TrialState.COMPLETE}
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 640


def test_the_total_holds_over_all_workers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    body = "from kilter.engine.limits import Limits\n"
    body += "study.optimize(lambda **k: sum(k.values()), limits=Limits(trials=100), progress='none')"
    together(url, body, 6)
    assert (
        len(kilter.load_study(storage=url, study_name="shared").get_trials(states=[kilter.TrialState.COMPLETE])) == 100
    )


def test_statements_and_commits_of_a_trial(tmp_path: Path) -> None:
    """Two transactions a trial, each one read and one write; docs/decisions/0002 says why not one."""
    storage = SQLiteStorage(tmp_path / "k.db")
    space = {"x": kilter.Float(0, 1)}
    study = kilter.create_study(space=space, sampler="random", storage=storage, lease=None, clock=lambda: 0.0)
    study.optimize(lambda x: x, n_trials=1, progress="none")
    said: list[str] = []
    assert storage._connection is not None
    storage._connection.set_trace_callback(said.append)
    study.optimize(lambda x: x, n_trials=10, progress="none")
    storage._connection.set_trace_callback(None)
    counts = Counter(" ".join(statement.split()[:2]) for statement in said)
    # Beside the trials: one read at the start of the run, and the snapshot at its end.
    assert counts == {
        "BEGIN IMMEDIATE": 2 * 10 + 1,
        "SELECT position,": 2 * 10 + 1,
        "INSERT INTO": 2 * 10 + 1,
        "COMMIT": 2 * 10 + 1,
    }
    # In this mode a commit waits for no disk: 0 fsync a trial.
    assert storage._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert storage._connection.execute("PRAGMA synchronous").fetchone() == (1,)


def test_plain_sql_reads_the_trials(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    study = kilter.create_study(space={"x": kilter.Int(1, 9)}, seed=0, storage=f"sqlite:///{path}", study_name="s")
    study.optimize(lambda x: x * x, n_trials=5, progress="none")
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT number, json_extract(params, '$.x'), json_extract(metrics, '$.value'), state FROM trials"
        ).fetchall()
    assert rows == [(t.number, t.params["x"], t.value, "complete") for t in study.trials]


def test_a_fork_has_a_connection_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    body = """
import os
child = os.fork()
study.optimize(lambda **k: sum(k.values()), n_trials=20, progress='none')
if not child: os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    if not hasattr(os, "fork"):
        return
    together(url, body, 1)
    assert len(kilter.load_study(storage=url).trials) == 40


def test_two_workers_at_odds_over_a_name_leave_a_study_that_opens(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    one = kilter.create_study(storage=url, study_name="s", seed=0)
    two = kilter.load_study(storage=url, study_name="s")
    first, second = one.ask(), two.ask()
    first.suggest_float("x", 0, 1)
    second.suggest_categorical("x", ["a", "b"])
    one.tell(first, 1.0)
    two.tell(second, 2.0)
    both = kilter.load_study(storage=url, study_name="s")
    assert both.space["x"] == kilter.Float(0, 1)
    assert both.trials[1].params["x"] in ("a", "b")
    both.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5, progress="none")
    assert both.history.matrix.shape == (7, 1)
