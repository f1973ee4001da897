"""Samplers and pruners that were written for Optuna, constraints that trials set, and what is thin over ours."""

from __future__ import annotations

import pytest

import kilter
from kilter import Choice, Float, Int, TrialState, create_study, load_study
from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.pruners import BasePruner
from kilter.samplers import BaseSampler
from kilter.schedulers import (
    ASHAScheduler,
    FifoScheduler,
    HyperbandScheduler,
    MedianScheduler,
    PatientScheduler,
    PercentileScheduler,
    RaceScheduler,
    ThresholdScheduler,
)


class Written(BaseSampler):
    """Notes what it is asked, and chooses the low end of what it is not told to choose together."""

    def __init__(self):
        self.seen, self.ended, self.began = [], [], []

    def infer_relative_search_space(self, study, trial):
        return kilter.search_space.intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(self, study, trial, search_space):
        self.seen.append((trial.number, trial.state, [t.number for t in study.trials]))
        return {name: p.high for name, p in search_space.items() if name == "x"}

    def sample_independent(self, study, trial, param_name, param_distribution):
        return param_distribution.choices[-1] if isinstance(param_distribution, Choice) else param_distribution.low

    def before_trial(self, study, trial):
        self.began.append(trial.number)

    def after_trial(self, study, trial, state, values):
        self.ended.append((trial.number, state, values, dict(trial.params)))


def objective(trial):
    if trial.suggest_categorical("kind", ["a", "b"]) == "b":
        trial.suggest_int("n", 2, 9)
    x = trial.suggest_float("x", 0, 1)
    if trial.number == 2:
        raise ValueError
    return x


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_sampler_of_the_users_own_is_asked_as_optuna_asks_it(n_jobs):
    mine = Written()
    study = create_study(sampler=mine)
    study.optimize(objective, n_trials=4, n_jobs=n_jobs, progress="none")
    assert study.sampler is mine
    assert study.trials[0].params == {"kind": "b", "n": 2, "x": 0.0}
    assert study.trials[3].params["n"] == 2
    if n_jobs == 1:
        assert [t.params["x"] for t in study.trials] == [0.0, 1.0, 1.0, 1.0]
        assert mine.seen == [(i, TrialState.RUNNING, list(range(i + 1))) for i in range(4)]
        assert mine.ended[1:3] == [
            (1, TrialState.COMPLETE, [1.0], {"kind": "b", "n": 2, "x": 1.0}),
            (2, TrialState.FAIL, None, {"kind": "b", "n": 2, "x": 1.0}),
        ]
    assert sorted(mine.began) == [0, 1, 2, 3]


def test_it_fills_a_declared_space_and_what_was_enqueued():
    study = create_study(sampler=Written(), space={"x": Float(0, 1), "y": Int(3, 5), "z": Choice(["a", "b"])})
    study.enqueue_trial({"y": 4})
    study.optimize(lambda x, y, z: x, n_trials=2, progress="none")
    assert [t.params for t in study.trials] == [{"x": 0, "y": 4, "z": "b"}, {"x": 1, "y": 3, "z": "b"}]


def test_by_ask_and_tell_too():
    study = create_study(sampler=Written())
    trial = study.ask()
    assert trial.suggest_float("x", 2, 3) == 2
    study.tell(trial, 0.0)
    assert study.ask({"x": Float(2, 3)}).params == {"x": 3}
    assert study.sampler.ended == [(0, TrialState.COMPLETE, [0.0], {"x": 2.0})]


def test_methods_that_nobody_would_call_are_refused():
    class Mine(kilter.samplers.RandomSampler):
        def sample_relative(self, study, trial, search_space):
            return {}

    with pytest.raises(InvalidInput, match=r"Mine has Optuna's sample_relative\(\).*BaseSampler"):
        create_study(sampler=Mine())


def test_a_value_that_does_not_fit_says_so():
    class Wild(Written):
        def sample_independent(self, study, trial, param_name, param_distribution):
            return 17.0

    study = create_study(sampler=Wild())
    with pytest.raises(InvalidInput, match="17"):
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none", catch=())


