"""Trials that come from elsewhere: configurations to try next, and results that are in already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kilter.core import codec
from kilter.core.border import as_real, as_step
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import Ended, Failure, Noted, Report, SpaceExtended, TrialState
from kilter.core.options import Choice
from kilter.core.problem import SET, Problem
from kilter.core.space import Config
from kilter.core.text import shown
from kilter.frozen import FrozenTrial, NewTrial
from kilter.runtime.notices import notice
from kilter.runtime.session import Session


def plain(session: Session, params: Mapping[str, Any]) -> Config:
    """Values as the log holds them; names that only the objective knows are taken on trust in define-by-run."""
    space = session.engine.problem.space
    if session.declared:
        config = space.plain(params, partial=True)
        for name in params.keys() - config.keys():
            conditions = " and ".join(f"{c.parent} in {list(c.values)!r}" for c in space[name].conditions)
            notice(f"the enqueued {name}={shown(params[name])} is dropped: {name} is active only with {conditions}")
        return config
    config = {}
    for name, value in params.items():
        try:
            config[name] = (space[name] if name in space else Choice([value])).plain(value)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error}") from None
    return config


def add(session: Session, trial: FrozenTrial | NewTrial) -> None:
    """Write a finished trial that was run elsewhere, with its parameters where the space lacks them."""
    if not trial.state.is_finished():
        raise InvalidInput(f"a trial in state {trial.state.name} cannot be added: it has to be finished")
    problem, now = session.engine.problem, session.clock()
    values = trial.metrics if isinstance(trial, FrozenTrial) else trial.values
    metrics = _metrics(problem, values, trial.state)
    missing = {n: p for n, p in trial.distributions.items() if n not in problem.space or not problem.space[n].covers(p)}
    known = problem.space.extended(missing)
    strangers = [name for name in trial.params if name not in known]
    if strangers:
        raise UnknownName.of(
            "parameter", strangers[0], known, "Say what it is: create_trial(distributions={name: kilter.Float(…)})"
        )
    config = known.plain(trial.params, partial=True)
    constraints = {f"{SET}{name}": as_real(value) for name, value in trial.constraints.items()}
    first = problem.objective_names[0]
    told = getattr(trial, "reports", None) or {
        step: {first: value} for step, value in trial.intermediate_values.items()
    }
    reports = tuple(Report(as_step(step), _metrics(problem, named)) for step, named in told.items())
    failure = Failure("told", "added as failed") if trial.state is TrialState.FAIL else None
    ended = Ended(0, 1, trial.state, {**metrics, **constraints}, now, reports, failure=failure)
    attrs = trial._record.attrs if isinstance(trial, FrozenTrial) else trial.user_attrs
    for event in (ended, Noted(0, attrs, now)):  # before anything of the trial is written
        codec.encode(event)
    if missing:
        session.write(SpaceExtended({name: p.to_json() for name, p in missing.items()}, now))
    session.constrain(constraints)
    number = session.add(config, now)
    session.write(replace(ended, number=number))
    if attrs:
        session.note(number, attrs)


def _metrics(problem: Problem, values: Any, state: TrialState = TrialState.PRUNED) -> dict[str, float]:
    """Metrics that were measured elsewhere; only a complete trial needs all that the study wants."""
    if state is not TrialState.COMPLETE and (values is None or isinstance(values, Mapping)):
        return {str(name): as_real(value) for name, value in (values or {}).items()}
    return problem.metrics(values)
