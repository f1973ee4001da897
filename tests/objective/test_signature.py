"""What no trial could be called with is refused before there is one."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput, KilterError
from kilter.core.problem import Fidelity, Problem
from kilter.core.space import Space
from kilter.objective.signature import check_objective

X, Y = kilter.Float(0, 1), kilter.Float(0, 1)
SPACE = Space({"learning_rate": X, "momentum": Y})
BRANCHES = Space({"model": kilter.Choice(["svm", "net"]), "c": kilter.Float(0, 1).when({"model": ["svm"]})})


class Callable:
    def __init__(self, function):
        self.function = function

    def __call__(self, learning_rate, momentum):
        return self.function(learning_rate, momentum)


async def waits(learning_rate, momentum):
    return learning_rate


def objective(learning_rate, momentum, depth):
    return 0.0


def yields(learning_rate, momentum):
    yield learning_rate


def one_number(learning_rate, momentum) -> float:
    return learning_rate


def annotated(learning: float):
    return learning


@pytest.mark.parametrize(
    "objective",
    [
        lambda learning_rate, momentum: 0.0,
        lambda momentum, learning_rate=1: 0.0,
        lambda *, momentum, learning_rate: 0.0,
        lambda trial: 0.0,
        lambda t: 0.0,
        lambda _: 0.0,
        lambda learning_rate, trial: 0.0,
        lambda trial, data=None, models=(): 0.0,
        lambda **params: 0.0,
        lambda momentum, **others: 0.0,
        lambda momentum: 0.0,
        partial(lambda data, learning_rate, momentum: 0.0, [1]),
        Callable(max),
        one_number,
    ],
)
def test_what_can_be_called_is_taken(objective):
    check_objective(objective, Problem(SPACE))
    kilter.tune(objective, SPACE, n_trials=1, storage=None, progress="none")


@pytest.mark.parametrize(
    ("objective", "says"),
    [
        (lambda learning_rat, momentum: 0.0, "needs 'learning_rat', .* mean 'learning_rate'"),
        (lambda learning_rate, momentum, depth: 0.0, "needs 'depth', which the space lacks. The space has learn"),
        (lambda learning_rate, momentun=0: 0.0, "'momentum', which the objective .* did you mean 'momentun'"),
        (lambda y: y, r"needs 'y', which the space lacks\..*: write \*\*y to get all of them as a dict"),
        (lambda learning_rate, momentun=0: 0.0, "did you mean 'momentun'. It takes learning_rate, momentun$"),
        (lambda trial, momentun=0: 0.0, "the space has 'momentum', which the objective .* mean 'momentun'"),
        (lambda learning_rate, momentun=0, trial=None: 0.0, "did you mean 'momentun'"),
        (objective, "^the objective needs 'depth'"),
        (lambda: 1.0, "takes none of the parameters.* The space has learning_rate, momentum"),
        (lambda data=None, *rest: 1.0, "takes none of the parameters"),
        (annotated, "needs 'learning', .* did you mean 'learning_rate'"),
        (math.hypot, "nothing says what arguments hypot takes" if sys.version_info < (3, 13) else "hypot"),
        (waits, "async"),
        (yields, "generator"),
        ("train", "cannot be called"),
    ],
)
def test_what_cannot_be_called_is_refused_before_there_is_a_study(objective, says, tmp_path):
    url = f"sqlite:///{tmp_path}/k.db"
    for workers in (1, 2):
        with pytest.raises(InvalidInput, match=says):
            kilter.tune(objective, SPACE, n_trials=1, workers=workers, storage=url, study_name="s")
    assert kilter.get_all_study_names(url) == []
    study = kilter.create_study(space=SPACE)
    with pytest.raises(InvalidInput, match=says):
        study.optimize(objective, 1)
    assert study.trials == []


def test_parameters_that_make_no_difference_are_told_once(caplog):
    study = kilter.create_study(space=SPACE, sampler="random")
    for objective in (lambda trial: 0.0, lambda **all: 0.0, lambda momentum: 0.0, lambda momentum: 0.0):
        study.optimize(objective, 1, progress="none")
    kilter.tune(lambda momentum: 0.0, SPACE, n_trials=1, storage=None, progress="none", study_name="t")
    told = [r.getMessage() for r in caplog.records if "no argument" in r.getMessage()]
    assert len(told) == 2 and all("no argument 'learning_rate'" in line for line in told)
    assert check_objective(lambda c=None: 0.0, Problem(BRANCHES)) == [], "the choice of a branch makes a difference"


def test_what_only_some_branches_have_needs_a_default():
    with pytest.raises(InvalidInput, match="needs 'c', which only some values of model bring along"):
        check_objective(lambda model, c: 0.0, Problem(BRANCHES))
    check_objective(lambda model, c=None: 0.0, Problem(BRANCHES))


def test_a_fidelity_has_to_arrive():
    problem = Problem(SPACE, fidelities=(Fidelity("epochs", 1, 9),))
    with pytest.raises(InvalidInput, match="'epochs', which the objective"):
        check_objective(lambda learning_rate, momentum: 0.0, problem)
    check_objective(lambda learning_rate, momentum, epochs: 0.0, problem)
    check_objective(lambda trial, epochs: 0.0, replace(problem, is_open=True))
    check_objective(lambda trial: 0.0, replace(problem, is_open=True))


def test_without_a_space_only_the_trial_is_handed_over():
    with pytest.raises(InvalidInput, match="needs 'data' beside the trial"):
        check_objective(lambda trial, data: 0.0, Problem(is_open=True))
    check_objective(lambda anything: 0.0, Problem(is_open=True))
    check_objective(lambda: 0.0, Problem(is_open=True))


def test_a_metric_that_cannot_come_is_refused():
    with pytest.raises(InvalidInput, match="one number by its annotation, and the study needs loss, ms"):
        kilter.tune(one_number, SPACE, minimize="loss", subject_to={"ms": "<= 1"}, n_trials=1, storage=None)


NAMES = st.sampled_from(["a", "b", "c", "trial", "t"])


SPACES = st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)


@given(st.lists(NAMES, unique=True), st.lists(NAMES, unique=True), SPACES)
def test_what_is_taken_can_be_called(needed, optional, space):
    """Whatever is not refused is called without a TypeError."""
    optional = [name for name in optional if name not in needed]
    arguments = ", ".join([*needed, *(f"{name}=0" for name in optional)])
    scope: dict[str, Any] = {}
    exec(f"def objective({arguments}): return 0.0", scope)
    study = kilter.create_study(space=dict.fromkeys(sorted(space), X), sampler="random", seed=0)
    try:
        study.optimize(scope["objective"], 1, progress="none")
    except KilterError:
        assert study.trials == []
    else:
        assert study.trials[0].state is kilter.TrialState.COMPLETE
