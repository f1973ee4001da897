"""What a trial costs over HTTP: the processor of the server and of its workers, and how many transactions there are.

    python benchmarks/overhead/bench_serve.py [--trials 400] [--workers 1,8,64] [--output FILE]

The server is a process of its own, on an SQLite file in RAM where there is such a place; workers are threads of
another one. `storage` has trials of Python workers, who begin and end one by two appends; `ask and tell` has them of
programs in other languages, for whom the server asks the sampler `random`. Trials a second and milliseconds are time on
the wall, which a busy machine stretches; CPU is not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import multiprocessing.connection
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

import kilter
from kilter.core.interfaces import Appended
from kilter.dashboard.serving import served
from kilter.storage.http import HTTPStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.storage import created, ended, started

RESULTS = Path(__file__).resolve().parents[1] / "results" / "serve.json"
RAM = Path("/dev/shm")
BUDGET = 3.0
"""Milliseconds of the server's processor for a trial."""


def serve(path: str, line: multiprocessing.connection.Connection) -> None:
    """Serve, and answer with the number of transactions whenever that is asked for."""
    transactions, append = [0], SQLiteStorage.append

    def counted(*asked: Any, **named: Any) -> Appended:
        transactions[0] += 1
        return append(*asked, **named)

    SQLiteStorage.append = counted  # type: ignore[method-assign]
    with served(f"sqlite:///{path}", port=0, token="t", workers=True).start() as server:
        line.send(server.port)
        while line.recv():
            line.send(transactions[0])


def by_storage(port: int, study: int, worker: int, numbers: range, took: list[float]) -> None:
    """Begin and end trials as a Python worker does."""
    storage, at = HTTPStorage(f"http://:t@127.0.0.1:{port}"), 1
    for number in numbers:
        for event in (started(number), ended(number)):
            begun = time.perf_counter()
            at = storage.append(study, [event], at).entries[-1].position
            took.append(time.perf_counter() - begun)


def by_asking(port: int, study: int, worker: int, numbers: range, took: list[float]) -> None:
    """Ask for trials and tell of them, as a program in any language does."""
    at = f"http://127.0.0.1:{port}/api/v1/work/studies/{study}"
    with httpx.Client(headers={"Authorization": "Bearer t"}, verify=False) as client:
        for _ in numbers:
            begun = time.perf_counter()
            number = client.post(f"{at}/ask", json={"worker": f"w{worker}"}).json()["number"]
            middle = time.perf_counter()
            client.post(f"{at}/trials/{number}/tell", json={"values": 0.5}).raise_for_status()
            took += [middle - begun, time.perf_counter() - middle]


def measured(way: Callable[..., None], workers: int, trials: int) -> dict[str, Any]:
    """A row of the table."""
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(dir=RAM if RAM.is_dir() else None) as folder:
        path = f"{folder}/studies.db"
        if way is by_storage:
            study = SQLiteStorage(path).create("s", created())
        else:
            space = {"x": kilter.Float(0, 1), "n": kilter.Int(1, 8)}
            kilter.create_study(storage=f"sqlite:///{path}", space=space, sampler="random", seed=0).close()
            study = 1
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(path, there))
        server.start()
        port = here.recv()
        process, took = psutil.Process(server.pid), list[float]()
        before, mine, begun = sum(process.cpu_times()[:2]), time.process_time(), time.perf_counter()
        each = trials // workers
        shares = [range(worker * each, (worker + 1) * each) for worker in range(workers)]
        threads = [threading.Thread(target=way, args=(port, study, w, own, took)) for w, own in enumerate(shares)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, count = time.perf_counter() - begun, each * workers
        here.send(True)
        row = {
            "way": "storage" if way is by_storage else "ask and tell",
            "workers": workers,
            "trials a second": round(count / wall),
            "server's CPU, ms a trial": round((sum(process.cpu_times()[:2]) - before) / count * 1e3, 2),
            "workers' CPU, ms a trial": round((time.process_time() - mine) / count * 1e3, 2),
            "transactions a trial": round(here.recv() / count, 2),
            "median, ms a request": round(sorted(took)[len(took) // 2] * 1e3, 1),
        }
        here.send(False)
        server.join()
        return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--workers", default="1,8,64")
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    rows = []
    for way in (by_storage, by_asking):
        for workers in map(int, asked.workers.split(",")):
            rows.append(measured(way, workers, asked.trials))
            print(json.dumps(rows[-1]), flush=True)
    asked.output.write_text(json.dumps({"python": platform.python_version(), "rows": rows}, indent=1) + "\n")
    dear = [row for row in rows if row["server's CPU, ms a trial"] > BUDGET]
    if dear:
        raise SystemExit(f"dearer than {BUDGET} ms: {dear}")


if __name__ == "__main__":
    main()
