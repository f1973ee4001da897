"""Nested cross-validation: nobody sees the outer test rows before the end, and it goes on where it was left off."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput, NotReady, StudyChanged
from kilter.evaluation import CrossValidation, DataSets, Holdout, Repeated, Seeds, nested
from kilter.evaluation.outer import Nested, OuterFold

ROWS = np.arange(24.0)
NOISE = np.random.default_rng(0).normal(size=24)
SPACE = {"threshold": kilter.Float(0, 24), "kind": kilter.Choice(["above", "below"])}
SEEN: list[tuple[frozenset[int], frozenset[int]]] = []
"""Rows that were fitted on, and scored on, in this process."""
TROUBLE: list[Any] = []
"""What a later call raises: an exception, or a signal."""


@pytest.fixture(autouse=True)
def _forget() -> None:
    SEEN.clear()
    TROUBLE.clear()


def train(train: Any, test: Any, *, threshold: float = 3.0, kind: str = "above") -> float:
    """How far rows lie on the right side of a threshold, and a little noise of the row."""
    SEEN.append((frozenset(train[0].astype(int)), frozenset(test[0].astype(int))))
    if TROUBLE and len(SEEN) > 18:
        trouble = TROUBLE.pop()
        if isinstance(trouble, BaseException):
            raise trouble
        signal.raise_signal(trouble)
    side = 1 if kind == "above" else -1
    return float(np.mean(side * (test[0] - threshold) > 0) + 0.01 * np.mean(test[1]))


OBJECTIVE = CrossValidation(2).objective(train, ROWS, NOISE)
OUTER = CrossValidation(3)


def search(storage: str | None = None, **more: Any) -> Nested:
    return nested(
        OBJECTIVE, SPACE, OUTER, **{"maximize": True, "n_trials": 3, "storage": storage, "progress": "none", **more}
    )


# -- what it says -----------------------------------------------------------------------------------------------------


def result(scores: list[float], is_maximised: bool = True, choices: list[Any] | None = None) -> Nested:
    space = kilter.Space({"x": kilter.Float(0, 1)})
    configs = [{"x": value} for value in choices or [0.5] * len(scores)]
    folds = [
        OuterFold(i, config, config, s, s + 0.1, None, s - 0.2) for i, (s, config) in enumerate(zip(scores, configs))
    ]
    return Nested(tuple(folds), space, 0.25, is_maximised)


SETTINGS = settings(max_examples=25, deadline=None)
scores = st.lists(st.floats(-10, 10), min_size=2, max_size=12)


@SETTINGS
@given(scores)
def test_the_interval_is_that_of_folds_that_share_training_rows(values: list[float]) -> None:
    found, k = result(values), len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.standard_error == pytest.approx(np.std(values, ddof=1) * math.sqrt(1 / k + 0.25))
    low, high = found.interval
    assert low <= found.mean <= high
    assert high - found.mean == pytest.approx(found.mean - low, abs=1e-9)


@SETTINGS
@given(scores)
def test_minimising_is_the_mirror_of_maximising(values: list[float]) -> None:
    up, down = result(values), result([-value for value in values], is_maximised=False)
    assert (up.mean, up.interval[0]) == pytest.approx((-down.mean, -down.interval[1]))
    assert up.gain == pytest.approx(0.2)
    assert up.optimism == pytest.approx(0.1)
    assert (down.gain, down.optimism) == pytest.approx((-0.2, -0.1))  # the same differences speak against it


@SETTINGS
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_choices_agree_where_they_are_the_same(values: list[float]) -> None:
    same = result([0.0] * len(values), choices=[values[0]] * len(values))
    assert same.agreement == {"x": 1.0}
    assert result([0.0] * len(values), choices=values).agreement["x"] <= 1.0


def test_choices_at_random_do_not_agree() -> None:
    rng = np.random.default_rng(1)
    found = [result([0.0] * 5, choices=list(rng.uniform(size=5))).agreement["x"] for _ in range(200)]
    assert abs(np.mean(found)) < 0.05


def test_a_single_fold_has_no_interval() -> None:
    assert result([0.3]).interval == (-math.inf, math.inf)
    assert result([0.3]).agreement == {}


def test_no_interval_reaches_beyond_what_scores_can_be() -> None:
    free = result([0.7, 0.99, 0.9, 0.5])
    assert free.interval[1] > 1.0 and free.interval[0] < 0.6
    for sign in (1, -1):
        values = [sign * score for score in (0.7, 0.99, 0.9, 0.5)]
        found = replace(result(values, sign > 0), perfect=sign * 1.0, worst=sign * 0.6)
        assert found.interval == tuple(sorted([sign * 0.6, sign * 1.0]))
    assert replace(result([0.3]), perfect=1.0).interval == (-math.inf, math.inf)
    assert "single split" in str(result([0.3])) and "inf" not in str(result([0.3]))


def test_where_the_default_was_kept_it_says_that() -> None:
    found = result([0.7, 0.9, 0.8])
    folds = [replace(fold, is_default=True, default=fold.score) for fold in found.folds]
    said = str(replace(found, folds=tuple(folds)))
    assert "the default was kept in all folds" in said and "agree" not in said and "gains 0" not in said
    assert "kept in 1 of 3" in str(replace(found, folds=(folds[0], *found.folds[1:])))


# -- what it does -----------------------------------------------------------------------------------------------------


def test_no_search_sees_the_rows_that_its_choice_is_scored_on() -> None:
    found = search()
    fits = iter(SEEN)
    for fold, (inside, outside) in zip(found.folds, OBJECTIVE.splits(OUTER)):
        for _ in range(3 * 2):
            fitted, scored = next(fits)
            assert fitted | scored == set(inside)
        for params, score in ((fold.params, fold.score), ({"threshold": 3.0, "kind": "above"}, fold.default)):
            if params == fold.params and score is fold.default:
                continue
            assert next(fits) == (frozenset(inside), frozenset(outside))
            assert score == OBJECTIVE.score(params, inside, outside, "value")
            SEEN.pop()
    assert len(found.folds) == 3


def test_each_search_is_tune_on_the_training_rows(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/n.db"
    found = search(storage, study_name="n")
    for fold in found.folds:
        study = kilter.load_study(study_name=f"n, outer fold {fold.number}", storage=storage)
        assert study.recommend().params == fold.params
        assert study.recommend().value == fold.observed
        assert study.estimate().value == fold.estimated
        assert len(study.trials) == 3
    assert str(found).count("\n") >= 5


def test_after_a_crash_it_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    whole = search(f"sqlite:///{tmp_path}/whole.db", study_name="n")
    fits = len(SEEN)
    SEEN.clear()
    TROUBLE.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        search(f"sqlite:///{tmp_path}/parts.db", study_name="n")
    assert search(f"sqlite:///{tmp_path}/parts.db", study_name="n") == whole
    assert len(SEEN) <= fits + 2  # a broken trial runs again
    SEEN.clear()
    assert search(f"sqlite:///{tmp_path}/parts.db", study_name="n") == whole
    assert not SEEN


def test_a_search_that_the_user_stopped_has_chosen_nothing_yet(tmp_path: Path) -> None:
    whole = search(study_name="n")
    SEEN.clear()
    storage = f"sqlite:///{tmp_path}/n.db"
    TROUBLE.append(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        search(storage, study_name="n")
    assert search(storage, study_name="n") == whole


def test_folds_at_the_same_time_come_to_the_same() -> None:
    assert search(executor="threads", workers=3) == search()


def test_a_fold_that_failed_is_told_and_tried_again(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/n.db"
    with pytest.raises(NotReady, match=r"3 of 3 outer folds have no score, as by .*no such kind"):
        nested(
            CrossValidation(2).objective(fails, ROWS), SPACE, OUTER, n_trials=2, storage=storage, progress="none",
            study_name="n",
        )  # fmt: skip


def fails(train: Any, test: Any, *, threshold: float, kind: str) -> float:
    raise RuntimeError("no such kind")


def test_another_search_is_refused(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/n.db"
    search(storage, study_name="n")
    for changed in ({"n_trials": 6}, {"seed": 3}, {"sampler": "random"}):
        with pytest.raises(StudyChanged):
            search(storage, study_name="n", **changed)


@pytest.mark.parametrize("outer", [None, Holdout(0.25), Repeated(CrossValidation(2), 2)])
def test_any_evaluation_over_rows_is_outer(outer: Any) -> None:
    found = nested(OBJECTIVE, SPACE, outer, maximize=True, n_trials=2, storage=None, progress="none")
    assert len(found.folds) == len(OBJECTIVE.splits(outer or OBJECTIVE.evaluation))


def test_rows_in_the_order_of_time_are_never_tuned_on_later_ones() -> None:
    objective = CrossValidation(3, ordered=True).objective(train, ROWS, NOISE)
    found = nested(objective, SPACE, maximize=True, n_trials=2, storage=None, progress="none")
    assert len(found.folds) == 3
    assert all(max(fitted) < min(scored) for fitted, scored in SEEN)


def test_what_has_no_rows_is_refused() -> None:
    alone = DataSets({"a": (ROWS,)}).objective(lambda train, test, *, x: x)
    for objective in (Seeds(3).objective(lambda *, x, seed: x), alone):
        with pytest.raises(InvalidInput, match="over the rows of one table"):
            nested(objective, {"x": kilter.Float(0, 1)}, CrossValidation(3), n_trials=2, storage=None)


@pytest.mark.parametrize("outer", [5, CrossValidation, Seeds(3)])
def test_what_does_not_split_rows_is_no_outer_evaluation(outer: Any) -> None:
    with pytest.raises(InvalidInput, match=r"give an evaluation over rows, as CrossValidation\(5\)"):
        nested(OBJECTIVE, SPACE, outer, maximize=True, n_trials=2, storage=None)


def test_of_several_metrics_the_one_that_is_tuned_is_scored_outside() -> None:
    def several(train: Any, test: Any, *, threshold: float = 3.0) -> dict[str, float]:
        return {"seconds": 100.0, "loss": float(np.mean(test[0] < threshold))}

    objective = CrossValidation(2).objective(several, ROWS)
    told = {"n_trials": 2, "storage": None, "progress": "none"}
    found = nested(objective, {"threshold": kilter.Float(0, 24)}, OUTER, minimize="loss", **told)
    assert all(0 <= fold.score <= 1 and 0 <= fold.default <= 1 for fold in found.folds)
    for ways in ({"minimize": ["seconds", "loss"]}, {"minimize": "seconds", "maximize": "loss"}):
        with pytest.raises(InvalidInput, match="one objective, not 2"):
            nested(objective, {"threshold": kilter.Float(0, 24)}, OUTER, **ways, **told)
