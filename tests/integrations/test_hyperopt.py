"""What Hyperopt draws lies in the kilter space, with the same shares, and objectives get the structure they expect."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter, Prior
from kilter.core.space import Space

hyperopt = pytest.importorskip("hyperopt", reason="hyperopt is missing: pip install '.[hyperopt]'")

from hyperopt import hp  # noqa: E402
from hyperopt.base import Domain  # noqa: E402
from hyperopt.rand import suggest  # noqa: E402

from kilter.integrations.hyperopt import objective, space_eval, to_kilter, to_params  # noqa: E402


def rounded(logarithm: float) -> float:
    return float(f"{exp(logarithm):.12g}")


KINDS: dict[str, tuple[Any, Parameter]] = {
    "uniform": (hp.uniform("x", -1, 3), Float(-1, 3)),
    "loguniform": (hp.loguniform("x", log(1e-5), log(1e-1)), Float(1e-5, 1e-1, log=True)),
    "quniform": (hp.quniform("x", 10, 50, 10), Float(10, 50, step=10)),
    "quniform, ends outside": (hp.quniform("x", 1, 10, 4), Float(0, 8, step=4)),
    "quniform, fine": (hp.quniform("x", 0, 1, 0.1), Float(0, 1, step=0.1)),
    "qloguniform": (hp.qloguniform("x", log(1), log(100), 1), Float(1, 100, log=True, step=1)),
    "uniformint": (hp.uniformint("x", 1, 9), Int(1, 9)),
    "randint": (hp.randint("x", 5), Int(0, 4)),
    "randint, from": (hp.randint("x", 3, 6), Int(3, 5)),
    "normal": (hp.normal("x", 1, 2), Float(-7, 9, prior=Prior(1, "high"))),
    "lognormal": (
        hp.lognormal("x", 0, 0.5),
        Float(rounded(-2), rounded(2), log=True, prior=Prior(1, "high")),
    ),
    "qnormal": (hp.qnormal("x", 0.2, 1, 0.5), Float(-4, 4, step=0.5, prior=Prior(0, "high"))),
    "qlognormal": (
        hp.qlognormal("x", 4, 0.5, 5),
        Float(5, 405, log=True, step=5, prior=Prior(55, "high")),
    ),
    "choice": (hp.choice("x", ["a", None, (1, 2)]), Choice(["a", None, (1, 2)])),
    "pchoice": (hp.pchoice("x", [(0.1, "a"), (0.8, "b"), (0.1, "c")]), Choice(["a", "b", "c"], prior=Prior("b"))),
}


def drawn(expression: Any, n: int) -> list[dict[str, Any]]:
    """Points as Hyperopt's random search proposes them."""
    domain, trials = Domain(lambda structure: 0, expression), hyperopt.Trials()
    proposed = suggest(range(n), domain, trials, seed=0)
    return [trial["misc"]["vals"] for trial in proposed]


@pytest.mark.parametrize("kind", KINDS)
def test_every_distribution(kind: str) -> None:
    expression, expected = KINDS[kind]
    assert to_kilter(expression).parameters == {"x": expected}


@pytest.mark.parametrize("kind", KINDS)
def test_both_draw_alike(kind: str) -> None:
    """Quartiles of 400 draws each, as places in the range: they agree within 4 standard errors."""
    expression, parameter = KINDS[kind]
    theirs = [to_params(expression, vals)["x"] for vals in drawn(expression, 400)]
    rng = np.random.default_rng(0)
    ours = [parameter.from_uniform(u) for u in rng.random(400)]
    places = [
        sorted(map(parameter.unit, map(parameter.plain, values))) for values in (theirs, map(parameter.value, ours))
    ]
    cell = 1 / parameter.size if parameter.size < 20 else 0
    if isinstance(parameter, Choice) and parameter.prior:
        share = sum(value == "b" for value in theirs) / 400
        assert abs(share - 0.8) < 0.08
    else:
        for quartile in (100, 200, 300):
            assert abs(places[0][quartile] - places[1][quartile]) <= 0.15 + cell


SHARED = hp.lognormal("C", 0, 1)
NESTED = hp.choice(
    "model",
    [
        {
            "type": "svm",
            "C": SHARED,
            "kernel": hp.choice("kernel", [{"name": "linear"}, ("rbf", hp.uniform("w", 0, 1))]),
        },
        {"type": "ridge", "C": SHARED, "degree": hp.uniformint("degree", 1, 3)},
        {"type": "trees", "depth": 1 + hp.randint("depth", 5), "rate": [hp.pchoice("p", [(0.5, 1), (0.5, 2)]), 3]},
    ],
)


def test_nested_choices_become_conditions() -> None:
    space = to_kilter(NESTED)
    assert {name: {c.parent: c.values for c in p.conditions} for name, p in space.parameters.items()} == {
        "model": {},
        "C": {"model": ("svm", "ridge")},
        "kernel": {"model": ("svm",)},
        "w": {"model": ("svm",), "kernel": ("rbf",)},
        "degree": {"model": ("ridge",)},
        "depth": {"model": ("trees",)},
        "p": {"model": ("trees",)},
    }


