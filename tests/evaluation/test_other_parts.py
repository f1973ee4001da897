"""Scores of other rows are never taken for the same: another evaluation, other data, rows of a trial's own."""

import numpy as np
import pytest

import kilter
from kilter.analysis.configurations import configurations
from kilter.analysis.merits import merits
from kilter.api import create_study
from kilter.core.errors import InvalidInput, StudyChanged
from kilter.evaluation import CrossValidation, DataSets, Holdout, Seeds, nested

X = np.random.default_rng(0).normal(size=60)
SPACE = {"shift": kilter.Float(-1, 1)}


def train(train, test, *, shift=0.25):
    return float(np.mean((test[0] - shift) ** 2))


def tuned(objective, n_trials=5, **more):
    study = create_study(space=SPACE, sampler="random", seed=1, **more)
    study.optimize(objective, n_trials=n_trials, progress="none")
    return study


def truth(evaluation, shift, data=X):
    return [train((data[rows],), (data[test],), shift=shift) for rows, test in evaluation.split(data)]


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("searched", [CrossValidation(5), Holdout(0.2), CrossValidation(3)], ids=repr)
def test_another_evaluation_confirms_by_scores_of_its_own(searched, reuse):
    study, other = tuned(searched.objective(train, X)), CrossValidation(5, seed=9)
    before = {trial.number: dict(trial.folds) for trial in study.trials}
    found = study.confirm(other.objective(train, X), k=3, reuse=reuse)
    for candidate in found.candidates:
        assert list(candidate.folds.values()) == truth(other, candidate.params["shift"])
        assert not candidate.folds.keys() & before[candidate.number].keys()
    assert {trial.number: trial.folds for trial in study.trials if trial.number in before} == before
    names = study.design.names
    assert len(names) == len(set(names)) == len(searched.objective(train, X).parts) + 5
    for each in configurations(study.history):
        assert {name: before[each.number][name] for name in before[each.number]} == {
            name: each.parts[name] for name in before[each.number]
        }
    again = len(study.trials)
    assert study.confirm(other.objective(train, X), k=3).candidates == found.candidates and len(study.trials) == again


def test_data_tell_evaluations_apart_and_the_same_parts_are_known_again():
    study = tuned(CrossValidation(3).objective(train, X))
    study.confirm(CrossValidation(3).objective(train, X + 1), k=1)
    assert len(study.design.names) == 6
    study.optimize(CrossValidation(3).objective(train, X), n_trials=1, progress="none")
    assert len(study.design.names) == 6 and list(study.trials[-1].folds) == [0, 1, 2]


def test_more_of_the_same_parts_go_on_with_what_is_known():
    calls = []

    def noisy(*, shift, seed):
        calls.append(seed)
        return shift + seed

    study = tuned(Seeds(2).objective(noisy), 3)
    del calls[:]
    found = study.confirm(Seeds(4).objective(noisy), k=1)
    assert calls == [2, 3] and list(found.choice.folds) == [0, 1, 2, 3]


def test_who_goes_on_with_another_evaluation_has_parts_apart(tmp_path, caplog):
    options = {"study_name": "s", "storage": f"sqlite:///{tmp_path}/s.db", "progress": "none", "sampler": "random"}
    kilter.tune(CrossValidation(5).objective(train, X), SPACE, n_trials=3, **options)
    other = CrossValidation(4)
    study = kilter.tune(other.objective(train, X), SPACE, n_trials=5, if_changed="continue", **options)
    assert not set(study.trials[0].folds) & set(study.trials[4].folds)
    assert list(study.trials[4].folds.values()) == truth(other, study.trials[4].params["shift"])
    assert len(study.design.parts) == 9 and len({part.name for part in study.design.parts}) == 9


def test_folds_of_a_users_own_are_no_parts_of_an_evaluation():
    study = create_study(space=SPACE, sampler="random", seed=0)

    def own(trial):
        for fold in range(2):
            trial.report(5.0 + fold, fold=fold)
        return 5.5

    study.optimize(own, n_trials=3, progress="none")
    found = study.confirm(CrossValidation(2).objective(train, X), k=1)
    assert list(found.candidates[0].folds.values()) == truth(CrossValidation(2), found.candidates[0].params["shift"])


def test_other_summaries_have_nothing_in_common():
    sets = {"a": (X,), "b": (X + 1,)}
    study = tuned(DataSets(sets, CrossValidation(2)).objective(train))
    with pytest.raises(InvalidInput, match="of the mean over its parts, and this evaluation of the worst"):
        study.optimize(DataSets(sets, CrossValidation(2), summary="worst").objective(train), n_trials=1)


