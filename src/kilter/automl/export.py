"""A model as a fitted Pipeline of scikit-learn, which a process without kilter loads.

It is made of classes of scikit-learn and of the members' libraries, and of functions of NumPy and pandas:

    columns   raw columns → numbers: numbers as they are, of dates days and parts of the calendar, of categories the
              place of the level from 1 on (0: missing or new), of texts the tf-idf of words
    model     the weighted mean over folds and views, of
                  encode   a lookup for each category, products for texts; scaling for the dense view
                  model    the weighted mean over members

Whatever has no class is a function of an array and constants: `np.take` of a table is a lookup, `reduce` of a ufunc
takes one half of the columns with the other, and sin(arctan t) = t / √(1 + t²) draws far values in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.automl import blocks, parsing
from kilter.automl.encoding import LARGEST, Encoder
from kilter.automl.members.member import Fitted
from kilter.automl.members.mlp import Layers
from kilter.automl.members.waves import Waves
from kilter.automl.metrics import LEAST
from kilter.automl.reading import FIRST_DAY as FIRST
from kilter.automl.reading import LAST_DAY as LAST
from kilter.automl.reading import NUMBERS, STRANGE, Column, Reading, Table
from kilter.automl.scaling import FAR, Ranks, Scaling
from kilter.automl.target import Target
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.text import one_line

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from kilter.automl.model import Model

DATE = ("days", "year", "month", "day", "weekday", "day of year", "hour")
"""What a date becomes, before the places of three of them on circles."""
PERIODS = {"day of year": 365.25, "weekday": 7.0, "hour": 24.0}

FITTED = "see estimators_"

CLOSE = 1e-6
"""Networks compute in float32, of which the last bits depend on how many rows stand side by side."""

LIMITS = "its columns may be written in ways that scikit-learn and pandas read otherwise; see docs/how-to/automl.md"

Places = Mapping[tuple[str, str], Sequence[int]]
"""Where (kind, name of a column) stands among the numbers that raw columns become."""


def exported(model: Model, is_array: bool) -> Any:
    """The pipeline; `is_array` where the model takes columns by place rather than by name."""
    made, places = columns_of(model.reading, is_array)
    groups = []
    for place, encoder in enumerate(model.encoders):
        for view in dict.fromkeys(part.view for part in model.parts if part.share(place)):
            parts = [part for part in model.parts if part.view == view and part.share(place)]
            weights = [part.weight * part.share(place) for part in parts]
            members = [
                (f"{number} {part.member}", _aimed(estimator_of(part.fitted[place]), part.target))
                for number, part in enumerate(parts)
            ]
            inner = mean_of(members, weights, range(model.task.width), model.task)
            encoded = encoding(encoder, view, model.reading, places)
            groups.append((f"fold {place} {view}", named(encode=encoded, model=inner), sum(weights)))
    members, weights = [group[:2] for group in groups], [group[2] for group in groups]
    whole = mean_of(members, weights, model.task.classes, model.task)
    return named(columns=made, model=_decided(whole, model))


def check(pipeline: Any, model: Any, X: Any) -> None:  # noqa: N803 - X is scikit-learn's
    """Raise InvalidInput where the pipeline predicts anything else of these rows than the model does."""
    method = "predict" if not hasattr(model, "classes_") else "predict_proba"
    apart = np.abs(getattr(pipeline, method)(X) - getattr(model, method)(X))
    scale = np.maximum(np.abs(getattr(model, method)(X)), 1.0)
    if (apart > CLOSE * scale).any():
        row = int(np.argmax(apart.reshape(len(apart), -1).max(axis=1)))
        raise InvalidInput(f"the pipeline predicts otherwise, most of all row {row}, by {apart.max():.3g}: {LIMITS}")


# Steps


def step(function: Callable[..., Any] | None, **constants: Any) -> Any:
    """Applies a function to an array, with further arguments by name."""
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(function, kw_args=constants or None)


def chain(*steps: Any) -> Pipeline:
    """One step after another; all of them are fitted."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)


def named(**steps: Any) -> Pipeline:
    """A chain of steps with names."""
    from sklearn.pipeline import Pipeline

    return Pipeline(list(steps.items()))


def side_by_side(steps: Sequence[Any]) -> Any:
    """Their results in one matrix."""
    from sklearn.pipeline import FeatureUnion

    return FeatureUnion([(f"part {number}", each) for number, each in enumerate(steps)])


