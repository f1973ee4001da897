"""The front door: bad input is refused before any trial runs, failures are kept, and what went in comes back."""

import itertools
import json
import math
import re
import subprocess
import sys
import textwrap

import pytest

import kilter
from kilter import Boolean, Choice, Float, Int, Ordinal, Space, TrialPruned, TrialState, create_study, load_study, tune
from kilter.core.errors import (
    InvalidInput,
    NotReady,
    SpaceChanged,
    StudyAborted,
    StudyExists,
    StudyNotFound,
    TrialNotFound,
    UnknownName,
)
from kilter.core.events import Started
from kilter.core.limits import Limits
from kilter.core.problem import Problem
from kilter.executors.simulated import VirtualClock
from kilter.models.results import Results


def run(study, objective, n_trials=5, **options):
    study.optimize(objective, n_trials, progress="none", **options)
    return study


def quick(objective, space, **options):
    return tune(objective, space, **{"storage": None, "progress": "none", "n_trials": 5, **options})


def reversed_range(trial):
    return trial.suggest_float("x", 2, 1)


def square(x):
    return x * x


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/kilter.db"


class TestBadInput:
    """Refused with a clear sentence, before any trial runs."""

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda: Float(1, 0), "1"),
            (lambda: Int(5, 2), "5"),
            (lambda: Float(math.nan, 1), "nan"),
            (lambda: Float(0, math.inf), "inf"),
            (lambda: Float(0, 1, log=True), "log"),
            (lambda: Int(-1, 8, log=True), "log"),
            (lambda: Float("a", 1), "'a'"),
            (lambda: Int(1, 2.5), "2.5"),
            (lambda: Choice([]), "empty"),
            (lambda: Choice(["a", "a"]), "'a'"),
            (lambda: Float(0, 1, default=2), "default"),
            (lambda: Choice(["a"], default="b"), "default"),
            (lambda: Float(0, 1).when(), "parent"),
            (lambda: Space({"a": Float(0, 1).when(b=1)}), "'b'"),
            (lambda: Space({"b": Choice(["x"]), "a": Float(0, 1).when(b="y")}), "'y'"),
            (lambda: Space({"a": Boolean().when(b=True), "b": Boolean().when(a=True)}), "circle"),
            (lambda: Space({"m": Choice({"s": {"C": Float(0, 1)}}), "C": Int(1, 2)}), "twice"),
            (lambda: Space({"x": 3}), "not a parameter"),
            (lambda: create_study(space=[1]), "dict"),
            (lambda: create_study(sampler="randm"), "random"),
            (lambda: create_study(scheduler="fio"), "fifo"),
            (lambda: create_study(direction="minimise"), "minimize"),
            (lambda: create_study(direction="minimize", directions=["minimize"]), "not both"),
            (lambda: create_study(directions=[]), "at least one"),
            (lambda: create_study(subject_to={"ms": "< 20"}), "<="),
            (lambda: create_study(seed=-1), "seed"),
            (lambda: create_study(seed=1.5), "seed"),
            (lambda: create_study(scheduler="fifo", pruner="fifo"), "both"),
            (lambda: tune(square, {"x": Float(0, 1)}, storage=None), "n_trials"),
            (lambda: quick(square, {"x": Float(0, 1)}, minimize="a", maximize="a"), "'a'"),
            (lambda: quick(square, {"x": Float(0, 1)}, n_trials=-1), "-1"),
            (lambda: quick(square, {"x": Float(0, 1)}, timeout=math.nan), "nan"),
            (lambda: run(create_study(), square, n_jobs=0), "n_jobs"),
            (lambda: run(create_study(), 3), "called"),
        ],
    )
    def test_is_refused_with_the_value(self, make, says):
        with pytest.raises(ValueError, match=says) as caught:
            make()
        assert isinstance(caught.value, kilter.KilterError)

    def test_unknown_sampler_names_the_nearest(self):
        with pytest.raises(UnknownName, match="did you mean 'random'"):
            create_study(sampler="randon")

    def test_nothing_is_stored_of_a_study_that_cannot_be(self, url):
        with pytest.raises(UnknownName):
            create_study(storage=url, sampler="nosuch")
        with pytest.raises(InvalidInput):
            create_study(storage=url, directions=["minimize", "maximize", "up"])
        assert kilter.get_all_study_names(url) == []

    def test_what_optuna_has_and_we_lack_says_what_to_use(self):
        with pytest.raises(AttributeError, match="sqlite:///"):
            _ = kilter.storages.JournalRedisStorage
        with pytest.raises(AttributeError, match="one for each library"):
            _ = kilter.integration.SkorchPruningCallback
        with pytest.raises(AttributeError, match="sampler='auto'"):
            _ = kilter.samplers.BoTorchSampler
        with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
            _ = kilter.nosuch
        assert not hasattr(kilter.samplers, "__nosuch__")

    def test_names_load_on_first_use(self):
        assert {"tune", "study", "samplers"} <= set(dir(kilter))
        for name in dir(kilter):
            assert getattr(kilter, name) is not None


