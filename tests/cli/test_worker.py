"""kilter worker: what it runs, how long, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import URL, document, kilter, ok

from kilter import Float, create_study, load_study
from kilter.cli import group
from kilter.cli.objectives import imported
from kilter.core.attributes import DEFAULT, EVALUATION
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.limits import Limits

TRAIN = """
import kilter
from kilter.evaluation import CrossValidation

RATE = 2.0

def loss(x):
    return RATE * x

def other(x):
    return 3 * x

def trained(train, test, *, x=0.5):
    return x * len(test[0])


folds = CrossValidation(3).objective(trained, range(9))

if __name__ == "__main__":
    kilter.tune(loss, {"x": kilter.Float(0, 1)}, n_trials=2, study_name="loss", sampler="random", progress="none")
"""


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file with objectives, as a worker names it; what it brings into this process goes again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "train", raising=False)
    Path("train.py").write_text(TRAIN)
    yield "train.py:loss"
    sys.modules.pop("train", None)


def program(*words: str) -> None:
    space = ["-p", "x=float(0,1)", "--minimize", "loss", "-s", "echo", "--sampler", "random", "--progress", "none"]
    ok("run", *space, *words, "--", "echo", "{x}")


def work(*words: str) -> dict[str, object]:
    found: dict[str, object] = document("worker", *words, "--progress", "none")
    return found


def test_it_runs_the_program_of_a_study_up_to_what_that_is_asked_for() -> None:
    program("-n", "2")
    assert work() == {"study": "echo", "reason": "the study has its 2 trials", "trials": []}
    ok("budget", "-n", "2")
    assert work("echo")["trials"] == [2, 3]
    assert work("-n", "3")["trials"] == [4]  # and the two that were added
    assert load_study(storage=URL).asked == Limits(trials=3)


def test_an_objective_of_parts_begins_with_the_default_whoever_runs_it(train: str) -> None:
    create_study(study_name="folds", storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    assert work("--objective", "train.py:folds", "-n", "2")["trials"] == [0, 1]
    study = load_study(storage=URL)
    assert [trial.user_attrs.get(DEFAULT) for trial in study.trials] == [True, None]
    assert study.trials[0].params == {"x": 0.5} and list(study.trials[1].folds) == [0, 1, 2]
    assert len(study.user_attrs[EVALUATION]["parts"]) == 3


def test_what_it_is_asked_for_is_asked_of_all(train: str) -> None:
    create_study(study_name="loss", storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    work("--objective", train, "-t", "0")
    assert not load_study(storage=URL).asked.are_given
    assert work("--objective", train, "-n", "3", "-t", "600", "--patience", "50")["trials"] == [0, 1, 2]
    study = load_study(storage=URL)
    assert study.asked == Limits(trials=3, patience=50) and (study.goal, study.standing) == (3, "done")
    assert document("ls")[0]["standing"] == "done"
    assert work("--objective", train)["reason"] == "the study has its 3 trials"
    assert work("--objective", train, "-n", "2")["trials"] == [] and load_study(storage=URL).goal == 3
    assert work("--objective", train, "-n", "5")["trials"] == [3, 4] and load_study(storage=URL).goal == 5


def test_it_calls_a_function_of_a_file(train: str) -> None:
    create_study(study_name="loss", storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    assert work("loss", "--objective", train, "-n", "3")["trials"] == [0, 1, 2]
    study = load_study(storage=URL)
    assert all(trial.value == 2.0 * trial.params["x"] for trial in study.trials)
    assert work("loss", "--objective", "train:loss", "-n", "5", "-j", "2", "--set", "budget.trial_timeout=60")["trials"]


def test_the_file_is_the_script_that_made_the_study(train: str) -> None:
    subprocess.run([sys.executable, "train.py"], check=True)
    assert work("--objective", train)["reason"] == "the study has its 2 trials"
    assert work("--objective", train, "-n", "3")["trials"] == [2]
    refused = kilter("worker", "--objective", "train.py:other")
    assert refused.exit_code == group.USAGE and "was made with a different objective" in refused.stderr
    assert "--if-changed continue goes on with them; or join another study, one that was made" in refused.stderr
    assert "--study" not in refused.stderr and "kilter rm" not in refused.stderr
    assert work("--objective", "train.py:other", "-n", "4", "--if-changed", "continue")["trials"] == [3]
    assert work("--objective", train, "-n", "5")["trials"] == [4]  # the study is still of what it was made with


def test_it_does_not_let_a_study_go_on_that_was_stopped() -> None:
    program("-n", "2")
    ok("stop")
    assert work("-n", "4") == {"study": "echo", "reason": "the study was stopped", "trials": []}
    assert load_study(storage=URL).control == "stopped"
    assert load_study(storage=URL).goal == 2
    ok("unpause")
    assert work("-n", "3")["trials"] == [2]


def test_failures_of_others_count_where_it_gives_up(train: str) -> None:
    Path("train.py").write_text("def loss(x):\n    raise ValueError(x)\n")
    create_study(study_name="loss", storage=URL, space={"x": Float(0, 1)}, sampler="random", seed=0)
    gave_up = kilter("worker", "--objective", train, "-n", "30", "--progress", "none")
    assert gave_up.exit_code == group.NO_SUCCESS and "the first 10 trials all failed" in gave_up.stderr
    study = load_study(storage=URL)
    assert len(study.trials) == 10 and study.history.forgiven == 0


def test_without_a_total_it_says_so() -> None:
    program("-n", "1", "--steps", "100")
    load_study(storage=URL).set_system_attr("asked", {})
    said = kilter("worker", "-t", "0", "--progress", "none")
    assert "nobody said how many trials" in said.stderr and "until its time is up" in said.stderr
    assert "nobody said" not in kilter("worker", "-n", "1", "--progress", "none").stderr
    load_study(storage=URL).set_system_attr("asked", {})
    assert json.loads(kilter("worker", "-t", "0", "--json", "--progress", "none").stdout)["trials"] == []


def test_it_says_what_is_missing(train: str) -> None:
    assert kilter("worker", "--storage", "sqlite:///none.db").exit_code == group.STORAGE
    create_study(study_name="loss", storage=URL, space={"x": Float(0, 1)})
    assert "--objective train.py:loss" in kilter("worker").stderr
    for place, says in {
        "train.py": "must read MODULE:NAME or FILE.py:NAME",
        "gone.py:loss": "there is no file gone.py",
        "gone:loss": "there is no module 'gone'",
        "train.py:los": "did you mean 'loss'",
    }.items():
        refused = kilter("worker", "--objective", place)
        assert refused.exit_code == group.USAGE and says in refused.stderr
    for needed in ("kilter.py", "json.py"):
        Path(needed).write_text("")
        refused = kilter("worker", "--objective", "train.py:loss", "-j", "2")
        assert refused.exit_code == group.USAGE and f"{needed} has the name of the module" in refused.stderr
        Path(needed).unlink()
    assert "needs 'y'" in _of("def loss(y):\n    return y\n")
    assert "train cannot be imported: SyntaxError" in _of("def loss(")
    assert "it needs 'not_there'" in _of("import not_there")
    assert "SystemExit: 3" in _of("raise SystemExit(3)")


def _of(text: str) -> str:
    """What is said of a file like this."""
    sys.modules.pop("train", None)
    Path("train.py").write_text(text)
    result = kilter("worker", "--objective", "train.py:loss", "-n", "1", "--progress", "none")
    assert result.exit_code == group.USAGE, result.stderr
    return result.stderr


def test_a_file_that_hides_behind_another_module_is_refused(train: str) -> None:
    Path("json.py").write_text(TRAIN)
    with pytest.raises(InvalidInput, match="rename the file"):
        imported("json.py:loss")
    with pytest.raises(UnknownName):
        imported("json:losses")


def test_programs_run_in_the_folder_of_their_study_or_in_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("home").mkdir()
    Path("away").mkdir()
    for folder in ("home", "away"):
        Path(folder, "train.sh").write_text("echo $1\n")
    storage = f"sqlite:///{Path('kilter.db').resolve()}"
    monkeypatch.setenv("KILTER_STORAGE", storage)
    monkeypatch.chdir("home")
    options = ["-p", "x=float(0,1)", "--minimize", "loss", "-s", "s", "--sampler", "random", "--progress", "none"]
    ok("run", *options, "-n", "1", "--", "sh", "train.sh", "{x}")
    monkeypatch.chdir("../away")
    assert work("-n", "2")["trials"] == [1]
    Path("../home").rename("../gone")
    assert "which is not here: make that folder" in kilter("worker", "-n", "3").stderr
    assert work("-n", "3", "--set", "directory=.")["trials"] == [2]


def test_a_name_is_checked_and_kept() -> None:
    program("-n", "1")
    assert "letters, digits" in kilter("worker", "--name", "a b").stderr
    assert work("--name", "gpu-3", "-n", "2")["trials"] == [1]
    begun = [entry.event.worker for entry in load_study(storage=URL).log.read() if hasattr(entry.event, "worker")]
    assert begun[-1].startswith("gpu-3.")


def test_a_trial_says_who_ran_it() -> None:
    program("-n", "1")
    work("--name", "gpu-3", "-n", "2")
    ids = [trial.worker for trial in load_study(storage=URL).trials]
    assert ids[1].startswith("gpu-3.") and ids[0] != ids[1]
    assert [trial["worker"] for trial in document("trials")] == ids and document("trial", "1")["worker"] == ids[1]
    assert f"worker: {ids[1]}" in ok("trial", "1") and ids[1] in ok("trials", "--wide")
