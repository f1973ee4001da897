"""Racing over folds beside full cross-validation, and confirmation of the best few beside full cross-validation.

    python benchmarks/efficiency/bench_race.py [--record] [--out benchmarks/results/efficiency/race.md]

Random configurations of small learners were fitted once on every fold, and refitted on all rows for the score on rows
that no fold has seen; those scores lie in race.npz beside the result (--record makes them anew, in a quarter of an
hour). A replay then hands them to whichever rule decides, in shuffled orders, so that no fit is repeated. All scores
are losses. The rules' constants were chosen on the data sets whose names begin with "dev".
"""

from __future__ import annotations

import argparse
import pathlib
import time
import warnings

import numpy as np
from scipy.stats import rankdata

import kilter
from kilter.api import create_study
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Problem
from kilter.core.states import dumps_state
from kilter.evaluation.confirmation import confirm
from kilter.evaluation.folds import over_folds
from kilter.schedulers.race import RaceScheduler

RESULT = pathlib.Path(__file__).parents[1] / "results" / "efficiency" / "race.md"
DRAWS = 4
"""Splits into rows to tune on and rows to test on, each with configurations of its own."""
ORDERS = 5
"""Orders in which the configurations of a draw are tried: 20 repeats for each data set."""

# What is fitted. ------------------------------------------------------------------------------------------------------


def noisy(name, sd):
    """A data set of scikit-learn's, standardised, with noise added: without it the best score is perfect."""

    def load(draw):
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        x = (x - x.mean(0)) / (x.std(0) + 1e-9)
        return x + np.random.default_rng(99).normal(0, sd, x.shape), y

    return load


def parity(sd):
    """Odd or even digits, with noise."""

    def load(draw):
        from sklearn import datasets

        x, y = datasets.load_digits(return_X_y=True)
        return x + np.random.default_rng(99).normal(0, sd, x.shape), y % 2

    return load


def generated(seed, **settings):
    """Another generated problem in every draw."""

    def load(draw):
        from sklearn.datasets import make_classification

        return make_classification(n_samples=4000, random_state=seed + draw, **settings)

    return load


def moons(draw):
    from sklearn.datasets import make_moons

    return make_moons(3000, noise=0.35, random_state=draw)


def diabetes(draw):
    from sklearn.datasets import load_diabetes

    return load_diabetes(return_X_y=True)


def log(stream, low, high):
    return float(np.exp(stream.uniform(np.log(low), np.log(high))))


def scaled(model):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def svm(r):
    from sklearn.svm import SVC

    return scaled(SVC(C=log(r, 1e-2, 1e3), gamma=log(r, 1e-4, 1)))


def knn(r):
    from sklearn.neighbors import KNeighborsClassifier

    neighbors, weights, p = int(log(r, 1, 60)), r.choice(["uniform", "distance"]), int(r.integers(1, 3))
    return scaled(KNeighborsClassifier(n_neighbors=neighbors, weights=weights, p=p))


def logistic(r):
    from sklearn.linear_model import LogisticRegression

    return scaled(LogisticRegression(C=log(r, 1e-4, 1e3), max_iter=200))


def boosting(r):
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(
        n_estimators=int(log(r, 8, 50)), learning_rate=log(r, 0.02, 0.5), max_depth=int(r.integers(1, 5)),
        subsample=r.uniform(0.4, 1), max_features=r.uniform(0.1, 1), min_samples_leaf=int(log(r, 1, 30)),
        random_state=0,
    )  # fmt: skip


def forest(r):
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        n_estimators=int(log(r, 5, 25)), max_depth=int(r.integers(2, 14)), min_samples_leaf=int(log(r, 1, 30)),
        max_features=r.uniform(0.1, 1), random_state=0,
    )  # fmt: skip


def regression(r):
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.svm import SVR

    kind = r.integers(3)
    if kind == 0:
        return scaled(Ridge(alpha=log(r, 1e-3, 1e4)))
    if kind == 1:
        return scaled(SVR(C=log(r, 1e-1, 1e3), gamma=log(r, 1e-4, 1), epsilon=log(r, 1, 40)))
    return GradientBoostingRegressor(
        n_estimators=int(log(r, 8, 50)), learning_rate=log(r, 0.02, 0.5), max_depth=int(r.integers(1, 5)),
        subsample=r.uniform(0.4, 1), random_state=0,
    )  # fmt: skip


def mixed(*models):
    return lambda r: models[r.integers(len(models))](r)


def auc(model, x, y):
    from sklearn.metrics import roc_auc_score

    margin = model.decision_function(x) if hasattr(model, "decision_function") else model.predict_proba(x)[:, 1]
    return 1 - roc_auc_score(y, margin)


