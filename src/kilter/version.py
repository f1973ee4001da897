"""The version, under the module name that Optuna's users look for."""

from kilter import __version__

__all__ = ["__version__"]
