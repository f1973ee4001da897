"""PyTorch: a training that was interrupted ends as one that was not; several processes share a trial."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kilter
from kilter import Fidelity, Float, TrialState
from kilter.core.errors import InvalidInput
from kilter.schedulers import PBTScheduler, ThresholdScheduler

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[torch]'")

from kilter.integrations.torch import STATE, Checkpoint, DistributedTrial, optimize_distributed  # noqa: E402
from kilter.objective import checkpoint as states  # noqa: E402

torch.set_num_threads(1)
SPACE = {"lr": Float(0.01, 0.1, log=True)}
EPOCHS = 6
X = torch.linspace(-1, 1, 48).reshape(24, 2)
Y = X.sum(1, keepdim=True) ** 2


def training(trial: Any, *, epochs: float = EPOCHS, dies_after: int | None = None) -> Any:
    """A training in which everything is left to chance: shuffling, dropout, and noise from Python and NumPy."""
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - as scripts do
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), trial.params["lr"] if trial is not None else 0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    scaler = torch.amp.GradScaler("cpu")
    generator = torch.Generator().manual_seed(3)
    own = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), 6, shuffle=True, generator=generator)
    of_the_global_state = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), 8, shuffle=True)
    checkpoint = Checkpoint(
        trial, model=model, optimizer=optimizer, scheduler=scheduler, scaler=scaler, generator=generator
    )
    for epoch in checkpoint.epochs(epochs):
        losses = []
        for loader in (own, of_the_global_state):
            for x, y in loader:
                optimizer.zero_grad()
                noise = random.gauss(0, 0.1) + np.random.normal(0, 0.1)  # noqa: NPY002 - as scripts do
                loss = torch.nn.functional.mse_loss(model(x + noise), y)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                losses.append(loss.item())
        scheduler.step()
        checkpoint.report(sum(losses))
        if epoch == dies_after:
            raise KeyboardInterrupt
    return checkpoint.value


def curve(trial: Any) -> dict[int, float]:
    return dict(trial.intermediate_values)


@pytest.fixture(scope="module")
def uninterrupted() -> dict[int, float]:
    study = kilter.create_study(space=SPACE, seed=0)
    study.enqueue_trial({"lr": 0.05})
    study.optimize(training, n_trials=1, progress="none")
    assert sorted(curve(study.trials[0])) == [1, 2, 3, 4, 5, 6]
    return curve(study.trials[0])


@pytest.mark.parametrize("dies_after", [1, 3, 6])
def test_a_trial_that_was_broken_off_ends_the_same_to_the_last_digit(
    uninterrupted: dict[int, float], dies_after: int
) -> None:
    study = kilter.create_study(space=SPACE, seed=0)
    study.enqueue_trial({"lr": 0.05})
    begun: list[int] = []

    def objective(trial: Any) -> Any:
        begun.append(trial.attempt)
        return training(trial, dies_after=dies_after if trial.attempt == 1 else None)

    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=1, progress="none")
    study.optimize(objective, n_trials=1, progress="none")
    (trial,) = study.trials
    assert begun == [1, 2]
    assert curve(trial) == uninterrupted
    assert trial.value == uninterrupted[EPOCHS]


@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
def test_pauses_at_rungs_change_nothing(scheduler: str) -> None:
    """Under a fidelity a trial pauses at each rung; a training of all epochs at once ends the same."""
    attempts: dict[int, int] = {}

    def objective(trial: Any, epochs: float) -> Any:
        attempts[trial.number] = trial.attempt
        return training(trial, epochs=epochs)

    study = kilter.create_study(space=SPACE, scheduler=scheduler, seed=0, fidelity=Fidelity("epochs", 1, 9))
    study.optimize(objective, n_trials=20, progress="none")
    whole = [t for t in study.trials if t.state is TrialState.COMPLETE and attempts[t.number] > 1]
    assert whole
    again = kilter.create_study(space=SPACE, seed=0)
    again.enqueue_trial(whole[0].params)
    again.optimize(lambda trial: training(trial, epochs=9), n_trials=1, progress="none")
    assert curve(again.trials[0]) == curve(whole[0])


def test_the_loop_ends_where_the_trial_leaves() -> None:
    epochs: list[int] = []

    def objective(trial: Any) -> None:
        checkpoint = Checkpoint(trial)
        for epoch in checkpoint.epochs(10):
            epochs.append(epoch)
            assert checkpoint.report(5.0) is (epoch == 3)

    study = kilter.create_study(space=SPACE, scheduler=ThresholdScheduler(upper=4.0, grace=2), seed=0)
    study.optimize(objective, n_trials=1, progress="none")
    assert (study.trials[0].state, study.trials[0].value, epochs) == (TrialState.PRUNED, 5.0, [1, 2, 3])


def test_a_copy_trains_with_its_own_learning_rate() -> None:
    """In a population the state is the parent's and the learning rate the fork's, in optimizer and scheduler."""
    seen: list[tuple[float, float, float, int]] = []

    def objective(trial: Any) -> Any:
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), trial.params["lr"], momentum=0.9)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        checkpoint = Checkpoint(trial, model=model, optimizer=optimizer, scheduler=scheduler)
        for epoch in checkpoint.epochs(4):
            now = optimizer.param_groups[0]["lr"]
            assert now == pytest.approx(trial.params["lr"] * 0.5 ** (epoch - 1), rel=1e-12)
            assert scheduler.get_last_lr() == [now]
            assert scheduler.base_lrs == [trial.params["lr"]]
            if epoch > 1:
                assert optimizer.state_dict()["state"][0]["momentum_buffer"] is not None
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(X), Y).backward()
            optimizer.step()
            scheduler.step()
            seen.append((trial.params["lr"], now, scheduler.base_lrs[0], epoch))
            checkpoint.report(trial.params["lr"])
        return checkpoint.value

    study = kilter.create_study(
        space=SPACE, scheduler=PBTScheduler(population=4, interval=1, last_step=4, quantile=0.25), seed=0
    )
    study.optimize(objective, progress="none")
    forks = [t for t in study.trials if t.parent is not None]
    assert forks
    assert not [t for t in study.trials if t.state is TrialState.FAIL]
    assert any(t.params["lr"] != study.trials[t.parent].params["lr"] for t in forks)


class Holder:
    """A trial as Checkpoint sees it, with a directory and nobody who judges."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.checkpoint_dir = str(directory)
        self.has_left = False
        self.reports: list[tuple[Any, int]] = []

    def report(self, value: Any, step: int) -> None:
        self.reports.append((value, step))

    def leaves(self) -> bool:
        return False