class TestReturns:
    """What an objective returns is a number for each objective, or the trial fails and says why."""

    @pytest.mark.parametrize(
        ("returned", "kind", "says"),
        [
            (None, "return", "None"),
            ("0.5", "return", "0.5"),
            (math.nan, "nan", "nan"),
            ((1.0, 2.0), "return", "2 values"),
            ([], "return", "0 values"),
            ({"loss": 1.0}, "return", "'value'"),
            ({"value": "x"}, "return", "'value'"),
            (1j, "return", "1j"),
            (object(), "return", "object"),
        ],
    )
    def test_what_is_no_number_fails_the_trial(self, returned, kind, says):
        study = run(create_study(), lambda trial: returned, 2)
        for trial in study.trials:
            assert trial.state is TrialState.FAIL
            assert trial.value is None
            assert trial.failure.kind == kind
            assert says in trial.failure.message

    def test_a_metric_that_was_never_returned(self):
        with pytest.raises(StudyAborted, match=r"2 trials all failed: .*'acuracy': did you mean maximize='accuracy'"):
            quick(lambda x: {"accuracy": x}, {"x": Float(0, 1)}, maximize="acuracy", n_trials=2)
        with pytest.raises(StudyAborted, match="and not 'value': say minimize='accuracy' or maximize='accuracy'"):
            quick(lambda x: {"accuracy": x}, {"x": Float(0, 1)}, n_trials=2)

    @pytest.mark.parametrize("returned", [None, "0.5", {"accuracy": 1.0}])
    def test_two_results_that_cannot_be_used_end_a_call_that_has_no_other(self, returned, capsys):
        calls = []
        with pytest.raises(StudyAborted) as caught:
            quick(lambda x: calls.append(x) or returned, {"x": Float(0, 1)}, n_trials=30, progress="plain")
        assert len(calls) == 2
        said = str(caught.value).rpartition("failed: ")[2]
        assert capsys.readouterr().err.count(said) == 1, "when the first failed"
        assert "\n" not in said and len(said) < 120

    def test_nan_and_what_comes_after_a_result_do_not(self):
        returned = itertools.chain([math.nan, math.nan, 1.0], itertools.repeat(None))
        study = quick(lambda x: next(returned), {"x": Float(0, 1)}, n_trials=9)
        assert len(study.trials) == 9

    def test_a_constrained_metric_that_was_never_returned(self):
        with pytest.raises(StudyAborted, match="'ms'"):
            quick(lambda x: x, {"x": Float(0, 1)}, subject_to={"ms": "<= 3"}, n_trials=2)

    @pytest.mark.parametrize("returned", [True, 3, 2.5, [1], (4.0,), {"value": 2, "more": 3}])
    def test_numbers_of_all_sorts(self, returned):
        assert isinstance(run(create_study(), lambda trial: returned, 1).best_value, float)

    def test_numpy_numbers(self):
        np = pytest.importorskip("numpy")
        for returned in (np.float32(0.5), np.int64(2), np.array(1.5)):
            assert run(create_study(), lambda trial, value=returned: value, 1).best_value == float(returned)

    def test_infinity_is_kept_and_is_never_best(self, url):
        values = iter([-math.inf, 3.0, math.inf, 2.0])
        study = run(create_study(storage=url, study_name="s"), lambda trial: next(values), 4)
        for seen in (study, load_study(study_name="s", storage=url)):
            assert [t.value for t in seen.trials] == [-math.inf, 3.0, math.inf, 2.0]
            assert seen.best_value == 2.0
            assert [t.value for t in seen.best_trials] == [2.0]

    def test_reports_that_are_no_number_are_kept_as_they_are(self, url):
        def objective(trial):
            for step, value in enumerate([math.nan, math.inf, -math.inf, 1.0]):
                trial.report(value, step)
            return 1.0

        run(create_study(storage=url, study_name="s"), objective, 1)
        kept = load_study(study_name="s", storage=url).trials[0].intermediate_values
        assert math.isnan(kept[0])
        assert list(kept.values())[1:] == [math.inf, -math.inf, 1.0]
        assert load_study(study_name="s", storage=url).best_value == 1.0

    def test_a_trial_pruned_at_nan_is_no_best(self):
        def objective(trial):
            trial.report(math.nan, 0)
            raise TrialPruned

        study = run(create_study(), objective, 3)
        assert {t.state for t in study.trials} == {TrialState.PRUNED}
        with pytest.raises(NotReady):
            _ = study.best_trial

    @pytest.mark.parametrize(
        ("value", "step"),
        [("x", 0), (None, 0), ({"a": "x"}, 0), (1.0, -1), (1.0, 1.5), (1.0, True), (1.0, "1"), (1.0, math.nan)],
    )
    def test_reports_that_cannot_be(self, value, step):
        trial = create_study().ask()
        with pytest.raises(InvalidInput):
            trial.report(value, step)


class TestFailures:
    def test_kind_message_and_traceback_are_stored(self, url):
        def objective(trial):
            if trial.number == 1:
                raise ZeroDivisionError("by nought")
            return 1.0

        run(create_study(storage=url, study_name="s"), objective, 3)
        trials = load_study(study_name="s", storage=url).trials
        assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
        failure = trials[1].failure
        assert (failure.kind, failure.message) == ("ZeroDivisionError", "by nought")
        assert "in objective" in failure.traceback

    @pytest.mark.parametrize(
        ("catch", "raised"), [((), True), (KeyError, True), ((ValueError,), False), (ValueError, False)]
    )
    def test_what_is_not_caught_is_raised_after_it_was_stored(self, catch, raised):
        def objective(trial):
            raise ValueError("mine")

        study = create_study()
        if raised:
            with pytest.raises(ValueError, match="mine"):
                run(study, objective, 3, catch=catch)
        else:
            run(study, objective, 3, catch=catch)
        assert [t.failure.message for t in study.trials] == ["mine"] * (1 if raised else 3)

    @pytest.mark.parametrize("n_jobs", [1, 3])
    def test_ten_failures_of_one_kind_in_a_row_end_the_run_and_only_this_run(self, n_jobs):
        study = create_study()
        for begun in (10, 20):  # a run that failed says nothing of the next one
            with pytest.raises(StudyAborted, match=r"1\d trials all failed with ZeroDivisionError: .*test_api\.py:"):
                run(study, lambda trial: 1 / 0, 100, n_jobs=n_jobs)
            assert begun <= len(study.trials) < begun + 10
        run(study, lambda trial: 1.0, 5)
        with pytest.raises(StudyAborted, match="ZeroDivisionError"):
            run(study, lambda trial: 1 / (trial.number < 30), 100, n_jobs=n_jobs)
        assert len(study.trials) < 60

    def test_tune_raises_where_no_trial_of_the_run_succeeded(self, url):
        space, calls = {"x": Float(0, 1)}, itertools.count()

        def objective(x):
            if 1 <= next(calls) <= 3:
                raise KeyError("n_rounds")
            return x

        options = {"storage": url, "study_name": "s"}
        quick(objective, space, n_trials=1, **options)
        for n, failed in ((2, "the only trial"), (3, "all 2 trials")):
            with pytest.raises(StudyAborted, match=rf"'s': {failed} of this run failed \(KeyError ×.*test_api\.py:"):
                quick(objective, space, n_trials=n, **options)
        assert len(quick(objective, space, n_trials=3, **options).trials) == 6  # what was given up uses up nothing
        assert len(quick(objective, space, n_trials=3, **options).trials) == 6  # nothing was run, so nothing failed

    def test_tune_raises_where_all_failed_until_the_time_was_up(self):
        clock = VirtualClock()

        def objective(x):
            clock.advance(clock() + 200)
            raise KeyError(x)

        with pytest.raises(StudyAborted, match=r"all 3 trials of this run failed \(KeyError"):
            quick(objective, {"x": Float(0, 1)}, timeout=500, clock=clock)

    def test_no_best_trial_says_why(self):
        study = run(create_study(), lambda trial: 1 / 0, 3)
        why = r"all 3 trials failed, as in ZeroDivisionError: division by zero \(test_api\.py:\d+\); trial 2"
        for read in (lambda: study.best_trial, lambda: study.best_value, study.recommend):
            with pytest.raises(NotReady, match=why):
                read()
        assert "failure='ZeroDivisionError: division by zero (test_api.py:" in repr(study.trials[1])

    def test_one_success_is_hope(self):
        def objective(trial):
            return 1 / (trial.number % 9 == 3)

        assert len(run(create_study(), objective, 50).trials) == 50

    @pytest.mark.parametrize("n_jobs", [1, 2])
    @pytest.mark.parametrize(
        ("wrong", "error", "says"),
        [
            (lambda trial: trial.suggest_float("x", 1, 2, log=True), SpaceChanged, "give it another name"),
            (lambda trial: trial.suggest_int("x", 1, 2), SpaceChanged, "Float"),
            (lambda trial: trial.suggest_float("x", 1, 2, step=0.5), SpaceChanged, "step"),
            (lambda trial: trial.suggest_float("y", 2, 1), InvalidInput, "reversed"),
            (lambda trial: trial.suggest("y", [1, 2]), InvalidInput, "no parameter"),
            (lambda trial: trial.report("good", 1), InvalidInput, "must be a number"),
            (lambda trial: create_study(sampler="tpee"), UnknownName, "'tpe'"),
        ],
    )
    def test_a_wrong_use_of_kilter_in_an_objective_ends_the_run(self, n_jobs, wrong, error, says):
        study = run(create_study(seed=0), lambda trial: trial.suggest_float("x", 1, 2), 3)
        with pytest.raises(error, match=says):
            run(study, wrong, 30, n_jobs=n_jobs)
        assert len(study.trials) <= 3 + n_jobs
        assert {t.failure.kind for t in study.trials[3:]} == {"misuse"}
        assert Results.of(study.history).failed.sum() == 0  # no sampler learns from it

    def test_a_wrong_use_of_kilter_ends_the_run_also_from_a_process(self):
        with pytest.raises(InvalidInput, match="reversed"):
            quick(reversed_range, None, n_trials=30, workers=2)

    def test_what_an_objective_raises_itself_is_no_wrong_use(self):
        def objective(trial):
            raise InvalidInput("mine")

        assert [t.failure.kind for t in run(create_study(), objective, 2).trials] == ["InvalidInput"] * 2

    def test_a_range_of_its_own_in_each_branch_is_no_wrong_use(self):
        def objective(trial):
            if trial.suggest_categorical("opt", ["sgd", "adam"]) == "sgd":
                return trial.suggest_float("lr", 1e-8, 1, log=True)
            return trial.suggest_float("lr", 0.1, 1.0) - 1

        study = create_study(seed=0)
        with pytest.warns(UserWarning, match="'lr' is .* in one branch and .* in another"):
            run(study, objective, 30)
        assert {t.state for t in study.trials} == {TrialState.COMPLETE}
        assert {t.params["opt"] for t in study.trials} == {"sgd", "adam"}
        assert all(0 < t.params["lr"] <= 1 for t in study.trials)

    def test_study_is_usable_after_a_broken_off_run(self, url):
        def objective(trial):
            if trial.number == 2:
                raise KeyboardInterrupt
            return 1.0

        study = create_study(storage=url, study_name="s")
        with pytest.raises(KeyboardInterrupt):
            run(study, objective, 5)
        run(study, lambda trial: 1.0, 3)
        assert [t.state.name for t in study.trials] == ["COMPLETE"] * 5


