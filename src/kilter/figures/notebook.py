"""How a study, its trials and its front look in a notebook: HTML and SVG, no script, in the colours of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kilter.analysis.failures import counted
from kilter.core import html
from kilter.core.errors import NAME
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.text import one_line
from kilter.figures import svg, theme
from kilter.figures.axes import name_of, of_values
from kilter.figures.figure import Figure, Line, Panel, Points
from kilter.figures.history import history as history_of
from kilter.figures.pareto import pareto

SHOWN = 10
"""How many of the best trials a study shows."""
COLUMNS = 8
"""Metrics and parameters of each, at most; of more it says how many."""
KINDS = 3
"""Kinds of failure that are named."""


def study_html(name: str, history: History) -> str:
    """A study: what it optimises, how far it is, values by trial or the front, the best trials, and what failed."""
    goals = ", ".join(f"{o.direction} {html.text(o.name)}" for o in history.problem.objectives)
    ranked = _ranked(history)
    failed = sorted(counted(history).items(), key=lambda kind: -kind[1][0])
    parts = [
        f"<b>{html.text(one_line(name, NAME))}</b>: {goals}; {html.text(states_text(history))}",
        picture(history),
        trials_table(history, ranked),
        *(f"{count} × {html.text(_told(history[latest]))}" for _, (count, latest) in failed[:KINDS]),
    ]
    return "".join(f"<div>{part}</div>" for part in parts if part)


def states_text(history: History) -> str:
    """How many trials there are, and in which states."""
    counts = Counter(history.states.tolist())
    told = ", ".join(f"{counts[state]} {theme.WORDS[state]}" for state in TrialState if counts[state])
    return f"{len(history)} trials{f': {told}' if told else ''}"


def picture(history: History) -> str:
    """The values by trial, or the front of the first two objectives; nothing before two trials have ended."""
    if len(history.finished) < 2:
        return ""
    if len(history.problem.objectives) > 1:
        figure = pareto(history)
        return svg.draw(Figure(figure.title, figure.panels[:1], summary=figure.summary), height=220)
    return svg.draw(history_of(history))


def front_html(history: History, numbers: Sequence[int]) -> str:
    """The front of a study: a picture of its trade-offs and a table of the trials."""
    drawn = picture(history) if len(history.problem.objectives) > 1 else ""
    told = f"{len(numbers)} of {len(history)} trials are beaten by no other one in every objective"
    parts = [told, drawn, trials_table(history, [history[number] for number in numbers])]
    return "".join(f"<div>{part}</div>" for part in parts if part)


def trials_table(history: History, trials: Sequence[Record]) -> str:
    """A row for each trial with metrics and configuration, as far as there is room; nothing without trials."""
    if not trials:
        return ""
    metrics = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    names = list(history.problem.space.declared)
    left = max(COLUMNS - len(metrics[:COLUMNS]), 2)
    titles = ["trial", *metrics[:COLUMNS], *names[:left]] + ([f"{len(names) - left} more"] if len(names) > left else [])
    rows = []
    for trial in trials:
        params = shown_params(history, trial)
        rows.append([trial.number, *map(trial.metrics.get, metrics[:COLUMNS]), *map(params.get, names[:left])])
    return html.table(titles, rows)


def shown_params(history: History, trial: Record) -> Mapping[str, Any]:
    """A configuration by declared names."""
    return history.problem.space.whole(trial.params)


def trial_html(history: History, trial: Record) -> str:
    """A trial: its number and state, metrics, configuration, budget, why it failed, and what it reported."""
    rows: list[tuple[str, Any]] = [("trial", trial.number), ("state", theme.WORDS[trial.state])]
    rows += [*trial.metrics.items(), *shown_params(history, trial).items(), *(trial.budget or {}).items()]
    rows += [("seconds", trial.seconds)] if np.isfinite(trial.seconds) else []
    rows += [("failure", trial.failure.line)] if trial.failure else []
    return html.table([], rows) + _curve(history, trial)


def _curve(history: History, trial: Record) -> str:
    """What a trial reported of the first objective by step; nothing for a single report."""
    metric = history.problem.objectives[0].name
    steps, values = history.reports.curve(trial.number, metric)
    if np.isfinite(values).sum() < 2:
        return ""
    x, y = steps.astype(float), of_values(name_of(metric), values)
    line = Line(x, np.clip(values, y.low, y.high), "accent")
    panel = Panel(of_values("step", x, whole=True), y, (line, Points(x, values, "accent", size=4.0)))
    return svg.draw(Figure("Reports", (panel,), summary=f"{metric} of trial {trial.number} by step"))


def _ranked(history: History) -> list[Record]:
    """The best trials, or some of the front."""
    if len(history.problem.objectives) > 1:
        return history.front()[:SHOWN]
    values = history.values[:, 0]
    good = (history.states == TrialState.COMPLETE) & (history.violations == 0.0) & np.isfinite(values)
    numbers = np.flatnonzero(good)
    return [history[number] for number in numbers[np.argsort(values[numbers], kind="stable")][:SHOWN].tolist()]


def _told(trial: Record) -> str:
    return trial.failure.line if trial.failure else "failed"
