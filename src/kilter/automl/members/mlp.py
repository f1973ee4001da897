"""A small multi-layer perceptron in NumPy, float32, in the manner of RealMLP (arXiv 2407.04491).

    h₀ = s ⊙ [x, waves(x)]      h_l = dropout(SiLU(h_{l-1} W_l + b_l))      out = h_L W + b

What is taken from there: a scale s for each column, learned six times as fast as the weights; SiLU; biases that start
spread out; AdamW with β₂ = .95 and a cosine schedule with warm-up; the epoch that is best on the validation rows.

waves.py has periodic features of numbers, network.py the passes and the steps. A fitted network is its layers alone:
the scales of columns and targets are folded into the first and the last one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.members.held_out import HeldOut
from kilter.automl.members.losses import softmax
from kilter.automl.members.member import (
    Fitted,
    HoldsOut,
    Left,
    Matrix,
    Params,
    Rows,
    Shape,
    relative,
    settled,
    told,
    told_task,
)
from kilter.automl.members.network import Data, Network, batch_of, follow, learn, sigmoid
from kilter.automl.members.waves import MOST, Waves
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter

WAVES = "columns", "frequencies", "phases"
WAVE_SCALE = 0.2
"""What waves are multiplied with at first; columns themselves begin with 1."""


@dataclass(frozen=True)
class MLP(HoldsOut):
    """A network of a few hundred units; its validation rows say which epoch was the best one."""

    name: str = "mlp"
    view: str = "dense"

    def space(self, task: Task) -> dict[str, Parameter]:
        """Size, rate, what keeps it from learning by heart, and periodic features, of which one of ReLU has none."""
        return {
            "width": Int(32, 320, log=True, default=128),
            "depth": Int(1, 4, default=3),
            "learning_rate": Float(1e-3, 2e-2, log=True, default=4e-3),
            "weight_decay": Float(1e-4, 0.3, log=True, default=0.01),
            "dropout": Float(0.0, 0.5, default=0.3),
            "epochs": Int(20, 200, log=True, default=60),
            "activation": Choice(["silu", "relu"], default="silu"),
            "waves": Int(0, 32, default=16),
            "bandwidth": Float(0.05, 2.0, log=True, default=0.4),
        }

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds: products of matrices, what is done for each unit, and steps; most fits end after four fifths."""
        settings = settled(self, params, Task("regression"))
        width, layers, batch = settings["width"], settings["depth"], batch_of(shape.rows)
        inputs = shape.columns + min(shape.columns * settings["waves"], MOST)
        products = inputs * width + (layers - 1) * width**2 + width * shape.width
        of_row = 5e-11 * products + 2.6e-9 * width * layers + 1e-9 * inputs + 1e-8 * shape.width
        step = 2.5e-5 * layers + 1.3e-9 * products + batch * of_row
        return 0.002 + 0.8 * float(settings["epochs"] * step * shape.rows / batch)

    def fit_and_hold_out(
        self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left
    ) -> tuple[Fitted, np.ndarray]:
        """All epochs, or fewer where the loss on `valid` rises for long; where time is short, the schedule is too."""
        settings = settled(self, params, task)
        start = _Start(settings, train, task, seed)
        seen, rows = start.inputs(valid.matrix), HeldOut(valid, task)

        def judge() -> float:
            return rows.saw(start.found(start.network.forward(seen)))

        epoch = learn(start.network, start.data, judge, settings["epochs"], left)
        return start.folded(epoch), rows.predictions

    def refit(self, params: Params, models: Sequence[Fitted], train: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """As many epochs as the fits of folds had at their best, in the mean."""
        settings = settled(self, params, task)
        epoch = max(1, round(float(np.mean([model.epoch for model in models if isinstance(model, Layers)]))))
        start = _Start(settings, train, task, seed)
        follow(start.network, start.data, epoch, settings["epochs"], left)
        return start.folded(epoch)

    def load(self, state: State) -> Fitted:
        """From weights and biases, layer by layer."""
        values, arrays = state.values, state.arrays
        layers = tuple((arrays[f"weights {i}"], arrays[f"biases {i}"]) for i in range(values["layers"]))
        waves = Waves(**{name: arrays[name] for name in WAVES}) if values["activation"] == "silu" else None
        return Layers(layers, waves, values["epoch"], told_task(values))


@dataclass(frozen=True)
class Layers:
    """A fitted network: weights (a, b) and biases (b,) of each layer, for the columns and targets as they are.

    One with waves is of SiLU and computes in float32. One without is of ReLU and computes in float64, as that of
    scikit-learn does, which it can become.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    waves: Waves | None
    epoch: int
    task: Task

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Values, or probabilities by the softmax, float64."""
        exact = self.waves is None
        hidden = np.asarray(matrix.values, float) if self.waves is None else self.waves.beside(matrix.values)
        *inner, last = self.layers
        for weights, biases in inner:
            hidden = hidden @ weights
            hidden += biases
            hidden = np.maximum(hidden, 0, out=hidden) if exact else hidden * sigmoid(hidden)
        found = hidden @ last[0] + last[1]
        return found[:, 0].astype(float) if self.task.is_regression else softmax(found)

    def state(self) -> State:
        """The layers, and what was predicted."""
        kind = "relu" if self.waves is None else "silu"
        values = told(self.task) | {"activation": kind, "epoch": self.epoch, "layers": len(self.layers)}
        parts = {"weights": 0, "biases": 1}
        arrays = {f"{part} {i}": layer[at] for i, layer in enumerate(self.layers) for part, at in parts.items()}
        return State(values, arrays | (vars(self.waves) if self.waves else {}))

    def estimator(self) -> Any:
        """scikit-learn's MLPRegressor or MLPClassifier with these layers; there is none of SiLU."""
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        if self.waves:
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


class _Start:
    """A network before its first step, and the rows that it learns from, in units in which all columns are alike.

    `waves`, if any, stand beside the columns; of all these inputs `middle` and `spread` are means and deviations.
    """

    def __init__(self, settings: Params, train: Rows, task: Task, seed: int) -> None:
        rng = np.random.Generator(np.random.SFC64(seed))
        columns = train.matrix.values.shape[1]
        self.task, self.waves = task, None
        if settings["activation"] == "silu":
            self.waves = Waves.drawn(train.matrix.values, settings["waves"], settings["bandwidth"], rng)
        values = self._beside(train.matrix)
        self.middle, self.spread = values.mean(axis=0, dtype=float), values.std(axis=0, dtype=float) + 1e-6
        self.y_middle, self.y_spread = _units(train) if task.is_regression else (0.0, 1.0)
        weight = None if train.weight is None else relative(train.weight).astype(np.float32)[:, None]
        self.data: Data = (self._scaled(values), self._wanted(train.y), weight)
        self.network = Network(len(self.middle), task.width, settings, rng)
        self.network.own.scale[columns:] = WAVE_SCALE
        if not task.is_regression:
            shares = np.bincount(train.y, train.weight, task.width)
            self.network.own.biases[-1][:] = np.log((shares + 0.5 * shares.mean() / len(train.y)) / shares.sum())

    def _beside(self, matrix: Matrix) -> np.ndarray:
        return self.waves.beside(matrix.values) if self.waves else matrix.values

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.asarray((values - self.middle) / self.spread, np.float32)

    def _wanted(self, y: np.ndarray) -> np.ndarray:
        """(n, 1) scaled values, or (n, k) indicators of classes."""
        wanted = (
            ((y - self.y_middle) / self.y_spread)[:, None] if self.task.is_regression else np.eye(self.task.width)[y]
        )
        return np.asarray(wanted, np.float32)

    def inputs(self, matrix: Matrix) -> np.ndarray:
        """What the network is fed with, float32."""
        return self._scaled(self._beside(matrix))

    def found(self, outputs: np.ndarray) -> np.ndarray:
        """What those outputs of the network predict: values, or probabilities."""
        if self.task.is_regression:
            return np.asarray(outputs[:, 0] * self.y_spread + self.y_middle)
        return softmax(outputs)

    def folded(self, epoch: int) -> Layers:
        """The network as it is now, for columns and targets as they are."""
        own = self.network.own
        weights, biases = ([each.astype(float) for each in part] for part in (own.weights, own.biases))
        inputs = (own.scale / self.spread)[:, None] * weights[0]
        layers = [(inputs, biases[0] - self.middle @ inputs), *zip(weights[1:], biases[1:], strict=True)]
        layers[-1] = layers[-1][0] * self.y_spread, layers[-1][1] * self.y_spread + self.y_middle
        exact = np.float32 if self.waves else np.float64
        return Layers(tuple((w.astype(exact), b.astype(exact)) for w, b in layers), self.waves, epoch, self.task)


def _units(train: Rows) -> tuple[float, float]:
    """The mean and the deviation of a target; a constant one has the deviation 1."""
    middle = float(np.average(train.y, weights=train.weight))
    return middle, math.sqrt(float(np.average((train.y - middle) ** 2, weights=train.weight))) or 1.0