class TestChangedSpace:
    OLD = {"lr": Float(1e-4, 1e-1, log=True), "opt": Choice(["sgd", "adam"]), "mom": Float(0, 1).when(opt="sgd")}

    def old(self, url):
        return run(create_study(storage=url, study_name="s", space=self.OLD, seed=0), lambda lr, opt, mom=0: lr, 6)

    @pytest.mark.parametrize(
        "change",
        [
            {"lr": Float(1e-5, 1.0, log=True)},
            {"opt": Choice(["sgd", "adam", "lion"])},
            {"layers": Int(1, 8, default=2)},
            {"lr": Float(1e-4, 1e-1, log=True, default=1e-2)},
        ],
    )
    def test_growing_is_allowed_and_old_trials_stay(self, url, change):
        before = self.old(url)
        params, best = [t.params for t in before.trials], before.best_value
        study = create_study(storage=url, study_name="s", space={**self.OLD, **change}, load_if_exists=True)
        assert [t.params for t in study.trials] == params
        assert study.best_value == best
        run(study, lambda **params: params["lr"], 30, if_changed="continue")
        assert len(study.trials) == 36
        for name in change:
            assert study.space[name] == change[name]
            assert name in study.trials[-1].params
        matrix = study.history.matrix
        assert not math.isnan(matrix[0, list(study.space).index(next(iter(change)))])

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"lr": Float(1e-3, 1e-1, log=True)}, "leaves out"),
            ({"lr": Float(1e-4, 1e-1)}, "lr"),
            ({"lr": Int(1, 4)}, "lr"),
            ({"lr": None}, "lacks"),
            ({"opt": Choice(["sgd"]), "mom": Float(0, 1).when(opt="sgd")}, "leaves out"),
            ({"mom": Float(0, 1).when(opt="adam")}, "conditions"),
            ({"mom": Float(0, 1)}, "conditions"),
            ({"layers": Int(1, 8)}, "default"),
        ],
    )
    def test_anything_else_is_refused_with_reason_and_remedy(self, url, change, says):
        self.old(url)
        space = {name: p for name, p in {**self.OLD, **change}.items() if p is not None}
        with pytest.raises(SpaceChanged, match=says) as caught:
            create_study(storage=url, study_name="s", space=space, load_if_exists=True)
        assert "choose another study_name" in str(caught.value)
        assert next(iter(change)) in str(caught.value)
        assert len(load_study(study_name="s", storage=url).trials) == 6

    def test_other_objectives_are_refused(self, url):
        self.old(url)
        with pytest.raises(InvalidInput, match="objectives"):
            create_study(storage=url, study_name="s", space=self.OLD, direction="maximize", load_if_exists=True)

    def test_a_name_that_is_taken(self, url):
        self.old(url)
        with pytest.raises(StudyExists, match="load_if_exists"):
            create_study(storage=url, study_name="s")

    def test_a_name_that_is_not_there(self, url):
        self.old(url)
        for call in (load_study, kilter.delete_study):
            with pytest.raises(StudyNotFound, match="did you mean 's'"):
                call(study_name="ss", storage=url)


class Tanh:
    """An option that is a class."""


def relu(x):
    """An option that is a function."""
    return max(x, 0)


