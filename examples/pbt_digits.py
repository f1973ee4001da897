"""Population-based training of a small convolutional network: learning rate and augmentation change on the way.

Eight networks train side by side on scikit-learn's handwritten digits, with noise added. Every three epochs the worst
of them goes on as a copy of the best, with another learning rate, weight decay and strength of augmentation. For
comparison, eight fixed configurations get as many epochs each. In the end the best schedule trains a fresh network
from scratch. A third of the data is locked away and only scores the results. It takes half a minute on two cores and
needs PyTorch: pip install torch scikit-learn
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kilter
from kilter.schedulers.pbt import PBTScheduler

try:
    import torch
except ImportError:
    sys.exit("this example trains a network with PyTorch, which is not installed: pip install torch")

torch.set_num_threads(1)

INTERVAL = 3

space = {
    "lr": kilter.Float(1e-3, 1.0, log=True),
    "decay": kilter.Float(1e-6, 1e-2, log=True),
    "noise": kilter.Float(0.0, 1.5),  # of the images that the network is shown, in standard deviations of a pixel
    "shift": kilter.Boolean(),  # whether they are moved by up to one pixel
}


def load():
    """Noisy digits for training, for tuning and for the final score: pairs of images (n, 1, 8, 8) and labels (n,)."""
    images, digits = load_digits(return_X_y=True)
    noisy = images + np.random.default_rng(0).normal(0, 5, images.shape)
    noisy = ((noisy - noisy.mean()) / noisy.std()).astype(np.float32).reshape(-1, 1, 8, 8)
    rest, test, rest_digits, test_digits = train_test_split(noisy, digits, test_size=0.33, random_state=0)
    train, tune, train_digits, tune_digits = train_test_split(rest, rest_digits, test_size=0.5, random_state=0)
    pairs = [(train, train_digits), (tune, tune_digits), (test, test_digits)]
    return [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in pairs]


DATA = load()


class Training:
    """A network, its optimiser and its random numbers, on the way through the epochs."""

    def __init__(self, seed=0):
        torch.manual_seed(seed)
        self.network = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(),
            torch.nn.Linear(512, 10),
        )  # fmt: skip
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1, momentum=0.9)
        self.random = torch.Generator().manual_seed(seed)
        self.epoch = 0

    def save(self, path):
        """All that the next epoch depends on: weights, momenta, random numbers."""
        parts = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**parts, "random": self.random.get_state(), "epoch": self.epoch}, path)

    def load(self, path):
        """Go on where `save` was called."""
        parts = torch.load(path, weights_only=True)
        self.network.load_state_dict(parts["network"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.random.set_state(parts["random"])
        self.epoch = parts["epoch"]

    def train(self, lr, decay, noise, shift):
        """One epoch with these settings."""
        self.optimizer.param_groups[0].update(lr=lr, weight_decay=decay)
        images, digits = DATA[0]
        for rows in torch.randperm(len(images), generator=self.random).split(64):
            batch = images[rows] + noise * torch.randn(images[rows].shape, generator=self.random)
            if shift:
                batch = torch.roll(batch, torch.randint(-1, 2, (2,), generator=self.random).tolist(), dims=(2, 3))
            self.optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.network(batch), digits[rows]).backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
            self.optimizer.step()
        self.epoch += 1

    def score(self, part=1):
        """Log loss and accuracy on a part of the data: 1 to tune on, 2 for the end."""
        images, digits = DATA[part]
        with torch.no_grad():
            out = self.network(images)
        loss = torch.nn.functional.cross_entropy(out, digits).item()
        return loss, (out.argmax(1) == digits).double().mean().item()


def objective(trial, epochs):
    """Log loss on the part to tune on, after so many epochs; goes on from a checkpoint where there is one."""
    training, path = Training(), os.path.join(trial.checkpoint_dir, "training.pt")
    if os.path.exists(path):
        training.load(path)
    loss = training.score()[0]
    while training.epoch < epochs:
        training.train(**trial.params)
        loss = training.score()[0]
        trial.report(loss, training.epoch)
        training.save(os.path.join(trial.checkpoint_dir, "training.pt"))
        if trial.should_prune():
            raise kilter.TrialPruned
    return loss


def run(scheduler, members, epochs, seed):
    """A study of so many networks, with a scheduler or without."""
    study = kilter.create_study(space=space, sampler="sobol", scheduler=scheduler, seed=seed)
    study.optimize(partial(objective, epochs=epochs), n_trials=members if scheduler is None else None, progress="none")
    return study


def trained(params_at, epochs):
    """A fresh network, trained from scratch with the configuration that a function gives for each epoch."""
    training = Training()
    for epoch in range(1, epochs + 1):
        training.train(**params_at(epoch))
    return training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=24)
    options = parser.parse_args()
    members, epochs = options.members, options.epochs

    fixed = run(None, members, epochs, options.seed)
    scheduler = PBTScheduler(population=members, interval=INTERVAL, last_step=epochs)
    population = run(scheduler, members, epochs, options.seed)
    schedule = population.best_schedule()

    print(f"The schedule of the best of {members} networks:")
    print(schedule)
    spent = sum(len(trial.intermediate_values) for trial in population.trials)
    print(f"\n{'':34}{'tuned on':>10}{'never seen':>20}")
    for name, value, training in (
        (f"best of {members} fixed configurations", fixed.best_value, trained(lambda _: fixed.best_params, epochs)),
        ("population-based training", population.best_value, trained(schedule.params_at, epochs)),
    ):
        loss, accuracy = training.score(2)
        print(f"{name:34}{value:>10.4f}{loss:>12.4f}{accuracy:>8.1%}")
    print(f"\nBoth had {members * epochs} epochs ({spent} in the population). The last two columns are of a network")
    print("that was trained from scratch once more, with the configuration or the schedule in the line.")


if __name__ == "__main__":
    main()
