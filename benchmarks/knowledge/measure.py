"""What settings of an estimator come to on small tables: the first step to knowledge that ships with its space.

    python benchmarks/knowledge/measure.py svm logistic_regression --out tables [--configs 64] [--folder MY_CSVS]

Every table is given the same settings, the defaults first and then points of a Sobol sequence. Written is one JSON file
a space: settings, names of the tables, losses (tables x settings; the error rate, or the mean square in units of the
target's variance), versions, date.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from tables import Table, classification, of_folder, regression

import kilter
from kilter import spaces

Losses = list[float | None]


def _lightgbm(**settings: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_jobs=1, verbose=-1, random_state=0, **settings)


def _trees(kind: type, **settings: Any) -> Any:
    return kind(n_estimators=60, random_state=0, **settings)


ESTIMATORS: dict[str, tuple[Callable[..., Any], Callable[[], dict[str, Any]], Callable[[], Iterable[Table]]]] = {
    "svm": (SVC, spaces.svm, classification),
    "svm-regression": (SVR, partial(spaces.svm, "regression"), regression),
    "logistic_regression": (partial(LogisticRegression, max_iter=300), spaces.logistic_regression, classification),
    "k_neighbors": (KNeighborsClassifier, spaces.k_neighbors, classification),
    "random_forest": (partial(_trees, RandomForestClassifier), spaces.random_forest, classification),
    "random_forest-regression": (
        partial(_trees, RandomForestRegressor),
        partial(spaces.random_forest, "regression"),
        regression,
    ),
    "extra_trees": (partial(_trees, ExtraTreesClassifier), spaces.extra_trees, classification),
    "extra_trees-regression": (
        partial(_trees, ExtraTreesRegressor),
        partial(spaces.extra_trees, "regression"),
        regression,
    ),
    "mlp": (partial(MLPClassifier, random_state=0, max_iter=100), spaces.mlp, classification),
    "lightgbm": (_lightgbm, spaces.lightgbm, classification),
    "hist_gradient_boosting": (
        partial(HistGradientBoostingClassifier, random_state=0),
        spaces.hist_gradient_boosting,
        classification,
    ),
}
"""Space -> what makes its estimator of settings, the space, and the tables it is tried on."""


def settings_of(space: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The defaults, and points of the Sobol sequence."""
    study = kilter.create_study(space=space, direction="minimize", sampler="sobol", seed=0)
    found = [dict(study.space.defaults)]
    while len(found) < count:
        trial = study.ask()
        found.append(dict(trial.params))
        study.tell(trial, 0.0)
    return found


def loss(make: Callable[..., Any], settings: Mapping[str, Any], table: Table) -> float | None:
    """Of one setting on one table; None where the fit fails."""
    model = make_pipeline(StandardScaler(), make(**settings))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = model.fit(table.rows, table.target).predict(table.test_rows)
    except ValueError:
        return None
    if table.target.dtype.kind == "f":
        return round(float(np.mean((predicted - table.test_target) ** 2)), 5)
    return round(float(np.mean(predicted != table.test_target)), 5)


def measured(name: str, count: int, folder: Path | None) -> dict[str, Any]:
    """All settings of one space on all tables."""
    make, space, own = ESTIMATORS[name]
    settings = settings_of(space(), count)
    tables: Iterator[Table] = iter(own()) if folder is None else of_folder(folder)
    losses: dict[str, Losses] = {}
    for table in tables:
        losses[table.name] = [loss(make, each, table) for each in settings]
        print(f"{name}: {table.name}: default {losses[table.name][0]}", flush=True)
    return {
        "space": name,
        "settings": settings,
        "losses": losses,
        "scikit-learn": sklearn.__version__,
        "date": date.today().isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="+", choices=ESTIMATORS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--configs", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="CSV files instead of the tables that can be made anywhere")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.spaces:
        (given.out / f"{name}.json").write_text(json.dumps(measured(name, given.configs, given.folder)))


if __name__ == "__main__":
    main()
