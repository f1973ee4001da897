"""What a fit has come to: how tables are read and encoded, the models of each fold, and what each of them weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.automl.calibration import decided, tempered
from kilter.automl.encoding import Encoder
from kilter.automl.members.member import Fitted, Matrix, Member
from kilter.automl.reading import Reading
from kilter.automl.state import State
from kilter.automl.target import Target
from kilter.automl.task import Task

if TYPE_CHECKING:
    from kilter.automl.reading import Table

BLOCK = 20_000
"""Rows that are encoded at a time: what a prediction takes in memory does not grow with the table."""


@dataclass(frozen=True)
class Part:
    """One configuration in an ensemble: its models, each behind the encoder at the same place, and their weight.

    `shares` (one for each model, of sum 1) are what the models count within the part; by default all count the same.
    """

    member: str
    view: str
    weight: float
    target: Target
    fitted: Sequence[Fitted]
    params: Mapping[str, Any] = field(default_factory=dict)
    shares: Sequence[float] = ()

    def share(self, place: int) -> float:
        """What the model behind one encoder counts within the part."""
        return self.shares[place] if self.shares else 1 / len(self.fitted)


@dataclass(frozen=True)
class Model:
    """An ensemble. The weights of its parts have the sum 1.

    `temperature` makes probabilities surer below 1, less sure above it; above `threshold` the second of two classes is
    predicted. See calibration.py.
    """

    task: Task
    reading: Reading
    encoders: Sequence[Encoder]
    parts: Sequence[Part]
    temperature: float = 1.0
    threshold: float = 0.5

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Values (n,) or probabilities (n, k) of a table's rows; raises InvalidInput where columns are missing."""
        return self.predictions(self.reading.table(X))

    def predictions(self, table: Table) -> np.ndarray:
        """Values (n,) or probabilities (n, k) of rows that have been read."""
        if len(table) <= BLOCK:
            return self._block(table)
        starts = range(0, len(table), BLOCK)
        blocks = (np.arange(start, min(start + BLOCK, len(table))) for start in starts)
        return np.concatenate([self._block(table.rows(places)) for places in blocks])

    def _block(self, table: Table) -> np.ndarray:
        total = self._nothing(len(table))
        for place, encoder in enumerate(self.encoders):
            for part, predicted in self._behind(place, encoder, table):
                total += part.weight * part.share(place) * predicted
        return self._finished(total)

    def predict_fold(self, table: Table, place: int) -> np.ndarray:
        """What the models of one fold predict, weighted as in the whole: rows of that fold are new to all of them."""
        total = self._nothing(len(table))
        for part, predicted in self._behind(place, self.encoders[place], table):
            total += part.weight * predicted
        return self._finished(total)

    def _behind(self, place: int, encoder: Encoder, table: Table) -> list[tuple[Part, np.ndarray]]:
        """What each part's model behind one encoder predicts; every view is encoded once."""
        parts = [part for part in self.parts if part.share(place)]
        views: dict[str, Matrix] = {
            view: encoder.transform(table, view) for view in dict.fromkeys(p.view for p in parts)
        }
        return [(part, part.target.predicted(part.fitted[place].predict(views[part.view]))) for part in parts]

    def _nothing(self, rows: int) -> np.ndarray:
        return np.zeros(rows if self.task.is_regression else (rows, self.task.width))

    def _finished(self, total: np.ndarray) -> np.ndarray:
        return total if self.task.is_regression else tempered(total, self.temperature)

    def places(self, predictions: np.ndarray) -> np.ndarray:
        """The places of the classes (n,) that probabilities (n, k) decide for."""
        if self.task.kind == "binary":
            predictions = decided(predictions, self.threshold)
        return np.asarray(np.argmax(predictions, axis=1))

    def state(self) -> State:
        """What `from_state` builds it from again."""
        whole = {
            "kind": self.task.kind,
            "classes": list(self.task.classes),
            "temperature": self.temperature,
            "threshold": self.threshold,
            "encoders": len(self.encoders),
            "parts": [_told(part) for part in self.parts],
        }
        states = {"model": State(whole), "reading": self.reading.state()}
        states |= {f"encoder {place}": encoder.state() for place, encoder in enumerate(self.encoders)}
        for number, part in enumerate(self.parts):
            states |= {f"{number} {part.member} {place}": each.state() for place, each in enumerate(part.fitted)}
        return State.of(states)

    @classmethod
    def from_state(cls, state: State, members: Mapping[str, Member]) -> Model:
        """The model of which this is the state; `members` are those that its parts name."""
        whole = state.part("model").values
        parts = [_part(number, told, state, members[told["member"]]) for number, told in enumerate(whole["parts"])]
        return cls(
            Task(whole["kind"], tuple(whole["classes"])),
            Reading.from_state(state.part("reading")),
            [Encoder.from_state(state.part(f"encoder {place}")) for place in range(whole["encoders"])],
            parts,
            whole["temperature"],
            whole["threshold"],
        )


def _told(part: Part) -> dict[str, Any]:
    """A part without its models."""
    return {
        "member": part.member,
        "view": part.view,
        "weight": part.weight,
        "target": part.target.values(),
        "params": dict(part.params),
        "shares": list(part.shares),
        "models": len(part.fitted),
    }


def _part(number: int, told: Mapping[str, Any], state: State, member: Member) -> Part:
    fitted = [member.load(state.part(f"{number} {told['member']} {place}")) for place in range(told["models"])]
    own = {key: told[key] for key in ("member", "view", "weight", "params", "shares")}
    return Part(target=Target(**told["target"]), fitted=fitted, **own)
