"""Trials as a pandas DataFrame with the columns that Optuna's users know, and what else a trial has to tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kilter.core.errors import UnknownName, needed
from kilter.core.problem import DEFAULT_METRIC

if TYPE_CHECKING:
    import pandas

OPTUNA = ("number", "value", "datetime_start", "datetime_complete", "duration", "params", "user_attrs", "state")
"""Where no columns are named, these, ..."""

MORE = ("metrics", "budget", "folds", "parent", "failure")
"""... and of these whatever any trial has."""

SEVERAL = ("params", "user_attrs", "system_attrs", "metrics", "budget", "folds", "intermediate_values")
"""A column for each name, as in params_lr."""

Columns = dict[tuple[str, str], list[Any]]


def dataframe(
    trials: Sequence[Any], objectives: Sequence[str], attrs: Sequence[str] | None, multi_index: bool = False
) -> pandas.DataFrame:
    """A row per trial (a FrozenTrial): number, value or values_NAME, times, params_NAME, user_attrs_NAME, state.

    Without `attrs` also metrics_NAME, budget_NAME, folds_NAME, parent and failure where any trial has them.
    """
    with needed("pandas", "trials_dataframe()", "or write a file with kilter export"):
        import pandas
    columns: Columns = {}
    for attribute in OPTUNA if attrs is None else attrs:
        columns.update(_columns(trials, objectives, attribute))
    if attrs is None:
        columns.update(_told(trials, objectives))
    if multi_index:
        return pandas.DataFrame(columns)
    return pandas.DataFrame({"_".join(filter(None, key)): column for key, column in columns.items()})


def _told(trials: Sequence[Any], objectives: Sequence[str]) -> Columns:
    """What trials have besides; several objectives, or one without a name of its own, are among the values already."""
    known = {("metrics", name) for name in objectives if len(objectives) > 1 or name == DEFAULT_METRIC}
    found = {key: cells for attribute in MORE for key, cells in _columns(trials, objectives, attribute).items()}
    return {key: cells for key, cells in found.items() if key not in known and any(c is not None for c in cells)}


def _columns(trials: Sequence[Any], objectives: Sequence[str], attribute: str) -> Columns:
    if attribute == "value" and len(objectives) > 1:
        names = objectives if not objectives[0].startswith("value_") else [str(i) for i in range(len(objectives))]
        unknown = [math.nan] * len(objectives)
        rows = [trial.values or unknown for trial in trials]
        return {("values", name): [row[i] for row in rows] for i, name in enumerate(names)}
    if trials and not hasattr(type(trials[0]), attribute):
        raise UnknownName.of("column", attribute, {*OPTUNA, *MORE, *SEVERAL})
    cells = [getattr(trial, attribute) for trial in trials]
    if attribute == "state":
        return {("state", ""): [state.name for state in cells]}
    if attribute == "failure":
        return {("failure", ""): [cell and f"{cell.kind}: {cell.message}" for cell in cells]}
    if attribute in SEVERAL:
        names = sorted({name for cell in cells for name in cell}, key=str)
        return {(attribute, str(name)): [cell.get(name) for cell in cells] for name in names}
    return {(attribute, ""): cells}
