"""Studies and trials as documents of JSON: what pages, scripts and assistants read."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from kilter.analysis.summary import Summary, summary
from kilter.core.compound import Compound
from kilter.core.errors import KilterError, TrialNotFound
from kilter.core.events import NOTE, RETRIES, SYSTEM, Failure
from kilter.core.history import History, Record
from kilter.core.interfaces import StudyRow
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.dashboard.reading import Reading, Study
from kilter.engine.asked import asked, goal, noted, standing, used
from kilter.runtime.checkpoints import Checkpoints
from kilter.runtime.kept import folder_of
from kilter.runtime.presence import at_work

VERSION: str = sys.modules["kilter"].__version__  # no import, since the package itself stands above all its parts

MOST_POINTS = 2_000
"""Points of a curve that a document holds; of longer ones every n-th, and the last."""
LASTS = 10.0
"""Seconds that a summary is served for where nothing happens; the rate and the time that is left change by themselves.
"""


def server_json(reading: Reading, read_only: bool) -> dict[str, Any]:
    """What is served here."""
    studies = len(reading.rows())
    return {"version": VERSION, "storage": reading.address, "read_only": read_only, "studies": studies}


# -- studies ----------------------------------------------------------------------------------------------------------


def row_json(reading: Reading, row: StudyRow, now: float) -> dict[str, Any]:
    """A study in the list of all; one that cannot be read says why, and the others are there all the same."""
    try:
        study = reading.study(row.id)
        said = summarized(study, now)
    except KilterError as error:
        empty: dict[str, Any] = {
            "summary": None,
            "control": "running",
            "standing": "unreadable",
            "workers": 0,
            "tags": [],
            "revision": 0,
            "budget": None,
        }
        return {"id": row.id, "name": row.name, **empty, "eta": None, "error": reading.said(error)}
    budget, workers = budget_of(study), _workers(study)
    return {
        "id": study.id,
        "name": study.name,
        "summary": said,
        **_state(study, len(workers)),
        "workers": len(workers),
        "revision": study.revision,
        "budget": budget,
        "eta": _eta(budget, said),
    }


def study_json(study: Study, now: float) -> dict[str, Any]:
    """All about a study but its trials."""
    replica, born = study.log.replica, study.created
    said = summarized(study, now)
    budget, workers = budget_of(study), _workers(study)
    return {
        "id": study.id,
        "name": study.name,
        "problem": problem_json(replica.problem),
        "summary": said,
        **_state(study, len(workers)),
        "budget": budget,
        "eta": _eta(budget, said),
        "forgiven": [trial.number for trial in replica.history if trial.forgiven] if said.forgiven else [],
        "workers": workers,
        "attrs": {name: value for name, value in replica.attrs.items() if not name.startswith(SYSTEM)},
        "earlier": len(replica.history.earlier),
        "seed": replica.seed,
        "sampler": born.sampler.get("name"),
        "scheduler": born.scheduler.get("name"),
        "settings": {"sampler": born.sampler.get("settings", {}), "scheduler": born.scheduler.get("settings", {})},
        "created": born.time,
        "revision": study.revision,
        "versions": versions(),
    }


def summarized(study: Study, now: float) -> Summary:
    """The summary of a study, made again where something happened."""
    at = study.revision, now // LASTS
    replica = study.log.replica
    return study.remembered("summary", at, lambda: summary(replica.history, now, ledger=replica.ledger))


def versions() -> dict[str, str]:
    """What computed all this."""
    return {"kilter": VERSION, "python": platform.python_version(), "numpy": np.__version__}


def _state(study: Study, workers: int) -> dict[str, Any]:
    replica = study.log.replica
    return {
        "control": replica.control,
        "standing": standing(replica, workers),
        "tags": replica.tags,
        "note": replica.attrs.get(NOTE, ""),
    }


def budget_of(study: Study) -> dict[str, Any] | None:
    """What the study is to have, and how much of that is used; None where nobody said so.

    `trials` are the trials in all and `seconds` how long a run may last, both with what was added; either may be None.
    """
    replica = study.log.replica
    limits, added = asked(replica), replica.steering
    if not (limits.are_given or added.trials or added.seconds):
        return None
    return {
        "trials": goal(replica),
        "used": used(replica),
        "seconds": None if limits.seconds is None else limits.seconds + added.seconds,
        "asked": noted(limits),
        "added": {"trials": added.trials, "seconds": added.seconds},
    }


def _eta(budget: Mapping[str, Any] | None, said: Summary) -> float | None:
    """Seconds until the budget is used up, at the pace of late; None where that is not known, or it is used up."""
    pace = said.rate
    if budget is None or budget["trials"] is None or not pace or not math.isfinite(pace):
        return None
    left: int = budget["trials"] - budget["used"]
    return left / pace * 3600.0 if left > 0 else None


def _workers(study: Study) -> list[dict[str, Any]]:
    """Who holds a lease that has not run out."""
    return [{"id": worker.id, "host": worker.machine, "pid": worker.pid} for worker in at_work(study.log)]


def problem_json(problem: Problem) -> dict[str, Any]:
    """What is to be solved: a tree of parameters, each with its range or options and when it is active."""
    space = problem.space
    return {
        "objectives": [{"name": o.name, "direction": o.direction} for o in problem.objectives],
        "constraints": [{"metric": c.metric, "relation": c.relation, "bound": c.bound} for c in problem.constraints],
        "fidelities": [{"name": f.name, "low": f.low, "high": f.high, "eta": f.eta} for f in problem.fidelities],
        "open": problem.is_open,
        "space": [parameter_json(name, parameter) for name, parameter in space.declared.items()],
        "forbidden": [{name: list(values) for name, values in clause.items()} for clause in space.forbidden],
    }


def parameter_json(name: str, parameter: Parameter) -> dict[str, Any]:
    """One parameter; a compound has its parts, which are the columns that there are of it."""
    data = {"name": name, **parameter.to_json()}
    data.pop("values", None)
    if parameter.labels:
        data["options"] = list(parameter.labels)
    data["when"] = [{"parent": c.parent, "values": list(c.values)} for c in parameter.conditions]
    if isinstance(parameter, Compound):
        parts = parameter.parts()
        data["parts"] = [parameter_json(f"{name}.{part}", inner) for part, inner in parts.items()]
    return data


# -- trials -----------------------------------------------------------------------------------------------------------


def record_of(study: Study, number: int) -> Record:
    """A trial by its number; raises TrialNotFound."""
    history = study.log.replica.history
    if not 0 <= number < len(history):
        raise TrialNotFound(f"no trial {number} in {study.name!r}: it has {len(history)} trials")
    return history[number]


def trial_json(study: Study, number: int) -> dict[str, Any]:
    """All about a trial; `best` is what to compare it with."""
    with study.log.lock:
        trial, history = record_of(study, number), study.log.replica.history
        space = history.problem.space
        return {
            "number": number,
            "state": trial.state,
            "params": space.whole(trial.params),
            "defaults": space.plain_defaults,
            "best": _best(study),
            "metrics": trial.metrics,
            "curves": curves_json(history, number),
            "folds": _folds(history, number),
            "budget": trial.budget,
            "attrs": {name: value for name, value in trial.attrs.items() if not name.startswith(SYSTEM)},
            "failure": _failure(trial.failure),
            "times": {"created": trial.created, "started": trial.started, "ended": trial.ended},
            "seconds": trial.seconds,
            "attempt": trial.attempt,
            "lost": trial.losses,
            "worker": trial.worker,
            "parent": trial.parent,
            "enqueued": trial.enqueued,
            "chosen": trial.chosen,
            "forgiven": trial.forgiven,
            "invalid": trial.invalid,
            "retried": trial.forgiven and any(other.attrs.get(RETRIES) == number for other in history),
            "note": trial.attrs.get(NOTE, ""),
            "checkpoint": checkpoint_of(study, trial),
            "revision": study.revision,
        }


def _best(study: Study) -> dict[str, Any] | None:
    replica = study.log.replica
    number = replica.ledger.best_number
    if number is None or len(replica.problem.objectives) > 1:
        return None
    trial = replica.history[number]
    return {"number": number, "params": replica.problem.space.whole(trial.params), "metrics": trial.metrics}


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "kind": failure.kind,
        "line": failure.line,
        "message": failure.message,
        "call": failure.call,
        "traceback": failure.traceback,
    }


def curves_json(history: History, number: int) -> dict[str, Any]:
    """What a trial reported, by metric."""
    curves = {}
    for metric in history.reports.metrics:
        steps, values = history.reports.curve(number, metric)
        known = ~np.isnan(values)
        if known.any():
            kept = thinned(int(known.sum()))
            curves[metric] = {"steps": steps[known][kept], "values": values[known][kept]}
    return curves


def thinned(count: int) -> np.ndarray:
    """Which of so many points in a row to keep where they are too many, the last one among them."""
    every = -(-count // MOST_POINTS)
    return np.unique(np.append(np.arange(0, count, every), count - 1)) if count else np.arange(0)


def _folds(history: History, number: int) -> dict[str, Any]:
    folds = {metric: history.reports.folds(number, metric) for metric in history.reports.metrics}
    return {metric: scores for metric, scores in folds.items() if scores}


def checkpoint_of(study: Study, trial: Record) -> str | None:
    """The folder of what a trial has left, where the study keeps that on this machine."""
    folders = folder_of(study.log)
    return None if folders is None else Checkpoints(folders).latest(trial)
