import os
import platform
import subprocess
import sys

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have their own ways with free memory")
def test_large_blocks_are_not_given_back_to_the_system_and_asked_for_again():
    """In a process of its own: what came before in this one may have had the same effect."""
    code = """if True:
        import resource
        import scipy.linalg
        import numpy as np
        from kilter.runtime.blas import single_threaded

        def blocks():
            return [np.zeros((320, 320)) + i for i in range(6)]

        with single_threaded():
            blocks()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(20):
                blocks()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    # Who says in the environment how memory is kept has his way; Dask does so in a process that starts workers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    faults = run.stdout
    assert int(faults) < 200
