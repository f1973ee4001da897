"""Tune boosted trees and a neural network, as one conditional space, on noisy handwritten digits.

The digits are those that scikit-learn ships, with noise added as a poor camera would: on clean ones the libraries'
defaults are hard to beat, on noisy ones they overfit. Half of the data is locked away before anything is tuned and
only scores the result at the end. Run it again and the study in kilter.db goes on where it stands; it ends after 60
trials in total. On two cores it takes about a minute.
"""

from __future__ import annotations

import argparse
import warnings

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

STUDY = "digits"
STORAGE = "sqlite:///kilter.db"

space = {
    "model": kilter.Choice({
        "boosting": {
            "learning_rate": kilter.Float(0.03, 0.3, log=True),
            "trees": kilter.Int(30, 100, log=True),
            "leaves": kilter.Int(4, 24, log=True),
            "leaf_size": kilter.Int(2, 40, log=True),
            "max_features": kilter.Float(0.05, 1.0, log=True),
        },
        "network": {
            "width": kilter.Int(32, 512, log=True),
            "activation": kilter.Choice(["relu", "tanh"]),
            "step_size": kilter.Float(3e-4, 1e-2, log=True),
            "penalty": kilter.Float(1e-5, 10, log=True),
            "batch": kilter.Choice([32, 64, 128]),
        },
    }),
}  # fmt: skip


def load():
    """The noisy digits, split into a half for tuning and one that the tuning never sees."""
    images, digits = load_digits(return_X_y=True)  # grey values from 0 to 16
    noisy = images + np.random.default_rng(0).normal(0, 6, images.shape)
    return train_test_split(noisy, digits, test_size=0.5, stratify=digits, random_state=0)


def build(model, **settings):
    """The classifier of a configuration; without settings, the library's defaults."""
    if model == "network":
        names = {"step_size": "learning_rate_init", "penalty": "alpha", "batch": "batch_size"}
        chosen = {names.get(name, name): value for name, value in settings.items()}
        if "width" in chosen:
            chosen["hidden_layer_sizes"] = (chosen.pop("width"),)
            chosen["max_iter"] = 100
        return make_pipeline(StandardScaler(), MLPClassifier(random_state=0, **chosen))
    names = {"trees": "max_iter", "leaves": "max_leaf_nodes", "leaf_size": "min_samples_leaf"}
    chosen = {names.get(name, name): value for name, value in settings.items()}
    return HistGradientBoostingClassifier(random_state=0, **chosen)


def objective(**configuration):
    """Log loss in 3-fold cross-validation; only the parameters of the chosen model arrive here."""
    warnings.filterwarnings("ignore")  # networks that have not converged: their score tells
    images, _, digits, _ = load()
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    return -cross_val_score(build(**configuration), images, digits, cv=folds, scoring="neg_log_loss").mean()


def hold_out(classifier):
    """Log loss and accuracy on the data that was locked away, after a fit on the rest."""
    warnings.filterwarnings("ignore")
    images, unseen_images, digits, unseen_digits = load()
    with threadpool_limits(1):  # on so little data, threads only get into one another's way
        shares = classifier.fit(images, digits).predict_proba(unseen_images)
    return log_loss(unseen_digits, shares), accuracy_score(unseen_digits, shares.argmax(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60, help="in total, over all runs")
    parser.add_argument("--seconds", type=float, default=60, help="stop then, whatever is done")
    parser.add_argument("--svg", metavar="FILE", help="also draw the closing table into a file")
    options = parser.parse_args()

    study = kilter.tune(
        objective, space, minimize="log_loss",
        n_trials=options.trials, timeout=options.seconds, workers=2, seed=0, storage=STORAGE, study_name=STUDY,
    )  # fmt: skip

    console = Console(record=True, width=100 if options.svg else None)
    best = study.recommend()  # the best score of many is partly luck
    console.print(f"\n[bold]Recommended of {len(study.trials)} trials[/bold]: number {best.number}, "
                  f"log loss {best.value:.4f} in cross-validation")  # fmt: skip
    for name, value in best.params.items():
        console.print(f"  {name:14} {value:.4g}" if isinstance(value, float) else f"  {name:14} {value}")

    rows = {
        "boosting, defaults": hold_out(build("boosting")),
        "network, defaults": hold_out(build("network")),
        f"{best.params['model']}, tuned": hold_out(build(**best.params)),
    }
    table = Table()
    table.add_column("on data never seen")
    table.add_column("log loss", justify="right")
    table.add_column("accuracy", justify="right")
    for name, (loss, accuracy) in rows.items():
        table.add_row(name, f"{loss:.4f}", f"{accuracy:.2%}", style="bold" if "tuned" in name else None)
    console.print(table)
    (boosting, _), (network, _), (tuned, _) = rows.values()
    default, loss = min(("boosting", boosting), ("network", network), key=lambda pair: pair[1])
    console.print(
        f"On data never seen, the tuned {best.params['model']} has a log loss {abs(tuned / loss - 1):.0%} "
        f"{'lower' if tuned < loss else 'higher'} than the better of both defaults ({default})."
    )

    console.print(
        "\n[bold]Next[/bold]\n"
        f"  .venv/bin/kilter best {STUDY} --recommended     the configuration again\n"
        f"  .venv/bin/kilter trials {STUDY}                 all trials\n"
        f"  .venv/bin/python -c 'import kilter; print(kilter.load_study(study_name=\"{STUDY}\").recommend().params)'\n"
        "  .venv/bin/python examples/demo.py --trials 100 --seconds 300     go on from here",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if options.svg:
        console.save_svg(options.svg, title="make demo")


if __name__ == "__main__":
    main()