class TestObjects:
    def test_tuples_and_kinds_come_back_from_another_process(self, url):
        options = [(64, 32), (64,), None, True, 1, 1.0, "1"]
        space = {"layers": Choice(options), "size": Ordinal([(1, 2), (3, 4)])}
        study = run(create_study(storage=url, study_name="s", space=space, seed=3), lambda layers, size: 1.0, 40)
        script = f"""
            import kilter
            study = kilter.load_study(study_name="s", storage={url!r})
            print([(t.params["layers"], t.params["size"]) for t in study.trials])
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        shown = [(t.params["layers"], t.params["size"]) for t in study.trials]
        assert done.stdout.strip() == repr(shown)
        assert {repr(layers) for layers, _ in shown} == set(map(repr, options))

    def test_define_by_run_tuples(self, url):
        def objective(trial):
            return float(len(trial.suggest_categorical("layers", [(1, 2), (3,)])))

        study = run(create_study(storage=url, study_name="s"), objective, 8)
        assert {t.params["layers"] for t in load_study(study_name="s", storage=url).trials} == {(1, 2), (3,)}
        assert study.best_params == {"layers": (3,)}

    def test_objects_by_name_need_the_space_again(self, url):
        space = {"act": Choice([Tanh, relu, "linear"])}
        seen = []
        run(create_study(storage=url, study_name="s", space=space), lambda act: seen.append(act) or 1.0, 9)
        assert set(seen) == {Tanh, relu, "linear"}
        bare = load_study(study_name="s", storage=url)
        assert "Tanh" in repr([t.params for t in bare.trials])
        with pytest.raises(InvalidInput, match="space=space"):
            bare.ask()
        again = load_study(study_name="s", storage=url, space=space)
        assert {t.params["act"] for t in again.trials} == {Tanh, relu, "linear"}
        run(again, lambda act: seen.append(act) or 1.0, 9)
        assert set(seen) == {Tanh, relu, "linear"}

    def test_objects_in_define_by_run(self, url):
        def objective(trial):
            assert trial.suggest_categorical("act", [Tanh, relu]) in (Tanh, relu)
            return 1.0

        study = run(create_study(storage=url, study_name="s"), objective, 6)
        run(study, objective, 3)  # the objective brings the objects, so no space is needed
        assert [t.failure for t in study.trials] == [None] * 9
        assert {t.params["act"] for t in study.trials} == {Tanh, relu}

    def test_attributes_are_json(self):
        study = run(create_study(), lambda trial: trial.set_user_attr("a", [1, {"b": None}]) or 1.0, 1)
        assert json.loads(json.dumps(study.trials[0].user_attrs)) == {"a": [1, {"b": None}]}


class TestCalling:
    """Keywords, or the trial, as the signature asks."""

    SPACE = {"x": Float(0, 1), "n": Int(1, 3)}

    @pytest.mark.parametrize(
        "objective",
        [
            lambda x, n: x * n,
            lambda n, x, trial: x * n + trial.number,
            lambda **params: params["x"] * params["n"],
            lambda x, n, epochs=3: x * n * epochs,
            lambda trial: trial.params["x"] * trial.params["n"],
            lambda t: t.params["x"],
            lambda x: x,
            lambda *, x, n: x + n,
            lambda *, n: float(n),
            lambda trial, x: x + trial.number,
            lambda t, n=0: t.params["x"] * n,
            lambda trial, /: trial.params["x"],
            lambda trial=None: trial.params["x"],
        ],
    )
    def test_declared(self, objective):
        study = run(create_study(space=self.SPACE), objective, 3)
        assert [t.failure for t in study.trials] == [None] * 3
        assert set(study.trials[0].params) == {"x", "n"}

    def test_define_by_run(self):
        class Model:
            def __call__(self, trial):
                return trial.suggest_float("x", 0, 1)

            def method(self, trial):
                return self(trial)

        for objective in (
            Model(),
            Model().method,
            lambda trial, scale=2: scale * trial.suggest_float("x", 0, 1),
            lambda t: t.suggest_float("x", 0, 1),
            lambda trial, *args: trial.suggest_float("x", 0, 1),
            lambda t, scale=2: scale * t.suggest_float("x", 0, 1),
            lambda *args: args[0].suggest_float("x", 0, 1),
            lambda *args, **kwargs: Model()(*args, **kwargs),
            lambda x: x.suggest_float("x", 0, 1),
            lambda trial, /: trial.suggest_float("x", 0, 1),
            lambda trial=None: trial.suggest_float("x", 0, 1),
            lambda: 1.0,
        ):
            study = run(create_study(), objective, 2)
            assert [t.failure for t in study.trials] == [None, None]

    def test_inactive_parameters_take_the_functions_defaults(self):
        space = {"opt": Choice(["sgd", "adam"]), "mom": Float(0.5, 1).when(opt="sgd")}
        seen = []
        run(create_study(space=space), lambda opt, mom=None: seen.append((opt, mom is None)) or 1.0, 12)
        assert set(seen) == {("sgd", False), ("adam", True)}

    def test_annotations_declare_the_space(self):
        def train(lr: Float(1e-3, 1, log=True) = 0.1, deep: bool = False):
            return lr + deep

        study = tune(train, n_trials=4, storage=None, progress="none")
        assert set(study.space) == {"lr", "deep"}
        assert study.trials[0].params == {"lr": 0.1, "deep": False}


class TestAskAndTell:
    @pytest.fixture
    def study(self):
        return create_study(space={"x": Float(0, 1)}, seed=0)

    @pytest.mark.parametrize("result", [0.5, [0.5], (0.5,), {"value": 0.5}])
    def test_numbers_lists_and_dicts(self, study, result):
        trial = study.ask()
        assert set(trial.params) == {"x"}
        assert study.tell(trial, result).values == [0.5]

    def test_batches(self, study):
        trials = study.ask(4)
        assert [t.number for t in trials] == [0, 1, 2, 3]
        assert len({t.params["x"] for t in trials}) == 4
        for trial in reversed(trials):
            study.tell(trial, trial.params["x"])
        assert study.best_value == min(t.params["x"] for t in trials)

    def test_a_batch_has_what_is_left(self):
        study = create_study(space={"k": Int(1, 3)}, sampler="grid", seed=0)
        trials = study.ask(5)
        assert sorted(t.params["k"] for t in trials) == [1, 2, 3]
        for trial in trials:
            study.tell(trial, trial.params["k"])
        with pytest.raises(NotReady):
            study.ask(2)

    def test_twice(self, study):
        trial = study.ask()
        study.tell(trial, 1.0)
        study.tell(trial, 1.0)
        with pytest.raises(InvalidInput, match="ended already"):
            study.tell(trial, 2.0)
        assert study.tell(trial, 2.0, skip_if_finished=True).value == 1.0
        assert study.trials[0].value == 1.0

    @pytest.mark.parametrize("trial", [None, "0", 1.0])
    def test_what_is_no_trial(self, study, trial):
        with pytest.raises(InvalidInput, match="ask"):
            study.tell(trial, 1.0)

    @pytest.mark.parametrize("number", [7, -1])
    def test_unknown_number(self, study, number):
        with pytest.raises(TrialNotFound, match=str(number)):
            study.tell(number, 1.0)

    @pytest.mark.parametrize("result", [None, "x", [1.0, 2.0], {"loss": 1.0}])
    def test_a_result_that_does_not_fit_leaves_it_running(self, study, result):
        trial = study.ask()
        with pytest.raises(InvalidInput):
            study.tell(trial, result)
        assert study.trials[0].state is TrialState.RUNNING
        study.tell(trial, 1.0)
        assert study.best_value == 1.0

    def test_nan_fails_it(self, study):
        assert study.tell(study.ask(), math.nan).failure.kind == "nan"

    def test_states(self, study):
        assert study.tell(study.ask(), state=TrialState.FAIL).state is TrialState.FAIL
        trial = study.ask()
        trial.report(0.7, 3)
        assert study.tell(trial, state=TrialState.PRUNED).value == 0.7
        assert study.tell(study.ask(), state=TrialState.PRUNED).value is None
        with pytest.raises(InvalidInput, match="COMPLETE, PRUNED or FAIL"):
            study.tell(study.ask(), state=TrialState.RUNNING)

    def test_told_in_another_session(self, url):
        number = create_study(storage=url, study_name="s", space={"x": Float(0, 1)}).ask().number
        load_study(study_name="s", storage=url).tell(number, 0.25)
        assert load_study(study_name="s", storage=url).best_value == 0.25

    def test_waiting_trials_cannot_be_told(self, study):
        number = study.enqueue_trial({"x": 0.5})
        with pytest.raises(InvalidInput, match="not been started"):
            study.tell(number, 1.0)

    def test_a_grid_ends(self):
        study = create_study(space={"x": Boolean()}, sampler="grid")
        assert len(study.ask(2)) == 2
        with pytest.raises(NotReady, match="nothing left"):
            study.ask()


class TestBest:
    def test_none_yet(self):
        study = create_study()
        with pytest.raises(NotReady, match="no complete"):
            _ = study.best_trial
        with pytest.raises(ValueError):
            _ = study.best_value
        assert study.best_trials == []

    def test_several_objectives_have_none(self):
        study = create_study(directions=["minimize", "maximize"])
        study.tell(study.ask(), [1, 2])
        for name in ("best_trial", "best_value", "best_params", "direction"):
            with pytest.raises(InvalidInput, match="several objectives"):
                getattr(study, name)
        with pytest.raises(InvalidInput, match=r"values"):
            _ = study.trials[0].value
        assert study.best_trials[0].values == [1.0, 2.0]

    def test_infeasible_is_never_best(self):
        study = create_study(direction="maximize", space={"x": Int(0, 9)}, sampler="grid", subject_to={"ms": "<= 3"})
        run(study, lambda x: {"value": x, "ms": x}, None)
        assert study.best_params == {"x": 3}
        assert len(study.trials) == 10

    def test_named_metrics(self):
        study = create_study(directions={"loss": "minimize", "acc": "maximize"}, space={"x": Float(0, 1)})
        run(study, lambda x: {"loss": x, "acc": x, "extra": 1}, 4)
        assert study.trials[0].metrics["extra"] == 1
        assert len(study.best_trials) == 4


def valley(x, y):
    return (x - 0.3) ** 2 + (y - 0.6) ** 2


def proposed(study, number):
    """What a replica proposes for a trial that has read the log up to where the study's sampler stood."""
    from kilter.engine.engine import Engine
    from kilter.schedulers.fifo import FifoScheduler

    entries = study.log.read()
    created = entries[0].event
    started = next(e for _, e in entries if isinstance(e, Started) and e.number == number)
    engine = Engine(Problem.from_json(created.problem), study.sampler, FifoScheduler(), created.seed)
    engine.handle(entries[: started.seen])
    return engine.propose(number)


