"""Objectives made of evaluations: which parts they report, what they are told of, and how a study begins with them."""

import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.analysis.design import Design, design_of
from kilter.api import create_study
from kilter.api.evaluated import begin_evaluation
from kilter.core.actions import Pause, Resume, Start
from kilter.core.attributes import CONFIRMS, DEFAULT, EVALUATION, FAILED, KNOWN, UNTRIED
from kilter.core.errors import InvalidInput, StudyChanged, UnknownName
from kilter.core.events import TrialState
from kilter.core.interfaces import Scheduler
from kilter.evaluation import CrossValidation, DataSets, Holdout, Repeated, Seeds
from kilter.objective.definitions import definition_of
from kilter.schedulers.fifo import State

X = np.arange(24.0)
SPACE = {"shift": kilter.Float(-1, 1)}


def train(train, test, *, shift=0.25, seed=0):
    return seed + abs(train[0].mean() + shift - test[0].mean())


def tuned(objective, n_trials=4, **options):
    options = {"storage": None, "progress": "none", "space": SPACE, **options}
    return kilter.tune(objective, n_trials=n_trials, **options)


def test_each_part_is_reported_and_the_value_is_their_mean():
    objective = CrossValidation(3).objective(train, X)
    study = tuned(objective)
    splits = list(CrossValidation(3).split(X))
    for trial in study.trials:
        scores = [train((X[a],), (X[b],), **trial.params) for a, b in splits]
        assert list(trial.folds.items()) == list(enumerate(scores))
        assert trial.value == pytest.approx(np.mean(scores))


@pytest.mark.parametrize(
    ("evaluation", "names"),
    [
        (CrossValidation(3), (0, 1, 2)),
        (Repeated(CrossValidation(2), 2), (0, 1, 2, 3)),
        (Holdout(0.5), (0,)),
        (Seeds(2, CrossValidation(2)), (0, 1)),
        (DataSets({"a": (X,), "b": (X[:12],)}, CrossValidation(2)), ("a/0", "b/0", "a/1", "b/1")),
        (DataSets({"a": (X,), "b": (X,)}, Holdout(0.5)), ("a", "b")),
    ],
)
def test_the_design_is_noted_with_the_study(evaluation, names):
    objective = evaluation.objective(train, *() if isinstance(evaluation, DataSets) else (X,))
    study = tuned(objective, 2)
    design = design_of(study.history, study.user_attrs)
    assert design == objective.design and design.names == names == tuple(study.trials[1].folds)
    assert design.parts[0].train + design.parts[0].test == len(X)


def test_the_first_trial_is_the_default_and_no_scheduler_ends_it():
    study = tuned(CrossValidation(3).objective(train, X), 3, scheduler="race")
    first = study.trials[0]
    assert first.params == {"shift": 0.25} and first.user_attrs[DEFAULT] is True and not first.record.judged
    assert [DEFAULT in trial.user_attrs for trial in study.trials] == [True, False, False]
    study.optimize(CrossValidation(3).objective(train, X), n_trials=2, progress="none")
    assert sum(DEFAULT in trial.user_attrs for trial in study.trials) == 1


def test_the_default_is_trained_to_the_end_whatever_the_budget_of_others():
    def trained(train, test, *, shift=0.25, epochs):
        return shift + 1 / epochs

    epochs = kilter.Fidelity("epochs", 1, 9)
    study = tuned(CrossValidation(2).objective(trained, X), 6, fidelity=epochs, scheduler="asha")
    first = study.trials[0]
    assert (first.state, first.attempt, first.record.budget) == (TrialState.COMPLETE, 1, {"epochs": 9.0})
    assert {trial.record.budget["epochs"] for trial in study.trials[1:]} - {9.0}


