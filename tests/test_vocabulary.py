"""One word for one thing: whoever uses another tuner's is told ours, in Python, in the shell and in a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import kilter
from kilter.api.arguments import StudyOptions
from kilter.api.running import executor_of
from kilter.cli.specification import TABLES, Specification
from kilter.core.errors import InvalidInput, UnknownArgument
from kilter.core.vocabulary import SAME, ours
from kilter.executors import Threads

FUNCTIONS: list[Callable[..., Any]] = [
    kilter.tune,
    kilter.create_study,
    kilter.load_study,
    kilter.create_study().optimize,
]


def words_of(function: Callable[..., Any]) -> set[str]:
    more = StudyOptions.__annotations__ if function is kilter.tune else ()
    return {*inspect.signature(function).parameters, *more} - {"study"}


def loss(x: float) -> float:
    return x


def test_a_word_stands_for_one_thing() -> None:
    words = [word for group in SAME for word in group]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_other_word_is_answered_with_ours(function: Callable[..., Any]) -> None:
    known = words_of(function)
    foreign = {word: ours(word, known) for group in SAME for word in group if word not in known}
    assert any(foreign.values())
    for word, meant in foreign.items():
        with pytest.raises(UnknownArgument, match=f"has no '{word}'") as raised:
            function(**{word: 1})
        assert all(name in str(raised.value) for name in meant)
        assert isinstance(raised.value, TypeError)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("cost", r"limits=kilter.Limits\(cost=…\)"),
        ("steps", r"limits=kilter.Limits\(steps=…\)"),
        ("stop_at", r"limits=kilter.Limits\(target=…\)"),
        ("early_stopping", r"limits=kilter.Limits\(patience=…\)"),
        ("gain", r"limits=kilter.Limits\(gain=…\)"),
        ("gpus_per_trial", r"resources=kilter.Resources\(gpus=…\)"),
        ("trial_timeout", r"resources=kilter.Resources\(seconds=…\)"),
    ],
)
def test_a_word_of_a_studys_file_is_answered_with_the_argument_that_holds_it(word: str, said: str) -> None:
    with pytest.raises(UnknownArgument, match=f"tune\\(\\) has no '{word}': it is called {said}$"):
        kilter.tune(loss, **{word: 1})


def test_no_function_asks_for_more_than_sixteen_things() -> None:
    """What `tune` passes on it does not ask for, and Optuna's word for `scheduler` is no thing of its own."""
    asked = (inspect.signature(inspect.unwrap(function)).parameters.keys() - {"pruner"} for function in FUNCTIONS)
    assert max(map(len, asked)) <= 16


def test_a_slip_of_the_pen_is_answered_with_the_nearest_word() -> None:
    with pytest.raises(TypeError, match=r"did you mean workers=\?"):
        kilter.tune(loss, wrokers=2)


def test_the_search_keeps_the_words_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.svm import SVC

    from kilter.integrations.sklearn import KilterSearchCV

    with pytest.raises(TypeError, match="it is called n_iter="):
        KilterSearchCV(SVC(), {"C": [1, 2]}, n_trials=3)
    assert clone(KilterSearchCV(SVC(), {"C": [1, 2]}, n_iter=3)).n_iter == 3


@pytest.mark.parametrize(
    ("given", "direction"),
    [({}, "minimize"), ({"maximize": True}, "maximize"), ({"minimize": False, "maximize": True}, "maximize")],
)
def test_true_stands_for_the_number_that_is_returned(given: dict[str, bool], direction: str) -> None:
    study = kilter.tune(loss, {"x": kilter.Int(0, 3)}, n_trials=4, storage=None, progress="none", **given)
    assert study.direction == direction
    assert study.best_value == (3 if direction == "maximize" else 0)


@pytest.mark.parametrize("given", [{"maximize": 3}, {"minimize": [True]}, {"maximize": True, "minimize": "loss"}])
def test_what_names_no_metric_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="name"):
        kilter.tune(loss, {"x": kilter.Int(0, 3)}, n_trials=4, storage=None, **given)


