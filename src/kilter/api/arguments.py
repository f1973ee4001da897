"""What the arguments of the front door may be, and what they stand for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Union

from kilter.core.errors import InvalidInput
from kilter.core.interfaces import CheckpointStore, Storage
from kilter.core.parameter import Parameter
from kilter.core.problem import Fidelity
from kilter.core.space import Space
from kilter.core.text import is_url
from kilter.spaces.knowledge import known_of
from kilter.storage import commands

DEFAULT_STORAGE = commands.DEFAULT


class HandleOptions(TypedDict, total=False):
    """What `create_study` passes on to the handle on the study, and says what each is."""

    keep_checkpoints: int
    checkpoints: str | os.PathLike[str] | CheckpointStore | None
    lease: float | None
    notice: float
    clock: Callable[[], float]


class StudyOptions(HandleOptions, total=False):
    """What `tune` passes on to `create_study`, which says what each is."""

    subject_to: Mapping[str, str] | None
    fidelity: Fidelity | Sequence[Fidelity] | None
    transfer: str | Sequence[Any] | None
    tags: Mapping[str, Any] | None
    task: Mapping[str, Any] | None
    scale: Mapping[str, float] | None
    sampler: Any
    scheduler: Any
    seed: int | None
    study_name: str | None
    storage: str | Storage | None


SpaceLike = Union[Mapping[str, Parameter], Space, None]


def as_space(given: SpaceLike) -> Space:
    """A Space from a Space, a dict of parameters, or nothing."""
    if given is None:
        return Space()
    if isinstance(given, Space):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInput(f"space={given!r}: give a dict of parameters, as in {{'lr': kilter.Float(1e-5, 1e-1)}}")
    return Space(given, known=known_of(given))


def check_functions(**given: Any) -> None:
    """Raise InvalidInput for what is no list of functions."""
    for word, functions in given.items():
        if callable(functions) or not isinstance(functions, Iterable):
            raise InvalidInput(f"{word}={functions!r}: give a list of functions, as in {word}=[…]")
        for each in functions:
            if not callable(each):
                raise InvalidInput(f"{word}={functions!r}: {each!r} is no function")


def check_settings(kind: type, **given: Any) -> None:
    """Raise InvalidInput for what is neither settings of this kind nor None."""
    for word, settings in given.items():
        if settings is not None and not isinstance(settings, kind):
            raise InvalidInput(f"{word}={settings!r}: give {word}=kilter.{kind.__name__}(…)")


def check_checkpoints(kept: Any, store: Any) -> None:
    """Raise InvalidInput for a number of checkpoints to keep, or a place for them, that cannot be one."""
    if isinstance(kept, bool) or not hasattr(kept, "__index__") or int(kept) < 0:
        raise InvalidInput(f"keep_checkpoints={kept!r}: give a whole number from 0 on")
    if store is not None and not isinstance(store, (str, os.PathLike, CheckpointStore)):
        raise InvalidInput(f"checkpoints={store!r}: give a folder, a URL, or a kilter.core.interfaces.CheckpointStore")
    if isinstance(store, str) and is_url(store):
        from kilter.runtime.bucket import Bucket

        Bucket(store)  # which is refused where it could not be used


def check_notice(seconds: Any) -> None:
    """Raise InvalidInput for what cannot be the seconds that trials get to leave."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds < float("inf"):
        raise InvalidInput(f"notice={seconds!r}: give seconds from 0 on")


def check_parameters(given: Mapping[str, Parameter]) -> None:
    """Raise InvalidInput for what is no parameter."""
    for name, parameter in given.items():
        if not isinstance(parameter, Parameter):
            raise InvalidInput(
                f"ask: {name}={parameter!r} is not a parameter: give Float, Int, Ordinal, Choice or Boolean"
            )


def at_once(word: str, given: Any) -> int:
    """How many trials run at once; -1 stands for one a core."""
    if isinstance(given, bool) or not hasattr(given, "__index__") or not (int(given) == -1 or int(given) >= 1):
        raise InvalidInput(f"{word}={given!r}: give a whole number from 1 on, or -1 for one a core")
    return (os.cpu_count() or 1) if int(given) == -1 else int(given)


def one_of(scheduler: Any, pruner: Any) -> Any:
    """The scheduler, which may be given by Optuna's word, a pruner."""
    if scheduler is not None and pruner is not None:
        raise InvalidInput("give scheduler= or pruner=, which mean the same, not both")
    return pruner if scheduler is None else scheduler


def checked_seed(seed: int | None) -> int:
    """The seed of a new study: None stands for one by chance."""
    if seed is None:
        return secrets.randbits(32)
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:
        raise InvalidInput(f"seed={seed!r}: it must be a whole number from 0 on")
    return int(seed)
