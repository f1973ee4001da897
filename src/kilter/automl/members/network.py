"""The passes of a multi-layer perceptron and the steps of AdamW, in NumPy and float32.

All parameters lie in one vector, and so do their slopes: a step is a few operations on whole vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from kilter.automl.members.member import Left, Params

WARM_UP = 0.05
"""The share of all steps in which the learning rate rises."""
MOMENTUM, MEMORY = 0.9, 0.95
"""β₁ and β₂ of AdamW."""
SCALE_RATE, BIAS_RATE = 6.0, 0.3
"""How fast scales and biases learn, relative to weights."""
DECAY = 5.0
"""Times learning rate and weight decay: what weights lose in a step."""
MASKS = 1 << 18
"""Draws that the masks of dropout are windows of: drawing each anew would take a third of the time."""

Data = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Inputs (n, d), what is wanted (n, k), and weights (n, 1) where rows differ in theirs; float32."""


def batch_of(rows: int) -> int:
    """Rows of a batch: sixteen batches or more where there are few rows, of 256 at most."""
    return min(256, max(32, rows // 16), rows)


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)) as (1 + tanh(z / 2)) / 2, which never overflows and takes half the time."""
    found = np.multiply(z, z.dtype.type(0.5))
    np.tanh(found, out=found)
    found *= z.dtype.type(0.5)
    found += z.dtype.type(0.5)
    return np.asarray(found)


class Parts:
    """A vector of all parameters, and views of it: scales (d,), weights (a, b) and biases (b,) of each layer."""

    def __init__(self, sizes: Sequence[int]) -> None:
        shapes = list(pairwise(sizes))
        self.vector = np.zeros(sizes[0] + sum(a * b + b for a, b in shapes), np.float32)
        ends = np.cumsum([sizes[0], *(a * b for a, b in shapes), *(b for _, b in shapes)])
        self.scale, *others = np.split(self.vector, ends[:-1])
        self.weights = [each.reshape(shape) for each, shape in zip(others, shapes, strict=False)]
        self.biases = others[len(shapes) :]
        self.all_weights = self.vector[ends[0] : ends[len(shapes)]]


class Network:
    """Parameters, begun as RealMLP begins them, and the two passes."""

    def __init__(self, columns: int, outputs: int, settings: Params, rng: np.random.Generator) -> None:
        sizes = [columns, *[settings["width"]] * settings["depth"], outputs]
        self.own, self.slopes, self.rates = Parts(sizes), Parts(sizes), Parts(sizes)
        self.is_regression = outputs == 1
        self.relu, self.dropout = settings["activation"] == "relu", settings["dropout"]
        self.rate, self.weight_decay = settings["learning_rate"], settings["weight_decay"]
        self._begin(rng)
        self.rng = rng
        draws = MASKS + 256 * settings["width"] if self.dropout else 0
        self.masks = (rng.random(draws, np.float32) >= self.dropout).astype(np.float32) / np.float32(1 - self.dropout)
        self.mean, self.square, self.scratch = (np.zeros_like(self.own.vector) for _ in range(3))
        self.steps = 0

    def _begin(self, rng: np.random.Generator) -> None:
        self.own.scale[:] = 1
        for i, weights in enumerate(self.own.weights):
            spread = math.sqrt((1 if i == 0 else 2) / len(weights))
            weights[:] = rng.normal(0, spread, weights.shape)
        self.own.weights[-1] *= np.float32(0.1)
        for biases in self.own.biases[:-1]:
            biases[:] = rng.uniform(-1, 1, biases.shape)
        self.rates.vector[:] = BIAS_RATE
        self.rates.scale[:] = SCALE_RATE
        self.rates.all_weights[:] = 1

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Outputs of all rows, without dropout."""
        hidden = x
        *inner, last = zip(self._weights(), self.own.biases, strict=True)
        for weights, biases in inner:
            z = hidden @ weights
            z += biases
            hidden = np.maximum(z, 0, out=z) if self.relu else np.multiply(z, sigmoid(z), out=z)
        return np.asarray(hidden @ last[0] + last[1])

    def _weights(self) -> list[np.ndarray]:
        """Those of all layers; the scales of inputs are taken into the first, which is smaller than a batch is."""
        first, *others = self.own.weights
        return [first * self.own.scale[:, None], *others]

    def step(self, x: np.ndarray, wanted: np.ndarray, weight: np.ndarray | None, rate: float) -> None:
        """One step of AdamW on a batch."""
        hidden, gates, layers = [x], [], self._weights()
        for weights, biases in zip(layers[:-1], self.own.biases[:-1], strict=True):
            z = hidden[-1] @ weights
            z += biases
            value, gate = self._activated(z)
            hidden.append(value)
            gates.append(gate)
        outputs = hidden[-1] @ layers[-1]
        outputs += self.own.biases[-1]
        delta = self._error(outputs, wanted, weight)
        for i in reversed(range(len(layers))):
            np.matmul(hidden[i].T, delta, out=self.slopes.weights[i])
            delta.sum(axis=0, out=self.slopes.biases[i])
            if i:
                delta = delta @ layers[i].T
                delta *= gates[i - 1]
        first = self.slopes.weights[0]  # by the product of scales and weights; by the chain rule, of each of the two
        np.einsum("ij,ij->i", first, self.own.weights[0], out=self.slopes.scale)
        first *= self.own.scale[:, None]
        self._update(rate)

    def _activated(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What units give, and its slope; units that are left out in this step give 0."""
        if self.relu:
            gate = (z > 0).astype(np.float32)
            value = np.maximum(z, 0, out=z)
        else:
            gate = sigmoid(z)
            value = z * gate
            gate += value * (1 - gate)  # d/dz z σ = σ + z σ (1 - σ)
        if self.dropout:
            begin = int(self.rng.integers(len(self.masks) - z.size + 1))
            mask = self.masks[begin : begin + z.size].reshape(z.shape)
            value *= mask
            gate *= mask
        return value, gate

    def _error(self, outputs: np.ndarray, wanted: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """The slope of the mean loss by the outputs."""
        if self.is_regression:
            outputs -= wanted
            outputs *= np.float32(2 / len(outputs))
        else:
            outputs -= outputs.max(axis=1, keepdims=True)
            np.exp(outputs, out=outputs)
            outputs /= outputs.sum(axis=1, keepdims=True)
            outputs -= wanted
            outputs *= np.float32(1 / len(outputs))
        if weight is not None:
            outputs *= weight
        return outputs

    def _update(self, rate: float) -> None:
        """AdamW (Loshchilov and Hutter 2019, algorithm 2), in place."""
        self.steps += 1
        own, slopes, scratch = self.own.vector, self.slopes.vector, self.scratch
        np.subtract(slopes, self.mean, out=scratch)
        scratch *= np.float32(1 - MOMENTUM)
        self.mean += scratch
        np.multiply(slopes, slopes, out=scratch)
        scratch -= self.square
        scratch *= np.float32(1 - MEMORY)
        self.square += scratch
        np.sqrt(self.square, out=scratch)
        scratch *= np.float32(1 / math.sqrt(1 - MEMORY**self.steps))
        scratch += np.float32(1e-8)
        np.divide(self.mean, scratch, out=scratch)
        scratch *= np.float32(rate / (1 - MOMENTUM**self.steps))
        scratch *= self.rates.vector
        own -= scratch
        self.own.all_weights *= np.float32(1 - DECAY * rate * self.weight_decay)


def learn(network: Network, data: Data, judge: Callable[[], float], epochs: int, left: Left) -> int:
    """Leave the network as it is after the epoch that `judge` finds best, and say which that is.

    Where not all epochs fit into what is left, the schedule is that of as many as do.
    """
    best, least, best_epoch = network.own.vector.copy(), math.inf, 0
    before, epoch = left(), 0
    while epoch < epochs:
        _pass(network, data, epoch, epochs)
        epoch += 1
        loss = judge()
        if loss < least:
            best, least, best_epoch = network.own.vector.copy(), loss, epoch
        if not math.isfinite(loss) or epoch - best_epoch > max(12, 0.3 * epochs) or left() <= 0:
            break
        if math.isfinite(before):
            epochs = min(epochs, epoch + int(epoch * left() / max(before - left(), 1e-9)))
    network.own.vector[:] = best
    return best_epoch


def follow(network: Network, data: Data, until: int, epochs: int, left: Left) -> None:
    """Learn through the first epochs of a schedule of `epochs`, up to `until`."""
    for epoch in range(until):
        _pass(network, data, epoch, epochs)
        if left() <= 0:
            break


def _pass(network: Network, data: Data, epoch: int, epochs: int) -> None:
    """One epoch: all rows once, in an order of its own, but for those that fill no batch."""
    x, wanted, weight = data
    batch = batch_of(len(x))
    order = network.rng.permutation(len(x))[: len(x) // batch * batch]
    for begin in range(0, len(order), batch):
        part = order[begin : begin + batch]
        rate = network.rate * _schedule((epoch + begin / len(order)) / epochs)
        network.step(x[part], wanted[part], None if weight is None else weight[part], rate)


def _schedule(done: float) -> float:
    """The learning rate, relative to the largest one: it rises for a little while and falls as a cosine does."""
    return min(1.0, (done + 1e-3) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done))
