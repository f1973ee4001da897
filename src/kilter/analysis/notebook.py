"""How a study and its trials look in a notebook."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kilter.core import html
from kilter.core.events import TrialState

SHOWN = 10
"""How many of the best trials a study shows."""

POINTS = 200
"""How many points its curve has at most."""


def study_html(study: Any) -> str:
    """A study: what it optimises, how far it is, the best value over time, the best trials, and what failed."""
    trials = study.trials
    wanted = ", ".join(f"{o.direction} {html.text(o.name)}" for o in study.problem.objectives)
    counts = Counter(trial.state for trial in trials)
    states = ", ".join(f"{counts[state]} {state.name.lower()}" for state in TrialState if counts[state])
    ranked = _ranked(study, trials)
    parts = [
        f"<b>{html.text(study.study_name)}</b>: {wanted}; {len(trials)} trials{': ' if states else ''}{states}",
        html.curve(_progress(study, trials)),
        html.table(["trial", *_metrics(ranked), *study.space.declared], [_cells(study, t, ranked) for t in ranked])
        if ranked
        else "",
        *(f"{count} × {html.text(why)}" for why, count in _failures(trials).most_common(3)),
    ]
    return "".join(f"<div>{part}</div>" for part in parts if part)


def trial_html(trial: Any) -> str:
    """A trial: its number and state, metrics, configuration, budget, and why it failed."""
    rows: list[tuple[str, Any]] = [("trial", trial.number), ("state", trial.state.name)]
    rows += [(name, value) for name, value in trial.metrics.items()]
    rows += [(name, value) for name, value in trial.params.items()]
    rows += [(name, value) for name, value in trial.budget.items()]
    rows += [("duration", trial.duration)] if trial.duration is not None else []
    rows += [("failure", f"{trial.failure.kind}: {trial.failure.message}")] if trial.failure else []
    return html.table([], rows)


def _ranked(study: Any, trials: Sequence[Any]) -> list[Any]:
    """The best trials, or some of the front."""
    objectives = study.problem.objectives
    if len(objectives) > 1:
        return list(study.best_trials[:SHOWN])
    counted = [t for t in trials if t.state is TrialState.COMPLETE and t.is_feasible and math.isfinite(t.value)]
    return sorted(counted, key=lambda trial: (objectives[0].loss(trial.metrics), trial.number))[:SHOWN]


def _metrics(trials: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.metrics))


def _cells(study: Any, trial: Any, ranked: Sequence[Any]) -> list[Any]:
    params = trial.params
    metrics = [trial.metrics.get(name) for name in _metrics(ranked)]
    return [trial.number, *metrics, *(params.get(name) for name in study.space.declared)]


def _progress(study: Any, trials: Sequence[Any]) -> list[float]:
    """The best value so far after each complete trial, thinned; nothing for several objectives."""
    if len(study.problem.objectives) > 1:
        return []
    objective, best, values = study.problem.objectives[0], math.inf, []
    for trial in trials:
        if trial.state is TrialState.COMPLETE and trial.is_feasible:
            best = min(best, objective.loss(trial.metrics))
            values.append(objective.sign * best)
    return values[:: max(1, len(values) // POINTS)]


def _failures(trials: Sequence[Any]) -> Counter[str]:
    failures = [trial.failure for trial in trials if trial.state is TrialState.FAIL and trial.failure]
    return Counter(f"{failure.kind}: {failure.message.partition(chr(10))[0]}" for failure in failures)
