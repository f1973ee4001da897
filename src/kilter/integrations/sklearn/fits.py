"""One fit of a candidate on one fold, and where fits run: here, in threads, or in joblib's own processes."""

from __future__ import annotations

import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor as Futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import joblib
from joblib.parallel import get_active_backend
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection._validation import _fit_and_score
from sklearn.utils.parallel import delayed

from kilter.core.errors import InvalidInput

MAPPED = 1 << 20
"""Bytes of data from which on processes map it into memory, read-only, instead of reading a copy each."""


@dataclass(frozen=True)
class Data:
    """What all fits read."""

    X: Any
    y: Any
    splits: list[tuple[Any, Any]]
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]


@dataclass(frozen=True)
class Fit:
    """Fits a candidate on a fold and scores it, wherever it is called; `data` may be the file that holds them."""

    estimator: Any
    data: Data | str
    options: dict[str, Any]
    function: Callable[..., dict[str, Any]] = _fit_and_score

    def __call__(self, params: dict[str, Any], fold: int, **more: Any) -> dict[str, Any]:
        is_far = isinstance(self.data, str)
        if is_far:  # Ctrl-C in a terminal reaches them too, but what runs shall be finished first
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        data = _loaded(self.data) if isinstance(self.data, str) else self.data
        train, test = data.splits[fold]
        with joblib.parallel_config("threading") if is_far else nullcontext():  # no processes of processes
            return self.function(
                clone(self.estimator),
                data.X,
                data.y,
                train=train,
                test=test,
                parameters=params,
                fit_params={name: _own(name, value) for name, value in data.fit_params.items()},
                score_params=data.score_params,
                **self.options,
                **more,
            )


def _own(name: str, value: Any) -> Any:
    """A parameter of `fit` for one fit: callbacks keep what they saw, so fits at once each have their own."""
    if name.rpartition("__")[2] != "callbacks":
        return value
    try:
        return deepcopy(value)
    except Exception:  # noqa: BLE001 - what cannot be copied, whatever that raises, is shared as by scikit-learn
        return value


@lru_cache(maxsize=1)
def _loaded(file: str) -> Data:
    data: Data = joblib.load(file, mmap_mode="r" if os.path.getsize(file) >= MAPPED else None)
    return data


class _Here(Futures):
    """Calls in this thread, at once."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Workers:
    """Where fits run, how many at once, what is called there, and how to end what runs, where that can be."""

    futures: Any
    slots: int
    fit: Fit
    kill: Callable[[], None] = lambda: None


@contextmanager
def workers_for(n_jobs: int | None, fit: Fit) -> Iterator[Workers]:
    """Workers by joblib's rules for n_jobs and parallel_config."""
    slots = joblib.effective_n_jobs(n_jobs)
    if slots == 1:
        yield Workers(_Here(), 1, fit)
        return
    backend = type(get_active_backend()[0]).__name__.replace("Backend", "").lower()
    function, *_ = delayed(_fit_and_score)()  # takes along scikit-learn's configuration, which belongs to a thread
    if hasattr(function, "with_config_and_warning_filters"):
        function.with_config_and_warning_filters(get_config(), warnings.filters)
    else:
        function.with_config(get_config())
    if backend == "threading":
        with ThreadPoolExecutor(slots) as threads:
            yield Workers(threads, slots, replace(fit, function=function))
        return
    if backend not in ("loky", "multiprocessing"):
        raise InvalidInput(
            f"joblib's backend {backend!r} cannot run a search: use 'loky' or 'threading'; on several machines, fit "
            "the same search on each of them, with one storage= that they share"
        )
    with (
        tempfile.TemporaryDirectory(prefix="kilter-search-", ignore_cleanup_errors=True) as folder,
        joblib.Parallel(n_jobs, backend=None if backend == "loky" else "loky") as parallel,
    ):
        file = os.path.join(folder, "data")
        joblib.dump(_portable(fit.data), file)
        there = replace(fit, data=file, function=function)
        loky = parallel._backend  # its processes are those of joblib's other users, which are not begun anew
        yield Workers(loky._workers, slots, there, lambda: loky.abort_everything(ensure_ready=False))


def _portable(data: Any) -> Data:
    """The same data as a file can hold them: arrays and tables as they are, to be mapped; else by cloudpickle."""

    def portable(value: Any) -> Any:
        return value if hasattr(value, "shape") else joblib.wrap_non_picklable_objects(value, keep_wrapper=False)

    fit_params, score_params = (
        {name: portable(value) for name, value in params.items()} for params in (data.fit_params, data.score_params)
    )
    return Data(portable(data.X), portable(data.y), data.splits, fit_params, score_params)
