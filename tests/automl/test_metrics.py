"""Metrics agree with scikit-learn, and mix: the part of a mixture is the mixture of parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kilter.automl.metrics import metric_of
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput, UnknownName

pytest.importorskip("sklearn")
BINARY, THREE, VALUES = Task("binary", ("no", "yes")), Task("multiclass", (3, 5, 8)), Task("regression")


def drawn(task, rows, seed, ties=False):
    """y, predictions and weights of rows."""
    rng = np.random.default_rng(seed)
    if task.is_regression:
        y = rng.normal(size=rows)
        return y, y + rng.normal(size=rows), rng.random(rows)
    y = np.concatenate([np.arange(task.width), rng.integers(task.width, size=rows - task.width)])
    p = rng.dirichlet(np.ones(task.width), rows) * 0.98 + 0.02 / task.width
    p = np.round(p, 1) if ties else p
    return y, p, rng.random(rows)


@pytest.mark.parametrize("task", [BINARY, THREE, VALUES], ids=lambda task: task.kind)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_each_named_metric_is_what_scikit_learn_says(task, is_weighted):
    from sklearn import metrics as theirs

    y, p, weight = drawn(task, 80, 1)
    weight = weight if is_weighted else None
    expected = {
        "binary": {"roc_auc": lambda: theirs.roc_auc_score(y, p[:, 1], sample_weight=weight)},
        "multiclass": {},
        "regression": {
            "r2": lambda: theirs.r2_score(y, p, sample_weight=weight),
            "neg_mean_squared_error": lambda: -theirs.mean_squared_error(y, p, sample_weight=weight),
            "root_mean_squared_error": lambda: -theirs.root_mean_squared_error(y, p, sample_weight=weight),
            "mean_absolute_error": lambda: -theirs.mean_absolute_error(y, p, sample_weight=weight),
            "median_absolute_error": lambda: -theirs.median_absolute_error(y, p, sample_weight=weight),
        },
    }[task.kind]
    if task.classes:
        expected["log_loss"] = lambda: -theirs.log_loss(y, p, sample_weight=weight)
        expected["accuracy"] = lambda: theirs.accuracy_score(y, p.argmax(1), sample_weight=weight)
        expected["f1_macro"] = lambda: theirs.f1_score(y, p.argmax(1), average="macro", sample_weight=weight)
    for name, value in expected.items():
        assert metric_of(name, task).score(y, p, weight) == pytest.approx(value(), abs=1e-12), name


@given(some.integers(0, 10_000), some.integers(4, 40), some.booleans())
def test_the_area_counts_equal_ones_half(seed, rows, ties):
    from sklearn.metrics import roc_auc_score

    y, p, weight = drawn(BINARY, rows, seed, ties)
    assert metric_of("roc_auc", BINARY).score(y, p) == pytest.approx(roc_auc_score(y, p[:, 1]), abs=1e-12)
    theirs = roc_auc_score(y, p[:, 1], sample_weight=weight)
    assert metric_of("roc_auc", BINARY).score(y, p, weight) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "accuracy"])
def test_the_part_of_a_mixture_is_the_mixture_of_parts(name):
    metric = metric_of(name, BINARY)
    y, p, _ = drawn(BINARY, 30, 3)
    q = drawn(BINARY, 30, 4)[1]
    both = metric.part(np.array([p, q]), y)
    assert np.allclose((both[0] + both[1]) / 2, metric.part((p + q) / 2, y))
    assert metric.over(y, None)(both[0]) == metric.score(y, p)


def test_what_a_metric_is_by_itself_depends_on_the_task():
    assert [metric_of("auto", task).name for task in (BINARY, THREE, VALUES)] == ["roc_auc", "log_loss", "r2"]


def test_those_of_labels_say_so():
    assert metric_of("f1", BINARY).needs_labels and metric_of("balanced_accuracy", THREE).needs_labels
    assert not metric_of("roc_auc", BINARY).needs_labels and not metric_of("max_error", VALUES).needs_labels


def test_scorers_of_the_user_see_his_classes():
    from sklearn.metrics import f1_score, make_scorer

    y, p, _ = drawn(BINARY, 60, 5)
    scorer = make_scorer(f1_score, pos_label="no")
    assert metric_of(scorer, BINARY).score(y, p) == pytest.approx(f1_score(1 - y, 1 - p.argmax(1)))

    def share_of_yes(estimator, rows, truth):
        return float(np.mean(estimator.predict(rows) == "yes") + np.mean(truth == "yes"))

    metric = metric_of(share_of_yes, BINARY)
    assert metric.name == "share_of_yes" and metric.score(y, p) == np.mean(p.argmax(1)) + np.mean(y)


def test_what_cannot_be_scored_is_said_before_anything_is_fitted():
    with pytest.raises(UnknownName, match="did you mean 'roc_auc'"):
        metric_of("roc_auk", BINARY)
    with pytest.raises(InvalidInput, match="'f1' cannot score 3 classes"):
        metric_of("f1", THREE)
    with pytest.raises(InvalidInput, match="'accuracy' cannot score values"):
        metric_of("accuracy", VALUES)
    with pytest.raises(InvalidInput, match="give the name of a scorer"):
        metric_of(3, BINARY)


def test_without_both_classes_there_is_no_area():
    assert np.isnan(metric_of("roc_auc", BINARY).score(np.zeros(3, int), np.full((3, 2), 0.5)))
