"""A trial that all ranks of torch.distributed share, and studies that they run together."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed

from kilter.api import Study
from kilter.core.errors import InvalidInput
from kilter.core.parameter import Parameter
from kilter.objective.failures import Interruption
from kilter.objective.trial import Trial

PATIENCE = timedelta(weeks=1)
"""How long ranks wait for one another between the steps of a study: one may train or validate for long."""

T = TypeVar("T")

Sent = tuple[Exception, str]
"""An error on its way from rank to rank, with its traceback as text."""


class RankLost(Interruption):
    """A rank of torch.distributed is gone, or does not answer in time.

    It says nothing about the trial: like one whose worker was killed, that waits to go on, twice.
    """


LEAVING = (KeyboardInterrupt, Interruption)
"""What ends a rank at once, in the middle of anything: it talks to nobody, the others notice that it is gone."""


class DistributedTrial:
    """A trial that all ranks of torch.distributed share: rank 0 has it, the others pass None; all see the same answers.

    Its methods, and `checkpoint_dir`, are collective: every rank calls them, in the same order. What rank 0 says and
    reports counts; an error on rank 0 is raised on all. `group` is the process group to talk in, by default the global
    one. In optimize_distributed the objective gets one ready-made, and an objective that raises on one rank ends on
    the others as soon as these next ask or report.

    Raises InvalidInput where torch.distributed is not initialized, rank 0 brings no trial, or an answer of it cannot be
    pickled, and RankLost where a rank is gone.
    """

    def __init__(self, trial: Trial | None, group: Any = None) -> None:
        check_initialized()
        self.rank: int = torch.distributed.get_rank()
        """Which of the processes this is, from 0."""
        self._trial = trial
        self._group = group
        self.has_left = False
        self._over: BaseException | None = None
        """What ended the trial here or on another rank: there is nobody left to talk to about it."""
        facts = self.on_rank_zero(self._facts)
        self.number: int = facts["number"]
        self.attempt: int = facts["attempt"]
        self.parent: int | None = facts["parent"]
        self.budget: dict[str, float] = facts["budget"]
        self.user_attrs: dict[str, Any] = facts["user_attrs"]
        self.params: dict[str, Any] = facts["params"]
        """The configuration as Python values."""

    def _facts(self) -> dict[str, Any]:
        names = ("number", "attempt", "parent", "budget", "user_attrs", "params")
        return {name: getattr(self._mine, name) for name in names}

    @property
    def _mine(self) -> Trial:
        if self._trial is None:
            raise InvalidInput("DistributedTrial(None) on rank 0: rank 0 is the one to bring the trial")
        return self._trial

    def perform(self, objective: Callable[[DistributedTrial], Any]) -> Any:
        """Call the objective on this rank, and wait until all ranks are through with it."""
        try:
            result = objective(self)
        except LEAVING:
            raise
        except BaseException as error:
            if self._over is None:
                self._exchange(True, error)
            raise
        if self._over is not None:
            raise self._over
        self._exchange(True, None)
        return result

    def on_rank_zero(self, act: Callable[[], T]) -> T:
        """What `act` returns on rank 0, on all ranks; it is called on rank 0 only. Its error is raised on all."""
        if self._over is not None:
            raise self._over
        answer, packed = None, b""
        error: Exception | None = None
        if self.rank == 0:
            try:
                answer = act()
                packed = _packed(answer)
            except Exception as caught:  # noqa: BLE001 - whatever it is, the others must not wait for an answer
                error = caught
        self._exchange(False, error)
        packed = _broadcast(packed, self._group)
        return answer if self.rank == 0 else pickle.loads(packed)  # type: ignore[return-value]  # noqa: S301 - our own

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, by rank, on all ranks."""
        if self._over is not None:
            raise self._over
        packed, error = b"", None
        try:
            packed = _packed(value)
        except InvalidInput as caught:
            error = caught
        self._exchange(False, error)
        return [pickle.loads(theirs) for theirs in gathered(packed, self._group)]  # noqa: S301 - our own

    def _exchange(self, is_over: bool, error: BaseException | None) -> None:
        """Tell all ranks where this one stands; raises where any of them met an error or they are not at one."""
        heard = gathered((is_over, None if error is None else _sent(error)), self._group)
        stopped = [rank for rank, (over, _) in enumerate(heard) if over]
        theirs = (_received(e, rank) for rank, (_, e) in enumerate(heard) if e is not None and rank != self.rank)
        other = next(theirs, None)
        met = error or other
        if error is not None and error.__cause__ is None:
            error.__cause__ = other  # which may be why: a collective that this rank waited in has failed
        if met is None and 0 < len(stopped) < len(heard):
            met = InvalidInput(
                f"rank {stopped[0]} has returned from the objective while others still ask the trial: all ranks have "
                "to make the same calls in the same order"
            )
        if stopped:
            self._over = met
        if met is not None:
            raise met

    def _ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the method of the trial on rank 0; what it returns, on all ranks."""
        return self.on_rank_zero(lambda: getattr(self._mine, method)(*arguments, **named))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number in [low, high]."""
        return float(self._suggested(name, self._ask("suggest_float", name, low, high, step=step, log=log)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number from low to high, both included."""
        return int(self._suggested(name, self._ask("suggest_int", name, low, high, step=step, log=log)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        return self._suggested(name, self._ask("suggest_categorical", name, choices))

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """A value of any parameter."""
        return self._suggested(name, self._ask("suggest", name, parameter))

    def _suggested(self, name: str, value: Any) -> Any:
        self.params[name] = value
        return value

    def report(self, value: Any, step: int | None = None, **part: Any) -> None:
        """Tell the metrics of rank 0 at a step, or of a fold; see Trial.report."""
        self._ask("report", value, step, **part)

    def should_prune(self) -> bool:
        """Whether the scheduler would end or pause this trial now; see Trial.should_prune."""
        return bool(self._ask("should_prune"))

    def leaves(self) -> bool:
        """Whether the trial ends or pauses now, whatever the objective returns; see Trial.leaves."""
        self.has_left = bool(self._ask("leaves"))
        return self.has_left

    @property
    def checkpoint_dir(self) -> str:
        """The directory of this attempt on the machine of rank 0, or of all where they share a file system."""
        return self.on_rank_zero(lambda: self._mine.checkpoint_dir)

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a copy of a file of rank 0's machine with the trial; see Trial.log_artifact."""
        self._ask("log_artifact", os.fspath(path), name)

    def save(self, state: Any) -> None:
        """Keep the state of rank 0; see Trial.save."""
        self._ask("save", state)

    def load(self) -> Any:
        """What `save` kept last, or None; see Trial.load."""
        return self._ask("load")

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value of rank 0 beside the trial."""
        self._ask("set_user_attr", key, value)
        self.user_attrs[key] = value


def optimize_distributed(study: Study | None, objective: Callable[[DistributedTrial], Any], **settings: Any) -> None:
    """Study.optimize with all ranks of torch.distributed at work on one trial at a time; call it on every rank.

    Rank 0 passes the study, the others None. `settings` are those of Study.optimize, and rank 0's count. What the
    objective returns on rank 0 is the result. An exception on any rank fails the trial on all of them, once they next
    ask, report or return; a rank that waits in a collective of the training for one that is gone is freed by the
    timeout of its own process group. When the time is up trials end where they next ask, not in the middle.
    Where the process of a rank has gone, the trial that ran waits to go on: start all ranks again with the same study.

    Raises InvalidInput for n_jobs other than 1, on all ranks what Study.optimize raises, and ConnectionError on those
    that are left where one is gone.

        torch.distributed.init_process_group("gloo")          # as torchrun starts them
        study = kilter.load_study(...) if torch.distributed.get_rank() == 0 else None
        optimize_distributed(study, objective, n_trials=20)
    """
    check_initialized()
    # Its own group: what is said about the study never meets the gradients, and needs no accelerator. It lives as long
    # as the process, like the global one: a rank that closed it would break off others who still listen.
    group = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)
    try:
        if torch.distributed.get_rank() == 0:
            _lead(study, objective, group, settings)
        else:
            _follow(objective, group)
    except RankLost as lost:
        raise ConnectionError(f"{lost}: the trial that ran waits to go on, start all ranks again") from lost


def _lead(study: Study | None, objective: Callable[..., Any], group: Any, settings: dict[str, Any]) -> None:
    is_amid = False
    """Whether the other ranks are in the middle of a trial, so that they would not listen."""

    def led(trial: Trial) -> Any:
        nonlocal is_amid
        with _unbroken():
            is_amid = True
            try:
                _broadcast((True, None), group)
                result = DistributedTrial(trial, group).perform(objective)
            except BaseException as error:
                is_amid = isinstance(error, LEAVING)
                raise
            is_amid = False
            return result

    ended_by: Sent | None = None
    try:
        if study is None:
            raise InvalidInput("optimize_distributed(None, …) on rank 0: rank 0 is the one to bring the study")
        if settings.get("n_jobs", 1) != 1:
            raise InvalidInput(
                f"n_jobs={settings['n_jobs']!r}: all ranks work on one trial at a time; start more groups of processes "
                "on the same storage for more trials at once"
            )
        study.optimize(led, **settings)
    except BaseException as error:
        ended_by = _sent(error)
        raise
    finally:
        if not is_amid:
            with suppress(RankLost):  # what ended the study says more, and so does what a rank printed that is gone
                _broadcast((False, ended_by), group)
                _wait_for_all(group)


def _follow(objective: Callable[..., Any], group: Any) -> None:
    while True:
        goes_on, error = _broadcast(None, group)
        if not goes_on:
            _wait_for_all(group)
            if error is not None:
                raise _received(error, 0)
            return
        try:
            DistributedTrial(None, group).perform(objective)
        except LEAVING:
            raise
        except BaseException:  # noqa: BLE001 - rank 0 has heard of it and stores it
            continue


def _wait_for_all(group: Any) -> None:
    """Nobody is gone before all have heard."""
    with _answered():
        torch.distributed.barrier(group)


@contextmanager
def _unbroken() -> Iterator[None]:
    """Ignore the alarm that breaks into an objective whose time is up: the other ranks would wait for this one."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    handler = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)


def check_initialized() -> None:
    """Raises InvalidInput where this process is not one of a group of torch.distributed."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        raise InvalidInput(
            "torch.distributed is not initialized: call torch.distributed.init_process_group on every rank first"
        )


def gathered(value: Any, group: Any = None) -> list[Any]:
    """The values of all ranks of torch.distributed, by rank, on all ranks; they are pickled on their way.

    Raises RankLost where a rank is gone.
    """
    values: list[Any] = [None] * torch.distributed.get_world_size(group)
    with _answered():
        torch.distributed.all_gather_object(values, value, group=group)
    return values


def _broadcast(value: Any, group: Any) -> Any:
    values = [value]
    with _answered():
        torch.distributed.broadcast_object_list(values, src=0, group=group)
    return values[0]


@contextmanager
def _answered() -> Iterator[None]:
    """Raises RankLost where what is done needs all ranks, and one is gone."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost("a rank of torch.distributed is gone or does not answer") from error


def _packed(value: Any) -> bytes:
    """The value pickled, before anybody waits for it."""
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise InvalidInput(
            f"{value!r:.200} cannot be sent to the other ranks ({error}): let the space hold what can be pickled, "
            "such as names, by which the objective looks up the objects"
        ) from error


def _sent(error: BaseException) -> Sent:
    """The error and its traceback as they travel to other ranks, in words where it cannot be pickled."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - exceptions may refuse to be pickled in any way
        copy = None
    # What ends the process of one rank is an error to the others, not their end.
    return (copy if isinstance(copy, Exception) else RuntimeError(f"{type(error).__name__}: {error}")), text


def _received(sent: Sent, rank: int) -> Exception:
    error, text = sent
    error.__cause__ = RuntimeError(f"raised on rank {rank}:\n{text}")
    return error