def in_turns(study, trials):
    """Four at a time, told in another order than asked for; one of seven fails."""
    open_trials = []
    for turn in range(trials):
        open_trials.append(study.ask())
        if len(open_trials) == 4:
            trial = open_trials.pop((2 * turn) % 4)
            if trial.number % 7 == 3:
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, valley(**trial.params))
    return study


class TestExplain:
    SPACE = {"x": Float(0, 1), "y": Float(0, 1)}

    def test_each_arm(self, monkeypatch):
        from kilter.samplers import auto

        monkeypatch.setattr(auto, "PARZEN", 0.5)
        monkeypatch.setattr(auto, "MANY", 12)
        monkeypatch.setattr(auto, "MODELLED", 4)
        study = run(create_study(space=self.SPACE, seed=1), valley, 20)
        told = [study.explain(number) for number in range(20)]
        assert {e.arm for e in told[:6]} == {"sobol"}
        assert {e.arm for e in told[6:12]} == {"gp", "tpe"}
        assert "cmaes" in {e.arm for e in told[12:]}
        for explanation in told:
            assert explanation.reason
            assert (explanation.mean is None) == (explanation.sd is None) == (explanation.arm == "sobol")
        named = {e.arm: e for e in told}
        assert named["cmaes"].mean is not None

    def test_a_number_a_trial_of_ask_and_one_of_the_list_mean_the_same(self):
        study = run(create_study(space=self.SPACE, seed=1), valley, 8)
        trial = study.ask()
        assert study.explain(trial) == study.explain(trial.number) == study.explain(study.trials[8])
        study.tell(trial, 0.0)
        assert study.explain(8) == study.explain(trial)

    def test_it_reads_well(self):
        study = run(create_study(space=self.SPACE, seed=1), valley, 12)
        assert str(study.explain(0)) == "sobol: too little is known for a model, so the space is covered evenly"
        numbers = r"; predicted -?[\d.e+-]+ ± [\d.e+-]+; \d+% to explore, \d+% to exploit"
        told = [str(study.explain(number)) for number in range(6, 12)]
        largest = "gp: the largest expected improvement over the best so far"
        assert any(re.fullmatch(largest + numbers, text) for text in told)
        assert all(re.fullmatch(r"(gp|tpe): [a-z ,]+" + numbers, text) for text in told)

    @pytest.mark.parametrize("sampler", ["auto", "gp"])
    def test_it_is_the_same_after_a_reload(self, sampler, url):
        study = run(create_study(storage=url, study_name="s", sampler=sampler, space=self.SPACE, seed=1), valley, 11)
        told = [study.explain(number) for number in range(11)]
        again = load_study(study_name="s", storage=url)
        assert [again.explain(number) for number in range(11)] == told
        in_memory = run(create_study(sampler=sampler, space=self.SPACE, seed=1), valley, 11)
        assert [in_memory.explain(number) for number in range(11)] == told

    def test_later_trials_change_nothing(self):
        study = run(create_study(space=self.SPACE, seed=1), valley, 9)
        before = [study.explain(number) for number in range(9)]
        run(study, valley, 6)
        assert [study.explain(number) for number in range(9)] == before

    def test_the_mean_of_a_maximum_has_its_sign(self):
        up = create_study(space=self.SPACE, direction="maximize", seed=1)
        run(up, lambda x, y: 50 - valley(x, y), 12)
        down = run(create_study(space=self.SPACE, seed=1), lambda x, y: valley(x, y) - 50, 12)
        assert [t.params for t in up.trials] == [t.params for t in down.trials]
        for number in range(6, 12):
            one, other = up.explain(number), down.explain(number)
            assert (one.mean, one.sd) == pytest.approx((-other.mean, other.sd))
            assert one.mean == pytest.approx(50, abs=1)

    @pytest.mark.parametrize("sampler", ["auto", "gp"])
    def test_side_by_side_and_out_of_order(self, sampler):
        """What is explained is what a replica proposes that has read as much of the log as the sampler had."""
        study = in_turns(create_study(sampler=sampler, space=self.SPACE, seed=2), 18)
        for trial in study.trials:
            assert proposed(study, trial.number) == trial.params
            explanation = study.explain(trial)
            assert (explanation.mean is None) == (explanation.arm == "sobol")

    def test_another_attempt_has_the_configuration_of_the_first_one(self):
        study = run(create_study(space=self.SPACE, seed=1), valley, 9)
        trial = study.ask()
        before = study.explain(trial)
        run(study, valley, 3)
        study._session.interrupt(trial.number, "test")
        again = study.ask()
        assert (again.number, again.params) == (trial.number, trial.params)
        assert study.explain(again) == before

    def test_define_by_run(self):
        """Also where the trial met a parameter or an option that nobody knew when it was proposed."""

        def objective(trial):
            x = trial.suggest_float("x", 0, 1)
            late = trial.suggest_int("late", 1, 3) if trial.number >= 9 else 0
            option = trial.suggest_categorical("c", ["a", "b"] if trial.number < 11 else ["z"])
            return x + late + (option == "a")

        study = run(create_study(seed=1), objective, 14)
        assert {t.state for t in study.trials} == {TrialState.COMPLETE}
        told = [study.explain(number) for number in range(14)]
        assert {e.arm for e in told[:6]} == {"sobol"}
        assert {e.arm for e in told[6:]} <= {"gp", "tpe"}
        assert all(math.isfinite(e.mean) and math.isfinite(e.sd) for e in told[6:])

    def test_several_objectives(self):
        study = create_study(space=self.SPACE, directions=["maximize", "minimize"], seed=1)
        run(study, lambda x, y: (10 + x, y - x), 10)
        told = [study.explain(number) for number in range(6, 10)]
        assert all(9.5 < e.mean < 11.5 for e in told)

    @pytest.mark.parametrize("number", [5, -1, 10**9, "0", None])
    def test_unknown_trials(self, number):
        study = run(create_study(space=self.SPACE), valley, 5)
        with pytest.raises(TrialNotFound, match="5 trials"):
            study.explain(number)

    def test_what_a_user_chose(self):
        study = create_study(space=self.SPACE)
        study.enqueue_trial({"x": 0.5})
        study.enqueue_trial({"x": 0.5, "y": 0.5})
        run(study, valley, 1)
        for number in (0, 1):
            with pytest.raises(InvalidInput, match="chosen by a user"):
                study.explain(number)

    @pytest.mark.parametrize("sampler", ["random", "sobol", "grid", "evolution", "tpe", "cmaes", "de", "nsga2"])
    def test_samplers_that_cannot(self, sampler):
        study = run(create_study(space={"n": Int(1, 9)}, sampler=sampler), lambda n: n, 2)
        with pytest.raises(InvalidInput, match="'auto' and 'gp' do"):
            study.explain(0)


