"""Trials of another study of the same task, as trials of this one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kilter import replay
from kilter.api.view import StudyView
from kilter.core.attributes import ADOPTED, CONFIRMS, DEFAULT, KNOWN
from kilter.core.errors import InvalidInput
from kilter.core.events import SYSTEM, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Storage
from kilter.core.parameter import Parameter
from kilter.core.past import PastTrial
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.models.matching import config_in

OF_THEIRS = (CONFIRMS, KNOWN, DEFAULT)
"""Attributes that speak of other trials of their study, or of its objective."""

Given = tuple[str, History]
"""The name of the study that is adopted, and its trials."""


def read(study: StudyView | str, storage: Storage, name: str) -> Given:
    """The study that is meant, with what others wrote; raises StudyNotFound, and InvalidInput for one called `name`."""
    if study == name:
        raise InvalidInput(f"adopt({study!r}): the study cannot adopt itself")
    if isinstance(study, str):
        return study, replay.read(study, storage).replica.history
    if not isinstance(study, StudyView):
        raise InvalidInput(f"adopt({study!r:.80}): give a study, or the name of one in the same storage")
    study.trials  # noqa: B018 - reads what others wrote
    return study.study_name, study.history


def past_trials(name: str, history: History, given: Given) -> list[PastTrial]:
    """What a study called `name` does not have yet of the results of another one; raises InvalidInput."""
    earlier, there = given
    if there.problem.objectives != history.problem.objectives:
        theirs, ours = (
            ", ".join(f"{o.direction} {o.name}" for o in p.objectives) for p in (there.problem, history.problem)
        )
        raise InvalidInput(
            f"adopt({earlier!r}): its values are of {theirs}, those of {name!r} of {ours}: only results of the same "
            "objectives can be adopted; transfer= learns from others"
        )
    grown = _lacking(history.problem, there.problem.space)
    space = history.problem.space.extended(grown)
    results = [trial for trial in there if _has_result(trial, there.problem)]
    past = [found for trial in results if (found := _past(earlier, trial, space, there)) is not None]
    if results and not past:
        raise InvalidInput(
            f"adopt({earlier!r}): none of its {len(results)} trials is of this space: {', '.join(space.declared)}"
        )
    if past and not history.problem.is_open:
        _check_known(earlier, past, space)
    known = [trial.attrs.get(ADOPTED) for trial in history]
    new = [trial for trial in past if trial.attrs[ADOPTED] not in known]
    return [replace(trial, grown=grown if trial is new[0] else {}) for trial in new]


def _lacking(problem: Problem, space: Space) -> dict[str, Parameter]:
    """What a space lacks that may grow with any trial, of another one."""
    if not problem.is_open:
        return {}
    ours = problem.space
    return {name: p for name, p in space.declared.items() if name not in ours or not ours[name].covers(p)}


def _has_result(trial: Record, problem: Problem) -> bool:
    """Whether a trial says something: a complete one only where it had all of each resource."""
    budget = trial.budget or {}
    is_whole = all(budget.get(each.name, each.high) >= each.high for each in problem.fidelities)
    return trial.state is TrialState.PRUNED or (trial.state is TrialState.COMPLETE and is_whole)


def _past(name: str, trial: Record, space: Space, there: History) -> PastTrial | None:
    """A trial of another study, as far as it is of a space; None where it is not."""
    config = config_in(trial.params, space)
    if config is None:
        return None
    ended = trial.ended or trial.created
    own = {key: value for key, value in trial.attrs.items() if key not in OF_THEIRS and not key.startswith(SYSTEM)}
    return PastTrial(
        trial.state,
        config,
        ended - trial.seconds if math.isfinite(trial.seconds) else ended,
        ended,
        trial.metrics,
        tuple(there.reports.of(trial.number)),
        attrs={**own, ADOPTED: [name, trial.number]},
    )


def _check_known(name: str, past: Sequence[PastTrial], space: Space) -> None:
    """Refuse trials without a value of a parameter, which would be best without anybody knowing what they were."""
    for trial in past:
        missing = [each for each in space if space.is_active(each, trial.params) and each not in trial.params]
        if missing:
            raise InvalidInput(
                f"adopt({name!r}): its trials have no {missing[0]!r}: give that parameter the default that it had there"
            )
