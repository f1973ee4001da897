"""Two networks of any width, in the standard and the maximal update parameterisation, trained for so many steps.

    mlp           two hidden layers on scikit-learn's digits
    transformer   two blocks on characters of Python's own library

Both are trained by AdamW with a linear warm-up and decay. In µP (Yang et al. 2022, table 3) what is between layers of
that width learns base/width times as fast, and the output is multiplied by base/width.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Callable, Iterator
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

BASE = 16
"""The width at which both parameterisations are the same."""
HEAD = 8
"""Features of one attention head, at any width."""
CONTEXT = 24
LIBRARY = ("argparse", "datetime", "difflib", "inspect", "pathlib", "statistics", "tarfile", "typing")
"""Modules of Python's library whose sources are read."""
WORST = 10.0
"""Cross-entropy of what diverged, in nats; a guess by chance has 2.3 on digits and 4.6 on characters."""


class Scaled(nn.Module):
    """A network of which `hidden` are the layers between two of its width, and `output` the last one."""

    def __init__(self, width: int, is_mup: bool) -> None:
        super().__init__()
        self.width, self.shrunk = width, BASE / width if is_mup else 1.0

    def groups(self, lr: float, weight_decay: float) -> list[dict]:
        """Groups for AdamW, whose decay per step, lr · weight_decay, is the same in all of them."""
        hidden = [p for layer in self.hidden for p in layer.parameters() if p.ndim > 1]
        own = {id(p) for p in hidden}
        others = [p for p in self.parameters() if id(p) not in own]
        return [
            {"params": hidden, "lr": lr * self.shrunk, "weight_decay": weight_decay / self.shrunk},
            {"params": others, "lr": lr, "weight_decay": weight_decay},
        ]


class Mlp(Scaled):
    """Two hidden layers, of which the second one is between layers of the width."""

    def __init__(self, width: int, is_mup: bool) -> None:
        super().__init__(width, is_mup)
        self.first, self.second = nn.Linear(64, width), nn.Linear(width, width)
        self.output = nn.Linear(width, 10)
        self.hidden = [self.second]

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.second(self.first(x).relu()).relu() * self.shrunk)


class Block(nn.Module):
    """Attention and two layers, each beside a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.middle, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, t, 3, width // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(n, t, width))
        return x + self.down(functional.gelu(self.up(self.middle(x))))


class Transformer(Scaled):
    """Two blocks over characters."""

    def __init__(self, width: int, is_mup: bool) -> None:
        super().__init__(width, is_mup)
        self.token, self.place = nn.Embedding(128, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.norm, self.output = nn.LayerNorm(width), nn.Linear(width, 128)
        self.hidden = list(self.blocks)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.place.weight
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x) * self.shrunk).transpose(1, 2)


@cache
def digits() -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    return torch.tensor(x, dtype=torch.float32)[order] / 8.0 - 1.0, torch.tensor(y)[order]


def digits_batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    x, y = digits()
    while True:
        rows = torch.randint(1200, (64,), generator=generator)
        yield x[rows], y[rows]


@cache
def characters() -> Tensor:
    library = pathlib.Path(ast.__file__).parent
    files = [library / f"{name}.py" for name in LIBRARY]
    text = "".join(file.read_text(encoding="utf-8") for file in files if file.exists())
    return torch.tensor(list(text.encode("ascii", "replace")))


def windows(starts: Tensor) -> tuple[Tensor, Tensor]:
    text = characters()[starts[:, None] + torch.arange(CONTEXT + 1)]
    return text[:, :-1], text[:, 1:]


def character_batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield windows(torch.randint(int(0.9 * len(characters())), (16,), generator=generator))


def held_out_characters() -> tuple[Tensor, Tensor]:
    start = int(0.9 * len(characters())) + CONTEXT
    return windows(torch.linspace(start, len(characters()) - CONTEXT - 1, 256).long())


NETWORKS: dict[str, tuple[type[Scaled], Callable, Callable, int]] = {
    "mlp": (Mlp, digits_batches, lambda: tuple(part[1200:] for part in digits()), 150),
    "transformer": (Transformer, character_batches, held_out_characters, 120),
}
"""Class, batches, held-out data and steps."""


def trained(network: str, width: int, is_mup: bool, config: dict[str, float], seed: int) -> float:
    """The cross-entropy on held-out data after a training, in nats; at most WORST."""
    kind, batches, held_out, steps = NETWORKS[network]
    torch.manual_seed(seed)
    model = kind(width, is_mup)
    optimizer = torch.optim.AdamW(model.groups(config["lr"], config["weight_decay"]))
    warm = config["warmup"] * steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (warm + 1), (steps - step) / (steps - warm))
    )
    stream = batches(torch.Generator().manual_seed(seed))
    for _ in range(steps):
        x, y = next(stream)
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    x, y = held_out()
    with torch.no_grad():
        loss = float(functional.cross_entropy(model(x), y))
    return min(loss, WORST) if loss == loss else WORST