def affine(centre: np.ndarray, scale: np.ndarray) -> Any:
    """(x − centre) / scale."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(np.zeros((2, len(centre))))
    scaler.mean_, scaler.scale_, scaler.var_ = centre, scale, scale**2
    return scaler


def lookup(table: np.ndarray) -> Any:
    """From places (n, 1) to rows of a table (m, w)."""
    return chain(
        step(np.asarray, dtype=np.int64), step(partial(np.take, table), axis=0, mode="clip"), step(np.squeeze, axis=1)
    )


def taken(places: Sequence[int] | np.ndarray) -> Any:
    """Some of the columns."""
    return step(np.take, indices=np.asarray(places, np.int64), axis=1)


def rounded() -> Any:
    """Without what rounding leaves of values that are equal."""
    return step(np.round, decimals=blocks.DIGITS)


def finite() -> Any:
    """NaN in place of infinite values, and none that is too far."""
    ends = step(np.clip, a_min=-np.float64(parsing.FARTHEST), a_max=np.float64(parsing.FARTHEST))
    return chain(step(np.nan_to_num, nan=np.nan, posinf=np.nan, neginf=np.nan), ends)


# Raw columns


def columns_of(reading: Reading, is_array: bool) -> tuple[Any, Places]:
    """What makes numbers of raw columns, and where they stand."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer

    if odd := [name for name in reading.names if name.endswith("\0")]:
        raise InvalidInput(f"scikit-learn finds no column whose name ends with a NUL, as {odd[0]!r} does: rename it")
    if strange := [column for column in reading.columns if column.strange]:
        told = (f"{one_line(each.name, 50)!r} ({each.strange}: {STRANGE[each.strange]})" for each in strange[:5])
        raise InvalidInput(f"a pipeline without kilter would read otherwise: {'; '.join(told)}; or columns= drops it")
    transformers: list[tuple[str, Any, Any]] = []
    places: dict[tuple[str, str], Sequence[int]] = {}
    start = 0
    for column in reading.columns:
        for kind, (transformer, width, wanted) in _readers(column).items():
            transformers.append((f"{kind} {len(transformers)}", transformer, wanted))
            places[kind, column.name] = range(start, start + width)
            start += width
    made = ColumnTransformer(transformers, sparse_threshold=0.0, verbose_feature_names_out=False)
    made.fit(pd.DataFrame({column.name: _example(column) for column in reading.columns}))
    for name, fitted, wanted in made.transformers_:  # which are copies, fitted on nothing
        if name.startswith("words"):
            rarity = next(column.rarity for column in reading.columns if column.name == wanted)
            fitted[-1].idf_ = np.array(rarity)
    if is_array:
        return chain(step(pd.DataFrame, columns=list(reading.names)), made), places
    return made, places


def _readers(column: Column) -> dict[str, tuple[Any, int, Any]]:
    """By what becomes of a column: how, how many columns it has, and whether it takes a frame or a series."""
    found: dict[str, tuple[Any, int, Any]] = {}
    if column.kind == "number":
        found["number"] = (_number(column), 1, [column.name])
    if column.kind == "date":
        found["date"] = (_date(column), len(DATE) + 2 * len(PERIODS), column.name)
    if column.levels:
        found["level"] = (_level(column), 1, [column.name])
    if column.words:
        found["words"] = (_words(column), len(column.words), column.name)
    return found


def _example(column: Column) -> list[Any]:
    """Two values such as the column has: what is fitted on them is what they are made of alone."""
    import pandas as pd

    if column.kind == "date":
        return [pd.Timestamp("2000-01-01")] * 2
    if column.kind in ("category", "text"):
        return [(*column.levels, *column.words)[0]] * 2
    return [0.0, 1.0]


def _number(column: Column) -> Any:
    import pandas as pd

    if column.reason == NUMBERS or column.reason.startswith("holds"):
        return chain(step(pd.DataFrame.astype, dtype=float), step(np.asarray, dtype=float), finite())
    decimals = {parsing.DOT_OF_THOUSANDS: "", ",": "."} if column.form == parsing.COMMA else {}
    plain = decimals | {r"^\s*([-+]?)[$€£¥]\s?": r"\1", r",(?=\d{3}(?:\D|$))": "", r"\s?%\s*$": ""}
    return chain(
        step(pd.DataFrame.astype, dtype=object),
        step(pd.DataFrame.replace, to_replace=plain, regex=True),
        step(pd.DataFrame.apply, func=pd.to_numeric, errors="coerce"),
        step(np.asarray, dtype=float),
        finite(),
    )


