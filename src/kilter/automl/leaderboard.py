"""What a fit has tried, one line for each candidate, as plain values that a file can keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from kilter.automl.latency import measured
from kilter.core.text import one_line

if TYPE_CHECKING:
    import pandas as pd

    from kilter.automl.candidates import Candidate
    from kilter.automl.model import Model
    from kilter.automl.reading import Table

Line = dict[str, Any]

COLUMNS = (
    *("number", "member", "score", "weight", "seconds", "settings", "scores", "reason"),
    *("scale", "folds", "predict_ms", "state"),
)
"""Of a leaderboard, in order; wide ones stand in the middle, which pandas leaves out where lines are short."""


def lines(candidates: Sequence[Candidate], weights: Sequence[float]) -> list[Line]:
    """The candidates, those that weigh most first, then by score."""
    found = [_line(each, float(weight)) for each, weight in zip(candidates, weights, strict=True)]
    return sorted(
        found, key=lambda line: (-line["weight"], line["state"] != "complete", -line["score"], line["number"])
    )


def _line(candidate: Candidate, weight: float) -> Line:
    return {
        "number": candidate.number,
        "member": candidate.member,
        "settings": in_words(candidate.params),
        "scale": candidate.target.scale,
        "score": candidate.score,
        "weight": weight,
        "seconds": float(candidate.seconds),
        "predict_ms": None,
        "folds": len(candidate.scores),
        "state": candidate.state,
        "reason": one_line(candidate.reason),
        "scores": [float(score) for score in candidate.scores],
    }


def with_latency(found: Sequence[Line], model: Model, table: Table) -> list[Line]:
    """The lines with what the models of those with weight take to predict 1,000 rows; the parts have their order."""
    latency = measured(model, table)
    parts = [round(milliseconds, 3) for milliseconds in latency.parts]
    return [dict(line, predict_ms=took) for line, took in zip_longest(found, parts)]


def in_words(params: Mapping[str, Any]) -> str:
    """Settings in one line.

    >>> in_words({"num_leaves": 31, "learning_rate": 0.08123456, "extra_trees": True})
    'num_leaves 31, learning_rate 0.0812, extra_trees True'
    """
    shown = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in params.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items()) or "–"


def table(found: Sequence[Line]) -> pd.DataFrame:
    """The lines as a frame."""
    import pandas as pd

    return pd.DataFrame(list(found), columns=list(COLUMNS))