def test_a_pruner_of_the_users_own_ends_trials():
    class Third(BasePruner):
        def prune(self, study, trial):
            return trial.number > 0 and trial.last_step == 2 and study.trials[0].value is not None

    def reports(trial):
        for step in range(5):
            trial.report(trial.suggest_float("x", 0, 1), step)
            if trial.should_prune():
                raise kilter.TrialPruned
        return 1.0

    mine = Third()
    study = create_study(pruner=mine)
    study.optimize(reports, n_trials=3, progress="none")
    assert study.pruner is mine
    assert [t.last_step for t in study.trials] == [4, 2, 2]
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "PRUNED"]


def test_their_study_can_be_read_without_them_and_goes_on_with_them(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    study = create_study(storage=url, study_name="s", sampler=Written())
    study.optimize(objective, n_trials=2, progress="none")
    read = load_study(study_name="s", storage=url)
    assert read.best_value == 0
    with pytest.raises(UnknownName, match=r"Written.*sampler="):
        read.optimize(objective, n_trials=1, progress="none")
    again = load_study(study_name="s", storage=url, sampler=Written())
    again.optimize(objective, n_trials=1, progress="none")
    assert len(again.trials) == 3


def test_another_sampler_or_pruner_can_be_set_between_two_runs():
    study = create_study(sampler="random", seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5, progress="none")
    study.sampler = kilter.samplers.PartialFixedSampler({"x": 0.25}, study.sampler)
    study.pruner = kilter.pruners.NopPruner()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, progress="none")
    assert [t.params["x"] for t in study.trials[5:]] == [0.25, 0.25]
    assert study.pruner == FifoScheduler()
    assert study.best_trial.number < 7


class TestConstraintsThatTrialsSet:
    """They are the study's from the first trial on that tells of one."""

    @pytest.mark.parametrize("sampler", ["auto", "random", "tpe", "nsga2", "cmaes", "de", "evolution", "turbo"])
    def test_the_best_meets_them_whatever_the_sampler(self, sampler, tmp_path):
        url = f"sqlite:///{tmp_path}/s.db"

        def sized(trial):
            x = trial.suggest_float("x", 0, 1)
            if trial.number >= 2:
                trial.set_constraint("large", 0.5 - x)
            return x

        study = create_study(storage=url, study_name="s", sampler=sampler, seed=1)
        study.optimize(sized, n_trials=15, progress="none")
        assert study.best_value >= 0.5
        assert study.best_trial.number >= 2
        assert study.best_trial.constraints == {"large": 0.5 - study.best_value}
        assert all(t.is_feasible is (t.number >= 2 and t.params["x"] >= 0.5) for t in study.trials)
        assert load_study(study_name="s", storage=url).best_trial == study.best_trial
        assert len([c.metric for c in study.problem.constraints]) == 1

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_function_of_the_trial_computes_them(self, n_jobs):
        def func(trial):
            return [trial.user_attrs["c"], trial.params["x"] - 0.9]

        def sized(trial):
            x = trial.suggest_float("x", 0, 1)
            trial.set_user_attr("c", 0.5 - x)
            return x

        study = create_study(sampler=kilter.samplers.TPESampler(constraints_func=func, n_startup_trials=5, seed=0))
        study.optimize(sized, n_trials=20, n_jobs=n_jobs, progress="none")
        assert 0.5 <= study.best_value <= 0.9
        assert set(study.trials[0].constraints) == {"0", "1"}
        asked = study.ask()
        study.tell(asked, sized(asked))
        assert set(study.trials[20].constraints) == {"0", "1"}

    def test_where_that_raises_the_trial_has_failed(self):
        def func(trial):
            raise KeyError("missing")

        study = create_study(sampler=kilter.samplers.NSGAIISampler(constraints_func=func))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, progress="none")
        assert {t.state for t in study.trials} == {TrialState.FAIL}
        assert study.trials[0].failure.kind == "KeyError"

    def test_of_two_values_the_first_counts_and_nan_is_refused(self):
        trial = create_study(seed=0).ask()
        trial.set_constraint("a", 1)
        with pytest.warns(UserWarning, match="twice"):
            trial.set_constraint("a", 2)
        with pytest.raises(InvalidInput, match="nan"):
            trial.set_constraint("b", float("nan"))
        assert trial.constraints == {"a": 1.0}

    def test_they_come_with_trials_that_are_added(self):
        study = create_study()
        study.add_trial(
            kilter.create_trial(params={"x": 0.5}, distributions={"x": Float(0, 1)}, value=0.5, constraints={"c": 1})
        )
        with pytest.raises(NotReady, match="feasible"):
            _ = study.best_trial
        other = create_study()
        other.add_trials(study.trials)
        assert other.trials[0].constraints == {"c": 1}