def _date(column: Column) -> Any:
    """Days since 1970-01-01 UTC, parts of the calendar, and of the day."""
    import pandas as pd

    days = [
        step(pd.to_datetime, format=column.form, utc=True, errors="coerce"),
        step(pd.Series.astype, dtype="datetime64[s, UTC]"),
        step(pd.Series.sub, other=pd.Timestamp("1970-01-01", tz="UTC")),
        step(pd.Series.div, other=pd.Timedelta(days=1)),
        step(pd.Series.to_frame),
        step(np.asarray, dtype=float),
    ]
    within = [step(np.clip, a_min=FIRST, a_max=LAST + 0.999), step(np.floor)]
    calendar = chain(*within, step(partial(np.add, 1 - FIRST)), step(np.nan_to_num, nan=0.0), lookup(_calendar()))
    fraction = [step(np.modf), step(np.take, indices=0, axis=0)]  # of a day before 1970 it is below 0
    hour = chain(*fraction, step(partial(np.add, 1.0)), *fraction, step(partial(np.multiply, 24.0)), rounded())
    angles = step(partial(np.multiply, np.repeat([2 * np.pi / period for period in PERIODS.values()], 2)))
    quarters = step(partial(np.add, np.tile([0.0, np.pi / 2], len(PERIODS))))  # a cosine is a sine that is ahead
    turning = taken(np.repeat([DATE.index(part) for part in PERIODS], 2))
    circles = chain(turning, angles, quarters, step(np.sin), rounded())
    return chain(*days, side_by_side([step(None), calendar, hour]), side_by_side([step(None), circles]))


def _calendar() -> np.ndarray:
    """(days, parts) of all days from FIRST to LAST, after a row for none; without the days themselves."""
    days = np.arange(FIRST, LAST + 1.0)
    table = Table(len(days), (), np.empty((len(days), 0)), {"": days})
    parts = np.column_stack([part.values for part in blocks.Dates({"": False}).parts(table, "tree")])
    return np.vstack([np.full(parts.shape[1] - 1, np.nan), parts[:, 1:]]).astype(np.float32)


def _level(column: Column) -> Any:
    """The place of the level from 1 on; 0 where it is missing or none of them."""
    import pandas as pd
    from sklearn.preprocessing import OrdinalEncoder

    settings = {"handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -1}
    values = np.array([parsing.as_number(level) for level in column.levels])
    if all(parsing.as_text(value) == level for value, level in zip(values, column.levels, strict=True)):
        order = np.argsort(values)
        encoder = OrdinalEncoder(categories=[values[order]], **settings)
        places = np.append(0.0, order + 1.0)[:, None]
        return chain(
            step(pd.DataFrame.apply, func=pd.to_numeric, errors="coerce"),
            step(np.asarray, dtype=float),
            encoder,
            step(partial(np.add, 1)),
            lookup(places),
        )
    whole = {r"^(-?\d+)\.0$": r"\1"}  # 2.0 is the level 2, unless texts say "2.0"
    plain = [] if any(re.match(r"-?\d+\.0$", level) for level in column.levels) else [whole]
    return chain(
        step(pd.DataFrame.astype, dtype=object),
        step(pd.DataFrame.map, func=str, na_action="ignore"),
        step(pd.DataFrame.map, func=str.strip, na_action="ignore"),
        *(step(pd.DataFrame.replace, to_replace=each, regex=True) for each in plain),
        OrdinalEncoder(categories=[np.array(column.levels, dtype=object)], **settings),
        step(partial(np.add, 1)),
    )


def _words(column: Column) -> Any:
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True, vocabulary=list(column.words)
    )
    nothing = rf"(?i)^\s*(?:{'|'.join(map(re.escape, sorted(parsing.NOTHING)))})\s*$"
    return chain(
        step(pd.Series.astype, dtype=object),
        step(pd.Series.fillna, value=""),
        step(pd.Series.apply, func=str),
        step(pd.Series.replace, to_replace=nothing, value="", regex=True),
        vectorizer,
    )


# Views


def encoding(encoder: Encoder, view: str, reading: Reading, places: Places) -> Any:
    """From numbers to the matrix of a view."""
    plain = "tree" if view == "pairs" else view
    parts = [part for block in encoder.blocks for part in _ENCODED[type(block)](block, plain, reading, places)]
    steps = [side_by_side(parts)]
    if view == "dense":
        steps.append(side_by_side([_scaled(encoder.scaling), *_ranks(encoder.ranks)]))
    if encoder.narrow:
        steps += [step(np.clip, a_min=-LARGEST, a_max=LARGEST), step(np.asarray, dtype=np.float32)]
    if view == "pairs":
        steps.append(side_by_side([step(None), _pairs(encoder)]))
    return chain(*steps)


