"""Tune boosted trees and a neural network, as one conditional space, on noisy handwritten digits.

The digits are those that scikit-learn ships, with noise added as a poor camera would: on clean ones the libraries'
defaults are hard to beat, on noisy ones they learn the noise. Only 3, 5 and 8 are taken, which are easily confused.
Half of the images are locked away before anything is tuned and only score the result at the end. The defaults of both
models are the first two trials; the rest comes one at a time, so that every run gives the same answer. Run it again and
the study in kilter.db goes on where it stands; it ends after 40 trials in total. It takes about a minute.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import kilter

STUDY = "noisy-digits"
STORAGE = "sqlite:///kilter.db"
TRIALS = 40
SEED = 0
"""Draws the noise, the split and the search."""

space = {
    "model": kilter.Choice({
        "boosting": {
            "learning_rate": kilter.Float(0.03, 0.3, log=True),
            "trees": kilter.Int(20, 100, log=True),
            "leaves": kilter.Int(3, 31, log=True),
            "leaf_size": kilter.Int(2, 40, log=True),
            "max_features": kilter.Float(0.05, 1.0, log=True),
        },
        "network": {
            "width": kilter.Int(16, 256, log=True),
            "epochs": kilter.Int(20, 200, log=True),
            "step_size": kilter.Float(3e-4, 1e-2, log=True),
            "penalty": kilter.Float(1e-4, 10, log=True),
            "batch": kilter.Int(32, 200, log=True),
        },
    }),
}  # fmt: skip

DEFAULTS = {
    "boosting": {"learning_rate": 0.1, "trees": 100, "leaves": 31, "leaf_size": 20, "max_features": 1.0},
    "network": {"width": 100, "epochs": 200, "step_size": 1e-3, "penalty": 1e-4, "batch": 200},
}
"""Those of scikit-learn, in words of the space."""


def load(seed):
    """The noisy images, split into a half for tuning and one that the tuning never sees."""
    images, digits = load_digits(return_X_y=True)  # grey values from 0 to 16
    chosen = np.isin(digits, [3, 5, 8])
    images, digits = images[chosen], digits[chosen]
    noisy = images + np.random.default_rng(seed).normal(0, 8, images.shape)
    return train_test_split(noisy, digits, test_size=0.5, stratify=digits, random_state=seed)


def build(model, **settings):
    """The classifier of a configuration."""
    if model == "network":
        network = MLPClassifier(
            hidden_layer_sizes=(settings["width"],), max_iter=settings["epochs"], batch_size=settings["batch"],
            learning_rate_init=settings["step_size"], alpha=settings["penalty"], random_state=0,
        )  # fmt: skip
        return make_pipeline(StandardScaler(), network)
    names = {"trees": "max_iter", "leaves": "max_leaf_nodes", "leaf_size": "min_samples_leaf"}
    chosen = {names.get(name, name): value for name, value in settings.items()}
    return HistGradientBoostingClassifier(random_state=0, **chosen)


def cross_validated(seed, **configuration):
    """Log loss in 5-fold cross-validation; only the parameters of the chosen model arrive here."""
    warnings.filterwarnings("ignore")  # networks that have not converged: their score tells
    images, _, digits, _ = load(seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # on so little data, threads only get into one another's way
        return -cross_val_score(build(**configuration), images, digits, cv=folds, scoring="neg_log_loss").mean()


def tune(seed, n_trials, storage, progress="auto"):
    """The study of one split: both defaults, then what the sampler asks for, up to `n_trials` in total."""
    same = {"space": space, "seed": seed, "study_name": STUDY, "storage": storage}
    study = kilter.create_study(directions={"log_loss": "minimize"}, load_if_exists=True, **same)
    for model, settings in DEFAULTS.items():
        study.enqueue_trial({"model": model, **settings}, skip_if_exists=True)
    objective = partial(cross_validated, seed)
    return kilter.tune(objective, minimize="log_loss", n_trials=n_trials, progress=progress, **same)


def hold_out(seed, model, **settings):
    """Log loss and accuracy on the images that were locked away, after a fit on the rest."""
    warnings.filterwarnings("ignore")
    images, unseen_images, digits, unseen_digits = load(seed)
    with threadpool_limits(1):
        classifier = build(model, **settings).fit(images, digits)
        shares = classifier.predict_proba(unseen_images)
    return log_loss(unseen_digits, shares), accuracy_score(unseen_digits, classifier.classes_[shares.argmax(axis=1)])


def compared(model, tuned, unseen):
    """One sentence: the log loss of the recommended trial against the better of the defaults, all on unseen images."""
    better = min(unseen, key=unseen.get)
    change = tuned / unseen[better] - 1
    words = f"a log loss {abs(change):.0%} {'lower' if change < 0 else 'higher'} than" if change else "the log loss of"
    return f"On images never seen, the recommended {model} has {words} the better of both defaults ({better})."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="in total, over all runs")
    parser.add_argument("--svg", metavar="FILE", help="also draw the closing table into a file")
    options = parser.parse_args()

    study = tune(SEED, options.trials, STORAGE)

    console = Console(record=True, width=100 if options.svg else None)
    best = study.recommend()  # the best score of many is partly luck
    console.print(f"\n[bold]Recommended of {len(study.trials)} trials[/bold]: number {best.number}, "
                  f"log loss {best.value:.4f} in cross-validation")  # fmt: skip
    for name, value in best.params.items():
        console.print(f"  {name:14} {value:.4g}" if isinstance(value, float) else f"  {name:14} {value}")

    scores = {model: hold_out(SEED, model, **settings) for model, settings in DEFAULTS.items()}
    tuned = hold_out(SEED, **best.params)
    table = Table()
    table.add_column("on images never seen")
    table.add_column("log loss", justify="right")
    table.add_column("accuracy", justify="right")
    for model, (loss, accuracy) in scores.items():
        table.add_row(f"{model}, defaults", f"{loss:.4f}", f"{accuracy:.2%}")
    table.add_row(f"{best.params['model']}, recommended", f"{tuned[0]:.4f}", f"{tuned[1]:.2%}", style="bold")
    console.print(table)
    console.print(compared(best.params["model"], tuned[0], {model: loss for model, (loss, _) in scores.items()}))

    console.print(
        "\n[bold]Next[/bold]\n"
        f"  .venv/bin/kilter best {STUDY} --recommended     the configuration again\n"
        f"  .venv/bin/kilter trials {STUDY}                 all trials\n"
        f"  .venv/bin/python -c 'import kilter; print(kilter.load_study(study_name=\"{STUDY}\").recommend().params)'\n"
        f"  .venv/bin/python examples/demo.py --trials {2 * TRIALS}     go on from here",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if options.svg:
        console.save_svg(options.svg, title="make demo")


if __name__ == "__main__":
    main()
