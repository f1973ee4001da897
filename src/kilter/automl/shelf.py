"""What folds came to, kept as files beside a stored study: for the next run after a kill, and for other workers.

Each fold is one file in the checkpoint of its trial (saving.py): its score, the predictions of its rows, and the model.
A trial that goes on, here or in another process, begins with a copy of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from kilter.automl import saving
from kilter.automl.configurations import member_of
from kilter.automl.members.member import Member
from kilter.automl.objective import FoldResult
from kilter.automl.state import State
from kilter.core.errors import InvalidInput
from kilter.objective.trial import Trial

KIND = "fold"


class OnDisk:
    """A shelf of files. `directory` says where a trial has left what it did, if it has."""

    def __init__(self, members: Mapping[str, Member], directory: Callable[[int], str | None]) -> None:
        self._members, self._directory = members, directory

    def get(self, number: int, trial: Trial | None = None) -> list[FoldResult]:
        """See Shelf."""
        where = self._directory(number) if trial is None else trial.checkpoint_dir
        found: list[FoldResult] = []
        while where is not None and (path := _path(where, len(found))).exists():
            try:
                found.append(self._read(path))
            except InvalidInput:  # a kill in the middle of a copy may have left half of it
                break
        return found

    def put(self, trial: Trial, fold: int, result: FoldResult) -> None:
        """See Shelf."""
        name, _ = member_of(trial.params)
        values = {"member": name, "score": result.score, "seconds": result.seconds, "is_cut": result.is_cut}
        own = State(values, {"predictions": result.predictions})
        saving.write(_path(trial.checkpoint_dir, fold), State.of({"own": own, "model": result.fitted.state()}), KIND)

    def _read(self, path: Path) -> FoldResult:
        state = saving.read(path, KIND)
        own = state.part("own")
        fitted = self._members[own.values["member"]].load(state.part("model"))
        told = own.values
        return FoldResult(told["score"], own.arrays["predictions"], fitted, told["seconds"], told["is_cut"])


def _path(directory: str, fold: int) -> Path:
    return Path(directory, f"fold-{fold}.zip")
