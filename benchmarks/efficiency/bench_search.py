"""KilterSearchCV beside RandomizedSearchCV at the same number of candidates, with the ready-made spaces.

    python benchmarks/efficiency/bench_search.py [--seeds 5] [--problems svc svr …] [--lines FILE.jsonl]

Every seed draws up to 300 rows of a data set to search on, and holds the others out. Both search with the same folds:
KilterSearchCV with sampler="auto", RandomizedSearchCV among as many draws from the same space. The first n candidates
of a search are those of a search of n, so one search gives the figures of all lengths. Compared are the best mean score
over the folds, and the score of that candidate, fitted on all rows searched on, on those held out. KilterSearchCV
begins with the estimator as it comes; "with defaults" gives that to RandomizedSearchCV as one candidate more, so that
what is left is due to how candidates are chosen.

Each seed of a problem is a line of the file, kept and not run again; the table is of all lines there are.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))  # before NumPy

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn import datasets
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import KFold, RandomizedSearchCV, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from kilter import Space
from kilter.integrations.sklearn import KilterSearchCV
from kilter.spaces import prefixed, space_for

RESULT = Path(__file__).resolve().parents[1] / "results" / "efficiency" / "search.md"
HEAD = """# KilterSearchCV beside RandomizedSearchCV

The best score of a search by `sampler="auto"` less that of RandomizedSearchCV with as many candidates n, in hundredths
of accuracy or R², mean over seeds with the reach of its interval of 95 %. CV: the mean over the folds, which the search
saw. With defaults: RandomizedSearchCV is given the estimator as it comes besides. Held out: the best candidate on rows
that no search saw. Seconds: median of a whole search, KilterSearchCV's first; candidates differ, and so do their fits.

Made by `python benchmarks/efficiency/bench_search.py`.
"""
LENGTHS = (15, 30)
FOLDS = 3
ROWS = 300
"""To search on, at most; fits take a tenth of a second. All others are held out."""
MADE = 2000
"""Rows of data that are made."""


def noisy(name: str, sd: float) -> Any:
    """A data set of scikit-learn's, standardised, with noise: without it many candidates are perfect."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    return x + np.random.default_rng(99).normal(0, sd, x.shape), y


def made() -> Any:
    return datasets.make_classification(MADE, 20, n_informative=6, n_clusters_per_class=3, flip_y=0.1, random_state=3)


def friedman() -> Any:
    return datasets.make_friedman1(MADE, noise=2.0, random_state=3)


