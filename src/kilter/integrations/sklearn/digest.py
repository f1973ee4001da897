"""What tells one search from another: a hash of its data, folds, scoring and estimator, and what describes its task."""

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


def described(X: Any, y: Any, is_classifier: bool) -> dict[str, Any]:  # noqa: N803 - scikit-learn's name
    """What describes a task: rows and features, and of a classification the classes and the share of the smallest.

    >>> described(np.zeros((4, 2)), np.array([0, 0, 0, 1]), True)
    {'rows': 4, 'features': 2, 'classes': 2, 'smallest': 0.25}
    """
    shape: tuple[int, ...] = np.shape(X) if hasattr(X, "shape") else (len(X),)
    told: dict[str, Any] = {"rows": int(shape[0])} | ({"features": int(shape[1])} if len(shape) == 2 else {})
    if is_classifier and np.ndim(y) == 1:
        counts = np.unique(np.asarray(y), return_counts=True)[1]
        told |= {"classes": len(counts), "smallest": round(float(counts.min() / counts.sum()), 6)}
    return told


def digest(thing: Any) -> str:
    """A hash of what is in a thing, the same in every process; of what cannot be pickled, of how it reads."""
    try:
        return str(joblib.hash(thing))
    except Exception:  # noqa: BLE001 - whatever the pickling of foreign objects raises
        return str(joblib.hash(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))))
