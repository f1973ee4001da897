"""Tune a pipeline of scikit-learn, the choice of its steps included, and end hopeless candidates after a fold or two.

`KilterSearchCV` takes the place of `RandomizedSearchCV`. The model is an SVM or a random forest, each with parameters
of its own; the study is kept in a file, so a second, longer fit goes on where the first one ended. The data are noisy
handwritten digits, odd or even; rows that no fold has seen score the pipeline as it is and as it was tuned.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import kilter
from kilter.integrations.sklearn import KilterSearchCV

PIPELINE = Pipeline([("scale", StandardScaler()), ("reduce", "passthrough"), ("model", SVC())])

SPACE = {
    "scale": [StandardScaler(), "passthrough"],
    "reduce": kilter.Choice({"all": "passthrough", "pca": PCA(random_state=0)}),
    "reduce__n_components": kilter.Int(4, 48, log=True).when(reduce="pca"),
    "model": kilter.Choice({"svm": SVC(), "forest": RandomForestClassifier(30, random_state=0)}),
    "model__C": kilter.Float(1e-2, 1e3, log=True).when(model="svm"),
    "model__gamma": kilter.Float(1e-5, 1e-1, log=True).when(model="svm"),
    "model__max_depth": kilter.Int(2, 16).when(model="forest"),
    "model__max_features": kilter.Float(0.05, 1.0, log=True).when(model="forest"),
}


def main() -> None:
    images, digits = load_digits(return_X_y=True)  # grey values from 0 to 16
    noisy = images + np.random.default_rng(0).normal(0, 6, images.shape)
    x, x_unseen, y, y_unseen = train_test_split(noisy, digits % 2, train_size=300, stratify=digits, random_state=0)

    with threadpool_limits(1):  # on so little data, threads only get into one another's way
        for n_iter in (15, 40):
            search = KilterSearchCV(
                PIPELINE, SPACE, n_iter=n_iter, cv=5, scoring="roc_auc", scheduler="race", random_state=0,
                storage="sqlite:///pipeline.db",
            ).fit(x, y)  # fmt: skip
            fits = sum(row["folds"] for row in search.trials_)
            print(f"{len(search.trials_)} candidates, {fits} fits of {5 * n_iter}: best AUC {search.best_score_:.4f}")
        print("\nbest:", ", ".join(f"{name}={value}" for name, value in search.best_params_.items()))
        as_it_is = search.scorer_(PIPELINE.fit(x, y), x_unseen, y_unseen)
        print(f"on unseen rows: {as_it_is:.4f} as it is, {search.score(x_unseen, y_unseen):.4f} tuned")


if __name__ == "__main__":
    main()
