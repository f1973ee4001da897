"""Reads off an objective what a study remembers of it: a function, a partial, an object that can be called, a command.

Of a function: its code, without comments, positions, annotations and docstrings; its defaults and closure values; and
the same of functions, classes, constants and data that it uses and that are its author's own, which is whatever was not
installed. What it changes itself, such as a counter, does not count. Code is read from its source, or where there is
none, as behind `python -c`, from its bytecode.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import inspect
import itertools
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import Any

from kilter.core.definition import OBJECTIVE, Definition
from kilter.objective.composed import Composed
from kilter.objective.source import (
    BYTECODE,
    SOURCE,
    code_digest,
    digest,
    file_digest,
    file_of,
    is_installed,
    is_ours,
    is_own,
)
from kilter.objective.values import DEEPEST, is_scorer, shown

MOST = 500
"""Functions, classes and values that are followed, lest an objective lead through a whole project."""

MUTATORS = frozenset(
    ("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "put")
    + ("remove", "reverse", "setdefault", "sort", "update", "write", "__setitem__")
)
"""Methods that change a container: one that the objective changes is no constant of it."""


def definition_of(objective: Callable[..., Any]) -> Definition:
    """What a study remembers of a function, a partial, a method or any object that can be called.

    >>> epochs = 5
    >>> first, second = definition_of(lambda x: x + 1), definition_of(lambda x: x + 2)  # as told apart by their names
    >>> first.name != second.name, definition_of(functools.partial(max, 3)).name.startswith("max-")
    (True, True)
    """
    return _Reader().read(objective)


def definition_of_command(words: Sequence[str] | str, settings: Mapping[str, Any], folder: str) -> Definition:
    """What a study remembers of a program: its command line, the files named in it, and what is set besides.

    Of a file in Python the code counts, of any other its bytes.
    """
    listed = words.split() if isinstance(words, str) else list(map(str, words))
    code = {}
    for word in listed:
        path = os.path.join(folder, word)
        if "{" not in word and os.path.isfile(path) and not is_installed(path):
            code[word] = file_digest(path)
    values = {"the command": words if isinstance(words, str) else " ".join(listed)}
    values |= {name: shown(value) for name, value in settings.items()}
    return Definition(values["the command"], "", code, values)


class _Reader:
    """Follows an objective through what it uses."""

    def __init__(self) -> None:
        self._code: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._changed: set[str] = set()
        """Names of values that some of the code changes."""
        self._seen: set[int] = set()
        self._kept: dict[str, Any] = {}
        """What the values are that are told by their text, by name."""

    def read(self, objective: Any) -> Definition:
        function = self._called(objective)
        while self._kept:
            name, value = self._kept.popitem()
            if name not in self._changed:
                self._within(name, value)
        values = {name: text for name, text in self._values.items() if name not in self._changed}
        found = Definition(_plain_name(objective), _place(function), self._code, values)
        return dataclasses.replace(found, name=_telling_name(objective, found))

    def _called(self, objective: Any) -> Any:
        """Read what is called in the end; the function or class that has its code."""
        if isinstance(objective, Composed):
            for name, value in objective.settings.items():
                self._value(name, value)
            return self._called(objective.calls)
        if isinstance(objective, functools.partial):
            for place, value in enumerate(objective.args):
                self._value(f"argument {place}", value)
            for name, value in objective.keywords.items():
                self._value(name, value)
            return self._called(objective.func)
        if isinstance(objective, types.MethodType):
            self._attributes(objective.__self__)
            return self._called(objective.__func__)
        if isinstance(objective, types.FunctionType):
            self._function(objective, OBJECTIVE)
            return objective
        if isinstance(objective, type) and is_own(file_of(objective)):
            self._class(objective, OBJECTIVE)
            return objective
        if isinstance(getattr(type(objective), "__call__", None), types.FunctionType):  # noqa: B004 - the class's own
            self._class(type(objective), OBJECTIVE)
            self._attributes(objective)
            return type(objective)
        self._code[OBJECTIVE] = f"name:{getattr(objective, '__qualname__', type(objective).__qualname__)}"
        return objective

    def _function(self, function: types.FunctionType, label: str) -> None:
        if id(function) in self._seen or len(self._seen) > MOST:
            return
        self._seen.add(id(function))
        label = self._unused(label)
        if not is_ours(function.__code__):
            self._code[label] = code_digest(function)
        signature = inspect.getfullargspec(function)
        defaults = dict(zip(reversed(signature.args), reversed(signature.defaults or ())))
        owner = "" if label == OBJECTIVE else f"{label}: "
        for name, value in {**defaults, **(signature.kwonlydefaults or {})}.items():
            self._value(f"{owner}the default of {name}", value)
        uses = _Uses(function.__code__)
        self._changed |= uses.changed
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                self._used(name, cell.cell_contents, uses)
            except ValueError:
                pass  # empty as yet
        for name in uses.names:
            if name in function.__globals__:
                self._used(name, function.__globals__[name], uses)

    def _unused(self, label: str) -> str:
        """A name for a piece of code that no other piece has: two libraries may each have their `load`."""
        taken = (f"{label} ({i})" if i > 1 else label for i in itertools.count(1))
        return next(name for name in taken if name not in self._code)

    def _used(self, name: str, value: Any, uses: _Uses) -> None:
        """Something that code refers to by a name."""
        if isinstance(value, types.FunctionType):
            if is_own(value.__code__.co_filename):
                self._function(value, name)
        elif isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self._used(name, part, uses)
        elif isinstance(value, type):
            if is_own(file_of(value)):
                self._class(value, name)
        elif isinstance(value, types.ModuleType):
            if is_own(getattr(value, "__file__", None)):
                for attribute in uses.attributes & vars(value).keys():
                    self._used(f"{name}.{attribute}", vars(value)[attribute], uses)
        elif not isinstance(value, types.BuiltinFunctionType):
            self._value(name, value, uses.stored_attributes)

    def _class(self, cls: type, label: str) -> None:
        if id(cls) in self._seen or len(self._seen) > MOST:
            return
        self._seen.add(id(cls))
        label = self._unused(label)
        made = []
        for name, member in vars(cls).items():
            function = _function_of(member)
            if function is not None and function.__code__.co_filename == "<string>" and dataclasses.is_dataclass(cls):
                continue  # a dataclass writes its own __init__
            if function is not None:
                made.append(f"{name} {code_digest(function)}")
                self._function(function, f"{label}.{name}" if label != OBJECTIVE else name)
                self._code.pop(f"{label}.{name}" if label != OBJECTIVE else name, None)  # it is in that of the class
            elif not name.startswith("__"):
                made.append(f"{name} {shown(member)}")
        kind = BYTECODE if any(BYTECODE in line for line in made) else SOURCE
        self._code[label] = f"{kind}:{digest(chr(10).join(sorted(made)))}"
        for parent in cls.__bases__:
            if is_own(file_of(parent)):
                self._class(parent, parent.__name__)

    def _attributes(self, thing: Any, owner: str = "self", changed: Set[str] = frozenset()) -> None:
        """The attributes of an object, but for those that are changed by the code that uses it or by its methods."""
        if id(thing) in self._seen:
            return
        self._seen.add(id(thing))
        changed = set(changed)
        for member in chain.from_iterable(vars(cls).items() for cls in type(thing).__mro__ if cls is not object):
            function = _function_of(member[1])
            if function is not None and member[0] not in ("__init__", "__post_init__", "__new__"):
                changed |= _Uses(function.__code__).stored_attributes
        kept = [name for cls in type(thing).__mro__ for name in _listed(vars(cls).get("__slots__", ()))]
        for name in [*getattr(thing, "__dict__", ()), *kept]:
            if name not in changed and hasattr(thing, name):
                self._value(f"{owner}.{name}", getattr(thing, name))

    def _value(self, name: str, value: Any, changed: Set[str] = frozenset()) -> None:
        """A value by its text, a function by its code, and an object of the author's by its class and attributes."""
        function = _function_of(value)
        if function is not None:
            if name not in self._code and is_own(function.__code__.co_filename):
                self._function(function, name)
        elif is_own(file_of(type(value))) and not dataclasses.is_dataclass(value):
            self._class(type(value), type(value).__name__)
            self._attributes(value, name, changed)
        elif len(self._values) < MOST:
            self._values[name] = shown(value)
            self._kept[name] = value

    def _within(self, name: str, value: Any, depth: int = 0) -> None:
        """The code of functions, and of classes of the author's, among the settings of models, scorers and the like."""
        for key, part in _settings_of(value) if depth < DEEPEST else ():
            label, kind = f"{name}.{key}", part if isinstance(part, type) else type(part)
            if _function_of(part) is not None:
                self._value(label, part)
            elif isinstance(part, type) or callable(getattr(part, "get_params", None)):
                if is_own(file_of(kind)):
                    self._class(kind, kind.__name__)  # its settings are in the text
            elif is_own(file_of(kind)) and not dataclasses.is_dataclass(part):
                self._value(label, part)
            self._within(label, part, depth + 1)


