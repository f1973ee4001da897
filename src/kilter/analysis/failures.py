"""What there is to say of trials that failed: how often and in which ways, and why a study has no best trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from kilter.core.events import INTERRUPTED, LOST, MISUSE, Failure, TrialState
from kilter.core.history import History, Record
from kilter.core.text import one_line

LISTED = 3
"""Kinds of failure, and options that never succeeded, which a line or a run names; of more it says how many there are.
"""
SHORT = 40
"""Characters of an option."""


def kinds(failures: Mapping[str, Sequence[int]]) -> str:
    """Kinds of failure with their counts, the most frequent first; of each kind (count, latest trial).

    >>> kinds({"timeout": [1, 9], "TypeError": [12, 14]})
    'TypeError ×12, timeout ×1'
    """
    counts = sorted(((count, kind) for kind, (count, _) in failures.items()), key=lambda pair: -pair[0])
    listed = [f"{one_line(kind, SHORT)} ×{count}" for count, kind in counts[:LISTED]]
    more = [f"{len(counts) - LISTED} more kinds"] if len(counts) > LISTED else []
    return ", ".join(listed + more)


def explained(history: History, failures: Mapping[str, Sequence[int]]) -> str:
    """The most frequent failure as its latest trial tells it, and which trial that is."""
    trial = _latest_of_most(history, failures)
    failure = trial.failure
    if failure is None or not failure.traceback:
        return f"{failure.line if failure else 'unknown'} (trial {trial.number})"
    return f"{failure.line}; trial {trial.number} keeps the traceback"


def _latest_of_most(history: History, failures: Mapping[str, Sequence[int]]) -> Record:
    """The latest trial that failed in the most frequent way."""
    _, number = max(failures.values(), key=lambda known: known[0])
    return history[number]


def never_succeeded(history: History) -> list[str]:
    """The options with which every trial failed, where others did not; a sentence each.

    An option that only ever went with one that is named already is left out.
    """
    ended = [trial for number in history.finished if not _says_nothing(trial := history[number])]
    if all(trial.state is TrialState.FAIL for trial in ended):
        return []
    told: set[int] = set()
    sentences = []
    for name, option, trials in sorted(_fruitless(history, ended), key=lambda found: -len(found[2])):
        if {trial.number for trial in trials} <= told:
            continue
        told |= {trial.number for trial in trials}
        found = [trial.failure.kind if trial.failure else "unknown" for trial in trials]
        kind = max(found, key=found.count)
        shown = f"{one_line(name, SHORT)}={one_line(option, SHORT)}"
        sentences.append(
            f"{shown} never succeeded: {found.count(kind)} of {len(found)} failed with {one_line(kind, SHORT)}"
        )
    more = [f"{len(sentences) - LISTED} more options never succeeded"] if len(sentences) > LISTED else []
    return sentences[:LISTED] + more


def _fruitless(history: History, ended: Sequence[Record]) -> list[tuple[str, object, list[Record]]]:
    """Name, option and trials of each option with which all trials failed."""
    found: list[tuple[str, object, list[Record]]] = []
    for name, parameter in history.problem.space.parameters.items():
        if not parameter.is_ordered:
            by_option: dict[str, list[Record]] = {}
            for trial in ended:
                if name in trial.params:
                    by_option.setdefault(repr(trial.params[name]), []).append(trial)
            for trials in by_option.values():
                if all(trial.state is TrialState.FAIL for trial in trials):
                    found.append((name, trials[0].params[name], trials))
    return found


def _says_nothing(trial: Record) -> bool:
    """Whether a trial failed for reasons that its configuration has no part in, or before the objective was mended."""
    return trial.forgiven or (trial.failure is not None and trial.failure.kind in (LOST, INTERRUPTED, MISUSE))


def why_no_best(history: History, has_told: Callable[[Failure], bool] = lambda failure: False) -> str:
    """Why a study has no best trial, in a clause; it repeats no failure that `has_told` says was told already."""
    complete = history.with_state(TrialState.COMPLETE)
    if complete:
        feasible = [trial for trial in complete if history.problem.is_feasible(trial.metrics)]
        return _infinite(history, feasible) if feasible else _infeasible(history, complete)
    failures = counted(history)
    failed = sum(count for count, _ in failures.values())
    pruned = len(history.with_state(TrialState.PRUNED))
    if failed:
        everything = f"all {failed} trials" if failed > 1 else "the only trial"
        all_of = f"{pruned} were pruned and {failed}" if pruned else everything
        told = _latest_of_most(history, failures).failure
        if told is not None and has_told(told):
            return f"{all_of} failed ({kinds(failures)})"
        listed = f" ({kinds(failures)})" if len(failures) > 1 else ""
        return f"{all_of} failed{listed}, as in {explained(history, failures)}"
    if pruned:
        return f"all {pruned} that ended were pruned"
    if history.paused:
        return f"{len(history.paused)} are paused, none has had the whole budget"
    return "none has ended"


def counted(history: History) -> dict[str, tuple[int, int]]:
    """By kind of failure how many trials failed so, and the latest; those that are forgiven are left out."""
    found: dict[str, tuple[int, int]] = {}
    for trial in history.with_state(TrialState.FAIL):
        if not trial.forgiven:
            kind = trial.failure.kind if trial.failure else "unknown"
            found[kind] = found.get(kind, (0, 0))[0] + 1, trial.number
    return found


def _infeasible(history: History, complete: Sequence[Record]) -> str:
    """Which constraint no trial met and how near one came, or that no trial met all of them at once."""
    for constraint in history.problem.constraints:
        known = [trial for trial in complete if math.isfinite(constraint.beyond(trial.metrics))]
        if not any(constraint.is_met(trial.metrics) for trial in complete):
            if not known:
                return f"{constraint} was never met: {constraint.metric} was never finite"
            nearest = min(known, key=lambda trial: constraint.beyond(trial.metrics))
            value = nearest.metrics[constraint.metric]
            return f"{constraint} was never met, nearest is {constraint.metric} = {value:.4g} (trial {nearest.number})"
    return f"no trial met {' and '.join(map(str, history.problem.constraints))} at once"


def _infinite(history: History, feasible: Sequence[Record]) -> str:
    """Which value no number: what the trials that are complete and feasible have instead."""
    name = history.problem.objectives[0].name
    values = sorted({f"{trial.metrics.get(name, math.nan):g}" for trial in feasible})
    return f"{name} is {' or '.join(values)} in all {len(feasible)} trials that are complete"
