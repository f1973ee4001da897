"""PyTorch: training loops that pause, retry and fork without losing a digit, and trials that many processes share.

    def objective(trial):
        torch.manual_seed(trial.number)
        model = network(trial.params["width"])
        optimizer = torch.optim.SGD(model.parameters(), trial.params["lr"])
        checkpoint = Checkpoint(trial, model=model, optimizer=optimizer)
        for epoch in checkpoint.epochs(20):
            train(model, optimizer)
            checkpoint.report(validate(model))
        return checkpoint.value

`Checkpoint` is for the loop of one process or of the ranks of DistributedDataParallel; `DistributedTrial` is the trial
as all ranks see it, and `optimize_distributed` runs a study on all of them.

What is kept is one file written by torch.save, replaced as a whole. It is read with weights_only=True, so that nothing
in it is executed, after its checksums were verified, which torch.load does not do.
"""

from __future__ import annotations

import os
import pickle
import random
import secrets
import signal
import threading
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from datetime import timedelta
from io import BytesIO
from typing import Any, TypeVar
from weakref import WeakSet

import numpy as np

from kilter.api import Study
from kilter.core.errors import InvalidInput, needed
from kilter.core.parameter import Parameter
from kilter.objective.checkpoint import FILE
from kilter.objective.failures import Interruption
from kilter.objective.trial import Trial

with needed("torch", "kilter.integrations.torch"):
    import torch
    import torch.distributed

FORMAT = 1
"""The version of what the file holds."""

STATE = f"{FILE}.pt"
"""The name of the file. Unfinished ones begin with it, so that they are left behind as those of trial.save are."""

PATIENCE = timedelta(weeks=1)
"""How long ranks wait for one another between the steps of a study: one may train or validate for long."""

T = TypeVar("T")

Sent = tuple[Exception, str]
"""An error on its way from rank to rank, with its traceback as text."""


