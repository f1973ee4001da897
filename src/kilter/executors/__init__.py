"""Where objectives run: in this thread, in threads, in processes, as commands, or in virtual time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kilter.executors.command import Command, Program
    from kilter.executors.inline import Inline
    from kilter.executors.processes import Processes
    from kilter.executors.threads import Threads

_HOME = {"Command": "command", "Inline": "inline", "Processes": "processes", "Program": "command", "Threads": "threads"}
"""The file of each name, loaded when it is first used."""

__all__ = ["Command", "Inline", "Processes", "Program", "Threads"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"kilter.executors.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
