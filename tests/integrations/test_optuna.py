"""kilter and Optuna: the sampler inside Optuna's studies, and studies that move from one store to the other."""

from __future__ import annotations

import json
import math
import pickle
import sqlite3
import warnings
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

optuna = pytest.importorskip("optuna", reason="needs Optuna: pip install '.[optuna]'")

import kilter  # noqa: E402
from kilter import Boolean, Choice, Float, Int, Ordinal, TrialState  # noqa: E402
from kilter.core.errors import (  # noqa: E402
    IncapableSampler,
    InvalidInput,
    StorageError,
    StudyExists,
    StudyNotFound,
    UnknownName,
)
from kilter.integrations.optuna import (  # noqa: E402
    KilterSampler,
    export_study,
    from_kilter,
    import_study,
    study_names,
    to_kilter,
)
from kilter.testing import strategies as kilter_strategies  # noqa: E402

CategoricalDistribution = optuna.distributions.CategoricalDistribution
FloatDistribution = optuna.distributions.FloatDistribution
IntDistribution = optuna.distributions.IntDistribution
State = optuna.trial.TrialState

quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


# -- what Optuna can hold -----------------------------------------------------------------------------------------

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(), st.text(max_size=3))


@st.composite
def float_distributions(draw):
    scale = draw(st.sampled_from(["line", "log", "steps"]))
    low = draw(st.floats(1e-6, 10) if scale == "log" else st.floats(-100, 100))
    if scale == "steps":
        step = draw(st.sampled_from([0.1, 0.25, 0.3, 1.0, 7.0]))
        low = round(low, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that Optuna brings the upper end down to the grid is what we are after
            return FloatDistribution(low, low + draw(st.floats(0, 50)), step=step)
    return FloatDistribution(low, low + draw(st.floats(0, 50)), log=scale == "log")


@st.composite
def int_distributions(draw):
    is_log = draw(st.booleans())
    low = draw(st.integers(1, 50) if is_log else st.integers(-50, 50))
    step = 1 if is_log else draw(st.sampled_from([1, 1, 2, 3, 7]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return IntDistribution(low, low + draw(st.integers(0, 60)), log=is_log, step=step)


def categorical_distributions(options=SCALARS):
    return st.lists(options, min_size=1, max_size=4).map(CategoricalDistribution)


def distributions():
    return st.one_of(float_distributions(), int_distributions(), categorical_distributions())


@st.composite
def internal_values(draw, distribution):
    if isinstance(distribution, CategoricalDistribution):
        # Optuna finds a choice by the first that equals it
        return distribution.to_internal_repr(distribution.choices[draw(st.integers(0, len(distribution.choices) - 1))])
    if isinstance(distribution, IntDistribution):
        k = draw(st.integers(0, (distribution.high - distribution.low) // distribution.step))
        return distribution.low + k * distribution.step
    if distribution.step is None:
        return draw(st.floats(distribution.low, distribution.high))
    k = draw(st.integers(0, round((distribution.high - distribution.low) / distribution.step)))
    return min(distribution.low + k * distribution.step, distribution.high)


TIMES = st.datetimes(datetime(2001, 1, 1), datetime(2033, 1, 1))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.floats(), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ATTRS = st.dictionaries(st.text(min_size=1, max_size=4), JSON, max_size=2)
NUMBERS = st.floats(allow_nan=False)


@st.composite
def frozen_trials(draw, objectives, kinds):
    state = draw(st.sampled_from(list(State)))
    names = draw(st.lists(st.sampled_from(sorted(kinds)), unique=True)) if kinds else []
    ranges = {name: draw(kinds[name]) for name in names}
    params = {name: d.to_external_repr(draw(internal_values(d))) for name, d in ranges.items()}
    system_attrs = draw(ATTRS)
    if draw(st.booleans()):
        system_attrs["constraints"] = draw(st.lists(NUMBERS, min_size=2, max_size=2))
    if draw(st.booleans()):
        system_attrs["constraints:size"] = draw(NUMBERS)
    if state is State.WAITING and draw(st.booleans()):
        system_attrs["fixed_params"], params, ranges = params, {}, {}
    has_values = state is State.COMPLETE or (state is State.PRUNED and draw(st.booleans()))
    start = draw(TIMES)
    return optuna.trial.FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None,
        values=draw(st.lists(NUMBERS, min_size=objectives, max_size=objectives)) if has_values else None,
        datetime_start=draw(st.sampled_from([None, start])) if state is State.WAITING else start,
        datetime_complete=start + draw(st.timedeltas(timedelta(0), timedelta(9))) if state.is_finished() else None,
        params=params,
        distributions=ranges,
        user_attrs=draw(ATTRS),
        system_attrs=system_attrs,
        intermediate_values=draw(st.dictionaries(st.integers(-2, 40), st.floats(), max_size=3)),
    )


@st.composite
def studies(draw):
    """Studies in memory, with trials in any state and ranges that differ from trial to trial."""
    directions = draw(st.lists(st.sampled_from(["minimize", "maximize"]), min_size=1, max_size=2))
    study = optuna.create_study(study_name="theirs", directions=directions)
    if draw(st.booleans()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental
            study.set_metric_names(draw(st.sampled_from([["a", "b"], ["b", "b"], ["value", "x"]]))[: len(directions)])
    for key, value in draw(ATTRS).items():
        study.set_user_attr(key, value)
    fixed = {"c": draw(categorical_distributions())}  # Optuna's own files refuse other choices later on
    kinds = {"f": float_distributions(), "i": int_distributions(), "c": st.just(fixed["c"])}
    study.add_trials(draw(st.lists(frozen_trials(len(directions), kinds), max_size=6)))
    return study


def as_text(trial):
    """All that Optuna knows of a trial; as text, for NaN is not equal to itself."""
    ranges = {
        name: (optuna.distributions.distribution_to_json(d), d.to_internal_repr(trial.params[name]))
        for name, d in trial.distributions.items()
    }
    parts = {
        "number": trial.number,
        "state": trial.state.name,
        "values": trial.values,
        "times": [str(trial.datetime_start), str(trial.datetime_complete)],
        "params": {name: repr(value) for name, value in trial.params.items()},
        "ranges": ranges,
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": sorted(trial.intermediate_values.items()),
    }
    return json.dumps(parts, sort_keys=True, indent=1)


def assert_same(one, other):
    assert [as_text(t) for t in one.trials] == [as_text(t) for t in other.trials]
    assert one.study_name == other.study_name and one.directions == other.directions
    assert repr(sorted(one.user_attrs.items())) == repr(sorted(other.user_attrs.items()))
    assert one.metric_names == other.metric_names


# -- parameters ---------------------------------------------------------------------------------------------------


@quick
@given(distributions())
def test_a_distribution_comes_back_as_it_was(distribution):
    try:
        parameter = to_kilter(distribution)
    except InvalidInput as error:
        assert "two options read" in str(error)  # Optuna takes the same choice twice
        return
    back = from_kilter(parameter)
    assert back == distribution and type(back) is type(distribution)
    assert list(map(type, getattr(back, "choices", ()))) == list(map(type, getattr(distribution, "choices", ())))


@quick
@given(kilter_strategies.parameters(objects=False), st.floats(0, 1))
def test_what_optuna_takes_from_us_holds_all_our_values(parameter, u):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the upper end is on the grid already, or Optuna would say so
            distribution = from_kilter(parameter)
    except InvalidInput as error:
        assert "Optuna" in str(error)
        return
    value = parameter.value(parameter.from_unit(u))
    assert distribution._contains(distribution.to_internal_repr(value))
    if isinstance(parameter, (Float, Int)):
        back = to_kilter(distribution)
        assert (back.low, back.log, back.step, back.size) == (
            parameter.low,
            parameter.log,
            parameter.step,
            parameter.size,
        )
        assert back.contains(parameter.from_unit(u))


def test_some_parameters_by_hand():
    assert to_kilter(CategoricalDistribution([False, True])) == Boolean()
    assert to_kilter(CategoricalDistribution([True, False])) == Choice([True, False])
    assert from_kilter(Boolean()) == CategoricalDistribution([False, True])
    assert from_kilter(Ordinal([16, 32])) == CategoricalDistribution([16, 32])
    assert from_kilter(Float(0, 1, step=0.3)) == FloatDistribution(0, 0.9, step=0.3)
    assert from_kilter(Int(1, 10, step=4, default=5)) == IntDistribution(1, 9, step=4)


@pytest.mark.parametrize(
    ("parameter", "word"),
    [
        (Float(0.1, 1, log=True, step=0.1), "logarithmic"),
        (Int(1, 9, log=True, step=2), "logarithmic"),
        (Float(0, 1, step=1 / 3), "decimals"),
        (Float(0, 1, step=1e-9), "8 digits"),
        (Int(2**60, 2**60 + 9), "floats"),
        (Choice([(1, 2), (3,)]), "Optuna keeps"),
        (Ordinal([(1, 2), (3,)]), "Optuna keeps"),
        ("x", "not a parameter"),
    ],
)
def test_what_optuna_cannot_hold_is_said(parameter, word):
    with pytest.raises(InvalidInput, match=word):
        from_kilter(parameter)


def test_what_is_no_distribution_is_said():
    with pytest.raises(InvalidInput, match="not a Float-, Int- or"):
        to_kilter(Float(0, 1))


# -- studies ------------------------------------------------------------------------------------------------------


@quick
@given(studies())
def test_a_study_of_optunas_comes_back_as_it_was(theirs):
    ours = import_study(theirs, None)
    assert_same(export_study(ours, None), theirs)
    assert [t.state.name for t in ours.trials] == [t.state.name for t in theirs.trials]
    for there, here in zip(theirs.trials, ours.trials):
        if there.state is not State.WAITING:
            for name, value in there.params.items():
                is_odd = isinstance(value, float) and not math.isfinite(value)  # of choices that read alike, say
                assert repr(here.params[name]) in (repr(value), repr(str(value)) if is_odd else "") or (
                    math.isclose(here.params[name], value, rel_tol=1e-9, abs_tol=1e-9)  # on the grid, to the last digit
                )


def test_a_study_comes_back_through_files(tmp_path):
    theirs = optuna.create_study(
        study_name="files", storage=f"sqlite:///{tmp_path}/theirs.db", sampler=optuna.samplers.RandomSampler(0)
    )

    def objective(trial):
        x = trial.suggest_float("x", 0, 1 + trial.number)  # another range each time
        model = trial.suggest_categorical("model", ["svm", None])
        depth = trial.suggest_int("depth", 1, 9, step=2) if model is None else 0
        trial.set_user_attr("note", ["a", {"b": 1}])
        for step in range(3):
            trial.report(x * step, step)
            if trial.number % 3 == 1:
                raise optuna.TrialPruned
        if trial.number % 5 == 4:
            raise ArithmeticError
        return x + depth

    theirs.optimize(objective, n_trials=6, catch=(ArithmeticError,))
    theirs.enqueue_trial({"x": 0.5}, user_attrs={"by": "hand"})
    theirs.ask()
    imported = import_study(f"sqlite:///{tmp_path}/theirs.db", f"sqlite:///{tmp_path}/ours.db", "files")
    ours = kilter.load_study(study_name="files", storage=f"sqlite:///{tmp_path}/ours.db")
    assert [t.params for t in ours.trials] == [t.params for t in imported.trials]
    assert ours.best_value == theirs.best_value and ours.best_params == theirs.best_params
    back = export_study(f"sqlite:///{tmp_path}/ours.db", f"sqlite:///{tmp_path}/back.db", "files")
    assert_same(optuna.load_study(study_name="files", storage=f"sqlite:///{tmp_path}/back.db"), theirs)
    assert back.best_trial.params == theirs.best_trial.params


def test_an_imported_study_goes_on(tmp_path):
    def objective(trial):
        return (trial.suggest_float("x", -5, 5) - 1) ** 2

    theirs = optuna.create_study(study_name="on", sampler=optuna.samplers.RandomSampler(0))
    theirs.optimize(objective, n_trials=10)
    theirs.enqueue_trial({"x": 1.0})
    theirs.ask({"y": FloatDistribution(0, 1)})  # takes the enqueued one
    theirs.enqueue_trial({"x": 1.25})
    started = optuna.create_trial(state=State.WAITING)
    started.datetime_start = datetime(2020, 1, 1)  # a time that a waiting trial of ours does not have
    theirs.add_trial(started)
    ours = import_study(theirs, f"sqlite:///{tmp_path}/on.db")
    assert ours.trials[10].state is TrialState.RUNNING and ours.trials[11].params == {"x": 1.25}
    assert_same(export_study(ours, None), theirs)
    ours.optimize(objective, n_trials=4, progress="none")
    assert [t.state for t in ours.trials[10:]] == [TrialState.COMPLETE] * 4
    assert ours.trials[11].value == 0.0625
    there = export_study(ours, None)
    assert [t.state for t in there.trials] == [State.COMPLETE] * 14
    for what in ("value", "params", "datetime_start", "datetime_complete"):
        assert [getattr(t, what) for t in there.trials] == [getattr(t, what) for t in ours.trials]


def test_a_study_of_ours_comes_back_as_it_was():
    def objective(trial):
        width = trial.params["width"]
        trial.report(width, 1)
        trial.set_user_attr("width", width)
        if width % 7 == 0:
            raise OSError("no room")
        if width % 5 == 0:
            raise kilter.TrialPruned
        return {"loss": width - trial.params["lr"], "size": width * 2, "seconds": 0.5}

    ours = kilter.create_study(
        study_name="ours",
        directions={"loss": "maximize"},
        subject_to={"size": "<= 60"},
        space={
            "width": Int(1, 40),
            "lr": Float(1e-4, 1, log=True),
            "order": Ordinal([1, 2, 4]),
            "act": Choice([len, max]),
        },
        sampler="random",
        seed=3,
    )
    ours.optimize(objective, n_trials=25, progress="none")
    ours.enqueue_trial({"width": 3})
    ours.set_user_attr("who", "me")
    there = export_study(ours, None)
    assert {t.state for t in there.trials} == {State.COMPLETE, State.PRUNED, State.FAIL, State.WAITING}
    assert there.metric_names == ["loss"]
    assert [t.system_attrs["constraints"][0] <= 0 for t in there.trials if t.state is State.COMPLETE] == [
        t.is_feasible for t in ours.trials if t.state is TrialState.COMPLETE
    ]
    if hasattr(there.best_trial, "constraints"):  # before 5.0 Optuna's best trial is feasible by luck only
        assert there.best_value == ours.best_value
    back = import_study(there, None)
    assert back.user_attrs == {"who": "me"} and back.directions == ["maximize"] and back.metric_names == ["loss"]
    for then, now in zip(ours.trials, back.trials):
        params = {n: v.__name__ if callable(v) else v for n, v in then.params.items()}
        assert (now.number, now.state, now.params) == (then.number, then.state, params)
        assert {k: v for k, v in now.metrics.items() if k in then.metrics} == then.metrics
        for what in ("user_attrs", "reports", "datetime_start", "datetime_complete", "failure"):
            assert getattr(now, what) == getattr(then, what)
    assert_same(export_study(back, None), there)


def test_steps_that_optuna_cannot_count_are_left_out():
    steps = kilter.create_study(
        study_name="steps", space={"x": Float(0.1, 1, log=True, step=0.1), "n": Int(1, 8, log=True, step=7)}, seed=0
    )
    steps.optimize(lambda x, n: x + n, n_trials=5, progress="none")
    there = export_study(steps, None)
    assert there.trials[0].distributions == {
        "x": FloatDistribution(0.1, 1, log=True),
        "n": IntDistribution(1, 8, log=True),
    }
    assert [t.params for t in there.trials] == [t.params for t in steps.trials]


def test_a_paused_trial_is_pruned_in_optuna_and_paused_again_here():
    ours = kilter.create_study(
        study_name="rungs", space={"x": Float(0, 1)}, fidelity=kilter.Fidelity("epochs", 1, 9), scheduler="asha", seed=0
    )
    ours.optimize(lambda x, epochs: x / epochs, n_trials=9, progress="none")
    there = export_study(ours, None)
    paused = [t.number for t in ours.trials if t.state is TrialState.PAUSED]
    assert paused and all(there.trials[number].state is State.PRUNED for number in paused)
    assert [t.state for t in import_study(there, None).trials] == [t.state for t in ours.trials]


def test_constraints_are_those_of_the_study_here():
    theirs = optuna.create_study(sampler=KilterSampler("random", 0, lambda trial: [trial.params["x"] - 0.5]))
    theirs.optimize(lambda trial: -trial.suggest_float("x", 0, 1), n_trials=20)
    ours = import_study(theirs, None)
    assert 0 < ours.best_params["x"] <= 0.5
    assert [t.is_feasible for t in ours.trials] == [t.params["x"] <= 0.5 for t in theirs.trials]


def test_a_name_that_is_taken_is_said_and_nothing_is_left_half_done(tmp_path):
    theirs = optuna.create_study(study_name="twice")
    theirs.add_trial(optuna.create_trial(value=1.0, user_attrs={"x": 1}))
    ours = import_study(theirs, f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(StudyExists, match="twice"):
        import_study(theirs, f"sqlite:///{tmp_path}/a.db")
    export_study(ours, f"sqlite:///{tmp_path}/b.db")
    with pytest.raises(StudyExists, match="twice"):
        export_study(ours, f"sqlite:///{tmp_path}/b.db")
    theirs.add_trial(optuna.create_trial(value=1.0, user_attrs={"x": object()}))
    with pytest.raises(InvalidInput, match="trial 1"):
        import_study(theirs, f"sqlite:///{tmp_path}/c.db")
    assert kilter.get_all_study_names(f"sqlite:///{tmp_path}/c.db") == []
    with pytest.raises(InvalidInput, match="give a study"):
        import_study(3, None)


def test_a_study_is_found_by_url_file_and_name(tmp_path):
    journal, database = tmp_path / "optuna.log", tmp_path / "optuna.db"
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    for storage in (optuna.storages.JournalStorage(backend), f"sqlite:///{database}"):
        for name in ("resnet", "bert"):
            optuna.create_study(study_name=name, storage=storage)
    for source in (journal, str(database), f"sqlite:///{database}"):
        assert sorted(study_names(source)) == ["bert", "resnet"]
        assert import_study(source, None, "bert").study_name == "bert"
        with pytest.raises(StudyNotFound, match=r"2 studies: name one of (bert, resnet|resnet, bert)"):
            import_study(source, None)
        with pytest.raises(StudyNotFound, match="did you mean 'bert'"):
            import_study(source, None, "brt")


def test_looking_for_a_study_leaves_no_trace(tmp_path):
    missing, ours, url = tmp_path / "missing.db", tmp_path / "ours.db", f"sqlite:///{tmp_path}/ours.db"
    study = kilter.create_study(study_name="ours", storage=url)
    with pytest.raises(StorageError, match="no file"):
        import_study(f"sqlite:///{missing}", None)
    assert not missing.exists()
    before = sqlite3.connect(ours).execute("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(StorageError, match=r"ours.db cannot be used .* no such table"):
        import_study(url, None)
    with pytest.raises(StorageError, match="studies of kilter's: choose another file"):
        export_study(study, url)
    assert sqlite3.connect(ours).execute("SELECT * FROM sqlite_master").fetchall() == before
    with pytest.raises(StorageError, match="plugin"):
        export_study(study, "postgres://here/there")


def test_a_thousand_trials_are_a_handful_of_transactions(tmp_path, monkeypatch):
    theirs = optuna.create_study(study_name="large")
    ranges = {"x": FloatDistribution(0, 1), "k": IntDistribution(0, 9)}
    theirs.add_trials(
        [optuna.create_trial(value=i, params={"x": i / 1000, "k": i % 10}, distributions=ranges) for i in range(1000)]
    )
    from kilter.storage.sqlite import SQLiteStorage

    appends = []
    original = SQLiteStorage.append
    monkeypatch.setattr(SQLiteStorage, "append", lambda *a, **k: appends.append(1) or original(*a, **k))
    ours = import_study(theirs, f"sqlite:///{tmp_path}/large.db")
    assert len(ours.trials) == 1000 and len(appends) <= 3
    assert not any(t.user_attrs for t in ours.trials)  # nothing had to be kept on the side


# -- the sampler --------------------------------------------------------------------------------------------------


def quadratic(trial):
    x, y = trial.suggest_float("x", -10, 10), trial.suggest_float("y", -10, 10)
    return (x - 3) ** 2 + (y + 2) ** 2


def optimized(objective, n_trials, sampler, **options):
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n_trials, catch=(ArithmeticError,))
    return study


def test_it_beats_chance_by_far():
    bests = [optimized(quadratic, 16, KilterSampler(seed=seed)).best_value for seed in range(3)]
    chance = [optimized(quadratic, 16, optuna.samplers.RandomSampler(seed)).best_value for seed in range(3)]
    assert max(bests) < 0.1 * min(chance)


def test_the_same_seed_chooses_the_same_and_another_one_other_points():
    runs = [[t.params for t in optimized(quadratic, 12, KilterSampler(seed=seed)).trials] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0][0] != runs[2][0]  # where there is no model yet


def test_a_study_that_is_resumed_goes_on_as_if_it_had_not_stopped(tmp_path):
    def objective(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        if trial.number == 3:
            raise ArithmeticError
        return trial.suggest_float("x" if kind == "a" else "y", 0, 1) + trial.suggest_int("k", 1, 64, log=True)

    whole = optimized(objective, 10, KilterSampler(seed=1))
    for n in (5, 2, 3):
        backend = optuna.storages.journal.JournalFileBackend(f"{tmp_path}/journal.log")
        storage = optuna.storages.JournalStorage(backend)
        study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True, sampler=KilterSampler(seed=1))
        study.optimize(objective, n_trials=n, catch=(ArithmeticError,))
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


def test_a_pickled_sampler_chooses_the_same():
    sampler = KilterSampler(seed=4)
    study = optimized(quadratic, 8, sampler)
    copy = pickle.loads(pickle.dumps(sampler))
    space = copy.infer_relative_search_space(study, study.trials[-1])
    trial = study.ask()
    assert copy.sample_relative(study, trial._cached_frozen_trial, space) == sampler.sample_relative(
        study, trial._cached_frozen_trial, space
    )


def test_constraints_are_kept_to():
    def objective(trial):
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return -x - y

    def limit(trial):
        return (trial.params["x"] + trial.params["y"] - 1.0, trial.params["x"] - 0.8)

    study = optimized(objective, 22, KilterSampler(seed=0, constraints_func=limit))
    met = [t for t in study.trials if max(t.system_attrs["constraints"]) <= 0]
    assert min(t.value for t in met) < -0.97
    late = [t for t in study.trials[11:] if max(t.system_attrs["constraints"]) <= 0.05]
    assert len(late) >= 7  # without the constraints nearly all would be at (1, 1)


@pytest.mark.skipif(not hasattr(optuna.trial.Trial, "set_constraint"), reason="Optuna has it from 5.0 on")
def test_constraints_that_the_objective_sets_are_kept_to():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("size", x - 0.3)
        return -x

    study = optimized(objective, 14, KilterSampler(seed=0))
    assert 0.28 < study.best_params["x"] <= 0.3


def test_constraints_that_are_no_numbers_are_said():
    study = optuna.create_study(sampler=KilterSampler(seed=0, constraints_func=lambda trial: [math.nan]))
    with pytest.raises(InvalidInput, match=r"nan.*give numbers"):
        study.optimize(quadratic, n_trials=1)


def test_pruned_trials_are_learnt_from():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(1, 10):
            trial.report((x - 0.7) ** 2 + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return (x - 0.7) ** 2

    pruners = [
        optuna.pruners.SuccessiveHalvingPruner(),
        optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9),
    ]
    for pruner in pruners:
        study = optimized(objective, 16, KilterSampler(seed=0), pruner=pruner)
        assert {t.state for t in study.trials} == {State.COMPLETE, State.PRUNED}
        assert abs(study.best_params["x"] - 0.7) < 0.05
        engine = study.sampler._replica(study).engine
        assert engine.history.reports.count == sum(len(t.intermediate_values) for t in study.trials)


def test_where_trials_fail_it_does_not_stay():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        if x > 0.5:
            raise ArithmeticError("out of memory")
        return -x

    study = optimized(objective, 20, KilterSampler(seed=0))
    failed = sum(t.state is State.FAIL for t in study.trials[10:])
    assert failed <= 5 and study.best_params["x"] > 0.45


def test_a_parameter_of_a_branch_belongs_to_it():
    def objective(trial):
        model = trial.suggest_categorical("model", ["svm", "forest"])
        if model == "svm":
            return abs(math.log10(trial.suggest_float("C", 1e-3, 1e3, log=True)) - 1)
        return 0.5 + trial.suggest_int("depth", 1, 20) / 20

    study = optimized(objective, 25, KilterSampler(seed=0))
    space = study.sampler._replica(study).engine.problem.space
    assert space["C"].conditions and space["depth"].conditions and not space["model"].conditions
    assert study.best_value < 0.1 and study.best_params["model"] == "svm"


def test_choices_are_taken_for_independent_once_that_was_seen():
    def objective(trial):
        wrong = [trial.suggest_categorical(f"choice {i}", list("abcdef")) != "ace"[i] for i in range(3)]
        return sum(wrong) + trial.suggest_float("x", 0, 1) ** 2

    theirs = optimized(objective, 25, KilterSampler(seed=0))
    ours = kilter.create_study(seed=0)
    ours.optimize(objective, n_trials=25, progress="none")
    spaces = theirs.sampler._replica(theirs).engine.problem.space, import_study(theirs, None).space, ours.space
    assert not any(parameter.conditions for space in spaces for parameter in space.parameters.values())
    assert max(theirs.best_value, ours.best_value) < 0.01


def test_running_trials_are_reckoned_with():
    study = optimized(quadratic, 10, KilterSampler(seed=0))
    batch = [study.ask() for _ in range(5)]
    xs = [trial.suggest_float("x", -10, 10) for trial in batch]  # the others of a trial are known from then on
    points = np.array([[x, trial.suggest_float("y", -10, 10)] for x, trial in zip(xs, batch)])
    gaps = [np.abs(a - b).max() for i, a in enumerate(points) for b in points[:i]]
    assert min(gaps) > 1e-3
    asked, elsewhere = study.ask(), KilterSampler(seed=1)
    asked.suggest_float("x", -10, 10)
    assert study.sampler._replica(study).engine.history[asked.number].params.keys() == {"x", "y"}
    assert elsewhere._replica(study).engine.history[asked.number].params.keys() == {"x"}  # another process's view
    asked.suggest_float("y", -10, 10)
    assert elsewhere._replica(study).engine.history[asked.number].params.keys() == {"x", "y"}


def test_finite_spaces_are_tried_without_repetition():
    def objective(trial):
        return trial.suggest_int("a", 0, 3) + trial.suggest_categorical("b", [0, 1, 2])

    study = optimized(objective, 12, KilterSampler(seed=0))
    repeated = 12 - len({tuple(sorted(t.params.items())) for t in study.trials})
    assert repeated <= 2  # until each option of b was met once its partner is drawn by chance


def test_what_a_user_enqueued_is_taken_and_completed():
    study = optimized(quadratic, 8, KilterSampler(seed=0))
    study.enqueue_trial({"x": 3.0})
    study.optimize(quadratic, n_trials=1)
    assert study.trials[-1].params["x"] == 3.0
    assert study.sampler._replica(study).engine.history[8].enqueued


def test_any_choices_will_do():
    odd = [1, True, 1.0, (2, 3), None, math.nan, "1"]

    def objective(trial):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns of the tuple
            trial.suggest_categorical("odd", odd)
        return trial.suggest_float("x", 0, 0.9, step=0.3)

    study = optimized(objective, 10, KilterSampler(seed=0))
    assert len(study.trials) == 10


def test_several_objectives():
    def objective(trial):
        x = trial.suggest_float("x", 0, 2)
        return x**2, (x - 2) ** 2

    study = optuna.create_study(directions=["minimize", "minimize"], sampler=KilterSampler(seed=0))
    study.optimize(objective, n_trials=12)
    assert len(study.best_trials) >= 10


def test_a_sampler_that_cannot_is_said():
    with pytest.raises(UnknownName, match="did you mean 'random'"):
        KilterSampler("randm")
    with pytest.raises(InvalidInput, match="whole number"):
        KilterSampler(seed=-1)
    with pytest.raises(IncapableSampler, match="objective"):
        optuna.create_study(directions=["minimize"] * 2, sampler=KilterSampler("cmaes")).optimize(quadratic, 1)


def test_each_trial_is_read_once():
    study = optimized(quadratic, 3, KilterSampler("random", seed=0))
    ranges = {"x": FloatDistribution(-10, 10), "y": FloatDistribution(-10, 10)}
    study.add_trials(
        [optuna.create_trial(value=i, params={"x": 0.0, "y": 0.0}, distributions=ranges) for i in range(200)]
    )
    replica = study.sampler._replica(study)
    position = replica.engine.position
    study.optimize(quadratic, n_trials=2)
    assert study.sampler._replica(study) is replica
    assert replica.engine.position - position <= 2 * 3  # enqueued, started and ended, of the two new ones alone


@pytest.mark.story
def test_hugging_face_searches_with_it(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs Transformers: pip install '.[transformers]'")
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[transformers]'")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokens = torch.randint(4, 30, (24, 6), generator=torch.Generator().manual_seed(0))
    rows = [{"input_ids": row, "labels": row[0] % 2} for row in tokens]
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=1, eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True
    )
    trainer = transformers.Trainer(
        model_init=lambda trial: transformers.BertForSequenceClassification(config),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
    )
    storage = optuna.storages.InMemoryStorage()
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)},
        backend="optuna",
        n_trials=2,
        direction="minimize",
        sampler=KilterSampler(seed=0),
        storage=storage,
        study_name="search",
    )
    study = import_study(storage, None)
    assert len(study.trials) == 2 and study.best_value == best.objective
    assert study.best_params == best.hyperparameters