class Checkpoint:
    """What a training consists of, kept in the checkpoint of its trial and taken from there when the trial goes on.

    `parts` are objects with state_dict and load_state_dict (models, optimizers, LR schedulers, GradScaler, …) and
    torch.Generator; keep their names from attempt to attempt. Kept with them are the epoch, what was reported last, and
    the global random states of Python, NumPy, PyTorch and CUDA. `trial` is a Trial, a DistributedTrial or, for training
    without a study, None: then nothing is kept.
    The global states are those of the process: trials in threads of one (n_jobs above 1) disturb one another's, and are
    repeatable only as far as they draw from generators of their own.

    Hyperparameters come from the trial, the state from the checkpoint. An option of an optimizer or LR scheduler that
    is now constructed with another value than it was, as in a fork of population-based training, keeps the new value;
    one that a schedule had scaled by then is the new value scaled as much.

    A trial has one Checkpoint. Of a cross-validation make the model of each fold a part, and train all of them in each
    epoch; of a GAN, both models.

    Raises InvalidInput for a part that is none of these, for a second Checkpoint of a trial, for a state that could not
    be read back, and for a checkpoint that does not fit the parts; OSError where the file cannot be written, which
    leaves the one before. A damaged file is warned of, and the training starts anew.

    >>> import kilter
    >>> def objective(trial):
    ...     model = torch.nn.Linear(1, 1)
    ...     optimizer = torch.optim.SGD(model.parameters(), trial.params["lr"])
    ...     checkpoint = Checkpoint(trial, model=model, optimizer=optimizer)
    ...     for epoch in checkpoint.epochs(3):
    ...         optimizer.zero_grad()
    ...         loss = ((model(torch.ones(4, 1)) - 2) ** 2).mean()
    ...         loss.backward()
    ...         optimizer.step()
    ...         checkpoint.report(loss.item())
    ...     return checkpoint.value
    >>> study = kilter.create_study(space={"lr": kilter.Float(0.01, 0.1)}, seed=0)
    >>> study.optimize(objective, n_trials=2, progress="none")
    >>> sorted(study.trials[0].intermediate_values)
    [1, 2, 3]
    """

    def __init__(self, trial: Trial | DistributedTrial | None, **parts: Any) -> None:
        self.epoch = 0
        """Epochs begun so far: the number of the present one, from 1."""
        self.value: float | dict[str, float] | None = None
        """What was reported last, in this attempt or before it; None where nothing was."""
        self._trial = trial
        self._parts = parts
        self._options = {name: deepcopy(options(part)) for name, part in parts.items() if _has_options(part)}
        self._random: dict[str, Any] | None = None
        """The random states to begin the first epoch with."""
        self._is_checked = False
        for name, part in parts.items():
            if not isinstance(part, torch.Generator) and not _has_state(part):
                raise InvalidInput(
                    f"Checkpoint({name}={_named(part)}): give objects with state_dict and load_state_dict, "
                    "or a torch.Generator"
                )
        if trial is not None:
            take(trial, "Checkpoint")
            directory = trial.checkpoint_dir
            kept = self._on_rank_zero(lambda: _read(os.path.join(directory, STATE)))
            if kept is not None:
                self._restore(kept)

    def epochs(self, total: float) -> Iterator[int]:
        """The numbers of the epochs still to do, up to `total` (the first is 1); ends early where the trial leaves."""
        # Only now, as what was constructed since has drawn numbers too; and not in a phase that was over by then.
        if self._random is not None and self.epoch < total + 1:
            set_random_state(self._random)
            self._random = None
        while self.epoch < total and not (self._trial is not None and self._trial.has_left):
            self.epoch += 1
            yield self.epoch

    def report(self, value: Any) -> bool:
        """Report the value (a number or a dict of metrics) of this epoch, keep the state; whether the trial leaves.

        Of several ranks the first one's value counts.
        """
        if self._trial is not None:
            self._trial.report(value, self.epoch)  # before it is saved: see Trial.checkpoint_dir
        self.value = {str(k): float(v) for k, v in value.items()} if isinstance(value, Mapping) else float(value)
        if self._trial is None:
            return False
        self._save()
        return self._trial.leaves()

    def _save(self) -> None:
        assert self._trial is not None
        generators = {name: p.get_state() for name, p in self._parts.items() if isinstance(p, torch.Generator)}
        chance = {"global": random_state(), "generators": generators}
        chances = self._trial.gather(chance) if isinstance(self._trial, DistributedTrial) else [chance]
        directory = self._trial.checkpoint_dir

        def write() -> None:
            parts = {name: p.state_dict() for name, p in self._parts.items() if name not in generators}
            kept = {
                "format": FORMAT,
                "epoch": self.epoch,
                "value": self.value,
                "parts": parts,
                "options": self._options,
                "random": chances,
            }
            _write(os.path.join(directory, STATE), kept, check=not self._is_checked)

        self._on_rank_zero(write)
        self._is_checked = True

    def _restore(self, kept: dict[str, Any]) -> None:
        rank = self._trial.rank if isinstance(self._trial, DistributedTrial) else 0
        chance = kept["random"][rank] if rank < len(kept["random"]) else None
        names = {*kept["parts"], *kept["random"][0]["generators"]}
        if names != set(self._parts):
            raise InvalidInput(
                f"the checkpoint of this trial holds {', '.join(sorted(names))}, but Checkpoint was given "
                f"{', '.join(sorted(self._parts))}: give the same parts in every attempt"
            )
        for name, part in self._parts.items():
            if isinstance(part, torch.Generator):
                if chance is not None:
                    part.set_state(chance["generators"][name])
                continue
            state = kept["parts"][name]
            if name in self._options and name in kept["options"]:
                state = with_options(state, kept["options"][name], self._options[name])
            try:
                part.load_state_dict(state)
            except (RuntimeError, ValueError, KeyError) as error:
                raise InvalidInput(
                    f"the checkpoint of this trial does not fit {name}={_named(part)} ({error}): a parameter "
                    "that gives it another shape cannot change while it is trained"
                ) from error
        self.epoch, self.value = kept["epoch"], kept["value"]
        self._random = None if chance is None else chance["global"]

    def _on_rank_zero(self, act: Callable[[], T]) -> T:
        return self._trial.on_rank_zero(act) if isinstance(self._trial, DistributedTrial) else act()


