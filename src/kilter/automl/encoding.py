"""From a table to matrices that models take: one view for trees, one for sums and distances.

    tree    numbers with their gaps, dates in parts, few levels as codes, many as what they promise (blocks.py)
    dense   the same without gaps, a column for each of few levels, scaled by quartiles, with far values drawn in
    pairs   tree, and sums, differences, products and ratios of two numbers (pairs.py): learned last, where asked for

Learned on the training rows of one fold alone. What looks at the target is cross-fitted there: a training row's own
target never is in its features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from kilter.automl.blocks import BLOCKS, Block, Part, aims
from kilter.automl.members.member import Matrix
from kilter.automl.pairs import Pairs
from kilter.automl.scaling import Ranks, Scaling
from kilter.automl.state import State
from kilter.core.errors import InvalidInput

if TYPE_CHECKING:
    from kilter.automl.reading import Table
    from kilter.automl.task import Task

View = Literal["tree", "dense", "pairs"]

LARGEST = float(np.finfo(np.float32).max)
"""Beyond it a float32 is infinite."""


@dataclass(frozen=True)
class Encoder:
    """What one fold has learned about its columns."""

    blocks: tuple[Block, ...]
    scaling: Scaling
    ranks: Ranks
    narrow: bool = False
    pairs: Pairs | None = None

    def transform(self, table: Table, view: str) -> Matrix:
        """The rows as `view` has them. Each row's values depend on that row alone."""
        if view == "pairs":
            return self._paired(self.transform(table, "tree"))
        return self._finished(
            _joined((part for block in self.blocks for part in block.parts(table, view)), table), view
        )

    def with_pairs(
        self, tree: Matrix, y: np.ndarray, task: Task, seed: int, weight: np.ndarray | None = None
    ) -> tuple[Encoder, Matrix]:
        """This encoder with the view "pairs" too, and that view of its training rows, of which `tree` is the other."""
        encoder = replace(self, pairs=Pairs.fit(tree, y, task, seed, weight))
        return encoder, encoder._paired(tree)

    def _paired(self, tree: Matrix) -> Matrix:
        if self.pairs is None:
            raise InvalidInput("this encoder has learned no pairs: `with_pairs` does")
        values = np.hstack([tree.values, self.pairs(tree.values)])
        return Matrix(values, (*tree.names, *self.pairs.names(tree.names)), tree.categorical)

    def _finished(self, joined: Matrix, view: str) -> Matrix:
        values, names = joined.values, joined.names
        if view == "dense":
            scaled = [name for name, kept in zip(names, self.scaling.kept, strict=True) if kept]
            names = [*scaled, *(f"rank of {names[place]}" for place in self.ranks.ranked.tolist())]
            values = np.hstack([self.scaling(values), self.ranks(values)])
        if self.narrow:
            values = np.clip(values, -LARGEST, LARGEST).astype(np.float32)
        return Matrix(values, tuple(names), joined.categorical)

    def state(self) -> State:
        """What `from_state` builds it from again."""
        arrays = {f"scaling.{name}": values for name, values in vars(self.scaling).items()}
        arrays |= {f"ranks.{name}": values for name, values in vars(self.ranks).items()}
        values = {}
        for block in self.blocks:
            state = block.state()
            values[block.kind] = dict(state.values)
            arrays |= {f"{block.kind}.{name}": part for name, part in state.arrays.items()}
        if self.pairs is not None:
            arrays |= {f"pairs.{name}": places for name, places in vars(self.pairs).items()}
        return State({"blocks": values, "narrow": self.narrow}, arrays)

    @classmethod
    def from_state(cls, state: State) -> Encoder:
        """The encoder of which this is the state."""

        def arrays(kind: str) -> dict[str, np.ndarray]:
            start = f"{kind}."
            return {name[len(start) :]: part for name, part in state.arrays.items() if name.startswith(start)}

        blocks = (BLOCKS[kind].from_state(State(part, arrays(kind))) for kind, part in state.values["blocks"].items())
        pairs = arrays("pairs")
        known = Pairs(**pairs) if pairs else None
        return cls(tuple(blocks), Scaling(**arrays("scaling")), Ranks(**arrays("ranks")), state.values["narrow"], known)


def fit_encoder(
    table: Table,
    y: np.ndarray,
    task: Task,
    seed: int,
    views: Sequence[str] = ("tree", "dense"),
    weight: np.ndarray | None = None,
    narrow: bool = False,
) -> tuple[Encoder, dict[str, Matrix]]:
    """The encoder of these training rows, and their matrices by view.

    The matrices are not `transform` of the same rows: what looks at the target was learned on other rows for each.
    `narrow` makes them float32, for large tables. `weight` (n,) weighs rows in what looks at the target.
    """
    sums = aims(y, task)
    heavy = np.ones(len(y)) if weight is None else weight
    fitted = [pair for kind in BLOCKS.values() if (pair := kind.fit(table, sums, heavy, seed)) is not None]
    plain = [view for view in dict.fromkeys(("tree", *views) if "pairs" in views else views) if view != "pairs"]
    parts = {
        view: [part for block, scores in fitted for part in block.parts(table, view, scores)]
        for view in dict.fromkeys((*plain, "dense"))
    }
    dense = _joined(parts["dense"], table)
    ranked = np.array([part.ranked for part in parts["dense"] for _ in part.names], bool)
    blocks = tuple(block for block, _ in fitted)
    encoder = Encoder(blocks, Scaling.of(dense.values), Ranks.of(dense.values, ranked), narrow)
    matrices = {
        view: encoder._finished(dense if view == "dense" else _joined(parts[view], table), view) for view in plain
    }
    if "pairs" in views:
        encoder, matrices["pairs"] = encoder.with_pairs(matrices["tree"], y, task, seed, weight)
    return encoder, {view: matrices[view] for view in views}


def _joined(parts: Iterable[Part], table: Table) -> Matrix:
    """Side by side."""
    parts = list(parts)
    names = [name for part in parts for name in part.names]
    values = np.empty((len(table), len(names)))
    categorical: list[int] = []
    start = 0
    for part in parts:
        end = start + len(part.names)
        values[:, start:end] = part.values
        categorical += range(start, end) if part.categorical else []
        start = end
    return Matrix(values, names, categorical)
