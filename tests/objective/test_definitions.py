"""What a study remembers of an objective: the same of the same, another of another, and names that tell them apart."""

import functools
import importlib
import itertools
import linecache
import os
import sys
import textwrap
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import SVC, SVR

from kilter.core.definition import Definition
from kilter.objective.definitions import definition_of, definition_of_command
from kilter.objective.values import HASHED, shown

count = 0


def written(source, name="objective"):
    """The thing of that name in a script of this text, as if it had been imported."""
    text = textwrap.dedent(source)
    path = f"/scripts/{abs(hash(text))}.py"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    names = {"__name__": "script"}
    exec(compile(text, path, "exec"), names)
    return names[name]


BASE = """
EPOCHS = 5

def load(n):
    return n * 2

class Net:
    width = 3
    def fit(self, lr):
        return lr * self.width

def objective(lr, seed=1):
    return Net().fit(lr) + load(EPOCHS) + seed
"""


@pytest.mark.parametrize(
    "same",
    [
        BASE.replace("def objective", "# a comment\n\n\ndef objective"),
        BASE.replace("    return Net()", '    """A docstring."""\n    return   (Net())'),
        BASE.replace("objective(lr, seed=1)", "objective(lr: float, seed: int = 1) -> float"),
        BASE.replace("EPOCHS = 5", "UNUSED = 7\nEPOCHS = 5"),
        BASE + "\ndef other(): pass\n",
        BASE.replace("class Net:", 'class Net:\n    "Doc."\n'),
    ],
)
def test_what_only_reads_differently_is_the_same(same):
    assert definition_of(written(BASE)).differences(definition_of(written(same))) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("+ seed", "- seed", "the code of objective has changed"),
        ("n * 2", "n * 3", "the code of load, which it uses, has changed"),
        ("lr * self", "lr + self", "the code of Net, which it uses, has changed"),
        ("width = 3", "width = 4", "the code of Net, which it uses, has changed"),
        ("EPOCHS = 5", "EPOCHS = 50", "EPOCHS is 50 and was 5"),
        ("seed=1", "seed=2", "the default of seed is 2 and was 1"),
    ],
)
def test_what_does_something_else_is_told_in_words(old, new, told):
    assert old in BASE
    assert told in definition_of(written(BASE)).differences(definition_of(written(BASE.replace(old, new))))


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none(), st.lists(st.integers())))
def test_plain_closure_values_count(value):
    def made(value):
        def objective(x):
            return x, value

        return objective

    first, again, other = map(definition_of, (made(value), made(value), made([value])))
    assert first.differences(again) == []
    assert first.differences(other) != []


def test_what_the_objective_changes_itself_does_not_count():
    def made(calls, seen, total):
        def objective(x):
            nonlocal total
            global count
            total += 1
            count += 1
            calls.append(x)
            seen[x] = total
            return x

        return objective

    first, later = definition_of(made([], {}, 0)), definition_of(made([1], {1: 1}, 5))
    assert first.differences(later) == []
    assert first.values == {}


class Loader:
    def __init__(self, path):
        self.path, self.reads = path, 0

    def rows(self):
        self.reads += 1
        return self.path


@pytest.mark.parametrize(
    ("data", "same", "other"),
    [
        (np.arange(9.0), np.arange(9.0), np.arange(1, 10.0)),
        (np.zeros(10), np.zeros(10), np.zeros((2, 5))),
        (*(np.array(["a", "b"], dtype=object) for _ in range(2)), np.array(["a", "c"], dtype=object)),
        (
            pd.DataFrame({"a": [1], "b": ["x"]}),
            pd.DataFrame({"a": [1], "b": ["x"]}),
            pd.DataFrame({"a": [1], "b": ["y"]}),
        ),
        (pd.Series([1.0]), pd.Series([1.0]), pd.Series([2.0])),
        (SVC(C=2.0), SVC(C=2.0), SVC(C=3.0)),
        (SVC(), SVC(), SVR()),
        (Loader("a"), Loader("a"), Loader("b")),
        (SimpleNamespace(e=1), SimpleNamespace(e=1), SimpleNamespace(e=2)),
        (OrderedDict(a=1), OrderedDict(a=1), OrderedDict(a=2)),
        ({"X": np.zeros(3)}, {"X": np.zeros(3)}, {"X": np.ones(3)}),
    ],
)
def test_data_and_models_count_in_closures_partials_and_objects(data, same, other):
    def closure(data):
        return lambda x: (x, data)

    for made in (closure, lambda data: functools.partial(scaled, k=data), Model):
        first, again, another = (definition_of(made(each)) for each in (data, same, other))
        assert first.differences(again) == []
        assert first.differences(another) != []
        assert first.name == again.name != another.name


