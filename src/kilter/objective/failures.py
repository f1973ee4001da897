"""What an objective raises: as the failure of its trial, bounded in size, and with its memory let go of."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from kilter.core.errors import InvalidInput, NotANumber, PluginFailed, UnknownName, UnusableResult
from kilter.core.events import HERE, UNUSABLE, Failure

MESSAGE = 4_000
"""Characters that the log keeps of a failure's message; of its traceback so many ..."""
TRACEBACK = 20_000
"""... from the beginning and the end."""


class Interruption(BaseException):
    """Breaks off a trial from outside, in the middle of anything; it says nothing about the trial, which goes on later.

    No Exception, so that `except Exception` in an objective does not swallow it.
    """


class Interrupted(Interruption):
    """Ends an objective because the trial was told to stop."""


def is_misuse(error: BaseException) -> bool:
    """Whether kilter itself raised it: it was called with what cannot be, or a plug-in fails. No result is a misuse."""
    if isinstance(error, PluginFailed):
        return True
    if not isinstance(error, (InvalidInput, UnknownName)) or isinstance(error, UnusableResult):
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_code.co_filename.startswith(HERE)


def failure_of(error: BaseException) -> Failure:
    """An exception as the log keeps it, bounded in size, also where it cannot be printed.

    An unusable result needs no traceback, since its message says all.
    """
    if isinstance(error, UnusableResult):
        return Failure("nan" if isinstance(error, NotANumber) else UNUSABLE, clipped(str(error), MESSAGE))
    return Failure(
        clipped(type(error).__name__, MESSAGE),
        clipped(_printed(lambda: str(error), type(error).__name__), MESSAGE),
        clipped(_printed(lambda: "".join(traceback.format_exception(error)), type(error).__name__), TRACEBACK),
    )


def _printed(text: Callable[[], str], name: str) -> str:
    """The text of an exception, or what happened when it was asked for."""
    try:
        return text()
    except (KeyboardInterrupt, Interruption):
        raise
    except BaseException as error:
        return f"<this {name} cannot be printed: that raises {type(error).__name__}>"


def clipped(text: str, limit: int) -> str:
    """Text that any storage takes, of about `limit` characters at most: its beginning and its end.

    >>> clipped("0123456789" * 10, 20)
    '0123456789 … 80 characters … 0123456789'
    """
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair cannot be stored


def release(error: BaseException | None) -> None:
    """Let go of what the objective held when it raised: its model must not stay in memory through a frame's locals.

    The traceback stays readable, and so do those of the exceptions that this one came from.
    """
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
