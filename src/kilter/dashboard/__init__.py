"""What a study looks like in a browser: an ASGI application over a storage, who serves it, and what is sent by mail.

`create_app(storage)` is the application. It is loaded when it is asked for: Starlette stands behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kilter.dashboard.app import Dashboard, create_app

__all__ = ["Dashboard", "create_app"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from kilter.dashboard import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
