"""A ready-made space begins at the library's defaults, and whatever it yields is an estimator that fits."""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import kilter
from kilter import spaces
from kilter.core.errors import UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import Condition, Parameter
from kilter.core.space import Space
from kilter.spaces.lookup import ESTIMATORS

WHERE = {
    "CatBoostClassifier": "catboost",
    "CatBoostRegressor": "catboost",
    "ExtraTreesClassifier": "sklearn.ensemble",
    "ExtraTreesRegressor": "sklearn.ensemble",
    "HistGradientBoostingClassifier": "sklearn.ensemble",
    "HistGradientBoostingRegressor": "sklearn.ensemble",
    "KNeighborsClassifier": "sklearn.neighbors",
    "KNeighborsRegressor": "sklearn.neighbors",
    "LGBMClassifier": "lightgbm",
    "LGBMRanker": "lightgbm",
    "LGBMRegressor": "lightgbm",
    "LogisticRegression": "sklearn.linear_model",
    "MLPClassifier": "sklearn.neural_network",
    "MLPRegressor": "sklearn.neural_network",
    "RandomForestClassifier": "sklearn.ensemble",
    "RandomForestRegressor": "sklearn.ensemble",
    "SVC": "sklearn.svm",
    "SVR": "sklearn.svm",
    "XGBClassifier": "xgboost",
    "XGBRanker": "xgboost",
    "XGBRegressor": "xgboost",
}
FEW = {"HistGradient": "max_iter", "LGBM": "n_estimators", "XGB": "n_estimators", "CatBoost": "iterations"}
FEW |= {"RandomForest": "n_estimators", "ExtraTrees": "n_estimators", "MLP": "max_iter"}
"""What to set low: a few rounds, trees or epochs are enough to see whether a configuration works."""

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 12))
TARGETS = ROWS[:, 0] + ROWS[:, 1] ** 2 + 0.5 * RNG.normal(size=60)
QUERIES = {
    "LGBMRanker": {"group": [20, 20, 20]},
    "XGBRanker": {"group": [20, 20, 20]},
}
"""What a ranker is told beside rows and labels: which rows belong together."""
MEDIAN = np.median(TARGETS)
LABELS = (TARGETS > MEDIAN).astype(int)

every_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def estimator_class(name: str) -> Any:
    module = WHERE[name]
    library = module.split(".")[0]
    extra = "sklearn" if library == "sklearn" else library
    pytest.importorskip(library, reason=f"{library} is not installed: pip install '.[{extra}]'")
    return getattr(importlib.import_module(module), name)