class TestRecommend:
    SPACE = {"x": Float(0, 1), "y": Float(0, 1)}

    def test_none_yet_is_a_value_error(self):
        study = create_study(space=self.SPACE)
        study.ask()
        study.tell(study.ask(), state=TrialState.FAIL)
        with pytest.raises(NotReady, match="no complete trial yet") as caught:
            study.recommend()
        assert isinstance(caught.value, ValueError)

    def test_several_objectives(self):
        study = run(create_study(space=self.SPACE, directions=["minimize"] * 2), lambda x, y: (x, y), 4)
        with pytest.raises(InvalidInput, match="best_trials"):
            study.recommend()

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    @pytest.mark.parametrize("sampler", ["auto", "random", "grid", "nsga2"])
    def test_any_sampler_will_do(self, sampler, direction):
        study = create_study(space={"x": Float(0, 1), "n": Int(1, 4)}, sampler=sampler, direction=direction, seed=1)
        sign = 1 if direction == "minimize" else -1
        run(study, lambda x, n: sign * ((x - 0.3) ** 2 + n), 14)
        trial = study.recommend()
        assert isinstance(trial, kilter.FrozenTrial)
        assert trial == study.best_trial
        assert (trial.params, trial.value) == (study.best_params, study.best_value)

    def test_define_by_run(self):
        study = run(create_study(seed=1), drawn, 15)
        assert study.recommend() == study.best_trial

    def test_it_is_the_same_after_a_reload(self, url):
        noise = [math.sin(37.0 * number) / 5 for number in range(60)]
        study = create_study(storage=url, study_name="s", space=self.SPACE, sampler="random", seed=8)
        run(study, lambda trial: valley(**trial.params) + noise[trial.number], 60)
        chosen = study.recommend()
        assert load_study(study_name="s", storage=url).recommend() == chosen
        assert chosen.number != study.best_trial.number  # else this shows nothing

    def test_nothing_feasible(self):
        study = create_study(space=self.SPACE, subject_to={"ms": "<= 1"})
        run(study, lambda x, y: {"value": x, "ms": 2 + y}, 8)
        with pytest.raises(NotReady, match="no complete and feasible trial"):
            study.recommend()