def test_pruners_are_our_schedulers_with_their_settings():
    p = kilter.pruners
    assert p.MedianPruner(3, 10) == MedianScheduler(grace=10, startup=3)
    assert p.PercentilePruner(25.0, n_warmup_steps=2) == PercentileScheduler(grace=2, startup=5, percentile=25.0)
    assert p.SuccessiveHalvingPruner(2, 3, 1) == ASHAScheduler(eta=3.0, grace=6, waits=False)
    assert p.HyperbandPruner(1, 100, 3) == HyperbandScheduler(grace=1, eta=3.0, brackets=5)
    assert p.ThresholdPruner(upper=1.0) == ThresholdScheduler(upper=1.0, times=1)
    assert p.PatientPruner(p.MedianPruner(n_warmup_steps=4), 3, 0.1) == PatientScheduler(3, 0.1, "median")
    assert p.PatientPruner(None, 2) == PatientScheduler(2)
    assert p.WilcoxonPruner(p_threshold=0.2) == RaceScheduler(chance=0.2, by_step=True, repeats=0.0)
    assert p.NopPruner() == FifoScheduler()
    with pytest.warns(UserWarning, match="interval_steps=10"):
        p.MedianPruner(interval_steps=10)
    with pytest.raises(InvalidInput, match="median, percentile, threshold"):
        p.PatientPruner(p.HyperbandPruner(), 3)


