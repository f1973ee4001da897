"""Laws of parameters that are made of parts: forms and values, what a space makes of them, and what studies see."""

from __future__ import annotations

import csv
import json
import math
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter import Boolean, Choice, Float, Prior, Simplex, Space, Subset, create_study, load_study, tune
from kilter.analysis.schedule import Schedule, best_schedule
from kilter.cli import main
from kilter.cli.dimensions import parameter, parse
from kilter.core.errors import InvalidInput, KilterError, SpaceChanged, UnknownName
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Task
from kilter.core.problem import Problem
from kilter.executors.command.program import Program
from kilter.models.encoding import Encoding
from kilter.models.tried import listed
from kilter.plugins import TABLES
from kilter.samplers.random import RandomSampler
from kilter.testing.compound import CompoundSuite
from kilter.testing.strategies import compounds, configs, spaces

FEW = settings(max_examples=40)
QUIET = {"storage": None, "progress": "none"}


class TestBuiltIn(CompoundSuite):
    compounds = compounds()


@given(compounds())
def test_what_is_shown_makes_it_again(compound):
    assert eval(repr(compound)) == compound


# -- what a space makes of them ----------------------------------------------------------------------------------


@given(st.data(), spaces(kinds=("compound", "choice")))
def test_every_configuration_is_known_by_its_canonical_form(data, space):
    config = data.draw(configs(space))
    assert space.canonical(config) == config
    assert space.plain(space.values(config)) == config
    assert space.plain(space.whole(config)) == config
    encoding = Encoding(space)
    assert encoding.config(encoding.point(config)) == config


@given(st.data(), spaces(max_parameters=3, kinds=("compound",)))
def test_forms_of_one_value_are_one_point(data, space):
    row = data.draw(st.lists(st.floats(0, 1), min_size=len(space), max_size=len(space)))
    loose = {name: p.from_unit(u) for (name, p), u in zip(space.parameters.items(), row)}
    loose = {name: value for name, value in loose.items() if space.is_active(name, loose)}
    encoding = Encoding(space)
    np.testing.assert_array_equal(encoding.point(loose), encoding.point(space.canonical(loose)))


@FEW
@given(spaces(max_parameters=3, kinds=("compound", "boolean")))
def test_a_finite_space_lists_each_configuration_once(space):
    if space.size <= 200:
        listed = [space.values(config) for config in space.grid(10)]
        assert len({repr(values) for values in listed}) == len(listed) == space.size
        assert not any(space.is_forbidden(config) for config in space.grid(10))


def test_the_points_of_a_finite_space_are_its_values():
    space = Space({"s": Subset(["a", "b", "c", "d"], count=2), "b": Boolean()})
    assert len(listed(space)) == space.size == 12


def test_weights_are_uniform_on_the_simplex():
    drawn = np.array([values["w"] for values in Space({"w": Simplex(3)}).sample(4000)])
    assert np.allclose(drawn.sum(axis=1), 1) and (drawn >= 0).all()
    assert np.allclose(drawn.mean(axis=0), 1 / 3, atol=0.02)
    assert np.allclose(np.mean(drawn > 0.5, axis=0), 1 / 4, atol=0.03)  # (1 - 0.5)² of the area lies beyond


def test_subsets_of_one_size_are_all_drawn_and_no_item_is_preferred():
    space = Space({"s": Subset(list("abcdefgh"), count=3)})
    drawn = [values["s"] for values in space.sample(4000)]
    assert len(set(drawn)) == math.comb(8, 3)
    shares = [sum(item in one for one in drawn) / len(drawn) for item in "abcdefgh"]
    assert max(abs(share - 3 / 8) for share in shares) < 0.06


def test_parts_are_active_where_the_compound_is():
    space = Space({"model": Choice({"blend": {"w": Simplex(3, default=(0.2, 0.3, 0.5))}, "one": {}})})
    assert space.names == ("model", "w.1", "w.2")
    assert list(space) == list(space.names) and list(space.declared) == ["model", "w"]
    assert space.plain({"model": "one"}) == {"model": "one"}
    assert space.values(space.plain({"model": "blend"})) == {"model": "blend", "w": (0.2, 0.3, 0.5)}


