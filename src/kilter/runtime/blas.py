"""One thread for linear algebra while a suggestion is made, and memory that stays with the process.

The matrices of a model have a few hundred rows. Two threads of BLAS take half again as long for them as one, and three
times the CPU (measured: 8.7 against 5.5 ms a suggestion at 150 trials on two idle cores; far worse on busy ones). The
limit holds for the whole process while it lasts, some milliseconds, and is lifted again.

Such a matrix has a megabyte. The C library gives so large a block back to the system as soon as it is free, and every
page of the next one is a fault: half of the time that a process with its factor and inverse takes (4.9 against 2.3 ms).
It keeps free blocks of up to the size of the largest one that it has seen come and go.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

LARGE = 24 << 20
"""Bytes of a block, below the 32 MiB up to which the GNU C library learns from it."""


def single_threaded() -> AbstractContextManager[Any]:
    """A context in which BLAS has one thread; where no model is in use, one that costs nothing."""
    if "scipy.linalg" not in sys.modules:
        return nullcontext()
    _keep_memory()
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Have a large block, no page of which is used, come and go once."""
    import numpy as np

    np.empty(LARGE, dtype=np.uint8)


@lru_cache(maxsize=1)
def _controller() -> Any:
    """Made once the libraries are loaded: finding them takes a millisecond, setting them microseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
