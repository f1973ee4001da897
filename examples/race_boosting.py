"""Tune an SVM and boosted trees in one race over the folds of a cross-validation, and confirm the best few.

A trial that has hardly a chance left to beat the best one on all ten folds ends there and then. Afterwards the folds
that were spared are run all the same, to see what full cross-validation of every trial would have cost, and chosen.
The data are noisy handwritten digits, odd or even; a part that no fold has seen scores both winners. On two cores it
takes about half a minute.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import kilter
from kilter.evaluation.confirmation import confirm
from kilter.evaluation.folds import frozen_splits, over_folds

FOLDS = 10

space = {
    "model": kilter.Choice({
        "svm": {
            "penalty": kilter.Float(1e-2, 1e3, log=True),
            "width": kilter.Float(1e-4, 1.0, log=True),
        },
        "boosting": {
            "trees": kilter.Int(8, 60, log=True),
            "learning_rate": kilter.Float(0.02, 0.5, log=True),
            "depth": kilter.Int(1, 4),
            "max_features": kilter.Float(0.05, 1.0, log=True),
        },
    }),
}  # fmt: skip


def load():
    """Noisy digits, odd or even: 360 rows to tune on, the rest to score the winners."""
    images, digits = load_digits(return_X_y=True)  # grey values from 0 to 16
    noisy = images + np.random.default_rng(0).normal(0, 6, images.shape)
    return train_test_split(noisy, digits % 2, train_size=360, stratify=digits, random_state=0)


def build(model, **settings):
    """The classifier of a configuration."""
    if model == "svm":
        return make_pipeline(StandardScaler(), SVC(C=settings["penalty"], gamma=settings["width"]))
    return GradientBoostingClassifier(
        n_estimators=settings["trees"], learning_rate=settings["learning_rate"], max_depth=settings["depth"],
        max_features=settings["max_features"], random_state=0,
    )  # fmt: skip


X, X_UNSEEN, Y, Y_UNSEEN = load()
SPLITS = frozen_splits(len(Y), FOLDS, stratify=Y)


def auc(params, train, x, y):
    """Area under the ROC curve on some rows, after a fit on others."""
    classifier = build(**params).fit(X[train], Y[train])
    return roc_auc_score(y, classifier.decision_function(x))


def objective(trial):
    """The mean over the folds; each is reported, and the scheduler is asked after each."""
    return over_folds(trial, SPLITS, lambda train, test: auc(trial.params, train, X[test], Y[test]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    options = parser.parse_args()

    with threadpool_limits(1):  # on so little data, threads only get into one another's way
        began = time.perf_counter()
        study = kilter.create_study(space=space, direction="maximize", scheduler="race", seed=0)
        study.optimize(objective, n_trials=options.trials, progress="none")
        raced = time.perf_counter() - began
        confirmation = confirm(study, objective, k=5)
        trials = study.trials[: options.trials]
        spent = sum(len(trial.folds) for trial in trials)
        print(
            f"{len(trials)} trials, {sum(len(t.folds) < FOLDS for t in trials)} of them stopped early\n{confirmation}\n"
        )

        began = time.perf_counter()
        full = {}
        for trial in trials:
            spared = SPLITS[len(trial.folds) :]
            scores = [*trial.folds.values(), *(auc(trial.params, train, X[test], Y[test]) for train, test in spared)]
            full[trial.number] = np.mean(scores)
        spared_seconds = time.perf_counter() - began

        winner, best = confirmation.choice, max(full, key=full.get)
        rows = {"race": (winner.number, spent, raced), "full": (best, FOLDS * len(trials), raced + spared_seconds)}
        print(f"{'':4} {'fits':>5} {'seconds':>8} {'winner':>6} {'10-fold AUC':>11} {'AUC on unseen rows':>18}")
        for name, (number, fits, seconds) in rows.items():
            unseen = auc(study.trials[number].params, np.arange(len(Y)), X_UNSEEN, Y_UNSEEN)
            print(f"{name:4} {fits:5} {seconds:8.1f} {number:6} {full[number]:11.4f} {unseen:18.4f}")
        print(f"The race saved {1 - spent / (FOLDS * len(trials)):.0%} of the fits.")


if __name__ == "__main__":
    main()