def test_of_two_that_begin_at_once_one_tries_the_default(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    create_study(study_name="s", storage=storage, space=SPACE)
    one, other = (kilter.load_study(study_name="s", storage=storage) for _ in range(2))
    objective = CrossValidation(2).objective(train, X)
    other._session.sync = lambda: None  # has looked before the first one wrote
    for study in (one, other):
        begin_evaluation(study._session, objective)
    assert len(kilter.load_study(study_name="s", storage=storage).trials) == 1


@pytest.mark.parametrize(
    ("function", "space", "expected"),
    [
        (lambda train, test, *, shift: 0.0, {"shift": kilter.Float(-1, 1)}, None),
        (lambda train, test, *, shift: 0.0, {"shift": kilter.Float(-1, 1, default=0.5)}, {"shift": 0.5}),
        (lambda train, test, *, shift=0.1: 0.0, {"shift": kilter.Float(-1, 1, default=0.5)}, {"shift": 0.1}),
        (lambda train, test, *, shift=3.0: 0.0, {"shift": kilter.Float(-1, 1)}, None),
        (lambda train, test, *, shift=0.1, n: 0.0, {"shift": kilter.Float(-1, 1), "n": kilter.Int(1, 2)}, None),
        (
            lambda train, test, *, kind="a", n=3: 0.0,
            {"kind": (kind := kilter.Choice(["a", "b"])), "n": kilter.Int(1, 5).when(kind="b")},
            {"kind": "a"},
        ),
    ],
)
def test_the_default_is_what_there_is_without_tuning_where_it_lies_in_the_space(function, space, expected):
    study = tuned(CrossValidation(2).objective(function, X), 1, space=space)
    assert (study.trials[0].params if DEFAULT in study.trials[0].user_attrs else None) == expected


@pytest.mark.parametrize(
    ("default", "parameter", "words"),
    [
        (
            "scale",
            kilter.Float(1e-4, 1),
            r"shift: 'scale', a text, .* make it shift=Choice\(\[0.0001, …, 1.0, 'scale'\]\)",
        ),
        (None, kilter.Int(1, 12), r"make it shift=Choice\(\[1, …, 12, None\]\)"),
        (3.0, kilter.Float(-1, 1), r"3.0 is outside \[-1.0, 1.0\]. To have it, widen shift"),
        ("c", kilter.Choice(["a", "b"]), "'c' is not one of 'a', 'b'. To have it, give shift that value, too"),
    ],
)
def test_a_default_outside_of_the_space_is_told_once(default, parameter, words, caplog):
    def plain(train, test, *, shift=default):
        return 0.0

    study = tuned(CrossValidation(2).objective(plain, X), 2, space={"shift": parameter})
    (told,) = caplog.messages
    assert re.search(words, told) and "no default is tried" in told and study.user_attrs[UNTRIED] in told
    assert study.winner().reason.endswith(f"no default was tried to compare it with: {study.user_attrs[UNTRIED]}")
    study.optimize(CrossValidation(2).objective(plain, X), n_trials=1, progress="none")
    assert len(caplog.messages) == 1
    with_it = tuned(CrossValidation(2).objective(plain, X), 2, space={"shift": kilter.Choice([default, 0.5])})
    assert UNTRIED not in with_it.user_attrs and len(caplog.messages) == 1


def test_where_nothing_says_what_there_is_without_tuning_that_is_noted_alone(caplog):
    study = tuned(CrossValidation(2).objective(lambda train, test, *, shift: shift, X), 2)
    assert "without tuning" in study.user_attrs[UNTRIED] and not caplog.messages


def test_seeds_that_make_no_difference_are_told_once(caplog):
    for objective in (
        Seeds(3).objective(lambda *, shift, seed: shift),
        Seeds(3, CrossValidation(2)).objective(lambda train, test, *, shift, seed: shift, X),
    ):
        caplog.clear()
        tuned(objective)
        assert len(caplog.messages) == 1 and "the same with each of 3 seeds" in caplog.messages[0]
    caplog.clear()
    tuned(Seeds(3).objective(lambda *, shift, seed: shift + (seed == 2)))
    tuned(Seeds(3, CrossValidation(2)).objective(train, X))
    assert not caplog.messages


def test_what_would_score_the_same_again_is_not_confirmed():
    objective = CrossValidation(3).objective(train, X)
    study = tuned(objective, 3)
    with pytest.raises(InvalidInput, match=r"on all 3 parts of the evaluation already.*first=5"):
        study.confirm(objective)
    assert len(study.trials) == 3
    other = study.confirm(CrossValidation(3, seed=1).objective(train, X), k=1, reuse=False)
    assert other.choice.folds != study.trials[other.choice.number].folds
    own = Holdout(0.5, reshuffled=True).objective(train, X)
    assert tuned(own, 3).confirm(own, k=1).candidates


def test_functions_get_seeds_and_the_trial_where_they_ask():
    seen = []

    def noisy(*, shift, seed, trial):
        seen.append((trial.number, seed))
        return shift + seed

    study = tuned(Seeds(3).objective(noisy), 2)
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert study.trials[0].value == pytest.approx(study.trials[0].params["shift"] + 1)


def test_each_fold_is_the_mean_over_seeds():
    def noisy(train, test, *, shift, seed):
        return {"loss": shift + seed, "rows": len(test[0])}

    study = tuned(Seeds(3, CrossValidation(2)).objective(noisy, X), 1, minimize="loss")
    assert study.trials[0].folds == {fold: pytest.approx(study.trials[0].params["shift"] + 1) for fold in (0, 1)}
    assert study.trials[0].metrics["rows"] == 12 and study.design.overlap == 1.0


def test_several_arrays_are_cut_alike_and_metrics_come_by_name():
    def score(train, test, *, shift):
        (a, b, c), (d, e, _) = train, test
        assert b == [int(x) for x in a] and e == [int(x) for x in d] and len(c) == len(a)
        return {"loss": shift, "rows": len(a)}

    objective = CrossValidation(3).objective(score, X, list(range(24)), np.ones((24, 2)))
    study = tuned(objective, 2, minimize="loss")
    assert study.trials[0].metrics["rows"] == 16


def test_a_study_knows_code_settings_and_data_of_its_objective():
    objective = CrossValidation(3).objective(train, X)
    others = {
        "evaluation": CrossValidation(4).objective(train, X),
        "data": CrossValidation(3).objective(train, X + 1),
        "first": CrossValidation(3).objective(train, X, first=1),
        "the code": CrossValidation(3).objective(lambda train, test, *, shift: shift, X),
    }
    definition = definition_of(objective)
    assert objective.fits and definition == definition_of(CrossValidation(3).objective(train, X))
    for word, other in others.items():
        found = definition.differences(definition_of(other))
        assert found and word in " ".join(found), found


def test_another_evaluation_is_another_study(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    tuned(CrossValidation(3).objective(train, X), 2, storage=storage, study_name="s")
    with pytest.raises(StudyChanged, match="evaluation"):
        tuned(CrossValidation(4).objective(train, X), 3, storage=storage, study_name="s")
    study = kilter.load_study(study_name="s", storage=storage)
    with pytest.raises(StudyChanged):
        study.optimize(CrossValidation(4).objective(train, X), n_trials=1, progress="none")
    assert study.user_attrs[EVALUATION]["parts"][-1]["name"] == 2


@pytest.mark.parametrize("noted", ["five folds by patients", {}, [], None, 5, {"parts": []}, {"parts": [{"name": []}]}])
def test_an_attribute_of_the_users_own_is_no_design(noted, caplog):
    study = create_study(space=SPACE)
    study.set_user_attr(EVALUATION, noted)
    study.optimize(lambda shift: shift, n_trials=4, progress="none")
    assert study.design is None and study.winner().number in range(4) and study.estimate() and study.overtuning()
    study.optimize(CrossValidation(3).objective(train, X), n_trials=1, progress="none", if_changed="continue")
    assert study.design.names == (0, 1, 2) and "give yours another name" in caplog.text


def test_what_a_newer_version_notes_besides_is_passed_over():
    noted = CrossValidation(3).objective(train, X).design
    newer = {**noted.to_json(), "colour": "red"}
    newer["parts"] = [{**part, "shape": "round"} for part in newer["parts"]]
    assert Design.from_json(newer) == noted


@pytest.mark.parametrize("value", ["yes", None, [1], -1, 999, True, 2.5, "3"])
def test_what_a_user_notes_by_our_names_says_nothing_of_repeats(value):
    def own(trial):
        if trial.number == 3:
            trial.set_user_attr(CONFIRMS, value)
        for fold in range(3):
            trial.report(trial.params["shift"] * (1 + fold), fold=fold)
        return trial.params["shift"] * 2

    study = create_study(space=SPACE, scheduler="race", sampler="random")
    study.enqueue_trial({"shift": 0.3}, {KNOWN: value})
    study.optimize(CrossValidation(3).objective(train, X), n_trials=1, progress="none")
    study.optimize(own, n_trials=11, progress="none", if_changed="continue")
    assert len(study.trials) == 12 and study.trials[0].state is TrialState.COMPLETE
    assert study.confirm(own, k=2).candidates and study.winner()


def test_a_study_takes_no_notice_of_settings_that_are_as_they_would_be():
    assert repr(Repeated(CrossValidation(seed=3), 2)) == (
        "Repeated(evaluation=CrossValidation(folds=5, seed=3), times=2)"
    )
    assert repr(DataSets({"a": (X,)}, Seeds(2, Holdout()))) == (
        "DataSets(evaluation=Seeds(count=2, evaluation=Holdout(share=0.2)))"
    )
    assert definition_of(Holdout().objective(train, X)).values["evaluation"] == "'Holdout(share=0.2)'"


def test_sparse_tables_are_told_apart():
    from scipy.sparse import csr_matrix

    one, same, other = (csr_matrix(np.diag(X + shift)) for shift in (0, 0, 1))
    objectives = [CrossValidation(3).objective(train, table) for table in (one, same, other)]
    first, again, another = map(definition_of, objectives)
    assert first == again and "data" in " ".join(first.differences(another))


@pytest.mark.parametrize("form", ["coo", "dia", "bsr", "csc", "lil", "dok", "csr"])
def test_sparse_tables_of_all_formats_have_rows(form):
    from scipy.sparse import csr_matrix

    def score(train, test, *, shift=0.5):
        return train[0].sum() - test[0].sum() + len(test[1])

    table = csr_matrix(np.diag(X)).asformat(form)
    studies = [tuned(CrossValidation(3).objective(score, each, X), 1) for each in (table, np.diag(X))]
    assert studies[0].trials[0].folds == studies[1].trials[0].folds and len(studies[0].trials[0].folds) == 3


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: create_study().optimize(CrossValidation(3).objective(train, X), n_trials=1),
            InvalidInput,
            "suggests no parameters: declare them",
        ),
        (lambda: CrossValidation(3).objective(train), InvalidInput, "splits rows: give them"),
        (lambda: CrossValidation(3).objective(lambda x: x, X), InvalidInput, "two arguments in front"),
        (lambda: CrossValidation(3).objective(3, X), InvalidInput, "neither a function nor an estimator"),
        (lambda: CrossValidation(3).objective(train, X, scoring="r2"), InvalidInput, "for estimators"),
        (lambda: CrossValidation(3).objective(train, X, sample_weight=X), InvalidInput, "for estimators"),
        (lambda: CrossValidation(3).objective(train, X, first=4), InvalidInput, "first=4: give a number from 1 to 3"),
        *(
            (
                lambda first=first: CrossValidation(3).objective(train, X, first=first),
                InvalidInput,
                "give a number from 1",
            )
            for first in (2.5, True, "2")
        ),
        (lambda: Seeds(3).objective(train, X), InvalidInput, "splits no rows"),
        (lambda: Seeds(2).objective(lambda *, shift: shift), InvalidInput, "takes no seed"),
        (lambda: Seeds(0), InvalidInput, "from 1 on"),
        (lambda: Seeds(2, Seeds(2)), InvalidInput, "seeds are of fits on rows"),
        (lambda: DataSets({}), InvalidInput, "a dict of arrays"),
        (lambda: DataSets({"a": (X,)}, Seeds(2)), InvalidInput, "rows of data sets are split"),
        (lambda: DataSets({"a": (X,)}, summary="worse"), UnknownName, "did you mean 'worst'"),
        (lambda: DataSets({"a": (X,)}).objective(train, X), InvalidInput, "has its arrays already"),
        (lambda: DataSets({"a": (X,)}).objective(train, groups={"b": X}), UnknownName, "no data set 'b'"),
        (
            lambda: tuned(CrossValidation(3).objective(train, X), space={"shft": kilter.Float(0, 1)}),
            InvalidInput,
            "shift",
        ),
    ],
)
def test_what_cannot_be_is_said_before_there_is_a_trial(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -- laws of trials --------------------------------------------------------------------------------------------------


class Interrupting(Scheduler):
    """Puts each trial aside after so many parts, as often as that comes to pass."""

    def __init__(self, parts):
        self.parts = parts

    def start(self, problem, seed):
        return State()

    def plan(self, state, history):
        return Resume(min(history.paused)) if history.paused else Start()

    def judge(self, state, trial, history):
        done = len(history.reports.folds(trial.number, history.problem.objectives[0].name))
        return Pause("later") if trial.attempt <= len(self.parts) and done == self.parts[trial.attempt - 1] else None


EVALUATIONS = st.sampled_from(
    [
        CrossValidation(4),
        Repeated(CrossValidation(2), 2),
        Repeated(Holdout(0.3, reshuffled=True), 4),
        Seeds(2, CrossValidation(2)),
        CrossValidation(4, ordered=True),
        DataSets({"a": (X,), "b": (X[:9],)}, CrossValidation(2)),
    ]
)


def objective_of(evaluation, function=train, **options):
    return evaluation.objective(function, *() if isinstance(evaluation, DataSets) else (X,), **options)


@settings(max_examples=15, deadline=None)
@given(EVALUATIONS, st.lists(st.integers(1, 3), unique=True, max_size=3).map(sorted))
def test_a_study_that_was_interrupted_is_the_one_that_was_not(evaluation, parts):
    ran = []

    def counted(train_rows, test_rows, *, shift, seed):
        if seed == 0:
            ran.append(shift)
        return train(train_rows, test_rows, shift=shift, seed=seed)

    whole = tuned(objective_of(evaluation), scheduler="fifo", sampler="random", space=SPACE)
    cut = create_study(sampler="random", scheduler=Interrupting(parts), space=SPACE, seed=0)
    cut.optimize(objective_of(evaluation, counted), n_trials=50, limits=kilter.Limits(trials=3), progress="none")
    done = [trial for trial in cut.trials if trial.state is TrialState.COMPLETE]
    assert len(ran) == sum(len(trial.folds) for trial in cut.trials), "no part ran twice"
    known = {trial.params["shift"]: trial.folds for trial in whole.trials}
    for trial in done:
        if trial.params["shift"] in known:
            assert trial.folds == known[trial.params["shift"]]


@settings(max_examples=15, deadline=None)
@given(EVALUATIONS, st.permutations([-0.5, 0.0, 0.3, 0.9]))
def test_the_order_of_trials_changes_no_score(evaluation, order):
    def scores(shifts):
        study = create_study(space=SPACE, scheduler="fifo")
        for shift in shifts:
            study.enqueue_trial({"shift": shift})
        study.optimize(
            objective_of(evaluation, lambda a, b, *, shift, seed: train(a, b, shift=shift, seed=seed)),
            4,
            progress="none",
        )
        return {trial.params["shift"]: (trial.folds, trial.value) for trial in study.trials}

    assert scores(order) == scores(sorted(order))


def test_each_configuration_has_rows_of_its_own_where_they_are_reshuffled():
    objective = Holdout(0.5, reshuffled=True).objective(lambda train, test, *, shift: test[0].sum(), X)
    study = create_study(space=SPACE)
    for shift in (0.1, 0.2, 0.3):
        study.enqueue_trial({"shift": shift})
    study.enqueue_trial({"shift": 0.1}, {CONFIRMS: 0, KNOWN: [[0, 0.0]]}, judged=False)
    study.optimize(objective, n_trials=4, progress="none")
    assert len({trial.value for trial in study.trials}) > 2
    assert study.trials[3].value not in (0.0, study.trials[0].value), "who measures again measures on other rows"


def test_with_first_trials_meet_the_first_parts_and_those_that_are_confirmed_all():
    objective = DataSets({"a": (X,), "b": (X[:12],)}, CrossValidation(2)).objective(train, first=2)
    study = tuned(objective, 3)
    assert [list(trial.folds) for trial in study.trials] == [["a/0", "b/0"]] * 3
    confirmed = study.confirm(objective, k=1)
    assert confirmed == study.confirm(objective, k=1, overlap=1.0), "test rows / training rows of two folds"
    assert list(confirmed.choice.folds) == ["a/0", "b/0", "a/1", "b/1"] and study.user_attrs[EVALUATION]["first"] == 2


def test_a_confirmation_takes_over_all_metrics_of_the_parts_that_are_known():
    def several(train, test, *, shift=0.25):
        return {"loss": shift * len(test[0]), "rows": len(train[0])}

    objective = Repeated(Holdout(0.5), 3).objective(several, X, first=2)
    study = tuned(objective, 3, minimize="loss", subject_to={"rows": "<= 20"})
    confirmed = study.confirm(objective, k=1).choice
    assert list(confirmed.folds) == [0, 1, 2]
    assert study.trials[confirmed.confirmed_by].metrics["rows"] == 12


def test_a_part_that_fails_fails_its_trial_which_says_where():
    def fragile(train, test, *, shift):
        if shift < 0 and 23 in test[0]:
            raise ValueError("no such class")
        return shift

    objective = CrossValidation(4, ordered=True).objective(fragile, X)
    study = create_study(space=SPACE)
    for shift in (0.5, -0.5):
        study.enqueue_trial({"shift": shift})
    study.optimize(objective, n_trials=2, progress="none")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL]
    assert study.trials[1].user_attrs[FAILED] == 3 and len(study.trials[1].folds) == 3


