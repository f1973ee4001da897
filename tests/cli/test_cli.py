"""The verbs, run as a user runs them: in this process through click, and as programs of their own."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import kilter

from kilter.api import create_study, load_study
from kilter.cli import VERBS, dimensions, group
from kilter.cli.specification import Specification, named_after
from kilter.core.events import TrialState
from kilter.core.interfaces import Outcome
from kilter.core.limits import BOUNDS, SAYS, Limits, spoken
from kilter.core.numbers import Float
from kilter.core.options import Boolean, Choice
from kilter.core.simplex import Simplex
from kilter.core.subset import Subset

if TYPE_CHECKING:
    from click.testing import Result

TRAIN = """
import json, sys
lr, opt = float(sys.argv[1]), sys.argv[2]
if opt == "bad":
    sys.exit("cannot do bad")
print(json.dumps({"step": 1, "loss": lr + 1}))
print(json.dumps({"loss": lr, "size": 3}))
"""

SPACE = ["-p", "lr=log(1e-5,1e-1)", "-p", "opt={adam,sgd}", "-p", "amp=bool"]


@pytest.fixture(autouse=True)
def _program(_folder: None) -> None:
    Path("train.py").write_text(TRAIN)


def run(
    *words: str, n: int = 4, opt: str = "{adam,sgd}", program: tuple[str, ...] = ("train.py", "{lr}", "{opt}")
) -> Result:
    how = ["--minimize", "loss", "-n", str(n), "--progress", "none"]
    space = [word.replace("{adam,sgd}", opt) for word in SPACE]
    return kilter("run", *space, *how, *words, "--", sys.executable, *program)


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_study_from_the_first_run_to_its_removal() -> None:
    assert "loss" in ok(run())
    assert json.loads(ok(kilter("ls", "--json")))[0]["trials"] == 4
    status = json.loads(ok(kilter("status", "--json")))
    assert status["study"] == "train"
    assert status["states"]["COMPLETE"] == 4
    best = json.loads(ok(kilter("best", "--json")))
    trials = json.loads(ok(kilter("trials", "--json", "--sort", "value")))
    assert trials[0] == best
    assert [t["metrics"]["loss"] for t in trials] == sorted(t["metrics"]["loss"] for t in trials)
    assert json.loads(ok(kilter("trial", "0", "--json")))["reports"][0]["step"] == 1
    assert "4 of 4" in ok(kilter("status"))
    ok(kilter("rm", "train", "--yes"))
    assert json.loads(ok(kilter("ls", "--json"))) == []


def test_what_a_trial_printed_is_shown_in_the_end_as_a_terminal_would() -> None:
    program = "print('one\\r\\x1b[32mtwo\\x1b[0m'); print('bell \\a'); print(0.5)"
    ok(run(n=1, program=("-c", program)))
    assert ok(kilter("trial", "0", "--log")) == "two\nbell \\x07\n0.5\n"


def test_that_nothing_is_kept_of_what_a_trial_printed_is_said(tmp_path: Path) -> None:
    study = create_study(
        study_name="far", storage="sqlite:///kilter.db", space={"x": Float(0, 1)}, checkpoints=tmp_path / "far", seed=0
    )
    study.optimize(print_and_return, n_trials=1, progress="none")
    assert study.printed(0) == "0.5\n"
    assert ok(kilter("trial", "far", "0", "--log")) == "0.5\n"
    (tmp_path / "far").rename(tmp_path / "away")  # as on a machine that has not mounted it
    result = kilter("trial", "far", "0", "--log")
    assert ok(result) == ""
    assert "a folder that was given as checkpoints=" in result.stderr


def print_and_return(x: float) -> float:
    print(0.5)
    return x


def test_running_again_and_resume_go_on_to_the_total(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ok(run(n=2))
    ok(run(n=3))
    assert json.loads(ok(kilter("status", "--json")))["trials"] == 3
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    storage = f"sqlite:///{tmp_path}/kilter.db"
    document = json.loads(
        ok(kilter("resume", "train", "-n", "5", "--json", "--progress", "none", "--storage", storage))
    )
    assert document["trials"] == 5
    assert document["best"][0]["state"] == "COMPLETE"


def test_a_file_with_everything() -> None:
    Path("digits.toml").write_text(
        f"""
