"""A small multi-layer perceptron in NumPy, float32, in the manner of RealMLP (arXiv 2407.04491).

    h₀ = s ⊙ x      h_l = dropout(SiLU(h_{l-1} W_l + b_l))      out = h_L W + b

What is taken from there: a scale s for each column, learned six times as fast as the weights; SiLU; biases that start
spread out; AdamW with β₂ = .95 and a cosine schedule with warm-up; the epoch that is best on the validation rows.

network.py has the passes and the steps. A fitted network is its layers alone: the scales of columns and targets are
folded into the first and the last one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.members.losses import Loss, softmax
from kilter.automl.members.member import Fitted, Left, Matrix, Params, Rows, Shape, relative, settled, told, told_task
from kilter.automl.members.network import Data, Network, batch_of, follow, learn, sigmoid
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter


@dataclass(frozen=True)
class MLP:
    """A network of a few hundred units; its validation rows say which epoch was the best one."""

    name: str = "mlp"
    view: str = "dense"

    def space(self, task: Task) -> dict[str, Parameter]:
        """Size, rate, and what keeps it from learning by heart."""
        return {
            "width": Int(32, 320, log=True, default=128),
            "depth": Int(1, 4, default=2),
            "learning_rate": Float(1e-3, 2e-2, log=True, default=4e-3),
            "weight_decay": Float(1e-4, 0.3, log=True, default=0.01),
            "dropout": Float(0.0, 0.5, default=0.1),
            "epochs": Int(20, 200, log=True, default=60),
            "activation": Choice(["silu", "relu"], default="silu"),
        }

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds: products of matrices, what is done for each unit, and steps."""
        settings = settled(self, params, Task("regression"))
        width, layers = settings["width"], settings["depth"]
        products = shape.columns * width + (layers - 1) * width**2 + width * shape.width
        steps = math.ceil(shape.rows / batch_of(shape.rows))
        each = shape.rows * (1.5e-10 * products + 1.2e-8 * width * layers) + steps * (1e-4 + 1e-8 * products)
        return 0.01 + float(settings["epochs"] * each)

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """All epochs, or fewer where the loss on `valid` rises for long; where time is short, the schedule is too."""
        settings = settled(self, params, task)
        targets = _Targets.of(train, task)
        network = targets.network(train, settings, seed)
        loss, seen = Loss.of(valid, task), targets.scaled(valid.matrix)

        def judge() -> float:
            return loss(targets.found(network.forward(seen)))

        epoch = learn(network, targets.data(train), judge, settings["epochs"], left)
        return targets.folded(network, settings["activation"], epoch)

    def refit(self, params: Params, models: Sequence[Fitted], train: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """As many epochs as the fits of folds had at their best, in the mean."""
        settings = settled(self, params, task)
        epoch = max(1, round(float(np.mean([model.epoch for model in models if isinstance(model, Layers)]))))
        targets = _Targets.of(train, task)
        network = targets.network(train, settings, seed)
        follow(network, targets.data(train), epoch, settings["epochs"], left)
        return targets.folded(network, settings["activation"], epoch)

    def load(self, state: State) -> Fitted:
        """From weights and biases, layer by layer."""
        values, arrays = state.values, state.arrays
        layers = tuple((arrays[f"weights {i}"], arrays[f"biases {i}"]) for i in range(len(arrays) // 2))
        return Layers(layers, values["activation"], values["epoch"], told_task(values))


@dataclass(frozen=True)
class Layers:
    """A fitted network: weights (a, b) and biases (b,) of each layer, for the columns and targets as they are.

    A network of SiLU computes in float32. One of ReLU does so in float64, as scikit-learn's, which it can become.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    activation: str
    epoch: int
    task: Task

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Values, or probabilities by the softmax, float64."""
        exact = self.activation == "relu"
        hidden = np.asarray(matrix.values, np.float64 if exact else np.float32)
        *inner, last = self.layers
        for weights, biases in inner:
            hidden = hidden @ weights
            hidden += biases
            hidden = np.maximum(hidden, 0, out=hidden) if exact else hidden * sigmoid(hidden)
        found = hidden @ last[0] + last[1]
        return found[:, 0].astype(float) if self.task.is_regression else softmax(found)

    def state(self) -> State:
        """The layers, and what was predicted."""
        values = told(self.task) | {"activation": self.activation, "epoch": self.epoch}
        parts = {"weights": 0, "biases": 1}
        arrays = {f"{part} {i}": layer[at] for i, layer in enumerate(self.layers) for part, at in parts.items()}
        return State(values, arrays)

    def estimator(self) -> Any:
        """scikit-learn's MLPRegressor or MLPClassifier with these layers; there is none of SiLU."""
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        if self.activation != "relu":
            raise InvalidInput("scikit-learn has no network of SiLU: fit one with activation='relu'")
        kind = MLPRegressor if self.task.is_regression else MLPClassifier
        weights, biases = [list(part) for part in zip(*self.layers, strict=True)]
        if self.task.kind == "binary":
            weights[-1], biases[-1] = weights[-1][:, 1:] - weights[-1][:, :1], biases[-1][1:] - biases[-1][:1]
        inner = tuple(len(each) for each in biases[:-1])
        made = kind(hidden_layer_sizes=inner, max_iter=1, solver="sgd")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # One round does not converge: its coefficients are replaced.
            made.fit(np.zeros((max(self.task.width, 2), len(weights[0]))), np.arange(max(self.task.width, 2)))
        made.coefs_, made.intercepts_ = weights, biases
        return made


@dataclass(frozen=True)
class _Targets:
    """What inputs and outputs of a network are measured in: means and deviations of columns and of the target."""

    task: Task
    middle: np.ndarray
    spread: np.ndarray
    y_middle: float
    y_spread: float

    @classmethod
    def of(cls, train: Rows, task: Task) -> _Targets:
        x = train.matrix.values
        middle, spread = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float) + 1e-6
        if not task.is_regression:
            return cls(task, middle, spread, 0.0, 1.0)
        y_middle = float(np.average(train.y, weights=train.weight))
        y_spread = math.sqrt(float(np.average((train.y - y_middle) ** 2, weights=train.weight)))
        return cls(task, middle, spread, y_middle, y_spread or 1.0)

    def scaled(self, matrix: Matrix) -> np.ndarray:
        """Columns of mean 0 and deviation 1, float32."""
        return np.asarray((matrix.values - self.middle) / self.spread, np.float32)

    def data(self, train: Rows) -> Data:
        """Inputs, scaled targets or indicators of classes, and weights, as a network learns from them."""
        if self.task.is_regression:
            wanted = ((train.y - self.y_middle) / self.y_spread)[:, None]
        else:
            wanted = np.eye(self.task.width)[train.y]
        weight = None if train.weight is None else relative(train.weight).astype(np.float32)[:, None]
        return self.scaled(train.matrix), np.asarray(wanted, np.float32), weight

    def network(self, train: Rows, settings: Params, seed: int) -> Network:
        """One whose outputs begin with 0, or with the logarithms of the classes' shares."""
        rng = np.random.Generator(np.random.SFC64(seed))
        network = Network(train.matrix.values.shape[1], self.task.width, settings, rng)
        if not self.task.is_regression:
            shares = np.bincount(train.y, train.weight, self.task.width)
            network.own.biases[-1][:] = np.log((shares + 0.5 * shares.mean() / len(train.y)) / shares.sum())
        return network

    def found(self, outputs: np.ndarray) -> np.ndarray:
        """What those outputs of a network predict: values, or probabilities."""
        if self.task.is_regression:
            return np.asarray(outputs[:, 0] * self.y_spread + self.y_middle)
        return softmax(outputs)

    def folded(self, network: Network, activation: str, epoch: int) -> Layers:
        """The network, for columns and targets as they are."""
        weights, biases = ([each.astype(float) for each in part] for part in (network.own.weights, network.own.biases))
        inputs = (network.own.scale / self.spread)[:, None] * weights[0]
        layers = [(inputs, biases[0] - self.middle @ inputs), *zip(weights[1:], biases[1:], strict=True)]
        layers[-1] = layers[-1][0] * self.y_spread, layers[-1][1] * self.y_spread + self.y_middle
        exact = np.float64 if activation == "relu" else np.float32
        return Layers(tuple((w.astype(exact), b.astype(exact)) for w, b in layers), activation, epoch, self.task)
