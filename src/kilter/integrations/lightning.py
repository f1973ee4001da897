"""Lightning: a Trainer reports each validation to the trial, stops where it leaves, and goes on where it stood.

    def objective(trial):
        callback = TrialCallback(trial, monitor="val_loss")
        trainer = lightning.Trainer(max_epochs=20, callbacks=[callback], enable_checkpointing=False, logger=False)
        trainer.fit(Module(**trial.params), data, ckpt_path=callback.ckpt_path)
        return callback.value

On several devices every process has to run the objective: start them with torchrun and run the study by
kilter.integrations.torch.optimize_distributed, whose trial the callback takes as well.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NoReturn

from kilter.core.errors import InvalidInput, needed
from kilter.objective.checkpoint import FILE
from kilter.objective.trial import Trial

with needed("lightning", "kilter.integrations.lightning"):
    import lightning.pytorch

    from kilter.integrations.torch import (  # after lightning, whose extra brings torch
        DistributedTrial,
        check_archive,
        gathered,
        options,
        random_state,
        set_random_state,
        take,
        with_options,
    )

STATE = f"{FILE}.ckpt"
"""The name of Lightning's file in the trial's directory."""

KEY = "kilter"
"""Where the callback keeps its own state in Lightning's checkpoints."""

ALONE = (
    "TrialCallback: the Trainer has several processes, and each would run a study of its own. Start the processes with "
    "torchrun and run the study by kilter.integrations.torch.optimize_distributed, or set devices=1"
)


