"""A stand-in for a user's objective, learned from the trials of a study: a race on it costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kilter.bench.problem import BenchProblem, Values
from kilter.core.errors import NotReady
from kilter.core.events import TrialState
from kilter.models.forest import Forest

if TYPE_CHECKING:
    from kilter.api import Study

LEAST = 10
"""Trials with fewer of which a forest would be flat nearly everywhere."""


def surrogate(study: Study, seed: int = 0) -> BenchProblem:
    """A problem with the study's space, objectives and constraints, whose metrics are forests grown on its trials.

    It is piecewise constant, without noise, and no better informed than the trials: prefer a study that covers its
    space, such as one of random or Sobol points. Its optimum is not known. Needs scikit-learn.

    Raises NotReady for a study of fewer than ten complete trials, InvalidInput without scikit-learn.
    """
    names, space = study.problem.metric_names, study.space
    trials = [
        trial
        for trial in study.get_trials(states=[TrialState.COMPLETE])
        if all(np.isfinite(trial.metrics.get(name, np.nan)) for name in names)
    ]
    if len(trials) < LEAST:
        raise NotReady(
            f"the study {study.study_name!r} has {len(trials)} complete trials: a surrogate needs at least {LEAST}"
        )
    x = space.encode([space.plain(trial.params, partial=True) for trial in trials])
    forests = {name: Forest(seed=seed).fit(x, np.array([t.metrics[name] for t in trials])) for name in names}

    def function(values: Values) -> dict[str, float]:
        row = space.encode([space.plain(values)])
        return {name: float(forest.predict(row)[0][0]) for name, forest in forests.items()}

    return BenchProblem(f"{study.study_name}+surrogate", study.problem, function, tags=frozenset({"surrogate"}))
