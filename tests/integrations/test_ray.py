"""Ray's search spaces and kilter's draw the same values; the search survives what Ray does to it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Parameter, Prior
from kilter.core.space import Space
from kilter.testing import strategies

ray = pytest.importorskip("ray", reason="ray is missing: pip install '.[ray]'")

from ray import tune  # noqa: E402
from ray.tune.search.variant_generator import generate_variants  # noqa: E402

from kilter.integrations.ray import KilterSearch, from_kilter, to_kilter  # noqa: E402

DOMAINS: dict[str, tuple[Any, Parameter]] = {
    "uniform": (tune.uniform(-1, 2), Float(-1, 2)),
    "quniform": (tune.quniform(0.2, 1.0, 0.2), Float(0.2, 1, step=0.2)),
    "loguniform": (tune.loguniform(1e-5, 1e-1), Float(1e-5, 1e-1, log=True)),
    "qloguniform": (tune.qloguniform(0.5, 64, 0.5), Float(0.5, 64, log=True, step=0.5)),
    "randn": (tune.randn(1, 0.5), Float(-1, 3, prior=Prior(1, "high"))),
    "qrandn": (tune.qrandn(1.1, 0.5, 0.25), Float(-1, 3, step=0.25, prior=Prior(1, "high"))),
    "randint": (tune.randint(1, 4), Int(1, 3)),
    "qrandint": (tune.qrandint(8, 32, 8), Int(8, 32, step=8)),
    "qrandint, off the grid": (tune.qrandint(5, 20, 7), Int(7, 14, step=7)),
    "qrandint, by one": (tune.qrandint(1, 4, 1), Int(1, 3)),
    "lograndint": (tune.lograndint(1, 5), Int(1, 4, log=True)),
    "qlograndint": (tune.qlograndint(4, 16, 4), Int(4, 16, log=True, step=4)),
    "choice": (tune.choice(["relu", None, (1, 2)]), Choice(["relu", None, (1, 2)])),
    "choice of two": (tune.choice([True, False]), Boolean()),
}


@pytest.mark.parametrize("kind", DOMAINS)
def test_every_domain(kind: str) -> None:
    """What Ray draws is legal here and, where there are few values, all of them come up on both sides."""
    domain, parameter = DOMAINS[kind]
    assert to_kilter({"x": domain})["x"] == parameter
    rng = np.random.default_rng(0)
    drawn = [domain.sample(random_state=rng) for _ in range(300)]
    places = {parameter.unit(parameter.plain(value)) for value in drawn}
    if parameter.size <= 5:
        assert len(places) == parameter.size
    else:
        assert min(places) < 0.25 < 0.75 < max(places)


@st.composite
def flat_spaces(draw: Callable[..., Any]) -> Space:
    parameter = st.one_of(
        st.builds(Float, st.integers(1, 9), st.integers(10, 90), log=st.booleans()),
        st.builds(
            Float, st.integers(1, 4), st.integers(4, 9), step=st.sampled_from([0.1, 0.25, 0.5]), log=st.booleans()
        ),
        st.builds(Int, st.integers(-5, 5), st.integers(5, 50)),
        st.builds(Int, st.integers(1, 5), st.integers(5, 50), log=st.just(True)),
        st.builds(Int, st.sampled_from([4, 8]), st.integers(8, 50), step=st.just(4), log=st.booleans()),
        st.sampled_from([["a", "b"], [None, 1, 2.5], [(1, 2), (3,)], [True, False]]).map(Choice),
        st.sampled_from([[16, 32], ["s", "m", "l"]]).map(Ordinal),
        st.just(Boolean()),
    )
    names = draw(st.lists(st.sampled_from(["a", "b", "c/d", "c/e", "f/g/h"]), min_size=1, unique=True))
    return Space({name: draw(parameter) for name in names})


def variants(param_space: dict[str, Any], n: int = 10) -> list[dict[str, Any]]:
    """Configurations as Ray's own random search draws them."""
    rng = np.random.default_rng(0)
    return [next(iter(generate_variants(param_space, random_state=rng)))[1] for _ in range(n)]


