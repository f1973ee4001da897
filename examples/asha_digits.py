"""Asynchronous successive halving on a convolutional network: stop what falls behind, keep what leads.

A small residual network in PyTorch learns scikit-learn's digits. Every epoch is reported; the scheduler stops trials
that are not among the best third at 1 and 3 epochs. The training keeps its state in the trial's checkpoint, so a
trial whose worker dies goes on where it stood. At the end the same configurations are trained in full, to show what
the stopping saved and what it cost in quality. Under a minute on two cores.
"""

from __future__ import annotations

import argparse
import os

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import kilter

EPOCHS = 9

space = {
    "learning_rate": kilter.Float(1e-4, 1e-1, log=True),
    "momentum": kilter.Float(0.0, 0.98),
    "weight_decay": kilter.Float(1e-6, 1e-2, log=True),
    "batch": kilter.Int(16, 128, log=True),
    "width": kilter.Int(4, 12),
}


class Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def network(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        Residual(width),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * width, 10),
    )


def digits() -> list[torch.Tensor]:
    """Images and labels for training, for choosing, and for the final test."""
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    rest, test, known, hidden = train_test_split(images, torch.tensor(labels), test_size=0.25, random_state=0)
    return [*train_test_split(rest, known, test_size=0.3, random_state=0), test, hidden]


def train(learning_rate, momentum, weight_decay, batch, width, trial):
    """Accuracy on the images for choosing after EPOCHS epochs."""
    torch.manual_seed(0)
    images, valid, labels, wanted, test, hidden = digits()
    model = network(width)
    optimizer = torch.optim.SGD(model.parameters(), learning_rate, momentum, weight_decay=weight_decay)
    checkpoint = os.path.join(trial.checkpoint_dir, "network.pt")
    epoch, accuracy = 0, 0.0
    if os.path.exists(checkpoint):
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        epoch, accuracy = kept["epoch"], kept["accuracy"]  # maybe of the last epoch: then nothing is left to do
    while epoch < EPOCHS:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        epoch += 1
        with torch.no_grad():
            accuracy = (model(valid).argmax(1) == wanted).float().mean().item()
            trial.set_user_attr("test", (model(test).argmax(1) == hidden).float().mean().item())
        trial.report(accuracy, epoch)  # before it is saved: see trial.checkpoint_dir
        kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch, "accuracy": accuracy}
        torch.save(kept, os.path.join(trial.checkpoint_dir, "network.pt"))
        if trial.should_prune():
            raise kilter.TrialPruned
    return accuracy


def search(scheduler: str, trials: int, configurations: list[dict] | None = None) -> kilter.Study:
    study = kilter.create_study(direction="maximize", space=space, scheduler=scheduler, seed=0)
    for configuration in configurations or ():
        study.enqueue_trial(configuration)
    study.optimize(train, n_trials=trials, progress="none")
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=14)
    trials = parser.parse_args().trials

    torch.set_num_threads(1)
    stopped = search("asha", trials)
    full = search("fifo", trials, [trial.params for trial in stopped.trials])
    print(f"{trials} configurations of a residual network on digits, {EPOCHS} epochs each")
    for name, study in (("all trained in full", full), ("successive halving", stopped)):
        epochs = sum(trial.last_step for trial in study.trials)
        best = study.best_trial
        print(
            f"{name:20} {epochs:4} epochs   best for choosing {best.value:.3f}   "
            f"on the test {best.user_attrs['test']:.3f}   trial {best.number}"
        )
    saved = 1 - sum(t.last_step for t in stopped.trials) / sum(t.last_step for t in full.trials)
    states = [trial.state.name for trial in stopped.trials]
    print(f"compute saved: {saved:.0%} ({states.count('PRUNED')} of {trials} trials were stopped early)")


if __name__ == "__main__":
    main()
