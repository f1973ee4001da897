"""Trials that were run elsewhere, whose results are in already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kilter.core import codec
from kilter.core.border import as_real, as_step
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import Failure, Report, TrialState
from kilter.core.past import PastTrial
from kilter.core.problem import SET, Problem
from kilter.frozen import FrozenTrial, NewTrial
from kilter.runtime.session import Session


def add(session: Session, trial: FrozenTrial | NewTrial) -> None:
    """Write a finished trial that was run elsewhere, with its parameters where the space lacks them."""
    write(session, past_trial(session.engine.problem, trial, session.clock()))


def write(session: Session, past: PastTrial) -> int:
    """Write what is known of a finished trial; the number that it gets."""
    events = past.events(0, session.presence.worker.id)
    for event in events:  # before anything of the trial is written
        codec.encode(event)
    if past.grown:
        session.write(events[0])
    session.constrain(metric for metric in past.metrics if metric.startswith(SET))
    number = session.add(past.params, past.started)
    session.write(*past.outcome(number))
    return number


def past_trial(problem: Problem, trial: FrozenTrial | NewTrial, now: float) -> PastTrial:
    """A finished trial in the words of a study; raises InvalidInput for what does not fit that."""
    if not trial.state.is_finished():
        raise InvalidInput(f"a trial in state {trial.state.name} cannot be added: it has to be finished")
    space, first = problem.space, problem.objective_names[0]
    grown = {name: p for name, p in trial.distributions.items() if name not in space or not space[name].covers(p)}
    known = space.extended(grown)
    strangers = [name for name in trial.params if name not in known]
    if strangers:
        raise UnknownName.of(
            "parameter", strangers[0], known, "Say what it is: create_trial(distributions={name: kilter.Float(…)})"
        )
    told: dict[int, Any] = {step: {first: value} for step, value in trial.intermediate_values.items()}
    values: Any = trial.values
    attrs, reports = trial.user_attrs, told
    if isinstance(trial, FrozenTrial):
        values, attrs, reports = trial.metrics, trial.record.attrs, trial.reports
    return PastTrial(
        trial.state,
        known.plain(trial.params, partial=True),
        now,
        now,
        {
            **_metrics(problem, values, trial.state),
            **{f"{SET}{name}": as_real(value) for name, value in trial.constraints.items()},
        },
        tuple(Report(as_step(step), _metrics(problem, named)) for step, named in reports.items()),
        Failure("told", "added as failed") if trial.state is TrialState.FAIL else None,
        attrs,
        grown,
    )


def _metrics(problem: Problem, values: Any, state: TrialState = TrialState.PRUNED) -> dict[str, float]:
    """Metrics that were measured elsewhere; only a complete trial needs all that the study wants."""
    if state is not TrialState.COMPLETE and (values is None or isinstance(values, Mapping)):
        return {str(name): as_real(value) for name, value in (values or {}).items()}
    return problem.metrics(values)
