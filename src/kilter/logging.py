"""How much kilter says, with Optuna's words. Progress is shown from INFO down, warnings from WARNING down.

>>> set_verbosity(WARNING)
>>> get_verbosity() == WARNING
True
>>> set_verbosity(INFO)
"""

from __future__ import annotations

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING

__all__ = ["CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "WARN", "WARNING", "get_verbosity", "set_verbosity"]

_logger = logging.getLogger("kilter")


def set_verbosity(level: int) -> None:
    """Show nothing below this level."""
    _logger.setLevel(level)


def get_verbosity() -> int:
    """The level that was set, INFO at first."""
    return _logger.level or INFO


def __dir__() -> list[str]:
    return list(__all__)