_taken: WeakSet[Any] = WeakSet()
"""Attempts of which somebody keeps the state."""


BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""As what the elements of a dtype are written that NumPy lacks, by their size in bytes."""


def array_of(tensor: torch.Tensor, place: str) -> tuple[str, np.ndarray]:
    """The name of a tensor's dtype and its elements, for a checkpoint that `trial.save` writes.

    Of a dtype that NumPy lacks, such as bfloat16, the array has the bits. Raises InvalidInput for what has no elements
    in rows and columns: sparse, quantized and meta tensors.
    """
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        kind = "quantized" if tensor.is_quantized else "meta" if tensor.is_meta else str(tensor.layout)
        raise InvalidInput(f"{place} is a tensor that is not dense ({kind}): save tensor.to_dense(), or its parts")
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    name = str(plain.dtype).removeprefix("torch.")
    try:
        return name, plain.numpy()
    except TypeError:
        return name, plain.flatten().view(BITS[plain.element_size()]).reshape(plain.shape).numpy()


def tensor_of(name: str, array: np.ndarray) -> torch.Tensor:
    """The tensor that `array_of` took apart; raises ValueError for what is none of its names."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name!r} is not a dtype of PyTorch")
    made = torch.from_numpy(array)
    return made if made.dtype == dtype else made.flatten().view(dtype).reshape(array.shape)


def take(trial: Any, taker: str) -> None:
    """Raises InvalidInput where the state of this attempt is kept already: there is one place for it."""
    if trial in _taken:
        raise InvalidInput(
            f"this trial has a {taker} already, and a second one would go on where the first one stands, with its "
            "weights: train all models of a trial in one loop, or keep their states with trial.save"
        )
    _taken.add(trial)


