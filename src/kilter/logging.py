"""How much kilter says, with Optuna's words. Progress is shown from INFO down, warnings from WARNING down.

>>> set_verbosity(WARNING)
>>> get_verbosity() == WARNING
True
>>> set_verbosity(INFO)
"""

from __future__ import annotations

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "WARN",
    "WARNING",
    "disable_default_handler",
    "disable_propagation",
    "enable_default_handler",
    "enable_propagation",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
]

_logger = logging.getLogger("kilter")
_progress = logging.getLogger("kilter.progress")


def set_verbosity(level: int) -> None:
    """Show nothing below this level."""
    _logger.setLevel(level)


def get_verbosity() -> int:
    """The level that was set, INFO at first."""
    return _logger.level or INFO


def get_logger(name: str = "kilter") -> logging.Logger:
    """The logger of a name; of Optuna's name that of kilter.

    >>> get_logger("optuna").name
    'kilter'
    """
    return logging.getLogger("kilter" if name.partition(".")[0] == "optuna" else name)


def disable_default_handler() -> None:
    """Show no progress on stderr; warnings go on."""
    _progress.setLevel(CRITICAL)


def enable_default_handler() -> None:
    """Show progress on stderr, as at first."""
    _progress.setLevel(logging.NOTSET)


def enable_propagation() -> None:
    """Hand warnings on to the root logger's handlers, as at first."""
    _logger.propagate = True


def disable_propagation() -> None:
    """Keep warnings from the root logger's handlers."""
    _logger.propagate = False


def __dir__() -> list[str]:
    return list(__all__)
