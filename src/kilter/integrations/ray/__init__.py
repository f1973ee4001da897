"""Ray: kilter as the search algorithm of Ray Tune, `KilterSearch`, and search spaces of both, both ways."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kilter.core.errors import needed

with needed("'ray[tune]'", "kilter.integrations.ray"):
    import ray  # noqa: F401  # before the files of this package, which need it

if TYPE_CHECKING:
    from kilter.integrations.ray.tune import KilterSearch, from_kilter, to_kilter

_HOME = {"KilterSearch": "tune", "from_kilter": "tune", "to_kilter": "tune"}
"""The file of each name, loaded when it is first used: who runs trials on Ray need not wait for Ray Tune."""

__all__ = ["KilterSearch", "from_kilter", "to_kilter"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