def test_a_condition_may_ask_for_an_item():
    space = Space({"s": Subset(["a", "b"]), "x": Float(0, 1).when({"s.a": True})})
    assert space.plain({"s": ["a"], "x": 0.5}) == {"s.a": True, "s.b": False, "x": 0.5}
    assert space.plain({"s": ["b"], "x": 0.5}) == {"s.a": False, "s.b": True}


def test_a_clause_may_forbid_items_together():
    space = Space({"s": Subset(["a", "b", "c"], count=2)}, forbidden=[{"s.a": True, "s.b": True}])
    assert space.size == len(space.grid()) == 2
    assert all(values["s"] != ("a", "b") for values in space.sample(50))


def test_a_prior_is_where_values_gather():
    space = Space({"w": Simplex(3, prior=Prior((0.8, 0.1, 0.1), "high"))})
    assert np.mean([values["w"][0] for values in space.sample(300)]) > 0.6


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Simplex(1), "2 or more"),
        (lambda: Simplex(3, default=(0.5, 0.5)), "3 weights"),
        (lambda: Simplex(2, default=(0.7, 0.7)), "add up to 1"),
        (lambda: Simplex(2, default=(1.5, -0.5)), "none below 0"),
        (lambda: Subset([]), "empty"),
        (lambda: Subset(["a", "b"], count=3), "2 items"),
        (lambda: Subset(["a", "b"], count=(2, 1)), "(fewest, most)"),
        (lambda: Subset(["a", "b"], default="a"), "list of items"),
        (lambda: Subset(["a", "b"], default=("a", "a")), "different items"),
        (lambda: Subset([1, "1"]), "read alike"),
        (lambda: Space({"w": Simplex(2), "w.1": Float(0, 1)}), "rename"),
        (lambda: Space({"s": Subset(["a", "b"], count=1), "x": Float(0, 1).when({"s.a": True})}), "several forms"),
        (lambda: Space({"s": Subset(["a"]), "x": Float(0, 1).when(s="a")}), "s.a"),
        (lambda: Space({"w": Simplex(3)}).plain({"w.1": 0.5}, partial=True), "as a whole"),
        (lambda: Space({"w": Simplex(3)}).plain({}), "'w' is missing"),
        (lambda: Space({"w": Simplex(12)}).grid(10).size, "too many for a grid"),
    ],
)
def test_what_is_wrong_is_said(make, told):
    with pytest.raises(KilterError, match="(?s).*" + told.replace("(", r"\(").replace(")", r"\)").replace(".", r"\.")):
        make()


def test_what_has_parts_does_not_grow():
    with pytest.raises(SpaceChanged, match=r"Simplex\(3\)"):
        Space({"w": Simplex(2)}).extended({"w": Simplex(3)})
    assert Space({"w": Simplex(2)}).growth(Space({"w": Simplex(2), "b": Boolean(default=True)})).keys() == {"b"}


# -- studies ------------------------------------------------------------------------------------------------------


def blended(w, s, **others):
    return abs(w[0] - 0.2) + abs(w[1] - 0.5) + 0.1 * ("b" in s)


SPACE = {"w": Simplex(3), "s": Subset(["a", "b", "c"], count=(1, 2))}


@pytest.mark.parametrize("sampler", sorted(TABLES["sampler"].keys() - {"grid"}))
def test_objectives_get_the_value_and_trials_keep_it(sampler):
    study = tune(blended, SPACE, n_trials=12, sampler=sampler, seed=0, **QUIET)
    for trial in study.trials:
        assert math.isclose(sum(trial.params["w"]), 1, abs_tol=1e-9)
        assert 1 <= len(trial.params["s"]) <= 2
        assert trial.distributions == SPACE
    configs = [tuple(record.params.items()) for record in study.history]
    assert len(set(configs)) == len(configs)
    assert all(study.space.canonical(record.params) == record.params for record in study.history)