def error(model, x, y):
    return np.mean(model.predict(x) != y)


def log_loss(model, x, y):
    from sklearn.metrics import log_loss as loss

    return loss(y, model.predict_proba(x), labels=model.classes_)


def rmse(model, x, y):
    return np.mean((model.predict(x) - y) ** 2) ** 0.5


TWENTY = {"n_features": 20, "n_informative": 8}
RACES = {
    "dev cancer, SVM, error": (noisy("breast_cancer", 0.5), 285, svm, error),
    "dev digits, SVM kNN logistic, error": (noisy("digits", 1.0), 400, mixed(knn, logistic, svm), error),
    "dev moons, forest, log loss": (moons, 300, forest, log_loss),
    "dev generated, boosting, 1 - AUC": (
        generated(50, n_features=20, n_informative=6, flip_y=0.1), 300, boosting, auc),
    "dev cancer, logistic kNN forest, log loss": (
        noisy("breast_cancer", 1.0), 285, mixed(logistic, knn, forest), log_loss),
    "wine, SVM kNN logistic, error": (noisy("wine", 1.5), 120, mixed(knn, logistic, svm), error),
    "digits odd or even, SVM, 1 - AUC": (parity(6), 300, svm, auc),
    "generated 4 classes, kNN logistic, error": (
        generated(900, n_features=12, n_informative=6, n_classes=4, flip_y=0.05), 300, mixed(knn, logistic), error),
    "diabetes, ridge SVM boosting, RMSE": (diabetes, 300, regression, rmse),
    "generated, boosting, 1 - AUC": (
        generated(0, n_clusters_per_class=3, flip_y=0.12, **TWENTY), 300, boosting, auc),
}  # fmt: skip
"""Where to load, rows to tune on, models, loss: raced over 10 folds with 100 configurations."""
CONFIRMATIONS = {
    "generated, 12 % of labels wrong, SVM": (
        generated(300, n_clusters_per_class=2, flip_y=0.24, **TWENTY), 300, svm, auc),
    "digits odd or even, SVM": (parity(8), 300, svm, auc),
    "generated, 12 % of labels wrong, boosting": (
        generated(300, n_clusters_per_class=2, flip_y=0.24, **TWENTY), 300, boosting, auc),
}  # fmt: skip
"""Likewise, confirmed over 5 folds out of 200 configurations."""


def record(load, rows, models, score, folds, configurations, draw):
    """Losses of shape (configurations, folds + 1); the last column is that on rows that no fold has seen."""
    from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

    x, y = load(draw)
    is_class = score is not rmse
    x, far_x, y, far_y = train_test_split(x, y, train_size=rows, random_state=draw, stratify=y if is_class else None)
    splits = list((StratifiedKFold if is_class else KFold)(folds, shuffle=True, random_state=draw).split(x, y))
    scores = np.empty((configurations, folds + 1))
    for i in range(configurations):
        for k, (train, test) in enumerate(splits):
            scores[i, k] = score(models(np.random.default_rng((draw, i))).fit(x[train], y[train]), x[test], y[test])
        scores[i, folds] = score(models(np.random.default_rng((draw, i))).fit(x, y), far_x, far_y)
    return scores


def recorded(path, anew):
    """All scores by (name, draw)."""
    if anew or not path.exists():
        warnings.filterwarnings("ignore")
        kept = {}
        for name, task in {**RACES, **CONFIRMATIONS}.items():
            folds, configurations = (10, 100) if name in RACES else (5, 200)
            for draw in range(DRAWS):
                kept[f"{name}/{draw}"] = record(*task, folds, configurations, draw).astype(np.float32)
                print("recorded", name, draw, flush=True)
        np.savez_compressed(path, **kept)
    with np.load(path) as arrays:
        return {tuple(key.split("/")): arrays[key].astype(float) for key in arrays.files}


# Rules. ---------------------------------------------------------------------------------------------------------------


def forgiving(trial, incumbent):
    """Bergman et al. (2024): the mean so far is worse than the incumbent's worst fold."""
    return trial.mean() > incumbent.max()


def aggressive(trial, incumbent):
    """Bergman et al. (2024): the mean so far is worse than the incumbent's mean."""
    return trial.mean() > incumbent.mean()


def signed_rank(trial, incumbent):
    """Wilcoxon's exact one-sided test at p < 0.1, as Optuna's WilcoxonPruner uses it."""
    d = trial - incumbent[: len(trial)]
    if len(d) < 2 or d.mean() <= 0:
        return False
    ranks = np.rint(2 * rankdata(np.abs(d[d != 0]))).astype(int)  # doubled, so that ties are whole
    ways = np.zeros(ranks.sum() + 1)
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank].copy()
    return ways[ranks[d[d != 0] > 0].sum() :].sum() / ways.sum() < 0.1


