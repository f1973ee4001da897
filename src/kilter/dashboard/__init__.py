"""What a study looks like in a browser: an ASGI application over a storage, and who serves it.

Importing this package loads Starlette, which `import kilter` does not.
"""

from kilter.dashboard.app import Dashboard, create_app

__all__ = ["Dashboard", "create_app"]
