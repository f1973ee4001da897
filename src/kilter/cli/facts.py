"""What there is to say about a study as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kilter.cli import show

if TYPE_CHECKING:
    from kilter.api import StudyView
    from kilter.frozen import FrozenTrial


def best_of(study: StudyView) -> list[FrozenTrial]:
    """The best trial or, with several objectives, the front; empty where there is none yet."""
    from kilter.core.errors import NotReady

    if len(study.problem.objective_names) > 1:
        return study.best_trials
    try:
        return [study.best_trial]  # best_trials would hold its ties, too
    except NotReady:
        return []


def why_no_best(study: StudyView) -> str:
    """Why it has no best trial yet, in a clause."""
    from kilter.analysis.failures import why_no_best as clause

    return clause(study.history)


def _failures(trials: list[FrozenTrial]) -> dict[str, dict[str, Any]]:
    """By kind of failure how many trials failed so, the latest of them, and what it says."""
    found: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if trial.state.name == "FAIL" and trial.failure is not None:
            kind = trial.failure.kind
            count = found.get(kind, {"count": 0})["count"] + 1
            found[kind] = {"count": count, "trial": trial.number, "message": trial.failure.line}
    return dict(sorted(found.items(), key=lambda item: -item[1]["count"]))


def facts(study: StudyView) -> dict[str, Any]:
    """Objectives, counts by state, the best, what runs, and when something last happened."""
    from datetime import datetime

    from kilter.analysis.failures import never_succeeded
    from kilter.core.events import TrialState

    trials = study.trials
    states = {state.name: 0 for state in TrialState}
    last: float | None = None
    for trial in trials:
        states[trial.state.name] += 1
        moment = trial.datetime_complete or trial.datetime_start
        if moment is not None:
            last = max(last or 0.0, moment.timestamp())
    return {
        "study": study.study_name,
        "control": study.control,
        "standing": study.standing,
        "goal": study.goal,
        "tags": study.tags,
        "note": study.notes.get(None, ""),
        "objectives": {objective.name: objective.direction for objective in study.problem.objectives},
        "constraints": [str(constraint) for constraint in study.problem.constraints],
        "parameters": list(study.space.declared),
        "trials": len(trials),
        "states": states,
        "failures": _failures(trials),
        "never_succeeded": never_succeeded(study.history),
        "best": [show.trial_json(trial) for trial in best_of(study)],
        "running": [show.trial_json(trial, reports=True) for trial in trials if trial.state is TrialState.RUNNING],
        "last_activity": None if last is None else show.when(datetime.fromtimestamp(last)),
        "last": last,
    }