def test_rows_of_a_trials_own_are_parts_of_its_own():
    objective = Holdout(0.2, reshuffled=True).objective(train, X)
    study = create_study(space=SPACE, sampler="random", seed=0)
    for confirms in ({}, {"confirms": 0}, {"confirms": 0}):
        study.enqueue_trial({"shift": 0.1}, confirms, judged=False)
    study.optimize(objective, n_trials=4, progress="none")
    found, _ = configurations(study.history)
    assert sorted(found.parts.values()) == sorted(found.losses) and len(found.parts) == 3
    assert merits(study.history, study.design).observed[0] == pytest.approx(np.mean(found.losses))
    study.confirm(objective, k=1)
    assert len(configurations(study.history)[0].parts) + len(configurations(study.history)[1].parts) >= 5


@pytest.mark.parametrize("evaluation", [CrossValidation(3), Holdout(0.2)], ids=repr)
def test_nothing_is_confirmed_by_scores_that_are_there(evaluation):
    study = tuned(evaluation.objective(train, X))
    with pytest.raises(InvalidInput, match=r"part.* already, .* by another evaluation"):
        study.confirm(evaluation.objective(train, X))
    assert len(study.trials) == 5


def test_a_search_of_scikit_learn_and_a_study_are_not_mixed(tmp_path):
    from sklearn.linear_model import Ridge

    from kilter.integrations.sklearn import KilterSearchCV

    rows, y = X[:40].reshape(20, 2), X[40:]
    options = {"study_name": "s", "storage": f"sqlite:///{tmp_path}/s.db"}
    search = KilterSearchCV(Ridge(), {"alpha": kilter.Float(0.1, 1)}, n_iter=2, cv=2, random_state=0, **options)
    search.fit(rows, y)
    objective, space = CrossValidation(2).objective(Ridge(), rows + 1, y), {"alpha": kilter.Float(0.1, 1)}
    with pytest.raises(StudyChanged):
        kilter.tune(objective, space, maximize="score", n_trials=4, progress="none", **options)
    search.set_params(n_iter=3).fit(rows, y)
    assert len(kilter.load_study(**options).trials) == 3
    options["study_name"] = "t"
    kilter.tune(objective, space, maximize="score", n_trials=2, progress="none", **options)
    with pytest.raises(StudyChanged):
        search.set_params(study_name="t").fit(rows + 1, y)
    assert len(kilter.load_study(**options).trials) == 2


def test_nested_under_a_name_is_of_its_data_evaluation_and_model(tmp_path):
    from sklearn.linear_model import Ridge

    rows, y = X[:40].reshape(20, 2), X[40:]

    def found(evaluation=CrossValidation(2), model=Ridge(), data=rows):  # noqa: B008
        return nested(
            evaluation.objective(model, data, y), {"alpha": kilter.Float(0.1, 1)}, CrossValidation(2), n_trials=2,
            study_name="n", storage=f"sqlite:///{tmp_path}/n.db", progress="none",
        )  # fmt: skip

    first, changed = found(), rows.copy()
    changed[0, 0] += 1
    assert found().mean == first.mean
    for other in ({"evaluation": CrossValidation(3)}, {"model": Ridge(fit_intercept=False)}, {"data": changed}):
        with pytest.raises(StudyChanged):
            found(**other)


@pytest.mark.parametrize("scoring", ["r2", None, ["r2", "explained_variance"]])
@pytest.mark.parametrize("name", ["neg_mean_squared_error", "banana"])
def test_a_metric_that_an_estimator_is_not_scored_by_is_refused(scoring, name):
    from sklearn.linear_model import Ridge

    objective = CrossValidation(2).objective(Ridge(), X[:40].reshape(20, 2), X[40:], scoring=scoring)
    with pytest.raises(InvalidInput, match=f"maximize {name!r}, and Ridge is scored by .*scoring={name!r}"):
        kilter.tune(objective, SPACE, maximize=name, n_trials=1, storage=None)


def test_a_stored_study_is_confirmed_by_another_evaluation_and_goes_on_as_it_was(tmp_path, caplog):
    options = {"study_name": "s", "storage": f"sqlite:///{tmp_path}/s.db"}
    run = {"progress": "none", "sampler": "random", **options}
    kilter.tune(CrossValidation(3).objective(train, X), SPACE, n_trials=3, **run)
    for k in (1, 2):
        found = kilter.load_study(**options).confirm(CrossValidation(3, seed=1).objective(train, X), k=k)
        assert list(found.choice.folds.values()) == truth(CrossValidation(3, seed=1), found.choice.params["shift"])
    with pytest.raises(StudyChanged, match="code"):
        kilter.load_study(**options).confirm(CrossValidation(3, seed=1).objective(lambda a, b, *, shift: 0.0, X), k=9)
    done = len(kilter.load_study(**options).trials)
    study = kilter.tune(CrossValidation(3).objective(train, X), SPACE, n_trials=done + 1, **run)
    assert list(study.trials[-1].folds) == [0, 1, 2] and "another objective" not in caplog.text