ESTIMATORS = {
    "svc": SVC(),
    "svr": SVR(),
    "forest": RandomForestClassifier(50, random_state=0),
    "forest_regressor": RandomForestRegressor(50, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "boosting_regressor": HistGradientBoostingRegressor(random_state=0),
    "mlp": MLPClassifier(random_state=0, max_iter=100),
}
DATA = {
    "cancer": lambda: noisy("breast_cancer", 2.0),
    "digits": lambda: noisy("digits", 1.0),
    "wine": lambda: noisy("wine", 1.5),
    "diabetes": lambda: noisy("diabetes", 0.0),
    "made": made,
    "friedman": friedman,
}
PROBLEMS = [
    *(f"svc {data}" for data in ("cancer", "digits", "wine", "made")),
    *(f"svr {data}" for data in ("diabetes", "friedman")),
    *(f"forest {data}" for data in ("cancer", "made")),
    *(f"forest_regressor {data}" for data in ("diabetes", "friedman")),
    *(f"boosting {data}" for data in ("cancer", "made")),
    *(f"boosting_regressor {data}" for data in ("diabetes", "friedman")),
    *(f"mlp {data}" for data in ("wine", "made")),
]


def searched(problem: str, seed: int) -> dict[str, Any]:
    """The figures of both searches."""
    method, data = problem.split()
    estimator = make_pipeline(StandardScaler(), ESTIMATORS[method])
    x, y = DATA[data]()
    classes = y if is_classifier(estimator) else None
    size = min(ROWS, 2 * len(x) // 3)
    x, unseen, y, truth = train_test_split(x, y, train_size=size, stratify=classes, random_state=seed)
    folds = (KFold if classes is None else StratifiedKFold)(FOLDS, shuffle=True, random_state=seed)
    ready = space_for(estimator[-1])
    ready.pop("max_iter", None)  # of boosting: with a hundred rounds, as it comes, fits take a tenth of the time
    space = Space(prefixed(ready, estimator.steps[-1][0]))
    chance = np.random.default_rng([seed, 1])
    most = max(LENGTHS)
    draws = [{name: [value] for name, value in space.values(space.draw(chance)).items()} for _ in range(most)]
    settings: dict[str, Any] = {"cv": folds, "refit": False, "random_state": seed}
    ours = KilterSearchCV(estimator, space, n_iter=most, **settings)
    theirs = RandomizedSearchCV(estimator, draws, n_iter=most, **settings)  # all of the draws, in an order by chance

    def held_out(params: dict[str, Any]) -> float:
        return float(clone(estimator).set_params(**params).fit(x, y).score(unseen, truth))

    line: dict[str, Any] = {"problem": problem, "seed": seed}
    for name, search in (("auto", ours), ("random", theirs)):
        began = time.perf_counter()
        search.fit(x, y)
        seconds = time.perf_counter() - began
        results = search.cv_results_
        fits = FOLDS * float(np.sum(results["mean_fit_time"] + results["mean_score_time"]))
        scores = np.nan_to_num(results["mean_test_score"], nan=-np.inf)
        bests = {n: int(np.argmax(scores[:n])) for n in LENGTHS}
        unseen_of = {
            i: held_out(results["params"][i]) for i in set(bests.values()) | ({0} if name == "auto" else set())
        }
        line[name] = {
            "seconds": seconds,
            "seconds of fits": fits,
            "best": {n: float(scores[i]) for n, i in bests.items()},
            "held out": {n: unseen_of[i] for n, i in bests.items()},
        }
        if name == "auto":
            line["defaults"] = {"best": float(scores[0]), "held out": unseen_of[0]}
    return line


def differences(lines: list[dict[str, Any]], n: int, what: str, *, with_defaults: bool = False) -> np.ndarray:
    """By seed, what `auto` has more than `random`; with the defaults where they scored more than what that found."""
    found = []
    for line in lines:
        mine, other = line["auto"], line["random"]
        theirs = other[what][str(n)]
        if with_defaults and line["defaults"]["best"] > other["best"][str(n)]:
            theirs = line["defaults"][what]
        found.append(mine[what][str(n)] - theirs)
    return np.array(found)


def interval(values: np.ndarray) -> str:
    """A mean with the reach of its interval of 95 %, by Student's t; in hundredths."""
    reach = (
        stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    )
    return f"{100 * values.mean():+.2f} ± {100 * reach:.2f}"


def table(lines: list[dict[str, Any]]) -> str:
    """What the lines come to, in Markdown."""
    heads = [f"{name}, n = {n}" for n in LENGTHS for name in ("CV", "CV, with defaults", "held out")]
    text = ["| problem | seeds | " + " | ".join(heads) + " | seconds |", "|---|--:|" + "--:|" * (len(heads) + 1)]
    problems = {line["problem"]: [other for other in lines if other["problem"] == line["problem"]] for line in lines}
    columns: dict[str, list[np.ndarray]] = {head: [] for head in heads}
    for problem, own in problems.items():
        cells = []
        for n in LENGTHS:
            values = (
                differences(own, n, "best"),
                differences(own, n, "best", with_defaults=True),
                differences(own, n, "held out"),
            )
            for head, value in zip(heads[len(cells) :], values):
                columns[head].append(value)
            cells += [interval(value) for value in values]
        seconds = [statistics.median(line[name]["seconds"] for line in own) for name in ("auto", "random")]
        text.append(f"| {problem} | {len(own)} | {' | '.join(cells)} | {seconds[0]:.1f} / {seconds[1]:.1f} |")
    text.append(
        "| mean over problems | | "
        + " | ".join(interval(np.array([v.mean() for v in c])) for c in columns.values())
        + " | |"
    )
    counts = []
    for column in columns.values():
        all_of_it = np.concatenate(column)
        more, same = int((all_of_it > 1e-12).sum()), int((abs(all_of_it) <= 1e-12).sum())
        counts.append(f"{more} / {same} / {len(all_of_it) - more - same}")
    text.append("| searches won / even / lost | | " + " | ".join(counts) + " | |")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="searches of a problem (default: %(default)s)")
    parser.add_argument("--problems", nargs="*", default=[""], help="how their names begin (default: all)")
    parser.add_argument("--lines", type=Path, default=RESULT.with_suffix(".jsonl"), help="what is done already")
    options = parser.parse_args()
    asked = tuple(options.problems)
    warnings.simplefilter("ignore")  # what the spaces hold includes what does not converge
    options.lines.parent.mkdir(parents=True, exist_ok=True)
    options.lines.touch()
    known = [json.loads(line) for line in options.lines.read_text().splitlines()]
    done = {(line["problem"], line["seed"]) for line in known}
    for seed in range(options.seeds):
        for problem in PROBLEMS:
            if problem.startswith(asked) and (problem, seed) not in done:
                line = json.dumps(searched(problem, seed))
                with options.lines.open("a") as file:
                    file.write(line + "\n")
                known.append(json.loads(line))
    known = sorted(known, key=lambda line: (PROBLEMS.index(line["problem"]), line["seed"]))
    text = table([line for line in known if line["problem"].startswith(asked)])
    print(text)
    options.lines.with_suffix(".md").write_text(f"{HEAD}\n{text}\n")


if __name__ == "__main__":
    main()
