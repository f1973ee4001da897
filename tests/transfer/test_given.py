"""What users hand in for a study to learn from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter import Choice, Earlier, Float, Int, Simplex
from kilter.core.errors import InvalidInput, SpaceChanged, StudyNotFound, UnknownName
from kilter.models.matching import matched

SPACE = {"lr": Float(1e-4, 1, log=True), "depth": Int(1, 9)}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


def tuned(
    name: str | None = None, *, n: int = 12, best: float = 0.1, space: Any = SPACE, **options: Any
) -> kilter.Study:
    """A study with n trials, best where lr is."""
    study = kilter.create_study(space=space, study_name=name, seed=1, sampler="random", **options)
    study.optimize(lambda trial: abs(trial.params["lr"] - 0.1) + 0.01 * trial.number, n_trials=n, progress="none")
    return study


def new(transfer: Any, **options: Any) -> kilter.Study:
    return kilter.create_study(**{"space": SPACE, "seed": 0, "transfer": transfer, **options})


def test_studies_names_views_and_exports_teach_the_same(url: str, tmp_path: Path) -> None:
    first = tuned("first", storage=url)
    file = tmp_path / "first.json"
    subprocess.run([sys.executable, "-m", "kilter", "export", "first", "--storage", url, "-o", file], check=True)
    view = kilter.read_study(study_name="first", storage=url)
    by = [
        new([each], storage=url).history.earlier for each in (first, "first", view, Earlier("first"), file, str(file))
    ]
    assert by[0] and all(each == by[0] for each in by)


def test_lines_of_an_export_teach_too_and_failed_trials_are_failures(tmp_path: Path) -> None:
    trials = [
        {"state": "COMPLETE", "params": {"lr": 0.1, "depth": 2}, "metrics": {"value": 1.0}},
        {"state": "FAIL", "params": {"lr": 0.9, "depth": 2}, "metrics": {}},
        {"state": "COMPLETE", "params": {"lr": 0.5, "depth": 2}, "metrics": {"value": "nan"}},
        {"state": "PRUNED", "params": {"lr": 0.2, "depth": 2}, "metrics": {"value": 0.1}},
    ]
    file = tmp_path / "old.jsonl"
    file.write_text("\n".join(map(json.dumps, trials)))
    (earlier,) = new([file]).history.earlier
    assert (earlier.name, earlier.losses) == ("old", (1.0,))
    assert [config["lr"] for config in earlier.failed] == [0.9, 0.5]


def test_an_export_of_a_study_that_went_the_other_way_is_turned_round(url: str, tmp_path: Path) -> None:
    first, file = tuned("first", storage=url, direction="maximize"), tmp_path / "first.json"
    subprocess.run([sys.executable, "-m", "kilter", "export", "first", "--storage", url, "-o", file], check=True)
    by_name, by_file = (new([each], storage=url).history.earlier for each in ("first", file))
    assert by_name == by_file
    assert by_file[0].losses[0] == -first.best_value


def test_rows_in_the_objectives_own_unit() -> None:
    rows = [({"lr": 0.1, "depth": 3}, 0.93), ({"lr": 0.5, "depth": 3}, 0.95)]
    (earlier,) = new([rows], direction="maximize").history.earlier
    assert earlier.losses == (-0.95, -0.93)
    assert new(rows, direction="maximize").history.earlier == (earlier,)


def test_configurations_alone_are_tried_in_their_order() -> None:
    study = new([{"lr": 0.3, "depth": 2}, {"lr": 0.7, "depth": 8}])
    assert [study.ask().params for _ in range(2)] == [{"lr": 0.3, "depth": 2}, {"lr": 0.7, "depth": 8}]


def test_what_was_renamed_or_fixed_has_the_new_names() -> None:
    old = tuned(space={"lr": Float(1e-4, 1, log=True)})
    space = {"rate": Float(1e-4, 1, log=True), "depth": Int(1, 9)}
    (earlier,) = new([Earlier(old, renamed={"lr": "rate"}, fixed={"depth": 4})], space=space).history.earlier
    assert all(config.keys() == space.keys() and config["depth"] == 4 for config in earlier.configs)


def test_the_parts_of_a_compound_are_renamed_with_it() -> None:
    old = kilter.create_study(space={"w": Simplex(3)}, seed=0)
    old.optimize(lambda w: w[0], n_trials=4, progress="none")
    space = kilter.Space({"v": Simplex(3)})
    (earlier,) = new([Earlier(old, renamed={"w": "v"})], space=space).history.earlier
    assert matched(earlier, space).matched == space.names


def test_the_same_task_says_so() -> None:
    (earlier,) = new([Earlier(tuned(), same=True)]).history.earlier
    assert earlier.same


@settings(max_examples=10)
@given(st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0.1, 9) | st.text(max_size=3) | st.booleans()))
def test_tags_task_and_scale_are_kept(words: dict[str, Any]) -> None:
    scale = {"width": 64.0}
    told = {name.replace("=", "~"): value for name, value in words.items() if name.strip()}
    study = kilter.create_study(space=SPACE, seed=0, tags=told, task=told, scale=scale)
    assert len(study.tags) == len(told)
    assert study.system_attrs.get("task", {}) == told
    assert study.system_attrs["scale"] == scale


def test_a_scale_is_compared_with_that_of_the_earlier_study() -> None:
    (earlier,) = new([tuned(scale={"width": 64, "depth": 2})], scale={"width": 512}).history.earlier
    assert earlier.doublings == {"width": -3.0}


@pytest.mark.parametrize(
    ("transfer", "kind", "said"),
    [
        ("all", InvalidInput, "transfer='all': give \"auto\", None or a list of studies"),
        (3, InvalidInput, "transfer=3: give"),
        ({}, InvalidInput, "transfer={}: give"),
        ([3], InvalidInput, "3 is nothing to learn from"),
        (["frist"], StudyNotFound, "did you mean 'first'"),
        (["new"], InvalidInput, "the new study itself"),
        (["lost.json"], InvalidInput, "cannot read lost.json"),
        ([[{"lr": 7.0}]], InvalidInput, "lr: 7.0 is outside"),
        ([[{"dept": 5}]], UnknownName, "no parameter 'dept': did you mean 'depth'"),
        ([[({"lr": 0.5}, 1.0), {"lr": 0.1}]], InvalidInput, "1 of 2 configurations of configurations have a value"),
        ([Earlier("first", renamed={"dept": "lr"})], UnknownName, "did you mean 'depth'"),
        ([Earlier("first", renamed={"lr": "rate"})], UnknownName, "no parameter of the new space"),
        ([Earlier("first", renamed={"lr": "depth"})], InvalidInput, "two of its parameters the name 'depth'"),
        ([Earlier("first", fixed={"lr": 0.1})], InvalidInput, "it varied that parameter"),
        ([Earlier("first", fixed={"width": 1})], UnknownName, "as fixed= says, 'width'"),
        ([Earlier("first", same=True)], InvalidInput, "it is to minimize value, and the new one to maximize value"),
    ],
)
def test_what_cannot_teach_is_refused_before_there_is_a_study(url: str, transfer: Any, kind: type, said: str) -> None:
    tuned("first", storage=url)
    with pytest.raises(kind, match=said.replace("(", r"\(")):
        new(transfer, storage=url, study_name="new", direction="maximize")
    assert kilter.get_all_study_names(url) == ["first"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"same": 1}, "same=1"),
        ({"fixed": [1]}, r"fixed=\[1\]"),
        ({"renamed": {"a": 1}}, "its name: the name here"),
        ({"renamed": {1: "a"}}, "dict of names"),
    ],
)
def test_an_earlier_study_is_described_in_words_that_make_sense(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Earlier("first", **given)


@pytest.mark.parametrize(
    "given",
    [
        {"tags": ["svm"]},
        {"tags": {"a=b": 1}},
        {"task": {"rows": float("nan")}},
        {"task": {"rows": [1]}},
        {"scale": {"width": 0}},
        {"scale": {"width": -1.0}},
        {"scale": {"width": "wide"}},
        {"scale": {"width": True}},
        {"scale": {"": 1}},
    ],
)
def test_a_task_is_described_in_words_that_make_sense(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(given))}="):
        kilter.create_study(space=SPACE, **given)


def test_no_parameter_in_common_is_said_with_both_lists() -> None:
    with pytest.raises(InvalidInput, match=r"it has depth, lr, and the new one x; .*renamed=\{'depth': 'x'\}"):
        new([tuned("old")], space={"x": Float(0, 1)})


def test_fixed_values_are_of_the_new_space() -> None:
    space = {"lr": Float(1e-4, 1, log=True), "kind": Choice(["a", "b"])}
    with pytest.raises(InvalidInput, match=r"fixed=\{'kind': 'c'\}"):
        new([Earlier(tuned(space={"lr": SPACE["lr"]}), fixed={"kind": "c"})], space=space)


def test_several_objectives_are_refused_but_lists_of_configurations_are_tried() -> None:
    two = {"a": "minimize", "b": "minimize"}
    with pytest.raises(InvalidInput, match="several objectives"):
        new([tuned()], directions=two)
    assert new([[{"lr": 0.5, "depth": 1}]], directions=two).ask().params == {"lr": 0.5, "depth": 1}


def test_broken_files_are_named(tmp_path: Path) -> None:
    for content in ("[{", '{"version": 9}', "[3]", '[{"state": "COMPLETE", "params": 3, "metrics": {}}]'):
        (tmp_path / "old.json").write_text(content)
        with pytest.raises(InvalidInput, match=r"old\.json is no file that this kilter reads"):
            new([tmp_path / "old.json"])
    (tmp_path / "old.json").write_text('[{"state": "COMPLETE", "params": {}, "metrics": {"a": 1, "b": 2}}]')
    with pytest.raises(InvalidInput, match="has no metric 'value', but a, b"):
        new([tmp_path / "old.json"])


def test_more_than_sixteen_are_too_many() -> None:
    few = {"lr": SPACE["lr"]}
    studies = [tuned(f"few {i}", n=3, space=few) for i in range(8)] + [tuned(f"all {i}", n=3) for i in range(12)]
    with pytest.warns(UserWarning, match="transfer has 20 studies: the 16 that share the most parameters"):
        names = [study.name for study in new(studies).history.earlier]
    assert names == [f"few {i}" for i in range(4)] + [f"all {i}" for i in range(12)]


def test_a_sampler_that_learns_nothing_from_it_says_so() -> None:
    with pytest.warns(UserWarning, match="learns nothing from earlier studies"):
        new([tuned()], sampler="random")


def test_a_space_that_contradicts_names_the_way_to_take_its_results_along(url: str) -> None:
    tuned("first", storage=url)
    with pytest.raises(SpaceChanged, match=r"transfer=\[kilter.Earlier\('first', same=True\)\]"):
        new(None, storage=url, study_name="first", load_if_exists=True, space={"lr": Float(0.5, 1)})


@pytest.mark.parametrize("odd", [float("nan"), float("-inf"), "x", [1]])
def test_a_value_that_no_parameter_could_have_costs_no_more_than_its_row(odd: Any) -> None:
    rows = [({"lr": odd, "depth": 2}, 1.0), ({"lr": 0.2}, 2.0), ({"lr": 0.3}, 3.0), ({"lr": 0.4}, 4.0)]
    study = new([rows])
    assert 0 < study.ask().params["lr"] <= 1
    assert set(matched(study.history.earlier[0], study.space).kept) >= {1, 2, 3}


def test_a_whole_number_that_cannot_be_stored_is_named(url: str) -> None:
    with pytest.raises(InvalidInput, match="'lr' cannot be stored"):
        new([[({"lr": 10**400}, 1.0), ({"lr": 0.2}, 2.0), ({"lr": 0.3}, 3.0)]], storage=url, study_name="B")
    with pytest.raises(InvalidInput, match="task' cannot be stored"):
        new(None, storage=url, study_name="B", task={"rows": 10**400})
    assert kilter.get_all_study_names(url) == []


def test_a_study_that_is_given_twice_counts_once(url: str) -> None:
    old = tuned("A", storage=url)
    assert len(new(["A", old, "A"], storage=url).history.earlier) == 1
    with pytest.raises(InvalidInput, match="'A' is given twice"):
        new(["A", Earlier("A", same=True)], storage=url)


def test_a_study_goes_on_only_with_the_word_it_was_begun_with_on_the_task(url: str) -> None:
    tuned("A", storage=url)
    again: dict[str, Any] = {"storage": url, "study_name": "B", "load_if_exists": True}
    new(["A"], **again).optimize(lambda trial: trial.params["lr"], n_trials=1, progress="none")
    new(["A"], **again)
    with pytest.raises(kilter.KilterError, match="same=True for none, now for 'A'"):
        new([Earlier("A", same=True)], **again)


def test_a_file_that_is_nested_without_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InvalidInput, match=r"deep\.json is no file that this kilter reads"):
        new([str(path)])