def test_processes_give_the_same_scores(tmp_path):
    objective = Repeated(CrossValidation(2), 2).objective(lambda train, test, *, shift=0.25: shift * test[0].sum(), X)
    here, there = (tuned(objective, 3, sampler="random", scheduler="fifo", workers=workers) for workers in (1, 2))
    assert {trial.number: trial.folds for trial in here.trials} == {trial.number: trial.folds for trial in there.trials}


# -- estimators -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def iris():
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def test_an_estimator_is_the_default_and_larger_scores_are_better(iris):
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    model, evaluation = KNeighborsClassifier(), CrossValidation(3)
    study = tuned(
        evaluation.objective(model, *iris, scoring="balanced_accuracy"), 3, space={"n_neighbors": kilter.Int(1, 20)}
    )
    assert study.directions[0].name == "MAXIMIZE" and study.metric_names == ["balanced_accuracy"]
    assert study.trials[0].params == {"n_neighbors": 5}
    scores = cross_val_score(model, *iris, cv=evaluation, scoring="balanced_accuracy")
    assert list(study.trials[0].folds.values()) == pytest.approx(scores.tolist())
    with pytest.raises(InvalidInput, match="to maximize its score"):
        create_study(space={"n_neighbors": kilter.Int(1, 20)}).optimize(
            evaluation.objective(model, *iris), n_trials=1, progress="none"
        )
    with pytest.raises(UnknownName, match="did you mean 'n_neighbors'"):
        tuned(evaluation.objective(model, *iris), 3, space={"n_neighbour": kilter.Int(1, 20)})
    with pytest.raises(InvalidInput, match=r"is a class: give an estimator, KNeighborsClassifier\(\)"):
        evaluation.objective(KNeighborsClassifier, *iris)
    with pytest.raises(UnknownName, match="did you mean 'accuracy'"):
        evaluation.objective(model, *iris, scoring="acuracy")


