"""Lightning: a fit that was interrupted ends as one that was not, and stops as its trial does."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter import Fidelity, Float, TrialState
from kilter.core.errors import InvalidInput
from kilter.objective.failures import Interruption
from kilter.schedulers import ThresholdScheduler

lightning = pytest.importorskip("lightning.pytorch", reason="needs Lightning: pip install '.[lightning]'")

from kilter.integrations.lightning import STATE, TrialCallback  # noqa: E402
from kilter.integrations.torch import torch  # noqa: E402

torch.set_num_threads(1)
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore::DeprecationWarning")

SPACE = {"lr": Float(0.01, 0.1, log=True)}
EPOCHS = 5
X = torch.linspace(-1, 1, 48).reshape(24, 2)
Y = X.sum(1, keepdim=True) ** 2
DATA = torch.utils.data.TensorDataset(X, Y)


class Module(lightning.LightningModule):
    """A small network with dropout."""

    def __init__(self, lr: float, schedule: str = "step") -> None:
        super().__init__()
        self.lr = lr
        self.schedule = schedule
        self.net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
        self.rates: list[float] = []

    def training_step(self, batch: Any, index: int) -> Any:
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log_dict({"val_loss": loss, "val_root": loss.sqrt()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        if self.schedule == "step":
            return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


class Killed(Interruption):
    """What breaks off a trial from outside, in the middle of an epoch."""


class Killer(lightning.Callback):
    """Raises in the third batch of an epoch."""

    def __init__(self, epoch: int | None, error: type[BaseException] = Killed) -> None:
        self.epoch = epoch
        self.error = error

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == self.epoch and batch_idx == 2:
            raise self.error


def fitted(
    callback: TrialCallback,
    lr: float,
    *,
    epochs: int = EPOCHS,
    schedule: str = "step",
    killed_in: int | None = None,
    by: type[BaseException] = Killed,
    validates: bool = True,
    goes_on: bool = True,
    **settings: Any,
) -> Module:
    torch.manual_seed(1)
    module = Module(lr, schedule)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=[callback, Killer(killed_in, by)],
        accelerator="cpu",
        logger=False,
        **quiet,
        **settings,
    )
    loaders = [torch.utils.data.DataLoader(DATA, 6, shuffle=True)]
    if validates:
        loaders.append(torch.utils.data.DataLoader(DATA, 8))
    trainer.fit(module, *loaders, ckpt_path=callback.ckpt_path if goes_on else None)
    return module


def curve(trial: Any) -> dict[int, float]:
    return dict(trial.intermediate_values)


def whole(lr: float, schedule: str = "step", epochs: int = EPOCHS) -> dict[int, float]:
    """The reports of a fit that nothing interrupts."""
    study = kilter.create_study(space=SPACE, seed=0)
    study.enqueue_trial({"lr": lr})
    study.optimize(
        lambda trial: fitted(TrialCallback(trial), lr, schedule=schedule, epochs=epochs) and 0.0,
        n_trials=1,
        progress="none",
    )
    reports = curve(study.trials[0])
    assert sorted(reports) == list(range(1, epochs + 1)), study.trials[0].failure
    return reports


@pytest.mark.parametrize(("schedule", "killed_in"), [("step", 1), ("step", 4), ("plateau", 3)])
def test_a_fit_that_was_broken_off_ends_the_same_to_the_last_digit(schedule: str, killed_in: int) -> None:
    study = kilter.create_study(space=SPACE, seed=0)
    study.enqueue_trial({"lr": 0.05})
    attempts: list[int] = []

    def objective(trial: Any, lr: float) -> Any:
        attempts.append(trial.attempt)
        callback = TrialCallback(trial)
        fitted(callback, lr, schedule=schedule, killed_in=killed_in if trial.attempt == 1 else None)
        return callback.value

    with pytest.raises(Killed):
        study.optimize(objective, n_trials=1, progress="none")
    study.optimize(objective, n_trials=1, progress="none")
    (trial,) = study.trials
    assert attempts == [1, 2]
    assert trial.failure is None
    assert curve(trial) == whole(0.05, schedule)
    assert trial.value == curve(trial)[EPOCHS]


@pytest.mark.parametrize("schedule", ["step", "plateau"])
def test_pauses_at_rungs_change_nothing(schedule: str) -> None:
    attempts: dict[int, int] = {}
    batches: dict[int, int] = {}

    def objective(trial: Any, lr: float, epochs: float) -> Any:
        attempts[trial.number] = trial.attempt
        callback = TrialCallback(trial)
        module = fitted(callback, lr, epochs=int(epochs), schedule=schedule)
        batches[trial.number] = batches.get(trial.number, 0) + len(module.rates)
        return callback.value

    study = kilter.create_study(space=SPACE, scheduler="asha", seed=0, fidelity=Fidelity("epochs", 1, 4, 2))
    study.optimize(objective, n_trials=8, progress="none")
    paused = [t for t in study.trials if t.state is TrialState.COMPLETE and attempts[t.number] > 1]
    assert paused
    assert {batches[t.number] for t in paused} == {4 * 4}  # no epoch was done twice
    assert curve(paused[0]) == whole(paused[0].params["lr"], schedule, 4)


def test_the_trainer_stops_gently_where_the_trial_leaves() -> None:
    modules = []

    def objective(trial: Any, lr: float) -> Any:
        callback = TrialCallback(trial)
        modules.append(fitted(callback, lr))
        assert trial.has_left
        return None

    study = kilter.create_study(space=SPACE, scheduler=ThresholdScheduler(upper=0.0), seed=0)
    study.optimize(objective, n_trials=1, progress="none")
    (trial,) = study.trials
    assert trial.state is TrialState.PRUNED
    assert list(curve(trial)) == list(range(1, trial.last_step + 1))  # nothing from the check before the training
    assert trial.value == curve(trial)[trial.last_step]
    assert 0 < len(modules[0].rates) < 4 * EPOCHS


def test_an_unknown_name_is_answered_with_those_that_were_logged() -> None:
    callback = TrialCallback(kilter.create_study(space=SPACE, seed=0).ask(), "val_los")
    with pytest.raises(InvalidInput, match=r"'val_los' is not among what was logged: train_loss, val_loss, val_root"):
        fitted(callback, 0.05)


class Holder:
    """A trial as the callback sees it, that leaves after a step."""

    def __init__(self, directory: Path, last: int | None = None) -> None:
        self.checkpoint_dir = str(directory)
        self.last = last
        self.reports: dict[int, Any] = {}

    def report(self, value: Any, step: int) -> None:
        self.reports[step] = value

    def leaves(self) -> bool:
        return self.last in self.reports


def test_several_names_are_a_dict(tmp_path: Path) -> None:
    trial = Holder(tmp_path)
    callback = TrialCallback(trial, ["val_loss", "val_root"])  # type: ignore[arg-type]
    fitted(callback, 0.05, epochs=1)
    assert set(trial.reports[1]) == {"val_loss", "val_root"} == set(callback.value)  # type: ignore[arg-type]


def test_reports_come_with_validations_and_without_any_after_each_epoch(tmp_path: Path) -> None:
    trial = Holder(tmp_path / "a")
    fitted(TrialCallback(trial), 0.05, epochs=4, check_val_every_n_epoch=2)  # type: ignore[arg-type]
    assert list(trial.reports) == [2, 4]
    trial = Holder(tmp_path / "b")
    fitted(TrialCallback(trial, "train_loss"), 0.05, epochs=2, validates=False)  # type: ignore[arg-type]
    assert list(trial.reports) == [1, 2]


def test_a_copy_trains_with_its_own_learning_rate(tmp_path: Path) -> None:
    fitted(TrialCallback(Holder(tmp_path, 2)), 0.08)  # type: ignore[arg-type]
    module = fitted(TrialCallback(Holder(tmp_path)), 0.02, epochs=4)  # type: ignore[arg-type]
    assert module.rates == [0.02 * 0.25] * 4 + [0.02 * 0.125] * 4
    assert module.lr_schedulers().base_lrs == [0.02]


def test_a_damaged_checkpoint_is_warned_of_and_the_training_starts_anew(tmp_path: Path) -> None:
    fitted(TrialCallback(Holder(tmp_path, 1)), 0.05)  # type: ignore[arg-type]
    path = tmp_path / STATE
    assert [p.name for p in tmp_path.iterdir()] == [STATE]
    path.write_bytes(path.read_bytes()[:1000])
    trial = Holder(tmp_path)
    with pytest.warns(UserWarning, match="starts from the beginning"):
        fitted(TrialCallback(trial), 0.05, epochs=1)  # type: ignore[arg-type]
    assert list(trial.reports) == [1]


def test_a_checkpoint_that_is_not_handed_to_fit_is_warned_of(tmp_path: Path) -> None:
    fitted(TrialCallback(Holder(tmp_path, 1)), 0.05)  # type: ignore[arg-type]
    callback = TrialCallback(Holder(tmp_path))  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="ckpt_path=callback.ckpt_path"):
        fitted(callback, 0.05, epochs=1, goes_on=False)


def test_a_second_callback_of_a_trial_is_refused(tmp_path: Path) -> None:
    """As in a cross-validation: the second fold would go on with the weights of the first, and fit no more."""
    trial = Holder(tmp_path)
    TrialCallback(trial)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="has a TrialCallback already"):
        TrialCallback(trial)  # type: ignore[arg-type]


def test_ctrl_c_ends_the_study_and_the_trial_waits() -> None:
    study = kilter.create_study(space=SPACE, seed=0)

    def objective(trial: Any, lr: float) -> Any:
        callback = TrialCallback(trial)
        fitted(callback, lr, killed_in=1, by=KeyboardInterrupt)
        return callback.value

    before = signal.getsignal(signal.SIGINT)  # which ignores it where the tests run in the background of a script
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=1, progress="none")
    assert signal.getsignal(signal.SIGINT) is before
    (trial,) = study.trials
    assert (trial.state, list(curve(trial))) == (TrialState.WAITING, [1])


def test_a_trainer_that_starts_processes_of_its_own_is_refused(tmp_path: Path) -> None:
    callback = TrialCallback(Holder(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="Start the processes with torchrun"):
        fitted(callback, 0.05, strategy="ddp_spawn", devices=2)


def test_two_processes_fit_one_module(tmp_path: Path) -> None:
    """With torchrun's variables, the study on rank 0, paused at rungs; the import of Lightning is shared by a fork."""
    script = f"""
import importlib.util, os, sys
import kilter
from kilter.integrations.torch import gathered, optimize_distributed, torch

spec = importlib.util.spec_from_file_location("here", {__file__!r})
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
child = os.fork()
rank = 0 if child else 1
os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", GROUP_RANK="0")
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", TORCHELASTIC_RUN_ID="none")
torch.distributed.init_process_group("gloo", init_method="file://{tmp_path}/meeting", rank=rank, world_size=2)

def fit(trial, epochs):
    callback = here.TrialCallback(trial)
    here.fitted(callback, trial.params["lr"], epochs=epochs, strategy="ddp", devices=2)
    seen.append((trial.number, trial.attempt, callback.value))
    return callback.value

seen = []
fidelity = kilter.Fidelity("epochs", 1, 2, 2)
study = kilter.create_study(space=here.SPACE, scheduler="asha", seed=0, fidelity=fidelity) if rank == 0 else None
optimize_distributed(study, lambda trial: fit(trial, int(trial.budget["epochs"])), n_trials=4, progress="none")
everything = gathered(seen)
assert everything[0] == everything[1] != [], everything
again = kilter.create_study(space=here.SPACE, seed=0) if rank == 0 else None
if rank == 0:
    assert not [t for t in study.trials if t.state.name == "FAIL"], [t.failure for t in study.trials]
    resumed = {{number for number, attempt, _ in seen if attempt > 1}}
    trial = next(t for t in study.trials if t.state.name == "COMPLETE" and t.number in resumed)
    again.enqueue_trial(trial.params)
optimize_distributed(again, lambda trial: fit(trial, 2), n_trials=1, progress="none")
if rank == 0:
    assert here.curve(again.trials[0]) == here.curve(trial)
try:
    fit(kilter.create_study(space=here.SPACE, seed=0).ask(), 1)
except here.InvalidInput as error:
    assert "would run a study of its own" in str(error)
else:
    raise AssertionError("each process has a trial of its own")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    path = tmp_path / "script.py"
    path.write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(path)]
    run = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
