"""Trials as a pandas DataFrame with the columns that Optuna's users know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kilter.core.errors import needed

if TYPE_CHECKING:
    import pandas


def dataframe(
    trials: Sequence[Any], metrics: Sequence[str], attrs: Sequence[str], multi_index: bool = False
) -> pandas.DataFrame:
    """A row per trial (a FrozenTrial): number, value or values_NAME, times, params_NAME, user_attrs_NAME, state."""
    with needed("dataframe", "trials_dataframe()"):
        import pandas
    columns: dict[tuple[str, str], list[Any]] = {}
    for attribute in attrs:
        columns.update(_columns(trials, metrics, attribute))
    if multi_index:
        return pandas.DataFrame(columns)
    return pandas.DataFrame({"_".join(filter(None, key)): column for key, column in columns.items()})


def _columns(trials: Sequence[Any], metrics: Sequence[str], attribute: str) -> dict[tuple[str, str], list[Any]]:
    if attribute == "value" and len(metrics) > 1:
        names = metrics if not metrics[0].startswith("value_") else [str(i) for i in range(len(metrics))]
        unknown = [math.nan] * len(metrics)
        rows = [trial.values or unknown for trial in trials]
        return {("values", name): [row[i] for row in rows] for i, name in enumerate(names)}
    cells = [getattr(trial, attribute) for trial in trials]
    if attribute == "state":
        return {("state", ""): [state.name for state in cells]}
    if attribute in ("params", "user_attrs", "system_attrs", "metrics", "intermediate_values"):
        names = sorted({name for cell in cells for name in cell}, key=str)
        return {(attribute, str(name)): [cell.get(name) for cell in cells] for name in names}
    return {(attribute, ""): cells}