def test_pipelines_weights_and_several_scorers(iris):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = iris  # noqa: N806
    weights = np.where(y == 0, 9.0, 1.0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    space = {"logisticregression__C": kilter.Float(1e-3, 10, log=True)}
    objective = Holdout(0.5).objective(model, X, y, scoring=["accuracy", "neg_log_loss"], sample_weight=weights)
    first = tuned(objective, 1, space=space).trials[0]
    ((a, b),) = Holdout(0.5).split(X, y)
    model.fit(X[a], y[a], logisticregression__sample_weight=weights[a])
    assert first.metrics["accuracy"] == pytest.approx(
        accuracy_score(y[b], model.predict(X[b]), sample_weight=weights[b])
    )
    with pytest.raises(InvalidInput, match="takes no sample_weight"):
        Holdout(0.5).objective(model, X, y, scoring="neg_max_error", sample_weight=weights)
    assert first.metrics["neg_log_loss"] < 0 and first.params == {"logisticregression__C": 0.01}


@pytest.mark.parametrize(
    ("scoring", "perfect", "blind"),
    [
        (None, 1.0, 1 / 3),
        ("roc_auc_ovr", 1.0, 0.5),
        ("neg_log_loss", 0.0, -np.log(3)),
        (["f1_macro", "neg_log_loss"], 1.0, 1 / 6),
        ("mutual_info_score", None, None),
        (lambda model, x, y: 0.5, None, None),
    ],
)
def test_what_perfect_models_and_blind_ones_score_is_noted_where_scikit_learn_knows(scoring, perfect, blind, iris):
    from sklearn.neighbors import KNeighborsClassifier

    design = CrossValidation(3).objective(KNeighborsClassifier(), *iris, scoring=scoring).design
    noted = Design.from_json(design.to_json())
    assert (noted.perfect, noted.blind) == (perfect, blind if blind is None else pytest.approx(blind, abs=0.02))


def test_of_what_a_blind_model_cannot_be_scored_by_nothing_is_noted(iris):
    from sklearn.svm import OneClassSVM

    assert CrossValidation(3).objective(OneClassSVM(), iris[0], scoring=lambda model, x: 0.5).design.blind is None


def test_seeds_and_weights_that_an_estimator_cannot_take_are_refused(iris):
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seeds, weights = Seeds(2, Holdout(0.5)), np.arange(150) + 1.0
    with pytest.raises(InvalidInput, match="KNeighborsClassifier has no random_state"):
        tuned(seeds.objective(KNeighborsClassifier(), *iris), 1, space={"n_neighbors": kilter.Int(1, 5)})
    with pytest.raises(InvalidInput, match="'random_state' is what Seeds"):
        tuned(seeds.objective(Ridge(), *iris), 1, space={"random_state": kilter.Int(1, 5)})
    with pytest.raises(InvalidInput, match=r"KNeighborsClassifier\.fit takes no sample_weight"):
        Holdout(0.5).objective(make_pipeline(KNeighborsClassifier()), *iris, sample_weight=weights)
    nested = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Ridge()))
    half = Holdout(0.5, stratify=False)
    objective = half.objective(nested, *iris, sample_weight=weights)
    ((a, b),) = half.split(*iris)
    X, y = iris  # noqa: N806
    nested.fit(X[a], y[a], pipeline__ridge__sample_weight=weights[a])
    study = tuned(objective, 1, space={"pipeline__ridge__alpha": kilter.Float(0.1, 2)})
    assert study.trials[0].value == pytest.approx(nested.score(X[b], y[b], weights[b]))