def construct(lr: float, gamma: float = 0.1, decay: float = 0.0) -> tuple[Any, Any, Any]:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=decay, betas=(0.9, 0.99))
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma)


def advanced(parts: tuple[Any, Any, Any], trial: Any) -> None:
    model, optimizer, scheduler = parts
    checkpoint = Checkpoint(trial, model=model, optimizer=optimizer, scheduler=scheduler)
    for _ in checkpoint.epochs(checkpoint.epoch + 1):
        model(X).sum().backward()
        optimizer.step()
        scheduler.step()
        checkpoint.report(1.0)


def test_every_option_of_now_wins_over_that_of_then(tmp_path: Path) -> None:
    advanced(construct(0.1, 0.5, 0.01), Holder(tmp_path))
    model, optimizer, scheduler = construct(0.4, 0.25, 0.02)
    Checkpoint(Holder(tmp_path), model=model, optimizer=optimizer, scheduler=scheduler)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["initial_lr"], group["weight_decay"], group["betas"]) == (0.2, 0.4, 0.02, (0.9, 0.99))
    assert (scheduler.gamma, scheduler.base_lrs, scheduler.last_epoch, scheduler.get_last_lr()) == (
        0.25,
        [0.4],
        1,
        [0.2],
    )
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_options_that_did_not_change_are_those_of_the_checkpoint_even_where_the_loop_set_them(tmp_path: Path) -> None:
    parts = construct(0.1)
    parts[1].param_groups[0]["weight_decay"] = 0.3  # constructed so, as far as Checkpoint knows
    checkpoint = Checkpoint(Holder(tmp_path), model=parts[0], optimizer=parts[1])
    for _ in checkpoint.epochs(1):
        parts[1].param_groups[0]["lr"] = 0.07  # by hand, as in a schedule of one's own
        checkpoint.report(1.0)
    model, optimizer, _ = construct(0.1, decay=0.3)
    Checkpoint(Holder(tmp_path), model=model, optimizer=optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.07


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=12),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=2), torch.optim.lr_scheduler.ExponentialLR(o, 0.5)],
            milestones=[2],
        ),
    ],
    ids=["cosine", "plateau", "lambda", "one cycle", "warm restarts", "sequential"],
)
def test_every_schedule_goes_on_where_it_stood(tmp_path: Path, make: Any) -> None:
    def rates(trial: Any, epochs: int) -> list[float]:
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        scheduler = make(optimizer)
        checkpoint = Checkpoint(trial, model=model, optimizer=optimizer, scheduler=scheduler)
        seen = []
        for _ in checkpoint.epochs(epochs):
            optimizer.step()
            plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
            scheduler.step(*([1.0] if plateau else []))
            seen.append(optimizer.param_groups[0]["lr"])
            checkpoint.report(1.0)
        return seen

    whole = rates(None, 12)
    assert rates(Holder(tmp_path), 5) + rates(Holder(tmp_path), 12) == whole


