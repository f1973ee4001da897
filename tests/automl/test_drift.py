"""Drift: rows in any order have none, and what moves is found whatever it is."""

import numpy as np
import pytest

from kilter.automl.drift import drifts

CHANCE = np.random.default_rng(0)
HALF = np.arange(600) < 300
MOVING = {
    "numbers": np.where(HALF, 0.0, 0.6) + CHANCE.normal(size=600),
    "missing": np.where(CHANCE.uniform(size=600) < 0.4 * HALF, np.nan, CHANCE.normal(size=600)),
    "days": np.datetime64("2024-01-01") + np.arange(600),
    "levels": np.where(CHANCE.uniform(size=600) < np.where(HALF, 0.3, 0.7), "a", "b").astype(object),
    "codes": np.where(CHANCE.uniform(size=600) < np.where(HALF, 0.3, 0.7), None, "b"),
}


@pytest.mark.parametrize("name", MOVING)
def test_what_moves_is_found(name):
    still = CHANCE.normal(size=600)
    (found,) = drifts({"still": still, name: MOVING[name]})
    assert found.column == name and 0.15 <= found.distance <= 1


def test_rows_in_any_order_have_none():
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(600)
        assert drifts({name: values[order] for name, values in MOVING.items()}) == []


def test_few_rows_and_constant_columns_say_nothing():
    constant = np.array(["a"] * 90, dtype=object)
    assert drifts({"rising": np.arange(30.0)}) == drifts({"constant": constant}) == drifts({}) == []


def test_what_moves_by_next_to_nothing_is_not_told_however_sure_it_is():
    many = np.random.default_rng(0).normal(size=9000) + 0.2 * (np.arange(9000) > 4500)
    assert drifts({"numbers": many}) == []