def flattened(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flattened(value, f"{prefix}{key}/") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@settings(deadline=None, max_examples=60)
@given(flat_spaces() | strategies.spaces(max_parameters=2))
def test_there_and_back_allows_the_same(space: Space) -> None:
    try:
        theirs = from_kilter(space)
    except InvalidInput:
        has_compounds = space.declared.keys() != space.parameters.keys()
        assert (
            space.forbidden
            or has_compounds
            or any(
                p.conditions or p.prior or getattr(p, "step", None) or isinstance(p, Choice)
                for p in space.parameters.values()
            )
        )
        return
    back = to_kilter(theirs)
    assert set(back.names) == set(space.names)
    for name, parameter in space.parameters.items():
        grid = parameter.grid(50)
        assert back[name].size == parameter.size
        for value in map(parameter.value, grid):
            again = back[name].value(back[name].plain(value))
            assert repr(again) == repr(value)
        if parameter.size > 1 and isinstance(parameter, (Float, Int)):
            assert (back[name].log, back[name].grid(9)) == (parameter.log, parameter.grid(9))


@settings(deadline=None, max_examples=30)
@given(flat_spaces())
def test_what_ray_draws_from_our_space_is_legal(space: Space) -> None:
    for config in variants(from_kilter(space)):
        assert set(space.plain(flattened(config))) == set(space.names)


def test_nested_spaces_and_constants() -> None:
    given = {"net": {"width": tune.randint(1, 9), "act": "relu"}, "epochs": 10}
    assert to_kilter(given) == Space({"net/width": Int(1, 8)})


@pytest.mark.parametrize(
    ("param_space", "said"),
    [
        ({"net": {"x": tune.grid_search([1, 2])}}, "'net/x' is a grid_search.*tune.choice"),
        ({"x": tune.sample_from(lambda config: 1)}, "'x'.*sample_from"),
        ({"xs": [tune.uniform(0, 1)]}, "'xs/0'.*in dicts alone"),
        ({"a/b": tune.uniform(0, 1)}, "without a slash"),
        ({"x": tune.choice([1, 1, 2])}, "'x'.*two options"),
        ({"x": tune.choice([1, tune.uniform(0, 1)])}, "'x'.*an option of tune.choice holds a domain"),
        ({"x": tune.choice([{"type": "svm", "C": tune.uniform(0, 1)}, {}])}, "'x'.*kilter.Space"),
    ],
)
def test_what_has_no_place_in_a_space_is_said(param_space: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        to_kilter(param_space)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (Space({"a": Boolean(), "b": Int(1, 2).when(a=True)}), "b=.*no conditions"),
        (Space({"a": Boolean()}, [{"a": True}]), "forbid nothing"),
        (Space({"a": Float(0, 1, prior=Prior(0.5))}), "a=.*no priors"),
        (Space({"a": Choice({"up": lambda x: x, "down": lambda x: -x})}), "a=.*by their values alone"),
        (Space({"a": Int(1, 9, step=4)}), "a=.*multiples of their step"),
        (Space({"a": Int(1, 9), "a/b": Int(1, 9)}), "'a' of 'a/b'"),
    ],
)
def test_what_ray_cannot_hold_is_said(space: Space, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        from_kilter(space)


# -- the search, driven by hand ---------------------------------------------------------------------------------------

SPACE = {"x": Float(0, 1), "model": Choice({"net": {"net/width": Int(1, 5)}, "trees": {}})}


def search(**settings: Any) -> KilterSearch:
    return KilterSearch(**{"space": SPACE, "metric": "loss", "mode": "min", "sampler": "tpe", "seed": 0, **settings})


def loss(config: dict[str, Any]) -> float:
    return float((config["x"] - 0.3) ** 2 + (config["model"] == "trees"))


def run(searcher: KilterSearch, first: int, last: int) -> list[dict[str, Any]]:
    """Trials one after the other, each with two iterations."""
    configs = []
    for number in range(first, last):
        config = searcher.suggest(f"t{number}")
        configs.append(config)
        for step in (1, 2):
            result = {"loss": loss(config) + 1 / step, "training_iteration": step, "done": step == 2}
            searcher.on_trial_result(f"t{number}", result)
        searcher.on_trial_complete(f"t{number}", result)
    return configs


@pytest.mark.filterwarnings("error")
def test_it_searches() -> None:
    searcher = search()
    configs = run(searcher, 0, 40)
    assert all(("net" in config) == (config["model"] == "net") for config in configs)
    study = searcher.study
    assert study.best_value - 1 / 2 < 0.005
    assert study.trials[3].intermediate_values == {1: loss(configs[3]) + 1, 2: loss(configs[3]) + 0.5}


def test_a_space_of_ray_and_the_metric_come_from_the_tuner() -> None:
    searcher = KilterSearch(seed=0)
    with pytest.raises(NotReady, match="space"):
        searcher.suggest("a")
    param_space = {"net": {"width": tune.randint(1, 9)}, "epochs": 3}
    assert searcher.set_search_properties("acc", "max", param_space)
    assert searcher.suggest("a")["net"]["width"] in range(1, 9)
    assert (searcher.metric, searcher.mode, searcher.study.direction) == ("acc", "max", "maximize")


def test_two_spaces_are_one_too_many() -> None:
    assert not search().set_search_properties("loss", "min", {"y": tune.uniform(0, 1)})
    assert not KilterSearch(SPACE).set_search_properties("loss", "min", {"y": tune.uniform(0, 1)})
    assert KilterSearch(SPACE).set_search_properties("loss", "min", {})


def test_what_is_missing_is_said() -> None:
    with pytest.raises(InvalidInput, match="mode='min'"):
        KilterSearch(SPACE).set_search_properties(None, None, {})
    with pytest.raises(InvalidInput, match="lists of one length"):
        KilterSearch(SPACE).set_search_properties("loss", ["min"], {})
    with pytest.raises(InvalidInput, match="nothing to search"):
        KilterSearch().set_search_properties("loss", "min", {"epochs": 3})


def test_how_a_trial_ends() -> None:
    searcher = search()
    ends: dict[str, tuple[Any, bool]] = {
        "complete": ({"loss": 1.0, "training_iteration": 3}, False),
        "raised": (None, True),
        "raised late": ({"loss": 1.0, "training_iteration": 3}, True),
        "nan": ({"loss": math.nan, "training_iteration": 3}, False),
        "no metric": ({"accuracy": 1.0, "training_iteration": 3}, False),
        "no number": ({"loss": "high", "training_iteration": 3}, False),
        "broken off": (None, False),
    }
    for name, (result, error) in ends.items():
        searcher.suggest(name)
        searcher.on_trial_complete(name, result, error)
    searcher.on_trial_complete("complete", {"loss": 2.0})  # told twice
    states = [trial.state.name for trial in searcher.study.trials]
    assert states == ["COMPLETE", "FAIL", "FAIL", "FAIL", "FAIL", "FAIL", "PRUNED"]
    assert searcher.study.best_value == 1.0


def test_a_trial_that_a_scheduler_stops_is_pruned() -> None:
    """As Ray tells it: a result at which a trial is stopped comes with its end alone."""
    searcher = search()
    searcher.set_search_properties("loss", "min", {}, stop={"accuracy": 0.9})
    ends = {"runs out": 4, "stopped": 2, "stopped at the last": 4, "good enough": 1, "returned": 2}
    for name, last in ends.items():
        searcher.suggest(name)
        results = [{"loss": 1 / step, "accuracy": 0.5, "training_iteration": step} for step in range(1, last + 1)]
        for result in results if name in ("runs out", "returned") else results[:-1]:
            searcher.on_trial_result(name, result)
        searcher.on_trial_complete(name, {**results[-1], "accuracy": 0.95 if name == "good enough" else 0.5, "done": 1})
    trials = dict(zip(ends, searcher.study.trials))
    assert [name for name, trial in trials.items() if trial.state.name == "PRUNED"] == ["stopped"]
    assert [trial.state.name for trial in trials.values()].count("COMPLETE") == 4
    assert trials["stopped"].intermediate_values == {1: 1.0, 2: 0.5}


def test_a_space_that_is_used_up_ends_the_search() -> None:
    searcher = search(space={"a": Boolean()}, sampler="grid")
    assert {searcher.suggest(str(i))["a"] for i in range(2)} == {False, True}
    assert searcher.suggest("more") == KilterSearch.FINISHED


def test_a_point_may_be_a_whole_configuration_of_an_earlier_run() -> None:
    """With what the space fixes, too; another value there is refused. None, Ray's own default, is no point."""
    space = {"a": {"lr": tune.loguniform(1e-5, 1e-1), "c": 10}, "k": tune.choice(["x", None])}

    def first(points: Any) -> Any:
        search = KilterSearch(metric="loss", mode="min", seed=0, points_to_evaluate=points)
        search.set_search_properties("loss", "min", space)
        return search.suggest("a")

    assert first([{"a": {"lr": 0.01, "c": 10}, "k": None}]) == {"a": {"lr": 0.01}, "k": None}
    assert set(first(None)) == {"a", "k"}
    with pytest.raises(InvalidInput, match="a/c=11, which the param_space fixes at 10"):
        first([{"a": {"lr": 0.01, "c": 11}}])


def test_points_to_evaluate_come_first() -> None:
    searcher = search(points_to_evaluate=[{"x": 0.25, "model": "net", "net": {"width": 2}}, {"x": 0.5}])
    assert searcher.suggest("a") == {"x": 0.25, "model": "net", "net": {"width": 2}}
    assert searcher.suggest("b")["x"] == 0.5
    with pytest.raises(UnknownName, match=r"net/depth.*net/width"):
        search(points_to_evaluate=[{"net": {"depth": 1}}])


def test_several_objectives() -> None:
    searcher = search(metric=["loss", "size"], mode=["min", "max"], sampler="nsga2")
    config = searcher.suggest("a")
    searcher.on_trial_complete("a", {"loss": 0.5, "size": 3, "training_iteration": 1})
    assert searcher.study.directions == ["minimize", "maximize"]
    assert searcher.study.best_trials[0].values == [0.5, 3]
    assert searcher.study.best_trials[0].params["x"] == config["x"]


@pytest.mark.parametrize("how", ["file", "pickle"])
def test_a_restored_search_goes_on_as_if_nothing_had_happened(how: str, tmp_path: Path) -> None:
    searcher = search()
    run(searcher, 0, 15)
    searcher.suggest("running")
    if how == "file":
        searcher.save(str(tmp_path / "state.json"))
        restored = search()
        restored.suggest("forgotten")
        restored.restore(str(tmp_path / "state.json"))
    else:
        restored = pickle.loads(pickle.dumps(searcher))
    for each in (searcher, restored):
        each.on_trial_complete("running", {"loss": 0.01, "training_iteration": 2})
    assert run(restored, 20, 25) == run(searcher, 20, 25)
    assert [t.values for t in restored.study.trials] == [t.values for t in searcher.study.trials]


def test_options_that_are_objects_survive_a_restore(tmp_path: Path) -> None:
    searcher = search(space={"f": Choice([int, float])})
    searcher.save(str(tmp_path / "state.json"))
    restored = search(space={"f": Choice([int, float])})
    restored.restore(str(tmp_path / "state.json"))
    assert restored.suggest("a") == searcher.suggest("a")
    assert restored.suggest("b")["f"] in (int, float)


def test_a_study_in_a_file_is_shared(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/ray.db"
    searcher = search(storage=storage)
    run(searcher, 0, 3)
    searcher.suggest("running")
    searcher.save(str(tmp_path / "state.json"))
    restored = search(storage=storage)
    restored.restore(str(tmp_path / "state.json"))
    restored.on_trial_complete("running", {"loss": 0.0, "training_iteration": 1})
    assert kilter.load_study(storage=storage).best_value == 0.0
    assert len(restored.study.trials) == 4


# -- the search in Ray's own hands ------------------------------------------------------------------------------------


def train(config: dict[str, Any]) -> None:
    if config["x"] != 0.5 and not Path(config["go"]).exists():
        raise RuntimeError("out of memory")
    for step in (1, 2):
        tune.report({"loss": (config["x"] - config["centre"]) ** 2 + config["net"]["width"] / step})


@pytest.mark.story
@pytest.mark.skipif(not hasattr(tune, "RunConfig"), reason="the test is written in the words of Ray 2.43 and later")
def test_a_tuner_runs_and_is_restored(tmp_path: Path) -> None:
    """The first trial ends and the second raises; restored, Ray repeats that one, which is a failed one for us."""
    go = tmp_path / "go"
    param_space = {"x": tune.uniform(0, 1), "net": {"width": tune.randint(1, 4)}, "centre": 0.5, "go": str(go)}
    searcher = KilterSearch(sampler="tpe", seed=0, points_to_evaluate=[{"x": 0.5, "net": {"width": 1}}])
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        tuner = tune.Tuner(
            train,
            param_space=param_space,
            tune_config=tune.TuneConfig(
                metric="loss", mode="min", search_alg=searcher, num_samples=2, reuse_actors=True
            ),
            run_config=tune.RunConfig(name="run", storage_path=str(tmp_path), verbose=0),
        )
        assert tuner.fit().num_errors == 1
        go.touch()
        again = tune.Tuner.restore(str(tmp_path / "run"), train, restart_errored=True, param_space=param_space)
        results = again.fit()
    finally:
        ray.shutdown()
    assert results.num_errors == 0
    restored = KilterSearch()
    restored.restore_from_dir(str(tmp_path / "run"))
    assert [trial.state.name for trial in restored.study.trials] == ["COMPLETE", "FAIL"]
    assert restored.study.best_value == results.get_best_result().metrics["loss"] == 0.5
    assert list(restored.study.best_trial.intermediate_values) == [1, 2]
    assert restored.suggest("next")["net"]["width"] in (1, 2, 3)