def _settings_of(value: Any) -> Iterable[tuple[Any, Any]]:
    """What models, scorers, partials and small containers are made of, by name."""
    if isinstance(value, type):
        return ()
    if isinstance(value, functools.partial):
        return [("function", value.func), *enumerate(value.args), *value.keywords.items()]
    if isinstance(value, types.MethodType):
        return [("self", value.__self__)]
    if is_scorer(value):
        return [("function", value._score_func), *value._kwargs.items()]
    if callable(getattr(value, "get_params", None)):
        try:
            return sorted(value.get_params(deep=False).items())
        except Exception:
            return ()
    if isinstance(value, (Mapping, list, tuple)) and len(value) <= MOST:
        return value.items() if isinstance(value, Mapping) else enumerate(value)
    return ()


class _Uses:
    """The names that a piece of code refers to, the functions within it included."""

    def __init__(self, code: types.CodeType) -> None:
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.changed: set[str] = set()
        """Names that it binds anew, or whose container it changes."""
        self.stored_attributes: set[str] = set()
        """Attributes, of whatever object, that it binds anew or whose container it changes."""
        self._free = set(code.co_freevars)
        for part in _parts(code):
            self._read(part)

    def _read(self, code: types.CodeType) -> None:
        self.attributes |= set(code.co_names)
        instructions = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "PUSH_NULL", "NOP")]
        stores_items = any(i.opname in ("STORE_SUBSCR", "DELETE_SUBSCR") for i in instructions)
        for now, then in zip(instructions, [*instructions[1:], None]):
            name, is_attribute = now.argval, now.opname.endswith(("_ATTR", "_METHOD"))
            if now.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                self.names.append(name)
            if now.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (now.opname == "STORE_DEREF" and name in self._free):
                self.changed.add(name)
            if now.opname in ("STORE_ATTR", "DELETE_ATTR"):
                self.stored_attributes.add(name)
            is_changed = then is not None and then.opname.endswith(("_ATTR", "_METHOD")) and then.argval in MUTATORS
            is_load = now.opname.startswith("LOAD_") and isinstance(name, str)
            if is_load and (is_changed or (stores_items and now.opname != "LOAD_CONST")):
                (self.stored_attributes if is_attribute else self.changed).add(name)


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)