@pytest.mark.parametrize("workers", [1.5, True, 0, -2, "two"])
def test_workers_are_counted(workers: Any) -> None:
    with pytest.raises(InvalidInput, match="workers="):
        kilter.tune(loss, {"x": kilter.Int(0, 3)}, n_trials=4, storage=None, workers=workers)


def test_the_keys_of_a_file_are_answered_alike() -> None:
    for table, known in TABLES.items():
        for word in {word for group in SAME for word in group} - set(known) - {"trials", "time", "jobs"}:
            meant = ours(word, known)
            if meant:
                with pytest.raises(UnknownArgument, match=f"it is called {meant[0]}"):
                    Specification.of({table: {word: 1}})
                with pytest.raises(ValueError, match=r"^(the file has no|.* = )"):
                    Specification.of({word: 1})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"callbacks": print}, "callbacks=.*give a list of functions"),
        ({"observers": print}, "observers=.*give a list"),
        ({"stoppers": 3}, "stoppers=3: give a list"),
        ({"subject_to": "a <= 1"}, "subject_to='a <= 1': give a dict"),
        ({"fidelity": {"epochs": (1, 81)}}, r"fidelity=\{'epochs': \(1, 81\)\}: give kilter.Fidelity"),
        ({"timeout": 3, "limits": kilter.Limits(seconds=3)}, r"timeout= and Limits\(seconds=…\) mean the same"),
        ({"n_trials": True}, "n_trials=True: give a whole number"),
        ({"timeout": "10"}, "timeout='10': give a number"),
    ],
)
def test_what_is_of_the_wrong_kind_is_named_as_it_was_written(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        kilter.tune(loss, {"x": kilter.Int(0, 3)}, storage=None, **{"n_trials": 2, **given})


def test_a_list_is_not_a_parameter_and_a_word_is_not_a_flag() -> None:
    with pytest.raises(InvalidInput, match=r"use Choice\(\[1, 5\]\) for options, or Float\(low, high\)"):
        kilter.Space({"x": (1, 5)})
    for kind in (kilter.Float, kilter.Int):
        with pytest.raises(InvalidInput, match=r"log=.false. of .*: give True or False"):
            kind(1, 5, log="false")


def test_what_cannot_stand_by_place_is_named() -> None:
    with pytest.raises(TypeError, match=r"tune\(\) takes only objective and space by place: name the others"):
        kilter.tune(loss, {}, 20)


@pytest.mark.parametrize(
    ("executor", "says"),
    [
        ("threads", "'threads' cannot bound what a trial uses: .* executor='processes'"),
        (Threads(2), "has resources of its own"),
    ],
)
def test_an_executor_has_resources_of_its_own_or_none(executor: Any, says: str) -> None:
    asked: dict[str, Any] = {"n_trials": 4, "storage": None, "progress": "none", "executor": executor}
    assert kilter.tune(loss, {"x": kilter.Int(0, 3)}, **asked).best_value == 0
    with pytest.raises(InvalidInput, match=says):
        kilter.tune(loss, {"x": kilter.Int(0, 3)}, resources=kilter.Resources(cpus=2), **asked)


def test_an_executor_by_its_name_takes_resources() -> None:
    resources = kilter.Resources(seconds=3)
    assert executor_of("processes", 2, resources) == kilter.executors.Processes(2, resources)
    assert executor_of("processes", 2, None) == kilter.executors.Processes(2)


def test_help_shows_what_is_passed_on_with_its_defaults() -> None:
    shown = inspect.signature(kilter.tune).parameters
    passed_on = inspect.signature(kilter.create_study).parameters
    assert all(shown[name].annotation == passed_on[name].annotation for name in ("sampler", "scheduler", "fidelity"))
    assert (shown["storage"].default, shown["seed"].default) == ("sqlite:///kilter.db", 0)
    assert "study" not in shown
