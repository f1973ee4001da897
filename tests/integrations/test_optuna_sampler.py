"""The suite of tests that Optuna publishes for samplers, on ours."""

from __future__ import annotations

import pytest

optuna = pytest.importorskip("optuna", reason="needs Optuna: pip install '.[optuna]'")
suite = pytest.importorskip("optuna.testing.pytest_samplers", reason="this Optuna has no suite for samplers yet")

from kilter.integrations.optuna import KilterSampler  # noqa: E402


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


class TestAuto(suite.BasicSamplerTestCase, suite.RelativeSamplerTestCase, suite.MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: KilterSampler(seed=0)


class TestOneObjectiveOnly(suite.BasicSamplerTestCase, suite.SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: KilterSampler("cmaes", seed=0)
