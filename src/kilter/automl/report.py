"""One page about a fit: what it will score, what to be wary of, what was tried, and where it errs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import kilter
from kilter.automl import insight, leaderboard, pictures
from kilter.automl.drift import drifts
from kilter.automl.explain import Importances
from kilter.automl.page import Page, Picture, Points, Section, Table, Text
from kilter.core.errors import InvalidInput
from kilter.core.text import one_line
from kilter.figures.ticks import number

if TYPE_CHECKING:
    from kilter.automl.data import Data
    from kilter.automl.fitting import Outcome

CLASSES = 12
"""Up to which a table of classes against predictions is shown."""
WORST = 15
"""Rows shown that predictions are most wrong about, ..."""
BESIDE = 5
"""... with the values of so many columns."""
LOPSIDED = 0.9
"""Share of the largest class from which on a share of hits says little."""
DRIFTING = 5
"""Columns named that drift."""
ITSELF = "the target itself"


def page(outcome: Outcome, target: str = "the target", seed: int = 0) -> Page:
    """The page; `target` is the name of what is predicted. It takes about as long as predicting 100,000 rows."""
    if outcome.data.is_constant:
        same = Text(
            "All rows have the same target: that is what is predicted, and nothing says how well.", is_lead=True
        )
        sections = [Section("What it will score on new rows", (same,)), _columns(outcome.data)]
    else:
        sections = [*_of_rows(outcome, target, seed), _tried(outcome), _columns(outcome.data)]
    what = f"A model of {target}"
    return Page(what, tuple(section for section in sections if section.blocks), _provenance(outcome))


def _of_rows(outcome: Outcome, target: str, seed: int) -> Iterator[Section]:
    """What rows say that the models which predict them have not seen."""
    rows, predictions = insight.out_of_fold(outcome)
    yield _worth(outcome, rows, predictions)
    yield _wary(outcome)
    try:
        found = insight.importances(outcome, seed)
    except InvalidInput as error:  # no fold has a score
        yield Section("Which columns matter", (Text(f"Nobody can say: {error}."),))
        yield Section("Predictions beside what was", tuple(_held(outcome, rows, predictions, target)))
        return
    yield Section("Which columns matter", tuple(_needed(found)))
    yield Section("Predictions beside what was", tuple(_held(outcome, rows, predictions, target)))
    yield _errors(outcome, rows, predictions, found)


# -- what it will score -----------------------------------------------------------------------------------------------


def _worth(outcome: Outcome, rows: np.ndarray, predictions: np.ndarray) -> Section:
    data, estimate = outcome.data, outcome.estimate
    blind = data.metric.score(data.y[rows], _blind(data, rows), _some(data.weight, rows))
    sentences = [
        f"It rests on {len(rows):,} rows that the models which predict them have not seen.",
        f"Predicting the same for every row, whatever its columns, would score {number(blind)}.",
        f"The ensemble was chosen by a score on these rows, {number(estimate.value + estimate.bias)}, uncorrected.",
    ]
    if estimate.perfect == 0:
        sentences.append("It is an error with its sign turned, so that larger is better: 0 is perfect.")
    low, high = estimate.interval
    blocks: list[Any] = [Text(str(estimate), is_lead=True), Points(tuple(sentences))]
    by_fold = _by_fold(data, rows, predictions)
    if len(by_fold) > 1 and np.isfinite([low, high]).all():
        blocks.append(Picture(pictures.by_fold(by_fold, (low, high), estimate.value, data.metric.name), 560, 200))
    return Section("What it will score on new rows", tuple(blocks))


def _blind(data: Data, rows: np.ndarray) -> np.ndarray:
    """The mean, or the shares of the classes, for every row."""
    weight = _some(data.weight, rows)
    if data.task.is_regression:
        return np.full(len(rows), np.average(data.y[rows], weights=weight))
    counts = np.bincount(data.y[rows], weights=weight, minlength=data.task.width)
    return np.tile(counts / counts.sum(), (len(rows), 1))


def _by_fold(data: Data, rows: np.ndarray, predictions: np.ndarray) -> list[float]:
    place = np.full(len(data.y), -1)
    place[rows] = np.arange(len(rows))
    found = []
    for _, scored in data.folds:
        own = place[scored][place[scored] >= 0]
        if len(own):
            found.append(data.metric.score(data.y[rows[own]], predictions[own], _some(data.weight, rows[own])))
    return found


def _some(weight: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weight is None else weight[rows]


# -- what to be wary of -----------------------------------------------------------------------------------------------


def _wary(outcome: Outcome) -> Section:
    sentences = (*outcome.notices, *_lopsided(outcome.data), *_drifting(outcome.data))
    return Section("What to be wary of", (Points(sentences, is_warning=True),) if sentences else ())


def _lopsided(data: Data) -> Iterator[str]:
    if data.task.is_regression:
        return
    shares = np.bincount(data.y, minlength=data.task.width) / len(data.y)
    most = int(np.argmax(shares))
    if shares[most] >= LOPSIDED:
        name = one_line(data.task.classes[most], 50)
        yield (
            f"{shares[most]:.1%} of the rows are {name!r}: to say so of every row is right as often. Judge by "
            "roc_auc, average_precision or balanced_accuracy, not by accuracy."
        )


def _drifting(data: Data) -> Iterator[str]:
    found = drifts(_in_order(data))
    if found:
        advice = "" if data.is_in_time else ": give folds= a split by time"
        first = (drift.column for drift in found[:DRIFTING])
        names = ", ".join(name if name == ITSELF else repr(one_line(name, 50)) for name in first)
        more = f" and {len(found) - DRIFTING} more" if len(found) > DRIFTING else ""
        yield (
            f"The last rows differ from the first in {names}{more}. If rows are in the order of time, new ones will "
            f"differ from all of these, and score worse than the estimate{advice}. If they are sorted, all is well."
        )


def _in_order(data: Data) -> Mapping[str, np.ndarray]:
    """Columns as drift looks at them, and the target among them; codes and classes are no numbers."""
    codes = {name: part.astype(object) for name, part in data.table.codes.items()}
    own = data.y if data.task.is_regression else data.y.astype(object)
    columns = {name: part for name, part in data.columns.items() if name in data.table.dates or not _rises(part)}
    return {**columns, **codes, ITSELF: own}


def _rises(values: np.ndarray) -> bool:
    """Whether it only numbers the rows."""
    return bool((np.diff(values) > 0).all())


# -- which columns matter ---------------------------------------------------------------------------------------------


def _needed(found: Importances) -> Iterator[Any]:
    yield Text(
        f"How far {found.metric} falls on rows out of fold once the values of a column are shuffled among them, with "
        "the interval of 95 %. Columns that say the same hide one another: without one the model has the other."
    )
    lanes = min(len(found), pictures.SHOWN)
    yield Picture(pictures.importance(found), 640, 60 + 29 * lanes)
    rows = tuple((one.column, one.drop, one.low, one.high) for one in found)
    yield Table(("column", f"{found.metric} falls by", "95 % from", "to"), rows)


# -- predictions beside what was -------------------------------------------------------------------------------------


def _held(outcome: Outcome, rows: np.ndarray, predictions: np.ndarray, target: str) -> Iterator[Any]:
    data, task = outcome.data, outcome.data.task
    y = data.y[rows]
    if task.is_regression:
        yield Picture(pictures.against(predictions, y, target), 460, 380)
        return
    if task.kind == "binary":
        yield Text(
            "Of rows with about the same predicted probability, how many were so; the band is what chance allows."
        )
        yield Picture(pictures.calibration(predictions[:, 1], y == 1, str(task.classes[1])), 460, 340)
    if task.width <= CLASSES:
        places = outcome.model.places(predictions)
        counts = np.zeros((task.width, task.width), int)
        np.add.at(counts, (y, places), 1)
        titles = ("was", *(f"predicted {name}" for name in task.classes))
        yield Table(titles, tuple((str(name), *row) for name, row in zip(task.classes, counts.tolist(), strict=True)))


def _errors(outcome: Outcome, rows: np.ndarray, predictions: np.ndarray, found: Importances) -> Section:
    data, task = outcome.data, outcome.data.task
    y = data.y[rows]
    if task.is_regression:
        wrong = np.abs(predictions - y)
    else:
        wrong = 1 - predictions[np.arange(len(y)), y]
    worst = np.argsort(-wrong, kind="stable")[:WORST]
    texts = {column.name for column in data.reading.kind("text")}
    beside = [one.column for one in found if one.column not in texts][:BESIDE]
    table = []
    for place in worst.tolist():
        row = int(rows[place])
        said, was = _in_words(outcome, predictions[place], y[place])
        table.append((int(data.rows[row]), was, said, *(_value(data, name, row) for name in beside)))
    text = Text("Out of fold; rows are counted from 0. Look for a wrong target, or for what no column says.")
    return Section("Rows that surprise it most", (text, Table(("row", "was", "predicted", *beside), tuple(table))))


def _in_words(outcome: Outcome, predicted: np.ndarray, was: Any) -> tuple[Any, Any]:
    task = outcome.data.task
    if task.is_regression:
        return float(predicted), float(was)
    place = int(outcome.model.places(predicted[None])[0])
    return f"{task.classes[place]} ({predicted[place]:.0%})", str(task.classes[int(was)])


def _value(data: Data, name: str, row: int) -> Any:
    """What a column has in a row; nothing of texts, which are kept as words."""
    table = data.table
    if name in table.names:
        return float(table.numbers[row, table.names.index(name)])
    if name in table.dates:
        day = table.dates[name][row]
        return None if np.isnan(day) else str(np.datetime64(int(day), "D"))
    if name in table.codes and table.codes[name][row] >= 0:
        levels = next(column.levels for column in data.reading.columns if column.name == name)
        return levels[table.codes[name][row]]
    return None


# -- what was tried ---------------------------------------------------------------------------------------------------


def _tried(outcome: Outcome) -> Section:
    found = leaderboard.lines(outcome.candidates, outcome.weights.tolist())
    titles = ("member", "weight", "score", "folds", "seconds", "settings", "state")
    used = int(np.count_nonzero(outcome.weights))
    text = Text(
        f"{len(found)} candidates in {outcome.seconds:.0f} s, of which {used} predict, by their weight. Scores of few "
        "folds do not compare with those of all."
    )
    return Section("What was tried", (text, Table(titles, tuple(map(_line, found)))))


def _line(line: leaderboard.Line) -> tuple[Any, ...]:
    scale = "" if line["scale"] == "identity" else f", target by {line['scale']}"
    return (
        line["member"],
        round(line["weight"], 3) or None,
        line["score"] if line["folds"] else None,
        line["folds"],
        round(line["seconds"], 2),
        line["settings"] + scale,
        f"failed: {line['reason']}" if line["state"] == "failed" else line["reason"] or line["state"],
    )


# -- the data ---------------------------------------------------------------------------------------------------------


def _columns(data: Data) -> Section:
    classes = data.task.width
    of = "the target is a number" if data.task.is_regression else f"{classes} classes"
    text = Text(f"{len(data.y):,} rows, {len(data.reading.columns):,} columns, {of}.")
    rows = tuple((column.name, column.kind, column.reason, column.result) for column in data.reading.columns)
    return Section("What the columns were taken for", (text, Table(("column", "kind", "because", "holds"), rows, 200)))


def _provenance(outcome: Outcome) -> str:
    return f"kilter {kilter.__version__}, {len(outcome.data.y):,} rows, fitted in {outcome.seconds:.0f} s."
