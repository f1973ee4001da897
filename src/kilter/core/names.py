"""Names that people bring from Optuna: what stands in their place, and settings under their other names.

Which of Optuna's names are here, and which are refused, is in docs/how-to/from-optuna.md, why in docs/decisions/0020.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from types import FrameType
from typing import Any, NoReturn, TypeVar

from kilter.core.errors import InvalidInput, NotHere, NotHereImport
from kilter.core.vocabulary import answers_other_words

T = TypeVar("T")


def refusing(module: str, instead: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """The `__getattr__` of a module, which says what to use in place of a name that it does not have.

    The error is an AttributeError, so that `hasattr` works. In `from module import name` it is an ImportError, for
    there Python itself would put a message of its own in place of an AttributeError's.

    >>> refusing("kilter.pruners", {"MagicPruner": "use scheduler='asha'"})("MagicPruner")
    Traceback (most recent call last):
    kilter.core.errors.NotHere: module 'kilter.pruners' has no attribute 'MagicPruner': use scheduler='asha'
    """

    def refused(name: str) -> NoReturn:
        raise refusal(module, name, instead.get(name, ""))

    return refused


def refusal(module: str, name: str, instead: str) -> Exception:
    """What a module's `__getattr__`, which calls this, raises; a plain AttributeError where there is no `instead`."""
    message = f"module {module!r} has no attribute {name!r}"
    if not instead:
        return AttributeError(message)
    message = f"{message}: {instead}"
    return NotHereImport(message) if _is_import(sys._getframe(2)) else NotHere(message)


def _is_import(frame: FrameType) -> bool:
    """Whether the frame stands at the `name` of `from module import name`."""
    from opcode import opname

    return opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


def in_optunas_words(
    renamed: Mapping[str, str],
    always: Collection[str] = (),
    ignored: Mapping[str, Any] | None = None,
    beside: Collection[str] = (),
) -> Callable[[type[T]], type[T]]:
    """A decorator for a dataclass of settings that also takes Optuna's keywords.

    `renamed` maps them to fields. Those in `always` say what is so here in any case; those in `ignored` are of
    Optuna's method alone, and where one has another value than by default a warning says that it changes nothing.
    Those in `beside` are kept as attributes that are no settings: the log does not have them.

    >>> from dataclasses import dataclass
    >>> @in_optunas_words({"n_startup_trials": "initial"}, always=["multivariate"])
    ... @dataclass(frozen=True)
    ... class Sampler:
    ...     initial: int = 10
    >>> Sampler(n_startup_trials=5, multivariate=True)
    Sampler(initial=5)
    """

    def decorated(kind: type[T]) -> type[T]:
        plain: Callable[..., None] = answers_other_words(kind.__init__)
        usual = ignored or {}

        @wraps(plain)
        def taking_both(self: Any, *places: Any, **settings: Any) -> None:
            for word in [word for word in settings if word in renamed]:
                if renamed[word] in settings:
                    raise InvalidInput(f"{kind.__name__}: give {renamed[word]}= or {word}=, which mean the same")
                settings[renamed[word]] = settings.pop(word)
            for word in always:
                settings.pop(word, None)
            for word in beside:
                object.__setattr__(self, word, settings.pop(word, None))
            others = {word: settings.pop(word) for word in usual if word in settings}
            idle = [word for word, value in others.items() if value is not None and value != usual[word]]
            if idle:
                told = f"{kind.__name__}: {', '.join(idle)} of Optuna's has no counterpart here and changes nothing"
                warnings.warn(told, stacklevel=2)
            plain(self, *places, **settings)

        kind.__init__ = taking_both  # type: ignore[method-assign]
        return kind

    return decorated
