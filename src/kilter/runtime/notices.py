"""Warnings that name the user's line, whichever part of kilter finds out."""

from __future__ import annotations

import sys
import warnings

from kilter.core.text import printable


def notice(message: str) -> None:
    """Warn at the line of the nearest caller that is not kilter itself."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "kilter":
        frame = frame.f_back
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    told, code = printable(message), frame.f_code
    warnings.warn_explicit(told, UserWarning, code.co_filename, frame.f_lineno, registry=registry)