def test_successive_halving_of_optunas_ends_trials_and_puts_none_aside():
    def reports(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(1, 28):
            trial.report(x + 1 / step, step)
            if trial.should_prune():
                raise kilter.TrialPruned
        return x

    study = create_study(sampler="random", seed=0, pruner=kilter.pruners.SuccessiveHalvingPruner(reduction_factor=3))
    study.optimize(reports, n_trials=20, progress="none")
    states = [trial.state for trial in study.trials]
    assert len(states) == 20
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert states.count(TrialState.PRUNED) > 8


def test_a_race_by_steps_takes_them_for_instances():
    def costs(trial):
        x = trial.suggest_float("x", 0, 1)
        for instance in range(10):
            trial.report(x + instance, instance)
            if trial.should_prune():
                raise kilter.TrialPruned
        return x + 4.5

    study = create_study(sampler="random", seed=0, pruner=kilter.pruners.WilcoxonPruner(p_threshold=0.1))
    study.optimize(costs, n_trials=15, progress="none")
    assert study.best_trial.params["x"] == min(t.params["x"] for t in study.trials)
    assert [t for t in study.trials if t.state is TrialState.PRUNED]


def test_settings_of_optunas_own_method_are_warned_of():
    with pytest.warns(UserWarning, match="n_ei_candidates"):
        sampler = kilter.samplers.TPESampler(n_ei_candidates=48, n_startup_trials=4, multivariate=True, seed=1)
    assert sampler == kilter.samplers.TPESampler(initial=4, seed=1)
    with pytest.raises(InvalidInput, match="initial= or n_startup_trials="):
        kilter.samplers.TPESampler(initial=4, n_startup_trials=4)


def test_cmaes_begins_at_the_best_of_other_trials():
    other = create_study(direction="maximize", seed=0)
    other.optimize(lambda trial: -((trial.suggest_float("x", 0, 1) - 0.9) ** 2), n_trials=20, progress="none")
    sampler = kilter.samplers.CmaEsSampler(source_trials=other.trials, seed=1)
    assert sampler.x0 == other.best_params
    study = create_study(space={"x": Float(0, 1)}, sampler=sampler)
    study.optimize(lambda x: (x - 0.9) ** 2, n_trials=8, progress="none")
    far = create_study(space={"x": Float(0, 1)}, sampler=kilter.samplers.CmaEsSampler(x0={"x": 0.05}, seed=1))
    far.optimize(lambda x: (x - 0.9) ** 2, n_trials=8, progress="none")
    assert sum(t.params["x"] for t in study.trials) > sum(t.params["x"] for t in far.trials) + 2


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_brute_force_tries_every_combination_once_and_goes_on_elsewhere(tmp_path, n_jobs, caplog, capfd):
    url = f"sqlite:///{tmp_path}/s.db"

    def ranges(trial):
        a = trial.suggest_int("a", 1, 5)
        return trial.suggest_int("b", 1, 6) if trial.suggest_categorical("c", ["x", "y"]) == "x" else a

    for trials in (20, None):
        brute = kilter.samplers.BruteForceSampler(seed=1)
        study = create_study(study_name="s", storage=url, sampler=brute, load_if_exists=True)
        study.optimize(ranges, n_trials=trials, n_jobs=n_jobs, progress="none")
    points = [tuple(sorted(t.params.items())) for t in study.trials]
    assert len(set(points)) == 5 * (6 + 1)
    assert len(points) < 35 + 2 * n_jobs
    with caplog.at_level("INFO", "kilter"):
        study.optimize(ranges, progress="plain")
    assert "the sampler has nothing left to try" in caplog.text + capfd.readouterr().err
    with pytest.raises(InvalidInput, match="step"):
        create_study(sampler=kilter.samplers.BruteForceSampler()).optimize(
            lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none", catch=()
        )


class TestStudies:
    """Lists, copies and names of studies."""

    def test_summaries_and_copies(self, tmp_path):
        url, other = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
        study = create_study(study_name="a", storage=url, direction="maximize", seed=0)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
        study.set_user_attr("owner", "me")
        study.set_system_attr("note", 1)
        create_study(study_name="two", storage=url, directions=["minimize", "maximize"])
        first, second = kilter.get_all_study_summaries(url)
        assert (first.study_name, first.n_trials, first.direction) == ("a", 3, "maximize")
        assert first.best_trial == study.best_trial
        assert first.datetime_start == study.trials[0].datetime_start
        assert (first.user_attrs, first.system_attrs) == ({"owner": "me"}, {"note": 1})
        assert (second.n_trials, second.best_trial) == (0, None)
        kilter.copy_study(from_study_name="a", from_storage=url, to_storage=other, to_study_name="c")
        copy = load_study(study_name="c", storage=other)
        assert [t.params for t in copy.trials] == [t.params for t in study.trials]
        copy.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none")
        assert (len(copy.trials), len(study.trials)) == (4, 3)

    def test_names_of_metrics_are_for_tables(self):
        study = create_study(directions=["minimize", "maximize"], seed=0)
        study.set_metric_names(["loss", "accuracy"])
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2, progress="none")
        assert study.metric_names == ["loss", "accuracy"]
        assert study.trials[0].values == [study.trials[0].params["x"], 1.0]
        with pytest.raises(InvalidInput, match="2 different names"):
            study.set_metric_names(["loss"])

    def test_one_direction_may_be_text(self):
        study = create_study(directions="maximize")
        assert study.direction == "maximize" == study.directions[0] == kilter.study.StudyDirection.MAXIMIZE
        assert (f"{study.direction}", study.direction.name) == ("maximize", "MAXIMIZE")
        assert create_study(study_name="n").name == "n"

    def test_a_trial_of_unknown_parameters_names_what_is_missing(self):
        with pytest.raises(UnknownName, match=r"'x'.*distributions="):
            create_study().add_trial(kilter.create_trial(params={"x": 0.5}, value=1.0))

    def test_a_pruned_trial_with_a_value_can_be_added(self):
        study = create_study(space={"x": Float(0, 1)})
        study.add_trial(kilter.create_trial(state=TrialState.PRUNED, params={"x": 0.5}, value=1.0))
        assert study.trials[0].value == 1.0