def test_a_finite_space_of_them_is_tried_once_and_then_it_ends():
    tried = []
    tune(lambda s: tried.append(s) or len(s), {"s": SPACE["s"]}, n_trials=50, sampler="tpe", seed=0, **QUIET)
    assert len(tried) == len(set(tried)) == SPACE["s"].size == 6
    grid = []
    tune(lambda s: grid.append(s) or len(s), {"s": SPACE["s"]}, n_trials=50, sampler="grid", **QUIET)
    assert sorted(grid) == sorted(tried)


def test_what_is_enqueued_runs_first():
    study = create_study(space=SPACE, seed=0)
    study.enqueue_trial({"w": (0.2, 0.5, 0.3), "s": ["a"]})
    study.enqueue_trial({"s": ("c",)})
    study.optimize(blended, n_trials=2, progress="none")
    assert study.trials[0].params == {"w": (0.2, 0.5, 0.3), "s": ("a",)}
    assert study.trials[1].params["s"] == ("c",)


def test_an_objective_may_declare_them_as_it_runs():
    def objective(trial):
        blends = trial.suggest_categorical("model", ["blend", "one"]) == "blend"
        w = trial.suggest("w", SPACE["w"]) if blends else (1, 0, 0)
        return blended(w, trial.suggest("s", SPACE["s"]))

    study = create_study(seed=0, sampler="tpe")
    study.enqueue_trial({"model": "blend", "w": (0.2, 0.5, 0.3), "s": ("a",)})
    study.optimize(objective, n_trials=15, progress="none")
    assert study.trials[0].params == {"model": "blend", "w": (0.2, 0.5, 0.3), "s": ("a",)}
    assert study.space["w"] == SPACE["w"].when(model="blend")
    assert study.space["s"].covers(SPACE["s"])
    assert study.best_value == study.trials[0].value
    study.add_trial(study.best_trial)
    study.ask({"w": SPACE["w"]})


def test_what_a_trial_draws_is_kept_in_its_canonical_form():
    for seed in range(5):  # a first trial each, which no sampler has a say in
        study = create_study(seed=seed)
        study.tell(study.ask({"w": Simplex(4)}), 0.0)
        [record] = study.history
        assert study.space.canonical(record.params) == record.params


def test_asked_trials_have_them():
    study = create_study(seed=0)
    trial = study.ask(SPACE)
    study.tell(trial, blended(**trial.params))
    assert study.best_params == trial.params
    assert set(study.trials_dataframe().columns) >= {"params_w", "params_s"}


def test_a_study_goes_on_after_a_restart_as_if_it_had_not_stopped(tmp_path):
    whole = tune(blended, SPACE, n_trials=14, sampler="gp", seed=3, **QUIET)
    for n_trials in (6, 14):
        storage = f"sqlite:///{tmp_path / 'study.db'}"
        study = tune(blended, SPACE, n_trials=n_trials, sampler="gp", seed=3, progress="none", storage=storage)
    assert [trial.params for trial in study.trials] == [trial.params for trial in whole.trials]


@pytest.mark.parametrize(
    ("first", "then", "stored"),
    [
        (Simplex(3), Simplex(4), ["w.1", "w.2", "w.3"]),
        (Simplex(4), Simplex(3), ["w.1", "w.2"]),
        (Subset(["a", "b"], count=1), Subset(["a", "b", "c"], count=1), ["w.a", "w.b", "w.c"]),
        (Subset(["a", "b"], count=1), Subset(["a", "b"], count=2), ["w.a", "w.b"]),
        (Simplex(3), Float(2, 5), ["w"]),
    ],
)
def test_of_workers_at_odds_over_a_name_the_second_keeps_its_own_parts(first, then, stored):
    study = create_study(seed=0, sampler="random")
    trials = study.ask(2)  # both before either is told
    values = [trial.suggest("w", parameter) for trial, parameter in zip(trials, [first, then])]
    for trial in trials:
        study.tell(trial, 0.5)
    own, others = study.trials
    assert own.params == {"w": values[0]}
    assert list(others.params) == list(others.plain_params) == stored
    assert others.params == others.record.params
    assert others.distributions.keys() <= set(stored)


