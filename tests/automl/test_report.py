"""What a fit says of itself: of raw columns, on rows that models have not seen, harmless whatever they are called."""

import html
import re

import numpy as np
import pandas as pd
import pytest

from kilter.automl import Classifier, Regressor, insight, load
from kilter.core.errors import InvalidInput, NotReady

ROWS = 160
CHANCE = np.random.default_rng(0)
SIZE = CHANCE.normal(size=ROWS)
TOWN = CHANCE.choice(["Bern", "Ulm", "<b>Graz</b>"], ROWS)
FRAME = pd.DataFrame(
    {
        "size": SIZE,
        "<script>": TOWN,
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D"),
        "note": CHANCE.choice(["a quiet place", "needs some work", "near the sea side"], ROWS),
        "noise": CHANCE.normal(size=ROWS),
        "same": 1,
    }
)
WORTH = 2 * SIZE + (TOWN == "Ulm") + 0.3 * CHANCE.normal(size=ROWS)
TARGETS = {
    "binary": np.where(WORTH > 0.3, "yes", "no"),
    "multiclass": np.array(["low", "<i>mid</i>", "high"])[np.digitize(WORTH, [-0.7, 1.2])],
    "regression": WORTH,
}


@pytest.fixture(scope="module", params=list(TARGETS))
def model(request):
    kind = Regressor if request.param == "regression" else Classifier
    members = ["lightgbm", "linear"] if request.param == "binary" else ["linear"]
    fit = kind(n_models=len(members), members=members, folds=3, random_state=0)
    return fit.fit(FRAME.assign(target=TARGETS[request.param]), "target")


def test_importance_is_of_raw_columns_and_finds_those_that_matter(model):
    found = model.explain()
    assert {one.column for one in found} == {"size", "<script>", "day", "note", "noise"}
    assert found[0].column == "size" and found[0].is_sure
    assert found == model.explain() and found.metric == model.score_estimate_.metric
    assert found.score == pytest.approx(np.mean(insight_by_fold(model)), abs=1e-6)


def insight_by_fold(model):
    data = model.outcome_.data
    return [
        data.metric.score(data.y[rows], model.model_.predict_fold(data.table.rows(rows), k))
        for k, (_, rows) in enumerate(data.folds)
    ]


def test_what_is_out_of_fold_is_what_models_say_of_rows_they_have_not_seen(model):
    data = model.outcome_.data
    rows, predictions = insight.out_of_fold(model.outcome_)
    assert rows.tolist() == list(range(ROWS))
    for k, (_, scored) in enumerate(data.folds):
        again = model.model_.predict_fold(data.table.rows(scored), k)  # as of the step that all of these rows like best
        assert np.corrcoef(predictions[scored].ravel(), again.ravel())[0, 1] > 0.9


def test_the_parts_of_a_row_add_up_to_its_prediction(model):
    first, second = model.explain(FRAME[["noise", "day", "note", "<script>", "size"]], n=2)
    predicted = model.predict(FRAME[:2]) if isinstance(model, Regressor) else model.predict_proba(FRAME[:2])
    for row, found in zip(predicted, (first, second), strict=True):
        column = row if np.ndim(row) == 0 else row[1] if len(row) == 2 else row.max()
        assert found.prediction == pytest.approx(column)
        assert found.base + sum(part.part for part in found) == pytest.approx(found.prediction)
    shown = {part.column: part.value for part in first}
    assert shown["<script>"] == TOWN[0] and "same" not in shown


def test_a_model_from_a_file_explains_rows_by_one_another(model, tmp_path):
    model.save(tmp_path / "model.zip")
    loaded = load(tmp_path / "model.zip")
    (found,) = loaded.explain(FRAME[:40], n=1)
    assert found.base + sum(part.part for part in found) == pytest.approx(found.prediction)
    with pytest.raises(InvalidInput, match="pass some more rows"):
        loaded.explain(FRAME[:1])
    for ask in (loaded.explain, loaded.report):
        with pytest.raises(NotReady, match="from a file"):
            ask()


def test_a_report_has_all_of_it_and_runs_nothing(model, tmp_path):
    page = model.report(tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert written == page.html() and "<script" not in written and "<b>Graz" not in written and "<i>mid" not in written
    assert html.escape("<script>") in written and str(model.score_estimate_)[:12] in written
    titles = re.findall("<h2>(.*?)</h2>", written)
    assert titles == [
        "What it will score on new rows",
        "What to be wary of",
        "Which columns matter",
        "Predictions beside what was",
        "Rows that surprise it most",
        "What was tried",
        "What the columns were taken for",
    ]
    assert "The last rows differ from the first in &#x27;day&#x27;" in written
    model.report(tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# A model of target\n")


def test_rows_that_it_is_wrong_about_are_told_by_their_places(model):
    data = model.outcome_.data
    table = next(block for block in sections(model)["Rows that surprise it most"] if hasattr(block, "rows"))
    for row, was, _, *_ in table.rows:
        told = was if isinstance(model, Regressor) else str(was)
        assert told == (pytest.approx(WORTH[row]) if data.task.is_regression else data.task.classes[data.y[row]])


def test_the_row_that_it_is_most_wrong_about_comes_first(model):
    data = model.outcome_.data
    table = next(block for block in sections(model)["Rows that surprise it most"] if hasattr(block, "rows"))
    _, predictions = insight.out_of_fold(model.outcome_)
    wrong = np.abs(predictions - data.y) if predictions.ndim == 1 else -predictions[np.arange(ROWS), data.y]
    assert table.rows[0][0] == np.argmax(wrong)


def sections(model):
    return {section.title: section.blocks for section in model.report().sections}


def test_a_target_of_mostly_one_class_is_told():
    rare = np.where(np.arange(ROWS) % 16 == 0, "ill", "well")
    model = Classifier(n_models=1, members=["linear"], folds=3, random_state=0).fit(FRAME[["size", "noise"]], rare)
    assert "93.8% of the rows are 'well'" in model.report().markdown()


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_a_constant_target_has_a_report_that_says_so(kind):
    model = kind(n_models=1, members=["linear"], random_state=0).fit(FRAME[["size", "noise"]], np.ones(ROWS, int))
    assert "All rows have the same target" in model.report().markdown()
    with pytest.raises(InvalidInput, match="no column matters"):
        model.explain()


def test_each_column_whose_importance_is_drawn_is_named():
    many = pd.DataFrame({f"column{i}": CHANCE.normal(size=ROWS) for i in range(18)})
    model = Regressor(n_models=1, members=["linear"], folds=3, random_state=0).fit(many, SIZE)
    drawn = re.search("<svg.*?falls by.*?</svg>", model.report().html())[0]
    assert all(f">{name}<" in drawn for name in many)
