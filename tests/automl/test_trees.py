"""A text of trees is LightGBM's own, or is refused before LightGBM reads it: what it reads could end the process."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kilter.automl.members import member
from kilter.automl.members.lightgbm import Trees
from kilter.automl.state import State
from kilter.automl.testing import TASKS, rows
from kilter.core.errors import InvalidInput

DRIVER = """
import json, sys
import numpy as np
from kilter.automl.members.lightgbm import LightGBM
from kilter.automl.members.member import Matrix
from kilter.automl.state import State
from kilter.core.errors import KilterError

rows = np.random.default_rng(0).normal(size=(50, 5))
rows[:, 3] = np.arange(50) % 6
for number, (text, values) in enumerate(json.load(open(sys.argv[1]))):
    print(number, flush=True)
    try:
        fitted = LightGBM().load(State(values, texts={"trees": text}))
    except KilterError:
        continue
    print("read", flush=True)
    assert np.isfinite(fitted.predict(Matrix(rows))).all()
print("whole")
"""
INSTEAD = (
    "0",
    "1",
    "-1",
    "2",
    "3",
    "-9",
    "99",
    "1000000000",
    "-2000000000",
    "4294967296",
    "9e999",
    "nan",
    "inf",
    "00",
    "+",
)
BOOSTER = member("lightgbm")


def fitted(kind: str) -> Trees:
    """Of a few rounds, with a column of levels that tells something."""
    data = rows(TASKS[kind], 200, 0)
    matrix = replace(data.matrix, values=np.array(data.matrix.values[:, :5]), categorical=(3,))
    matrix.values[:, 3] = np.arange(200) % 6
    y = np.where(np.isin(matrix.values[:, 3], (1, 4)), data.y.max(), data.y)
    train = replace(data, matrix=matrix, y=y)
    found = BOOSTER.fit({"num_leaves": 6}, train, train, TASKS[kind], 0, iter([1, 1, 1, 0]).__next__)
    assert isinstance(found, Trees)
    assert "num_cat=1" in found.text
    return found


@pytest.fixture(scope="module")
def models() -> dict[str, Trees]:
    return {kind: fitted(kind) for kind in TASKS}


def with_its_sizes(text: str) -> str:
    """Lengths of blocks as they are: whoever changes a text can do that, too."""
    blocks = re.findall(r"(?s)Tree=.*?(?=Tree=|end of trees)", text)
    return re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(str(len(block)) for block in blocks), text, count=1)


def changed(text: str, by: random.Random) -> str:
    """One number, line or part of it is another one."""
    lines = text[: text.index("feature_importances")].splitlines()
    place = by.randrange(len(lines))
    way = by.randrange(8)
    if way == 0:
        lines[place : place + 1] = by.choice(([], [lines[place]] * 2, [lines[place], by.choice(lines)]))
    elif way == 1:
        lines[place] = lines[place][: by.randrange(len(lines[place]) + 1)]
    elif way == 2:
        other = by.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    elif "=" in lines[place]:
        name, _, numbers = lines[place].partition("=")
        each = numbers.split(" ")
        each[by.randrange(len(each))] = by.choice(INSTEAD)
        lines[place] = f"{name}={' '.join(each)}"
    whole = "\n".join(lines) + "\n" + text[text.index("feature_importances") :]
    return by.choice((whole, with_its_sizes(whole), with_its_sizes(whole), re.sub("tree_sizes=.*\n", "", whole)))


def test_no_changed_text_ends_the_process(models: dict[str, Trees], tmp_path: Path) -> None:
    by, cases = random.Random(0), []
    for model in models.values():
        values = dict(model.state().values)
        cases += [(model.text, values)] + [(changed(model.text, by), values) for _ in range(120)]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "cases.json")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-20:] + done.stderr[-500:]
    assert done.stdout.endswith("whole\n")
    assert done.stdout.count("read") >= len(models)


@pytest.mark.parametrize(
    ("line", "becomes", "why"),
    [
        (r"left_child=\S+", "left_child=1000000000", "a child is out of bounds"),
        (r"left_child=\S+", "left_child=-2000000000", "a child is out of bounds"),
        (r"left_child=\S+", "left_child=0", "a child is out of bounds"),
        (r"right_child=\S+", "right_child=-1", "a child is below two splits"),
        (r"split_feature=\d+", "split_feature=900000000", "split_feature is beyond 5 features"),
        (r"decision_type=\d+", "decision_type=255", "decision_type is no kind"),
        (r"cat_boundaries=0 \d+", "cat_boundaries=0 900", "cat_threshold has more or less"),
        (r"cat_boundaries=0", "cat_boundaries=3", "cat_boundaries do not grow"),
        (r"num_leaves=\d+", "num_leaves=200000000", "200000000 leaves"),
        (r"leaf_value=\S+", "leaf_value=9e999", "leaf_value is not finite"),
        (r"leaf_value=\S+ ", "leaf_value=", "leaf_value has more or less"),
        (r"is_linear=0", "is_linear=1", "tree 0 has other lines"),
        (r"max_feature_idx=\d+", "max_feature_idx=2000000000", "(names|first lines)"),
        (r"tree_sizes=.*\n", "", "the first lines are not"),
        (r"objective=.*", "objective=lambdarank", "the objective is 'lambdarank'"),
        (r"feature_names=\w+", "feature_names=Column_0\0", "the first lines are not"),
        (r"\[data: ", "[data: \0", "what comes after the trees"),
    ],
)
def test_what_is_wrong_is_said(models: dict[str, Trees], line: str, becomes: str, why: str) -> None:
    model = models["binary"]
    text = with_its_sizes(re.sub(line, becomes, model.text, count=1))
    assert text != model.text
    with pytest.raises(InvalidInput, match=why):
        BOOSTER.load(State(model.state().values, texts={"trees": text}))


def test_gaps_alone_may_go_one_way() -> None:
    data = rows(TASKS["regression"], 200, 0)
    values = np.zeros((200, 2))
    values[::2, 0] = np.nan
    train = replace(data, matrix=replace(data.matrix, values=values, categorical=()), y=np.arange(200.0) % 2)
    model = BOOSTER.fit({}, train, train, TASKS["regression"], 0, iter([1, 0]).__next__)
    assert "threshold=inf" in model.state().texts["trees"]
    assert BOOSTER.load(model.state()) == model


@pytest.mark.parametrize("rounds", [0, -1, 10**12, "4", None])
def test_rounds_are_those_of_the_trees(models: dict[str, Trees], rounds: object) -> None:
    model = models["multiclass"]
    with pytest.raises(InvalidInput, match="12 trees for"):
        BOOSTER.load(State({**model.state().values, "rounds": rounds}, texts={"trees": model.text}))
