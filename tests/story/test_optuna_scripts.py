"""Scripts in the style of Optuna's tutorials run after changing only the import; each asserts what it expects.

To see that a script is faithful, run it with Optuna itself:
    sed -E 's/import kilter as optuna/import optuna/; s/from kilter[.]/from optuna./' script.py | python -
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kilter

SCRIPTS = sorted((Path(__file__).parent / "optuna_scripts").glob("*.py"))
NEEDS = {"classifiers": "sklearn", "multi_objective": "pandas", "storage": "pandas"}


@pytest.mark.story
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(script, tmp_path):
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    source = str(Path(kilter.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
