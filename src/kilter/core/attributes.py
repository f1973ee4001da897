"""Attributes by which trials and studies say what they measure; analyses read them, and users may set them."""

from __future__ import annotations

CONFIRMS = "confirms"
"""Of a trial: the number of an earlier one, whose configuration it measures once more."""

KNOWN = "known_folds"
"""Of a trial: scores of parts that need not be computed again, as [[part, score], …]."""

DEFAULT = "default"
"""Of a trial: True where its configuration is what there would be without tuning."""

FAILED = "failed_part"
"""Of a trial: the part, a fold, a seed or a data set, on which it failed."""

EVALUATION = "evaluation"
"""Of a study: how its objective is put together from parts, a `kilter.analysis.design.Design` as JSON."""

UNTRIED = "no_default"
"""Of a study: why what there would be without tuning is not among its trials, as text."""