class TestStorages:
    """Optuna's storages are an SQLite file, or memory."""

    def test_they_are_files_of_ours(self, tmp_path):
        s = kilter.storages
        study = create_study(storage=s.RDBStorage(f"sqlite:///{tmp_path}/r.db", heartbeat_interval=60), study_name="s")
        assert kilter.get_all_study_names(f"sqlite:///{tmp_path}/r.db") == ["s"]
        journal = s.JournalStorage(s.journal.JournalFileBackend(f"{tmp_path}/j.log"))
        create_study(storage=journal, study_name="j")
        assert kilter.get_all_study_names(f"sqlite:///{tmp_path}/j.log.db") == ["j"]
        assert create_study(storage=s.InMemoryStorage()).trials == study.trials == []
        s.fail_stale_trials(study)

    def test_a_journal_of_optunas_is_not_passed_over(self, tmp_path):
        (tmp_path / "j.log").write_text('{"op_code": 0}\n')
        with pytest.raises(InvalidInput, match=r"kilter import .*j\.log --all"):
            kilter.storages.JournalStorage(kilter.storages.JournalFileStorage(f"{tmp_path}/j.log"))

    def test_a_callback_that_nobody_calls_is_warned_of(self, tmp_path):
        retry = kilter.storages.RetryFailedTrialCallback(max_retry=3)
        kilter.storages.RDBStorage(f"sqlite:///{tmp_path}/r.db", failed_trial_callback=retry)
        with pytest.warns(UserWarning, match="never called"):
            kilter.storages.RDBStorage(f"sqlite:///{tmp_path}/r.db", failed_trial_callback=print)
        trial = create_study().ask()
        assert (retry.retried_trial_number(trial), retry.retry_history(trial)) == (None, [])


def test_a_terminator_stops_a_study_that_has_little_to_gain():
    t = kilter.terminator
    study = create_study(space={"x": Float(0, 1)}, seed=1)
    callback = t.TerminatorCallback(t.Terminator(error_evaluator=t.StaticErrorEvaluator(0.01)))
    study.optimize(lambda x: (x - 0.3) ** 2, n_trials=200, callbacks=[callback], progress="none")
    assert 20 <= len(study.trials) < 60
    stale = create_study(sampler="random", seed=1)
    patience = t.Terminator(t.BestValueStagnationEvaluator(5), min_n_trials=1)
    stale.optimize(
        lambda trial: trial.suggest_float("x", 0, 1),
        n_trials=500,
        callbacks=[t.TerminatorCallback(patience)],
        progress="none",
    )
    assert stale.best_trial.number == len(stale.trials) - 6
    with pytest.raises(InvalidInput, match="stoppers"):
        t.Terminator(object())


def test_scores_of_folds_are_reports_of_folds():
    study = create_study(seed=0)
    trial = study.ask()
    kilter.terminator.report_cross_validation_scores(trial, [0.5, 0.7])
    study.tell(trial, 0.6)
    assert study.trials[0].folds == {0: 0.5, 1: 0.7}


def test_artifacts_come_back_as_they_were(tmp_path):
    a = kilter.artifacts
    (tmp_path / "model.txt").write_text("weights")
    (tmp_path / "store").mkdir()
    store = a.FileSystemArtifactStore(tmp_path / "store")

    def objective(trial):
        name = a.upload_artifact(artifact_store=store, file_path=tmp_path / "model.txt", study_or_trial=trial)
        trial.set_user_attr("name", name)
        return trial.suggest_float("x", 0, 1)

    study = create_study(seed=0)
    study.optimize(objective, n_trials=2, progress="none")
    (meta,) = a.get_all_artifact_meta(study.best_trial)
    assert (meta.artifact_id, meta.filename) == (study.best_trial.user_attrs["name"], "model.txt")
    assert study.best_trial.user_attrs == {"name": meta.artifact_id}
    a.download_artifact(artifact_store=store, file_path=tmp_path / "copy.txt", artifact_id=meta.artifact_id)
    assert (tmp_path / "copy.txt").read_text() == "weights"
    with pytest.raises(InvalidInput, match=r"copy\.txt"):
        a.download_artifact(artifact_store=store, file_path=tmp_path / "copy.txt", artifact_id=meta.artifact_id)
    for name in ("../model.txt", "abc"):
        with pytest.raises(UnknownName, match=r"model\.txt|abc"):
            a.download_artifact(artifact_store=store, file_path=tmp_path / "x", artifact_id=name)
    a.upload_artifact(artifact_store=store, file_path=tmp_path / "model.txt", study_or_trial=study)
    assert len(a.get_all_artifact_meta(study)) == 1
    with pytest.raises(InvalidInput, match="takes no artifact"):
        a.upload_artifact(artifact_store=store, file_path=tmp_path / "model.txt", study_or_trial=study.trials[0])


