"""Scripts in the style of Optuna's tutorials run after changing only the import; each asserts what it expects.

Where Optuna is installed they run with Optuna itself too, so that what they expect is what Optuna does.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kilter

SCRIPTS = sorted((Path(__file__).parent / "optuna_scripts").glob("*.py"))
NEEDS = {"classifiers": "sklearn", "multi_objective": "pandas", "plots": "plotly", "storage": "pandas"}
OPTUNA_NEEDS = {"importances": "sklearn", "instances": "scipy", "warm_start": "cmaes"}
OURS = {"best_again"}
"""Scripts that Optuna 5 itself does not run any more."""


@pytest.mark.story
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(script, tmp_path):
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    source = str(Path(kilter.__file__).parent.parent)
    path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
    run(script.read_text(encoding="utf-8"), tmp_path, {**os.environ, "PYTHONPATH": path})


@pytest.mark.story
@pytest.mark.parametrize("script", [s for s in SCRIPTS if s.stem not in OURS], ids=lambda script: script.stem)
def test_script_with_optuna_itself(script, tmp_path):
    for library in ("optuna", *(needs[script.stem] for needs in (NEEDS, OPTUNA_NEEDS) if script.stem in needs)):
        pytest.importorskip(library)
    text = script.read_text(encoding="utf-8").replace("import kilter as optuna", "import optuna")
    run(re.sub(r"^( *)from kilter([. ])", r"\1from optuna\2", text, flags=re.MULTILINE), tmp_path, dict(os.environ))


def run(text, folder, environment):
    (folder / "script.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