def test_a_parameter_whose_name_begins_as_that_of_a_compound_is_its_own():
    space = Space({"w": Simplex(2), "w.lr": Float(0, 1)})
    assert space.whole({"w.1": 0.25, "w.lr": 0.5}) == {"w": [0.25, 0.75], "w.lr": 0.5}


@pytest.mark.parametrize("declared", [SPACE, None])
def test_an_objective_can_be_called_with_a_trial_that_had_them(declared):
    def objective(trial):
        return blended(trial.suggest("w", SPACE["w"]), trial.suggest("s", SPACE["s"]))

    study = create_study(space=declared, seed=0)
    study.optimize(objective, n_trials=4, progress="none")
    assert [objective(trial) for trial in study.trials] == [trial.value for trial in study.trials]
    with pytest.raises(UnknownName, match=r"'v'.*Known: s, w"):
        study.best_trial.suggest("v", SPACE["w"])


def test_a_schedule_has_the_values_that_were_trained_with():
    space, had = Space({"w": Simplex(3), "s": Subset([min, max])}), {"w": (0.2, 0.5, 0.3), "s": (max,)}
    history = History(Problem(space))
    history.add(Record(0, TrialState.PAUSED, space.plain(had)))
    history.reports.extend(0, (Report(1, {"value": 1.0}),))
    schedule = best_schedule(history)
    assert schedule.params_at(1) == {"w": [0.2, 0.5, 0.3], "s": ["max"]}
    assert space.values(schedule.params_at(1)) == had
    assert str(schedule) == "steps 1 to 1: w=[0.2, 0.5, 0.3], s=[max] (trial 0)"
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule


def test_whatever_form_a_sampler_proposes_the_log_has_the_canonical_one():
    class Unsorted(RandomSampler):
        def ask(self, state, history, number):
            return {"w.1": 0.9, "w.2": 0.1 + number / 10}

    study = create_study(space={"w": Simplex(3)}, sampler=Unsorted())
    assert [study.ask().params for _ in range(2)] == [{"w": (0.1, 0.8, 0.1)}, {"w": (0.2, 0.7, 0.1)}]
    assert [record.params for record in study.history] == [{"w.1": 0.1, "w.2": 0.9}, {"w.1": 0.2, "w.2": 0.9}]


def test_annotations_declare_them():
    def train(w: Simplex(2) = (0.25, 0.75), s: Subset(["a", "b"]) = ("a",)):
        return w[0]

    space = Space.from_signature(train)
    assert space.values(space.plain({})) == {"w": (0.25, 0.75), "s": ("a",)}


def test_importances_are_of_values():
    from kilter.importance import get_param_importances

    study = tune(blended, SPACE, n_trials=30, sampler="random", seed=0, **QUIET)
    importances = get_param_importances(study)
    assert list(importances) == ["w", "s"]
    assert math.isclose(sum(importances.values()), 1)


# -- outside ------------------------------------------------------------------------------------------------------


def test_a_program_gets_values_and_may_ask_for_parts():
    program = Program(["train", "--w={w}", "--s", "{s}", "--first={w.1}", "{file:json}"])
    space = Space(SPACE)
    program.check(space)
    task = Task(0, 1, space.plain({"w": (0.2, 0.5, 0.3), "s": ["a", "c"]}), Problem(space), 0, "/t", False)
    assert program.expand(task) == ["train", "--w=0.2,0.5,0.3", "--s", "a,c", "--first=0.2", "/t/params.json"]
    assert task.arguments == {"w": [0.2, 0.5, 0.3], "s": ["a", "c"]}
    assert program.unused(space.declared) == []


def test_a_subset_in_the_arithmetic_of_a_shell_is_refused():
    with pytest.raises(InvalidInput, match="text"):
        Program("train $(( {s} ))", shell=True).check(Space(SPACE))


def test_an_item_with_a_comma_is_no_item_of_a_program():
    space = Space({"s": Subset(["a", "b,c"]), "a,b": Subset(["d"]), "w": Simplex(2)})
    with pytest.raises(InvalidInput, match="the item 'b,c' of s has a comma"):
        Program(["train"]).check(space)
    Program(["train"]).check(Space({"a,b": Subset(["d"]), "w": Simplex(2), "c": Choice(["a,b", "c"])}))


