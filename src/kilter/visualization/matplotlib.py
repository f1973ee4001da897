"""The same names again, as Optuna has them for Matplotlib."""

from typing import NoReturn

from kilter.core.names import refusal
from kilter.visualization import INSTEAD, is_available

__all__ = ["is_available"]


def __getattr__(name: str) -> NoReturn:
    raise refusal(__name__, name, INSTEAD if name.startswith("plot_") else "")


def __dir__() -> list[str]:
    return list(__all__)
