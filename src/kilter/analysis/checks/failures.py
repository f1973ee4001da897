"""Failures by their sort, where in the space every trial fails, and why there is no result."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.analysis.failures import why_no_best
from kilter.analysis.finding import ACT, LOOK, NAME, Finding, Subject, share, times
from kilter.core.events import INTERRUPTED, LOST, MISUSE, Failure, TrialState
from kilter.core.history import History, Record
from kilter.core.text import one_line

FEW = 0.02
"""Of all trials: failures of a sort that are rarer are not told, ..."""
LEAST = 2
"""... nor are so few that they are fewer than this, ..."""
MUCH = 0.2
"""... unless that is so much of all."""
MANY = 0.1
"""From this share on something should be done."""
SORTS = 5
"""Sorts that are told, the most frequent."""
SURE = 0.01
"""A region where every trial failed is no chance where it would be less likely, over all ends of all parameters."""
SHOWN = 5
"""Trials that a finding names."""
NO_FAULT = (LOST, INTERRUPTED, MISUSE)
"""Kinds of failure that no configuration has a part in."""

ACTIONS = {
    LOST: "Look why workers vanish: memory of the machine, a time limit of the cluster, a lost connection.",
    "timeout": "Raise the limit of time, or leave out what takes so long.",
    "memory": "Give trials more memory, run fewer at once, or leave out what needs so much.",
    "nan": "Look for what makes the result NaN; where it is the configuration, failing is right.",
    "return": "Return a number, or a dict with every metric.",
    MISUSE: "Mend the objective as the message says.",
}
"""By kind of failure."""


@dataclass(frozen=True)
class Region:
    """Where every trial that ended failed."""

    name: str
    text: str
    """Such as "lr >= 0.1"."""
    trials: int
    chance: float
    """How likely that was, if failures did not depend on this parameter."""


def sorts(subject: Subject) -> Iterator[Finding]:
    """Failures by their sort, the most frequent first."""
    failed = [t for t in subject.ended if t.state is TrialState.FAIL]
    if not failed:
        return
    groups: dict[str, list[Record]] = {}
    for trial in failed:
        groups.setdefault(trial.failure.sort if trial.failure else "unknown", []).append(trial)
    ended = len(subject.ended)
    for trials in sorted(groups.values(), key=len, reverse=True)[:SORTS]:
        if (len(trials) >= LEAST and len(trials) >= FEW * ended) or len(trials) >= MUCH * ended:
            yield _sort(subject, trials)


def _sort(subject: Subject, trials: list[Record]) -> Finding:
    ended, latest = len(subject.ended), trials[-1]
    failure = latest.failure or Failure("unknown")
    region = always_fails(subject, trials)
    part = len(trials) / ended
    whole = f"All {ended} trials that ended" if ended > 1 else "The only trial that ended"
    who = f"{share(part)} of trials ({len(trials)} of {ended})" if len(trials) < ended else whole
    same = "" if len(trials) == 1 else " in one way"
    where = f" Every trial with {region.text} failed ({region.trials})." if region else ""
    mend = ACTIONS.get(failure.kind, "Mend the objective, or leave out the configurations that cannot work.")
    action = f"Narrow the space so that {region.text} is not tried, or mend what fails there." if region else mend
    numbers: dict[str, Any] = {"failed": len(trials), "ended": ended, "share": part, "latest": latest.number}
    if region:
        numbers |= {"region": region.text, "region_trials": region.trials, "chance": region.chance}
    return Finding(
        "failures",
        ACT if (part >= MANY and len(trials) >= LEAST) or len(trials) == ended else LOOK,
        f"{who} failed{same}: {failure.line.rstrip('.')}.{where}",
        f"{action} Trial {latest.number} has the whole message.",
        numbers,
        (region.name,) if region else (),
        tuple(trial.number for trial in trials[-SHOWN:]),
    )


def always_fails(subject: Subject, trials: list[Record]) -> Region | None:
    """The likeliest end of a range, or option, that explains these failures: every trial there failed."""
    history = subject.history
    fair = [t for t in subject.ended if t.failure is None or t.failure.kind not in NO_FAULT]
    is_failed = np.array([t.state is TrialState.FAIL for t in fair])
    if is_failed.all():
        return None
    of_sort = np.isin([t.number for t in fair], [t.number for t in trials])
    rows = history.matrix[[t.number for t in fair]]
    parameters = list(history.problem.space.parameters)
    found = [
        region
        for column, name in enumerate(parameters)
        for region in _regions(history, name, rows[:, column], is_failed, of_sort)
    ]
    sure = [region for region in found if 2 * len(parameters) * region.chance < SURE]
    return min(sure, key=lambda region: region.chance, default=None)


def _regions(
    history: History, name: str, units: np.ndarray, is_failed: np.ndarray, of_sort: np.ndarray
) -> Iterator[Region]:
    """The two ends of a range, or the options, at which all fail, most of them in this way."""
    active = ~np.isnan(units)
    units, failed, own = units[active], is_failed[active], of_sort[active]
    if not failed.any() or failed.all():
        return
    parameter, rate, label = history.problem.space[name], float(failed.mean()), one_line(name, NAME)
    if not parameter.is_ordered:
        for place in np.unique(units):
            here = units == place
            if failed[here].all() and own[here].mean() > 0.5:
                option = one_line(parameter.from_unit(float(place)), NAME)
                yield Region(name, f"{label}={option}", int(here.sum()), rate ** int(here.sum()))
        return
    good = units[~failed]
    for here, relation, edge in ((units > good.max(), ">=", min), (units < good.min(), "<=", max)):
        count = int(here.sum())
        if count and own[here].mean() > 0.5:
            plain = parameter.from_unit(float(edge(units[here])))
            value = f"{plain:.3g}" if isinstance(plain, float) else one_line(plain, NAME)
            yield Region(name, f"{label} {relation} {value}", count, rate**count)


def nothing(subject: Subject) -> Iterator[Finding]:
    """Trials have ended, and none of them can be the best."""
    history = subject.history
    complete = [t for t in subject.ended if t.state is TrialState.COMPLETE]
    if len(subject.best) or all(t.state is TrialState.FAIL for t in subject.ended):
        return
    infeasible = [t for t in complete if not history.problem.is_feasible(t.metrics)]
    numbers = {"ended": len(subject.ended), "complete": len(complete), "infeasible": len(infeasible)}
    if complete and len(infeasible) == len(complete):
        action = "Loosen the constraint, or widen the space towards where it is missed least."
        near = min(infeasible, key=lambda t: history.violations[t.number]).number
        yield Finding("infeasible", ACT, f"Nothing is feasible: {why_no_best(history)}.", action, numbers, (), (near,))
    elif complete:
        action = "Return finite numbers, or raise an exception where there is none."
        yield Finding("not finite", ACT, f"There is no best trial: {why_no_best(history)}.", action, numbers)
    elif len(subject.ended) >= 10:
        action = "Have the scheduler stop fewer trials, or look whether reports and values go the same way."
        yield Finding("no result", ACT, f"There is no best trial: {why_no_best(history)}.", action, numbers)


def rarely_feasible(subject: Subject) -> Iterator[Finding]:
    """Some trials meet the constraints, few."""
    complete = [t for t in subject.ended if t.state is TrialState.COMPLETE]
    constraints = subject.history.problem.constraints
    missed = [t for t in complete if not subject.history.problem.is_feasible(t.metrics)]
    part = len(missed) / max(len(complete), 1)
    if not constraints or len(complete) < 20 or not 0.8 <= part < 1.0:
        return
    counts = Counter(str(c) for t in missed for c in constraints if not c.is_met(t.metrics))
    hardest, count = counts.most_common(1)[0]
    yield Finding(
        "constraints",
        LOOK,
        f"{share(part)} of complete trials miss a constraint, mostly {one_line(hardest, NAME)} ({count}).",
        "Narrow the space to where it can be met, or loosen it, if that is allowed.",
        {"missed": len(missed), "complete": len(complete), "hardest": hardest, "count": count},
    )


def infinite(subject: Subject) -> Iterator[Finding]:
    """Complete trials whose objective is no finite number."""
    complete = [t for t in subject.ended if t.state is TrialState.COMPLETE]
    names = subject.history.problem.objective_names
    bad = [t.number for t in complete if not all(math.isfinite(t.metrics.get(name, math.nan)) for name in names)]
    if len(subject.best) and len(bad) >= LEAST and len(bad) >= FEW * len(complete):
        yield Finding(
            "not finite",
            LOOK,
            f"{times(len(bad), 'complete trial')} of {len(complete)} returned a value that is not finite.",
            "Raise an exception there, so that the trial counts as failed and says why.",
            {"count": len(bad), "complete": len(complete)},
            (),
            tuple(bad[-SHOWN:]),
        )


CHECKS = (sorts, nothing, rarely_feasible, infinite)
