"""What tells one search from another: a hash of its data, folds, scoring and estimator."""

from __future__ import annotations

import re
from typing import Any

import joblib
import numpy as np
from sklearn.utils import _safe_indexing


def content(data: Any) -> Any:
    """The values of a table or column of pandas and the like, which pickle otherwise once they were copied or used."""
    if hasattr(data, "columns"):
        return [
            list(map(str, data.columns)),
            *(content(_safe_indexing(data, i, axis=1)) for i in range(data.shape[1])),
        ]
    return np.ascontiguousarray(data.to_numpy()) if hasattr(data, "to_numpy") else data


def digest(thing: Any) -> str:
    """A hash of what is in a thing, the same in every process; of what cannot be pickled, of how it reads."""
    try:
        return str(joblib.hash(thing))
    except Exception:  # noqa: BLE001 - whatever the pickling of foreign objects raises
        return str(joblib.hash(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))))
