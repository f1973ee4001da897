"""A convolutional network in Keras: KerasTuner's way of working, with trials that pause and go on.

The task is made hard, so that there is something to tune: scikit-learn's digits with noise on every pixel, and only 300
of them to learn from. `tune` searches for learning rate, optimizer, size of the batches and the network itself. Each
trial begins with 3 epochs; promising ones go on to 9, and of those the best to 27, from where they stood.

In the end the network that most people would write down first, with Keras' defaults, and the one that was found are
trained on the same images from several random starts, for twice as long as any trial, and each is taken as it was
after its best epoch by the images for choosing. Only then the test images are looked at. A few minutes on two cores,
half of one with --short, whose few short trials show that it runs; who wins there is chance.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import mean, stdev

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kilter
from kilter.integrations.keras import TrialCallback, tune

SHORT = "--short" in sys.argv or os.environ.get("KILTER_SHORT") == "1"
TRIALS, STARTS = (6, 2) if SHORT else (60, 6)
EPOCHS = kilter.Fidelity("epochs", 1, 9) if SHORT else kilter.Fidelity("epochs", 3, 27)

DEFAULTS = {
    "blocks": 2,
    "filters": 32,
    "kernel": 3,
    "activation": "relu",
    "dropout": 0.5,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 32,
}
"""The first convolutional network of the textbooks, with Keras' own optimizer settings and size of a batch."""


def digits():
    """Images and labels for training, for choosing, and for the final test."""
    images, labels = load_digits(return_X_y=True)
    noise = np.random.default_rng(0).normal(0, 0.4, images.shape)
    images = (images / 16 + noise).astype("float32").reshape(-1, 8, 8, 1)
    train, rest, known, hidden = train_test_split(images, labels, train_size=300, stratify=labels, random_state=0)
    choose, test, wanted, unseen = train_test_split(rest, hidden, train_size=300, stratify=hidden, random_state=0)
    return (train, known), (choose, wanted), (test, unseen)


def network(trial):
    """A compiled network of one or two blocks of convolutions."""
    activation = trial.suggest_categorical("activation", ["relu", "gelu", "silu", "tanh"])
    filters = trial.suggest_int("filters", 8, 48, log=True)
    kernel = trial.suggest_categorical("kernel", [3, 5])
    layers = [keras.Input((8, 8, 1))]
    for block in range(trial.suggest_int("blocks", 1, 2)):
        layers += [
            keras.layers.Conv2D(filters * 2**block, kernel, padding="same", activation=activation),
            keras.layers.MaxPooling2D(),
        ]
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dropout(trial.suggest_float("dropout", 0.0, 0.8)),
        keras.layers.Dense(10, activation="softmax"),
    ]
    rate = trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True)
    name = trial.suggest_categorical("optimizer", ["adam", "adamw", "sgd"])
    if name == "sgd":
        optimizer = keras.optimizers.SGD(10 * rate, trial.suggest_float("momentum", 0.0, 0.98), nesterov=True)
    elif name == "adamw":
        optimizer = keras.optimizers.AdamW(rate, trial.suggest_float("weight_decay", 1e-4, 1.0, log=True))
    else:
        optimizer = keras.optimizers.Adam(rate)
    model = keras.Sequential(layers)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def batches(trial):
    return {"batch_size": trial.suggest_int("batch_size", 16, 128, log=True), "validation_batch_size": 300}


def from_several_starts(settings, train, choose, test):
    """Accuracy and log loss on the test, one pair for each random start, and the epochs that it took."""
    scores = []

    def objective(trial):
        keras.utils.set_random_seed(100 + trial.number)
        model = network(trial)
        callback = TrialCallback(trial, "val_loss", seed=1000 * trial.number, direction="minimize")
        model.fit(
            *train, validation_data=choose, epochs=2 * EPOCHS.high, verbose=0, callbacks=[callback], **batches(trial)
        )
        model.load_weights(callback.best_weights)
        found = model.evaluate(*test, verbose=0, return_dict=True)
        scores.append((found["accuracy"], found["loss"]))
        return model.evaluate(*choose, verbose=0)[0]

    study = kilter.create_study(scheduler="fifo", seed=0)
    for _ in range(STARTS):
        study.enqueue_trial(settings)
    study.optimize(objective, n_trials=STARTS, progress="none", catch=())
    return scores


def main() -> None:
    train, choose, test = digits()
    print(f"{len(train[0])} noisy digits to learn from, {len(choose[0])} to choose by, {len(test[0])} for the test")
    began = time.monotonic()
    study, model = tune(
        network,
        train,
        choose,
        n_trials=TRIALS,
        epochs=EPOCHS,
        objective="val_loss",
        fit=batches,
        storage=None,
        progress="none",
        path="digits.keras",
    )
    spent = time.monotonic() - began
    done = sum(trial.last_step or 0 for trial in study.trials)
    print(f"{TRIALS} trials in {spent:.0f} s: {done} epochs, {1 - done / (TRIALS * EPOCHS.high):.0%} saved by pausing")
    for name, value in study.best_params.items():
        print(f"  {name:14} {value:.3g}" if isinstance(value, float) else f"  {name:14} {value}")
    print(f"on the test, mean of {STARTS} trainings from random starts (± their standard deviation):")
    for name, settings in (("library defaults", DEFAULTS), ("tuned", study.best_params)):
        accuracies, losses = zip(*from_several_starts(settings, train, choose, test))
        print(
            f"  {name:17} accuracy {mean(accuracies):.3f} ± {stdev(accuracies):.3f}"
            f"   log loss {mean(losses):.3f} ± {stdev(losses):.3f}"
        )
    found = model.evaluate(*test, verbose=0, return_dict=True)
    print(f"the search's own model, in digits.keras: accuracy {found['accuracy']:.3f}   log loss {found['loss']:.3f}")


if __name__ == "__main__":
    main()