def replay(scores, stops):
    """Fits spent and the row that wins, where a plain function decides."""
    incumbent, spent = scores[0], scores.shape[1]
    for row in scores[1:]:
        done = next((n for n in range(1, len(row)) if stops(row[:n], incumbent)), len(row))
        spent += done
        if done == len(row) and row.mean() < incumbent.mean():
            incumbent = row
    return spent, incumbent


def studied(scores, scheduler, first=None, k=None):
    """Fits spent, the row that wins, and the confirmation of the best `k`, where a study runs on a table."""
    spent = 0

    def objective(trial):
        def score(fold):
            nonlocal spent
            spent += 1
            return scores[trial.params["row"], fold]

        return over_folds(trial, range(scores.shape[1]), score, first=first)

    study = create_study(space={"row": kilter.Int(0, len(scores) - 1)}, sampler="random", scheduler=scheduler, seed=0)
    for row in range(len(scores)):
        study.enqueue_trial({"row": row})
    study.optimize(objective, n_trials=len(scores), progress="none")
    best = study.best_params["row"]
    confirmation = confirm(study, objective, k) if k else None
    return spent, scores[best], confirmation


def ours(**settings):
    return lambda scores: studied(scores, RaceScheduler(**settings))[:2]


RULES = {
    "race": ours(),
    "race, chance=0.1": ours(chance=0.1),
    "signed-rank": lambda scores: replay(scores, signed_rank),
    "forgiving": lambda scores: replay(scores, forgiving),
    "aggressive": lambda scores: replay(scores, aggressive),
}


# Tables. --------------------------------------------------------------------------------------------------------------


