import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - a model is in use where it is loaded
from threadpoolctl import threadpool_info, threadpool_limits

import kilter
from kilter.runtime.blas import single_threaded


def threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_one_thread_within_and_as_many_as_before_after_it():
    if not threads():
        pytest.skip("NumPy's BLAS here is none that threadpoolctl knows")
    with threadpool_limits(2):
        before = threads()
        with single_threaded():
            assert set(threads()) == {1}
        assert threads() == before


def test_a_suggestion_is_made_within_it():
    class Looks(type(kilter.samplers.RandomSampler())):
        def ask(self, state, history, number):
            seen.extend(threads())
            return super().ask(state, history, number)

    seen = []
    with threadpool_limits(2):
        study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler=Looks(), seed=np.int64(1).item())
        study.ask()
    assert set(seen) <= {1}
