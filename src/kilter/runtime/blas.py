"""One thread for linear algebra while a suggestion is made.

The matrices of a model have a few hundred rows. Two threads of BLAS take half again as long for them as one, and three
times the CPU (measured: 8.7 against 5.5 ms a suggestion at 150 trials on two idle cores; far worse on busy ones). The
limit holds for the whole process while it lasts, some milliseconds, and is lifted again.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any


def single_threaded() -> AbstractContextManager[Any]:
    """A context in which BLAS has one thread; where no model is in use, one that costs nothing."""
    return _controller().limit(limits=1) if "scipy.linalg" in sys.modules else nullcontext()


@lru_cache(maxsize=1)
def _controller() -> Any:
    """Made once the libraries are loaded: finding them takes a millisecond, setting them microseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
