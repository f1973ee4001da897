"""What is sent to another process: the objective by value, and parameters with objects, which come back."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import operator
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.parameter import Parameter
from kilter.core.space import Space


def packed(objective: Callable[..., Any], space: Space | None) -> bytes:
    """An objective and the objects of its space, for a worker; raises InvalidInput where they cannot be sent."""
    try:
        return _dumps((objective, space))
    except Exception as error:
        raise InvalidInput(
            f"the objective cannot be sent to another process ({type(error).__name__}: {error}{_found_in(objective)}): "
            "open such things inside the objective, or use workers=1 or threads"
        ) from error


def _found_in(objective: Callable[..., Any]) -> str:
    """The variables from outside a function that cannot be sent, for a message; nothing where none is found."""
    try:
        outside = inspect.getclosurevars(objective)
    except (TypeError, ValueError):
        return ""
    names = [name for name, value in {**outside.globals, **outside.nonlocals}.items() if not _can_be_sent(value)]
    return f", in {', '.join(names)}" if names else ""


def _can_be_sent(value: Any) -> bool:
    with contextlib.suppress(Exception):
        _dumps(value)
        return True
    return False


def _dumps(content: Any) -> bytes:
    """Pickled by value where needed, and after it by their names the functions and classes of the script in it.

    With the files that code was read from, for tracebacks and warnings to name.
    """
    import cloudpickle

    reduce_code = cloudpickle.Pickler.dispatch_table[CodeType]
    main = sys.modules["__main__"]
    scripts: dict[str, Any] = {}

    def reduce_placed(code: CodeType) -> tuple[Any, ...]:
        make, arguments = reduce_code(code)
        return make, tuple(code.co_filename if one == "<dynamic-code>" else one for one in arguments)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc, unused-ignore]
        dispatch_table = ChainMap({CodeType: reduce_placed}, cloudpickle.Pickler.dispatch_table)

        def reducer_override(self, thing: Any) -> Any:
            name = getattr(thing, "__name__", None)
            of_script = getattr(thing, "__module__", None) == "__main__"
            if of_script and isinstance(name, str) and getattr(main, name, None) is thing:
                scripts[name] = thing
            if isinstance(thing, _CACHED) and not _is_importable(thing):
                return _cached, (thing.__wrapped__, thing.cache_parameters())
            return super().reducer_override(thing)

    with io.BytesIO() as file:
        pickler = Pickler(file)
        pickler.dump(content)
        pickler.dump(scripts)  # what the first had in it is referred to, not sent again
        return file.getvalue()


def recalled(sent: Mapping[str, bytes]) -> dict[str, Parameter]:
    """The parameters that a worker met, where this process has the objects: nothing is imported for them."""
    met = {}
    for name, data in sent.items():
        with contextlib.suppress(Exception):
            met[name] = _Present(io.BytesIO(data)).load()
    return met


class _Present(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module not in sys.modules:
            raise pickle.UnpicklingError(f"{module} is not imported here")
        return super().find_class(module, name)


_CACHED = type(functools.lru_cache(len))
"""What functools.lru_cache and functools.cache make of a function; pickle knows it by its name alone."""


def _cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _is_importable(thing: Any) -> bool:
    """Whether another process finds it under its name."""
    try:
        found = operator.attrgetter(thing.__qualname__)(sys.modules[thing.__module__])
    except (AttributeError, KeyError):
        return False
    return found is thing and thing.__module__ != "__main__"
