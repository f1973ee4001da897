"""kilter in Hugging Face's Trainer: it reports, leaves gently, and goes on exactly where it stood."""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput
from kilter.core.events import Report
from kilter.core.interfaces import Task
from kilter.objective.attempt import Attempt
from kilter.objective.trial import Trial, attempt_of

transformers = pytest.importorskip("transformers", reason="pip install '.[transformers]'")
torch = pytest.importorskip("torch", reason="pip install '.[transformers]'")
pytest.importorskip("accelerate", reason="pip install '.[transformers]'")

from kilter.integrations.transformers import TrialCallback, last_checkpoint, tune_trainer  # noqa: E402

ROWS, BATCH = 24, 8
PER_EPOCH = ROWS // BATCH


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    torch.set_num_threads(threads)


@functools.cache
def rows() -> list[dict[str, Any]]:
    """Sequences whose first token says the class."""
    tokens = torch.randint(4, 30, (ROWS, 6), generator=torch.Generator().manual_seed(0))
    return [{"input_ids": row, "attention_mask": torch.ones_like(row), "labels": row[0] % 2} for row in tokens]


def network(dropout: float = 0.1) -> Any:
    """A BERT of two small layers with random weights."""
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=8, hidden_dropout_prob=dropout,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def arguments(directory: Any, **changes: Any) -> Any:
    settings = {
        "eval_strategy": "epoch", "save_strategy": "epoch", "logging_strategy": "steps", "logging_steps": 1,
        "num_train_epochs": 3, "per_device_train_batch_size": BATCH, "learning_rate": 1e-3, "report_to": "none",
        "disable_tqdm": True, "use_cpu": True, "seed": 7,
    }  # fmt: skip
    return transformers.TrainingArguments(str(directory), **{**settings, **changes})


def make_trainer(args: Any, dropout: float = 0.1) -> Any:
    return transformers.Trainer(
        network(dropout), args, train_dataset=rows(), eval_dataset=rows(), compute_metrics=accuracy
    )


class Sent(Trial):
    """A trial of a study with one objective that keeps what it reports; `verdict` is what its scheduler says."""

    def __init__(self, task: Task, verdict: Callable[[], Verdict]) -> None:
        line = Asked(verdict)
        self.reports = line.reports
        super().__init__(Attempt(task, line))


class Asked:
    """A line to a scheduler that is a function, and keeps what was reported."""

    def __init__(self, verdict: Callable[[], Verdict]) -> None:
        self.reports: dict[int, dict[str, float]] = {}
        self.verdict = verdict

    def report(self, reports: tuple[Report, ...]) -> None:
        self.reports.update((report.step, report.metrics) for report in reports)

    def ask(self, reports: tuple[Report, ...]) -> Verdict:
        self.report(reports)
        return self.verdict()


def a_trial(directory: Path, verdict: Callable[[], Verdict] = lambda: Verdict.CONTINUE, **budget: float) -> Sent:
    names = [kilter.Fidelity(name, 1, 9) for name in budget]
    problem = kilter.create_study(directions={"accuracy": "maximize"}, fidelity=names or None).problem
    task = Task(0, 1, {}, problem, 0, str(directory), True, budget=budget or None)
    return Sent(task, verdict)


def trained(trial: Trial, directory: Any, metric: Any = "accuracy", **changes: Any) -> Any:
    """A trainer that has trained in the directory, from the last checkpoint of the trial on."""
    transformers.set_seed(7)
    trainer = make_trainer(arguments(directory, **changes))
    trainer.add_callback(TrialCallback(trial, metric))
    trainer.train(resume_from_checkpoint=last_checkpoint(trial))
    return trainer


def losses(trainer: Any) -> dict[int, float]:
    return {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}


def rates(trainer: Any) -> list[float]:
    return [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]


