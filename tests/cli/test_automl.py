"""A table becomes a model, and predictions, from the shell."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import kilter, ok

from kilter.automl import load
from kilter.cli import tables

ROWS = 120
CHANCE = np.random.default_rng(0)
SIZE = CHANCE.normal(size=ROWS)
FRAME = pd.DataFrame(
    {
        "size": SIZE.round(3),
        "town": CHANCE.choice(["Bern", "Ulm"], ROWS),
        "house": np.repeat(np.arange(ROWS // 2), 2),
        "counts": 1 + np.arange(ROWS) % 3,
        "sold": np.where(SIZE > 0, "yes", "no"),
        "price": (3 * SIZE + CHANCE.normal(size=ROWS)).round(3),
    }
)
QUICK = ("-n", "1", "--member", "linear")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a model of it, and its report."""
    folder = tmp_path_factory.mktemp("automl")
    FRAME.to_csv(folder / "train.csv", index=False, sep=";")
    model = str(folder / "model.zip")
    said = ok("automl", str(folder / "train.csv"), "--target", "sold", "--drop", "price", "-o", model, *QUICK)
    assert "sold is one of 2 classes" in said and "roc_auc" in said and "model.html" in said
    return folder


def test_a_model_and_its_report_lie_where_they_are_wanted(made: Path) -> None:
    assert load(made / "model.zip").leaderboard()["weight"].sum() == pytest.approx(1)
    assert "A model of sold" in (made / "model.html").read_text(encoding="utf-8")


def test_predictions_come_in_the_order_of_rows_with_what_is_kept(made: Path) -> None:
    FRAME[::-1].drop(columns="sold").to_csv("new.csv", index=False)
    printed = kilter("predict", str(made / "model.zip"), "new.csv", "--proba", "--keep", "house").stdout
    Path("said.csv").write_text(printed, encoding="utf-8")
    said = pd.read_csv("said.csv")
    assert said.columns.tolist() == ["house", "prediction", "probability_no", "probability_yes"]
    model = load(made / "model.zip")
    assert said["prediction"].tolist() == model.predict(FRAME[::-1]).tolist()
    assert said["house"].tolist() == FRAME["house"][::-1].tolist()
    np.testing.assert_allclose(said[["probability_no", "probability_yes"]], model.predict_proba(FRAME[::-1]))
    assert "120 predictions in p.parquet" in ok("predict", str(made / "model.zip"), "new.csv", "-o", "p.parquet")
    assert pd.read_parquet("p.parquet")["prediction"].tolist() == said["prediction"].tolist()


def test_numbers_are_predicted_with_groups_weights_and_kinds(made: Path) -> None:
    words = ("--groups", "house", "--weights", "counts", "--column", "town=category", "--drop", "sold", "--json")
    result = kilter("automl", str(made / "train.csv"), "--target", "price", "--report", "r.md", *words, *QUICK)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["metric"] == "r2" and document["interval"][0] < document["score"] < document["interval"][1]
    assert Path("r.md").read_text(encoding="utf-8").startswith("# A model of price")
    model = load(document["model"])
    assert {*model.columns_["name"]} == {"size", "town", "sold"}  # not what says groups and weights
    assert kilter("predict", "model.zip", str(made / "train.csv"), "--proba").exit_code == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_not_told_what_a_title_says(monkeypatch) -> None:
    frame = tables.of({"\x1b[2Jid": ["\a"]})
    for stream, said in ((Terminal(), "\\x1b[2Jid\n\\x07\n"), (io.StringIO(), "\x1b[2Jid\n\a\n")):
        monkeypatch.setattr(sys, "stdout", stream)
        tables.write(frame, None)
        assert stream.getvalue() == said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("automl", "train.csv", "--target", "prize"), 2, "did you mean 'price'"),
        (("automl", "absent.csv", "--target", "y"), 2, "cannot read absent.csv"),
        (("automl", "train.csv", "--target", "sold", "--task", "regression"), 2, "Classifier"),
        (("automl", "train.csv", "--target", "sold", "--column", "town"), 2, "--column town=category"),
        (("automl", "train.csv", "--target", "sold", "--column", "town=kategory"), 2, "category"),
        (("automl", "train.csv", "--target", "sold", "--member", "lightgmb"), 2, "did you mean 'lightgbm'"),
        (("automl", "train.csv", "--target", "sold", "-o", "no/model.zip"), 2, "there is no folder no"),
        (("automl", "train.csv", "--target", "sold", "-o", "."), 2, ". is a folder"),
        (("automl", "train.csv", "--target", "sold", "-n", "0"), 2, "whole number from 1 on"),
        (("automl", "twice.csv", "--target", "town"), 2, "two columns are called 'a'"),
        (("automl", "train.csv", "--target", "sold", "-t", "fast"), 2, "must read like"),
        (("predict", "model.zip", "town.csv"), 2, "X has no column 'size'"),
        (("predict", "train.csv", "train.csv"), 2, "is no model that kilter has saved"),
        (("predict", "absent.zip", "train.csv"), 2, "absent.zip"),
        (("predict", "model.zip", "train.csv", "--keep", "hose"), 2, "did you mean 'house'"),
    ],
)
def test_mistakes_are_named_before_anything_is_fitted(words, code, said, made, monkeypatch) -> None:
    monkeypatch.chdir(made)
    Path("town.csv").write_text("town\nBern\n", encoding="utf-8")
    Path("twice.csv").write_text("town,a,a\nBern,1,2\n", encoding="utf-8")
    result = kilter(*words)
    assert (result.exit_code, result.stdout) == (code, "") and said in result.stderr, result.stderr


@pytest.mark.parametrize("said", [(), ("--column", "code=category")])
def test_codes_keep_their_zeros_though_one_of_two_files_looks_like_numbers(
    tmp_path: Path, said: tuple[str, ...]
) -> None:
    frame = FRAME[["counts", "sold"]].assign(code=np.where(FRAME["sold"] == "yes", "01000", "02000"))
    lettered = frame.assign(code=np.where(np.arange(ROWS) < 12, "0B300", frame["code"]))
    train, model, new, out = (str(tmp_path / name) for name in ("train.csv", "model.zip", "new.csv", "out.csv"))
    (frame if said else lettered).to_csv(train, index=False)
    (lettered if said else frame).to_csv(new, index=False)
    ok("automl", train, "--target", "sold", "-o", model, *QUICK, *said)
    ok("predict", model, new, "-o", out)
    assert (pd.read_csv(out)["prediction"] == frame["sold"])[12:].all()


def test_a_column_of_which_nothing_can_be_read_is_told_in_a_line(made: Path) -> None:
    FRAME.assign(size="big").to_csv("odd.csv", index=False)
    done = kilter("predict", str(made / "model.zip"), "odd.csv", "--proba")
    assert "! not one value of 'size' can be read" in done.stderr and ".py:" not in done.stderr
