"""Trials of another study of the same task, as trials of this one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kilter import replay
from kilter.api.view import StudyView
from kilter.core.attributes import ADOPTED, CONFIRMS, DEFAULT, KNOWN
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput
from kilter.core.events import SYSTEM, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Storage
from kilter.core.parameter import Parameter
from kilter.core.past import PastTrial
from kilter.core.problem import Problem
from kilter.core.space import Config, Space
from kilter.models.matching import config_in
from kilter.transfer.given import Earlier

OF_THEIRS = (CONFIRMS, KNOWN, DEFAULT)
"""Attributes that speak of other trials of their study, or of its objective."""

Given = tuple[str, History, Earlier]
"""The name of the study that is adopted, its trials, and what was said of its parameters."""


def read(given: StudyView | str | Earlier, storage: Storage, name: str) -> Given:
    """The study that is meant, with what others wrote; raises StudyNotFound, and InvalidInput for one called `name`."""
    earlier = given if isinstance(given, Earlier) else Earlier(given)
    study = earlier.study
    if study == name:
        raise InvalidInput(f"adopt({study!r}): the study cannot adopt itself")
    if isinstance(study, str):
        return study, replay.read(study, storage).replica.history, earlier
    if not isinstance(study, StudyView):
        raise InvalidInput(f"adopt({study!r:.80}): give a study, or the name of one in the same storage")
    study.trials  # noqa: B018 - reads what others wrote
    return study.study_name, study.history, earlier


def past_trials(name: str, history: History, given: Given) -> list[PastTrial]:
    """What a study called `name` does not have yet of the results of another one; raises InvalidInput."""
    earlier, there, said = given
    if there.problem.objectives != history.problem.objectives:
        theirs, ours = (
            ", ".join(f"{o.direction} {o.name}" for o in p.objectives) for p in (there.problem, history.problem)
        )
        raise InvalidInput(
            f"adopt({earlier!r}): its values are of {theirs}, those of {name!r} of {ours}: only results of the same "
            "objectives can be adopted; transfer= learns from others"
        )
    grown = _lacking(history.problem, there.problem.space, said)
    space = history.problem.space.extended(grown)
    results = [trial for trial in there if _has_result(trial, there.problem)]
    tried = EarlierStudy(earlier, tuple(trial.params for trial in results))
    configs = said.applied(tried, there.problem.space.declared, history.problem).configs
    seen = zip(results, (config_in(config, space) for config in configs))
    past = [_past(earlier, trial, config, there) for trial, config in seen if config is not None]
    if results and not past:
        raise InvalidInput(
            f"adopt({earlier!r}): none of its {len(results)} trials is of this space: {', '.join(space.declared)}"
        )
    if past and not history.problem.is_open:
        _check_known(earlier, past, space)
    known = [trial.attrs.get(ADOPTED) for trial in history]
    new = [trial for trial in past if trial.attrs[ADOPTED] not in known]
    return [replace(trial, grown=grown if trial is new[0] else {}) for trial in new]


def _lacking(problem: Problem, space: Space, said: Earlier) -> dict[str, Parameter]:
    """What a space lacks that may grow with any trial, of another one."""
    if not problem.is_open:
        return {}
    ours, theirs = problem.space, {said.renamed.get(name, name): p for name, p in space.declared.items()}
    return {name: p for name, p in theirs.items() if name not in ours or not ours[name].covers(p)}


def _has_result(trial: Record, problem: Problem) -> bool:
    """Whether a trial says something: a complete one only where it had all of each resource."""
    budget = trial.budget or {}
    is_whole = all(budget.get(each.name, each.high) >= each.high for each in problem.fidelities)
    return trial.state is TrialState.PRUNED or (trial.state is TrialState.COMPLETE and is_whole)


def _past(name: str, trial: Record, config: Config, there: History) -> PastTrial:
    """A trial of another study in the words of this one, with this configuration."""
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
                f"adopt({name!r}): its trials have no {missing[0]!r}: say what it was, as in "
                f"kilter.Earlier({name!r}, fixed={{{missing[0]!r}: …}}), or give it that default"
            )