def random_state() -> dict[str, Any]:
    """The global random states of Python, NumPy, PyTorch and, where it is in use, CUDA, in plain types."""
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - the global state is what is asked for
    assert isinstance(legacy, dict)
    is_in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    numpy = {**legacy, "state": {**legacy["state"], "key": legacy["state"]["key"].tolist()}}
    return {
        "python": random.getstate(),
        "numpy": numpy,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if is_in_use else [],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put the global random states back to what random_state returned; devices that are gone are left out."""
    random.setstate(state["python"])
    inner = state["numpy"]["state"]
    numpy = {**state["numpy"], "state": {**inner, "key": np.array(inner["key"], np.uint32)}}
    np.random.set_state(numpy)  # noqa: NPY002 - as above
    torch.set_rng_state(state["torch"])
    for device, device_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(device_state, device)


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
                result = _perform(DistributedTrial(trial, group), objective)
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
            _perform(DistributedTrial(None, group), objective)
        except LEAVING:
            raise
        except BaseException:  # noqa: BLE001 - rank 0 has heard of it and stores it
            continue


def _wait_for_all(group: Any) -> None:
    """Nobody is gone before all have heard."""
    with _answered():
        torch.distributed.barrier(group)


def _perform(trial: DistributedTrial, objective: Callable[..., Any]) -> Any:
    """Call the objective on this rank, and wait until all ranks are through with it."""
    try:
        result = objective(trial)
    except LEAVING:
        raise
    except BaseException as error:
        if trial._over is None:
            trial._exchange(True, error)
        raise
    if trial._over is not None:
        raise trial._over
    trial._exchange(True, None)
    return result


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


def _has_state(part: Any) -> bool:
    methods = (getattr(part, name, None) for name in ("state_dict", "load_state_dict"))
    return not isinstance(part, type) and all(map(callable, methods))


def _named(part: Any) -> str:
    return f"the class {part.__name__}" if isinstance(part, type) else type(part).__name__


def _has_options(part: Any) -> bool:
    return isinstance(part, (torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler))


def options(part: Any) -> Any:
    """What an optimizer or LR scheduler was constructed with and a schedule may have changed since."""
    state = part.state_dict()
    return state["param_groups"] if isinstance(part, torch.optim.Optimizer) else state


def with_options(state: dict[str, Any], then: Any, now: Any) -> dict[str, Any]:
    """The state of an optimizer or LR scheduler with the options that it is constructed with now."""
    if "param_groups" in state:
        groups = _merged(state["param_groups"], then, now)
        for group, kept, old, new in zip(groups, state["param_groups"], then, now, strict=False):
            if all("initial_lr" in g for g in (kept, old, new)) and old["initial_lr"]:
                # Not by the lr after construction, where a schedule stood at its first step: a warm-up begins with 0.
                group["lr"] = kept["lr"] * (new["initial_lr"] / old["initial_lr"])
        return {**state, "param_groups": groups}
    merged: dict[str, Any] = _merged(state, then, now)
    return merged


def _merged(kept: Any, then: Any, now: Any) -> Any:
    """What was kept, where `then` and `now` are the values after construction: see Checkpoint."""
    if isinstance(kept, dict) and not isinstance(kept, Counter):  # MultiStepLR counts milestones: one value
        return {k: _merged(v, then[k], now[k]) if k in then and k in now else v for k, v in kept.items()}
    if isinstance(kept, (list, tuple)):
        if not len(kept) == len(then) == len(now):
            return kept
        return type(kept)(_merged(*values) for values in zip(kept, then, now, strict=True))
    if bool(now == then):
        return kept
    if bool(kept == then) or not then or not all(map(_is_number, (kept, then, now))):
        return now
    return now * (kept / then)


def _is_number(value: Any) -> bool:
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or isinstance(value, torch.Tensor)


def _write(path: str, kept: dict[str, Any], check: bool) -> None:
    """Write the file as a whole; `check` that it can be read back, without reading its tensors."""
    unfinished = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        torch.save(kept, unfinished)
        if check:
            torch.load(unfinished, map_location="cpu", mmap=True, weights_only=True)
        os.replace(unfinished, path)
    except Exception as error:
        unfit = [name for name, state in kept["parts"].items() if not _is_readable(state)] if check else []
        if unfit:
            raise InvalidInput(
                f"the state of {', '.join(unfit)} cannot be read back with torch.load(weights_only=True): let "
                "state_dict return tensors, numbers, text, and lists and dicts of these"
            ) from error
        if isinstance(error, RuntimeError):  # PyTorch's words for it are about positions in its archive
            raise OSError(f"the checkpoint {path} cannot be written, is the disk full? ({error})") from error
        raise
    finally:
        with suppress(OSError):
            os.remove(unfinished)


def _is_readable(state: Any) -> bool:
    file = BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - whatever the pickling, or the refusal to unpickle, raises
        return False
    return True


def check_archive(path: str) -> None:
    """Raises an error where the file, written by torch.save, is damaged: torch.load ignores its checksums."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} does not fit its checksum")


def _read(path: str) -> dict[str, Any] | None:
    """What was kept; None where there is nothing, or it is damaged, which is warned of."""
    try:
        check_archive(path)
        kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if kept["format"] != FORMAT:
            raise ValueError(f"it has the format {kept['format']} of another version of kilter")
        return kept
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - damaged bytes may break zipfile and torch.load in any way
        why = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"the checkpoint {path} cannot be read ({why}): the trial starts from the beginning", stacklevel=5
        )
        return None
