"""TerminatorCallback, where Optuna's examples import it from."""

from kilter.terminator import TerminatorCallback

__all__ = ["TerminatorCallback"]