def leaves() -> st.SearchStrategy[Callable[[str], Any]]:
    """Functions of a label that make a distribution or a constant."""
    numbers = st.integers(-3, 3)
    return st.one_of(
        numbers.map(lambda low: lambda label: hp.uniform(label, low, low + 2)),
        numbers.map(lambda low: lambda label: hp.loguniform(label, low, low + 2)),
        st.tuples(numbers, st.sampled_from([1, 0.3, 2])).map(lambda a: lambda label: hp.quniform(label, a[0], 5, a[1])),
        st.integers(1, 9).map(lambda n: lambda label: hp.randint(label, n)),
        numbers.map(lambda low: lambda label: hp.uniformint(label, low, low + 3)),
        st.sampled_from(["t", "u", 3, None]).map(lambda constant: lambda label: constant),
    )


def structures(make: st.SearchStrategy[Callable[[str], Any]]) -> st.SearchStrategy[Callable[[str], Any]]:
    """Choices, dicts and tuples of structures, each with labels of its own."""
    parts = st.lists(make, min_size=1, max_size=3)

    def labelled(parts: list[Callable[[str], Any]], label: str) -> list[Any]:
        return [part(f"{label}{i}") for i, part in enumerate(parts)]

    return st.one_of(
        parts.map(lambda parts: lambda label: hp.choice(label, labelled(parts, label))),
        parts.map(lambda parts: lambda label: {f"k{i}": part for i, part in enumerate(labelled(parts, label))}),
        parts.map(lambda parts: lambda label: tuple(labelled(parts, label))),
    )


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.recursive(leaves(), structures, max_leaves=6))
def test_what_either_draws_is_legal_for_the_other(make: Callable[[str], Any]) -> None:
    expression = make("x")
    space = to_kilter(expression)
    if not len(space):
        return
    for vals in drawn(expression, 5):
        params = to_params(expression, vals)
        assert space.is_legal(space.plain(params))
        chosen = {label: value[0] for label, value in vals.items() if value}
        alike(space_eval(expression, params), hyperopt.space_eval(expression, chosen))
    rng = np.random.default_rng(0)
    for _ in range(5):
        space_eval(expression, space.values(space.draw(rng)))


def alike(one: Any, other: Any) -> None:
    """Equal but for the last digits of floats, which lie on our grid exactly."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), [other[key] for key in one]
    if isinstance(one, (tuple, list)):
        for ours, theirs in zip(one, other):
            alike(ours, theirs)
    else:
        assert one == (pytest.approx(other) if isinstance(other, float) else other)


def test_an_objective_of_hyperopt_runs_unchanged() -> None:
    seen = []

    def loss(at: dict[str, Any]) -> dict[str, Any]:
        seen.append(at["type"])
        if at["type"] == "ridge":
            return {"status": hyperopt.STATUS_FAIL, "why": "it did not converge"}
        return {"loss": float(at["depth"]) if "depth" in at else 9.0, "status": "ok", "type": at["type"], "model": loss}

    study = kilter.tune(objective(loss, NESTED), to_kilter(NESTED), n_trials=30, storage=None, progress="none")
    assert len(seen) == 30
    assert (study.best_params["model"], study.best_value) == ("trees", 1.0)
    assert study.best_trial.user_attrs == {"type": "trees"}  # no log can hold the function
    failed = [trial for trial in study.trials if trial.state is kilter.TrialState.FAIL]
    assert {trial.params["model"] for trial in failed} == {"ridge"}
    assert "did not converge" in str(failed[0].failure)


def test_what_hyperopt_found_can_be_enqueued() -> None:
    trials = hyperopt.Trials()
    hyperopt.fmin(
        lambda at: 0.0 if at["type"] == "svm" else 1.0,
        NESTED,
        hyperopt.rand.suggest,
        max_evals=10,
        trials=trials,
        rstate=np.random.default_rng(0),
        show_progressbar=False,
        verbose=False,
    )
    best = to_params(NESTED, trials.argmin)
    assert best["model"] == "svm"
    study = kilter.create_study(space=to_kilter(NESTED), seed=0)
    study.enqueue_trial(best)
    assert study.ask().params == best


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (hp.qloguniform("n", log(0.1), log(9), 1), "'n'.*rounded to 0"),
        (hp.uniform("x", 0, hp.uniform("y", 1, 2)), "'x', uniform, cannot be converted"),
        ([hp.uniform("x", 0, 1), hp.uniform("x", 0, 1)], "label 'x' stands for two"),
        (hp.loguniform("x", 1, 1000), "'x'.*numbers"),
        (
            [hp.choice("a", [1, both := hp.uniform("b", 0, 1)]), hp.choice("c", [2, both])],
            "'b' stands under .* of its own",
        ),
        (hyperopt.pyll.scope.switch(hyperopt.pyll.scope.randint(2), 1, 2), "use hp.choice"),
    ],
)
def test_what_cannot_be_converted_is_said(expression: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        to_kilter(expression)


def test_unknown_names_and_values() -> None:
    with pytest.raises(UnknownName, match="kernel"):
        to_params(NESTED, {"kernell": 0})
    with pytest.raises(InvalidInput, match="degree: 9"):
        to_params(NESTED, {"model": 1, "degree": 9})
    with pytest.raises(InvalidInput, match="'degree' is missing"):
        space_eval(NESTED, {"model": "ridge", "C": 1.0})


def test_options_that_no_text_tells_apart_go_by_their_numbers() -> None:
    expression = hp.choice("c", [{"x": hp.uniform("x", 0, 1)}, object()])
    assert to_kilter(expression)["c"] == Choice(["0", "1"])
    assert isinstance(to_kilter({"a": 1}), Space)