def _scaled(scaling: Scaling) -> Any:
    kept = np.flatnonzero(scaling.kept)
    return chain(
        taken(kept),
        affine(scaling.centre[kept], scaling.scale[kept]),
        step(np.nan_to_num),
        step(np.clip, a_min=-1e6, a_max=1e6),
        step(partial(np.multiply, 1 / FAR)),
        step(np.arctan),
        step(np.sin),
        step(partial(np.multiply, FAR)),
    )


def _ranks(ranks: Ranks) -> Iterator[Any]:
    """Straight lines between knots, column by column."""
    for place, knots, normal in zip(ranks.ranked, ranks.knots, ranks.normal, strict=True):
        yield chain(taken([place]), step(partial(np.interp, xp=knots, fp=normal)), step(np.nan_to_num))


def _pairs(encoder: Encoder) -> Any:
    """Sign by sign, and then in the order of the view."""
    pairs = encoder.pairs
    if pairs is None:
        raise InvalidInput("this encoder has learned no pairs: `with_pairs` does")
    steps = []
    for sign, function in enumerate((np.add, np.subtract, np.multiply, np.divide)):
        first, second = (taken(places[pairs.sign == sign]) for places in (pairs.first, pairs.second))
        if (pairs.sign == sign).any():
            both = side_by_side([first, chain(second, *_without_zeros()) if function is np.divide else second])
            steps.append(chain(both, step(np.hsplit, indices_or_sections=2), step(function.reduce)))
    order = np.argsort(np.argsort(pairs.sign, kind="stable"), kind="stable")
    return chain(side_by_side(steps), taken(order), finite())


def _without_zeros() -> list[Any]:
    """NaN in place of 0: what is divided by it is not finite either way, and NumPy warns of the latter."""
    import pandas as pd

    return [step(pd.DataFrame), step(pd.DataFrame.replace, to_replace=0.0, value=np.nan), step(np.asarray)]


def _numbers(block: blocks.Numbers, view: str, reading: Reading, places: Places) -> Iterator[Any]:
    names = [column.name for column in reading.kind("number")]
    used = [places["number", names[place]][0] for place in block.used]
    yield taken(used)
    if view == "dense" and len(block.gaps):
        yield chain(taken([used[place] for place in block.gaps]), step(np.isnan), step(np.asarray, dtype=float))


def _dates(block: blocks.Dates, view: str, reading: Reading, places: Places) -> Iterator[Any]:
    nothing = Table(1, (), np.empty((1, 0)), {"": np.zeros(1)})

    def names(hours: bool, view: str) -> list[str]:
        return [name.strip() for part in blocks.Dates({"": hours}).parts(nothing, view) for name in part.names]

    known = names(True, "dense")
    for name, hours in block.hours.items():
        yield taken([places["date", name][known.index(part)] for part in names(hours, view)])


def _levels(block: Any, view: str, reading: Reading, places: Places) -> Iterator[Any]:
    """A lookup for each category: what the block makes of all of its levels."""
    parts = {field.name: getattr(block, field.name) for field in fields(block)}
    levels = {column.name: len(column.levels) for column in reading.columns}
    for name in next(iter(parts.values())):
        alone = type(block)(**{field: {name: values[name]} for field, values in parts.items()})
        codes = np.arange(-1, levels[name])
        table = Table(len(codes), (), np.empty((len(codes), 0)), codes={name: codes})
        values = np.column_stack([part.values for part in alone.parts(table, view)])
        yield chain(taken(places["level", name]), lookup(values.astype(float)))


def _texts(block: blocks.Words, view: str, reading: Reading, places: Places) -> Iterator[Any]:
    for name, line in block.line.items():
        words = taken(places["words", name])
        yield chain(words, step(np.dot, b=line[:-1]), step(partial(np.add, line[-1])))
        if view == "dense":
            yield chain(words, step(np.dot, b=block.topics[name]), rounded())
        else:
            yield chain(words, step(np.count_nonzero, axis=1, keepdims=True))


_ENCODED: Mapping[type, Callable[..., Iterator[Any]]] = {
    blocks.Numbers: _numbers,
    blocks.Dates: _dates,
    blocks.FewLevels: _levels,
    blocks.ManyLevels: _levels,
    blocks.Words: _texts,
}


# Models


def estimator_of(fitted: Fitted) -> Any:
    """A model as an estimator of its library; networks as their layers."""
    return network(fitted) if isinstance(fitted, Layers) else fitted.estimator()


