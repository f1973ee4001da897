"""Ray, both ways: kilter's trials on a Ray cluster, and kilter as the search algorithm of Ray Tune.

    study.optimize(objective, n_trials=100, executor=RayExecutor(slots=8, gpus=0.5))

    tune.Tuner(train, tune_config=tune.TuneConfig(search_alg=KilterSearch(metric="loss", mode="min")))

`RayExecutor` runs trials in actors, and needs no Ray Tune. `KilterSearch` says what a Tuner tries next; `to_kilter` and
`from_kilter` convert search spaces.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kilter.core.errors import needed

with needed("'ray[tune]'", "kilter.integrations.ray"):
    import ray  # noqa: F401  # before the files of this package, which need it

if TYPE_CHECKING:
    from kilter.integrations.ray.executor import RayExecutor, current_group
    from kilter.integrations.ray.tune import KilterSearch, from_kilter, to_kilter

_HOME = {
    "KilterSearch": "tune",
    "RayExecutor": "executor",
    "current_group": "executor",
    "from_kilter": "tune",
    "to_kilter": "tune",
}
"""The file of each name, loaded when it is first used: who runs trials on Ray need not wait for Ray Tune."""

__all__ = ["KilterSearch", "RayExecutor", "current_group", "from_kilter", "to_kilter"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