def constants(kind: Any) -> dict[str, Any]:
    """What keeps a fit repeatable, quiet and on one core."""
    wanted = {"random_state": 0, "n_jobs": 1, "verbose": {"LGBM": -1}.get(kind.__name__[:4], 0)}
    if kind.__module__.startswith("catboost"):
        wanted = {"random_seed": 0, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
    return {key: value for key, value in wanted.items() if key in arguments(kind)}


def arguments(kind: Any) -> set[str]:
    """All names that the constructor takes."""
    own = set(inspect.signature(kind.__init__).parameters)
    return own | set(kind().get_params())


def defaults(space: dict[str, Parameter]) -> dict[str, Any]:
    """The configuration of defaults, of the parameters that are active in it."""
    whole = Space(space)
    return whole.values(whole.plain({}))


def fitted(kind: Any, settings: dict[str, Any]) -> Any:
    target = TARGETS if kind.__name__.endswith(("Regressor", "SVR")) else LABELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of training that has not converged, and of columns without names
        return kind(**{**constants(kind), **settings}).fit(ROWS, target, **QUERIES.get(kind.__name__, {}))


def predictions(kind: Any, settings: dict[str, Any]) -> np.ndarray:
    model = fitted(kind, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.predict_proba(ROWS) if hasattr(model, "predict_proba") else model.predict(ROWS)


def shortened(kind: Any) -> dict[str, Any]:
    return {argument: 8 for start, argument in FEW.items() if kind.__name__.startswith(start)}


@every_estimator
def test_every_parameter_is_an_argument_and_has_a_default(name: str) -> None:
    space = spaces.space_for(name)
    assert space.keys() <= arguments(estimator_class(name))
    assert all(parameter.has_default for parameter in space.values())


@every_estimator
def test_the_defaults_are_those_that_the_library_states(name: str) -> None:
    stated = estimator_class(name)().get_params()
    unstated = {key for key in spaces.space_for(name) if stated.get(key) is None}
    for key, parameter in spaces.space_for(name).items():
        if key not in unstated:
            assert parameter.default == stated[key] and type(parameter.default) is type(stated[key]), key
    by_none = {"RandomForest": {"max_samples"}, "ExtraTrees": {"max_samples"}, "LogisticReg": {"class_weight"}}
    if not name.startswith(("XGB", "CatBoost")):  # theirs are inside, see the next test
        assert unstated == next((keys for start, keys in by_none.items() if name.startswith(start)), set())


@every_estimator
def test_the_defaults_make_the_very_model_of_the_bare_estimator(name: str) -> None:
    kind, space = estimator_class(name), spaces.space_for(name)
    settings = defaults(space)
    bare: dict[str, Any] = {}
    if name.startswith("CatBoost"):  # 1000 rounds take long, and it guesses a learning rate where none is given
        settings["iterations"] = bare["iterations"] = 20
        bare["learning_rate"] = 0.03
    assert np.array_equal(predictions(kind, settings), predictions(kind, bare))


@pytest.mark.parametrize("name", ["CatBoostClassifier", "CatBoostRegressor"])
def test_the_learning_rate_of_catboost_is_the_one_beside_a_given_penalty(name: str) -> None:
    model = fitted(estimator_class(name), {"iterations": 2, "l2_leaf_reg": 3.0})
    assert model.get_all_params()["learning_rate"] == pytest.approx(spaces.catboost()["learning_rate"].default)
    assert estimator_class(name)().get_param("iterations") is None  # so that it is CatBoost's own thousand
    assert fitted(estimator_class(name), {"depth": 1}).tree_count_ == spaces.catboost()["iterations"].default


@every_estimator
def test_whatever_is_drawn_fits(name: str) -> None:
    kind, space = estimator_class(name), Space(spaces.space_for(name))
    rng = np.random.default_rng(1)
    for _ in range(20):
        settings = {**space.values(space.draw(rng)), **shortened(kind)}
        assert np.isfinite(predictions(kind, settings)).all(), settings


@every_estimator
def test_the_ends_of_all_ranges_fit(name: str) -> None:
    kind, space = estimator_class(name), Space(spaces.space_for(name))
    for end in (0.0, 1.0):
        settings = {**space.values(space.decode([end] * len(space))), **shortened(kind)}
        assert np.isfinite(predictions(kind, settings)).all(), settings


@every_estimator
@pytest.mark.parametrize("sampler", ["auto", "gp", "tpe"])
def test_the_first_trial_of_a_study_takes_the_defaults(name: str, sampler: str) -> None:
    study = kilter.create_study(space=spaces.space_for(name), sampler=sampler, seed=0)
    assert study.ask().params == defaults(spaces.space_for(name))


def test_a_space_is_made_anew_by_each_call() -> None:
    spaces.svm().pop("C")
    assert "C" in spaces.svm()


def test_the_task_is_one_that_there_is() -> None:
    for make in (spaces.svm, spaces.random_forest, spaces.extra_trees):
        with pytest.raises(UnknownName, match="did you mean 'regression'"):
            make("regresion")


def test_a_space_is_found_by_instance_class_subclass_and_name() -> None:
    kind = type("SVC", (), {"__module__": "library"})  # only its name counts, as nothing is imported
    assert spaces.space_for(kind()) == spaces.space_for(kind) == spaces.space_for("SVC") == spaces.svm()
    assert spaces.space_for(type("Mine", (kind,), {})) == spaces.svm()
    assert "epsilon" in spaces.space_for("SVR") and "criterion" not in spaces.space_for("RandomForestRegressor")


def test_what_a_library_makes_of_its_own_classes_is_another_method() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    with pytest.raises(UnknownName, match="no ready-made space for 'LogisticRegressionCV'"):
        spaces.space_for(linear.LogisticRegressionCV)
    with pytest.raises(UnknownName, match="no ready-made space for 'XGBRFClassifier'"):
        spaces.space_for(pytest.importorskip("xgboost").XGBRFClassifier())


@every_estimator
def test_a_bare_estimator_has_the_space_of_its_class(name: str) -> None:
    kind = estimator_class(name)
    assert spaces.space_for(kind()) == spaces.space_for(kind) == spaces.space_for(name)


def test_an_estimator_keeps_its_settings_as_defaults_where_the_ranges_allow_them() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    forest = ensemble.RandomForestClassifier(n_estimators=7, max_features=0.5, min_samples_leaf=4, criterion="log_loss")
    space = spaces.space_for(forest)
    assert space.keys() == spaces.random_forest().keys()
    assert defaults(space) == {**defaults(spaces.random_forest()), "max_features": 0.5, "min_samples_leaf": 4}


def test_the_parts_of_an_estimator_have_their_spaces() -> None:
    compose = pytest.importorskip("sklearn.compose")
    ensemble = pytest.importorskip("sklearn.ensemble")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    svm = estimator_class("SVR")
    steps = pipeline.make_pipeline(preprocessing.StandardScaler(), svm(C=3.0))
    both = ensemble.VotingRegressor([("a", steps), ("b", estimator_class("RandomForestRegressor")())])
    whole = compose.TransformedTargetRegressor(both)
    space = spaces.space_for(whole)
    assert space["regressor__a__svr__C"] == Float(1e-3, 1e3, log=True, default=3.0)
    assert space["regressor__b__max_samples"].conditions == (Condition("regressor__b__bootstrap", (True,)),)
    assert len(space) == len(spaces.svm("regression")) + len(spaces.random_forest("regression"))
    whole.set_params(**defaults(space)).fit(ROWS, TARGETS)
    with pytest.raises(UnknownName, match="no ready-made space for 'Pipeline'"):
        spaces.space_for(steps[:1])


def test_an_unknown_estimator_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'LGBMClassifier'"):
        spaces.space_for("LGBClassifier")
    with pytest.raises(UnknownName, match="'dict'"):
        spaces.space_for({})


def test_a_prefix_is_put_before_names_and_conditions() -> None:
    nested = {
        "model": Choice({"a": {"x": Float(0, 1)}, "b": {"y": Int(1, 3, default=2)}}),
        "deep": Boolean().when(model="b"),
    }
    step = Space(spaces.prefixed(nested, "clf"))
    assert set(step) == {"clf__model", "clf__x", "clf__y", "clf__deep"}
    plain = Space(nested)
    for name in plain:
        assert step[f"clf__{name}"].default == plain[name].default
        assert step[f"clf__{name}"].conditions == tuple(
            Condition(f"clf__{c.parent}", c.values) for c in plain[name].conditions
        )


@every_estimator
def test_a_prefixed_space_sets_the_step_of_a_pipeline(name: str) -> None:
    kind = estimator_class(name)
    pipeline = pytest.importorskip("sklearn.pipeline").Pipeline([("clf", kind(**constants(kind)))])
    settings = defaults(spaces.prefixed(spaces.space_for(name), "clf"))
    assert settings.keys() == {f"clf__{key}" for key in defaults(spaces.space_for(name))}
    pipeline.set_params(**settings)
    assert {f"clf__{k}": v for k, v in pipeline["clf"].get_params().items()}.items() >= settings.items()


def test_lightgbm_and_xgboost_know_the_names_without_their_classes() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(2)
    for make, train in (
        (
            spaces.lightgbm,
            lambda s: lightgbm.train({**s, "verbosity": -1}, lightgbm.Dataset(ROWS, TARGETS)).predict(ROWS),
        ),
        (spaces.xgboost, lambda s: boosted(xgboost, dict(s))),
    ):
        space = Space(make())
        kind = estimator_class("LGBMRegressor" if make is spaces.lightgbm else "XGBRegressor")
        settings = {**space.values(space.draw(rng)), "n_estimators": 8}
        assert train({**settings, "seed": 0}) == pytest.approx(predictions(kind, settings), rel=1e-6)


def boosted(xgboost: Any, settings: dict[str, Any]) -> np.ndarray:
    rows = xgboost.DMatrix(ROWS, TARGETS)
    return xgboost.train(settings, rows, settings.pop("n_estimators")).predict(rows)
