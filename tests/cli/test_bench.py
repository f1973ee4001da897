"""kilter bench, as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kilter.bench import PROBLEMS, read_runs
from kilter.cli import main

MODULE = """
import kilter

def loss(x: kilter.Float(-1, 1), flag: bool = False):
    return x * x + flag

def acc(lr, opt):
    return {"acc": -lr, "ms": 1.0}

def broken(lr):
    raise ValueError("no device")
"""
PROGRAM = """
import sys
print("loss", sys.argv[1], file=sys.stderr)
print(float(sys.argv[1]) ** 2)
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("KILTER_STORAGE", "KILTER_DEBUG", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    Path("mine_to_bench.py").write_text(MODULE)
    Path("square.py").write_text(PROGRAM)
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop("mine_to_bench", None)


def bench(*words: str, **extra: Any) -> Result:
    return CliRunner().invoke(main, ["bench", *words], **extra)


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


RUN = ["run", "--samplers", "random,evolution", "--seeds", "0,2-3", "-n", "12"]


def test_run_goes_on_and_score_reads_what_it_wrote() -> None:
    first = ok(bench(*RUN, "--problems", "bran*g,sphere-4", "--progress", "none"))
    assert first.splitlines()[0].split()[:2] == ["sampler", "regret@12"]
    runs = read_runs("race.jsonl")
    assert {run.problem for run in runs} == {"branin+failing", "sphere-4"}
    assert sorted({run.seed for run in runs}) == [0, 2, 3]
    again = bench(*RUN, "--problems", "bran*g,sphere-4")
    assert ok(again) == first
    assert read_runs("race.jsonl") == runs
    table = json.loads(ok(bench("score", "race.jsonl", "--at", "6,12", "--json")))
    assert table["checkpoints"] == [6, 12]
    assert {row["sampler"] for row in table["rows"]} == {"random", "evolution"}
    one = json.loads(ok(bench("score", "race.jsonl", "--samplers", "random", "--json")))
    assert [row["sampler"] for row in one["rows"]] == ["random"]
    assert "did you mean 'random'" in bench("score", "race.jsonl", "--samplers", "randm").stderr
    shown = bench("score", "race.jsonl", env={"COLUMNS": "40"})
    assert max(map(len, ok(shown).splitlines())) <= 40
    assert "wins" in shown.stdout
    assert "no room for" in shown.stderr


def test_list_names_every_problem() -> None:
    rows = json.loads(ok(bench("list", "--json")))
    assert [row["problem"] for row in rows] == list(PROBLEMS)
    assert "hartmann-6+noisy" in ok(bench("list"))


def test_a_python_objective_by_annotations_or_by_options() -> None:
    assert "mine_to_bench:loss" in bench(*RUN, "--objective", "mine_to_bench:loss").stderr
    words = ["-p", "lr=log(1e-3,1)", "-p", "opt={a,b}", "--maximize", "acc", "-o", "acc.jsonl", "-j", "2"]
    ok(bench(*RUN, "--objective", "mine_to_bench:acc", *words))
    assert read_runs("acc.jsonl")[0].objectives == [["acc", "maximize"]]


def test_an_objective_that_always_fails_is_an_error_with_its_reason() -> None:
    result = bench(*RUN, "--objective", "mine_to_bench:broken", "-p", "lr=float(0,1)")
    assert result.exit_code == 4
    assert "ValueError: no device" in result.stderr


def test_a_program_by_its_file_and_a_forest_on_its_study() -> None:
    pytest.importorskip("sklearn")
    Path("square.toml").write_text(
        f"""
[objective]
minimize = "loss"
[budget]
trials = 10
[command]
argv = [{sys.executable!r}, "-S", "square.py", "{{x}}"]
[space]
x = {{ float = [-1, 1] }}
"""
    )
    ok(bench("run", "square.toml", "--samplers", "random", "--seeds", "0", "-n", "3"))
    (run,) = read_runs("race.jsonl")
    assert run.problem == "square"
    assert all(0 <= values[0] <= 1 for values in run.values)
    tuned = CliRunner().invoke(main, ["run", "square.toml", "--sampler", "random", "--progress", "none"])
    assert tuned.exit_code == 0, tuned.stderr
    ok(bench(*RUN, "--study", "square", "-o", "forest.jsonl"))
    assert {each.problem for each in read_runs("forest.jsonl")} == {"square+surrogate"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["rnu"], 2, "did you mean 'run'"),
        (["run"], 2, "nothing to race on"),
        (["run", "--problems", "brannin"], 2, "did you mean 'branin'"),
        (["run", "--problems", "branin", "--samplers", "randm"], 2, "did you mean 'random'"),
        (["run", "--problems", "branin", "--seeds", "4-0"], 2, "0-4 or 1,3,8"),
        (["run", "--problems", "branin", "-n", "0"], 2, "range x>=1"),
        (["run", "--objective", "mine"], 2, "MODULE:NAME"),
        (["run", "--objective", "mine:loss"], 2, "no module 'mine'"),
        (["run", "--objective", "mine_to_bench:los"], 2, "did you mean 'loss'"),
        (["run", "--objective", "mine_to_bench:acc"], 2, "--param"),
        (["run", "--minimize", "loss"], 2, "name one"),
        (["run", "--study", "nope"], 5, "no file kilter.db"),
        (["run", "nope.toml"], 2, "cannot read nope.toml"),
        (["score", "nope.jsonl"], 5, "cannot read nope.jsonl"),
        (["score", "square.py"], 2, "is not a run"),
        (["score", "square.py", "--at", "x"], 2, "is not a run"),
    ],
)
def test_errors_are_one_line_with_a_code(words: list[str], code: int, said: str) -> None:
    result = bench(*words)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
