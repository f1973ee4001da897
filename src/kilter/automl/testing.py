"""What every member has to do. Subclass MemberSuite, hand it your member, and pytest runs the checks.

    class TestMine(MemberSuite):
        member = MyMember()

A whole one is in docs/reference/members.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from kilter.automl.members.member import Fitted, Matrix, Member, Params, Refits, Rows, Shape
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.parameter import UNSET

TASKS = {
    "regression": Task("regression"),
    "binary": Task("binary", ("no", "yes")),
    "multiclass": Task("multiclass", ("a", "b", "c")),
}


def unlimited() -> float:
    """All the time in the world."""
    return math.inf


def rows(task: Task, n: int, seed: int = 0, view: str = "tree") -> Rows:
    """Encoded rows for tests, in which the target depends on two of five columns and, as a tree's, on levels.

    Those of the view "tree" have missing values and one column of codes; others have neither.
    """
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 5))
    values[:, 4] = rng.integers(0, 4, n)
    signal = 2 * values[:, 0] - values[:, 1] + (values[:, 4] == 2) + 0.3 * rng.normal(size=n)
    if task.is_regression:
        y = 100 + 10 * signal
    else:
        y = np.searchsorted(np.quantile(signal, np.arange(1, task.width) / task.width), signal).astype(np.int64)
    if view == "tree":
        values[rng.random((n, 5)) < 0.1] = np.nan
    return Rows(Matrix(values, [f"c{i}" for i in range(5)], (4,) if view == "tree" else ()), y)


def part(data: Rows, places: np.ndarray) -> Rows:
    """Some of the rows."""
    matrix = replace(data.matrix, values=data.matrix.values[places])
    return Rows(matrix, data.y[places], None if data.weight is None else data.weight[places])


def loss(task: Task, y: np.ndarray, found: np.ndarray) -> float:
    """Mean squared error, or log-loss."""
    if task.is_regression:
        return float(np.mean((y - found) ** 2))
    return float(-np.mean(np.log(np.maximum(found[np.arange(len(y)), y], 1e-15))))


def equal_states(a: State, b: State) -> bool:
    """Whether two states agree to the last bit, types included."""
    same = a.values == b.values and a.texts == b.texts and a.arrays.keys() == b.arrays.keys()
    return same and all(x.dtype == b.arrays[k].dtype and np.array_equal(x, b.arrays[k]) for k, x in a.arrays.items())


class MemberSuite:
    """The contract of `kilter.automl.members.member.Member`, on small tables of a known kind."""

    member: Member
    """The member to be tested; set this."""
    params: Params = {}
    """Settings that make the fits of the suite short, where the defaults are not."""
    tasks = tuple(TASKS)
    """The kinds of task that the member can do."""

    @pytest.fixture(scope="class", params=TASKS)
    @classmethod
    def task(cls, request: pytest.FixtureRequest) -> Task:
        """Each kind of task in turn."""
        if request.param not in cls.tasks:
            pytest.skip(f"does not do {request.param}")
        return TASKS[request.param]

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, task: Task) -> Fitted:
        """The member, fitted once for all tests that only look at it."""
        return cls.fit(task)

    @pytest.fixture(scope="class")
    @classmethod
    def new(cls, task: Task) -> Rows:
        """Rows that no fit has seen."""
        return rows(task, 60, seed=1, view=cls.member.view)

    @classmethod
    def data(cls, task: Task, n: int = 140) -> Rows:
        """Rows to fit on."""
        return rows(task, n, view=cls.member.view)

    @classmethod
    def fit(cls, task: Task, data: Rows | None = None, **more: Any) -> Fitted:
        """The member, fitted on five sevenths of the data; the others are its validation rows."""
        data = cls.data(task) if data is None else data
        border = len(data.y) * 5 // 7
        ours = {"train": part(data, np.arange(border)), "valid": part(data, np.arange(border, len(data.y)))}
        return cls.member.fit(**{"params": cls.params, **ours, "task": task, "seed": 3, "left": unlimited, **more})

    # What it says of itself.

    def test_every_setting_has_a_default(self, task: Task) -> None:
        """So that a configuration may name some settings only."""
        for name, parameter in self.member.space(task).items():
            assert parameter.default is not UNSET, name
            assert parameter.contains(parameter.plain(parameter.default)), name

    def test_an_unknown_setting_is_refused(self, task: Task) -> None:
        """By its name."""
        with pytest.raises(UnknownName, match="no_such_setting"):
            self.fit(task, params={**self.params, "no_such_setting": 1})

    def test_more_rows_are_more_work(self, task: Task) -> None:
        """The guess is a positive number of seconds that grows."""
        small, large = (self.member.work(self.params, Shape(n, 10, task.width)) for n in (100, 100_000))
        assert 0 < small < large < math.inf

    # What it predicts.

    def test_predictions_have_their_shape(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """(n,) finite values, or (n, k) probabilities that sum to 1."""
        found = fitted.predict(new.matrix)
        assert found.shape == ((60,) if task.is_regression else (60, task.width))
        assert np.isfinite(found).all()
        if not task.is_regression:
            assert found.min() >= 0
            np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)

    def test_it_learns(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """It is better on new rows than the mean, or than equal shares."""
        plain = np.full(60, new.y.mean()) if task.is_regression else np.full((60, task.width), 1 / task.width)
        assert loss(task, new.y, fitted.predict(new.matrix)) < 0.9 * loss(task, new.y, plain)

    def test_each_row_is_predicted_by_itself(self, fitted: Fitted, new: Rows) -> None:
        """In any order, and alone, up to how sums are rounded."""
        order = np.random.default_rng(0).permutation(60)
        found = fitted.predict(new.matrix)
        for places in (order, order[:1]):
            close = fitted.predict(part(new, places).matrix)
            np.testing.assert_allclose(close, found[places], rtol=1e-4, atol=1e-5)

    def test_equal_arguments_give_equal_models(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """To the last bit; and what was given is not changed."""
        data = self.data(task)
        assert np.array_equal(self.fit(task, data).predict(new.matrix), fitted.predict(new.matrix))
        assert np.array_equal(data.matrix.values, self.data(task).matrix.values, equal_nan=True)

    def test_rows_of_no_weight_are_not_learned_from(self, task: Task, new: Rows) -> None:
        """Two fifths of the rows are wrong: it is better with next to no weight on them than with all rows alike."""
        data = self.data(task)
        wrong = np.random.default_rng(5).random(len(data.y)) < 0.4
        y = np.where(wrong, 200 - data.y if task.is_regression else task.width - 1 - data.y, data.y)
        losses = []
        for weight in (None, np.where(wrong, 1e-6, 1.0)):
            found = self.fit(task, replace(data, y=y, weight=weight)).predict(new.matrix)
            losses.append(loss(task, new.y, found))
        assert losses[1] < 0.9 * losses[0]

    def test_the_scale_of_weights_means_nothing(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """Equal weights are no weights, however small."""
        data = self.data(task)
        light = self.fit(task, replace(data, weight=np.full(len(data.y), 0.001)))
        np.testing.assert_allclose(light.predict(new.matrix), fitted.predict(new.matrix), rtol=1e-4, atol=1e-5)

    # Time.

    def test_a_fit_without_time_ends_with_a_model(self, task: Task, new: Rows) -> None:
        """At once where nothing is left, and where time runs out in between; finite predictions all the same."""
        ticks: Iterator[int] = count()
        for left in (lambda: 0.0, lambda: -1.0, lambda: 3.0 - next(ticks)):
            assert np.isfinite(self.fit(task, left=left).predict(new.matrix)).all()

    def test_plenty_of_time_is_as_good_as_no_limit(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """The clock changes nothing as long as time is not short."""
        ticks: Iterator[int] = count()
        found = self.fit(task, left=lambda: 1e6 - next(ticks)).predict(new.matrix)
        assert np.array_equal(found, fitted.predict(new.matrix))

    # What is kept.

    def test_a_loaded_model_is_the_same(self, fitted: Fitted, new: Rows) -> None:
        """By its state alone, which JSON and arrays without objects can hold; and so is that one's state."""
        state = fitted.state()
        assert not any(array.dtype.hasobject for array in state.arrays.values())
        loaded = self.member.load(State(json.loads(json.dumps(dict(state.values))), state.arrays, state.texts))
        assert np.array_equal(loaded.predict(new.matrix), fitted.predict(new.matrix))
        assert equal_states(loaded.state(), state)

    def test_the_estimator_predicts_the_same(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """To 1e-9, relative to the scale of the target; a member without one says so."""
        try:
            estimator = fitted.estimator()
        except InvalidInput:
            pytest.skip("has no estimator without kilter")
        found = (estimator.predict if task.is_regression else estimator.predict_proba)(new.matrix.values)
        np.testing.assert_allclose(found, fitted.predict(new.matrix), rtol=1e-9, atol=1e-9)

    def test_a_refit_needs_no_rows_held_back(self, task: Task, fitted: Fitted, new: Rows) -> None:
        """On all rows it is about as good as a fit of a fold, and its state does as well."""
        if not isinstance(self.member, Refits):
            pytest.skip("is not refitted")
        again = self.member.refit(self.params, [fitted, fitted], self.data(task), task, 3, unlimited)
        found, fold = again.predict(new.matrix), fitted.predict(new.matrix)
        assert loss(task, new.y, found) < 1.5 * loss(task, new.y, fold)
        assert np.array_equal(self.member.load(again.state()).predict(new.matrix), found)

    # Tables at the edge.

    @pytest.mark.parametrize("n", [6, 20])
    def test_few_rows_are_enough(self, task: Task, new: Rows, n: int) -> None:
        """Six rows give a model."""
        assert np.isfinite(self.fit(task, train=self.data(task, n), valid=new).predict(new.matrix)).all()

    def test_constant_columns_and_targets_are_no_trouble(self, task: Task) -> None:
        """All columns but one, and the target: a class that is not there is not predicted."""
        data = self.data(task, 40)
        flat = np.ones((40, 5))
        flat[:, 0] = data.matrix.values[:, 0]
        for y in (data.y, np.zeros_like(data.y)):
            found = self.fit(task, Rows(replace(data.matrix, values=flat), y)).predict(
                replace(data.matrix, values=flat)
            )
            assert np.isfinite(found).all()
        assert task.is_regression or found[:, 0].min() > 0.9