class TestLimits:
    SPACE = {"x": Float(-1, 1)}

    def test_n_trials_of_tune_is_the_total(self, url):
        for n, expected in ((5, 5), (5, 5), (8, 8), (3, 8)):
            assert len(quick(square, self.SPACE, storage=url, n_trials=n).trials) == expected

    def test_target(self):
        study = quick(square, self.SPACE, n_trials=500, limits=Limits(target=0.01))
        assert study.best_value <= 0.01
        assert len(study.trials) < 500
        assert all(t.value > 0.01 for t in study.trials[:-1])

    def test_target_of_a_maximum(self):
        study = quick(square, self.SPACE, minimize=None, maximize="value", n_trials=500, limits=Limits(target=0.5))
        assert study.trials[-1].value >= 0.5

    def test_patience(self):
        assert len(quick(lambda x: 1.0, self.SPACE, n_trials=500, limits=Limits(patience=7)).trials) == 8

    def test_timeout(self):
        clock = VirtualClock()
        study = quick(lambda x: clock.advance(clock() + 200) or x, self.SPACE, n_trials=None, timeout=500, clock=clock)
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3

    def test_limits_of_optimize_bound_the_study(self):
        study = run(create_study(space=self.SPACE), square, 4)
        run(study, square, None, limits=Limits(trials=6))
        assert len(study.trials) == 6

    @pytest.mark.parametrize("n_trials", [-1, 1.5, "3"])
    def test_counts_that_cannot_be(self, n_trials):
        with pytest.raises(InvalidInput, match="trials"):
            run(create_study(), lambda trial: 1.0, n_trials)

    def test_stop(self):
        study = create_study()
        run(study, lambda trial: 1.0, 50, callbacks=[lambda study, trial: study.stop()])
        run(study, lambda trial: 1.0, 2)
        assert len(study.trials) == 3


def drawn(trial):
    """Define-by-run with branches."""
    if trial.suggest_categorical("model", ["svm", "forest"]) == "svm":
        return trial.suggest_float("C", 1e-3, 1e3, log=True)
    return float(trial.suggest_int("depth", 1, 9))


class TestSeeds:
    @pytest.mark.parametrize("sampler", ["auto", "random", "sobol", "evolution"])
    @pytest.mark.parametrize("objective", [drawn, square])
    def test_same_seed_same_study(self, sampler, objective):
        space = {"x": Float(0, 1)} if objective is square else None
        studies = [run(create_study(sampler=sampler, seed=s, space=space), objective, 15) for s in (1, 1, 2)]
        first, second, other = ([t.params for t in study.trials] for study in studies)
        assert first == second != other

    def test_resuming_is_the_same_as_going_on(self, url):
        run(create_study(storage=url, study_name="s", seed=1), drawn, 7)
        resumed = run(load_study(study_name="s", storage=url), drawn, 8)
        whole = run(create_study(seed=1), drawn, 15)
        assert [t.params for t in resumed.trials] == [t.params for t in whole.trials]

    def test_the_samplers_seed_is_the_studys_where_that_has_none(self):
        params = [
            [t.params for t in run(create_study(sampler=kilter.samplers.RandomSampler(seed=4)), drawn, 9).trials]
            for _ in range(2)
        ]
        assert params[0] == params[1]


class TestQueue:
    SPACE = {"opt": Choice(["sgd", "adam"]), "mom": Float(0, 1).when(opt="sgd"), "n": Int(1, 3)}

    def test_partial(self):
        study = create_study(space=self.SPACE)
        study.enqueue_trial({"opt": "sgd", "n": 2})
        study.enqueue_trial({"mom": 0.25, "opt": "sgd"}, user_attrs={"who": "me"})
        run(study, lambda opt, n, mom=0: mom, 3)
        assert study.trials[0].params.items() >= {"opt": "sgd", "n": 2}.items()
        assert set(study.trials[0].params) == {"opt", "n", "mom"}
        assert study.trials[1].params["mom"] == 0.25
        assert study.trials[1].user_attrs == {"who": "me"}

    @pytest.mark.parametrize(
        ("params", "says"),
        [({"opt": "sdg"}, "sdg"), ({"n": 9}, "9"), ({"nn": 1}, "'n'"), ({"n": "2"}, "2"), ({"n": None}, "None")],
    )
    def test_illegal(self, params, says):
        study = create_study(space=self.SPACE)
        with pytest.raises(ValueError, match=says):
            study.enqueue_trial(params)
        assert study.trials == []

    def test_define_by_run(self):
        study = create_study()
        study.enqueue_trial({"model": "forest", "depth": 4})
        study.enqueue_trial({"model": "svm", "C": 2})
        run(study, drawn, 2)
        assert [t.value for t in study.trials] == [4.0, 2.0]
        assert [t.params for t in study.trials] == [{"model": "forest", "depth": 4}, {"model": "svm", "C": 2.0}]

    def test_define_by_run_out_of_range_is_drawn_anew(self):
        study = create_study()
        study.enqueue_trial({"model": "tree"})
        run(study, drawn, 1)
        assert study.trials[0].params["model"] in ("svm", "forest")

    def test_once(self):
        study = create_study(space=self.SPACE)
        first = study.enqueue_trial({"n": 2})
        assert study.enqueue_trial({"n": 2}, skip_if_exists=True) == first
        assert study.enqueue_trial({"n": 2}) != first