def test_a_global_that_is_bound_to_other_data_makes_another_objective():
    names = {"np": np, "X": np.zeros(3), "__name__": "script"}
    exec("def objective(x): return x + X.sum()", names)
    first = definition_of(names["objective"])
    names["X"] = np.ones(3)
    assert first.differences(definition_of(names["objective"])) != []


def test_a_large_array_is_read_in_part():
    large = np.zeros(HASHED // 4, dtype=np.int64)
    text = shown(large)
    large[::2] = 1
    assert shown(large) != text


class Model:
    def __init__(self, k):
        self.k, self.calls, self.log = k, 0, []

    def __call__(self, x):
        self.calls += 1
        self.log.append(x)
        return x * self.k

    def score(self, x):
        return x + self.k


def scaled(x, k):
    return x * k


def test_names_tell_apart_what_python_calls_alike():
    things = [lambda x: x + 1, lambda x: x + 2, Model(3), Model(4), Model(3).score, Model(4).score]
    things += [functools.partial(scaled, k=k) for k in (1, 2)]
    names = [definition_of(thing).name for thing in things]
    assert len(set(names)) == len(things)
    assert [name.rpartition("-")[0] for name in names] == [
        *["lambda"] * 2,
        *["Model"] * 2,
        *["score"] * 2,
        *["scaled"] * 2,
    ]
    assert definition_of(Model(3)).name == definition_of(Model(3)).name
    assert definition_of(scaled).name == "scaled"


def test_an_object_that_was_called_is_the_same():
    used = Model(3)
    used(1)
    assert definition_of(used) == definition_of(Model(3))


def test_lambdas_in_one_line_are_told_apart():
    pair = written("pair = [lambda x: x + 1, lambda x: x + 2, lambda y: (lambda x: x)(y)]", "pair")
    assert len({definition_of(each).digest(code=True) for each in pair}) == 3


def test_without_a_source_the_bytecode_counts():
    def bare(text):
        names = {}
        exec(text, names)
        return definition_of(names["f"])

    first = bare("def f(x):\n    'doc'\n    return x + 1")
    assert first.differences(bare("\n\ndef f(x):\n    'other'\n    return x + 1")) == []
    assert first.differences(bare("def f(x):\n    return x + 2")) == ["the code of f has changed"]


def test_code_read_in_two_ways_is_not_compared_and_is_named():
    old = Definition("f", code={"objective": "source:1", "load": "source:1"})
    new = Definition("f", code={"objective": "python3.9:2", "load": "source:1"})
    assert (old.differences(new), old.unlike(new), old.unlike(old)) == ([], ["f"], [])


def test_what_was_loaded_again_is_read_again_and_what_was_only_edited_is_not(tmp_path, monkeypatch):
    script = tmp_path / "reloaded_objective.py"

    def edited(text):
        script.write_text(text)
        os.utime(script, ns=(0, next(times)))

    times = itertools.count(10**18, 10**9)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    edited("def objective(x):\n    return x * 2\n")
    module = importlib.import_module(script.stem)
    first = definition_of(module.objective)
    edited("def objective(x):\n    return x * 3\n")
    assert first.differences(definition_of(module.objective)) == []
    module = importlib.reload(module)
    assert first.differences(definition_of(module.objective)) == ["the code of objective has changed"]


@given(st.builds(Definition, st.text(), st.text(), *[st.dictionaries(st.text(), st.text())] * 2))
def test_definitions_come_back_from_json(definition):
    assert Definition.from_json(definition.to_json()) == definition
    assert definition.differences(definition) == []


def test_of_a_command_the_words_and_the_program_count(tmp_path):
    script = tmp_path / "train.py"
    words = ["python", "train.py", "--lr", "{lr}"]

    def read(text, words=words, **settings):
        script.write_text(text)
        return definition_of_command(words, settings, str(tmp_path))

    first = read("print(1)\n")
    assert first.differences(read("# a comment\nprint( 1 )\n")) == []
    assert first.differences(read("print(2)\n")) == ["the code of train.py, which it uses, has changed"]
    assert "the command" in first.differences(read("print(1)\n", [*words, "--fast"]))[0]
    assert first.differences(read("print(1)\n", pattern="acc=(.*)")) != []
