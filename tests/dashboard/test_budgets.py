"""What large studies cost: bytes on the wire, CPU of the server, and its memory."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from tests.browser.studies import BEGAN, STUDIES, write
from tests.dashboard.conftest import client_of

from kilter.dashboard import create_app
from kilter.dashboard.app import API
from kilter.dashboard.files import files
from kilter.dashboard.report import report
from kilter.storage.sqlite import SQLiteStorage

MB = 1_000_000
OVERVIEW = ("server", "studies/1", "studies/1/columns", "studies/1/convergence", "studies/1/importance")
OVERVIEW += ("studies/1/generalisation", "studies/1/diagnostics", "events")


def received(url: str) -> bytes:
    """A body as it comes over the wire, compressed."""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=60) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.story
def test_a_hundred_thousand_trials(tmp_path: Path):
    path = tmp_path / "s.db"
    write(SQLiteStorage(path), "s", STUDIES["hundred-thousand"])
    command = [sys.executable, "-m", "kilter", "dashboard", f"sqlite:///{path}", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        columns = received(f"{address}api/v1/studies/1/columns")
        spent, held = psutil.Process(server.pid).cpu_times(), psutil.Process(server.pid).memory_info().rss
        assert len(columns) <= 5 * MB
        assert spent.user + spent.system <= 2.0
        assert held <= 300 * MB
        revision = json.loads(received(f"{address}api/v1/studies/1/convergence").decode(errors="replace"))["revision"]
        assert len(received(f"{address}api/v1/studies/1/columns?after={revision}")) < 5_000
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


@pytest.fixture(scope="module")
def five_thousand(tmp_path_factory: pytest.TempPathFactory) -> SQLiteStorage:
    storage = SQLiteStorage(tmp_path_factory.mktemp("budgets") / "s.db")
    write(storage, "s", STUDIES["five-thousand"])
    return storage


def test_five_thousand_trials_of_twenty_reports(five_thousand: SQLiteStorage):
    page = sum(len(file.compressed) for name, file in files().items() if name.startswith(("assets/", "index")))
    with client_of(create_app(five_thousand)) as client:
        sent = 0
        for path in OVERVIEW[:-1]:
            with client.stream("GET", f"{API}/{path}", headers={"accept-encoding": "gzip"}) as answer:
                assert answer.status_code == 200
                sent += len(b"".join(answer.iter_raw()))
    assert sent + page <= 0.5 * MB


def test_a_report_of_five_thousand_trials(five_thousand: SQLiteStorage):
    page = report(five_thousand, 1, BEGAN)
    assert len(page.encode()) <= 0.5 * MB
    assert not re.search(r"https?://", page), "a report fetches nothing"
