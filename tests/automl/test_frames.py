"""Any table is learned from or refused with a reason: it never breaks fit, predict, save, load or export."""

from __future__ import annotations

import datetime
import warnings
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kilter.automl import Classifier, Regressor, load
from kilter.core.errors import KilterError

if TYPE_CHECKING:
    import pytest

ROWS = 24
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "floats": st.floats(width=32) | st.floats(),
    "integers": st.integers(-(2**60), 2**60),
    "few": st.sampled_from([1, 2, 3]),
    "booleans": st.booleans(),
    "levels": st.sampled_from(["a", "b", "", "n/a", " a", "A", "\ud800", "naïve", "__", "0", "1.0"]),
    "texts": st.text(max_size=20),
    "sentences": st.lists(st.sampled_from(["red", "blue", "old", "new", "house", "road", "by", "the"]), min_size=3).map(
        " ".join
    ),
    "numbers in texts": st.integers(0, 10**7).map("{:,}".format),
    "moments": st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),
    "days in texts": st.dates(datetime.date(1950, 1, 1)).map("{:%d.%m.%Y}".format),
    "decimals": st.decimals(-1000, 1000, allow_nan=False, places=2).map(Decimal),
    "durations": st.timedeltas(datetime.timedelta(-1000), datetime.timedelta(1000)),
    "lists": st.lists(st.integers(), max_size=2),
    "anything": st.none() | st.integers() | st.text(max_size=3) | st.floats() | st.dates(),
}


@st.composite
def columns(draw: st.DrawFn) -> pd.Series:
    cells = CELLS[draw(st.sampled_from(sorted(CELLS)))]
    missing = draw(st.sampled_from([0.0, 0.0, 0.2, 1.0]))
    values = [None if draw(st.floats(0, 1)) < missing else draw(cells) for _ in range(ROWS)]
    if "\ud800" in values:  # which pandas itself takes in no other column
        return pd.Series(values, dtype=object)
    series = pd.Series(values)
    return series.astype("category") if draw(st.booleans()) and series.map(np.isscalar).all() else series


FRAMES = st.dictionaries(st.text(min_size=1, max_size=5), columns(), min_size=1, max_size=4).map(pd.DataFrame)


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(frame=FRAMES, classes=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_table_is_learned_from_or_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, classes: int, seed: int
) -> None:
    y = np.random.default_rng(seed).integers(0, classes + 1, ROWS)
    kind = Regressor if classes == 3 else Classifier
    path: Path = tmp_path_factory.mktemp("frames") / "model.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = kind(n_models=3, folds=2, random_state=seed).fit(frame, y)
        except KilterError:
            return
        predictions = model.predict(frame)
        assert len(predictions) == ROWS
        assert np.isfinite(predictions).all()
        model.save(path)
        assert (load(path).predict(frame) == predictions).all()
        strange = any(column.strange for column in model.model_.reading.columns)
        if not strange and not any(name.endswith("\0") for name in frame):
            model.export()
