"""Who spends the budget: what a free worker does, and whether a running trial goes on. One method, one file."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kilter.core.names import refusal

if TYPE_CHECKING:
    from kilter.schedulers.asha import ASHAScheduler
    from kilter.schedulers.auto import AutoScheduler
    from kilter.schedulers.curve import CurveScheduler
    from kilter.schedulers.fifo import FifoScheduler
    from kilter.schedulers.hyperband import HyperbandScheduler
    from kilter.schedulers.median import MedianScheduler, PercentileScheduler
    from kilter.schedulers.pasha import PASHAScheduler
    from kilter.schedulers.patient import PatientScheduler
    from kilter.schedulers.pb2 import PB2Scheduler
    from kilter.schedulers.pbt import PBTScheduler
    from kilter.schedulers.race import RaceScheduler
    from kilter.schedulers.threshold import ThresholdScheduler

BY_NAME = {
    "auto": "auto:AutoScheduler",
    "fifo": "fifo:FifoScheduler",
    "asha": "asha:ASHAScheduler",
    "hyperband": "hyperband:HyperbandScheduler",
    "pasha": "pasha:PASHAScheduler",
    "median": "median:MedianScheduler",
    "percentile": "median:PercentileScheduler",
    "threshold": "threshold:ThresholdScheduler",
    "patient": "patient:PatientScheduler",
    "curve": "curve:CurveScheduler",
    "race": "race:RaceScheduler",
    "pbt": "pbt:PBTScheduler",
    "pb2": "pb2:PB2Scheduler",
}
"""The file and the class of each name, loaded when it is first used."""

_HOME = {kind: file for file, _, kind in (place.partition(":") for place in BY_NAME.values())}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"kilter.schedulers.{_HOME[name]}"), name)
    hint = f"use scheduler='auto', or one of {', '.join(__all__)}" if name.endswith(("Scheduler", "Pruner")) else ""
    raise refusal(__name__, name, hint)


def __dir__() -> list[str]:
    return list(__all__)
