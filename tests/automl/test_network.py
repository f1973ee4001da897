"""The passes of a network, its steps, its schedule, and its waves."""

import math
from itertools import count

import numpy as np
import pytest

from kilter.automl.members.losses import softmax
from kilter.automl.members.mlp import MLP
from kilter.automl.members.network import Network, batch_of, follow, learn, sigmoid
from kilter.automl.members.waves import MOST, Waves
from kilter.automl.testing import TASKS, part, rows, unlimited

PLAIN = {"width": 8, "depth": 2, "activation": "silu", "dropout": 0.0, "learning_rate": 0.01, "weight_decay": 0.0}


def network(outputs, **more):
    made = Network(3, outputs, {**PLAIN, **more}, np.random.default_rng(1))
    made.own.scale[:] = 0.5, 1.0, 2.0
    return made


def batch(outputs):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3)).astype(np.float32)
    y = rng.normal(size=(20, 1)) if outputs == 1 else np.eye(outputs)[rng.integers(0, outputs, 20)]
    return x, y.astype(np.float32), rng.uniform(0.5, 1.5, (20, 1)).astype(np.float32)


def mean_loss(made, x, y, weight):
    found = made.forward(x)
    each = (found - y) ** 2 if y.shape[1] == 1 else -np.log((softmax(found) * y).sum(axis=1, keepdims=True))
    return float((weight * each).mean())


@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("activation", ["silu", "relu"])
def test_slopes_are_those_of_the_loss(outputs, activation):
    made, data = network(outputs, activation=activation), batch(outputs)
    begin = made.own.vector.copy()
    made.step(*data, rate=0.0)
    slopes = made.slopes.vector.copy()
    for seed in range(5):
        way = np.random.default_rng(seed).normal(size=len(begin)).astype(np.float32)
        losses = []
        for sign in (1, -1):
            made.own.vector[:] = begin + sign * np.float32(1e-3) * way
            losses.append(mean_loss(made, *data))
        assert (losses[0] - losses[1]) / 2e-3 == pytest.approx(slopes @ way, rel=0.02, abs=0.01)


def test_a_step_goes_downhill_and_decays_weights_alone():
    made, data = network(2, weight_decay=0.1), batch(2)
    before, biases = mean_loss(made, *data), made.own.biases[0].copy()
    made.step(*data, rate=0.0)
    assert mean_loss(made, *data) == before
    made.step(*data, rate=0.01)
    assert mean_loss(made, *data) < before
    assert np.abs(made.own.biases[0] - biases).max() <= 0.01 * 0.3 * 1.5


def test_dropout_leaves_units_out_and_keeps_their_sum():
    made = network(1, width=64, dropout=0.5)
    z = np.full((256, 64), 3.0, np.float32)
    value, gate = made._activated(z)
    assert ((value == 0) == (gate == 0)).all()
    assert (value == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert value.mean() == pytest.approx(float(z[0, 0] * sigmoid(z[:1, :1])[0, 0]), rel=0.05)


def test_the_best_epoch_is_kept():
    made, data = network(1), batch(1)
    seen, losses = [], iter([3.0, 1.0, 2.0, 2.0, 2.0])

    def judge():
        seen.append(made.own.vector.copy())
        return next(losses)

    assert learn(made, data, judge, epochs=5, left=unlimited) == 2
    assert np.array_equal(made.own.vector, seen[1])


def test_a_network_that_diverges_is_as_it_was():
    made, data = network(1), batch(1)
    begin = made.own.vector.copy()
    assert learn(made, data, lambda: math.nan, epochs=5, left=unlimited) == 0
    assert np.array_equal(made.own.vector, begin)


def rates(made):
    """Those of all steps that the network is going to make."""
    step, found = made.step, []
    made.step = lambda x, wanted, weight, rate: (found.append(rate), step(x, wanted, weight, rate))
    return found


def test_the_rate_rises_and_falls_to_nothing():
    made, losses = network(1), count()
    found = rates(made)
    learn(made, batch(1), lambda: -float(next(losses)), epochs=20, left=unlimited)
    assert len(found) == 20
    assert found[0] < 0.1 * max(found) and max(found) > 0.009
    assert found[-1] < 0.01 * max(found)


def test_a_schedule_that_does_not_fit_is_shortened_and_ends_as_a_whole_one_does():
    made, losses, ticks = network(1), count(), count()
    found = rates(made)
    learn(made, batch(1), lambda: -float(next(losses)), epochs=50, left=lambda: 21.0 - next(ticks))
    assert 2 <= len(found) < 12
    assert found[-1] < 0.2 * max(found)


def test_following_a_schedule_is_learning_by_it():
    one, other = network(1, dropout=0.2), network(1, dropout=0.2)
    losses = count()
    learn(one, batch(1), lambda: -float(next(losses)), epochs=6, left=unlimited)
    follow(other, batch(1), until=6, epochs=6, left=unlimited)
    assert np.array_equal(one.own.vector, other.own.vector)


@pytest.mark.parametrize(("given", "rows_of"), [(5, 5), (100, 32), (1600, 100), (10**6, 256)])
def test_batches_are_small_where_rows_are_few(given, rows_of):
    assert batch_of(given) == rows_of


def test_waves_are_of_columns_with_many_values_and_not_too_many():
    values = np.random.default_rng(0).normal(size=(300, 40))
    values[:, ::2] = np.round(values[:, ::2])
    waves = Waves.drawn(values, 64, 0.3, np.random.default_rng(0))
    assert waves.columns.tolist() == list(range(1, 40, 2))
    assert waves.frequencies.size <= MOST
    found = waves.beside(values)
    assert np.array_equal(found[:, :40], values.astype(np.float32))
    assert np.abs(found[:, 40:]).max() <= 1


def test_waves_move_with_the_units_of_columns():
    values = np.random.default_rng(0).normal(size=(300, 2))
    one, other = (Waves.drawn(each, 4, 0.3, np.random.default_rng(5)) for each in (values, 1000 + 50 * values))
    np.testing.assert_allclose(one.beside(values)[:, 2:], other.beside(1000 + 50 * values)[:, 2:], atol=1e-3)


def test_waves_follow_what_a_plain_network_of_relu_does_not():
    data = rows(TASKS["regression"], 300, view="dense")
    data.y[:] = np.sin(6 * data.matrix.values[:, 0])
    train, valid = part(data, np.arange(240)), part(data, np.arange(240, 300))
    errors = [
        np.mean(
            (MLP().fit(params, train, valid, TASKS["regression"], 0, unlimited).predict(valid.matrix) - valid.y) ** 2
        )
        for params in ({"waves": 32, "bandwidth": 2.0}, {"waves": 0})
    ]
    assert errors[0] < 0.6 * errors[1]