def test_each_evaluation_is_reported_by_epoch(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trainer = trained(trial, tmp_path)
    evaluated = [entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry]
    assert trial.reports == {epoch: {"accuracy": value} for epoch, value in enumerate(evaluated, 1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a step reported twice
        trainer.evaluate()  # is no part of the training


@pytest.mark.parametrize("metric", ["accuracy", "eval_accuracy"])
def test_steps_are_reported_by_step(tmp_path: Path, metric: str) -> None:
    trial = a_trial(tmp_path)
    trained(trial, tmp_path, metric, eval_strategy="steps", eval_steps=2, save_strategy="no", max_steps=4)
    assert list(trial.reports) == [2, 4]


@pytest.mark.parametrize("metrics", [["known_accuracy", "eval_new_loss"], ["known_loss"], ["new_loss"]])
def test_several_metrics_and_several_data_sets(tmp_path: Path, metrics: list[str]) -> None:
    trial = a_trial(tmp_path)
    transformers.set_seed(7)
    trainer = make_trainer(arguments(tmp_path, save_strategy="no", num_train_epochs=2))
    trainer.eval_dataset = {"known": rows(), "new": rows()[:4]}
    trainer.add_callback(TrialCallback(trial, metrics))
    trainer.train()
    assert {step: list(reported) for step, reported in trial.reports.items()} == {1: metrics, 2: metrics}


def test_an_unknown_metric_is_said_after_the_first_evaluation_with_those_that_there_are(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    with pytest.raises(InvalidInput, match=r"'acuracy': did you mean 'accuracy'\? Known: .*loss"):
        trained(trial, tmp_path, "acuracy")
    assert (Path(last_checkpoint(trial) or "").name) == f"checkpoint-{PER_EPOCH}"  # and no training after it


@pytest.mark.parametrize("save_strategy", ["epoch", "no"])
def test_it_asks_after_it_has_saved_and_the_model_survives(tmp_path: Path, save_strategy: str) -> None:
    saved_when_asked = []

    def verdict() -> Verdict:
        saved_when_asked.append((tmp_path / f"checkpoint-{PER_EPOCH}" / "trainer_state.json").exists())
        return Verdict.STOP

    trial = a_trial(tmp_path, verdict)
    trainer = trained(trial, tmp_path, save_strategy=save_strategy)
    assert trial.has_left
    assert trainer.state.global_step == PER_EPOCH
    assert saved_when_asked[-1] is (save_strategy == "epoch")
    assert 0 <= trainer.evaluate()["eval_accuracy"] <= 1


RHYTHMS = {
    "epochs": {},
    "in the midst of an epoch": {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2},
    "saved more rarely": {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 4},
}


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_paused_and_resumed_is_as_good_as_never_interrupted(tmp_path: Path, rhythm: str) -> None:
    whole = trained(a_trial(tmp_path / "whole"), tmp_path / "whole", **RHYTHMS[rhythm])
    pausing = a_trial(tmp_path / "parts", lambda: Verdict.PAUSE)
    parts, attempts = {}, 0
    while True:
        attempts += 1
        trial = pausing if attempts < 3 else a_trial(tmp_path / "parts")
        pausing = a_trial(tmp_path / "parts", lambda: Verdict.PAUSE)
        trainer = trained(trial, tmp_path / "parts", **RHYTHMS[rhythm])
        parts.update(losses(trainer))
        if not trial.has_left:
            break
        assert Path(last_checkpoint(trial) or "").name == f"checkpoint-{trainer.state.global_step}"
    assert attempts == 3
    assert parts == losses(whole)
    ours, theirs = trainer.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    assert last_checkpoint(trial) is None
    trained(trial, tmp_path, num_train_epochs=1)
    (tmp_path / "checkpoint-9").mkdir()
    assert last_checkpoint(trial) == str(tmp_path / f"checkpoint-{PER_EPOCH}")


def test_it_stops_at_its_budget_and_goes_on_to_the_next(tmp_path: Path) -> None:
    whole = trained(a_trial(tmp_path / "whole"), tmp_path / "whole")
    first = trained(a_trial(tmp_path, num_train_epochs=1), tmp_path)
    rest = trained(a_trial(tmp_path, num_train_epochs=3), tmp_path)
    assert (first.state.global_step, rest.state.global_step) == (PER_EPOCH, 3 * PER_EPOCH)
    assert losses(rest) == losses(whole)


def test_a_model_without_its_optimizer_is_none_to_go_on_from(tmp_path: Path) -> None:
    trained(a_trial(tmp_path, lambda: Verdict.PAUSE), tmp_path, save_only_model=True)
    with pytest.raises(InvalidInput, match=f"step {PER_EPOCH} has no optimizer"):
        trained(a_trial(tmp_path), tmp_path, save_only_model=True)


def test_a_budget_that_the_rhythm_does_not_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="max_steps by 'steps'"):
        trained(a_trial(tmp_path, max_steps=3), tmp_path)


def test_a_fork_goes_on_at_its_own_learning_rate(tmp_path: Path) -> None:
    trained(a_trial(tmp_path, lambda: Verdict.PAUSE), tmp_path, learning_rate=1e-3, weight_decay=0.1)
    fork = a_trial(tmp_path)  # its folder begins with what the parent left
    attempt_of(fork).task = dataclasses.replace(attempt_of(fork).task, parent=0)
    trainer = trained(fork, tmp_path, learning_rate=5e-3, weight_decay=0.2)
    other = trained(a_trial(tmp_path / "other"), tmp_path / "other", learning_rate=5e-3)
    assert rates(trainer)[PER_EPOCH:] == pytest.approx(rates(other)[PER_EPOCH:])
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [0.2, 0.0]


RANKS = """
import sys
import torch
import kilter
from kilter.integrations.torch import optimize_distributed
from test_transformers import trained, transformers

def objective(trial):
    trainer = trained(trial, trial.checkpoint_dir, per_device_train_batch_size=4)
    said = f"trained {torch.distributed.get_rank()} {trial.number} {trainer.state.global_step}\\n"
    sys.stdout.write(said)  # at once: ranks write without a buffer, and print would let the other one in between
    return trainer.evaluate()["eval_accuracy"]

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
torch.distributed.init_process_group("gloo")
study = None
if torch.distributed.get_rank() == 0:
    budget = kilter.Fidelity("num_train_epochs", 1, 3)
    study = kilter.create_study(directions={"accuracy": "maximize"}, fidelity=budget, seed=0)
optimize_distributed(study, objective, n_trials=3, progress="none")
if study is not None:
    print("failures", [trial.failure for trial in study.trials if trial.failure])
    print("steps", sorted(trial.last_step for trial in study.trials))
"""


@pytest.mark.skipif(
    int(transformers.__version__.split(".")[0]) < 5,
    reason="transformers 4 cannot read a checkpoint back on several processes without a GPU",
)
def test_all_processes_leave_together(tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(RANKS, encoding="utf-8")
    places = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "ranks.py"]
    run = subprocess.run(
        command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "failures []" in run.stdout
    assert "steps [1, 1, 3]" in run.stdout  # the best of three goes on, on both ranks
    for rank in (0, 1):
        assert f"trained {rank} 0 {PER_EPOCH}" in run.stdout


# -- tune_trainer -----------------------------------------------------------------------------------------------------

WARMUP = "warmup_ratio" if transformers.__version__.startswith("4.") else "warmup_steps"
"""The share of the steps that warm up; its default may be written as a whole number."""

SPACE = {
    "learning_rate": kilter.Float(1e-4, 1e-1, log=True),
    "per_device_train_batch_size": kilter.Ordinal([4, 8]),
    "lr_scheduler_type": kilter.Choice(["linear", "cosine"]),
    "dropout": kilter.Float(0.0, 0.5),
    WARMUP: kilter.Float(0.0, 0.5),
}
QUIET: dict[str, Any] = {"storage": None, "progress": "none"}


def test_tune_trainer_sets_arguments_and_hands_on_the_rest(tmp_path: Path) -> None:
    seen = []

    def factory(args: Any, dropout: float) -> Any:
        seen.append((args, dropout))
        return make_trainer(args, dropout)

    args = arguments(tmp_path, num_train_epochs=1, save_strategy="epoch")
    before = args.to_dict()
    study = tune_trainer(factory, args, SPACE, maximize="accuracy", n_trials=3, **QUIET)
    for trial, (used, dropout) in zip(study.trials, seen):
        assert trial.state is kilter.TrialState.COMPLETE, trial.failure
        assert (used.learning_rate, dropout) == (trial.params["learning_rate"], trial.params["dropout"])
        assert used.train_batch_size == trial.params["per_device_train_batch_size"]
        assert used.lr_scheduler_type == trial.params["lr_scheduler_type"]
        assert getattr(used, WARMUP) == trial.params[WARMUP]
        assert trial.intermediate_values == {1: trial.value}
    assert args.to_dict() == before  # the user's stay as they are
    assert not list(tmp_path.iterdir())
    kept = transformers.BertForSequenceClassification.from_pretrained(study.best_trial.user_attrs["checkpoint"])
    args = arguments(tmp_path)
    again = transformers.Trainer(kept, args, eval_dataset=rows(), compute_metrics=accuracy).evaluate()
    assert again["eval_accuracy"] == study.best_value


@pytest.mark.parametrize("changes", [{}, {"save_only_model": True}, {"save_strategy": "no"}])
def test_tune_trainer_spends_a_budget_of_epochs(tmp_path: Path, changes: dict[str, Any]) -> None:
    space = {"learning_rate": kilter.Float(1e-5, 1e-1, log=True)}
    study = tune_trainer(
        make_trainer, arguments(tmp_path, **changes), space, minimize="loss",
        fidelity=kilter.Fidelity("num_train_epochs", 1, 3), n_trials=4, **QUIET,
    )  # fmt: skip
    assert not [trial.failure for trial in study.trials if trial.failure]
    assert {trial.last_step for trial in study.trials} == {1, 3}
    (full, *_) = [trial for trial in study.trials if trial.last_step == 3]
    assert full.attempt > 1 and set(full.intermediate_values) == {1, 2, 3}


def test_tune_trainer_comes_to_the_same_a_second_time(tmp_path: Path) -> None:
    def losses_found() -> list[float | None]:
        args = arguments(tmp_path, num_train_epochs=1, save_strategy="no")
        study = tune_trainer(
            make_trainer, args, {"dropout": kilter.Float(0, 0.5)}, minimize="loss", n_trials=2, **QUIET
        )
        return [trial.value for trial in study.trials]

    assert losses_found() == losses_found()


def test_tune_trainer_takes_several_objectives_and_constraints(tmp_path: Path) -> None:
    study = tune_trainer(
        make_trainer, arguments(tmp_path, num_train_epochs=1, save_strategy="no"), {"dropout": kilter.Float(0, 0.5)},
        minimize="loss", maximize="accuracy", subject_to={"runtime": "<= 60"}, n_trials=1, **QUIET,
    )  # fmt: skip
    (trial,) = study.trials
    assert set(trial.metrics) == {"loss", "accuracy", "runtime"}
    assert "checkpoint" not in trial.user_attrs


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learning_rat": kilter.Float(0, 1)}, "did you mean 'learning_rate'"),
        ({"dropuot": kilter.Float(0, 1)}, "did you mean 'dropout'"),
        ({"per_device_train_batch_size": kilter.Float(4, 8)}, "use Int or Ordinal"),
    ],
)
def test_tune_trainer_refuses_what_nothing_takes(tmp_path: Path, space: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        tune_trainer(make_trainer, arguments(tmp_path), space, maximize="accuracy", n_trials=1, **QUIET)


def test_tune_trainer_refuses_a_budget_of_steps_that_are_not_evaluated(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="max_steps by 'steps'"):
        tune_trainer(
            make_trainer, arguments(tmp_path), {}, maximize="accuracy", n_trials=1,
            fidelity=kilter.Fidelity("max_steps", 3, 9), **QUIET,
        )  # fmt: skip
