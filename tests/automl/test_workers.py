"""A stored fit is shared by processes, and goes on after one of them was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.automl.test_fitting import fitted, predictions

SCRIPT = """
import os, signal, sys
from tests.automl.test_fitting import fitted, predictions
from kilter.automl.members.lightgbm import LightGBM

class Mortal(LightGBM):
    def fit_and_hold_out(self, params, train, valid, task, seed, left):
        if seed == 1 and os.environ.get("DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit_and_hold_out(params, train, valid, task, seed, left)

found = fitted(members=[Mortal(), "linear"], n_models=4, storage=sys.argv[1], study_name="towns")
print(predictions(found).tobytes().hex())
"""


def test_killed_and_shared_by_two_processes_it_predicts_the_same(tmp_path: Path) -> None:
    from kilter.automl.members.lightgbm import LightGBM

    command = [sys.executable, "-c", SCRIPT, f"sqlite:///{tmp_path}/fit.db"]
    place = {"env": {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, "stdout": subprocess.PIPE}
    killed = subprocess.run(command, check=False, **{**place, "env": {**place["env"], "DIES": "1"}})  # type: ignore[call-overload]
    assert killed.returncode == -signal.SIGKILL
    workers = [subprocess.Popen(command, **place) for _ in range(2)]  # type: ignore[call-overload]
    told = {worker.communicate()[0].strip() for worker in workers}
    alone = predictions(fitted(members=[LightGBM(), "linear"], n_models=4))
    assert told == {alone.tobytes().hex().encode()}