class TestDefineByRun:
    def test_the_branch_is_learnt(self):
        study = run(create_study(seed=0), drawn, 20)
        space = study.space
        assert set(space) == {"model", "C", "depth"}
        assert space.is_active("C", {"model": "svm"})
        assert not space.is_active("C", {"model": "forest"})
        for trial in study.trials:
            assert set(trial.params) == {"model", "C" if trial.params["model"] == "svm" else "depth"}

    def test_ranges_may_change_between_trials(self):
        def objective(trial):
            high = 1.0 if trial.number < 5 else 10.0
            options = ["a", "bb"][: 1 + trial.number // 5]
            return trial.suggest_float("x", 0, high) + len(trial.suggest_categorical("c", options))

        study = run(create_study(seed=0), objective, 10)
        assert [t.failure for t in study.trials] == [None] * 10
        assert study.space["x"].high == 10
        assert all(t.params["x"] <= 1 for t in study.trials[:5])
        narrow = run(study, lambda trial: trial.suggest_float("x", 2, 3), 5)
        assert all(2 <= t.params["x"] <= 3 for t in narrow.trials[10:])

    def test_a_range_that_depends_on_another(self):
        def objective(trial):
            low = trial.suggest_int("low", 0, 50)
            high = trial.suggest_int("high", low, 100)
            assert low <= high <= 100
            return high - low

        assert {t.state for t in run(create_study(), objective, 20).trials} == {TrialState.COMPLETE}

    def test_a_kind_that_changes_fails_the_trial_clearly(self):
        study = run(create_study(), lambda trial: trial.suggest_float("x", 0, 1), 3)
        with pytest.raises(SpaceChanged):
            run(study, lambda trial: trial.suggest_int("x", 0, 1), 1)
        assert study.trials[3].state is TrialState.FAIL
        assert "'x'" in study.trials[3].failure.message
        run(study, lambda trial: trial.suggest_float("x", 0, 1), 1)
        assert study.trials[4].state is TrialState.COMPLETE

    def test_illegal_suggestions_fail_the_trial_clearly(self):
        study = create_study()
        with pytest.raises(InvalidInput, match=r"x: Float\(1, 0\) is reversed"):
            run(study, lambda trial: trial.suggest_float("x", 1, 0), 2)
        assert study.trials[0].failure.message.startswith("InvalidInput: x: Float(1, 0) is reversed")

    def test_more_is_suggested_beside_a_declared_space(self):
        study = create_study(space={"x": Float(0, 1)})
        run(study, lambda trial: trial.params["x"] + trial.suggest_int("n", 1, 3), 5)
        assert set(study.trials[0].params) == {"x", "n"}
        assert set(study.space) == {"x", "n"}

    def test_many_threads(self):
        study = run(create_study(), drawn, 40, n_jobs=8)
        assert {t.state for t in study.trials} == {TrialState.COMPLETE}
        assert set(study.space) == {"model", "C", "depth"}


class TestAdding:
    def test_copies(self):
        source = run(create_study(), drawn, 8)
        source.tell(source.ask(), state=TrialState.FAIL)
        target = create_study()
        target.add_trials(source.trials)
        copied, original = ([(t.params, t.values, t.state) for t in study.trials] for study in (target, source))
        assert copied == original
        assert target.best_params == source.best_params
        run(target, drawn, 3)
        assert len(target.trials) == 12

    def test_a_distribution_that_contradicts_the_space_is_refused_and_leaves_nothing(self, url):
        study = run(create_study(storage=url, study_name="s"), lambda trial: trial.suggest_float("x", 0, 1), 2)
        with pytest.raises(SpaceChanged, match="'x'"):
            study.add_trial(kilter.create_trial(value=1.0, params={"x": 1}, distributions={"x": Int(0, 3)}))
        assert len(load_study(study_name="s", storage=url).trials) == 2

    def test_made_by_hand(self):
        study = create_study()
        study.add_trial(
            kilter.create_trial(
                value=1.0,
                params={"x": 0.5},
                distributions={"x": Float(0, 1)},
                intermediate_values={0: 2.0, 3: 1.0},
            )
        )
        assert study.best_params == {"x": 0.5}
        assert study.trials[0].intermediate_values == {0: 2.0, 3: 1.0}

    @pytest.mark.parametrize("params", [{"x": 5.0}, {"y": 1.0}])
    def test_what_does_not_fit_is_refused_and_leaves_nothing(self, params):
        study = create_study(space={"x": Float(0, 1)})
        with pytest.raises(ValueError):
            study.add_trial(kilter.create_trial(value=1.0, params=params))
        assert study.trials == []


class TestOptunasWords:
    """What Optuna's users read off a trial."""

    def test_a_state_prints_as_its_name(self):
        assert f"{TrialState.COMPLETE} {TrialState.FAIL!s}" == "TrialState.COMPLETE TrialState.FAIL"
        assert TrialState.COMPLETE == 1

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_trial_knows_when_it_began(self, n_jobs):
        starts = {}

        def objective(trial):
            starts[trial.number] = trial.datetime_start
            return trial.suggest_uniform("x", 0, 1) + trial.suggest_loguniform("y", 1, 9)

        study = create_study(seed=0)
        study.optimize(objective, n_trials=3, n_jobs=n_jobs, progress="none")
        asked = study.ask()
        assert starts == {t.number: t.datetime_start for t in study.trials if t.number < 3}
        assert asked.datetime_start == study.trials[3].datetime_start

    def test_the_older_suggestions_are_the_same_parameters(self):
        trial = create_study(seed=0).ask()
        trial.suggest_uniform("x", 0, 1)
        trial.suggest_loguniform("y", 1, 9)
        trial.suggest_discrete_uniform("z", 0, 1, 0.25)
        assert trial.distributions == {"x": Float(0, 1), "y": Float(1, 9, log=True), "z": Float(0, 1, step=0.25)}


class TestRefusals:
    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (lambda: tune(valley, limits={"patience": 2}), r"limits=kilter\.Limits"),
            (lambda: tune(valley, n_trials=1, resources={"seconds": 1}), r"resources=kilter\.Resources"),
            (lambda: create_study().optimize(valley, 1, limits=3), r"limits=kilter\.Limits"),
            (lambda: create_study().optimize(valley, 1, stoppers=[True]), "True is no function"),
            (lambda: create_study(keep_checkpoints=-1), "keep_checkpoints=-1: give a whole number from 0 on"),
            (lambda: create_study(checkpoints=5), "checkpoints=5: give a folder"),
            (lambda: Float(0, 1).when("opt == 'sgd'"), r"name the parent, as in when\(optimizer="),
            (lambda: create_study().log.write("x"), "'x' is no event"),
            (lambda: create_study().get_trials(states="COMPLETE"), r"states=\[kilter.TrialState.COMPLETE\]"),
            (lambda: create_study().get_trials(states=["complete"]), r"states=\[kilter.TrialState.COMPLETE\]"),
            (lambda: kilter.Limits(n_trials=3), r"Limits\(\) has no 'n_trials': it is called trials="),
            (lambda: kilter.Limits(timeout=3), r"it is called seconds="),
            (lambda: Float(0, 1, logg=True), r"Float\(\) has no 'logg': did you mean log="),
            (lambda: kilter.schedulers.MedianScheduler(n_warm=3), r"MedianScheduler\(\) has no 'n_warm'"),
            (lambda: kilter.samplers.TPESampler(startup=3), r"TPESampler\(\) has no 'startup'"),
            (lambda: kilter.Resources(gpu=1), r"Resources\(\) has no 'gpu': did you mean gpus="),
        ],
    )
    def test_what_is_of_another_kind_is_refused_in_words(self, call, says):
        with pytest.raises(kilter.KilterError, match=says):
            call()

    def test_a_sampler_of_another_library_is_told_ours(self):
        theirs = type("TPESampler", (), {"__module__": "optuna.samplers._tpe"})()
        with pytest.raises(InvalidInput, match=r"kilter\.samplers"):
            create_study(sampler=theirs)

    def test_a_stopper_may_answer_true_and_a_state_may_stand_alone(self):
        study = create_study(space={"x": Float(0, 1)}, sampler="random")
        study.optimize(lambda x: x, 9, stoppers=[lambda history, now: len(history) == 3], progress="none")
        assert len(study.get_trials(states=TrialState.COMPLETE)) == 3
        assert "events" in repr(study.log) and repr(study.history) == "<History: 3 trials>"

    def test_nobody_chose_what_ran_elsewhere(self):
        study = create_study(space={"x": Float(0, 1)}, sampler="auto")
        study.add_trial(kilter.create_trial(params={"x": 0.5}, distributions={"x": Float(0, 1)}, value=1.0))
        with pytest.raises(InvalidInput, match="was run elsewhere"):
            study.explain(0)