def test_an_estimator_among_options_is_the_default_where_it_reads_the_same(iris):
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import Pipeline

    options = {"first": DummyClassifier(strategy="uniform", random_state=0), "second": DummyClassifier()}
    model = Pipeline([("model", DummyClassifier())])
    study = tuned(Holdout(0.5).objective(model, *iris), 1, space={"model": kilter.Choice(options)})
    assert study.trials[0].params["model"] is options["second"] and study.trials[0].user_attrs[DEFAULT]


def test_seeds_are_the_random_states_of_an_estimator(iris):
    from sklearn.tree import DecisionTreeClassifier

    objective = Seeds(2, Holdout(0.5)).objective(DecisionTreeClassifier(splitter="random", max_features=1), *iris)
    space = {"max_depth": kilter.Int(1, 9)}
    one, other = (tuned(objective, 2, space=space).trials[1] for _ in range(2))
    (fit,) = objective.fits
    alone = [objective.scored_once(one.params, fit, seed) for seed in (0, 1)]
    assert one.folds == other.folds == {0: pytest.approx(sum(alone) / 2)} and alone[0] != alone[1]


def test_a_study_knows_what_scorers_and_steps_are_made_of(iris):
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score, make_scorer, precision_score
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    class Plain(TransformerMixin, BaseEstimator):
        def transform(self, table):
            return table

    def other():
        class Plain(TransformerMixin, BaseEstimator):
            def transform(self, table):
                return table + 1

        return Plain()

    class Fixed:
        def __init__(self, score):
            self.score = score

        def __call__(self, model, table, labels):
            return self.score

    def scored(scoring):
        return definition_of(CrossValidation(3).objective(LogisticRegression(), *iris, scoring=scoring))

    def piped(*steps):
        return definition_of(CrossValidation(3).objective(make_pipeline(*steps, LogisticRegression()), *iris))

    def transformed(function):
        return piped(FunctionTransformer(function))

    differing = [
        (scored, make_scorer(f1_score, average="macro"), make_scorer(f1_score, average="micro")),
        (scored, make_scorer(f1_score), make_scorer(precision_score)),
        (scored, make_scorer(lambda y, found: 1.0), make_scorer(lambda y, found: 2.0)),
        (scored, {"own": lambda model, table, labels: 1.0}, {"own": lambda model, table, labels: 2.0}),
        (scored, {"own": Fixed(1.0)}, {"own": Fixed(2.0)}),
        (scored, Fixed(1.0).__call__, Fixed(2.0).__call__),
        (transformed, lambda table: table, lambda table: table * 2),
        (transformed, np.log1p, np.sqrt),
        (transformed, partial(np.clip, min=0), partial(np.clip, min=1)),
        (piped, OneHotEncoder(dtype=np.float32), OneHotEncoder(dtype=np.float64)),
        (piped, Plain(), other()),
        (piped, GridSearchCV(Plain(), {}, cv=KFold(2)), GridSearchCV(Plain(), {}, cv=KFold(3))),
    ]
    for make, one, another in differing:
        assert make(one) == make(one) and make(one).differences(make(another)), one
    twice = piped(Plain(), other()).differences(piped(Plain(), Plain()))
    assert twice, "of two classes with one name both count"
