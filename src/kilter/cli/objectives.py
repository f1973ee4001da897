"""An objective by the place where it stands: a function of a module or of a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.text import one_line

NEEDED = ("kilter", "numpy", "psutil")
"""What a process that runs trials imports, beside modules of Python itself."""


def imported(place: str) -> Callable[..., Any]:
    """The function at module:name or folder/file.py:name; raises InvalidInput where there is none.

    The file's folder, or this one, comes first where Python looks for modules, as when a script is run.
    """
    where, _, name = place.rpartition(":")
    if not where or not name:
        raise InvalidInput(f"the objective {place!r} must read MODULE:NAME or FILE.py:NAME, as in train.py:loss")
    module = _of_file(where) if where.endswith(".py") else _of_module(where, os.getcwd())
    if not callable(found := getattr(module, name, None)):
        known = [n for n in vars(module) if callable(getattr(module, n))]
        raise UnknownName.of("function", name, known, f"(in {where})")
    return found  # type: ignore[no-any-return]


def _of_file(path: str) -> ModuleType:
    whole = os.path.realpath(path)
    if not os.path.isfile(whole):
        raise InvalidInput(f"there is no file {path}: give its path from this folder, or its module as MODULE:NAME")
    module = _of_module(os.path.basename(whole)[: -len(".py")], os.path.dirname(whole))
    taken = os.path.realpath(getattr(module, "__file__", None) or "")
    if taken != whole:  # trials in other processes import it by its name
        raise InvalidInput(f"{path} has the name of another module, {taken or module.__name__}: rename the file")
    return module


def _check_folder(folder: str, but: str) -> None:
    """Refuse a folder with a file that trials in other processes would import in the place of what they need."""
    for file in sorted(os.listdir(folder)):
        name, ending = os.path.splitext(file)
        if ending != ".py" or name == but or (name not in NEEDED and name not in sys.stdlib_module_names):
            continue
        path, taken = os.path.join(folder, file), getattr(sys.modules.get(name), "__file__", None)
        if taken is not None and os.path.realpath(taken) != os.path.realpath(path):
            raise InvalidInput(f"{path} has the name of the module {name!r}, which trials need: rename the file")


def _of_module(name: str, folder: str) -> ModuleType:
    _check_folder(folder, name)
    sys.path.insert(0, folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name.partition(".")[0]:
            raise InvalidInput(f"there is no module {name!r} here: name it as an import would") from None
        raise InvalidInput(f"{name} cannot be imported, since it needs {error.name!r}, which is not here") from error
    except (Exception, SystemExit) as error:
        what = one_line(f"{type(error).__name__}: {error}")
        raise InvalidInput(f"{name} cannot be imported: {what} (--debug shows where)") from error