def test_lists_with_commas_in_their_items_are_written_so_that_they_are_read_again(tmp_path):
    storage = f"sqlite:///{tmp_path / 'a.db'}"

    def kilter(verb, *words):
        result = CliRunner().invoke(main, [verb, "--storage", storage, *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    study = create_study(study_name="t", storage=storage, space={"s": Subset(["a b", "c,d", 'e"[,', 5])})
    for items in [["c,d", 5], ["a b", 'e"[,'], ["a b", 5]]:
        study.enqueue_trial({"s": items})
        study.tell(study.ask(), len(study.trials))
    written = [row["params.s"] for row in csv.DictReader(kilter("export", "t").splitlines())]
    assert written[::2] == ['["c,d", 5]', "a b,5"]
    for text in written:
        kilter("enqueue", "t", f"s={text}")
    study = load_study(study_name="t", storage=storage)
    assert [t.params for t in study.trials[:3]] == [t.params for t in study.trials[3:]]
    assert kilter("best", "t", "--format", "args") == """--s '["c,d", 5]'\n"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w=simplex(3)", Simplex(3)),
        ("w=simplex(2,default=(0.25,0.75))", Simplex(2, default=(0.25, 0.75))),
        ("s=subset(a,b,c)", Subset(["a", "b", "c"])),
        ("s=subset(a,b,c,count=2) if model == 'svm'", Subset(["a", "b", "c"], count=2).when(model="svm")),
        ("s=subset(a,b,c,count=(1,2))", Subset(["a", "b", "c"], count=(1, 2))),
    ],
)
def test_the_shell_declares_them(text, expected):
    assert parameter(*parse(text)) == expected


def test_the_shell_runs_enqueues_lists_and_exports_them(tmp_path):
    def kilter(verb, *words):
        result = CliRunner().invoke(main, [verb, "--storage", f"sqlite:///{tmp_path / 'a.db'}", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    program = "import sys; print(sum(len(word.split(',')) for word in sys.argv[1:]))"
    declared = ["-p", "w=simplex(3)", "-p", "s=subset(a,b,c,count=2)"]
    how = ["--study", "blend", "--minimize", "loss", "-n", "2", "--progress", "none"]
    kilter("run", *declared, *how, "--", sys.executable, "-c", program, "{w}", "{s}")
    kilter("enqueue", "blend", "w=0.2,0.5,0.3", "s=a,c")
    assert "0.2,0.5,0.3" in kilter("trials", "blend")
    first, *_, last = csv.DictReader(kilter("export", "blend").splitlines())
    assert float(first["metrics.loss"]) == 5
    assert (last["params.w"], last["params.s"]) == ("0.2,0.5,0.3", "a,c")


def test_optuna_gets_their_parts():
    optuna = pytest.importorskip("optuna")
    from kilter.integrations.optuna import export_study

    study = tune(blended, SPACE, n_trials=2, study_name="blend", seed=0, **QUIET)
    export_study(study, storage := optuna.storages.InMemoryStorage())
    exported = optuna.load_study(study_name="blend", storage=storage)
    assert [trial.params for trial in exported.trials] == [dict(record.params) for record in study.history]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Space({"w": Simplex(3), "x": Float(0, 1).when(w=1)}), "'w', which is a Simplex .*use a parameter"),
        (lambda: Space({"c": Subset(["a", "b"]), "x": Float(0, 1).when(c="a")}), r"as in \.when\(\{'c\.a': "),
        (lambda: Space({"c": Subset(["a", "b"])}, forbidden=[{"c": "a"}]), r"parts \('c\.a', 'c\.b'\), as in \{'c\.a'"),
        (lambda: Subset({"one": object()}), r"a Choice names its options by a dict\. List the names, Subset\(\['one'"),
        (lambda: Subset([object()]), "list a name in its place"),
        (lambda: Subset(["a", "a"]), "list each once, or as {'name': option} of a Choice"),
    ],
)
def test_what_a_compound_cannot_do_is_said_with_what_can_be_done(make, told):
    with pytest.raises(InvalidInput, match=told):
        make()