def test_a_copy_has_milestones_and_a_warm_up_of_its_own(tmp_path: Path) -> None:
    def rates(trial: Any, epochs: int, lr: float, milestone: int) -> list[float]:
        optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr)
        steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, [milestone], 0.5)
        from_zero = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr)
        warm_up = torch.optim.lr_scheduler.LambdaLR(from_zero, lambda epoch: min(epoch / 4, 1.0))
        checkpoint = Checkpoint(trial, a=optimizer, b=steps, c=from_zero, d=warm_up)
        seen = []
        for _ in checkpoint.epochs(epochs):
            seen += [optimizer.param_groups[0]["lr"], from_zero.param_groups[0]["lr"]]
            for part in (optimizer, steps, from_zero, warm_up):
                part.step()
            checkpoint.report(1.0)
        return seen

    rates(Holder(tmp_path), 2, 0.1, 3)
    assert rates(Holder(tmp_path), 6, 0.4, 5) == pytest.approx(rates(None, 6, 0.4, 5)[4:])


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_a_damaged_file_is_warned_of_and_the_training_starts_anew(tmp_path: Path, damage: str) -> None:
    parts = construct(0.1)
    advanced(parts, Holder(tmp_path))
    path = tmp_path / STATE
    content = bytearray(path.read_bytes())
    if damage == "flipped":  # in a weight, where PyTorch does not notice it
        content[content.index(parts[0].weight.detach().numpy().tobytes())] ^= 0xFF
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"nothing", "empty": b""}.get(damage, content))
    model, optimizer, scheduler = construct(0.1)
    before = [p.clone() for p in model.parameters()]
    with pytest.warns(UserWarning, match="starts from the beginning"):
        checkpoint = Checkpoint(Holder(tmp_path), model=model, optimizer=optimizer, scheduler=scheduler)
    assert (checkpoint.epoch, checkpoint.value) == (0, None)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"format": 1, "epoch": 1, "evil": Evil()}, tmp_path / STATE)
    with pytest.warns(UserWarning, match="cannot be read"):
        Checkpoint(Holder(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_only_the_finished_file_stays(tmp_path: Path) -> None:
    advanced(construct(0.1), Holder(tmp_path))
    advanced(construct(0.1), Holder(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == [STATE]


class Stateful:
    """A part with any state."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state["state"]


@pytest.mark.parametrize("state", [Path(), lambda: None, np.zeros(2)], ids=["object", "function", "array"])
def test_a_state_that_could_not_be_read_back_is_refused_when_it_is_kept(tmp_path: Path, state: Any) -> None:
    checkpoint = Checkpoint(Holder(tmp_path), good=Stateful(1), bad=Stateful(state))
    next(checkpoint.epochs(1))
    with pytest.raises(InvalidInput, match="the state of bad cannot be read back"):
        checkpoint.report(1.0)
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_fit_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Checkpoint\(lr=float\)"):
        Checkpoint(Holder(tmp_path), lr=0.1)
    advanced(construct(0.1), Holder(tmp_path))
    with pytest.raises(InvalidInput, match="holds model, optimizer, scheduler, but Checkpoint was given model"):
        Checkpoint(Holder(tmp_path), model=construct(0.1)[0])
    _, optimizer, scheduler = construct(0.1)
    with pytest.raises(InvalidInput, match="does not fit model=Linear"):
        Checkpoint(Holder(tmp_path), model=torch.nn.Linear(3, 1), optimizer=optimizer, scheduler=scheduler)


def test_what_has_no_state_is_no_part() -> None:
    with pytest.raises(InvalidInput, match="model=the class Linear"):
        Checkpoint(None, model=torch.nn.Linear)


def test_a_second_checkpoint_of_a_trial_is_refused(tmp_path: Path) -> None:
    """As in a cross-validation: the model of the second fold would have the weights of the first, and train no more."""
    trial = Holder(tmp_path)
    advanced(construct(0.1), trial)
    with pytest.raises(InvalidInput, match="has a Checkpoint already"):
        advanced(construct(0.1), trial)


def test_phases_go_on_exactly_whatever_is_drawn_between_them(tmp_path: Path) -> None:
    def losses(trial: Any, epochs: int) -> list[float]:
        torch.manual_seed(0)
        checkpoint = Checkpoint(trial)
        seen: list[float] = []
        for last in (2, 4):
            for epoch in checkpoint.epochs(min(last, epochs)):
                seen.append(torch.rand(1).item())
                checkpoint.report(epoch)
            torch.rand(1)  # a new head, say
        return seen

    whole = losses(None, 4)
    for done in (1, 2, 3):
        assert losses(Holder(tmp_path / str(done)), done) + losses(Holder(tmp_path / str(done)), 4) == whole


def test_where_the_disk_is_full_the_file_before_stays(tmp_path: Path) -> None:
    model = torch.nn.Linear(300, 300)
    checkpoint = Checkpoint(Holder(tmp_path), model=model)
    epochs = checkpoint.epochs(2)
    next(epochs)
    checkpoint.report(1.0)
    next(epochs)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError, match=r"is the disk full\?"):
            checkpoint.report(2.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == [STATE]
    assert Checkpoint(Holder(tmp_path), model=model).epoch == 1


def test_without_a_trial_nothing_is_kept_and_the_loop_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[int, float]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert training(None) == uninterrupted[EPOCHS]
    assert list(tmp_path.iterdir()) == []


def test_metrics_by_name(tmp_path: Path) -> None:
    checkpoint = Checkpoint(Holder(tmp_path))
    for _ in checkpoint.epochs(1):
        checkpoint.report({"loss": torch.tensor(0.5), "size": 3})
    assert Checkpoint(Holder(tmp_path)).value == {"loss": 0.5, "size": 3.0}


# -- several processes ------------------------------------------------------------------------------------------------


def test_distributed_needs_a_group() -> None:
    for act in (lambda: DistributedTrial(None), lambda: optimize_distributed(None, lambda trial: 0.0)):
        with pytest.raises(InvalidInput, match="init_process_group on every rank first"):
            act()


WORKER = """
import contextlib, datetime, io, itertools, sys
import torch, torch.distributed as dist
import kilter
from kilter.integrations.torch import Checkpoint, optimize_distributed

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
store = dist.TCPStore("127.0.0.1", int(sys.argv[1]), timeout=datetime.timedelta(hours=1))
for task in itertools.count():
    script = store.get(str(task)).decode()
    if not script:
        break
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(script, dict(globals()))
        dist.barrier()
    store.set(f"{task} of {rank}", said.getvalue() + "end")
dist.destroy_process_group()
"""


class Ranks:
    """Two processes under torchrun that run one script after the other."""

    def __init__(self, directory: Path) -> None:
        self._tasks = 0
        self._store = torch.distributed.TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=1)
        )
        (directory / "worker.py").write_text(WORKER)
        self._log = directory / "log"
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*torchrun, str(directory / "worker.py"), str(self._store.port)],
                cwd=directory,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )

    def run(self, script: str) -> list[str]:
        """What each rank printed; fails where one of them did or hangs."""
        self._store.set(str(self._tasks), script)
        keys = [f"{self._tasks} of {rank}" for rank in range(2)]
        self._tasks += 1
        latest = time.monotonic() + 300  # seconds: a machine under load may take its time to start processes
        while True:
            try:
                self._store.wait(keys)
            except torch.distributed.DistStoreError:
                if self._process.poll() is not None or time.monotonic() > latest:
                    pytest.fail(self._log.read_text()[-5000:])
                continue
            return [self._store.get(key).decode().removesuffix("end") for key in keys]

    def close(self) -> None:
        """End the processes, which must not have failed by then."""
        self._store.set(str(self._tasks), "")
        try:
            status = self._process.wait(60)
        finally:
            self._process.kill()
        assert status == 0, self._log.read_text()[-5000:]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    started = Ranks(tmp_path_factory.mktemp("ranks"))
    yield started
    started.close()


def test_ranks_train_one_model_and_a_resumption_is_exact(ranks: Ranks) -> None:
    """DistributedDataParallel, with random states of each rank's own, paused at rungs and run through at once."""
    script = """
X = torch.linspace(-1, 1, 64).reshape(32, 2)
Y = X.sum(1, keepdim=True) ** 2

def objective(trial):
    torch.manual_seed(rank)
    lr = trial.suggest_float("lr", 0.01, 0.1, log=True)
    model = torch.nn.parallel.DistributedDataParallel(
        torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9)
    shuffle = torch.Generator().manual_seed(rank)
    checkpoint = Checkpoint(trial, model=model, optimizer=optimizer, shuffle=shuffle)
    assert trial.params == {"lr": lr}
    for epoch in checkpoint.epochs(trial.budget.get("epochs", 9)):
        total = torch.zeros(1)
        for rows in torch.randperm(32, generator=shuffle).split(16):
            optimizer.zero_grad()
            loss = ((model(X[rows][rank::2]) - Y[rows][rank::2]) ** 2).mean()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        dist.all_reduce(total)
        checkpoint.report(total.item())
    seen.append((trial.number, trial.attempt, lr, checkpoint.value))
    return checkpoint.value

seen = []
fidelity = kilter.Fidelity("epochs", 1, 9)
study = kilter.create_study(scheduler="asha", fidelity=fidelity, seed=0) if rank == 0 else None
optimize_distributed(study, objective, n_trials=12, progress="none")
print(seen)
again = kilter.create_study(seed=0) if rank == 0 else None
if rank == 0:
    whole = [t for t in study.trials if t.state.name == "COMPLETE"]
    resumed = {number for number, attempt, _, _ in seen if attempt > 1}
    whole = [t for t in whole if t.number in resumed]
    assert whole and not [t for t in study.trials if t.state.name == "FAIL"], study.trials
    again.enqueue_trial(whole[0].params)
optimize_distributed(again, objective, n_trials=1, progress="none")
if rank == 0:
    assert dict(again.trials[0].intermediate_values) == dict(whole[0].intermediate_values)
"""
    first, second = ranks.run(script)
    assert first == second
    assert len(eval(first)) >= 12


def test_a_failure_of_any_rank_is_a_failed_trial_and_the_study_goes_on(ranks: Ranks) -> None:
    script = """
class Odd(Exception):
    def __init__(self, a, b):  # cannot be unpickled
        super().__init__(a)

class Panic(BaseException):
    pass

def objective(trial):
    trial.suggest_float("x", 0, 1)
    whats = [0, 1, "odd", "both", "asks", "pruned", "swallowed", "exit", "panic"]
    what = dict(enumerate(whats)).get(trial.number)
    try:
        if what == rank:
            raise ValueError(f"here {rank}")
        if what == "odd" and rank == 1:
            raise Odd("odd", 2)
        if what == "both":
            raise ValueError(f"both {rank}")
        if what == "asks":
            trial.on_rank_zero(lambda: 1 // 0)
        if what == "panic" and rank == 1:
            raise Panic("in foreign code")
        if what == "pruned" and rank == 1:
            raise kilter.TrialPruned
        if what == "swallowed" and rank == 1:
            raise ValueError("swallowed")
        if what == "exit" and rank == 1:
            sys.exit("bad arguments")
        trial.report(0.5, 2)
    except ValueError:
        if what != "swallowed" or rank == 1:
            raise
    return 1.0

study = kilter.create_study(seed=0) if rank == 0 else None
optimize_distributed(study, objective, n_trials=10, progress="none")
if rank == 0:
    for trial in study.trials:
        print(trial.state.name, trial.failure.message if trial.failure else "-")
    assert "raised on rank 1" in study.trials[1].failure.traceback
    assert "both 1" in study.trials[3].failure.traceback
try:
    optimize_distributed(study, objective, n_trials=1, n_jobs=2)
except kilter.core.errors.InvalidInput as error:
    assert "n_jobs=2" in str(error)
else:
    assert rank == 1, "settings of rank 0 count"
"""
    first, _ = ranks.run(script)
    states = [line.split(" ", 1) for line in first.splitlines()]
    assert [state for state, _ in states] == ["FAIL"] * 5 + ["PRUNED", *["FAIL"] * 3, "COMPLETE"]
    said = [text for _, text in states]
    assert said[:4] == ["here 0", "here 1", "Odd: odd", "both 0"]
    assert "by zero" in said[4]
    assert said[6] == "swallowed"
    assert "bad arguments" in said[7]
    assert "in foreign code" in said[8]


def test_what_kilter_was_used_wrongly_for_on_one_rank_is_raised_on_all(ranks: Ranks) -> None:
    script = """
def reports(trial):
    trial.report("no number" if rank == 0 else 1.0, 1)

def returns(trial):
    if rank == 0:
        trial.report(1.0, 1)
    return 1.0

def suggests(trial):
    trial.suggest("activation", kilter.Choice({"none": lambda: None}))

study = kilter.create_study(seed=0) if rank == 0 else None
for objective in (reports, returns, suggests):
    try:
        optimize_distributed(study, objective, n_trials=1, progress="none")
    except kilter.core.errors.InvalidInput as error:
        print(str(error).replace("\\n", " "))
"""
    for told in ranks.run(script):
        number, calls, objects = told.splitlines()
        assert "must be a number" in number
        assert "rank 1 has returned" in calls
        assert "cannot be sent to the other ranks" in objects


def test_a_trial_that_is_over_for_the_clock_leaves_with_all_ranks(ranks: Ranks) -> None:
    script = """
def objective(trial):
    total = torch.zeros(1)
    for step in range(10**9):
        dist.all_reduce(total)
        trial.report(1.0, step)
        if trial.leaves():
            break
    return 1.0

study = kilter.create_study(seed=0) if rank == 0 else None
optimize_distributed(study, objective, timeout=0.5, progress="none")
dist.barrier()
print("through")
"""
    assert ranks.run(script) == ["through\n"] * 2


def test_what_ends_the_study_is_raised_on_all_ranks(ranks: Ranks) -> None:
    script = """
def objective(trial):
    raise ValueError("always")

study = kilter.create_study(seed=0) if rank == 0 else None
for settings in ({"n_trials": 3, "catch": ()}, {"n_trials": 30}):
    try:
        optimize_distributed(study, objective, progress="none", **settings)
    except Exception as error:
        print(type(error).__name__)
"""
    assert ranks.run(script) == ["ValueError\nStudyAborted\n"] * 2


def test_where_a_rank_is_lost_the_others_are_told_and_its_trial_waits_and_goes_on(tmp_path: Path) -> None:
    script = f"""
import os, signal
import kilter
from kilter.integrations.torch import Checkpoint, optimize_distributed, torch

study = kilter.create_study(seed=0)
rank = 1 if os.fork() == 0 else 0
torch.distributed.init_process_group("gloo", init_method="file://{tmp_path}/meeting", rank=rank, world_size=2)
begun = []

def objective(trial):
    trial.suggest_float("x", 0, 1)
    checkpoint = Checkpoint(trial)
    for epoch in checkpoint.epochs(3):
        begun.append((trial.number, trial.attempt, epoch))
        if begun[-1] == (1, 1, 3) and rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            checkpoint.report(epoch)
        except Exception:  # as objectives do
            pass
    return checkpoint.value

try:
    optimize_distributed(study, objective, n_trials=4, progress="none")
except ConnectionError as error:
    print(error)
assert [trial.state.name for trial in study.trials] == ["COMPLETE", "WAITING"], study.trials
study.optimize(objective, n_trials=1, progress="none")
assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"], study.trials
print(begun[3:])
"""
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "script.py")]
    run = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    said, begun = run.stdout.splitlines()
    assert "waits to go on" in said
    assert eval(begun) == [(1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 2, 3)]


# -- what trial.save takes --------------------------------------------------------------------------------------------

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e5m2",
]


def is_same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and bool(torch.all((a == b) | (a != a)))
    if isinstance(a, dict):
        return list(a) == list(b) and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(is_same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("of", [torch.optim.Adam, torch.optim.SGD, torch.optim.LBFGS])
def test_state_dicts_are_kept_by_trial_save(of: Any, tmp_path: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimizer = of(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])

    def step() -> Any:
        optimizer.zero_grad()
        loss = (model(X) - Y).square().mean()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(step)
        schedule.step()
    state = {"net": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    states.save(str(tmp_path), state)
    kept = states.load(str(tmp_path))
    assert is_same(kept["net"], state["net"]) and kept["net"]._metadata == state["net"]._metadata
    assert is_same(kept["optimizer"], state["optimizer"])
    other = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    other.load_state_dict(kept["net"])
    optimizer.load_state_dict(kept["optimizer"])
    schedule.load_state_dict(kept["schedule"])
    assert torch.equal(other.eval()(X), model.eval()(X))


def test_an_objective_that_saves_a_state_dict_goes_on_with_it() -> None:
    def objective(trial: Any) -> float:
        net = torch.nn.Linear(1, 1)
        kept = trial.load()
        if kept:
            net.load_state_dict(kept["net"])
        trial.save({"net": net.state_dict(), "epoch": 1})
        return trial.suggest_float("x", 0, 1)

    study = kilter.create_study(seed=0)
    study.optimize(objective, n_trials=2, progress="none")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 2), (3, 2)], ids=str)
