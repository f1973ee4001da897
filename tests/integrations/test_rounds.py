"""Which score counts, and when it is told; no library is needed for either."""

from __future__ import annotations

import pytest
from tests.integrations.boosting import StopsAt, asked, run

from kilter.core.errors import InvalidInput
from kilter.integrations.rounds import Rounds, picked

BOTH = {"train": {"auc": 0.9, "loss": 0.1}, "valid": {"auc": 0.8, "loss": 0.2}}


def unknown(metric: str) -> None:
    return None


@pytest.mark.parametrize(
    ("scores", "named", "value"),
    [
        ({"valid": {"auc": 0.8}}, {}, 0.8),
        ({"train": {"auc": 0.9}, "valid": {"auc": 0.8}}, {}, 0.8),
        (BOTH, {"metric": "auc"}, 0.8),
        (BOTH, {"metric": "auc", "data": "train"}, 0.9),
        ({"a": {"auc": 0.7}, "b": {"loss": 0.3}}, {"metric": "loss"}, 0.3),
        ({"a": {"auc": 0.7}, "b": {"auc": 0.6}}, {"data": "b"}, 0.6),
    ],
)
def test_what_is_left_out_is_the_only_one_there_is(scores, named, value) -> None:
    assert picked(scores, **named)[1] == value


@pytest.mark.parametrize(
    ("scores", "named", "words"),
    [
        ({}, {}, "nothing is scored"),
        ({"valid": {}}, {}, "nothing is scored"),
        ({"train": {"auc": 0.9}}, {}, "only the training's own rows are scored, as 'train'"),
        (BOTH, {}, "'auc', 'loss': name the one .* metric="),
        ({"a": {"auc": 0.7}, "b": {"auc": 0.6}}, {"metric": "auc"}, "'a', 'b': name the one .* data="),
        (BOTH, {"metric": "auk"}, "did you mean 'auc'"),
        (BOTH, {"data": "vaild"}, "did you mean 'valid'"),
    ],
)
def test_what_could_be_several_or_none_is_asked_for(scores, named, words) -> None:
    with pytest.raises(InvalidInput, match=words):
        picked(scores, **named)


@pytest.mark.parametrize("is_maximized", [True, False])
def test_the_study_looks_for_the_same_end_as_the_metric(is_maximized: bool) -> None:
    directions = {True: "maximize", False: "minimize"}
    fits, contradicts = (asked(direction=directions[way]) for way in (is_maximized, not is_maximized))
    Rounds(fits, "auc", None, 1).leaves(1, BOTH, lambda metric: is_maximized)
    assert fits.last_report is not None
    with pytest.raises(InvalidInput, match=f"the study {directions[not is_maximized]}s 'value'"):
        Rounds(contradicts, "auc", None, 1).leaves(1, BOTH, lambda metric: is_maximized)


def test_of_several_metrics_those_that_are_objectives_are_looked_at() -> None:
    trial = asked(directions={"auc": "maximize"})
    Rounds(trial, ("auc", "loss"), None, 1).leaves(1, BOTH, {"auc": True, "loss": False}.get)
    assert trial.last_report.metrics == {"auc": 0.8, "loss": 0.2}
    with pytest.raises(InvalidInput, match="minimizes 'auc'"):
        Rounds(asked(directions={"auc": "minimize"}), ("auc",), None, 1).leaves(1, BOTH, {"auc": True}.get)


@pytest.mark.filterwarnings("error:trial")  # of a step that is reported twice
@pytest.mark.parametrize("is_shared", [True, False])  # one callback in all trainings, or one each
@pytest.mark.parametrize("fold", [True, False])
def test_of_several_trainings_the_first_reports(is_shared: bool, fold: bool) -> None:
    def objective(trial):
        shared = Rounds(trial, "auc", None, 2)
        for part, length in enumerate((6, 9, 4)):
            rounds = shared if is_shared else Rounds(trial, "auc", None, 2)
            for done in range(1, length + 1):
                assert not rounds.leaves(done, {"valid": {"auc": part + done / 10}}, unknown)
            if fold:
                trial.report(part, fold=part)
        return 0.0

    (trial,) = run(objective).trials
    assert trial.intermediate_values == {2: 0.2, 4: 0.4, 6: 0.6}
    assert trial.folds == ({0: 0.0, 1: 1.0, 2: 2.0} if fold else {})


def test_a_trial_that_has_left_ends_its_other_trainings_at_once() -> None:
    def objective(trial):
        first, second = (Rounds(trial, "auc", None, 1) for _ in range(2))
        assert [first.leaves(done, BOTH, unknown) for done in (1, 2, 3)] == [False, False, True]
        assert second.leaves(1, BOTH, unknown)
        return 0.0

    assert run(objective, StopsAt(3)).trials[0].last_step == 3


def test_of_several_metrics_one_is_an_objective() -> None:
    with pytest.raises(InvalidInput, match="has no objective of the study in it, 'value'"):
        Rounds(asked(), ("auc", "loss"), None, 1).leaves(1, BOTH, unknown)


def test_with_several_objectives_their_names_are_asked_for() -> None:
    with pytest.raises(InvalidInput, match="several objectives"):
        Rounds(asked(directions={"auc": "maximize", "loss": "minimize"}), "auc", None, 1).leaves(1, BOTH, unknown)
