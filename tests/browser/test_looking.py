"""Who only looks neither writes nor holds anybody up: a study that is tuned at full speed with its page open."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.browser.conftest import Served, settled, until

from kilter import Float, create_study
from kilter.core.interfaces import Storage
from kilter.plugins import open_storage

TRIALS = 400
TUNE = f"""
import json, sys, time, kilter
study = kilter.load_study(storage=sys.argv[1])
before, began = time.process_time(), time.monotonic()
study.optimize(lambda trial: trial.params["x"], n_trials={TRIALS}, progress="none")
print(json.dumps([time.process_time() - before, time.monotonic() - began]))
"""


def made(path: Path) -> Storage:
    url = f"sqlite:///{path}"
    create_study(space={"x": Float(0, 1)}, sampler="random", scheduler="fifo", seed=0, storage=url, study_name="s")
    return open_storage(url)


def tuned(storage: Storage) -> tuple[float, float]:
    """Seconds of the processor and of the clock that a process takes to tune."""
    done = subprocess.run([sys.executable, "-c", TUNE, storage.url], stdout=subprocess.PIPE, check=True, timeout=300)
    cpu, wall = json.loads(done.stdout)
    return cpu, wall


def results(storage: Storage) -> list[tuple[str, object]]:
    """What happened in a study, without the clock."""
    events = [entry.event for entry in storage.read(1)]
    return [(type(event).__name__, getattr(event, "params", getattr(event, "metrics", None))) for event in events]


def test_a_study_is_tuned_as_if_nobody_looked(browse: Any, tmp_path: Path) -> None:
    alone, seen = made(tmp_path / "alone.db"), made(tmp_path / "seen.db")
    unseen = tuned(alone)
    with Served(seen) as served:
        page = settled(browse(f"{served.url}#/1/explore"))
        looked_at = tuned(seen)
        until(page, "window.__kilter.trials === given[0]", TRIALS)
        browse.close()  # before its server goes
    print(f"seconds of CPU and wall: alone {unseen}, with its page open {looked_at}")
    assert results(seen) == results(alone)
    assert looked_at[0] <= 2 * unseen[0]
