"""What ships with ready-made spaces is of these spaces, comes after the defaults, and is nobody's who did not ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter import spaces
from kilter.core.space import Space
from kilter.models.matching import matched
from kilter.spaces import knowledge
from kilter.spaces.knowledge import KnownSpace, knowledge_of, known_of

FILES = sorted(Path(knowledge.__file__).parent.glob("*.json"))


@pytest.fixture(autouse=True)
def learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of these tests may learn."""
    monkeypatch.delenv("KILTER_TRANSFER", raising=False)


def space_of(name: str) -> dict[str, Any]:
    make, _, task = name.partition("-")
    return getattr(spaces, make)(*([task] if task else []))


def configs(space: Any) -> list[dict[str, Any]]:
    """What is known of a space, in order."""
    return [dict(config) for study in knowledge_of(Space(space, known=known_of(space))) for config in study.configs]


def begun(space: Any, trials: int, **given: Any) -> kilter.Study:
    study = kilter.create_study(space=space, direction="minimize", seed=3, **given)
    for number in range(trials):
        study.tell(study.ask(), float(number))
    return study


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_all_that_is_known_is_of_its_space_small_and_says_where_it_is_from(name: str) -> None:
    own = space_of(name)
    (study,) = knowledge_of(Space(own, known=known_of(own)))
    seen = matched(study, Space(own))
    assert len(seen.matrix) == knowledge.LISTED and not seen.missing and not seen.extra and seen.reason is None
    space = Space(own)
    assert all(set(config) == set(space.decode(space.encode([config])[0])) for config in configs(own))
    assert space.defaults not in configs(own)
    path = Path(knowledge.__file__).parent / f"{name}.json"
    assert path.stat().st_size <= 20_000
    told = {"source", "licence", "tables", "trials", "scikit-learn", "date", "sha256"}
    assert told <= json.loads(path.read_text())["provenance"].keys() == knowledge.provenance(name).keys()


def test_a_study_tries_the_defaults_then_what_is_known_then_goes_on_by_itself() -> None:
    study = begun(spaces.svm(), 7)
    tried = [trial.params for trial in study.trials]
    assert tried[0] == study.space.defaults
    assert tried[1:5] == configs(spaces.svm())
    assert [study.explain(number).arm for number in range(6)] == ["sobol", *["list"] * 4, "sobol"]
    assert "knowledge of svm" in str(study.explain(1)) and "knowledge of svm" in str(study.transfer)


def test_without_knowledge_suggestions_are_those_of_the_same_parameters() -> None:
    plain = [trial.params for trial in begun(dict(spaces.svm()), 9).trials]
    for space, given in ((spaces.svm(knowledge=False), {}), (spaces.svm(), {"transfer": None})):
        study = begun(space, 9, **given)
        assert [trial.params for trial in study.trials] == plain and not study.history.earlier


def test_what_is_known_is_in_the_log_and_a_study_that_goes_on_needs_no_space(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    begun(spaces.svm(), 2, storage=url, study_name="wine", sampler="auto")
    later = kilter.load_study(study_name="wine", storage=url)
    for _ in range(3):
        later.tell(later.ask(), 1.0)
    assert [trial.params for trial in later.trials][1:] == configs(spaces.svm())


def test_studies_of_ones_own_come_before_what_ships(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    begun(dict(spaces.svm()), 12, storage=url, study_name="wine")
    assert [each.name for each in begun(spaces.svm(), 1, storage=url, study_name="iris").history.earlier] == ["wine"]
    assert [each.name for each in begun(spaces.svm(), 1, storage=url, transfer=["wine"]).history.earlier] == ["wine"]


def test_a_space_that_was_changed_keeps_what_is_still_of_it() -> None:
    space = spaces.svm()
    space["C"] = kilter.Float(0.1, 8, log=True, default=1.0)  # one of the settings has 9.63, one 948
    space["shrinking"] = kilter.Boolean(default=True)
    tried = [trial.params for trial in begun(space, 4).trials]
    inside = [config for config in configs(spaces.svm()) if config["C"] <= 8]
    assert tried[1 : 1 + len(inside)] == [{**config, "shrinking": True} for config in inside]


def test_steps_of_a_pipeline_have_what_is_known_of_their_estimators() -> None:
    pipeline = pytest.importorskip("sklearn.pipeline")
    linear, svm = pytest.importorskip("sklearn.linear_model"), pytest.importorskip("sklearn.svm")
    one = configs(spaces.space_for(pipeline.make_pipeline(svm.SVC())))
    assert one == [{f"svc__{name}": value for name, value in config.items()} for config in configs(spaces.svm())]
    both = spaces.space_for(pipeline.make_pipeline(linear.LogisticRegression(), svm.SVC()))
    of_linear = configs(spaces.prefixed(spaces.logistic_regression(), "logisticregression"))
    assert configs(both) == [a | b for a, b in zip(of_linear, one)]


def test_a_search_of_scikit_learn_tries_it_too() -> None:
    sklearn = pytest.importorskip("kilter.integrations.sklearn")
    svm, datasets = pytest.importorskip("sklearn.svm"), pytest.importorskip("sklearn.datasets")
    rows, labels = datasets.load_iris(return_X_y=True)
    search = sklearn.KilterSearchCV(svm.SVC(), spaces.space_for(svm.SVC()), n_iter=5, cv=2, random_state=0)
    search.fit(rows, labels)
    assert search.cv_results_["params"][1:] == configs(spaces.svm())


def test_where_nothing_is_known_nothing_is_said() -> None:
    for space in (spaces.xgboost(), spaces.catboost(), spaces.space_for("MLPRegressor"), KnownSpace({}, {"": "other"})):
        assert configs(space) == []
