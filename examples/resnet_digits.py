"""A residual network in PyTorch, tuned: how much better than a plain setting it is, and what that cost.

The images are scikit-learn's digits (8 x 8 pixels), made hard on purpose: noise is added to every pixel, and there are
only a few hundred images to learn from. Eight settings are tuned, from the learning rate to the activation function.
Trials that fall behind are stopped early by successive halving, and go on exactly where they stood if they are broken
off. The plain setting is among them, as the first one. In the end both train anew from several seeds, and a test set
that nothing was chosen by scores them.

`--short` takes well under a minute on two cores; without it there are more trials, epochs and images. It needs PyTorch
and scikit-learn: pip install '.[examples]'
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

import kilter
from kilter.schedulers import ASHAScheduler

try:
    from kilter.integrations.torch import Checkpoint, torch
except ImportError as error:
    sys.exit(str(error))

torch.set_num_threads(1)  # for networks as small as these more are slower
nn = torch.nn

SPACE = {
    "learning_rate": kilter.Float(1e-4, 3e-2, log=True),
    "weight_decay": kilter.Float(1e-5, 1.0, log=True),
    "batch": kilter.Int(16, 128, log=True),
    "width": kilter.Int(4, 24, log=True),
    "depth": kilter.Int(1, 4),
    "augmentation": kilter.Choice(["none", "shift", "noise", "both"]),
    "schedule": kilter.Choice(["constant", "cosine", "one cycle"]),
    "activation": kilter.Choice(["relu", "silu", "tanh"]),
}

PLAIN = {
    "learning_rate": 1e-3,  # AdamW's default
    "weight_decay": 1e-2,  # likewise
    "batch": 32,
    "width": 16,
    "depth": 2,
    "augmentation": "none",
    "schedule": "constant",
    "activation": "relu",
}

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class Effort:
    """How much of everything."""

    trials: int
    epochs: int
    images: int
    """To learn from; as many again to choose by."""
    seeds: int
    """Trainings of each of the two settings in the end."""


SHORT = Effort(trials=16, epochs=12, images=250, seeds=2)
FULL = Effort(trials=60, epochs=27, images=450, seeds=5)


class Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width, activation):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            activation(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.activation = activation()

    def forward(self, x):
        return self.activation(x + self.inner(x))


def network(width, depth, activation):
    """`depth` residual blocks at full size, a coarser grid, and one more at twice the width."""
    make = ACTIVATIONS[activation]
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        *(Residual(width, make) for _ in range(depth)),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        Residual(2 * width, make),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )


def digits(images):
    """Noisy digits to learn from, to choose by, and all the others for the final test: pairs of images and labels."""
    x, y = load_digits(return_X_y=True)
    chance = np.random.default_rng(0)
    x = x / 16 + chance.normal(0, 0.25, x.shape)
    x = ((x - x.mean()) / x.std()).astype(np.float32).reshape(-1, 1, 8, 8)
    rows = np.split(chance.permutation(len(x)), [images, 2 * images])
    return [(torch.from_numpy(x[part]), torch.from_numpy(y[part])) for part in rows]


def augmented(images, augmentation):
    """The images moved by up to one pixel, with more noise, both, or as they are."""
    if augmentation in ("shift", "both"):
        images = torch.roll(images, torch.randint(-1, 2, (2,)).tolist(), dims=(2, 3))
    if augmentation in ("noise", "both"):
        images = images + 0.5 * torch.randn_like(images)
    return images


def schedule_of(optimizer, schedule, learning_rate, steps):
    if schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    if schedule == "one cycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)


def scores(model, part):
    """Log loss and accuracy."""
    images, labels = part
    model.eval()
    with torch.no_grad():
        out = model(images)
    model.train()
    return nn.functional.cross_entropy(out, labels).item(), (out.argmax(1) == labels).double().mean().item()


def trained(params, learn, choose, epochs, trial=None, seed=0):
    """A network trained with these settings, and its log loss on the images to choose by after the last epoch."""
    torch.manual_seed(seed)
    images, labels = learn
    batch = params["batch"]
    model = network(params["width"], params["depth"], params["activation"])
    rate = params["learning_rate"]
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=params["weight_decay"])
    steps = epochs * -(-len(images) // batch)
    scheduler = schedule_of(optimizer, params["schedule"], rate, steps)
    checkpoint = Checkpoint(trial, model=model, optimizer=optimizer, scheduler=scheduler)
    for _ in checkpoint.epochs(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            optimizer.zero_grad()
            out = model(augmented(images[rows], params["augmentation"]))
            nn.functional.cross_entropy(out, labels[rows]).backward()
            optimizer.step()
            scheduler.step()
        checkpoint.report(scores(model, choose)[0])
    return model, checkpoint.value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer trials, epochs and images")
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    arguments = parser.parse_args()
    effort = SHORT if arguments.short else FULL
    logging.getLogger("kilter").setLevel(logging.ERROR)
    learn, choose, test = digits(effort.images)

    def objective(trial):
        return trained(trial.params, learn, choose, effort.epochs, trial)[1]

    began, began_cpu = time.perf_counter(), time.process_time()
    study = kilter.create_study(space=SPACE, scheduler=ASHAScheduler(grace=2), seed=arguments.seed)
    study.enqueue_trial(PLAIN)
    study.optimize(objective, n_trials=effort.trials, progress="none")
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu

    spent = sum(trial.last_step or 0 for trial in study.trials)
    stopped = sum(trial.state is kilter.TrialState.PRUNED for trial in study.trials)
    whole = effort.trials * effort.epochs
    print(f"Noisy digits: {len(learn[1])} images to learn from, {len(choose[1])} to choose by, {len(test[1])} to test")
    print(f"The best of {effort.trials} settings by its log loss on the images to choose by:")
    for name, value in study.best_params.items():
        print(f"  {name:14} {value:.3g}" if isinstance(value, float) else f"  {name:14} {value}")

    print(f"\nOn the test images, which nothing was chosen by; mean of {effort.seeds} trainings, and their spread:")
    print(f"{'':16}{'log loss':>18}{'accuracy':>20}")
    for name, params in (("plain setting", PLAIN), ("tuned", study.best_params)):
        runs = [scores(trained(params, learn, choose, effort.epochs, seed=1 + i)[0], test) for i in range(effort.seeds)]
        loss, accuracy = np.mean(runs, 0)
        loss_spread, accuracy_spread = np.std(runs, 0, ddof=1)
        print(f"{name:16}{loss:10.3f} ± {loss_spread:.3f}{accuracy:12.1%} ± {accuracy_spread:.1%}")

    print(f"\nThe price: {seconds:.0f} seconds ({cpu:.0f} of one core), {spent} epochs")
    print(f"compute saved: {1 - spent / whole:.0%} of the {whole} epochs, for {stopped} trials were stopped early")


if __name__ == "__main__":
    main()
