"""Where objectives run: in this thread, in threads, in processes, as commands, on a cluster, or in virtual time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kilter.executors.command import Command, Program
    from kilter.executors.inline import Inline
    from kilter.executors.processes import Processes
    from kilter.executors.threads import Threads

_HOME = {
    "Command": "kilter.executors.command",
    "DaskExecutor": "kilter.integrations.dask",
    "Inline": "kilter.executors.inline",
    "Processes": "kilter.executors.processes",
    "Program": "kilter.executors.command",
    "RayExecutor": "kilter.integrations.ray",
    "Threads": "kilter.executors.threads",
}
"""The module of each name, loaded when it is first used."""

__all__ = ["Command", "Inline", "Processes", "Program", "Threads"]
"""Without those that need another library, which `import *` would ask for."""


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