def test_importances_are_shares_of_what_each_parameter_explains():
    def objective(trial):
        trial.suggest_categorical("idle", ["a", "b", "c"])
        if trial.number % 2:
            trial.suggest_float("sometimes", 0, 1)
        return 3 * trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)

    study = create_study(sampler="random", seed=0)
    with pytest.raises(NotReady, match="two"):
        kilter.importance.get_param_importances(study)
    study.optimize(objective, n_trials=100, progress="none")
    found = kilter.importance.get_param_importances(study)
    assert list(found)[:2] == ["x", "y"]
    assert set(found) == {"x", "y", "idle", "sometimes"}
    assert sum(found.values()) == pytest.approx(1)
    assert found["x"] == pytest.approx(0.9, abs=0.08)  # 9 / (9 + 1)
    assert max(found["idle"], found["sometimes"]) < 0.02
    assert found == kilter.importance.get_param_importances(study)
    assert list(kilter.importance.get_param_importances(study, params=["y"])) == ["y"]
    flat = kilter.importance.get_param_importances(study, target=lambda trial: trial.params["y"])
    assert flat["y"] > 0.9
    with pytest.raises(UnknownName, match="sometimes"):
        kilter.importance.get_param_importances(study, params=["sometime"])


def test_progress_and_warnings_are_set_in_optunas_words(capsys):
    log = kilter.logging
    try:
        log.disable_default_handler()
        create_study(seed=0).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        assert capsys.readouterr().err == ""
        log.enable_default_handler()
        create_study(seed=0).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        assert "1 done" in capsys.readouterr().err
        log.disable_propagation()
        assert log.get_logger("optuna").propagate is False
    finally:
        log.enable_default_handler()
        log.enable_propagation()


def test_an_objective_is_called_with_values_of_ones_own():
    def objective(trial):
        trial.set_user_attr("note", 1)
        trial.report(0.5, 0)
        assert not trial.should_prune()
        return (
            trial.suggest_float("x", 0, 1)
            + trial.suggest_int("n", 1, 3)
            + (trial.suggest_categorical("c", ["a", "b"]) == "b")
        )

    trial = kilter.trial.FixedTrial({"x": 0.5, "n": 2, "c": "b"}, number=7)
    assert objective(trial) == 3.5
    assert (trial.number, trial.user_attrs, list(trial.params)) == (7, {"note": 1}, ["x", "n", "c"])
    with pytest.raises(ValueError, match="'n'"):
        objective(kilter.trial.FixedTrial({"x": 0.5}))
    with pytest.warns(UserWarning, match="x=2"):
        assert kilter.trial.FixedTrial({"x": 2}).suggest_float("x", 0, 1) == 2


@pytest.mark.parametrize(("name", "says"), [("study", "study.trials"), ("relative_params", "params")])
def test_what_a_trial_of_optunas_has_besides_is_refused_in_one_line(name, says):
    trial = create_study(seed=0).ask()
    assert not hasattr(trial, name)
    with pytest.raises(kilter.KilterError, match=says) as caught:
        getattr(trial, name)
    assert "\n" not in str(caught.value)


def test_names_are_where_optunas_examples_import_them_from():
    from kilter.terminator.callback import TerminatorCallback
    from kilter.terminator.erroreval import report_cross_validation_scores

    assert TerminatorCallback is kilter.terminator.TerminatorCallback
    assert report_cross_validation_scores is kilter.terminator.report_cross_validation_scores
