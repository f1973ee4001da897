"""Results of scikit-learn's `_fit_and_score` as metrics of a study's reports, and back.

score                        the objective: the test score, of several the one that `refit` names, else the first
test_<name>, train_<name>    of each metric, where there are several; else `train`
fit_time, score_time         in seconds
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kilter.api import Study
from kilter.frozen import FrozenTrial
from kilter.integrations.folds import SCORE


def folds_of(study: Study, number: int) -> dict[Any, dict[str, float]]:
    """What was measured of a trial on each fold."""
    return {report.fold: report.metrics for report in study.history.reports.of(number) if report.fold is not None}


def metrics_of(out: Mapping[str, Any], refit: Any) -> dict[str, float]:
    """What `_fit_and_score` found, as metrics of a report."""
    metrics = {"fit_time": float(out["fit_time"]), "score_time": float(out["score_time"])}
    scores = out["test_scores"]
    for kind in ("test", "train"):
        found = out.get(f"{kind}_scores")
        if isinstance(found, dict):
            metrics.update({f"{kind}_{name}": float(score) for name, score in found.items()})
        elif found is not None and kind == "train":
            metrics[kind] = float(found)
    named = isinstance(scores, dict)
    chosen = scores[refit if isinstance(refit, str) and refit in scores else next(iter(scores))] if named else scores
    return {SCORE: float(chosen), **metrics}


def result_of(
    metrics: Mapping[str, float] | None, error: str | None, has_train: bool, finds_names: bool
) -> dict[str, Any]:
    """What `_fit_and_score` found, from the metrics of a report; all NaN for a fold that was not run.

    `error` is why the fit failed. Where `finds_names`, the names of scores are known from fits that did not fail alone,
    and scikit-learn puts them in.
    """
    metrics = metrics or dict.fromkeys((SCORE, "fit_time", "score_time", "train"), np.nan)
    out: dict[str, Any] = {"fit_error": error, "fit_time": metrics["fit_time"], "score_time": metrics["score_time"]}
    for kind, alone in (("test", SCORE), ("train", "train"))[: 1 + has_train]:
        named = {name[len(kind) + 1 :]: value for name, value in metrics.items() if name.startswith(f"{kind}_")}
        if error is not None and finds_names:
            named = {}
        out[f"{kind}_scores"] = named or metrics.get(alone, metrics[SCORE])
    return out


def row_of(trial: FrozenTrial, folds: Mapping[Any, Mapping[str, float]]) -> dict[str, Any]:
    """A trial in a few words: number, state, score and seconds over the folds that were scored, failure."""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "score": float(np.mean([metrics[SCORE] for metrics in folds.values()])),
        "folds": len(folds),
        "seconds": sum(metrics["fit_time"] + metrics["score_time"] for metrics in folds.values()),
        "failure": trial.failure.message if trial.failure else None,
    }