def test_tensors_come_back_to_the_bit(dtype: str, shape: Any, tmp_path: Any) -> None:
    tensor = torch.ones(shape).to(getattr(torch, dtype))
    states.save(str(tmp_path), tensor)
    kept = states.load(str(tmp_path))
    assert (kept.dtype, kept.shape) == (tensor.dtype, tensor.shape)
    bits = [each.flatten().view(torch.uint8).tolist() for each in (kept, tensor)]
    assert bits[0] == bits[1]


def test_a_view_is_kept_as_what_it_shows(tmp_path: Any) -> None:
    large = torch.arange(1_000_000.0)
    state = [large[:3], large.reshape(1000, 1000)[::500, ::500].T, large[:4].to(torch.bfloat16).requires_grad_()]
    states.save(str(tmp_path), state)
    assert (tmp_path / states.FILE).stat().st_size < 10_000
    kept = states.load(str(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(kept, state))
    assert not any(tensor.requires_grad for tensor in kept)


@pytest.mark.parametrize("tensor", [torch.eye(2).to_sparse(), torch.empty(2, device="meta")], ids=["sparse", "meta"])
def test_a_tensor_that_is_not_dense_is_refused_with_its_place(tensor: Any, tmp_path: Any) -> None:
    with pytest.raises(InvalidInput, match=r"state\['net'\] is a tensor that is not dense"):
        states.save(str(tmp_path), {"net": tensor})


def test_without_pytorch_tensors_come_back_as_arrays(tmp_path: Any) -> None:
    states.save(str(tmp_path), {"weight": torch.arange(3.0)})
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from kilter.objective.checkpoint import load\n"
        f"print(load({str(tmp_path)!r})['weight'].tolist())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[0.0, 1.0, 2.0]"
