"""Records of `logging`: a worker shows those that the process which started it would have shown.

What a script configures at its top level is not there in a fresh process, where records below a warning would vanish.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any

STREAMS = ("stdout", "stderr", "__stdout__", "__stderr__")
PLAIN = {logging.PercentStyle: "%", logging.StrFormatStyle: "{", logging.StringTemplateStyle: "$"}


def configured() -> dict[str, Any]:
    """How records are shown here, as JSON: the levels of loggers and, where the root shows any, its format."""
    root = logging.getLogger()
    shown = next(filter(_is_shown, root.handlers), None)
    return {
        "levels": {logger.name: logger.level for logger in _loggers() if logger.level},
        "root": None if shown is None else {"level": root.level, "least": shown.level, **_format(shown.formatter)},
    }


def configure(configuration: Mapping[str, Any]) -> None:
    """Show records on stderr as `configured` says, where what was loaded since has not configured them itself."""
    for name, level in configuration["levels"].items():
        logger = logging.getLogger(name)
        logger.setLevel(logger.level or level)
    root = configuration["root"]
    if root is not None and not logging.getLogger().handlers:
        logging.basicConfig(level=root["level"], format=root["format"], datefmt=root["dates"], style=root["style"])
        logging.getLogger().handlers[0].setLevel(root["least"])


def handlers() -> Iterator[logging.StreamHandler[Any]]:
    """The handlers of all loggers that write to a stream."""
    for logger in (logging.getLogger(), *_loggers()):
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                yield handler


def _loggers() -> list[logging.Logger]:
    known = list(logging.getLogger().manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]


def _is_shown(handler: logging.Handler) -> bool:
    """Whether a person sees what it handles: on a stream of ours, or by another library's handler, as that of Rich."""
    if isinstance(handler, logging.StreamHandler):
        return any(handler.stream is getattr(sys, name) for name in STREAMS)
    return not type(handler).__module__.startswith("logging")


def _format(formatter: logging.Formatter | None) -> dict[str, Any]:
    """What of a formatter can be said in text: a formatter of the user's own class is left out."""
    if type(formatter) is not logging.Formatter or type(formatter._style) not in PLAIN:
        return {"format": logging.BASIC_FORMAT, "dates": None, "style": "%"}
    return {"format": formatter._fmt, "dates": formatter.datefmt, "style": PLAIN[type(formatter._style)]}