# -- names and places -------------------------------------------------------------------------------------------------


def _plain_name(objective: Any) -> str:
    if isinstance(objective, functools.partial):
        return _plain_name(objective.func)
    name = getattr(objective, "__name__", None)
    return (name if isinstance(name, str) else type(objective).__name__).strip("<>")


def _telling_name(objective: Any, found: Definition) -> str:
    """The name of a function; of what shares its name with others, one that tells it apart."""
    if isinstance(objective, types.FunctionType):
        return found.name if objective.__name__ != "<lambda>" else f"{found.name}-{found.digest(code=True)}"
    if isinstance(objective, (type, types.BuiltinFunctionType)):
        return found.name
    return f"{found.name}-{found.digest(code=False)}"


def _place(thing: Any) -> str:
    """The script or module that something is defined in, without its folder, which may be moved."""
    module = getattr(thing, "__module__", None) or ""
    if module != "__main__":
        return f"{module.rpartition('.')[2]}.py" if module in sys.modules else ""
    path = getattr(sys.modules["__main__"], "__file__", None)
    return os.path.basename(path) if path and not path.startswith("<") else ""


def _function_of(member: Any) -> types.FunctionType | None:
    if isinstance(member, (staticmethod, classmethod)):
        member = member.__func__
    if isinstance(member, property):
        member = member.fget
    return member if isinstance(member, types.FunctionType) else None


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
