"""`kilter serve` as it is used: workers of its how-to page, in shell, while the server is killed and started anew."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import kilter
from tests.story.test_joining import until

from kilter import Float, create_study, load_study
from kilter.dashboard.serving import served
from kilter.storage.http import HTTPStorage
from kilter.storage.sqlite import SQLiteStorage

PAGE = Path(__file__).parents[2] / "docs/how-to/serve.md"
TRAIN = """#!/usr/bin/env bash
touch "run-$$"
jq -n "$2 * $4"
"""


pytestmark = pytest.mark.story


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command, which is killed in the end."""
    words = ["serve", "sqlite:///studies.db", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-m", "kilter.cli", *words], cwd=folder, env=environment(port))
    try:
        yield server
    finally:
        server.kill()
        server.wait()


def environment(port: int) -> dict[str, str]:
    return {**os.environ, "KILTER_TOKEN": "secret", "SERVER": f"http://127.0.0.1:{port}"}


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "jq"))), reason="the worker needs bash, curl and jq")
def test_workers_in_shell_lose_nothing_with_the_server(tmp_path: Path):
    port = free_port()
    [script] = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "worker").write_text(script)
    (tmp_path / "train").write_text(TRAIN)
    (tmp_path / "train").chmod(0o755)
    with serving(tmp_path, port) as server:
        HTTPStorage(f"http://:secret@127.0.0.1:{port}").close()
        each = [{**environment(port), "WORKER": name} for name in "abc"]
        workers = [subprocess.Popen(["bash", "worker"], cwd=tmp_path, env=each) for each in each]
        until(lambda: len([*tmp_path.glob("run-*")]) >= 5)
        server.kill()
        server.wait()
        with serving(tmp_path, port):
            assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    trials = load_study(storage=f"sqlite:///{tmp_path}/studies.db").trials
    assert [(trial.number, trial.state.name) for trial in trials] == [(n, "COMPLETE") for n in range(20)]
    assert all(trial.value == pytest.approx(trial.params["lr"] * trial.params["layers"]) for trial in trials)
    assert len([*tmp_path.glob("run-*")]) == 20


def test_a_port_that_is_given_is_that_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        result = kilter("serve", "--port", str(busy.getsockname()[1]))
    assert result.exit_code == 2 and "is busy" in result.stderr


LOSS = """
import os, pathlib, signal

def loss(x, trial):
    pathlib.Path(f"begun-{trial.number}-{trial.attempt}").touch()
    if trial.number == 4 and trial.attempt == 1:
        os.kill(os.getppid(), signal.SIGKILL)
    return x
"""


def test_workers_in_python_share_a_total_and_take_over_from_the_dead(tmp_path: Path):
    (tmp_path / "train.py").write_text(LOSS)
    with served(SQLiteStorage(tmp_path / "studies.db"), port=0, token="secret", workers=True).start() as server:
        url = f"http://:secret@127.0.0.1:{server.port}"
        study = create_study(storage=url, study_name="s", space={"x": Float(0, 1)}, sampler="random", seed=0)
        words = ["worker", "s", "--objective", "train.py:loss", "--progress", "none", "-n", "12", "-j", "2"]
        command = [sys.executable, "-m", "kilter.cli", *words, "--storage", server.address]
        workers = [subprocess.Popen(command, cwd=tmp_path, env=environment(server.port)) for _ in range(2)]
        assert sorted(worker.wait(60) for worker in workers) == [-signal.SIGKILL, 0]
        assert [(trial.number, trial.state.name) for trial in study.trials] == [(n, "COMPLETE") for n in range(12)]
        assert (tmp_path / "begun-4-2").exists()
        study.close()