def race_tables(known):
    """For each rule the share of fits; then what ours does to the winner."""
    rows = {}
    for name in RACES:
        for rule, decide in RULES.items():
            found = []
            for draw in range(DRAWS):
                for order in range(ORDERS):
                    table = known[name, str(draw)]
                    table = table[np.random.default_rng((draw, order)).permutation(len(table))]
                    scores, test = table[:, :-1], table[:, -1]
                    spent, winner = decide(scores)
                    means = scores.mean(axis=1)
                    ties = means < means.min() + 1e-9
                    worse = winner.mean() - means.min()
                    error = scores[means.argmin()].std(ddof=1) / np.sqrt(scores.shape[1]) or 1.0
                    worse_there = test[(scores == winner).all(axis=1)].mean() - test[ties].mean()
                    found.append([spent / scores.size, worse / error, worse < 1e-9, worse_there])
            rows[name, rule] = np.array(found, dtype=float)
    lines = [
        "| data, learners, loss | rule | fits | CV loss above best (SE) | same winner | test loss above full CV's |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for (name, rule), found in rows.items():
        share, worse, same, test = found.mean(axis=0)
        spread = found[:, 3].std(ddof=1) / np.sqrt(len(found))
        mark = "**" if rule == "race" else ""
        lines.append(
            f"| {name if rule == 'race' else ''} | {rule} | {mark}{share:.0%}{mark} | {worse:.3f} "
            f"| {same:.0%} | {test:+.4f} ± {spread:.4f} |"
        )
    names = [name for name in RACES if not name.startswith("dev")]
    for rule in RULES:
        share, worse, same, _ = np.concatenate([rows[name, rule] for name in names]).mean(axis=0)
        lines.append(
            f"| mean of the {len(names)} that are not dev | {rule} | {share:.0%} | {worse:.3f} | {same:.0%} | |"
        )
    return lines


def confirm_tables(known):
    """Fits, test score of the choice, and how far what is reported lies from it."""
    found = {}

    def note(scheme, fits, test, reported, covers=np.nan):
        """Losses are 1 - AUC, so reported AUC less tested AUC is tested loss less reported loss."""
        found.setdefault(scheme, []).append((fits, 100 * (1 - test), 100 * (test - reported), covers))

    for name, draw in [(n, d) for n in CONFIRMATIONS for d in range(DRAWS)]:
        table = known[name, str(draw)]
        table = table[np.random.default_rng(draw).permutation(len(table))]
        scores, test = table[:, :-1], table[:, -1]
        first, mean = scores[:, 0].argmin(), scores.mean(axis=1).argmin()
        note("hold-out, best observed", len(scores), test[first], scores[first, 0])
        note("5-fold, best observed", scores.size, test[mean], scores[mean].mean())
        for scheme, scheduler, first, k in (
            ("hold-out, then the top 10 on 5 folds", "fifo", 1, 10),
            ("race over 5 folds, then confirm", RaceScheduler(), None, 10),
            ("5-fold, then confirm", "fifo", None, 10),
        ):
            fits, _, confirmation = studied(scores, scheduler, first, k)
            row = confirmation.choice.params["row"]
            low, high = confirmation.interval
            note(scheme, fits, test[row], confirmation.estimate, low <= test[row] <= high)
            note(scheme + ": its mean", fits, test[row], confirmation.choice.mean)
    base = np.array(found["5-fold, best observed"])[:, 1]
    lines = [
        "| scheme | fits | test AUC × 100 | above full 5-fold | reported − test | its size | in its interval |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for scheme, rows in found.items():
        rows = np.array(rows, dtype=float)
        paired, gap = rows[:, 1] - base, rows[:, 2]
        n = np.sqrt(len(rows))
        covers = "" if np.isnan(rows[0, 3]) else f"{int(rows[:, 3].sum())} of {len(rows)}"
        lines.append(
            f"| {scheme} | {rows[:, 0].mean():.0f} | {rows[:, 1].mean():.2f} "
            f"| {paired.mean():+.2f} ± {paired.std(ddof=1) / n:.2f} "
            f"| {gap.mean():+.2f} ± {gap.std(ddof=1) / n:.2f} | {np.abs(gap).mean():.2f} | {covers} |"
        )
    return lines


def decision_cost(trials=10_000, folds=50):
    """CPU milliseconds of taking in a report and judging it, over the last tenth; and bytes of the state."""
    problem, scheduler, stream = Problem(), RaceScheduler(), np.random.default_rng(0)
    history, state = History(problem), scheduler.start(problem, 0)
    spent, asked = 0.0, 0
    for number in range(trials):
        trial = Record(number, TrialState.RUNNING, {}, attempt=1)
        history.add(trial)
        offset = abs(stream.normal()) / (1 + number % 10)
        for fold, noise in enumerate(stream.normal(0, 1, folds).tolist()):
            reports = (Report(0, {"value": offset + noise}, fold),)
            began = time.process_time()
            scheduler.reported(state, trial, reports, history)
            verdict = scheduler.judge(state, trial, history)
            if number >= 0.9 * trials:
                spent, asked = spent + time.process_time() - began, asked + 1
            if verdict:
                break
        history.move(trial, TrialState.PRUNED if verdict else TrialState.COMPLETE)
        scheduler.ended(state, trial, history)
    return 1000 * spent / asked, len(dumps_state(state))


TEXT = """# Racing over folds, and confirmation

## The winner of a race beside the winner of full 10-fold cross-validation

100 random configurations a run, {runs} runs a data set: {draws} draws of rows and configurations, each in {orders}
orders. Fits: the share of 1,000. CV loss above the best: that of the winner over all 10 folds, less that of the best of
the 100, in standard errors of the latter. Test loss: of the winner refitted on all rows, on rows that no fold has seen,
less that of full cross-validation's winner (± standard error over runs). Configurations that tie in cross-validation
are the same winner; its test loss is their mean.

"race" is `RaceScheduler()` in a study; signed-rank is Wilcoxon's test at p < 0.1; forgiving and aggressive are the
rules of Bergman, Purucker and Hutter (2024). The constants of "race" were chosen on the data sets named dev, the median
of variances because of the last of these. chance=0.1 is the careful end of what was considered: more fits, fewer
winners lost.

{races}

## Confirmation: 200 configurations, 5 folds, 300 rows

{confirmed} runs, {draws} each of: {names}.

Reported is the estimate of `confirm`, or the mean over folds where the line says so; ± is a standard error over runs.
Reported − test is the bias; its size is the mean of |reported − test|, of which most is the chance that lies in 300
rows.

{confirmations}

## Decision

{cost:.4f} ms CPU for a report and its judgement at 10,000 trials of up to 50 folds; the state is {size:,} bytes then.

Made by `python benchmarks/efficiency/bench_race.py`.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="fit everything anew")
    parser.add_argument("--out", type=pathlib.Path, default=RESULT)
    options = parser.parse_args()
    known = recorded(options.out.with_suffix(".npz"), options.record)
    cost, size = decision_cost()
    text = TEXT.format(
        runs=DRAWS * ORDERS, draws=DRAWS, orders=ORDERS, races="\n".join(race_tables(known)),
        confirmed=len(CONFIRMATIONS) * DRAWS, names="; ".join(CONFIRMATIONS),
        confirmations="\n".join(confirm_tables(known)), cost=cost, size=size,
    )  # fmt: skip
    print(text)
    options.out.write_text(text)


if __name__ == "__main__":
    main()