class TrialCallback(lightning.pytorch.Callback):
    """Reports `monitor` after each epoch with a validation, and stops the Trainer where the scheduler says so.

    `monitor` is a name logged with self.log, or several, reported as a dict of those names. The step is the number of
    epochs done. Where the scheduler ends or pauses the trial, `fit` returns after that epoch as with EarlyStopping, and
    the trial counts by its last report whatever the objective returns.

    The Trainer's checkpoint is kept in that of the trial after each epoch, with the random states of Python, NumPy,
    PyTorch and CUDA. Hand `ckpt_path` to `fit`, and an attempt after a pause or a lost worker goes on as if nothing had
    happened; a fork goes on with its own learning rate and other options (see kilter.integrations.torch.Checkpoint).
    Without it the training starts anew, which is warned of.

    Raises InvalidInput for a name that was not logged, for a second callback of a trial, and for a Trainer of several
    processes with a trial that they do not share.

    >>> import kilter
    >>> study = kilter.create_study(space={"lr": kilter.Float(1e-3, 1e-1, log=True)}, seed=0)
    >>> callback = TrialCallback(study.ask(), monitor="val_loss")
    >>> callback.ckpt_path is None
    True
    """

    def __init__(self, trial: Trial | DistributedTrial, monitor: str | Sequence[str] = "val_loss") -> None:
        super().__init__()
        take(trial, "TrialCallback")
        self.trial = trial
        self.monitor = monitor
        self.value: float | dict[str, float] | None = None
        """What was reported last, in this attempt or before it; None where nothing was."""
        self._is_validated = False
        self._begun_with: list[Any] = []
        """The options of each optimizer and LR scheduler as they were constructed."""
        self._loaded: dict[str, Any] | None = None
        """The checkpoint that `fit` goes on from, between its being read and being given out."""
        self._random: dict[str, Any] | None = None
        """The random states to begin the first epoch with."""

    @property
    def ckpt_path(self) -> str | None:
        """What to hand to Trainer.fit: the checkpoint of this trial; None where there is none, or it is damaged.

        A damaged one is warned of, and the training starts anew.
        """
        path = os.path.join(self.trial.checkpoint_dir, STATE)
        try:
            check_archive(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - damaged bytes may break zipfile in any way
            why = f"{type(error).__name__}: {error}"
            warnings.warn(
                f"the checkpoint {path} cannot be read ({why}): the trial starts from the beginning", stacklevel=2
            )
            return None
        return path

    def __reduce__(self) -> NoReturn:
        raise InvalidInput(ALONE)  # on its way to the processes of strategy="ddp_spawn"

    # -- Lightning's hooks, in the order in which it calls them ---------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Refuse a Trainer that started processes of its own: each would run the study."""
        if trainer.world_size > 1 and not isinstance(self.trial, DistributedTrial):
            raise InvalidInput(ALONE)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Remember the checkpoint: Lightning gives it to the optimizers later, when they exist."""
        self._loaded = checkpoint if KEY in checkpoint else None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Put back the random states, and the options that the trial gives into what the optimizers will load."""
        self._begun_with = [deepcopy(options(part)) for part in _scheduled(trainer)]
        if self._loaded is None:
            if trainer.ckpt_path is None and self.ckpt_path is not None:
                warnings.warn(
                    "this trial has a checkpoint, but fit was called without it: the training starts from the "
                    "beginning. Use trainer.fit(…, ckpt_path=callback.ckpt_path)",
                    stacklevel=2,
                )
            return
        kept = self._loaded[KEY]
        self.value = kept["value"]
        states = [*self._loaded["optimizer_states"], *self._loaded["lr_schedulers"]]
        if len(states) == len(kept["options"]) == len(self._begun_with):
            for state, then, now in zip(states, kept["options"], self._begun_with, strict=True):
                state.update(with_options(state, then, now))
        if trainer.global_rank < len(kept["random"]):
            self._random = kept["random"][trainer.global_rank]
            set_random_state(self._random)
        self._loaded = None

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Keep the state after the epoch before: only now have the LR schedulers made their step."""
        if self._random is not None and not getattr(trainer.fit_loop, "is_resuming", False):
            set_random_state(self._random)  # older Lightning begins to draw from the data once more
        self._random = None
        if self.value is None:
            return
        progress = trainer.fit_loop.epoch_progress
        for count in (progress.total, progress.current):
            count.ready -= 1  # Lightning would take the epoch that begins for one that was done
        self._keep(trainer)
        for count in (progress.total, progress.current):
            count.ready += 1

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Note that there are new values, unless these are of the check before the training."""
        self._is_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report, and ask the Trainer to stop where the trial leaves; without validation it is each epoch's turn."""
        if not self._is_validated and trainer.enable_validation:
            return
        self._is_validated = False
        known = trainer.callback_metrics
        names = [self.monitor] if isinstance(self.monitor, str) else list(self.monitor)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InvalidInput(
                f"monitor={self.monitor!r}: {unknown[0]!r} is not among what was logged: "
                f"{', '.join(sorted(known)) or 'nothing was, use self.log'}"
            )
        values = {name: float(known[name]) for name in names}
        self.value = values[self.monitor] if isinstance(self.monitor, str) else values
        self.trial.report(self.value, trainer.current_epoch + 1)
        if self.trial.leaves():
            trainer.should_stop = True

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the state after the last epoch."""
        self._keep(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Let Ctrl-C be one, so that the trial waits to go on: Lightning would make it sys.exit(1), a failure."""
        if isinstance(exception, KeyboardInterrupt):
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so Lightning has made it meanwhile
                signal.signal(signal.SIGINT, signal.default_int_handler)
            raise exception

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning leaves out."""
        chance = random_state()
        checkpoint[KEY] = {
            "value": self.value,
            "options": self._begun_with,
            "random": gathered(chance) if trainer.world_size > 1 else [chance],
        }

    def _keep(self, trainer: Any) -> None:
        path = os.path.join(self.trial.checkpoint_dir, STATE)
        unfinished = f"{path}.tmp"
        trainer.save_checkpoint(unfinished)
        if trainer.is_global_zero:
            os.replace(unfinished, path)


def _scheduled(trainer: Any) -> list[Any]:
    """Optimizers and LR schedulers, in the order of their states in a checkpoint."""
    return [*trainer.optimizers, *(config.scheduler for config in trainer.lr_scheduler_configs)]
