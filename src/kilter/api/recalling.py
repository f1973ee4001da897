"""Whom a new study learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kilter.api.view import StudyView
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Storage
from kilter.core.problem import Problem


def recalled(given: Sequence[Any] | None, problem: Problem, storage: Storage, name: str) -> tuple[EarlierStudy, ...]:
    """What a new study keeps of those that it was given; nothing where there is a study of its name already."""
    if not given or any(row.name == name for row in storage.studies()):
        return ()
    from kilter.transfer.digest import digest  # loads SciPy

    for study in given:
        if not isinstance(study, StudyView):
            raise InvalidInput(f"transfer={given!r:.80}: {study!r:.80} is no study: load it with kilter.load_study()")
        if len(problem.objectives) + len(study.problem.objectives) > 2:
            raise InvalidInput(f"transfer: {study.study_name!r}: studies with several objectives cannot do that yet")
        study.trials  # noqa: B018 - reads what others wrote
    return tuple(digest(study.study_name, study.history) for study in given)