seed = 3
forbidden = [{{ model = "forest", amp = true }}]
[objective]
metric = "acc"
goal = "max"
constraints = ["ms <= 20"]
[budget]
trials = 6
jobs = 2
trial_timeout = "1m"
[command]
argv = [{sys.executable!r}, "-c", "import os; print('acc=' + os.environ['C'] + ' ms=5')"]
env = {{ C = "{{size}}" }}
[report]
acc = 'acc=(\\S+)'
ms = 'ms=(\\S+)'
[space]
size = {{ ordinal = [16, 32, 64] }}
depth = {{ int = [1, 9], step = 2, default = 3 }}
amp = {{ bool = true }}
model = {{ choice = ["svm", "forest"] }}
"svm.C" = {{ log = [1e-3, 1e3], when = "model == 'svm'" }}
[space.svm]
gamma = {{ float = [0, 1], step = 0.25, when = {{ model = "svm" }} }}
""".replace("[space.svm]\ngamma = ", '"svm.gamma" = ')
    )
    checked = json.loads(ok(kilter("check", "digits.toml", "--dry-run-trial", "--json")))
    assert checked["trial"]["metrics"]["ms"] == 5
    assert checked["params"]["depth"] == 3
    assert "argv" in checked
    assert not Path("kilter.db").exists()
    ok(kilter("run", "digits.toml", "--progress", "none", "--set", "budget.trials=5"))
    trials = json.loads(ok(kilter("trials", "digits", "--json")))
    assert len(trials) == 5
    for trial in trials:
        assert ("svm.C" in trial["params"]) == (trial["params"]["model"] == "svm")
        assert not (trial["params"]["model"] == "forest" and trial["params"]["amp"])


def test_best_in_every_format() -> None:
    ok(run())
    assert ok(kilter("trial", "0", "--why")).startswith("sobol: ")
    assert json.loads(ok(kilter("best", "--recommended", "--json")))["state"] == "COMPLETE"
    params = json.loads(ok(kilter("best", "--json")))["params"]
    assert json.loads(ok(kilter("best", "--format", "json"))) == params
    words = ok(kilter("best", "--format", "args")).split()
    assert float(words[words.index("--lr") + 1]) == params["lr"]
    assert ("--amp" in words) == params["amp"]
    assert f"KILTER_PARAM_OPT={params['opt']}" in ok(kilter("best", "--format", "env")).splitlines()
    assert f'opt = "{params["opt"]}"' in ok(kilter("best", "--format", "toml"))


@pytest.fixture
def _lists() -> None:
    """A study with values that are lists, one of them empty."""
    space = {"w": Simplex(2), "cols": Subset(["age", "sex"]), "on": Boolean()}
    study = create_study(study_name="t", storage="sqlite:///kilter.db", space=space)
    for first, cols, loss in [(0.3, ["age", "sex"], 2.0), (0.1, [], 1.0), (0.2, ["sex"], 3.0)]:
        study.enqueue_trial({"w": [first, 1 - first], "cols": cols, "on": True})
        study.tell(study.ask(), loss)


def test_a_study_whose_workers_were_at_odds_over_a_name_is_shown() -> None:
    study = create_study(study_name="t", storage="sqlite:///kilter.db", seed=0)
    first, second = study.ask(2)
    first.suggest("w", Simplex(3))
    had = second.suggest("w", Float(2, 5))
    study.tell(first, 1.0)
    study.tell(second, 0.5)
    for verb in ("ls", "status", "trials"):
        ok(kilter(verb))
    assert json.loads(ok(kilter("best", "--json")))["params"] == {"w": had}
    assert str(had) in ok(kilter("export"))


@pytest.mark.usefixtures("_lists")
def test_best_writes_a_list_as_the_arguments_of_trials_have_it() -> None:
    assert ok(kilter("best", "--format", "args")) == "--w 0.1,0.9 --cols= --on\n"
    assert ok(kilter("best", "--format", "env")).splitlines() == [
        "KILTER_PARAM_W=0.1,0.9",
        "KILTER_PARAM_COLS=''",
        "KILTER_PARAM_ON=true",
    ]


@pytest.mark.usefixtures("_lists")
@pytest.mark.parametrize(
    ("by", "expected"), [("w", [1, 2, 0]), ("-w", [0, 2, 1]), ("cols", [1, 0, 2]), ("-cols", [2, 0, 1])]
)
def test_trials_are_sorted_by_lists_item_by_item(by: str, expected: list[int]) -> None:
    assert [t["number"] for t in json.loads(ok(kilter("trials", "t", "--sort", by, "--json")))] == expected


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("subset(a,b,cnt=1)", "no setting of subset 'cnt': did you mean 'count'"),
        ("ordinal(0.1,1,defualt=1)", "no setting of ordinal 'defualt': did you mean 'default'"),
        ("float(0,1,stepp=0.1)", "no setting of float 'stepp': did you mean 'step'"),
        ("{0.1,1,default=1}", "for default=1 write choice(0.1,1,default=1)"),
        ("{0.1,1,defualt=1}", "no setting of choice 'defualt': did you mean 'default'"),
    ],
)
def test_a_setting_that_is_mistyped_is_no_option(form: str, said: str) -> None:
    result = kilter("run", "-p", f"x={form}", "--minimize", "y", "-n", "1", "--", "true")
    assert result.exit_code == group.USAGE
    assert said in result.stderr


def test_an_option_in_quotes_may_have_an_equals_sign() -> None:
    assert dimensions.parse("x={'a=1',--b=2}") == ("x", {"choice": ["a=1", "--b=2"]})
    assert dimensions.parse("x=choice('a=1',b,default='a=1')") == ("x", {"choice": ["a=1", "b"], "default": "a=1"})


def test_options_are_checked_before_what_failed_in_a_study_is_removed() -> None:
    run(opt="{bad}", n=2)
    for wrong in (["-j", "0"], ["--set", "command.cpus_per_trial=many"], ["--gain", "-1"]):
        refused = run("--minimize", "size", *wrong, opt="{bad}", n=2)
        assert refused.exit_code == group.USAGE, refused.stderr
        assert [t["state"] for t in json.loads(ok(kilter("trials", "--json")))] == ["FAIL", "FAIL"]


@pytest.mark.usefixtures("_lists")
def test_check_takes_the_only_study() -> None:
    assert "the log of 't' is whole" in ok(kilter("check"))
    assert json.loads(ok(kilter("check", "--json")))["study"] == "t"
    assert "name it" in kilter("check", "--dry-run-trial").stderr


def test_check_shows_values_and_not_their_parts() -> None:
    lines = ['w = "simplex(2,default=(0.25,0.75))"', 'cols = "subset(age,sex,default=(age))"', 'on = "bool"']
    command = f"[objective]\nminimize = 'y'\n[command]\nargv = [{sys.executable!r}, '{{w}}', '{{cols}}']\n[space]\n"
    Path("t.toml").write_text(command + "\n".join(lines))
    checked = ok(kilter("check", "t.toml"))
    assert "3 parameters" in checked
    assert "w=0.25,0.75  cols=age  on=" in checked
    params = json.loads(ok(kilter("check", "t.toml", "--json")))["params"]
    assert (params["w"], params["cols"]) == ([0.25, 0.75], ["age"])


@pytest.mark.parametrize(("key", "code"), [("acuracy", group.USAGE), ("accuracy", 0)])
def test_a_metric_that_is_mistyped_in_report_is_told(key: str, code: int) -> None:
    Path("t.toml").write_text(
        f"[objective]\nmaximize = 'accuracy'\n[command]\nargv = [{sys.executable!r}, '{{x}}']\n"
        f"[report]\n{key} = 'accuracy: (.*)'\nloss = 'loss=(.*)'\n[space]\nx = 'bool'\n"
    )
    checked = kilter("check", "t.toml")
    assert checked.exit_code == code
    assert ("[report] has 'acuracy'" in checked.stderr) == (code != 0)


def test_none_is_an_option_that_is_shown() -> None:
    study = create_study(
        study_name="t", storage="sqlite:///kilter.db", space={"x": Choice([None, "a"]), "y": Boolean().when(x=None)}
    )
    for config in ({"x": None, "y": True}, {"x": "a"}):
        study.enqueue_trial(config)
        study.tell(study.ask(), 1.0)
    rows = [line.split() for line in ok(kilter("trials", "--wide")).splitlines()]
    assert [row[3:-3] for row in rows[1:]] == [["None", "true"], ["a"]]
    assert "None" in ok(kilter("trial", "0"))
    assert "None" in ok(kilter("best"))


def test_best_says_which_one_to_take_and_what_it_will_score() -> None:
    study = create_study(study_name="t", storage="sqlite:///kilter.db", space={"x": Float(0, 1, default=0.9)})
    for x in (0.9, 0.5, 0.1, 0.15, 0.2):
        study.enqueue_trial({"x": x})
        trial = study.ask()
        scores = [x + 0.05 * math.sin(99 * (x + fold)) for fold in range(3)]
        for fold, score in enumerate(scores):
            trial.report(score, fold=fold)
        study.tell(trial, sum(scores) / 3)
    said = ok(kilter("best"))
    assert "to expect on new data: " in said
    assert "winner: trial 2 looked best, and nothing speaks against it, and it beats the default" in said
    exact = create_study(study_name="exact", storage="sqlite:///kilter.db", space={"x": Float(0, 1)})
    exact.tell(exact.ask(), 1.0)
    assert "winner: trial 0" in ok(kilter("best", "exact"))
    assert "new data" not in ok(kilter("best", "exact"))


def test_messages_speak_of_options_of_the_shell() -> None:
    ok(run("-s", "good one"))
    Path("train.py").write_text(TRAIN.replace("lr + 1", "lr + 2"))
    said = run("-s", "good one", n=6).stderr
    assert "choose another name with --study" in said
    assert "study_name" not in said
    ok(run("-s", "two", "--minimize", "size"))
    assert "kilter best shows the front" in kilter("trial", "two", "best").stderr


def test_commands_that_messages_name_are_of_the_storage_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getcwd()
    ok(run("--storage", "else.db"))
    Path("train.py").write_text(TRAIN.replace("lr + 1", "lr + 2"))
    assert f"kilter rm train --storage sqlite:///{here}/else.db" in run("--storage", "else.db").stderr
    assert (
        f"kilter trials train --storage sqlite:///{here}/else.db"
        in kilter("trial", "99", "--storage", "else.db").stderr
    )
    paused = kilter("pause", "--storage", "else.db").stderr
    assert f"kilter unpause train --storage sqlite:///{here}/else.db" in paused
    monkeypatch.setenv("KILTER_STORAGE", "else.db")
    assert "kilter unpause train lets" in kilter("pause").stderr
    monkeypatch.setenv("KILTER_STORAGE", "one.db")
    assert "kilter unpause train --storage" in kilter("pause", "--storage", "else.db").stderr


def test_a_run_without_success_says_where_the_traceback_is() -> None:
    assert "(kilter trial 'bad one' 1)" in run("-s", "bad one", opt="{bad}", n=2).stderr


def test_export_round_trip() -> None:
    ok(run(opt="{=1+1,adam}"))
    documents = json.loads(ok(kilter("trials", "--json")))
    lines = [json.loads(line) for line in ok(kilter("export", "--format", "jsonl")).splitlines()]
    assert [line["params"] for line in lines] == [d["params"] for d in documents]
    rows = list(csv.DictReader(io.StringIO(ok(kilter("export")))))
    for row, document in zip(rows, documents):
        assert float(row["params.lr"]) == document["params"]["lr"]
        assert float(row["metrics.loss"]) == document["metrics"]["loss"]
        assert row["params.opt"] in ("'=1+1", "adam")
    parquet = pytest.importorskip("pyarrow.parquet")
    ok(kilter("export", "-o", "out.parquet"))
    table = parquet.read_table("out.parquet").to_pydict()
    assert table["params.opt"] == [d["params"]["opt"] for d in documents]


def test_studies_go_to_optuna_and_come_back() -> None:
    pytest.importorskip("optuna", reason="needs Optuna: pip install '.[optuna]'")
    ok(run())
    ok(kilter("export", "train", "-o", "sqlite:///optuna.db"))
    assert "4 trials of 'train'" in kilter("import", "optuna.db", "--storage", "sqlite:///back.db").stderr
    there, back = (json.loads(ok(kilter("trials", "--json", *to))) for to in ((), ("--storage", "sqlite:///back.db")))
    assert [(t["params"], t["metrics"]["loss"]) for t in back] == [(t["params"], t["metrics"]["loss"]) for t in there]
    again = kilter("import", "optuna.db", "train")
    assert again.exit_code == 2
    assert "already, perhaps from an earlier import" in again.stderr
    ok(run("-s", "other", n=1))
    ok(kilter("export", "other", "-o", "sqlite:///optuna.db"))
    several = kilter("import", "optuna.db", "--storage", "sqlite:///back.db")
    assert several.exit_code == 3
    assert "other" in several.stderr
    assert "train" in several.stderr
    every = kilter("import", "sqlite:///optuna.db", "--all", "--storage", "sqlite:///back.db")
    assert "'train' is in sqlite:///back.db already" in every.stderr
    assert {row["study"] for row in json.loads(ok(kilter("ls", "--json", "--storage", "sqlite:///back.db")))} == {
        "train",
        "other",
    }


def test_enqueue_takes_scalars_and_labels() -> None:
    ok(run())
    queued = kilter("enqueue", "train", "lr=0.01", "opt=sgd", "amp=true")
    assert ok(queued) == "trial 4\n" and "kilter resume train" in queued.stderr
    waiting = json.loads(ok(kilter("trials", "--state", "waiting", "--json")))
    assert waiting[0]["params"] == {"lr": 0.01, "opt": "sgd", "amp": True}
    ok(kilter("resume", "-n", "5", "--progress", "none"))
    assert json.loads(ok(kilter("trial", "4", "--json")))["metrics"]["loss"] == 0.01


def test_tables_fit_and_say_what_they_leave_out() -> None:
    ok(run(n=5))
    result = kilter("trials", "--limit", "3", env={"COLUMNS": "40"})
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 40
    assert "the last 3 of 5 trials" in result.stderr
    assert "no room for" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["statsu"], 2, "did you mean 'status'"),
        (["status", "trian"], 3, "did you mean 'train'"),
        (["trial", "99"], 3, "(kilter trials "),
        (["best", "--storage", "sqlite:///nope.db"], 5, "no file nope.db"),
        (["enqueue", "train", "opt=foo"], 2, "not one of"),
        (["enqueue", "train", "opr=sgd"], 2, "did you mean 'opt'"),
        (["trials", "--sort", "losss"], 2, "did you mean 'loss'"),
        (["run", "nope.toml"], 2, "cannot read nope.toml"),
        (["run", "-p", "x=flaot(0,1)", "--minimize", "y", "-n", "1", "--", "true"], 2, "did you mean 'float'"),
        (["run", "-p", "x=float(0,1)", "--minimize", "y", "-n", "0", "--", "true"], 2, "give 1 or more"),
        (["run", "--n-jobs", "2", "-n", "1", "--", "true"], 2, "it is called --workers"),
        (["run", "-p", "x={(0,1]}", "--minimize", "y", "-n", "1", "--", "true"], 2, "has no partner"),
        (["run", "-p", "x=float(0,1)", "--minimize", "y", "--", "true", '{"x": {x}}'], 2, "double a brace"),
        (["trial", "worst"], 2, "give a number or best"),
        (["run", "-p", "x=float(0,1)", "-n", "1", "--", "true"], 2, "--minimize"),
        (["run", "-p", "x=float(0,1)", "--minimize", "y", "-n", "1"], 2, "no command"),
        (["run", "-p", "x=float(0,1)", "--minimize", "y", "-n", "1", "--", "nosuchprogram"], 2, "cannot be run"),
        (["run", "-p", "x=float(0,1)", "--minimize", "y", "-n", "1", "--", "true", "{y}"], 2, "no placeholder 'y'"),
        (["run", "-n", "12"], 2, "kilter resume STUDY"),
        (["--storage", "sqlite:///kilter.db", "ls"], 2, "stand after it: kilter ls --storage"),
        (["export", "-o", "trials.xlsx"], 2, "name the file .csv, .json"),
        (["run", "-p", "x=bool", "-p", "x=int(1,2)", "--minimize", "y", "--", "true"], 2, "'x' is given twice"),
        (["run", "-p", "x={'a,b}", "--minimize", "y", "--", "true"], 2, "the quote ' in"),
        (["run", "-p", 'x={a,"b}', "--minimize", "y", "--", "true"], 2, "has no partner"),
        (["run", "train.py", "{lr}"], 2, "put the program after --"),
        (["rm", "train"], 2, "--yes"),
        (["import", "nope.db"], 5, "no file nope.db"),
        (["import", "kilter.db"], 5, "cannot be used as a storage of Optuna's"),
        (["import", "nope.db", "train", "--all"], 2, "--all takes every study"),
        (["export", "--format", "optuna"], 2, "give the URL"),
        (["export", "-o", "sqlite:///kilter.db"], 5, "choose another file"),
    ],
)
def test_errors_are_one_line_with_a_code(words: list[str], code: int, said: str) -> None:
    ok(run(n=1))
    result = kilter(*words)
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert said in result.stderr
    assert sum(line.startswith("error: ") or "error: " in line for line in result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    if words[0] != "rm":
        assert len(result.stderr.splitlines()) == 1


def test_no_verb_shows_what_a_terminal_obeys() -> None:
    from kilter import Choice, create_study

    hostile = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
    space = {f"x{hostile}": Choice([f"a{hostile}", "b"])}
    study = create_study(
        study_name=f"s{hostile}", storage="sqlite:///kilter.db", space=space, directions={f"m{hostile}": "minimize"}
    )
    trial = study.ask()
    trial.report({f"m{hostile}": 1.0}, 0)
    trial.set_user_attr(f"k{hostile}", hostile)
    study.tell(trial, 1.0)

    def broken(trial: object) -> float:
        raise RuntimeError(f"{hostile}\nsecond line {hostile}")

    study.optimize(broken, n_trials=1, progress="none")
    verbs = [["ls"], ["status"], ["best"], ["trials"], ["trial", "0"], ["trial", "1"], ["trial", "1", "--why"]]
    for words in [*verbs, *([*words, "--json"] for words in verbs), ["status", "no such"], ["trial", "7"]]:
        result = kilter(*words)
        shown = result.stdout + result.stderr
        assert shown and all(c.isprintable() or c in "\n" for c in shown), words
        if "--json" in words and "--why" not in words:
            json.loads(result.stdout)


def test_what_a_newcomer_guesses_works() -> None:
    ok(run(n=6))
    trials = json.loads(ok(kilter("trials", "--json")))
    best = min(trials, key=lambda trial: trial["metrics"]["loss"])
    assert json.loads(ok(kilter("trial", "best", "--json")))["number"] == best["number"]
    assert json.loads(ok(kilter("trial", "train", "best", "--json")))["number"] == best["number"]
    falling = json.loads(ok(kilter("trials", "--sort", "-loss", "--json")))
    assert falling == sorted(trials, key=lambda trial: -trial["metrics"]["loss"])
    assert [t["number"] for t in json.loads(ok(kilter("trials", "--sort", "-number", "--json")))] == [5, 4, 3, 2, 1, 0]
    names = [t["params"]["opt"] for t in json.loads(ok(kilter("trials", "--sort", "-opt", "--json")))]
    assert names == sorted(names, reverse=True)
    assert ok(kilter("enqueue", "-p", "lr=0.01", "-p", "opt=sgd")) == "trial 6\n"
    exported = json.loads(ok(kilter("export", "--format", "json")))
    assert [trial["params"] for trial in exported[:6]] == [trial["params"] for trial in trials]
    ok(kilter("export", "-o", "all.json"))
    assert json.loads(Path("all.json").read_text()) == exported
    assert "6 of 6: 6 complete, 1 waiting" in ok(kilter("status"))


def test_failed_trials_are_called_failed() -> None:
    run(opt="{bad}", n=2)
    assert "2 failed" in ok(kilter("status"))
    for word in ("failed", "FAIL"):
        assert len(json.loads(ok(kilter("trials", "--state", word, "--json")))) == 2
    assert "failed" in ok(kilter("trial", "1"))


PRINTS_ONE = [sys.executable, "-c", "import sys; print(1)", "{l}"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("[64,32],[128]", ["[64,32]", "[128]"]),
        ("(1,2),(3,4)", ["(1,2)", "(3,4)"]),
        ("'a,b',c", ["a,b", "c"]),
        ("don't,b", ["don't", "b"]),
        ("{x:[1,2]},[{y}]", ["{x:[1,2]}", "[{y}]"]),
    ],
)
def test_brackets_and_quotes_keep_an_option_together(options: str, expected: list[str]) -> None:
    few = ("--minimize", "loss", "-n", "2", "--progress", "none", "--", *PRINTS_ONE)
    ok(kilter("run", "-p", f"l={{{options}}}", *few))
    assert sorted(t["params"]["l"] for t in json.loads(ok(kilter("trials", "--json")))) == sorted(expected)


def test_a_parameter_that_the_command_leaves_out_is_told() -> None:
    said = run(program=("train.py", "{lr}", "adam")).stderr
    assert "the command has no {opt} {amp}; the program finds it in $KILTER_PARAM_OPT, $KILTER_PARAM_AMP alone" in said
    assert "warning" not in run("-s", "all", program=("train.py", "{lr}", "{opt}", "{amp:flag}")).stderr
    assert "warning" not in run("-s", "file", program=("train.py", "1", "adam", "{file:json}")).stderr


def test_without_a_limit_a_run_ends_where_nothing_is_left_or_with_ctrl_c() -> None:
    result = kilter("run", "-p", "l={1,2,3}", "--minimize", "loss", "--progress", "none", "--", *PRINTS_ONE)
    assert result.exit_code == 0
    assert "until Ctrl-C" in result.stderr
    assert len(json.loads(ok(kilter("trials", "--json")))) == 3


def test_a_file_in_few_words() -> None:
    command = f"{sys.executable} train.py {{lr}} {{opt}}"
    Path("few.toml").write_text(
        f'command = "{command}"\nscheduler = "median"\nobjective.minimize="loss"\n[budget]\nn_trials=2\nworkers=1\n'
        '[space]\nlr = "log(1e-5, 1e-1)"\nopt = ["adam", "sgd"]\n'
    )
    ok(kilter("run", "few.toml", "--progress", "none", "--set", "budget.trials=3"))
    trials = json.loads(ok(kilter("trials", "few", "--json")))
    assert len(trials) == 3
    assert {trial["params"]["opt"] for trial in trials} <= {"adam", "sgd"}
    Path("range.toml").write_text(Path("few.toml").read_text().replace('["adam", "sgd"]', "[1, 5]"))
    assert "may be a range or two options" in kilter("run", "range.toml").stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"budget": {"trials": 5, "time": "1m", "jobs": 2}},
            {"budget": {"n_trials": 5, "timeout": "1m", "workers": 2}},
        ),
        ({"prune": {"method": "asha", "eta": 4}}, {"scheduler": {"name": "asha", "eta": 4}}),
    ],
)
def test_documents_of_earlier_runs_are_read(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = Specification.of(old), Specification.of(new)
    assert before == after
    assert (before.limits, before.workers, before.plugin("scheduler")) == (
        after.limits,
        after.workers,
        after.plugin("scheduler"),
    )
    with pytest.raises(ValueError, match="mean the same"):
        Specification.of({key: {**old.get(key, {}), **new.get(key, {})} for key in {*old, *new}})


def test_a_budget_that_is_spent_is_told() -> None:
    ok(run("--fidelity", "epochs=1,9", "--scheduler", "hyperband", n=8, program=("-c", "print({lr} + 1 / {epochs})")))
    study = load_study(storage="sqlite:///kilter.db")
    spent = sum(trial.budget["epochs"] for trial in study.trials)
    said = ok(kilter("status"))
    assert f"{spent} epochs; full trials would take 72" in said
    assert "better trials went on; these wait" in said


def test_debug_shows_the_traceback() -> None:
    ok(run(n=1))
    assert "Traceback" in kilter("status", "nope", "--debug").stderr


def test_no_success_and_no_target_have_codes_of_their_own() -> None:
    assert run(opt="{bad}", n=2).exit_code == 4
    assert kilter("best").exit_code == 4
    assert "cannot do bad" in ok(kilter("trial", "0"))
    result = run("-s", "other", "--target", "-1", "--strict")
    assert result.exit_code == 6
    assert "was not reached" in result.stderr


def test_rm_asks() -> None:
    ok(run(n=1))
    ok(kilter("rm", "train", input="n\n"))
    assert "train" in ok(kilter("ls"))
    ok(kilter("rm", "train", input="y\n"))
    assert "train" not in ok(kilter("ls"))
    assert "no studies yet" in kilter("best").stderr


def test_the_help_needs_no_numpy_and_every_verb_has_one() -> None:
    code = "import sys, kilter.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    for verb in VERBS:
        assert "Usage: kilter" in ok(kilter(verb, "--help"))


def test_paused_trials_are_listed_and_counted() -> None:
    study = create_study(storage="sqlite:///kilter.db", study_name="train", space={"x": Float(0, 1)})
    for state in (TrialState.PAUSED, TrialState.COMPLETE):
        study._session.end(Outcome(study.ask().number, 1, state, {"value": 0.5}))
    study.close()
    assert "2: 1 complete, 1 paused" in ok(kilter("status"))
    assert json.loads(ok(kilter("status", "--json")))["states"]["PAUSED"] == 1
    assert "paused" in ok(kilter("trials"))
    (shown,) = json.loads(ok(kilter("trials", "--state", "paused", "--json")))
    assert (shown["number"], shown["state"]) == (0, "PAUSED")
    assert ok(kilter("trial", "0")).startswith("trial 0: paused")
    assert "train" in ok(kilter("ls"))


def test_steps_and_gain_are_limits() -> None:
    ok(run("--steps", "3", n=50))  # each trial reports one
    assert json.loads(ok(kilter("status", "--json")))["trials"] == 3
    ok(kilter("resume", "--gain", "0.5", "--steps", "4"))
    budget = load_study(storage="sqlite:///kilter.db").user_attrs["run"]["budget"]
    assert (budget["gain"], budget["steps"]) == (0.5, 4)
    assert Specification.of({"budget": budget}).limits == Limits(trials=50, steps=4, gain=0.5, unusable=2)


def test_a_program_takes_a_budget() -> None:
    script = "print({lr} + 1 / {epochs})"
    budgeted = ("--fidelity", "epochs=1,9", "--scheduler", "hyperband")
    ok(run(*budgeted, n=8, program=("-c", script)))
    trials = load_study(storage="sqlite:///kilter.db").trials
    assert {trial.budget["epochs"] for trial in trials} <= {1, 3, 9}
    assert {trial.state.name for trial in trials} == {"COMPLETE", "PAUSED"}
    assert "budget" in ok(kilter("trial", "0"))
    Path("sweep.toml").write_text(
        'space.lr = "float(0,1)"\nobjective.minimize = ["loss"]\nbudget.trials = 1\nfidelity.epochs = [1, 9]\n'
        f'command.argv = [{sys.executable!r}, "-c", {script!r}]\n'
    )
    assert "+ 1 / 9" in ok(kilter("check", "sweep.toml"))
    assert "must read like [1, 81]" in run("--fidelity", "epochs=many").stderr


@pytest.mark.story
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("sent", "code"), [([signal.SIGINT], 130), ([signal.SIGINT] * 2, 130), ([signal.SIGTERM], 143)]
)
def test_interrupted_runs_keep_their_state(sent: list[signal.Signals], code: int) -> None:
    words = ["run", *SPACE, "--minimize", "loss", "-n", "50", "--progress", "none", "--"]
    slow = "import time; time.sleep(1); print(1)"
    process = subprocess.Popen(
        [sys.executable, "-m", "kilter.cli", *words, sys.executable, "-c", slow], start_new_session=True
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            result = kilter("status", "--json")
            if result.exit_code == 0 and json.loads(result.stdout)["running"]:
                break
            time.sleep(0.1)
        for number in sent:
            process.send_signal(number)
            time.sleep(0.1)
        assert process.wait(20) == code
    finally:
        process.kill()
        process.wait()
    assert json.loads(ok(kilter("status", "--json")))["states"]["RUNNING"] == 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_who_stops_a_run_is_told_so_also_where_its_time_is_up_first() -> None:
    script = f"kill -INT {os.getpid()}; exec sleep 60"
    how = ["--minimize", "loss", "-t", "2s", "--progress", "none"]
    result = kilter("run", *SPACE, *how, "-s", "a", "--", "sh", "-c", script)
    assert result.exit_code == group.INTERRUPTED
    assert "stopped; everything so far is saved: kilter resume a" in result.stderr
    assert json.loads(ok(kilter("status", "a", "--json")))["states"]["WAITING"] == 1


class TestAnotherProgram:
    def test_a_program_that_was_edited_is_another_study(self, caplog: pytest.LogCaptureFixture) -> None:
        ok(run("-s", "a"))
        Path("train.py").write_text(TRAIN.replace("lr + 1", "lr + 2") + "# a comment\n")
        refused = run("-s", "a", n=6)
        assert refused.exit_code == group.USAGE
        assert "the code of train.py, which it uses, has changed" in refused.stderr
        assert "--if-changed continue" in refused.stderr
        caplog.clear()
        ok(run("-s", "a", "--if-changed", "continue", n=6))
        assert caplog.text.count("goes on with the results of another objective") == 1
        assert len(load_study(study_name="a").trials) == 6

    def test_only_comments_go_on(self) -> None:
        ok(run("-s", "a"))
        Path("train.py").write_text("# a comment\n" + TRAIN)
        ok(run("-s", "a", n=6))

    def test_another_command_line_can_be_a_study_of_its_own(self) -> None:
        ok(run("-s", "a"))
        ok(run("-s", "a", "--if-changed", "new", program=("train.py", "{lr}", "adam")))
        assert {study.study_name for study in map(load_named, ("a", "a-2"))} == {"a", "a-2"}

    def test_resume_looks_too(self) -> None:
        ok(run("-s", "a"))
        Path("train.py").write_text(TRAIN.replace("lr + 1", "lr + 2"))
        assert "has changed" in kilter("resume", "a", "-n", "6").stderr
        ok(kilter("resume", "a", "-n", "6", "--if-changed", "continue"))


def load_named(name: str) -> Any:
    return load_study(study_name=name)


class TestRetry:
    def test_failed_trials_run_again(self) -> None:
        kilter(
            *("run", "-p", "opt={adam,bad}", "-p", "lr=float(0,1)", "--minimize", "loss", "-n", "6", "-s", "a"),
            *("--progress", "none", "--sampler", "random", "--", sys.executable, "train.py", "{lr}", "{opt}"),
        )
        failed = [t.number for t in load_named("a").trials if t.state is TrialState.FAIL]
        assert failed
        assert f"{len(failed)} queued again: trial 6" in ok(kilter("retry", "a", "--failed"))
        assert ok(kilter("retry", "a", "--failed")) == "no trial has failed\n"
        Path("train.py").write_text(TRAIN.replace('if opt == "bad"', 'if opt == "worse"'))
        ok(kilter("resume", "a", "--if-changed", "continue"))
        assert sum(t.state is TrialState.COMPLETE for t in load_named("a").trials) == 6

    def test_what_is_no_trial_is_refused(self) -> None:
        ok(run("-s", "a"))
        assert "has not failed, it is COMPLETE" in kilter("retry", "a", "0").stderr
        assert kilter("retry", "a").exit_code == group.USAGE
        assert "not the number of a trial" in kilter("retry", "a", "0", "x").stderr


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["python", "-c", "print(1.0)"], "python"),
        (["python3", "-u", "train.py", "-c", "config"], "train"),
        (["bash", "-c", "./a.sh | tail"], "bash"),
        (["./fit.sh", "-e", "5"], "fit"),
    ],
)
def test_a_study_is_named_after_its_program_and_not_after_code(argv: list[str], name: str) -> None:
    assert named_after(argv) == name


def test_each_limit_is_an_option_and_a_key_that_say_what_it_says() -> None:
    page = " ".join(ok(kilter("run", "--help")).split())
    for name in BOUNDS:
        assert f"--{spoken(name).replace('_', '-')}" in page
        assert " ".join(SAYS[name].split()[1:]) in page
        given = "3s" if name in ("seconds", "cost") else 3
        assert getattr(Specification.of({"budget": {spoken(name): given}}).limits, name) == 3