def network(fitted: Layers) -> Pipeline:
    """Layer by layer, in the precision in which kilter computes them; then a regression that changes nothing."""
    exact = fitted.waves is None
    half = np.float32(0.5)
    by_half, half_more = step(partial(np.multiply, half)), step(partial(np.add, half))
    sigmoid = chain(by_half, step(np.tanh), by_half, half_more)
    silu = [side_by_side([step(None), sigmoid]), step(np.hsplit, indices_or_sections=2), step(np.multiply.reduce)]
    active = [step(partial(np.maximum, 0.0))] if exact else silu
    steps = [step(np.asarray, dtype=np.float64 if exact else np.float32)]
    if fitted.waves is not None:
        steps.append(side_by_side([step(None), _waves(fitted.waves)]))
    for number, (weights, biases) in enumerate(fitted.layers):
        steps += [step(np.dot, b=weights), step(partial(np.add, biases))]
        steps += active if number + 1 < len(fitted.layers) else []
    return chain(*steps, _read_off(fitted.task))


def _waves(waves: Waves) -> Pipeline:
    each = waves.frequencies.shape[1]
    angles = [step(partial(np.multiply, waves.frequencies.ravel())), step(partial(np.add, waves.phases.ravel()))]
    return chain(taken(waves.columns), step(np.repeat, repeats=each, axis=1), *angles, step(np.sin))


def _read_off(task: Task) -> Any:
    """What predicts the one column, or the softmax of one for each class."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    if task.is_regression:
        found = LinearRegression()
        found.coef_, found.intercept_ = np.ones(1), 0.0
        return found
    found = LogisticRegression()
    found.coef_ = np.array([[-1.0, 1.0]]) if task.kind == "binary" else np.eye(task.width)
    found.intercept_, found.classes_ = np.zeros(len(found.coef_)), np.arange(task.width)
    return found


def _aimed(estimator: Any, target: Target) -> Any:
    """An estimator of values on the target's own scale, and within its range."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import FunctionTransformer

    if target == Target():
        return estimator
    backwards = [FunctionTransformer(inverse_func=np.clip, inv_kw_args={"a_min": target.lower, "a_max": target.upper})]
    if target.scale == "log1p":
        most = partial(np.minimum, np.log1p(target.upper))
        backwards += [FunctionTransformer(inverse_func=each) for each in (np.expm1, most)]
    backwards += [affine(np.array([target.centre]), np.array([target.spread]))]
    found = TransformedTargetRegressor(estimator, check_inverse=False)
    found.regressor_, found.transformer_, found._training_dim = estimator, chain(*backwards), 1
    return found


def mean_of(members: Sequence[tuple[str, Any]], weights: Sequence[float], classes: Sequence[Any], task: Task) -> Any:
    """The weighted mean of fitted estimators.

    As a parameter they stand by their names alone: scikit-learn shows parameters within parameters, which of hundreds
    of steps takes minutes.
    """
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.preprocessing import LabelEncoder

    if task.is_regression:
        found = VotingRegressor([(name, FITTED) for name, _ in members], weights=list(weights))
    else:
        found = VotingClassifier([(name, FITTED) for name, _ in members], voting="soft", weights=list(weights))
        found.le_ = LabelEncoder().fit(np.array(classes))
        found.classes_ = found.le_.classes_
    found.estimators_ = [each for _, each in members]
    return found


def _decided(whole: Any, model: Model) -> Any:
    """The mean with its temperature and threshold."""
    from sklearn.model_selection import FixedThresholdClassifier

    if model.temperature != 1 and model.task.width > 1:
        whole = _tempered(whole, model)
    if model.threshold == 0.5 or model.task.kind != "binary":
        return whole
    found = FixedThresholdClassifier(whole, threshold=model.threshold, response_method="predict_proba")
    found.estimator_ = whole
    return found


def _tempered(whole: Any, model: Model) -> Any:
    """p^(1/T) is the softmax of log p / T; of two classes it is told by the second one alone."""
    from scipy.special import logit
    from sklearn.ensemble import StackingClassifier
    from sklearn.linear_model import LogisticRegression

    task = model.task
    softmax = LogisticRegression()
    softmax.coef_ = (np.ones((1, 1)) if task.kind == "binary" else np.eye(task.width)) / model.temperature
    softmax.intercept_, softmax.classes_ = np.zeros(len(softmax.coef_)), np.arange(task.width)
    log = step(logit if task.kind == "binary" else np.log)
    found = StackingClassifier([("mean", whole)], softmax)
    found.estimators_, found.stack_method_ = [whole], ["predict_proba"]
    found.final_estimator_ = chain(step(np.clip, a_min=LEAST, a_max=1 - LEAST), log, softmax)
    found.classes_, found._label_encoder = whole.classes_, whole.le_
    return found
