"""The state of a training loop in one file, and how it is read again."""

from __future__ import annotations

import os
import random
import secrets
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from io import BytesIO
from typing import Any, TypeVar
from weakref import WeakSet

import numpy as np
import torch

from kilter.core.errors import InvalidInput
from kilter.integrations.torch.distributed import DistributedTrial
from kilter.objective.checkpoint import FILE
from kilter.objective.trial import Trial

FORMAT = 1
"""The version of what the file holds."""

STATE = f"{FILE}.pt"
"""The name of the file. Unfinished ones begin with it, so that they are left behind as those of trial.save are."""

T = TypeVar("T")


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
